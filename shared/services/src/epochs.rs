//! What changes elsewhere and matters at once: projects' epochs and states, and which queues are paused. Polled each
//! second, and sooner when another process says that something has changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::tenants::Tenants;
use coordination::{Coordination, Message};
use domain::entry::Intake;
use domain::id::ProjectId;
use domain::job::QueueName;
use domain::project::ProjectStatus;
use domain::tenancy::Tenancy;
use store::Store;
use store::projects::Standing;

/// The topic on which processes tell each other that an epoch moved.
const TOPIC: &str = "epochs";

/// How often the store is asked.
const POLL: Duration = Duration::from_secs(1);

/// What this process knows of all projects and queues.
#[derive(Default)]
pub struct Epochs {
    projects: RwLock<HashMap<ProjectId, Standing>>,
    paused: RwLock<Vec<QueueName>>,
    /// What every request must know of projects' settings.
    pub tenants: Tenants,
    known: AtomicBool,
}

impl Epochs {
    /// The epoch of a project, as far as it is known here.
    pub fn of(&self, project: ProjectId) -> Option<i64> {
        self.read(project).map(|known| known.epoch)
    }

    /// The access epoch of a project, as far as it is known here.
    pub fn access_of(&self, project: ProjectId) -> Option<i64> {
        self.read(project).map(|known| known.access_epoch)
    }

    /// Whether a project works, as far as it is known here.
    pub fn status_of(&self, project: ProjectId) -> Option<ProjectStatus> {
        self.read(project).map(|known| known.status)
    }

    /// The projects that work.
    pub fn active(&self) -> Vec<ProjectId> {
        let projects = self.projects.read().unwrap_or_else(PoisonError::into_inner);
        let active = projects.values().filter(|known| known.status == ProjectStatus::Active);
        let mut active: Vec<ProjectId> = active.map(|known| known.id).collect();
        active.sort_unstable();
        active
    }

    /// The projects that work and that events come into by that way, with their settings.
    pub fn with_intake(&self, intake: Intake) -> Vec<(ProjectId, Arc<Tenancy>)> {
        let mut found = self.tenants.with_intake(intake);
        found.retain(|(project, _)| self.is_active(*project));
        found
    }

    /// Whether a project works and events come into it by that way.
    pub fn has_intake(&self, project: ProjectId, intake: Intake) -> bool {
        self.is_active(project) && self.tenants.of(project).intake.reads(intake)
    }

    /// Whether a project works, as far as it is known here.
    pub fn is_active(&self, project: ProjectId) -> bool {
        self.read(project).is_some_and(|known| known.status == ProjectStatus::Active)
    }

    /// Whether work must not be taken from a queue.
    pub fn is_paused(&self, queue: QueueName) -> bool {
        self.paused.read().unwrap_or_else(PoisonError::into_inner).contains(&queue)
    }

    /// Whether the store was ever asked.
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    fn read(&self, project: ProjectId) -> Option<Standing> {
        self.projects.read().unwrap_or_else(PoisonError::into_inner).get(&project).copied()
    }

    /// Asks the store now.
    ///
    /// # Errors
    /// When it is away.
    pub async fn refresh(&self, store: &Store) -> store::Result<()> {
        let epochs = store.epochs().await?;
        let paused = store.paused_queues().await?;
        let projects = epochs.iter().copied().map(|known| (known.id, known)).collect();
        *self.projects.write().unwrap_or_else(PoisonError::into_inner) = projects;
        *self.paused.write().unwrap_or_else(PoisonError::into_inner) = paused;
        // Whoever becomes ready knows the settings too.
        self.tenants.refresh(store, &epochs).await?;
        self.known.store(true, Ordering::Release);
        Ok(())
    }

    /// Keeps up until `stop`.
    pub async fn run(
        self: Arc<Self>,
        store: Store,
        coordination: Arc<dyn Coordination>,
        stop: CancellationToken,
    ) {
        let mut heard = coordination.subscribe();
        while !stop.is_cancelled() {
            if let Err(error) = self.refresh(&store).await {
                tracing::debug!(%error, "epochs were not read");
            }
            let told = async {
                // Other topics and a reader that fell behind only cost an early look.
                while heard.recv().await.is_ok_and(|message| message.topic != TOPIC) {}
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
                () = told => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// Tells every process that a project's epoch moved.
pub async fn announce(coordination: &dyn Coordination, project: ProjectId) {
    let message = Message { topic: TOPIC.into(), body: project.bytes().to_vec() };
    if let Err(error) = coordination.publish(message).await {
        tracing::debug!(%error, "a change was not announced; it is seen within a second");
    }
}
