//! What the store takes at most: inserts into the product's own table in batches as the product makes them, arrays in
//! one statement and a commit for each, on two connections as the product has two committers.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use domain::id::EventId;
use futures_util::future::try_join_all;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::bench::Bench;
use crate::engines::connect;
use crate::event::{KIND, payload};
use crate::product::now;
use crate::seed::seed;
use crate::stats::rate;

/// Batches as 32 waiting connections make them on two committers; accepting is compared to this.
pub const NAME: &str = "raw insert, 16 rows a commit";

const COMMITTERS: usize = 2;

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let sizes = [(NAME, 16, 100_000), ("raw insert, 256 rows a commit", 256, 200_000)];
    for (name, rows, total) in sizes {
        let database = bench.engines.postgres.database().await?;
        let installation = bench.installation(database.url.clone(), None)?;
        let store = installation.store().await?;
        seed(&store, &bench.sink.url()).await?;
        store.close().await;
        let batches = usize::try_from(bench.scaled(total))? / rows / COMMITTERS;
        let began = Instant::now();
        let writing =
            (0..COMMITTERS).map(|_| tokio::spawn(write(database.url.clone(), batches, rows)));
        let written = tokio::time::timeout(Duration::from_secs(120), try_join_all(writing)).await;
        let written: u64 =
            written.context("it takes too long")??.into_iter().sum::<anyhow::Result<u64>>()?;
        bench.report.add(name, rate(written, began.elapsed()), "rows/s");
        bench.engines.postgres.drop(database).await?;
    }
    Ok(())
}

async fn write(url: String, batches: usize, rows: usize) -> anyhow::Result<u64> {
    let mut connection = connect(&url).await?;
    let mut written = 0;
    for _ in 0..batches {
        written += insert(&mut connection, rows).await?;
    }
    connection.close().await?;
    Ok(written)
}

async fn insert(connection: &mut PgConnection, rows: usize) -> sqlx::Result<u64> {
    let now = now();
    let project = vec![Uuid::nil(); rows];
    let ids: Vec<Uuid> = (0..rows).map(|_| EventId::fresh(now).0).collect();
    let key = |at: usize| at.is_multiple_of(2).then(|| format!("bench-{at:010}"));
    let done = sqlx::query(
        "INSERT INTO events (project_id, id, kind, source, payload, occurred_at, received_at, idempotency_key, correlation_id, replay_of, key_id)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[], $7::timestamptz[], $8::text[], $9::text[], $10::uuid[], $11::uuid[])",
    )
    .bind(project)
    .bind(ids)
    .bind(vec![KIND; rows])
    .bind(vec!["shop"; rows])
    .bind((0..rows).map(|at| payload(at as u64).into_bytes()).collect::<Vec<_>>())
    .bind(vec![None::<DateTime<Utc>>; rows])
    .bind(vec![now.utc(); rows])
    .bind((0..rows).map(key).collect::<Vec<_>>())
    .bind(vec![None::<String>; rows])
    .bind(vec![None::<Uuid>; rows])
    .bind(vec![Some(Uuid::nil()); rows])
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
