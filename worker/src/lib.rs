//! The worker: takes jobs off the queues, decides what rings, delivers it, and makes good what got lost.
//!
//! `jobs.rs` runs a reserved batch, `jobs/evaluate.rs` decides, `outbox.rs` sends through `channels.rs`, `recorder.rs`
//! writes down what came of it, and `due.rs` is the loop that needs no queue. `runs.rs` does what takes long, such as
//! backtests, and `intake.rs` reads streams and queues that producers fill.

mod channels;
mod circuit_breaker;
mod due;
mod gauges;
mod intake;
mod jobs;
mod outbox;
mod project_gate;
mod recorder;
mod runs;
mod shards;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{BoxDynError, Data, WorkerBuilder, WorkerBuilderExt, WorkerError};
use domain::job::QueueName;
use queue::backend::{JobBackend, Reservation, Taking};
use runtime::app::App;
use tokio_util::sync::CancellationToken;

pub use outbound::StartError;

use outbox::Outbox;
use project_gate::ProjectGate;
use runs::Runs;
use shards::ShardHolds;

/// What every job works with.
pub(crate) struct Worker {
    pub(crate) app: Arc<App>,
    pub(crate) outbox: Outbox,
    pub(crate) holds: ShardHolds,
    pub(crate) gate: ProjectGate,
    pub(crate) runs: Runs,
    /// Cancelled when this worker is to end.
    pub(crate) stop: CancellationToken,
}

/// Works on `queues` until `stop`, then finishes what runs within the configured grace.
///
/// # Errors
/// When the HTTP client can't be made.
pub async fn run(
    app: Arc<App>,
    queues: Vec<QueueName>,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let outbox = Outbox::start(&app)?;
    let holds = ShardHolds::default();
    let gate = ProjectGate::default();
    let (app_here, runs) = (Arc::clone(&app), Runs::default());
    let worker = Worker { app: app_here, outbox, holds, gate, runs, stop: stop.clone() };
    let worker = Arc::new(worker);
    let tasks = tokio_util::task::TaskTracker::new();
    for queue in queues {
        tasks.spawn(serve(Arc::clone(&worker), queue, stop.clone()));
    }
    tasks.spawn(due::run(Arc::clone(&worker), stop.clone()));
    tasks.spawn(gauges::run(Arc::clone(&worker), stop.clone()));
    tasks.spawn(intake::run(Arc::clone(&worker), stop.clone()));
    tasks.close();
    stop.cancelled().await;
    let grace = app.config.worker.shutdown_grace;
    let drained = tokio::time::timeout(grace, async {
        tasks.wait().await;
        worker.runs.drain().await;
        worker.outbox.drain().await;
    });
    if drained.await.is_err() {
        tracing::warn!(
            "work was left undone at the end of the grace; others take it when its claims expire"
        );
    }
    Ok(())
}

/// Runs an apalis worker on one queue until `stop`.
async fn serve(worker: Arc<Worker>, queue: QueueName, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let name = format!("{}-{}", queue.as_str(), uuid::Uuid::now_v7().simple());
        let running = WorkerBuilder::new(name)
            .backend(backend(&worker, queue, &stop))
            .concurrency(concurrency(&worker, queue))
            .data(Arc::clone(&worker))
            .build(handle)
            .run_until(stopped(stop.clone()));
        if let Err(error) = running.await {
            tracing::error!(queue = queue.as_str(), %error, "a queue's worker ended; it starts again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn backend(worker: &Arc<Worker>, queue: QueueName, stop: &CancellationToken) -> JobBackend {
    let app = &worker.app;
    let (epochs, resting) = (Arc::clone(&app.epochs), Arc::clone(worker));
    let rest = move || match queue {
        QueueName::Events => resting.gate.rest(),
        QueueName::Deliveries | QueueName::Maintenance => Duration::ZERO,
    };
    let taking = Taking {
        queue,
        batch: app.config.queue.batch,
        poll: app.config.queue.poll,
        rest: Arc::new(rest),
        paused: Arc::new(move || epochs.is_paused(queue)),
        stop: stop.clone(),
    };
    JobBackend::new(Arc::clone(&app.queue), taking)
}

/// How many batches of a queue run at once.
fn concurrency(worker: &Worker, queue: QueueName) -> usize {
    match queue {
        QueueName::Events => worker.app.config.evaluate.concurrency,
        QueueName::Deliveries => 2,
        QueueName::Maintenance => 1,
    }
}

async fn stopped(stop: CancellationToken) -> Result<(), WorkerError> {
    stop.cancelled().await;
    Ok(())
}

/// Runs a batch on a task of its own: apalis polls all batches of a queue on one, which would keep them on one core.
async fn handle(reservation: Reservation, worker: Data<Arc<Worker>>) -> Result<(), BoxDynError> {
    let worker = Arc::clone(&worker);
    let running = tokio::spawn(async move { jobs::run(&worker, reservation).await });
    // A panic costs this batch its lease, not the worker its life: the jobs come again and are counted.
    if running.await.is_err() {
        tracing::error!("a batch of jobs panicked; its jobs come again");
        metrics::counter!("bellbuoy_job_panics_total").increment(1);
    }
    Ok(())
}

/// The role of a worker on these queues.
pub fn role(queues: Vec<QueueName>) -> runtime::process::Role {
    runtime::process::Role::new("worker", move |app, stop| run(app, queues, stop))
}
