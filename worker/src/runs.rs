//! Runs: work in the background that has progress and an end. A worker takes a few at a time off the due loop. One that is
//! left, because this worker ends or dies, is gone on with by another.

mod alerts;
mod backtest;
mod events;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::id::{ProjectId, RunId};
use domain::run::{Progress, Run, RunResult, RunTask};
use services::admin::AdminError;
use store::StoreError;
use store::runs::RunEnd;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::Worker;

/// How many run at a time: they take processor time that rings could use.
const SLOTS: usize = 2;

/// For how long a run is this worker's; each report puts that off.
const LEASE: Duration = Duration::from_secs(60);

/// How often a run reports.
const REPORT: Duration = Duration::from_secs(1);

/// How long a run may take in all. What goes wrong each time, and takes the worker with it, must not go on for ever.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// The runs of this worker.
pub(crate) struct Runs {
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    /// When a run of a project was begun last, counted by runs.
    served: Mutex<BTreeMap<ProjectId, u64>>,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(SLOTS)),
            tasks: TaskTracker::new(),
            served: Mutex::default(),
        }
    }
}

impl Runs {
    /// Waits until those that run have put their work down.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn served(&self) -> MutexGuard<'_, BTreeMap<ProjectId, u64>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a run of a project, as the one that was served last.
    fn serve(&self, project: ProjectId) {
        let mut served = self.served();
        let last = served.values().copied().max().unwrap_or(0);
        served.insert(project, last + 1);
    }
}

/// Begins with as many runs as there is room for; whose project was served longest ago comes first.
pub(crate) async fn round(worker: &Arc<Worker>) -> store::Result<()> {
    let app = &worker.app;
    if worker.runs.slots.available_permits() == 0 {
        return Ok(());
    }
    let mut waiting = Vec::new();
    for project in app.store.projects_with_due(app.clock.now()).await? {
        let first = app.store.due_runs(project, app.clock.now(), 1).await?;
        waiting.extend(first.into_iter().map(|id| (project, id)));
    }
    let served = worker.runs.served().clone();
    waiting.sort_by_key(|(project, id)| (served.get(project).copied().unwrap_or(0), *id));
    for (project, id) in waiting {
        let Ok(slot) = Arc::clone(&worker.runs.slots).try_acquire_owned() else { break };
        let now = app.clock.now();
        let claim = domain::id::fresh(now);
        let begun = app.store.begin_run(project, id, claim, now, now.plus(LEASE)).await?;
        let Some(run) = begun else { continue };
        worker.runs.serve(project);
        let worker = Arc::clone(worker);
        let tasks = worker.runs.tasks.clone();
        tasks.spawn(async move {
            work(&worker, project, run, claim).await;
            drop(slot);
            worker.app.due.notify_one();
        });
    }
    Ok(())
}

/// How work on a run ended.
enum Ended {
    /// At its end.
    Done(Option<RunResult>),
    /// Before: it is somebody else's, was aborted, or this worker ends.
    Left,
}

/// Why a run can't go on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Trying again would not help.
    #[error("{0}")]
    Final(String),
    /// It may go on later.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_passing() { Self::Store(error) } else { Self::Final(error.to_string()) }
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Store(error) => error.into(),
            other => Self::Final(other.to_string()),
        }
    }
}

/// A run in the hands of this worker.
struct Held<'a> {
    worker: &'a Arc<Worker>,
    project: ProjectId,
    id: RunId,
    claim: Uuid,
    progress: Progress,
    reported: Instant,
}

impl Held<'_> {
    /// Says how far it is, from time to time; `false` when it is to be left.
    async fn report(&mut self) -> store::Result<bool> {
        if self.worker.stop.is_cancelled() {
            return Ok(false);
        }
        if self.reported.elapsed() < REPORT {
            return Ok(true);
        }
        self.reported = Instant::now();
        self.hold(LEASE).await
    }

    async fn hold(&self, span: Duration) -> store::Result<bool> {
        let app = &self.worker.app;
        let until = app.clock.now().plus(span);
        app.store.move_run(self.project, self.id, self.claim, self.progress, until).await
    }
}

async fn work(worker: &Arc<Worker>, project: ProjectId, run: Run, claim: Uuid) {
    let app = &worker.app;
    let kind = run.task.kind();
    let mut held = Held {
        worker,
        project,
        id: run.id,
        claim,
        progress: run.progress,
        reported: Instant::now(),
    };
    let began = run.started_at.unwrap_or(run.created_at);
    let worked = if app.clock.now().since(began) > PATIENCE {
        Err(Failure::Final("it took more than six hours".to_owned()))
    } else {
        match &run.task {
            RunTask::Backtest { rule, body, from, to } => {
                backtest::work(&mut held, *rule, body, (*from, *to)).await
            }
            RunTask::ChangeAlerts { filter, change } => {
                alerts::work(&mut held, &run, filter.clone(), *change).await
            }
            RunTask::ReplayEvents { filter } => events::replay(&mut held, &run, filter).await,
            RunTask::DeleteEvents { filter } => events::delete(&mut held, &run, filter).await,
        }
    };
    let (end, outcome) = match worked {
        Ok(Ended::Done(result)) => (RunEnd::Done(result), "done"),
        Ok(Ended::Left) => {
            // Whoever is free takes it at once. Where it is no longer ours this changes nothing.
            if let Err(error) = held.hold(Duration::ZERO).await {
                tracing::debug!(%project, run = %run.id, %error, "a run was not given back; it is taken when its time is over");
            }
            return;
        }
        Err(Failure::Store(error)) => {
            tracing::warn!(%project, run = %run.id, %error, "a run stopped; it goes on when its time is over");
            return;
        }
        Err(Failure::Final(why)) => (RunEnd::Failed(why), "failed"),
    };
    metrics::counter!("bellbuoy_runs_total", "kind" => kind.as_str(), "outcome" => outcome)
        .increment(1);
    let ended =
        app.store.end_run(project, run.id, claim, held.progress, end, app.clock.now()).await;
    if let Err(error) = ended {
        tracing::warn!(%project, run = %run.id, %error, "the end of a run was not written; it is run again when its time is over");
    }
}
