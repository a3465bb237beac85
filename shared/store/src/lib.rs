//! The store door: all truth, time, windows and leases, in SQL.
//!
//! A method of `Store` is one verb and one transaction; no transaction leaves this module. Every verb takes the project
//! first, and one that causes work takes the jobs too, so that a queue in the store commits with it.

mod engine;
mod migrate;
mod types;

pub mod accounts;
pub mod alerts;
pub mod audit;
mod callers;
pub mod dead;
pub mod deliveries;
pub mod due;
pub mod email_changes;
pub mod endpoints;
pub mod erasures;
pub mod evaluations;
pub mod event_types;
pub mod events;
mod gaps;
pub mod idempotency;
pub mod intake;
pub mod invitations;
pub mod jobs;
pub mod keys;
pub mod login_throttle;
pub mod mails;
pub mod maintenance;
pub mod members;
pub mod named;
mod noise;
pub mod once;
pub mod one_time;
pub mod preferences;
pub mod probe;
pub mod processes;
pub mod profiles;
pub mod projects;
pub mod push;
pub mod queues;
pub mod recovery;
pub mod registrations;
pub mod repeats;
pub mod roles;
pub mod rule_source;
pub mod rules;
pub mod runs;
pub mod schedules;
pub mod sealed;
pub mod second_factors;
mod session_ends;
pub mod sessions;
pub mod settings;
pub mod shards;
pub mod silences;
pub mod stats;
pub mod trace;
mod trials;
pub mod users;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

pub use engine::{Tx, url_fault};
pub use migrate::{MigrationState, Step};

use config::StoreConfig;
use crypto::seal::SealError;
use domain::authority::Denied;
use domain::id::ProjectId;
use domain::plan::OverPlan;
use engine::Engine;

/// Why a verb did not do what it says.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine does not answer or is overloaded: the same call may work in a moment.
    #[error("the store is away: {0}")]
    Unavailable(String),
    /// Another transaction stood in the way; the verb is run again.
    #[error("the store asks to try again: {0}")]
    Again(String),
    /// Something of that name or key is there already.
    #[error("conflict: {0}")]
    Conflict(&'static str),
    /// The idempotency key that the request came with is there already: it was done, or another one is doing it.
    #[error("the idempotency key was used before")]
    Repeated,
    /// The project's plan allows no more of it.
    #[error("{0}")]
    OverPlan(OverPlan),
    /// The caller may not do it, as the transaction finds them.
    #[error("denied: {0}")]
    Denied(#[from] Denied),
    /// What is named is not there.
    #[error("not found: {0}")]
    NotFound(&'static str),
    /// The engine refuses the data or the statement.
    #[error("the store refuses: {0}")]
    Refused(#[source] sqlx::Error),
    /// What the store holds was sealed with a key that is not configured: it opens once that is.
    #[error("{0}")]
    WrongKey(String),
    /// What the store holds can't be read.
    #[error("the store holds something that can't be read: {0}")]
    Corrupt(String),
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::UnknownKey(unknown) => Self::WrongKey(unknown.to_string()),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl StoreError {
    /// Whether waiting may help, or another process with the right key.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Again(_) | Self::WrongKey(_))
    }

    /// The same error, for one more of those who waited for it.
    #[must_use]
    pub fn for_another(&self) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(why.clone()),
            Self::Again(why) => Self::Again(why.clone()),
            Self::Conflict(what) => Self::Conflict(what),
            Self::Repeated => Self::Repeated,
            Self::OverPlan(over) => Self::OverPlan(*over),
            Self::Denied(denied) => Self::Denied(denied.clone()),
            Self::NotFound(what) => Self::NotFound(what),
            // The engine's own error can't be had twice, its words can.
            Self::Refused(error) => {
                Self::Refused(sqlx::Error::Configuration(error.to_string().into()))
            }
            Self::WrongKey(why) => Self::WrongKey(why.clone()),
            Self::Corrupt(why) => Self::Corrupt(why.clone()),
        }
    }

    /// For an insert that must find its row there when it is tried again.
    fn again_on_conflict(self) -> Self {
        match self {
            Self::Conflict(what) => Self::Again(what.to_owned()),
            other => other,
        }
    }
}

/// What a verb answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    pub(crate) wakeups: Arc<jobs::Wake>,
    optimistic: Arc<evaluations::OptimisticGroups>,
    slow: Duration,
}

const TRIES: u32 = 5;

