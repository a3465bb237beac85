//! Which limits a request and its events fall under: those of whoever sends them, of their project, of its plan, and of
//! the system. Every way in asks here, so that none of them is without a limit.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config::{Config, LimitsConfig};
use domain::id::ProjectId;
use domain::plan::Limits;

use crate::access::Principal;
use crate::epochs::Epochs;
use crate::limits::{Limit, Limiter, Verdict};
use crate::tenants::default_limits;

/// What the limits say about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it may go on.
    pub allowed: bool,
    /// How many requests the tightest of the limits allows at once.
    pub limit: u32,
    /// How many of them are left.
    pub remaining: u32,
    /// When all of them are back.
    pub reset: Duration,
    /// When the next one may go on, if this one may not.
    pub retry_after: Duration,
}

/// Why no more events are taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The project's plan allows no more in this minute.
    Plan {
        /// How many it allows.
        limit: u64,
        /// When to try again.
        retry_after: Duration,
        /// When all of them are there again.
        reset: Duration,
    },
    /// A limit of the project or the system is reached.
    Rate {
        /// When to try again.
        retry_after: Duration,
    },
}

/// The limits of requests and events. Nothing here waits or fails: what it knows is in this process.
pub struct Rates {
    limiter: Arc<Limiter>,
    epochs: Arc<Epochs>,
    config: LimitsConfig,
    /// What a plan allows that says nothing of it.
    defaults: Limits,
}

impl Rates {
    /// The limits of the platform, and those that projects and plans set.
    pub fn new(limiter: Arc<Limiter>, epochs: Arc<Epochs>, config: &Config) -> Self {
        let defaults = default_limits(&config.plan);
        Self { limiter, epochs, config: config.limits.clone(), defaults }
    }

    /// Takes one request of `principal`, or of a stranger, from `address`; nothing when it falls under no limit.
    pub fn take_request(&self, principal: Option<&Principal>, address: IpAddr) -> Option<Standing> {
        let config = &self.config;
        let own = principal.map(|who| self.epochs.tenants.of(who.project()).limits);
        let own = own.unwrap_or_default();
        let (key, rate) = match principal {
            Some(Principal::Key { key_id, .. }) => {
                (format!("key:{key_id}"), tighter(config.key_per_second, own.key_per_second))
            }
            Some(Principal::Person(person)) => (
                format!("user:{}:{}", person.project, person.user),
                tighter(config.user_per_second, own.user_per_second),
            ),
            None => (format!("address:{address}"), config.address_per_second),
        };
        let project = principal.map(|who| format!("requests:{}", who.project()));
        let most = tighter(config.project_requests_per_second, own.requests_per_second);
        let limits = [
            self.limit(&key, rate),
            // Strangers are of no project, and fall under no limit of one.
            self.limit(
                project.as_deref().unwrap_or_default(),
                project.as_ref().map_or(0, |_| most),
            ),
            self.limit("requests", config.system_requests_per_second),
        ];
        standing(self.limiter.take(&limits, 1.0))
    }

    /// Takes so many events of a project.
    ///
    /// # Errors
    /// When a limit or the plan allows no more of them now.
    pub fn take_events(&self, project: ProjectId, count: usize) -> Result<(), Over> {
        let config = &self.config;
        let tenancy = self.epochs.tenants.of(project);
        let (mine, plan) = (format!("project:{project}"), format!("plan:{project}"));
        let per_second = tighter(config.project_per_second, tenancy.limits.events_per_second);
        let a_minute = tenancy.plan.or(self.defaults).events_per_minute.unwrap_or_default();
        let limits = [
            self.limit("system", config.system_per_second),
            self.limit(&mine, per_second),
            Limit { key: &plan, rate: a_minute as f64 / 60.0, burst: a_minute as f64 },
        ];
        match self.limiter.take(&limits, count as f64) {
            Verdict::Granted(_) => Ok(()),
            Verdict::Denied { key, quota, retry_after } if key == plan => {
                Err(Over::Plan { limit: a_minute, retry_after, reset: quota.reset })
            }
            Verdict::Denied { retry_after, .. } => Err(Over::Rate { retry_after }),
        }
    }

    fn limit<'a>(&self, key: &'a str, per_second: u32) -> Limit<'a> {
        let rate = f64::from(per_second);
        Limit { key, rate, burst: rate * f64::from(self.config.burst_seconds) }
    }
}

fn standing(taken: Verdict) -> Option<Standing> {
    let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let (allowed, quota, retry_after) = match taken {
        Verdict::Granted(quota) => (true, quota?, Duration::ZERO),
        Verdict::Denied { quota, retry_after, .. } => (false, quota, retry_after),
    };
    let (limit, remaining) = (small(quota.limit), small(quota.remaining));
    Some(Standing { allowed, limit, remaining, reset: quota.reset, retry_after })
}

/// The platform's limit, or the project's if that is tighter; 0 is none.
pub fn tighter(platform: u32, own: Option<u32>) -> u32 {
    match own.filter(|own| *own > 0) {
        Some(own) if platform == 0 || own < platform => own,
        _ => platform,
    }
}

#[cfg(test)]
mod tests {
    use super::tighter;

    #[test]
    fn a_project_is_never_wider_than_the_platform() {
        for (platform, own, wanted) in
            [(0, None, 0), (0, Some(5), 5), (10, Some(5), 5), (10, Some(20), 10), (10, Some(0), 10)]
        {
            assert_eq!(tighter(platform, own), wanted, "{platform} {own:?}");
        }
    }
}
