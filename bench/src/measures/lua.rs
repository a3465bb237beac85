//! What a queue on Redis gets at most: scripts that push, fetch and acknowledge 100 at a time, with nothing that a queue
//! needs besides: no tenants, no deadlines, no counts.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use redis::Script;
use redis::aio::MultiplexedConnection;

use super::noop::{BATCH, body};
use crate::bench::Bench;
use crate::stats::{ROUNDS, median, rate};

const PUSH: &str = "return redis.call('RPUSH', KEYS[1], unpack(ARGV))";
const FETCH: &str = "
local jobs = redis.call('LPOP', KEYS[1], ARGV[1])
if not jobs then return {} end
redis.call('RPUSH', KEYS[2], unpack(jobs))
return jobs";
const ACKNOWLEDGE: &str = "return redis.call('DEL', KEYS[1])";

/// The figure that the queue with as many tasks is compared to.
pub fn name(tasks: usize) -> String {
    format!("raw Lua, {tasks} task{}", if tasks == 1 { "" } else { "s" })
}

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    for tasks in [1, 4] {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(round(bench, tasks).await?);
        }
        bench.report.add(name(tasks), median(rounds), "jobs/s");
    }
    Ok(())
}

async fn round(bench: &Bench, tasks: usize) -> anyhow::Result<f64> {
    let (prefix, count) = (bench.prefix(), bench.scaled(100_000));
    let mut connection = bench.engines.redis.connect().await?;
    let began = Instant::now();
    push(&mut connection, &prefix, count).await?;
    let mut fetching = Vec::new();
    for task in 0..tasks {
        let connection = bench.engines.redis.connect().await?;
        fetching.push(tokio::spawn(drain(connection, prefix.clone(), task)));
    }
    let drained = tokio::time::timeout(Duration::from_secs(60), try_join_all(fetching)).await;
    let drained: anyhow::Result<u64> = drained.context("it takes too long")??.into_iter().sum();
    let drained = drained?;
    anyhow::ensure!(drained == count, "{drained} of {count} jobs came out");
    Ok(rate(count, began.elapsed()))
}

async fn push(
    connection: &mut MultiplexedConnection,
    prefix: &str,
    count: u64,
) -> anyhow::Result<()> {
    let (script, body) = (Script::new(PUSH), body());
    let mut left = count;
    while left > 0 {
        let now = left.min(BATCH);
        left -= now;
        let mut call = script.key(prefix);
        for _ in 0..now {
            call.arg(body.as_slice());
        }
        call.invoke_async::<u64>(connection).await?;
    }
    Ok(())
}

async fn drain(
    mut connection: MultiplexedConnection,
    prefix: String,
    task: usize,
) -> anyhow::Result<u64> {
    let (fetch, acknowledge) = (Script::new(FETCH), Script::new(ACKNOWLEDGE));
    let held = format!("{prefix}:held:{task}");
    let mut count = 0;
    loop {
        let jobs: Vec<Vec<u8>> =
            fetch.key(&prefix).key(&held).arg(BATCH).invoke_async(&mut connection).await?;
        if jobs.is_empty() {
            return Ok(count);
        }
        acknowledge.key(&held).invoke_async::<u64>(&mut connection).await?;
        count += jobs.len() as u64;
    }
}
