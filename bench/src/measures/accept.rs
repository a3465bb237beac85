//! Accepting alone: the API runs, no worker does.

use std::time::Duration;

use super::{echo, insert};
use crate::bench::Bench;
use crate::load::{self, Load};
use crate::seed::seed;
use crate::stats::{Sample, rate};

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let database = bench.engines.postgres.database().await?;
    let installation =
        bench.installation(database.url.clone(), Some(bench.engines.redis.url.clone()))?;
    let store = installation.store().await?;
    let key = seed(&store, &bench.sink.url()).await?;
    store.close().await;
    let running = installation.start(&["api"]).await?;
    let load = |numbers: std::ops::Range<u64>| Load {
        target: running.api,
        key: key.clone(),
        expect: 202,
        connections: 32,
        first: numbers.start,
        count: numbers.end - numbers.start,
        pause: Duration::ZERO,
        limit: Duration::from_secs(120),
    };
    load::run(load(bench.numbers(bench.scaled(3000)))).await?;
    let count = bench.scaled(30_000);
    let done = load::run(load(bench.numbers(count))).await?;
    let accepted = rate(count, done.took);
    let sample = Sample::of(done.sent.iter().map(|one| one.took).collect());
    bench.report.compare("accept alone", accepted, "events/s", echo::NAME);
    bench.report.compare("accept alone, as rows", accepted, "rows/s", insert::NAME);
    bench.report.add("accept alone, p50", sample.millis(0.5), "ms");
    bench.report.add("accept alone, p99", sample.millis(0.99), "ms");
    drop(running);
    bench.engines.redis.forget(&installation.prefix).await?;
    bench.engines.postgres.drop(database).await
}
