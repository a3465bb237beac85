//! Jobs that name a shard: its oldest rows are taken from the store, in turns that leave room for other projects.

use std::sync::Arc;

use domain::id::{EventId, JobId, ProjectId, floor, time_of};
use domain::job::{Envelope, Job, NewJob, QueueName};
use domain::shard::{Shard, Shards};
use store::Result;

use super::{deliver, evaluate};
use crate::Worker;

/// How many batches of a project one turn has.
const ROUNDS: usize = 4;

/// How many deliveries are claimed at once.
const DELIVERIES: usize = 64;

/// How a turn ended.
enum Round {
    /// There was nothing older.
    Done,
    /// There is more.
    More,
    /// The store was away, or this worker is to end: others take it up.
    Failed,
}

/// Evaluates what these shards have; `false` when their jobs must come again.
pub(crate) async fn evaluate(
    worker: &Arc<Worker>,
    project: ProjectId,
    shards: Shards,
    singly: bool,
) -> bool {
    let queue = QueueName::Events;
    let Some(mut at_work) = worker.holds.begin(queue, project, shards) else { return true };
    let mut rounds = ROUNDS;
    loop {
        let turn = events(worker, project, at_work.shards(), singly, &mut rounds).await;
        match turn {
            Round::Failed => return false,
            Round::More => {
                let left = at_work.shards();
                drop(at_work);
                return hand_on(worker, project, left, Job::EvaluateShard).await;
            }
            Round::Done if !at_work.goes_on() => return true,
            Round::Done => {}
        }
    }
}

async fn events(
    worker: &Arc<Worker>,
    project: ProjectId,
    shards: Shards,
    singly: bool,
    rounds: &mut usize,
) -> Round {
    let limit = worker.app.config.evaluate.max_events_per_transaction;
    let mut after = None;
    while *rounds > 0 {
        if worker.stop.is_cancelled() {
            return Round::Failed;
        }
        *rounds -= 1;
        let found = match find(worker, project, shards, after, limit).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%project, %error, "events of a shard were not read");
                return Round::Failed;
            }
        };
        let full = found.len() == limit;
        after = found.last().map(|event| event.id);
        if !found.is_empty() && !evaluate::evaluate(worker, project, found, singly).await {
            return Round::Failed;
        }
        // Events of a project that does not work are held: they wait for the due loop, not for another turn.
        if !full || !worker.app.epochs.is_active(project) {
            return Round::Done;
        }
    }
    Round::More
}

async fn find(
    worker: &Worker,
    project: ProjectId,
    shards: Shards,
    after: Option<EventId>,
    limit: usize,
) -> Result<Vec<domain::event::Event>> {
    let (store, holds) = (&worker.app.store, &worker.holds);
    if let Some(after) = after {
        return store.events_of_shards(project, shards, after, limit as i64).await;
    }
    // What commits late carries a time that is past, but not by more than this.
    let sure = worker.app.clock.now().minus(worker.app.config.due.watermark_lag);
    let from = EventId(floor(holds.evaluated_to(store, project, shards).await?));
    let found = store.events_of_shards(project, shards, from, limit as i64).await?;
    let oldest = found.first().map_or(sure, |event| time_of(event.id.0).min(sure));
    holds.set_evaluated_to(project, shards, oldest);
    Ok(found)
}

/// Sends what waits in these shards; `false` when their jobs must come again.
pub(crate) async fn deliver(worker: &Arc<Worker>, project: ProjectId, shards: Shards) -> bool {
    let queue = QueueName::Deliveries;
    let Some(mut at_work) = worker.holds.begin(queue, project, shards) else { return true };
    let mut rounds = ROUNDS;
    loop {
        match deliveries(worker, project, at_work.shards(), &mut rounds).await {
            Round::Failed => return false,
            Round::More => {
                let left = at_work.shards();
                drop(at_work);
                return hand_on(worker, project, left, Job::DeliverShard).await;
            }
            Round::Done if !at_work.goes_on() => return true,
            Round::Done => {}
        }
    }
}

async fn deliveries(
    worker: &Arc<Worker>,
    project: ProjectId,
    shards: Shards,
    rounds: &mut usize,
) -> Round {
    while *rounds > 0 {
        if worker.stop.is_cancelled() {
            return Round::Failed;
        }
        *rounds -= 1;
        let waiting = worker.app.store.planned_of_shards(project, shards, DELIVERIES as i64).await;
        let waiting = match waiting {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::warn!(%project, %error, "deliveries of a shard were not read");
                return Round::Failed;
            }
        };
        if !waiting.is_empty() && !deliver::deliver(worker, project, &waiting).await {
            return Round::Failed;
        }
        if waiting.len() < DELIVERIES {
            return Round::Done;
        }
    }
    Round::More
}

/// Asks for another turn behind everybody else's, with new jobs: the same ones again would be counted by the queue as if
/// they had failed. They are pushed before the old ones are settled, so that a death in between doubles them.
async fn hand_on(
    worker: &Worker,
    project: ProjectId,
    shards: Shards,
    kind: fn(Shard) -> Job,
) -> bool {
    let now = worker.app.clock.now();
    let job = |shard| {
        let job = kind(shard);
        let queue = job.queue();
        // What can't be encoded is left to the due loop, like everything that gets lost.
        let body = Envelope::new(project, job).encode().ok()?;
        Some(NewJob { id: JobId::fresh(now), project, queue, body })
    };
    let jobs = shards.iter().filter_map(job).collect();
    match worker.app.queue.push(jobs).await {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(%project, %error, "another turn was not asked for; the jobs are given back");
            false
        }
    }
}
