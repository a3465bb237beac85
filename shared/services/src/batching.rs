//! Whether a batch waits for more to come. A batch has a price of its own, so that larger ones leave more of the machine to
//! everybody; what comes alone never waits.

use std::time::{Duration, Instant};

/// From how many at once on they are worth waiting for.
const MANY: usize = 8;

/// The batch before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Last {
    count: usize,
    took: Duration,
    /// There was none before the first.
    ended: Option<Instant>,
}

impl Last {
    /// A batch of so many that began then and ends now.
    pub fn new(count: usize, began: Instant) -> Self {
        let ended = Instant::now();
        Self { count, took: ended - began, ended: Some(ended) }
    }

    /// How many are about: those of the batch before, who are likely to come again, and those that are here by now. None
    /// where that is few, or longer ago than `recent`.
    pub fn expected(self, here: usize, recent: Duration, now: Instant) -> Option<usize> {
        let rested = now.saturating_duration_since(self.ended?);
        let expected = self.count + here;
        (expected >= MANY && rested <= recent).then_some(expected)
    }

    /// How long it took.
    pub fn took(self) -> Duration {
        self.took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_are_waited_for_and_only_while_they_come() {
        let ended = Instant::now();
        let ms = Duration::from_millis;
        for (count, took, here, rested, expected) in [
            (16, ms(1), 16, ms(0), Some(32)),
            (30, ms(1), 2, ms(1), Some(32)),
            (8, ms(3), 0, ms(2), Some(8)),
            (3, ms(1), 4, ms(0), None),
            (100, ms(1), 100, ms(2), None),
        ] {
            let last = Last { count, took, ended: Some(ended) };
            let found = last.expected(here, last.took(), ended + rested);
            assert_eq!(found, expected, "{count} {here} {rested:?}");
        }
        assert_eq!(Last::default().expected(100, ms(9), ended), None, "there was no batch yet");
    }
}
