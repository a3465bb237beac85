//! Attempts to come in: how often one place may make them, exactly, over all processes. Whoever has no account yet proves
//! nothing, so that the place is all there is to count by.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::epochs::Epochs;
use crate::rates::tighter;
use config::LimitsConfig;
use crypto::seal::Sealer;
use domain::attempt::{AttemptKind, Standing};
use domain::clock::Clock;
use domain::id::{ProjectId, sha256};
use store::{Store, StoreError};

/// What the hashes of addresses are keyed for.
const PURPOSE: &str = "auth attempts";

/// Counts attempts to come in. Cheap to clone.
#[derive(Clone)]
pub struct LoginThrottle {
    store: Store,
    clock: Clock,
    sealer: Sealer,
    epochs: Arc<Epochs>,
    config: LimitsConfig,
}

impl LoginThrottle {
    /// Counts in this store, by these limits and those of projects.
    pub fn new(
        store: Store,
        clock: Clock,
        sealer: Sealer,
        epochs: Arc<Epochs>,
        config: &LimitsConfig,
    ) -> Self {
        Self { store, clock, sealer, epochs, config: config.clone() }
    }

    /// Counts an attempt from an address, in the project that it names, if it names one; nothing when there is no limit.
    /// It is counted before anything else is done, so that however many come at once, no more go on than may.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn take(
        &self,
        project: Option<ProjectId>,
        kind: AttemptKind,
        address: IpAddr,
    ) -> Result<Option<Standing>, StoreError> {
        let most = self.most(project, kind);
        if most == 0 {
            return Ok(None);
        }
        let project = project.unwrap_or(ProjectId::PLATFORM);
        let (now, source) = (self.clock.now(), self.source(address)?);
        // One that is over its limit anyway is not worth a commit.
        let known = self.store.attempts(project, kind, source).await?;
        if let Some(known) = known.filter(|known| known.holds(now) && known.attempts >= most) {
            metrics::counter!("bellbuoy_auth_attempts_refused_total", "kind" => kind.as_str())
                .increment(1);
            return Ok(Some(Standing { is_over: true, ..known.judge(most, now) }));
        }
        let standing = self.store.count_attempt(project, kind, source, now).await?.judge(most, now);
        if standing.is_over {
            metrics::counter!("bellbuoy_auth_attempts_refused_total", "kind" => kind.as_str())
                .increment(1);
        }
        Ok(Some(standing))
    }

    fn most(&self, project: Option<ProjectId>, kind: AttemptKind) -> u64 {
        let config = &self.config;
        let most = match kind {
            AttemptKind::Login => {
                let own =
                    project.and_then(|id| self.epochs.tenants.of(id).limits.logins_per_minute);
                tighter(config.login_per_minute, own)
            }
            AttemptKind::Register => config.register_per_minute,
            AttemptKind::Forgot
            | AttemptKind::Reset
            | AttemptKind::Verify
            | AttemptKind::Accept => config.recover_per_minute,
            AttemptKind::Refresh => config.refresh_per_minute,
        };
        most.into()
    }

    /// What an address is counted by. Addresses are personal and few enough to be tried out, so that the hash has a key;
    /// whoever has one address of IPv6 has all of its network.
    fn source(&self, address: IpAddr) -> Result<[u8; 32], StoreError> {
        let place = match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        };
        let hash = self.sealer.sign(PURPOSE, place.to_string().as_bytes());
        Ok(sha256(&hash.map_err(StoreError::from)?))
    }
}
