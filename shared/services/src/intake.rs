//! Streams and queues that events come in by: which there are, what they are called, how they stand, and what of them could
//! not be taken. They are read by the worker.

use std::sync::Arc;

use config::Config;
use domain::entry::{Intake, queue_name, stream_name};
use domain::id::ProjectId;
use domain::settings::IntakeSettings;
use store::Store;
use store::intake::{IntakeStatus, RejectedEntry};
use uuid::Uuid;

use crate::epochs::Epochs;

/// The longest name that a queue of SQS can have.
const LONGEST_NAME: usize = 80;

/// Which intakes the installation has, and what those of a project are called.
#[derive(Clone, Debug)]
pub struct IntakeNames {
    /// What the names of streams begin with, if there is a Redis.
    streams: Option<String>,
    /// What the names of queues begin with, if there is an SQS.
    queues: Option<String>,
}

impl IntakeNames {
    /// Those of this configuration.
    pub fn new(config: &Config) -> Self {
        let prefix = || config.queue.prefix.clone();
        let queues = config.intake_sqs().map(|url| url.prefix.clone().unwrap_or_else(prefix));
        let fits = |prefix: &String| queue_name(prefix, ProjectId::PLATFORM).len() <= LONGEST_NAME;
        Self { streams: config.intake_redis().map(|_| prefix()), queues: queues.filter(fits) }
    }

    /// Whether there is such a one.
    pub const fn has(&self, intake: Intake) -> bool {
        match intake {
            Intake::RedisStream => self.streams.is_some(),
            Intake::Sqs => self.queues.is_some(),
        }
    }

    /// What that of a project is called: a stream by its key, a queue by its name.
    pub fn of(&self, intake: Intake, project: ProjectId) -> Option<String> {
        match intake {
            Intake::RedisStream => self.streams.as_ref().map(|one| stream_name(one, project)),
            Intake::Sqs => self.queues.as_ref().map(|one| queue_name(one, project)),
        }
    }
}

/// An intake of a project.
#[derive(Clone, Debug)]
pub struct IntakeView {
    /// Which.
    pub intake: Intake,
    /// Whether the installation has it.
    pub available: bool,
    /// Whether the project has it switched on.
    pub enabled: bool,
    /// Where events are put: a key of Redis, or the name or URL of a queue.
    pub name: Option<String>,
    /// How it stands; nothing, if it was never read.
    pub status: Option<IntakeStatus>,
}

/// The intakes of projects.
pub struct Intakes {
    /// What they are called.
    pub names: IntakeNames,
    store: Store,
    epochs: Arc<Epochs>,
}

impl Intakes {
    /// Those of this configuration.
    pub fn new(store: Store, epochs: Arc<Epochs>, config: &Config) -> Self {
        Self { names: IntakeNames::new(config), store, epochs }
    }

    /// How the intakes of a project stand.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn of(&self, project: ProjectId) -> store::Result<Vec<IntakeView>> {
        let settings = self.epochs.tenants.of(project).intake.clone();
        let statuses = self.store.intake_statuses(project).await?;
        let view = |intake: Intake| IntakeView {
            intake,
            available: self.names.has(intake),
            enabled: settings.reads(intake),
            name: self.name(intake, project, &settings),
            status: statuses.iter().find(|(one, _)| *one == intake).map(|(_, one)| one.clone()),
        };
        Ok(Intake::ALL.iter().copied().map(view).collect())
    }

    fn name(
        &self,
        intake: Intake,
        project: ProjectId,
        settings: &IntakeSettings,
    ) -> Option<String> {
        let own = || self.names.of(intake, project);
        match intake {
            Intake::RedisStream => own(),
            Intake::Sqs => settings.queue_url().map(str::to_owned).or_else(own),
        }
    }

    /// Entries of a project that could not be taken, newest first, from before `before`.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn rejected(
        &self,
        project: ProjectId,
        before: Option<Uuid>,
        limit: usize,
    ) -> store::Result<Vec<RejectedEntry>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.store.rejected_entries(project, before, limit).await
    }
}
