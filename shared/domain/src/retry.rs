//! When to try again, and when to stop.

use std::time::Duration;

use super::delivery::{Attempt, Next, Outcome};
use super::reason::Reason;
use crate::time::Time;

/// What follows from `attempt`, the `number`th (from 1); `jitter` in 0..1 spreads those that failed together.
pub fn after(attempt: &Attempt, number: i64, backoff: &[Duration], now: Time, jitter: f64) -> Next {
    match attempt.outcome {
        Outcome::Delivered => Next::Delivered,
        Outcome::Sent => Next::Sent,
        Outcome::Permanent => Next::Dead(attempt.reason.unwrap_or(Reason::Refused)),
        Outcome::Transient | Outcome::Unknown => match pause(number, backoff, jitter) {
            Some(pause) => Next::Retry(now.plus(pause)),
            None => Next::Dead(Reason::AttemptsSpent),
        },
        Outcome::Throttled => match pause(number, backoff, jitter) {
            Some(pause) => Next::Retry(now.plus(attempt.retry_after.unwrap_or(pause).min(LONGEST))),
            None => Next::Dead(Reason::AttemptsSpent),
        },
    }
}

/// No provider makes us wait longer than this.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The pause after the `number`th attempt: the schedule's step, up to a fifth longer by chance.
fn pause(number: i64, backoff: &[Duration], jitter: f64) -> Option<Duration> {
    let step = usize::try_from(number.max(1) - 1).ok()?;
    backoff.get(step).map(|pause| pause.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(outcome: Outcome) -> Attempt {
        Attempt::ended(outcome, None, None)
    }

    #[test]
    fn each_outcome_has_its_consequence() {
        let steps = [Duration::from_secs(5), Duration::from_secs(30)];
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000);
        let next = |attempt: &Attempt, number| after(attempt, number, &steps, at(100), 0.0);
        assert_eq!(next(&attempt(Outcome::Delivered), 1), Next::Delivered);
        assert_eq!(next(&attempt(Outcome::Sent), 1), Next::Sent);
        assert_eq!(next(&attempt(Outcome::Transient), 1), Next::Retry(at(105)));
        assert_eq!(next(&attempt(Outcome::Unknown), 2), Next::Retry(at(130)));
        assert_eq!(next(&attempt(Outcome::Transient), 3), Next::Dead(Reason::AttemptsSpent));
        assert_eq!(next(&attempt(Outcome::Permanent), 1), Next::Dead(Reason::Refused));
        let gone = Attempt { reason: Some(Reason::TargetGone), ..attempt(Outcome::Permanent) };
        assert_eq!(next(&gone, 1), Next::Dead(Reason::TargetGone));
        let slow =
            Attempt { retry_after: Some(Duration::from_secs(77)), ..attempt(Outcome::Throttled) };
        assert_eq!(next(&slow, 1), Next::Retry(at(177)));
        assert_eq!(next(&attempt(Outcome::Throttled), 1), Next::Retry(at(105)));
        assert_eq!(next(&slow, 3), Next::Dead(Reason::AttemptsSpent));
    }

    #[test]
    fn jitter_only_lengthens_a_pause() {
        let steps = [Duration::from_secs(10)];
        assert_eq!(pause(1, &steps, 0.0), Some(Duration::from_secs(10)));
        assert_eq!(pause(1, &steps, 9.9), Some(Duration::from_secs(12)));
    }
}
