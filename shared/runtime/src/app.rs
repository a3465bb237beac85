//! What every role works with: the only context there is.

mod engines;
mod health;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::exposure::exposures;
use config::Config;
use coordination::Coordination;
use crypto::seal::Sealer;
use domain::clock::Clock;
use files::{FileError, Files};
use queue::Queue;
use queue::open::Opened;
use services::accept::Accept;
use services::access::Keys;
use services::accounts::Accounts;
use services::admin::Admin;
use services::alerts::Alerts;
use services::audit::Audit;
use services::catalogues::Catalogues;
use services::epochs::Epochs;
use services::events::Events;
use services::intake::Intakes;
use services::limits::Limiter;
use services::login_throttle::LoginThrottle;
use services::probe;
use services::rates::Rates;
use services::registry::Registry;
use services::rulesets::RuleSets;
use services::sessions::Sessions;
use services::sns::Sns;
use services::tenants::default_limits;
use store::{Step, Store};
use telemetry::ops::Health;

use engines::Engines;
pub use engines::open_files;
use health::health;

/// The doors, what stands behind them, and what is kept at hand.
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// What time it is.
    pub clock: Clock,
    /// All truth.
    pub store: Store,
    /// "Now", and nothing else.
    pub queue: Arc<dyn Queue>,
    /// Whether the queue lives in the store, so that jobs are committed with what they are about.
    pub jobs_here: bool,
    /// What processes tell each other.
    pub coordination: Arc<dyn Coordination>,
    /// What projects keep as files.
    pub files: Files,
    /// Request limits, shared with the other processes.
    limiter: Arc<Limiter>,
    /// Which of them a request and its events fall under.
    pub rates: Arc<Rates>,
    /// Seals secrets.
    pub sealer: Sealer,
    /// What changes elsewhere.
    pub epochs: Arc<Epochs>,
    /// API keys.
    pub keys: Arc<Keys>,
    /// The audit log.
    pub audit: Audit,
    /// Accounts who are logged in.
    pub sessions: Arc<Sessions>,
    /// What administrators do.
    pub admin: Admin,
    /// Counts attempts to come in.
    pub login_throttle: LoginThrottle,
    /// What is held on people, changed, taken out and erased.
    pub accounts: Accounts,
    /// Compiled rules.
    pub rulesets: Arc<RuleSets>,
    /// What is open, and what users do about it.
    pub alerts: Alerts,
    /// The event pipeline.
    pub events: Events,
    /// Ways in besides the API, and how they stand.
    pub intakes: Intakes,
    /// Whether messages of SNS are true.
    pub sns: Sns,
    /// This process among the others.
    pub registry: Arc<Registry>,
    /// How this process and what it depends on are.
    pub health: Arc<Health>,
    /// Wakes the due loop before its time.
    pub due: tokio::sync::Notify,
    /// What runs beside the roles.
    pub background: TaskTracker,
    stop_background: CancellationToken,
}

impl App {
    /// Opens every door, migrates the store, registers the process and starts what runs beside its roles.
    ///
    /// # Errors
    /// When a door does not open or the process may not serve.
    pub async fn start(config: Config, clock: Clock, role: &str) -> Result<Arc<Self>, StartError> {
        let config = Arc::new(config);
        let store = Store::connect(&config.store, config.log.slow_query).await?;
        check_durability(&config, &store).await?;
        probe::refuse_early(&config, &store).await?;
        let applied = store.migrate(Step::Up).await?;
        if !applied.is_empty() {
            tracing::info!(count = applied.len(), last = applied.last(), "migrations were applied");
        }
        let sealer = probe::sealer(&config, &store, clock.now()).await?;
        for exposed in exposures(&config) {
            tracing::warn!("{exposed}");
        }
        let registry = Registry::join(&config, &store, &clock, role).await?;
        store.make_partitions(clock.now()).await?;
        store.ensure_platform(clock.now()).await?;
        store.keep_default_limits(default_limits(&config.plan)).await?;
        if registry.is_alone() {
            let released = store.release_former_self(clock.now()).await?;
            if released > 0 {
                tracing::info!(released, "took back what this process held when it last ended");
            }
        }
        let opened = Opened::open(&config, &store)?;
        let prepared = prepare(&opened).await;
        let engines = Engines::open(&config, clock, store, &sealer, &opened)?;
        let app = Arc::new(Self::assemble(config, engines, sealer, registry)?);
        app.epochs.refresh(&app.store).await?;
        app.start_background();
        if !prepared {
            let again = prepare_later(opened);
            app.background.spawn(app.stop_background.clone().run_until_cancelled_owned(again));
        }
        Ok(app)
    }

