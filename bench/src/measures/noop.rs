//! The product's queue on Redis with a backlog of 100 000 jobs that do nothing: all of them in, all of them out, and
//! nothing left behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use domain::id::{JobId, ProjectId};
use domain::job::{NewJob, QueueName};
use futures_util::future::try_join_all;
use queue::Queue;
use queue::redis::RedisQueue;
use uuid::Uuid;

use super::lua;
use crate::bench::Bench;
use crate::product::now;
use crate::report::Goal;
use crate::stats::{ROUNDS, median, rate};

/// How many jobs go in one push and come in one reservation.
pub const BATCH: u64 = 100;
/// The queue that is used.
pub const QUEUE: QueueName = QueueName::Events;
/// How long a reservation lasts.
const LEASE: Duration = Duration::from_secs(25);

/// What a job carries: as much as one event takes.
pub fn body() -> Vec<u8> {
    crate::event::body(0).into_bytes()
}

/// Opens the queue as one process does.
///
/// # Errors
/// When the address is none.
pub fn open(bench: &Bench, prefix: &str) -> anyhow::Result<Arc<RedisQueue>> {
    Ok(Arc::new(RedisQueue::open(&bench.engines.redis.url, prefix, LEASE)?))
}

/// Jobs of one project.
pub fn jobs(project: ProjectId, count: u64) -> Vec<NewJob> {
    let now = now();
    (0..count)
        .map(|_| NewJob { id: JobId::fresh(now), project, queue: QUEUE, body: body() })
        .collect()
}

/// Pushes a backlog.
///
/// # Errors
/// When Redis does not take it.
pub async fn push(queue: &RedisQueue, count: u64) -> anyhow::Result<()> {
    let project = ProjectId(Uuid::from_u128(1));
    let mut left = count;
    while left > 0 {
        let now = left.min(BATCH);
        left -= now;
        queue.push(jobs(project, now)).await?;
    }
    Ok(())
}

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for tasks in [1, 4] {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(round(bench, tasks).await?);
        }
        let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(of).collect());
        let plural = if tasks == 1 { "" } else { "s" };
        let name = format!("queue no-op, {tasks} task{plural}");
        let base = lua::name(tasks);
        let figure = bench.report.compare(&name, middle(|one| one.whole), "jobs/s", &base);
        figure.goal(Goal::RatioAtLeast(0.25));
        bench.report.add(format!("{name}, push alone"), middle(|one| one.push), "jobs/s");
        bench.report.add(format!("{name}, drain alone"), middle(|one| one.drain), "jobs/s");
        bench.report.add(
            format!("{name}, memory of the backlog"),
            middle(|one| one.backlog),
            "KiB",
        );
        // What leaks does so in every round; the goal has room for the server's own bookkeeping.
        let figure =
            bench.report.add(format!("{name}, memory that stays"), middle(|one| one.stays), "KiB");
        figure.goal(Goal::AtMost(64.0));
    }
    Ok(())
}

/// What one round came to: jobs a second, and KiB.
struct Round {
    whole: f64,
    push: f64,
    drain: f64,
    backlog: f64,
    stays: f64,
}

async fn round(bench: &Bench, tasks: usize) -> anyhow::Result<Round> {
    let (prefix, count) = (bench.prefix(), bench.scaled(100_000));
    let queue = open(bench, &prefix)?;
    // Scripts and connections stay; what a first use leaves of them is no leak.
    push(&queue, 1000).await?;
    drain(Arc::clone(&queue)).await?;
    let before = bench.engines.redis.memory().await?;
    let began = Instant::now();
    push(&queue, count).await?;
    let pushed = began.elapsed();
    let full = bench.engines.redis.memory().await?;
    let begun = Instant::now();
    let draining = (0..tasks).map(|_| tokio::spawn(drain(Arc::clone(&queue))));
    let drained = tokio::time::timeout(Duration::from_secs(60), try_join_all(draining)).await;
    let draining = begun.elapsed();
    let drained: anyhow::Result<u64> = drained.context("it takes too long")??.into_iter().sum();
    let drained = drained?;
    anyhow::ensure!(drained == count, "{drained} of {count} jobs came out");
    let after = shrunk(bench, before).await?;
    let left = bench.engines.redis.forget(&prefix).await?;
    anyhow::ensure!(left == 0, "a drained queue left {left} keys");
    Ok(Round {
        whole: rate(count, pushed + draining),
        push: rate(count, pushed),
        drain: rate(count, draining),
        backlog: full.saturating_sub(before) as f64 / 1024.0,
        stays: after.saturating_sub(before) as f64 / 1024.0,
    })
}

async fn drain(queue: Arc<RedisQueue>) -> anyhow::Result<u64> {
    let mut count = 0;
    while let Some(batch) = queue.reserve(QUEUE, usize::try_from(BATCH)?).await? {
        count += batch.jobs.len() as u64;
        queue.settle(QUEUE, vec![batch.lease]).await?;
    }
    Ok(count)
}

/// How much memory is used once buffers of connections had time to shrink.
async fn shrunk(bench: &Bench, before: u64) -> anyhow::Result<u64> {
    let mut least = bench.engines.redis.memory().await?;
    for _ in 0..30 {
        if least <= before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        least = least.min(bench.engines.redis.memory().await?);
    }
    Ok(least)
}
