//! The queue as the product's workers use it: apalis runs a handler for each reserved batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use apalis::prelude::{BoxDynError, Data, WorkerBuilder, WorkerBuilderExt};
use queue::backend::{JobBackend, Reservation, Taking};
use tokio_util::sync::CancellationToken;

use super::lua;
use super::noop::{BATCH, QUEUE, open, push};
use crate::bench::Bench;
use crate::report::Goal;
use crate::stats::{ROUNDS, median, rate};

/// As many as evaluate at once in the product.
const CONCURRENCY: usize = 4;

struct Progress {
    left: AtomicU64,
    stop: CancellationToken,
}

async fn handle(
    reservation: Reservation,
    progress: Data<Arc<Progress>>,
) -> Result<(), BoxDynError> {
    let count = reservation.jobs.len() as u64;
    reservation.settle();
    if progress.left.fetch_sub(count, Ordering::AcqRel) <= count {
        progress.stop.cancel();
    }
    Ok(())
}

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let (mut whole, mut drained) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let round = round(bench).await?;
        whole.push(round.0);
        drained.push(round.1);
    }
    let name = "queue no-op, apalis worker";
    let figure = bench.report.compare(name, median(whole), "jobs/s", &lua::name(4));
    figure.goal(Goal::RatioAtLeast(0.25));
    bench.report.add(format!("{name}, drain alone"), median(drained), "jobs/s");
    Ok(())
}

/// Jobs a second in and out, and out alone.
async fn round(bench: &Bench) -> anyhow::Result<(f64, f64)> {
    let (prefix, count) = (bench.prefix(), bench.scaled(100_000));
    let queue = open(bench, &prefix)?;
    let began = Instant::now();
    push(&queue, count).await?;
    let pushed = began.elapsed();
    let stop = CancellationToken::new();
    let taking = Taking {
        queue: QUEUE,
        batch: usize::try_from(BATCH)?,
        poll: Duration::from_secs(1),
        rest: Arc::new(|| Duration::ZERO),
        paused: Arc::new(|| false),
        stop: stop.clone(),
    };
    let progress = Progress { left: AtomicU64::new(count), stop: stop.clone() };
    let worker = WorkerBuilder::new("bench")
        .backend(JobBackend::new(queue.clone(), taking))
        .concurrency(CONCURRENCY)
        .data(Arc::new(progress))
        .build(handle)
        .run();
    let done = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::select! {
            ended = worker => ended.map_err(|error| anyhow::anyhow!("the worker: {error}")),
            () = stop.cancelled() => Ok(()),
        }
    });
    done.await.context("it takes too long")??;
    let all = began.elapsed();
    // The last settlements are on their way, beside the worker.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let left = bench.engines.redis.forget(&prefix).await?;
    anyhow::ensure!(left == 0, "a drained queue left {left} keys");
    Ok((rate(count, all), rate(count, all - pushed)))
}
