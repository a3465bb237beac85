//! The reckoning of limits: pure, what time it is and how many share are parameters.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Limit, Quota, Verdict};
use coordination::Spent;

/// How many limits are looked at to find one to forget when there are too many.
const SAMPLE: usize = 8;
/// What rounding may take away.
const GRAIN: f64 = 1e-9;
/// Longer than this nobody is asked to wait, and no duration overflows.
const LONGEST: f64 = 86_400.0;

type Entries = HashMap<Arc<str>, Entry>;

pub(super) struct Ledger {
    entries: Entries,
    /// Those used since the others were told, in order.
    used: VecDeque<Arc<str>>,
    most: usize,
    idle: Duration,
}

struct Entry {
    key: Arc<str>,
    /// What this process may still spend.
    room: f64,
    at: Instant,
    rate: f64,
    burst: f64,
    /// What it spent since it told the others.
    spent: f64,
    used_at: Instant,
    queued: bool,
}

impl Entry {
    fn new(now: Instant, shares: f64, key: Arc<str>, limit: &Limit<'_>) -> Self {
        let Limit { rate, burst, .. } = *limit;
        Self {
            key,
            room: burst / shares,
            at: now,
            rate,
            burst,
            spent: 0.0,
            used_at: now,
            queued: false,
        }
    }

    fn refill(&mut self, now: Instant, shares: f64) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.room = (self.room + passed * self.rate / shares).min(self.burst / shares);
        self.at = self.at.max(now);
    }

    /// How much there must be to spend `n`: a full share is always enough, or what is larger would never pass.
    fn need(&self, shares: f64, n: f64) -> f64 {
        n.min(self.burst / shares)
    }

    fn quota(&self, shares: f64) -> Quota {
        let left = (self.room * shares).clamp(0.0, self.burst);
        Quota {
            limit: whole(self.burst),
            remaining: whole(left + GRAIN),
            reset: seconds((self.burst - self.room * shares) / self.rate),
        }
    }

    fn fill(&self, shares: f64) -> f64 {
        self.room * shares / self.burst.max(GRAIN)
    }
}

impl Ledger {
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self { entries: HashMap::new(), used: VecDeque::new(), most, idle }
    }

    /// Charges `n` to every limit, or to none.
    pub(super) fn take(
        &mut self,
        now: Instant,
        shares: f64,
        limits: &[Limit<'_>],
        n: f64,
    ) -> Verdict {
        let n = if n.is_finite() { n.max(0.0) } else { 0.0 };
        let mut denied: Option<(&str, Quota, Duration)> = None;
        let mut tightest: Option<(f64, Quota)> = None;
        for limit in limits.iter().filter(|limit| is_limited(limit)) {
            let entry = match self.entries.get_mut(limit.key) {
                Some(entry) => entry,
                None => add(&mut self.entries, self.most, now, shares, limit),
            };
            (entry.rate, entry.burst, entry.used_at) = (limit.rate, limit.burst, now);
            if !entry.queued {
                entry.queued = true;
                self.used.push_back(Arc::clone(&entry.key));
            }
            entry.refill(now, shares);
            let lack = entry.need(shares, n) - entry.room;
            if lack > GRAIN {
                let wait = seconds(lack * shares / entry.rate);
                if denied.as_ref().is_none_or(|(_, _, longest)| wait > *longest) {
                    denied = Some((limit.key, entry.quota(shares), wait));
                }
            }
        }
        if let Some((key, quota, retry_after)) = denied {
            return Verdict::Denied { key: key.to_owned(), quota, retry_after };
        }
        for limit in limits.iter().filter(|limit| is_limited(limit)) {
            let Some(entry) = self.entries.get_mut(limit.key) else { continue };
            entry.room = (entry.room - n).max(-entry.burst);
            entry.spent += n;
            if tightest.as_ref().is_none_or(|(least, _)| entry.room * shares < *least) {
                tightest = Some((entry.room * shares, entry.quota(shares)));
            }
        }
        Verdict::Granted(tightest.map(|(_, quota)| quota))
    }

    /// What to tell of: at most `most` of the limits that were asked for since.
    pub(super) fn collect(&mut self, most: usize) -> Vec<Spent> {
        let count = most.min(self.used.len());
        let mut spent = Vec::with_capacity(count);
        for key in self.used.drain(..count) {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.queued = false;
                spent.push(Spent {
                    key: key.to_string(),
                    rate: entry.rate,
                    burst: entry.burst,
                    spent: std::mem::take(&mut entry.spent),
                });
            }
        }
        spent
    }

    /// Takes its share of what is `left`, less what it spent while the answer was on its way.
    pub(super) fn learn(&mut self, now: Instant, shares: f64, told: &[Spent], left: &[f64]) {
        for (told, left) in told.iter().zip(left) {
            let Some(entry) = self.entries.get_mut(told.key.as_str()) else { continue };
            if !left.is_finite() {
                continue;
            }
            entry.refill(now, shares);
            let share = left / shares - entry.spent;
            // Who is alone knows what it spent itself: nobody can have given it more.
            entry.room = if shares > 1.0 { share } else { share.min(entry.room) };
            entry.room = entry.room.clamp(-entry.burst, entry.burst / shares);
        }
    }

    /// Forgets the limits that nobody used for a while and that are full again, as a new one would be.
    pub(super) fn tidy(&mut self, now: Instant, shares: f64) {
        let idle = self.idle;
        self.entries.retain(|_, entry| {
            entry.refill(now, shares);
            let resting = now.saturating_duration_since(entry.used_at) >= idle;
            entry.queued || !resting || entry.fill(shares) < 1.0 - GRAIN
        });
    }
}

/// Makes a limit known that is not, in place of another if there are too many.
fn add<'a>(
    entries: &'a mut Entries,
    most: usize,
    now: Instant,
    shares: f64,
    limit: &Limit<'_>,
) -> &'a mut Entry {
    if entries.len() >= most {
        make_room(entries, shares);
    }
    let key: Arc<str> = limit.key.into();
    entries.entry(Arc::clone(&key)).or_insert_with(|| Entry::new(now, shares, key, limit))
}

/// Forgets the fullest of a few: it loses least, and who is over its limit can't be washed out by new keys.
fn make_room(entries: &mut Entries, shares: f64) {
    let few = entries.iter().take(SAMPLE);
    let fullest = few.max_by(|(_, one), (_, other)| {
        (!one.queued, one.fill(shares))
            .partial_cmp(&(!other.queued, other.fill(shares)))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    if let Some(key) = fullest.map(|(key, _)| Arc::clone(key)) {
        entries.remove(&key);
    }
}

fn is_limited(limit: &Limit<'_>) -> bool {
    limit.rate > 0.0 && limit.rate.is_finite() && limit.burst >= 0.0 && limit.burst.is_finite()
}

// What is negative or too large saturates, which is what is meant.
fn whole(number: f64) -> u64 {
    number.floor() as u64
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, LONGEST)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
