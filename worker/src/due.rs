//! The due loop: what waits for a time, what was claimed by somebody who is gone, and what the queue lost. It asks the
//! store alone and enqueues nothing, so that it works whatever happens to the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::id::ProjectId;
use domain::job::QueueName;
use domain::time::Time;
use store::due::Open;
use store::evaluations::ClaimTerms;
use tokio_util::sync::CancellationToken;

use crate::Worker;
use crate::jobs;
use crate::runs;

/// Works until `stop`.
pub(crate) async fn run(worker: Arc<Worker>, stop: CancellationToken) {
    let mut walk = Walk::default();
    while !stop.is_cancelled() {
        let more = round(&worker, &mut walk).await;
        // A full round says that there is more; otherwise the next one comes with time, or when somebody calls.
        let pause = if more { Duration::ZERO } else { worker.app.config.due.interval };
        tokio::select! {
            () = stop.cancelled() => {}
            () = worker.app.due.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn round(worker: &Arc<Worker>, walk: &mut Walk) -> bool {
    let due = take_due(worker).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what is due was not taken");
        false
    });
    let groups = jobs::groups::round(worker).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "groups whose time has come were not looked at");
        false
    });
    if let Err(error) = runs::round(worker).await {
        tracing::warn!(%error, "runs that wait were not begun");
    }
    let events = walk.round(worker).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "events that nobody moved were not found");
        false
    });
    due || groups || events
}

/// Takes a share of what is due from every project that has something; `true` when some had more.
async fn take_due(worker: &Arc<Worker>) -> store::Result<bool> {
    let app = &worker.app;
    let open = Open {
        deliveries: !app.epochs.is_paused(QueueName::Deliveries),
        ticks: !app.epochs.is_paused(QueueName::Maintenance),
    };
    let projects = app.store.projects_with_due(app.clock.now()).await?;
    let mut more = false;
    for project in &projects {
        let share = share(worker, projects.len());
        if share == 0 {
            return Ok(false);
        }
        let room = worker.outbox.room_for(share).await;
        let now = app.clock.now();
        let terms = ClaimTerms {
            token: domain::id::fresh(now),
            until: now.plus(app.config.delivery.claim),
            limit: share,
            planned_at: now,
        };
        // The first attempt and one after each step of the backoff.
        let allowed = app.config.delivery.backoff.len() as i64 + 1;
        let taken = app.store.take_due(*project, open, terms, allowed, now).await?;
        more |= taken.rows >= share;
        if taken.expired > 0 {
            tracing::warn!(%project, expired = taken.expired, "claims had expired; what they held is unknown and tried again");
            metrics::counter!("bellbuoy_claims_expired_total").increment(taken.expired as u64);
        }
        worker.outbox.send(taken.deliveries, room);
        for tick in taken.ticks {
            jobs::tick::tick(worker, *project, tick).await;
        }
    }
    Ok(more)
}

/// A project's share of the room that this worker has.
fn share(worker: &Worker, projects: usize) -> usize {
    let batch = worker.app.config.due.batch.min(worker.outbox.free());
    batch.div_ceil(projects.max(1))
}

/// The walk over events: from a watermark per project, below which all are evaluated.
#[derive(Default)]
struct Walk {
    watermarks: HashMap<ProjectId, Time>,
    loaded: bool,
}

/// How far a watermark moves before it is written down: it only saves a look back after a start.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

impl Walk {
    async fn round(&mut self, worker: &Arc<Worker>) -> store::Result<bool> {
        let app = &worker.app;
        if !self.loaded {
            self.watermarks = app.store.watermarks().await?.into_iter().collect();
            self.loaded = true;
        }
        if app.epochs.is_paused(QueueName::Events) {
            return Ok(false);
        }
        let mut more = false;
        for project in app.epochs.active() {
            more |= self.project(worker, project).await?;
        }
        Ok(more)
    }

    async fn project(&mut self, worker: &Arc<Worker>, project: ProjectId) -> store::Result<bool> {
        let app = &worker.app;
        let config = &app.config.due;
        let now = app.clock.now();
        let from = self.watermarks.get(&project).copied().unwrap_or_default();
        // Younger ones may still be on their way through the queue, and below the lag all commits are seen.
        let before = now.minus(config.grace.max(config.watermark_lag));
        let limit = config.batch;
        let ids = app.store.unevaluated(project, from, before, limit as i64).await?;
        let Some(first) = ids.first() else {
            self.advance(worker, project, from, before).await?;
            return Ok(false);
        };
        let oldest = domain::id::time_of(first.0);
        self.watermarks.insert(project, oldest);
        metrics::histogram!("bellbuoy_event_rescue_age_seconds")
            .record(now.since(oldest).as_secs_f64());
        metrics::counter!("bellbuoy_events_rescued_total").increment(ids.len() as u64);
        tracing::info!(%project, events = ids.len(), "events that nobody moved are taken by the due loop");
        let events = app.store.events(project, &ids).await?;
        let fine = jobs::evaluate::evaluate(worker, project, events, false).await;
        Ok(fine && ids.len() == limit)
    }

    async fn advance(
        &mut self,
        worker: &Arc<Worker>,
        project: ProjectId,
        from: Time,
        before: Time,
    ) -> store::Result<()> {
        if before <= from {
            return Ok(());
        }
        self.watermarks.insert(project, before);
        let written = from.micros() / WRITTEN_EVERY.as_micros() as i64;
        if before.micros() / WRITTEN_EVERY.as_micros() as i64 > written {
            worker.app.store.set_watermark(project, before).await?;
        }
        Ok(())
    }
}
