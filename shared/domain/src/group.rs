//! The state of one rule and group: its alert and its window. Pure: the store holds the row locked meanwhile.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::alert::Acknowledgement;
use super::rule::{Suppression, Threshold};
use crate::id::{AlertId, EventId, NotificationId};
use crate::time::Time;

/// All that is known of one rule and group key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupState {
    /// What the group is about, while that is not resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// How many rounds its alerts had so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: i64,
    /// When it rang, in microseconds, oldest first: as many as the window can ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rings: Vec<i64>,
    /// The time of the last decision: windows never run backwards.
    #[serde(default)]
    pub decided: i64,
    /// How many matches did not ring since it last did.
    #[serde(default)]
    pub suppressed: u64,
    /// The last event that matched, in the order of their receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<Place>,
    /// The last event that resolved: what was received before it opens nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Place>,
    /// When the events that a threshold counts were received, in microseconds, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<i64>,
    /// The summary that is being gathered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The match that waits to be decided on once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// When the last event came that a rule waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Time>,
    /// The last deadline that was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Time>,
    /// The earliest time for which the group is in the list of what is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
}

const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// An event's place in the order of decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// When it was received.
    pub at: Time,
    /// Which it is.
    pub event: EventId,
}

/// An alert that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// Counted up when it opens, and when it begins to ring anew.
    pub round: i64,
    /// Since when it is open.
    pub opened_at: Time,
    /// How many events it is about.
    #[serde(default)]
    pub events: i64,
    /// Whether anybody was notified of it.
    #[serde(default)]
    pub rang: bool,
    /// Who takes care of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
}

/// A summary of matches that were over the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The notification that it will be.
    pub id: NotificationId,
    /// When it is sent.
    pub until: Time,
    /// How many matches are in it.
    pub count: u64,
    /// When the first of them was received.
    pub first: Time,
}

/// A match that did not ring for a reason that passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The event.
    pub event: EventId,
    /// When it is decided on again.
    pub again: Time,
    /// Whether it waited for an inhibiting alert to open, so that it does not wait again.
    #[serde(default)]
    pub waited: bool,
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
        let Some(Suppression { count, seconds, .. }) = suppression else { return Window::Open };
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

    /// Counts an event that was received at `at`; whether the threshold is reached, which begins the count anew.
    pub fn count(&mut self, at: Time, threshold: Threshold) -> bool {
        let place = self.counted.partition_point(|one| *one <= at.micros());
        self.counted.insert(place, at.micros());
        let last = self.counted.last().copied().unwrap_or_default();
        let from = Time::from_micros(last).minus(Duration::from_secs(threshold.seconds.into()));
        self.counted.retain(|one| *one > from.micros());
        let reached = self.counted.len() >= threshold.count as usize;
        if reached {
            self.counted.clear();
        }
        reached
    }

    /// The acknowledgement that holds at `at`.
    pub fn acknowledged(&self, at: Time) -> Option<&Acknowledgement> {
        let acknowledged = self.alert.as_ref()?.acknowledged.as_ref()?;
        acknowledged.until.is_none_or(|until| at < until).then_some(acknowledged)
    }

    /// When the group has to be looked at again, by what it knows itself; `age` is after how long without a match its
    /// alert resolves, `deadline` the next one of a rule that waits.
    pub fn wakes(&self, age: Option<Duration>, deadline: Option<Time>) -> Option<Time> {
        let acknowledged = self.alert.as_ref().and_then(|alert| alert.acknowledged.as_ref());
        let aged = self.alert.as_ref().zip(age).map(|(alert, age)| {
            self.matched.map_or(alert.opened_at, |matched| matched.at).plus(age)
        });
        let times = [
            acknowledged.and_then(|one| one.until),
            self.digest.as_ref().map(|digest| digest.until),
            self.pending.as_ref().map(|pending| pending.again),
            aged,
            deadline,
        ];
        times.into_iter().flatten().min()
    }

    /// Takes note of a ring at `at`; `keep` is how many the window can ask for.
    pub fn rang(&mut self, at: Time, keep: usize) {
        self.suppressed = 0;
        self.pending = None;
        self.rings.push(at.micros());
        let over = self.rings.len().saturating_sub(keep);
        self.rings.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Over;

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn run(count: u32, seconds: u32, times: &[i64]) -> Vec<bool> {
        let mut group = GroupState::default();
        let window = Some(Suppression { count, seconds, over: Over::Drop });
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
        let window = Some(Suppression { count: 2, seconds: 10, over: Over::Drop });
        group.rang(at(1), 2);
        group.rang(at(4), 2);
        assert_eq!(group.window(window, at(5)), Window::Full { until: at(11) });
        assert_eq!(group.window(window, at(11)), Window::Open);
        assert_eq!(group.window(None, at(5)), Window::Open);
    }

    #[test]
    fn a_threshold_counts_by_receipt_and_begins_anew() {
        for (times, reached) in [
            (&[0, 1, 2][..], &[false, false, true][..]),
            (&[0, 5, 11], &[false, false, false]),
            (&[0, 10, 9, 8], &[false, false, false, true]),
            (&[5, 4, 3, 6, 7, 8], &[false, false, true, false, false, true]),
            (&[30, 1, 2, 3], &[false, false, false, false]),
        ] {
            let mut group = GroupState::default();
            let threshold = Threshold { count: 3, seconds: 10 };
            let found: Vec<bool> =
                times.iter().map(|time| group.count(at(*time), threshold)).collect();
            assert_eq!(found, reached, "{times:?}");
        }
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
