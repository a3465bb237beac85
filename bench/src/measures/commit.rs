//! What a promise costs: how many commits a second one connection gets, each of them on the disk when it is answered, and
//! how long one takes that comes alone, after a rest in which the machine went to sleep.

use std::time::{Duration, Instant};

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::bench::Bench;
use crate::engines::connect;
use crate::stats::Sample;

/// How long the product rests between events, too, when it is measured at rest.
const REST: Duration = Duration::from_millis(20);

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let database = bench.engines.postgres.database().await?;
    let mut connection = connect(&database.url).await?;
    sqlx::raw_sql("CREATE TABLE commits (at bigint)").execute(&mut connection).await?;
    let (count, began) = (bench.scaled(5000), Instant::now());
    let mut all = Vec::new();
    // Slow disks are not waited for.
    while (all.len() as u64) < count && began.elapsed() < Duration::from_secs(10) {
        all.push(one(&mut connection).await?);
    }
    let rate = crate::stats::rate(all.len() as u64, began.elapsed());
    let sample = Sample::of(all);
    let mut rested = Vec::new();
    for _ in 0..bench.scaled(200) {
        tokio::time::sleep(REST).await;
        rested.push(one(&mut connection).await?);
    }
    let rested = Sample::of(rested);
    connection.close().await?;
    bench.engines.postgres.drop(database).await?;
    bench.report.add("PostgreSQL commits, one connection", rate, "commits/s");
    bench.report.add("PostgreSQL commit, p50", sample.millis(0.5), "ms");
    bench.report.add("PostgreSQL commit, p99", sample.millis(0.99), "ms");
    bench.report.add("PostgreSQL commit at rest, p50", rested.millis(0.5), "ms");
    bench.report.add("PostgreSQL commit at rest, p99", rested.millis(0.99), "ms");
    Ok(())
}

/// How long one commit takes.
async fn one(connection: &mut PgConnection) -> anyhow::Result<Duration> {
    let began = Instant::now();
    sqlx::query("INSERT INTO commits VALUES ($1)").bind(1_i64).execute(connection).await?;
    Ok(began.elapsed())
}