    fn assemble(
        config: Arc<Config>,
        engines: Engines,
        sealer: Sealer,
        registry: Arc<Registry>,
    ) -> Result<Self, StartError> {
        let epochs = Arc::new(Epochs::default());
        let health = Arc::new(health(&engines, &sealer, &epochs));
        let Engines { store, queue, jobs_here, coordination, files, clock } = engines;
        let limiter = Arc::new(limiter(&config, &coordination, &registry));
        let rates = Arc::new(Rates::new(Arc::clone(&limiter), Arc::clone(&epochs), &config));
        let (ttl, max) = (config.cache.ttl, config.cache.max_entries);
        let catalogues = Arc::new(Catalogues::new(store.clone(), Arc::clone(&epochs), max));
        let judges = (Arc::clone(&rates), catalogues);
        let accept = Accept::start(&store, &queue, jobs_here, &clock, judges, &config.accept);
        let keys = Keys::new(store.clone(), clock.clone(), Arc::clone(&epochs), ttl, max);
        let audit = Audit::new(store.clone(), sealer.clone(), clock.clone(), max);
        let sessions = Arc::new(Sessions::new(
            store.clone(),
            clock.clone(),
            Arc::clone(&epochs),
            audit.clone(),
            sealer.clone(),
            &config,
            (ttl, max),
        )?);
        let admin = Admin::new(
            store.clone(),
            clock.clone(),
            audit.clone(),
            Arc::clone(&sessions),
            Arc::clone(&epochs),
            Arc::clone(&coordination),
            &config,
        );
        let rulesets =
            Arc::new(RuleSets::new(store.clone(), sealer.clone(), Arc::clone(&epochs), max));
        Ok(Self {
            events: Events::new(store.clone(), accept, audit.clone()),
            alerts: Alerts::new(
                store.clone(),
                clock.clone(),
                audit.clone(),
                Arc::clone(&rulesets),
                Arc::clone(&queue),
                jobs_here,
            ),
            rulesets,
            intakes: Intakes::new(store.clone(), Arc::clone(&epochs), &config),
            sns: Sns::new(&config),
            login_throttle: LoginThrottle::new(
                store.clone(),
                clock.clone(),
                sealer.clone(),
                Arc::clone(&epochs),
                &config.limits,
            ),
            accounts: Accounts::new(admin.clone(), files.clone()),
            due: tokio::sync::Notify::new(),
            background: TaskTracker::new(),
            stop_background: CancellationToken::new(),
            keys: Arc::new(keys),
            config,
            clock,
            store,
            queue,
            jobs_here,
            coordination,
            files,
            limiter,
            rates,
            sealer,
            epochs,
            audit,
            sessions,
            admin,
            registry,
            health,
        })
    }

    fn start_background(self: &Arc<Self>) {
        let stop = &self.stop_background;
        self.background.spawn(Arc::clone(&self.registry).run(stop.clone()));
        self.background.spawn(Arc::clone(&self.limiter).run(stop.clone()));
        self.background.spawn(Arc::clone(&self.keys).run(stop.clone()));
        self.background.spawn(Arc::clone(&self.sessions).run(stop.clone()));
        let (store, coordination) = (self.store.clone(), Arc::clone(&self.coordination));
        self.background.spawn(Arc::clone(&self.epochs).run(store, coordination, stop.clone()));
    }

    /// Ends what runs beside the roles, signs off and closes the store; after this nothing of the process is left.
    pub async fn close(&self) {
        self.stop_background.cancel();
        self.background.close();
        self.background.wait().await;
        self.store.close().await;
    }
}

/// The limits of requests and events, shared between the processes that are alive.
fn limiter(
    config: &Config,
    coordination: &Arc<dyn Coordination>,
    registry: &Arc<Registry>,
) -> Limiter {
    let registry = Arc::clone(registry);
    Limiter::new(Arc::clone(coordination), config.limits.lease_window, move || registry.live())
}

/// How long a start waits for the queue.
const PREPARED_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// Makes what the queue needs. A queue that is away keeps nobody from starting: the due loop does without it.
async fn prepare(opened: &Opened) -> bool {
    match tokio::time::timeout(PREPARED_WITHIN, opened.prepare()).await {
        Ok(Ok(done)) => {
            if !done.is_empty() {
                tracing::info!(done = done.join(", "), "the queue was prepared");
            }
            return true;
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the queue was not prepared; the due loop works without it");
        }
        Err(_) => tracing::warn!("the queue does not answer; the due loop works without it"),
    }
    false
}

/// Tries until it is done: what was away at the start comes back, and what was not allowed may be made by somebody else.
async fn prepare_later(opened: Opened) {
    loop {
        tokio::time::sleep(PREPARED_WITHIN).await;
        match opened.prepare().await {
            Ok(done) => return tracing::info!(done = done.join(", "), "the queue is prepared now"),
            Err(error) => tracing::debug!(%error, "the queue is still not prepared"),
        }
    }
}

async fn check_durability(config: &Config, store: &Store) -> Result<(), StartError> {
    let weak = store.durability().await?;
    if weak.is_empty() {
        return Ok(());
    }
    if config.store.require_durable {
        return Err(StartError::NotDurable(weak.join("; ")));
    }
    tracing::warn!(weak = weak.join("; "), "a crash of the machine may lose what was accepted");
    Ok(())
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] queue::QueueError),
    /// The coordination.
    #[error(transparent)]
    Coordination(#[from] coordination::CoordinationError),
    /// The cost of hashing passwords.
    #[error(transparent)]
    Passwords(#[from] crypto::passwords::PasswordError),
    /// The files.
    #[error("files: {0}")]
    Files(#[from] FileError),
    /// A key that follows from the sealing key.
    #[error(transparent)]
    Seal(#[from] crypto::seal::SealError),
    /// The sealing key is not the one of the store.
    #[error(transparent)]
    Key(#[from] probe::KeyError),
    /// It may not serve beside others.
    #[error(transparent)]
    Refused(#[from] services::registry::RefusedToServe),
    /// The store may lose what it committed.
    #[error("the store may lose what it committed, and store.require_durable is set: {0}")]
    NotDurable(String),
}
