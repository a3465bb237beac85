//! Groups whose time has come: summaries, lapsed acknowledgements, matches that waited, missing events, alerts that are old.

use std::sync::Arc;

use domain::evaluation::Origin;
use domain::id::{GroupId, ProjectId};
use domain::job::{NewJob, QueueName};
use store::StoreError;
use store::evaluations::Revisited;
use uuid::Uuid;

use super::evaluate::{RELOADS, rules};
use crate::Worker;

/// Looks at a share of the groups of every project; `true` when some had more.
pub(crate) async fn round(worker: &Arc<Worker>) -> store::Result<bool> {
    let app = &worker.app;
    if app.epochs.is_paused(QueueName::Events) {
        return Ok(false);
    }
    let projects = app.store.projects_with_due(app.clock.now()).await?;
    let share = app.config.due.batch.div_ceil(projects.len().max(1));
    let mut more = false;
    for project in projects {
        if !app.epochs.active().contains(&project) {
            continue;
        }
        let due = app.store.due_groups(project, app.clock.now(), share).await?;
        more |= due.len() == share;
        for (row, group) in due {
            if worker.stop.is_cancelled() {
                return Ok(false);
            }
            if let Err(error) = revisit(worker, project, row, group).await {
                tracing::warn!(%project, %error, "a group was not looked at again; it stays due");
                more = false;
                break;
            }
        }
    }
    Ok(more)
}

async fn revisit(
    worker: &Arc<Worker>,
    project: ProjectId,
    row: Uuid,
    group: GroupId,
) -> Result<(), StoreError> {
    let app = &worker.app;
    for _ in 0..RELOADS {
        let set = rules(app, project).await?;
        let now = app.clock.now();
        match app.store.revisit_group(project, row, group, &set, app.jobs_here, now).await? {
            Revisited::Stale => app.rulesets.forget(project).await,
            Revisited::Done(done) => {
                let (decision, jobs) = *done;
                for one in &decision.notifications {
                    metrics::counter!("bellbuoy_timed_rings_total", "origin" => one.origin.as_str())
                        .increment(1);
                    if one.origin == Origin::Absence {
                        tracing::info!(%project, rule = %one.rule, "an event is missing");
                    }
                }
                enqueue(worker, jobs).await;
                return Ok(());
            }
        }
    }
    Err(StoreError::Unavailable("the rules change faster than groups can be looked at".into()))
}

async fn enqueue(worker: &Arc<Worker>, jobs: Vec<NewJob>) {
    if worker.app.jobs_here || jobs.is_empty() {
        return;
    }
    let count = jobs.len() as u64;
    if let Err(error) = worker.app.queue.push(jobs).await {
        metrics::counter!("bellbuoy_enqueue_failures_total").increment(count);
        tracing::debug!(%error, "jobs of deliveries were not enqueued; the due loop finds them");
    }
}
