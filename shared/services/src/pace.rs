//! Answers that must not tell by their time what was found: they come at whole steps after the question.

use std::time::Duration;

use tokio::time::Instant;

/// One step: longer than the work behind such an answer normally takes. Where the work takes longer, as with expensive
/// hashing or under load, the answer waits for the next step.
pub const STEP: Duration = Duration::from_millis(250);

/// When a question came.
#[derive(Clone, Copy, Debug)]
pub struct Pace(Instant);

impl Pace {
    /// It came now.
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Waits until the next step.
    pub async fn keep(self) {
        tokio::time::sleep_until(self.0 + next_step(self.0.elapsed())).await;
    }
}

/// Does the work, and is done at the next step.
pub async fn paced<T>(work: impl Future<Output = T>) -> T {
    let pace = Pace::begin();
    let done = work.await;
    pace.keep().await;
    done
}

/// How long after the question the answer comes whose work took this long.
fn next_step(worked: Duration) -> Duration {
    let steps = worked.as_nanos() / STEP.as_nanos() + 1;
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_takes_longer_by_a_little_is_answered_at_the_same_time() {
        let ms = Duration::from_millis;
        for (worked, answered) in
            [(0, 250), (28, 250), (31, 250), (249, 250), (250, 500), (610, 750), (617, 750)]
        {
            assert_eq!(next_step(ms(worked)), ms(answered), "{worked}");
        }
    }
}
