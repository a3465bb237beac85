//! A circuit breaker for each provider: how many calls may be under way at once, and a rest for what does not answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use config::DeliveryConfig;
use domain::delivery::{Channel, Outcome, Target};
use domain::id::ProjectId;
use store::deliveries::Claimed;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// Who takes deliveries: a target that is a server of its own, or else what a project's channel goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Provider {
    project: ProjectId,
    channel: Channel,
    server: Option<Uuid>,
}

impl Provider {
    pub(crate) const fn of(delivery: &Claimed) -> Self {
        let server = match delivery.target {
            Target::Endpoint(_) | Target::Chat(_) => Some(delivery.target.id()),
            Target::Address(_) | Target::Device(_) | Target::Person(_) => None,
        };
        Self { project: delivery.project, channel: delivery.channel, server }
    }
}

/// The breakers of this process.
pub(crate) struct Breakers {
    width: usize,
    failures: u32,
    rest: Duration,
    breakers: Mutex<HashMap<Provider, Arc<Breaker>>>,
}

/// How many providers are remembered before those that nobody uses are forgotten.
const REMEMBERED: usize = 10_000;

impl Breakers {
    pub(crate) fn new(config: &DeliveryConfig) -> Self {
        Self {
            width: config.per_provider_concurrency,
            failures: config.breaker_failures,
            rest: config.breaker_open,
            breakers: Mutex::default(),
        }
    }

    pub(crate) fn of(&self, provider: Provider) -> Arc<Breaker> {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        if breakers.len() > REMEMBERED {
            breakers.retain(|_, breaker| Arc::strong_count(breaker) > 1);
        }
        let breaker = breakers.entry(provider).or_insert_with(|| {
            Arc::new(Breaker {
                slots: Arc::new(Semaphore::new(self.width)),
                failed: AtomicU32::new(0),
                open_until: Mutex::new(None),
                limit: self.failures,
                rest: self.rest,
            })
        });
        Arc::clone(breaker)
    }
}

/// The way to one provider.
pub(crate) struct Breaker {
    slots: Arc<Semaphore>,
    failed: AtomicU32,
    open_until: Mutex<Option<Instant>>,
    limit: u32,
    rest: Duration,
}

/// Whether a delivery may go.
pub(crate) enum Pass {
    /// It may, as long as it holds this.
    Go(OwnedSemaphorePermit),
    /// Not now: the provider does not answer, or is busy with others.
    Wait(Duration),
}

impl Breaker {
    pub(crate) async fn enter(&self, deadline: tokio::time::Instant) -> Pass {
        if let Some(rest) = self.resting(Instant::now()) {
            return Pass::Wait(rest);
        }
        match tokio::time::timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await {
            // The provider may have been found dead while this one waited.
            Ok(Ok(slot)) => self.resting(Instant::now()).map_or(Pass::Go(slot), Pass::Wait),
            Ok(Err(_)) | Err(_) => Pass::Wait(Duration::ZERO),
        }
    }

    /// Takes note of how an attempt ended.
    pub(crate) fn learn(&self, outcome: Outcome) {
        self.learn_at(outcome, Instant::now());
    }

    fn learn_at(&self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Delivered | Outcome::Sent | Outcome::Permanent | Outcome::Throttled => {
                self.failed.store(0, Ordering::Relaxed)
            }
            Outcome::Transient | Outcome::Unknown => {
                let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
                if failed >= self.limit {
                    // The first one after the rest decides: one more failure closes the breaker again.
                    self.failed.store(self.limit.saturating_sub(1), Ordering::Relaxed);
                    *self.open_until.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(now + self.rest);
                    metrics::counter!("bellbuoy_breaker_opened_total").increment(1);
                }
            }
        }
    }

    fn resting(&self, now: Instant) -> Option<Duration> {
        let mut open_until = self.open_until.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = open_until.map(|until| until.saturating_duration_since(now))?;
        if rest.is_zero() {
            *open_until = None;
            return None;
        }
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_rests_after_many_failures_and_after_one_more() {
        let breaker = Breaker {
            slots: Arc::new(Semaphore::new(1)),
            failed: AtomicU32::new(0),
            open_until: Mutex::new(None),
            limit: 3,
            rest: Duration::from_secs(30),
        };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..2 {
            breaker.learn_at(Outcome::Transient, at(0));
        }
        breaker.learn_at(Outcome::Delivered, at(0));
        for _ in 0..2 {
            breaker.learn_at(Outcome::Transient, at(0));
        }
        assert_eq!(breaker.resting(at(0)), None);
        breaker.learn_at(Outcome::Transient, at(1));
        assert_eq!(breaker.resting(at(1)), Some(Duration::from_secs(30)));
        assert_eq!(breaker.resting(at(31)), None);
        breaker.learn_at(Outcome::Transient, at(32));
        assert!(breaker.resting(at(32)).is_some());
        assert_eq!(breaker.resting(at(62)), None);
        breaker.learn_at(Outcome::Delivered, at(63));
        breaker.learn_at(Outcome::Transient, at(63));
        assert_eq!(breaker.resting(at(63)), None);
    }
}
