//! Stock apalis-redis with jobs that do nothing, so that what an engine of our own is worth stays in the numbers. No more
//! jobs than it survives: see tests/stock_apalis_redis.rs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use apalis::prelude::{BackendExt, BoxDynError, Data, TaskSink, WorkerBuilder, WorkerBuilderExt};
use apalis_redis::{Config, RedisStorage};
use tokio_util::sync::CancellationToken;

use super::lua;
use super::noop::{BATCH, body};
use crate::bench::Bench;
use crate::stats::rate;

struct Progress {
    left: AtomicU64,
    stop: CancellationToken,
}

async fn handle(_: Vec<u8>, progress: Data<Arc<Progress>>) -> Result<(), BoxDynError> {
    if progress.left.fetch_sub(1, Ordering::AcqRel) == 1 {
        progress.stop.cancel();
    }
    Ok(())
}

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let (queue, count) = (bench.prefix(), bench.scaled(5000));
    let connection = apalis_redis::connect(bench.engines.redis.url.as_str()).await?;
    let config = Config::default().queue(&queue).batch_size(usize::try_from(BATCH)?);
    let mut storage = RedisStorage::new(connection).with_config(config);
    let began = Instant::now();
    for _ in 0..count.div_ceil(BATCH) {
        storage.push_bulk(vec![body(); usize::try_from(BATCH)?]).await?;
    }
    let stop = CancellationToken::new();
    let progress = Arc::new(Progress { left: AtomicU64::new(count), stop: stop.clone() });
    let worker = WorkerBuilder::new(queue.as_str())
        .backend(storage.poll_with_interval(Duration::from_millis(100)))
        .concurrency(100)
        .data(progress)
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
    bench.report.compare("stock apalis-redis no-op", rate(count, all), "jobs/s", &lua::name(4));
    let left = bench.engines.redis.forget(&queue).await?;
    bench.report.add("stock apalis-redis, keys that stay", left as f64, "keys");
    Ok(())
}
