//! A reserved batch of jobs: which can be run, which are given back, which are dead.

mod deliver;
pub(crate) mod evaluate;
pub(crate) mod groups;
mod shards;
pub(crate) mod tick;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::event::Event;
use domain::id::{DeliveryId, EventId, JobId, ProjectId, TickId, time_of};
use domain::job::{Envelope, Job, QueueName, Undecodable};
use domain::shard::Shards;
use queue::Held;
use queue::backend::Reservation;
use store::queues::DeadJob;
use telemetry::set_parent;
use tracing::{Instrument, Span};

use crate::Worker;

/// How long a job waits before it is offered again to workers that may know its kind, or to a store that is back.
const LATER: Duration = Duration::from_secs(2);

/// The span that a job runs in, a part of the trace that it continues.
fn span(what: &'static str, project: ProjectId, trace: Option<&str>) -> Span {
    // At the level of errors, so that a filter of logs does not cut traces.
    let span = tracing::error_span!("job", what, %project);
    if let Some(trace) = trace {
        set_parent(&span, trace);
    }
    span
}

/// What a batch comes down to.
#[derive(Default)]
struct Sorted {
    events: BTreeMap<ProjectId, Events>,
    shards: BTreeMap<(ProjectId, QueueName), Parts>,
    others: Vec<(JobId, ProjectId, Other)>,
    unknown: Vec<JobId>,
    dead: Vec<DeadJob>,
}

/// A job that is run by itself.
enum Other {
    Deliver(Vec<DeliveryId>),
    Tick(TickId),
}

/// The shards of one project in a batch, of events or of deliveries.
#[derive(Default)]
struct Parts {
    jobs: Vec<JobId>,
    shards: Shards,
    singly: bool,
    trace: Option<String>,
}

/// The events of one project in a batch.
#[derive(Default)]
struct Events {
    jobs: Vec<JobId>,
    carried: Vec<Event>,
    stored: Vec<EventId>,
    /// Whether a job came back so often that each event is to be tried alone.
    singly: bool,
    /// The trace of the first of them.
    trace: Option<String>,
}

pub(crate) async fn run(worker: &Arc<Worker>, reservation: Reservation) {
    let started = Instant::now();
    let queue = reservation.queue();
    let count = reservation.jobs.len() as u64;
    let sorted = sort(worker, queue, &reservation.jobs);
    let mut back = bury(worker, sorted.dead).await;
    let evaluations = sorted.events.into_iter().map(|(project, events)| {
        let span = span("evaluate", project, events.trace.as_deref());
        evaluate_all(worker, project, events).instrument(span)
    });
    let parts = sorted.shards.into_iter().map(|((project, queue), parts)| {
        let span = span("shards", project, parts.trace.as_deref());
        work_on(worker, project, queue, parts).instrument(span)
    });
    let (evaluated, worked) = futures_util::future::join(
        futures_util::future::join_all(evaluations),
        futures_util::future::join_all(parts),
    )
    .await;
    back.extend(evaluated.into_iter().chain(worked).flatten());
    for (id, project, job) in sorted.others {
        let span = span("job", project, None);
        // What is not begun is left to others.
        if worker.stop.is_cancelled() || !run_one(worker, project, job).instrument(span).await {
            back.push(id);
        }
    }
    // What failed waits for better times; what is left to others when this worker ends need not.
    let after = if worker.stop.is_cancelled() { Duration::ZERO } else { LATER };
    give_back(&reservation, back, after).await;
    give_back(&reservation, sorted.unknown, LATER).await;
    reservation.settle();
    metrics::counter!("bellbuoy_jobs_total", "queue" => queue.as_str()).increment(count);
    metrics::histogram!("bellbuoy_job_batch_seconds", "queue" => queue.as_str())
        .record(started.elapsed().as_secs_f64());
}

fn sort(worker: &Worker, queue: QueueName, jobs: &[Held]) -> Sorted {
    let config = &worker.app.config.queue;
    let mut sorted = Sorted::default();
    for held in jobs {
        // Where the engine does not count exactly it puts aside by itself what comes back too often.
        if held.attempt > config.max_attempts && worker.app.queue.counts_exactly() {
            sorted.dead.push(dead(
                queue,
                held,
                "it was taken again and again and never ended".to_owned(),
            ));
            continue;
        }
        match Envelope::decode(&held.body) {
            // Nobody of ours sends one: what it carries was never accepted.
            Ok(Envelope { job: Job::Evaluate(_), .. }) if !worker.app.queue.carries_events() => {
                let why = "it carries events, which jobs on this engine never do".to_owned();
                sorted.dead.push(dead(queue, held, why));
            }
            Ok(envelope) => sort_known(&mut sorted, held, envelope),
            Err(Undecodable::Broken(why)) => sorted.dead.push(dead(queue, held, why)),
            Err(unknown @ Undecodable::Unknown { .. }) => {
                let waited = worker.app.clock.now().since(time_of(held.id.0));
                if waited > config.unknown_kind_patience {
                    sorted.dead.push(dead(queue, held, unknown.to_string()));
                } else {
                    tracing::warn!(job = %held.id, project = %held.project, %unknown, "given back to newer workers");
                    metrics::counter!("bellbuoy_jobs_unknown_total").increment(1);
                    sorted.unknown.push(held.id);
                }
            }
        }
    }
    sorted
}

