//! What a promise costs: how many commits a second one connection gets, each of them on the disk when it is answered.

use std::time::{Duration, Instant};

use sqlx::Connection as _;

use crate::bench::Bench;
use crate::engines::connect;
use crate::stats::Sample;

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let database = bench.engines.postgres.database().await?;
    let mut connection = connect(&database.url).await?;
    sqlx::raw_sql("CREATE TABLE commits (at bigint)").execute(&mut connection).await?;
    let (count, began) = (bench.scaled(5000), Instant::now());
    let mut all = Vec::new();
    // Slow disks are not waited for.
    while (all.len() as u64) < count && began.elapsed() < Duration::from_secs(10) {
        let one = Instant::now();
        sqlx::query("INSERT INTO commits VALUES ($1)")
            .bind(all.len() as i64)
            .execute(&mut connection)
            .await?;
        all.push(one.elapsed());
    }
    let rate = crate::stats::rate(all.len() as u64, began.elapsed());
    let sample = Sample::of(all);
    connection.close().await?;
    bench.engines.postgres.drop(database).await?;
    bench.report.add("PostgreSQL commits, one connection", rate, "commits/s");
    bench.report.add("PostgreSQL commit, p50", sample.millis(0.5), "ms");
    bench.report.add("PostgreSQL commit, p99", sample.millis(0.99), "ms");
    Ok(())
}