impl Store {
    /// Opens the configured engine.
    ///
    /// # Errors
    /// When it can't be reached or is of a kind that can't be used.
    pub async fn open(config: &StoreConfig, slow: Duration) -> Result<Self> {
        let engine = Engine::open(config).await?;
        let wakeups = Arc::new(jobs::Wake::default());
        let store = Self { engine, wakeups, optimistic: Arc::default(), slow };
        store.listen();
        Ok(store)
    }

    /// Opens the configured engine and waits until it answers.
    ///
    /// # Errors
    /// When it does not: then the error says why, as far as a connection of its own finds that out.
    pub async fn connect(config: &StoreConfig, slow: Duration) -> Result<Self> {
        let store = Self::open(config, slow).await?;
        match store.ping().await {
            Ok(()) => Ok(store),
            Err(error) => {
                Err(Self::reach(config).await.err().map_or(error, StoreError::Unavailable))
            }
        }
    }

    /// Why the engine can't be used, if it can't: by one connection, in a bounded time.
    ///
    /// # Errors
    /// When it can't, with the reason in words for whoever runs it.
    pub async fn reach(config: &StoreConfig) -> std::result::Result<(), String> {
        engine::reach(config).await
    }

    /// Which engine it is, for logs and status.
    pub const fn kind(&self) -> &'static str {
        self.engine.kind()
    }

    /// Runs `work` in a transaction and commits it; again, a few times, when another transaction stood in the way.
    async fn write<T, F>(&self, verb: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        self.again(verb, || self.engine.write(Arc::clone(&work))).await
    }

    /// Like `write`, for work that is a single statement: where that is a transaction of its own, nothing begins or
    /// commits one around it.
    async fn write_single<T, F>(&self, verb: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        self.again(verb, || self.engine.write_single(Arc::clone(&work))).await
    }

    /// As `write`, for what is decided under a project's epoch: it is held from before the first statement to the commit.
    /// Whoever changes a rule waits for that, and the work sees what came before.
    async fn write_under_epoch<T, F>(
        &self,
        project: ProjectId,
        verb: &'static str,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        self.again(verb, || self.engine.write_under_epoch(project, Arc::clone(&work))).await
    }

    /// As `write`, for what changes the schema.
    async fn write_schema<T, F>(&self, verb: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        self.again(verb, || self.engine.write_schema(Arc::clone(&work))).await
    }

    async fn again<T, F>(&self, verb: &'static str, run: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let started = Instant::now();
        let mut tries = 0;
        let result = loop {
            tries += 1;
            match run().await {
                Err(StoreError::Again(why)) if tries < TRIES => {
                    metrics::counter!("bellbuoy_store_retries_total", "verb" => verb).increment(1);
                    tracing::debug!(verb, tries, why, "the store asked to try again");
                    let jitter = rand::random_range(1..=10 * tries);
                    tokio::time::sleep(Duration::from_millis(u64::from(jitter))).await;
                }
                Err(StoreError::Again(why)) => break Err(StoreError::Unavailable(why)),
                other => break other,
            }
        };
        self.observe(verb, started, result.as_ref().err());
        result
    }

    /// Runs `work` outside the writer, on what is committed.
    async fn read<T, F>(&self, verb: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let started = Instant::now();
        let result = match self.engine.read(&work).await {
            Err(StoreError::Again(_)) => self.engine.read(&work).await,
            other => other,
        };
        self.observe(verb, started, result.as_ref().err());
        result
    }

    fn observe(&self, verb: &'static str, started: Instant, error: Option<&StoreError>) {
        let took = started.elapsed();
        metrics::histogram!("bellbuoy_store_seconds", "verb" => verb).record(took.as_secs_f64());
        if error.is_some() {
            metrics::counter!("bellbuoy_store_errors_total", "verb" => verb).increment(1);
        }
        if took > self.slow {
            tracing::warn!(verb, took_ms = took.as_millis() as u64, "a slow store verb");
        }
    }

    /// Whether the engine answers, and how fast.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn ping(&self) -> Result<()> {
        self.read("ping", |tx| {
            Box::pin(async move { engine::sql!(tx, execute, "SELECT 1").map(|_| ()) })
        })
        .await
    }

    /// What of the engine's settings would let a committed row be lost; empty when nothing would.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn durability(&self) -> Result<Vec<String>> {
        self.engine.durability().await
    }

    /// Closes the pools after what runs has ended.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    /// How many connections are open and how many of them rest.
    pub fn pool(&self) -> (u32, usize) {
        self.engine.pool()
    }
}
