//! How soon a job starts that comes while nothing is going on: pushed by one process, reserved by another, which has been
//! waiting for a wake-up. Two queues on connections of their own stand for the two processes.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use domain::id::ProjectId;
use queue::Queue;
use uuid::Uuid;

use super::noop::{QUEUE, jobs, open};
use crate::bench::Bench;
use crate::report::Goal;
use crate::stats::Sample;

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let prefix = bench.prefix();
    let (pushing, taking) = (open(bench, &prefix)?, open(bench, &prefix)?);
    let project = ProjectId(Uuid::from_u128(1));
    let mut wakeups = taking.wakeups(QUEUE);
    let (warming, count) = (20, bench.scaled(1000));
    let mut all = Vec::new();
    let mut polled = 0;
    for round in 0..warming + count {
        anyhow::ensure!(taking.reserve(QUEUE, 1).await?.is_none(), "a job came twice");
        wakeups.mark_unchanged();
        let job = jobs(project, 1);
        let (pushing, began) = (pushing.clone(), Instant::now());
        let push = tokio::spawn(async move { pushing.push(job).await });
        let batch = loop {
            // A wake-up may come for nothing, or be lost once in a long while: then a poll finds the job.
            polled += u64::from(
                tokio::time::timeout(Duration::from_secs(1), wakeups.changed()).await.is_err(),
            );
            if let Some(batch) = taking.reserve(QUEUE, 1).await? {
                break batch;
            }
            anyhow::ensure!(began.elapsed() < Duration::from_secs(10), "a job never came");
        };
        if round >= warming {
            all.push(began.elapsed());
        }
        push.await?.context("the job was not pushed")?;
        taking.settle(QUEUE, vec![batch.lease]).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.engines.redis.forget(&prefix).await?;
    let sample = Sample::of(all);
    bench.report.add("queue idle start, p50", sample.millis(0.5), "ms").goal(Goal::AtMost(0.5));
    bench.report.add("queue idle start, p99", sample.millis(0.99), "ms").goal(Goal::AtMost(2.7));
    bench
        .report
        .add("queue idle start, found by polling", polled as f64, "jobs")
        .goal(Goal::AtMost(0.0));
    Ok(())
}
