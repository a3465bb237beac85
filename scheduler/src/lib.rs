//! The scheduler: makes ticks and enqueues them; workers do the work. Any number may run: a tick is made by whoever moves
//! its schedule on in the store, so that no leader is needed.

use std::sync::Arc;
use std::time::Duration;

use config::Config;
use domain::id::ProjectId;
use domain::schedule::Task;
use runtime::app::App;
use tokio_util::sync::CancellationToken;

/// The built-in schedules: what, and how often. Those of the auditor follow the configuration.
const TASKS: [(Task, Duration); 9] = [
    (Task::ForgetIdempotencyKeys, Duration::from_secs(600)),
    (Task::ForgetHistory, Duration::from_secs(3600)),
    (Task::MakePartitions, Duration::from_secs(86_400)),
    (Task::SweepFiles, Duration::from_secs(3600)),
    (Task::SealAudit, Duration::from_secs(5)),
    (Task::TellAuditHeads, Duration::from_secs(3600)),
    (Task::ForgetAudit, Duration::from_secs(86_400)),
    (Task::SumUpDeliveries, Duration::from_secs(600)),
    (Task::FinishErasures, Duration::from_secs(60)),
];

/// Makes ticks until `stop`.
///
/// # Errors
/// When the built-in schedules can't be stored.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> store::Result<()> {
    ensure(&app).await?;
    while !stop.is_cancelled() {
        if let Err(error) = round(&app).await {
            tracing::warn!(%error, "schedules were not looked at");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(app.config.scheduler.tick) => {}
        }
    }
    Ok(())
}

/// The built-in schedules that this configuration makes.
pub fn built_in(config: &Config) -> Vec<(Task, Duration)> {
    let auditor = &config.auditor;
    let mut tasks = TASKS.to_vec();
    tasks.push((Task::Audit, auditor.interval));
    if auditor.heartbeat_url.is_some() {
        tasks.push((Task::Heartbeat, auditor.heartbeat_interval));
    }
    tasks
}

async fn ensure(app: &App) -> store::Result<()> {
    for (task, every) in built_in(&app.config) {
        app.store.ensure_schedule(ProjectId::PLATFORM, task, every, app.clock.now()).await?;
    }
    Ok(())
}

/// Makes the ticks that are due now.
///
/// # Errors
/// When the store is away.
pub async fn round(app: &App) -> store::Result<()> {
    let now = app.clock.now();
    for schedule in app.store.due_schedules(now).await? {
        let task = schedule.task.as_str();
        let rescue_at = now.plus(app.config.due.grace);
        let Some(job) = app.store.tick(schedule, now, rescue_at, app.jobs_here).await? else {
            continue;
        };
        metrics::counter!("bellbuoy_ticks_total", "task" => task).increment(1);
        if app.jobs_here {
            continue;
        }
        if let Err(error) = app.queue.push(vec![job]).await {
            tracing::debug!(%error, task, "a tick was not nudged; the due loop runs it");
        }
    }
    Ok(())
}

/// The role of the scheduler.
pub fn role() -> runtime::process::Role {
    runtime::process::Role::new("scheduler", run)
}
