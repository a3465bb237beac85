//! A tick of a schedule.

use std::sync::Arc;
use std::time::Duration;

use domain::id::{ProjectId, TickId};

use crate::Worker;
use crate::tasks;

/// How long a task may take before somebody else tries it.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs what a tick is for, once; `false` when the store was away.
pub(crate) async fn tick(worker: &Arc<Worker>, project: ProjectId, id: TickId) -> bool {
    let app = &worker.app;
    let now = app.clock.now();
    let task = match app
        .store
        .begin_tick(project, id, now, now.plus(LIMIT + app.config.due.grace))
        .await
    {
        Ok(Some(task)) => task,
        Ok(None) => return true,
        Err(error) => {
            tracing::warn!(%project, tick = %id, %error, "a tick was not begun");
            return false;
        }
    };
    let outcome = match tokio::time::timeout(LIMIT, tasks::run(worker, task)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => {
            tracing::error!(%project, task = task.as_str(), %error, "a task failed");
            metrics::counter!("bellbuoy_tasks_failed_total", "task" => task.as_str()).increment(1);
            format!("failed: {error}")
        }
        Err(_) => "failed: took too long".to_owned(),
    };
    app.store.finish_tick(project, id, &outcome, app.clock.now()).await.is_ok()
}