fn sort_known(sorted: &mut Sorted, held: &Held, envelope: Envelope) {
    let project = envelope.project;
    let trace = envelope.trace;
    match envelope.job {
        Job::Evaluate(events) => {
            let all = sorted.events.entry(project).or_default();
            all.jobs.push(held.id);
            all.carried.extend(events);
            all.singly |= held.attempt > 2;
            all.trace = all.trace.take().or(trace);
        }
        Job::EvaluateStored(ids) => {
            let all = sorted.events.entry(project).or_default();
            all.jobs.push(held.id);
            all.stored.extend(ids);
            all.singly |= held.attempt > 2;
            all.trace = all.trace.take().or(trace);
        }
        job @ (Job::EvaluateShard(shard) | Job::DeliverShard(shard)) => {
            let all = sorted.shards.entry((project, job.queue())).or_default();
            all.jobs.push(held.id);
            all.shards.insert(shard);
            all.singly |= held.attempt > 2;
            all.trace = all.trace.take().or(trace);
        }
        Job::Deliver(ids) => sorted.others.push((held.id, project, Other::Deliver(ids))),
        Job::Tick(id) => sorted.others.push((held.id, project, Other::Tick(id))),
    }
}

fn dead(queue: QueueName, held: &Held, error: String) -> DeadJob {
    DeadJob { project: held.project, id: held.id, queue, body: held.body.clone(), error }
}

/// Evaluates a project's events; answers the jobs that must come again.
async fn evaluate_all(worker: &Arc<Worker>, project: ProjectId, events: Events) -> Vec<JobId> {
    let mut all = events.carried;
    let mut fine = true;
    if !events.stored.is_empty() {
        match worker.app.store.events(project, &events.stored).await {
            Ok(stored) => all.extend(stored),
            Err(error) => {
                tracing::warn!(%project, %error, "events were not read");
                fine = false;
            }
        }
    }
    fine &= if events.singly {
        evaluate::evaluate(worker, project, all, true).await
    } else {
        worker.gate.evaluate(worker, project, all).await
    };
    if fine { Vec::new() } else { events.jobs }
}

/// Works on shards of a project; answers the jobs that must come again.
async fn work_on(
    worker: &Arc<Worker>,
    project: ProjectId,
    queue: QueueName,
    parts: Parts,
) -> Vec<JobId> {
    let fine = match queue {
        QueueName::Events => shards::evaluate(worker, project, parts.shards, parts.singly).await,
        QueueName::Deliveries | QueueName::Maintenance => {
            shards::deliver(worker, project, parts.shards).await
        }
    };
    if fine { Vec::new() } else { parts.jobs }
}

/// Runs one job; `false` when it must come again.
async fn run_one(worker: &Arc<Worker>, project: ProjectId, job: Other) -> bool {
    match job {
        Other::Deliver(ids) => deliver::deliver(worker, project, &ids).await,
        Other::Tick(id) => tick::tick(worker, project, id).await,
    }
}

/// Keeps dead jobs in the store; answers those that could not be kept and must come again.
async fn bury(worker: &Worker, dead: Vec<DeadJob>) -> Vec<JobId> {
    if dead.is_empty() {
        return Vec::new();
    }
    let ids: Vec<JobId> = dead.iter().map(|job| job.id).collect();
    for job in &dead {
        tracing::error!(job = %job.id, project = %job.project, error = job.error, "a job is dead");
    }
    match worker.app.store.bury_jobs(dead, worker.app.clock.now()).await {
        Ok(()) => {
            metrics::counter!("bellbuoy_jobs_dead_total").increment(ids.len() as u64);
            Vec::new()
        }
        Err(error) => {
            tracing::warn!(%error, "dead jobs were not kept; they come again");
            ids
        }
    }
}

async fn give_back(reservation: &Reservation, jobs: Vec<JobId>, after: Duration) {
    if jobs.is_empty() {
        return;
    }
    if let Err(error) = reservation.release(jobs, after, false).await {
        tracing::debug!(%error, "jobs were not given back");
    }
}
