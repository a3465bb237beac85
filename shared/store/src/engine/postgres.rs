//! How PostgreSQL is opened, and what of its settings would lose a commit.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool};

use super::Engine;
use crate::Result;
use config::StoreConfig;

/// How each connection is made.
pub(super) fn options(
    config: &StoreConfig,
    url: &str,
) -> std::result::Result<PgConnectOptions, sqlx::Error> {
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    Ok(url
        .parse::<PgConnectOptions>()?
        .application_name("bellbuoy")
        .statement_cache_capacity(256)
        .options([
            ("default_transaction_isolation", "read committed".to_owned()),
            ("statement_timeout", millis(config.statement_timeout)),
            ("lock_timeout", millis(config.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(config.statement_timeout)),
            ("plan_cache_mode", "force_generic_plan".to_owned()),
            // A plan made while a partition is new and empty must serve when it is not: the keys are what finds rows,
            // and a generic plan that reads a whole table to join a handful of rows costs more than it ever saves.
            ("enable_seqscan", "off".to_owned()),
            ("enable_bitmapscan", "off".to_owned()),
            ("enable_hashjoin", "off".to_owned()),
            ("enable_mergejoin", "off".to_owned()),
            ("enable_material", "off".to_owned()),
            ("jit", "off".to_owned()),
        ])
        .disable_statement_logging())
}

pub(super) fn open(config: &StoreConfig, url: &str) -> Result<Engine> {
    let options = options(config, url)?;
    // A connection that rested may be dead; asking one that did not would cost every verb a round trip.
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .min_connections(config.min_connections)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                Ok(meta.idle_for < Duration::from_secs(1)
                    || sqlx::Connection::ping(connection).await.is_ok())
            })
        })
        .connect_lazy_with(options);
    Ok(Engine::Postgres { pool })
}

pub(super) async fn durability(pool: &PgPool) -> Result<Vec<String>> {
    let mut weak = Vec::new();
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let (value,): (String,) =
            sqlx::query_as("SELECT current_setting($1)").bind(setting).fetch_one(pool).await?;
        if value == "off" {
            weak.push(format!("PostgreSQL has {setting} = off; it must be on"));
        }
    }
    Ok(weak)
}
