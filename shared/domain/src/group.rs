//! The state of one rule and group: its alert and its window. Pure: the store holds the row locked meanwhile.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rule::Suppression;
use crate::id::AlertId;
use crate::time::Time;

/// All that is known of one rule and group key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupState {
    /// What the group is about, once it rang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// When it rang, in microseconds, oldest first: as many as the window can ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rings: Vec<i64>,
    /// The time of the last decision: windows never run backwards.
    #[serde(default)]
    pub decided: i64,
    /// How many matches did not ring since it last did.
    #[serde(default)]
    pub suppressed: u64,
}

/// An alert that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// Counted up when it opens.
    pub round: i64,
    /// Since when it is open.
    pub opened_at: Time,
}

/// What the window says to one more match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// It may ring.
    Open,
    /// It is full until then.
    Full {
        /// When the next may ring.
        until: Time,
    },
}

impl GroupState {
    /// The time to decide at: never before the last decision.
    pub fn decision_time(&mut self, now: Time) -> Time {
        self.decided = self.decided.max(now.micros());
        Time::from_micros(self.decided)
    }

    /// Whether one more may ring at `at`, by a window that slides: in any span of its length at most its count.
    pub fn window(&self, suppression: Option<Suppression>, at: Time) -> Window {
        let Some(Suppression { count, seconds }) = suppression else { return Window::Open };
        let length = Duration::from_secs(seconds.into());
        let from = at.minus(length).micros();
        let inside = self.rings.iter().filter(|ring| **ring > from).count();
        if inside < count as usize {
            return Window::Open;
        }
        // Full until the ring leaves that, with all after it, makes the count.
        let leaves = self.rings[self.rings.len() - count as usize];
        Window::Full { until: Time::from_micros(leaves).plus(length) }
    }

    /// Takes note of a ring at `at`; `keep` is how many the window can ask for.
    pub fn rang(&mut self, at: Time, keep: usize) {
        self.suppressed = 0;
        self.rings.push(at.micros());
        let over = self.rings.len().saturating_sub(keep);
        self.rings.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn run(count: u32, seconds: u32, times: &[i64]) -> Vec<bool> {
        let mut group = GroupState::default();
        let window = Some(Suppression { count, seconds });
        times
            .iter()
            .map(|time| {
                let now = group.decision_time(at(*time));
                let open = group.window(window, now) == Window::Open;
                if open {
                    group.rang(now, count as usize);
                }
                open
            })
            .collect()
    }

    #[test]
    fn the_window_slides() {
        assert_eq!(
            run(2, 10, &[0, 1, 2, 9, 10, 11, 12]),
            [true, true, false, false, true, true, false]
        );
        assert_eq!(run(1, 60, &[0, 59, 60, 119, 120]), [true, false, true, false, true]);
        assert_eq!(run(3, 5, &[7; 6]), [true, true, true, false, false, false]);
    }

    #[test]
    fn time_that_runs_backwards_opens_no_window() {
        assert_eq!(run(1, 10, &[100, 50, 105, 110]), [true, false, false, true]);
    }

    #[test]
    fn a_full_window_says_until_when() {
        let mut group = GroupState::default();
        let window = Some(Suppression { count: 2, seconds: 10 });
        group.rang(at(1), 2);
        group.rang(at(4), 2);
        assert_eq!(group.window(window, at(5)), Window::Full { until: at(11) });
        assert_eq!(group.window(window, at(11)), Window::Open);
        assert_eq!(group.window(None, at(5)), Window::Open);
    }

    #[test]
    fn in_any_span_of_its_length_at_most_its_count_ring() {
        let mut seed = 7_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..200 {
            let (count, seconds) = (next(4) as u32 + 1, next(20) as u32 + 1);
            let mut now = 0;
            let times: Vec<i64> = (0..100)
                .map(|_| {
                    now += next(6) as i64;
                    now
                })
                .collect();
            let rang: Vec<i64> = run(count, seconds, &times)
                .iter()
                .zip(&times)
                .filter(|(rang, _)| **rang)
                .map(|(_, at)| *at)
                .collect();
            for start in &rang {
                let within = rang
                    .iter()
                    .filter(|at| (*start..*start + i64::from(seconds)).contains(*at))
                    .count();
                assert!(within <= count as usize, "{within} of {count} in {seconds}");
            }
        }
    }
}
