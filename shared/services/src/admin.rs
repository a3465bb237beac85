//! What administrators do: projects, keys, people and roles. Whether somebody may is decided before; what is right, what
//! is written down, and what must be known elsewhere at once is decided here.

mod emails;
mod endpoints;
mod event_types;
mod invitations;
mod keys;
mod logins;
mod once;
mod plans;
mod projects;
mod recovery;
mod registering;
mod repeats;
mod reseal;
mod roles;
mod rules;
mod runs;
mod settings;
pub(crate) mod silences;
mod users;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::audit::Audit;
use crate::endpoints::Tester;
use crate::epochs::{self, Epochs};
use crate::intake::IntakeNames;
use crate::probe;
use crate::sessions::{LoginError, Sessions};
use crate::tenants::{bounds, default_limits, environment};
use config::{AuthConfig, Config};
use coordination::Coordination;
use coordination::memory::MemoryCoordination;
use crypto::passwords::PasswordError;
use domain::clock::Clock;
use domain::fault::{Fault, FaultCode};
use domain::feature::Environment;
use domain::id::ProjectId;
use domain::permission::SUPER_ADMIN;
use domain::plan::{OverPlan, Plan};
use domain::settings::Bounds;
use domain::user::PasswordPolicy;
use store::{Store, StoreError};

pub use endpoints::EndpointWithSecret;
pub use event_types::{Checked, NewVersion};
pub use invitations::{Acceptance, NewInvitation};
pub use keys::{KeyChange, MadeKey};
pub use once::Recalled;
pub use plans::{FeatureView, PlanView};
pub use projects::{MadeProject, Onboarding, ProjectChange};
pub use registering::{Application, Confirmation};
pub use repeats::{Held, Repeat};
pub use reseal::Resealed;
pub use roles::{NewRole, RoleChange};
pub use rules::{Explained, Sample, Tried, TriedOutcome};
pub use settings::ShownSettings;
pub use users::Invitee;
pub(crate) use users::wrong_password;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// What was asked for is not right.
    #[error("{}", told(.0))]
    Invalid(Vec<Fault>),
    /// What was asked for names what is not there.
    #[error("{}", told(.0))]
    Unknown(Vec<Fault>),
    /// It is not there.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It would clash with what is there.
    #[error("{0}")]
    Conflict(String),
    /// The project's plan allows no more of it.
    #[error("{0}")]
    OverPlan(OverPlan),
    /// A schema does not take all that the one before took.
    #[error("{}", told(.0))]
    Incompatible(Vec<Fault>),
    /// It is no longer what whoever changes it saw.
    #[error("it was changed meanwhile")]
    Stale,
    /// Whoever asks for it may do no such thing.
    #[error("{0}")]
    Forbidden(String),
    /// Too much at once.
    #[error("too much at once")]
    Busy,
    /// Enough of it for now.
    #[error("{0}")]
    Enough(&'static str),
    /// The store did not take it.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::NotFound(what),
            StoreError::Conflict(what) => Self::Conflict(what.to_owned()),
            StoreError::OverPlan(over) => Self::OverPlan(over),
            StoreError::Denied(denied) => Self::Forbidden(denied.to_string()),
            other => Self::Store(other),
        }
    }
}

impl From<PasswordError> for AdminError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy,
            PasswordError::Broken(why) => Self::Store(StoreError::Corrupt(why)),
        }
    }
}

impl From<LoginError> for AdminError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Store(error) => error.into(),
            _ => Self::Busy,
        }
    }
}

/// What administrators do. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) audit: Audit,
    pub(crate) sessions: Arc<Sessions>,
    epochs: Arc<Epochs>,
    coordination: Arc<dyn Coordination>,
    policy: PasswordPolicy,
    auth: AuthConfig,
    /// The plan of projects that have none of their own.
    plan: Plan,
    /// How far settings may go.
    bounds: Bounds,
    /// Which intakes the installation has.
    intakes: IntakeNames,
    environment: Environment,
    /// Sends tests to webhook endpoints.
    tester: Arc<Tester>,
    /// How long the key of a request that is done once is remembered.
    idempotency_ttl: Duration,
}

impl Admin {
    /// Works with these.
    pub fn new(
        store: Store,
        clock: Clock,
        audit: Audit,
        sessions: Arc<Sessions>,
        epochs: Arc<Epochs>,
        coordination: Arc<dyn Coordination>,
        config: &Config,
    ) -> Self {
        let policy = PasswordPolicy { min_length: config.auth.password_min_length };
        let plan =
            Plan { name: Some(config.plan.name.clone()), limits: default_limits(&config.plan) };
        let bounds = bounds(config);
        let environment = environment(config.profile);
        Self {
            store,
            clock,
            audit,
            sessions,
            epochs,
            coordination,
            policy,
            auth: config.auth.clone(),
            plan,
            bounds,
            intakes: IntakeNames::new(config),
            environment,
            tester: Arc::new(Tester::new(config)),
            idempotency_ttl: config.accept.idempotency_ttl,
        }
    }

    /// For a command that works beside the serving processes: they see what it changes within a second.
    ///
    /// # Errors
    /// When the store does not open, has other tables than this build, or the sealing key can't be read.
    pub async fn beside(config: &Config) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let store = Store::connect(&config.store, config.log.slow_query).await?;
        if !store.is_current().await? {
            return Err(
                "the store's tables are not those of this build; run `bellbuoy migrate`".into()
            );
        }
        let clock = Clock::System;
        let sealer = probe::sealer(config, &store, clock.now()).await?;
        store.ensure_platform(clock.now()).await?;
        let epochs = Arc::new(Epochs::default());
        let audit = Audit::new(store.clone(), sealer.clone(), clock.clone(), 1000);
        let sessions = Sessions::new(
            store.clone(),
            clock.clone(),
            Arc::clone(&epochs),
            audit.clone(),
            sealer,
            config,
            (config.cache.ttl, 1000),
        )?;
        let coordination = Arc::new(MemoryCoordination::new());
        epochs.refresh(&store).await?;
        Ok(Self::new(store, clock, audit, Arc::new(sessions), epochs, coordination, config))
    }

    /// Closes the store.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Makes a new key for access tokens. Those of older keys hold until they end, or with `at_once` no longer than it
    /// takes the other processes to notice.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn rotate_signing_key(&self, at_once: bool) -> Result<Uuid, AdminError> {
        Ok(self.sessions.rotate_signing_key(at_once).await?)
    }

    /// Whether somebody can log in who makes projects.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn has_super_admin(&self) -> Result<bool, AdminError> {
        Ok(self.store.has_member(ProjectId::PLATFORM, SUPER_ADMIN).await?)
    }

    /// Tells every process, this one first, that something of the project changed.
    pub(crate) async fn announce(&self, project: ProjectId) {
        if let Err(error) = self.epochs.refresh(&self.store).await {
            tracing::debug!(%error, "epochs were not read; they are within a second");
        }
        epochs::announce(&*self.coordination, project).await;
    }
}

/// Faults as one line, for people at a command line.
fn told(faults: &[Fault]) -> String {
    let each: Vec<String> =
        faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
    each.join("; ")
}

fn clash(field: &'static str, taken: bool, message: &'static str, faults: &mut Vec<Fault>) {
    if taken {
        faults.push(Fault::new(field, FaultCode::Duplicate, message));
    }
}
