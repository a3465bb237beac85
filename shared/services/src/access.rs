//! Who calls: API keys, kept at hand as long as their project's epoch stands.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use tokio_util::sync::CancellationToken;

use crate::epochs::Epochs;
use crate::sessions::Person;
use domain::clock::Clock;
use domain::id::{KeyId, ProjectId};
use domain::key::{ApiKey, PlainKey, Scope};
use domain::project::ProjectStatus;
use domain::time::Time;
use store::Store;

/// Whoever a request comes from, once they have proved it.
#[derive(Clone, Debug)]
pub enum Principal {
    /// The holder of an API key.
    Key {
        /// The project of the key.
        project: ProjectId,
        /// The key.
        key_id: KeyId,
        /// What it may do.
        scopes: Arc<[Scope]>,
    },
    /// Somebody who is logged in.
    Person(Person),
}

impl Principal {
    /// The project in which they act.
    pub const fn project(&self) -> ProjectId {
        match self {
            Self::Key { project, .. } => *project,
            Self::Person(person) => person.project,
        }
    }
}

/// Why somebody was not recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no such key, or it was revoked.
    #[error("unknown key")]
    Unknown,
    /// The key has ended.
    #[error("expired key")]
    Expired,
    /// The project of the key is suspended or archived.
    #[error("suspended project")]
    Suspended,
    /// The store can't tell just now.
    #[error("the store is away")]
    Unavailable,
}

#[derive(Clone)]
struct Known {
    key: Arc<ApiKey>,
    scopes: Arc<[Scope]>,
    status: ProjectStatus,
    epoch: i64,
    /// The minute in which it was last seen here.
    seen: Arc<AtomicI64>,
}

/// The keys of all projects.
pub struct Keys {
    store: Store,
    clock: Clock,
    epochs: Arc<Epochs>,
    // A prefix that nobody has is remembered too, so that guessing does not reach the store each time.
    known: Cache<String, Option<Known>>,
    used: Mutex<Vec<(ProjectId, KeyId, Time)>>,
}

/// A minute, in microseconds: how exactly the last use of a key is known.
const MINUTE: i64 = 60_000_000;
/// How often uses are written down.
const FLUSH: Duration = Duration::from_secs(5);

impl Keys {
    /// None at hand yet.
    pub fn new(store: Store, clock: Clock, epochs: Arc<Epochs>, ttl: Duration, max: u64) -> Self {
        let known = Cache::builder().max_capacity(max).time_to_live(ttl).build();
        Self { store, clock, epochs, known, used: Mutex::default() }
    }

    /// Whose key this is.
    ///
    /// # Errors
    /// When it is nobody's, has ended, or can't be looked up.
    pub async fn authenticate(&self, text: &str) -> Result<Principal, AuthError> {
        let plain = PlainKey::parse(text).ok_or(AuthError::Unknown)?;
        let known = self.find(&plain.prefix).await?.ok_or(AuthError::Unknown)?;
        if !known.key.is(&plain) || known.key.revoked_at.is_some() {
            return Err(AuthError::Unknown);
        }
        if !known.key.is_valid(self.clock.now()) {
            return Err(AuthError::Expired);
        }
        if known.status != ProjectStatus::Active {
            return Err(AuthError::Suspended);
        }
        self.note_use(&known);
        Ok(Principal::Key {
            project: known.key.project,
            key_id: known.key.id,
            scopes: known.scopes,
        })
    }

    fn note_use(&self, known: &Known) {
        let now = self.clock.now();
        let minute = now.micros().div_euclid(MINUTE);
        if known.seen.swap(minute, Ordering::Relaxed) != minute {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.push((known.key.project, known.key.id, now));
        }
    }

    /// Writes down every few seconds which keys were used, until `stop` and once more then. What can't be written is
    /// forgotten: it is a help for people, and the next minute tells it again.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let ended = stop.run_until_cancelled(tokio::time::sleep(FLUSH)).await.is_none();
            let used =
                std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
            if !used.is_empty()
                && let Err(error) = self.store.touch_keys(used).await
            {
                tracing::debug!(%error, "the use of keys was not written down");
            }
            if ended {
                return;
            }
        }
    }

    async fn find(&self, prefix: &str) -> Result<Option<Known>, AuthError> {
        if let Some(found) = self.known.get(prefix).await {
            let current = |known: &Known| {
                // One that the epochs don't name was archived, or made just now: the store knows which.
                self.epochs.of(known.key.project).is_some_and(|epoch| epoch <= known.epoch)
            };
            if found.as_ref().is_none_or(current) {
                metrics::counter!("bellbuoy_cache_hits_total", "cache" => "keys").increment(1);
                return Ok(found);
            }
        }
        // On the heap, for what is rare must not make every request carry (and copy) its kilobytes.
        Box::pin(self.look_up(prefix)).await
    }

    async fn look_up(&self, prefix: &str) -> Result<Option<Known>, AuthError> {
        self.known.invalidate(prefix).await;
        metrics::counter!("bellbuoy_cache_misses_total", "cache" => "keys").increment(1);
        let read = async {
            let found = self.store.find_key(prefix).await?;
            Ok::<_, store::StoreError>(found.map(|(key, status, epoch)| Known {
                scopes: key.scopes.clone().into(),
                key: Arc::new(key),
                status,
                epoch,
                seen: Arc::default(),
            }))
        };
        self.known.try_get_with(prefix.to_owned(), read).await.map_err(|error| {
            tracing::warn!(%error, "a key could not be looked up");
            AuthError::Unavailable
        })
    }
}
