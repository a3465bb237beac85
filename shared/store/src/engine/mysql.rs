//! How MySQL and MariaDB are opened, which of them are too old, and what of their settings would lose a commit. Every
//! text here and beside the verbs is one that both take.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlPool};

use super::Engine;
use crate::{Result, StoreError};
use config::StoreConfig;

/// The greatest packet that a server must take, at least: an accepted batch goes in chunks of a quarter of it.
const PACKET: u64 = 16 << 20;

/// The collation in the migrations: byte by byte, and trailing blanks count. MariaDB's name of it.
const COLLATION: &str = "utf8mb4_nopad_bin";

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Mysql,
    Mariadb,
}

/// A server's flavour and its version; the latter reads like `8.0.36`, or `10.11.6-MariaDB-0+deb12u1`.
fn version(text: &str) -> (Flavour, [u32; 3]) {
    let is_mariadb = text.to_ascii_lowercase().contains("mariadb");
    // Some proxies put a version before MariaDB's own that old clients trust.
    let own = text.strip_prefix("5.5.5-").filter(|_| is_mariadb).unwrap_or(text);
    let mut numbers =
        own.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let parts = [0; 3].map(|none| numbers.next().unwrap_or(none));
    (if is_mariadb { Flavour::Mariadb } else { Flavour::Mysql }, parts)
}

/// The server's flavour, if it is new enough.
fn accepted(text: &str) -> std::result::Result<Flavour, String> {
    let (flavour, found) = version(text);
    // SKIP LOCKED; on MySQL also a collation in which trailing blanks count.
    let (name, least) = match flavour {
        Flavour::Mysql => ("MySQL", [8, 0, 17]),
        Flavour::Mariadb => ("MariaDB", [10, 6, 0]),
    };
    if found >= least {
        return Ok(flavour);
    }
    let [major, minor, patch] = least;
    Err(format!("{name} {text} is too old: it must be {major}.{minor}.{patch} or newer"))
}

/// How each connection is made.
pub(super) fn options(url: &str) -> std::result::Result<MySqlConnectOptions, sqlx::Error> {
    Ok(url
        .parse::<MySqlConnectOptions>()?
        .charset("utf8mb4")
        .collation("utf8mb4_bin")
        .timezone(Some("+00:00".to_owned()))
        // The whole mode is set below.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .statement_cache_capacity(256)
        .disable_statement_logging())
}

pub(super) async fn open(config: &StoreConfig, url: &str) -> Result<Engine> {
    let options = options(url)?;
    refuse_old(config, &options).await?;
    let (statement, lock) = (config.statement_timeout, config.lock_timeout);
    // A connection that rested may be dead; asking one that did not would cost every verb a round trip.
    let pool = MySqlPoolOptions::new()
        .max_connections(config.max_connections)
        .min_connections(config.min_connections)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move { prepare(connection, statement, lock).await })
        })
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                Ok(meta.idle_for < Duration::from_secs(1) || connection.ping().await.is_ok())
            })
        })
        .connect_lazy_with(options);
    Ok(Engine::Mysql { pool })
}

/// A server that is there and can't be used is told at once; one that is away may still come.
async fn refuse_old(config: &StoreConfig, options: &MySqlConnectOptions) -> Result<()> {
    let connected = tokio::time::timeout(config.acquire_timeout, options.connect()).await;
    let Ok(Ok(mut connection)) = connected else { return Ok(()) };
    let (text, packet): (String, u64) =
        sqlx::query_as("SELECT VERSION(), CAST(@@GLOBAL.max_allowed_packet AS UNSIGNED)")
            .fetch_one(&mut connection)
            .await?;
    // Nothing was asked of it that its end could undo.
    let _ = connection.close().await;
    let refuse = |why: String| StoreError::Refused(sqlx::Error::Configuration(why.into()));
    accepted(&text).map_err(refuse)?;
    if packet < PACKET {
        return Err(refuse(format!(
            "max_allowed_packet is {packet} bytes: set it to {PACKET} or more on the server"
        )));
    }
    Ok(())
}

/// What holds for each connection, whatever the server's defaults are.
pub(super) async fn prepare(
    connection: &mut MySqlConnection,
    statement: Duration,
    lock: Duration,
) -> std::result::Result<(), sqlx::Error> {
    let (text,): (String,) = sqlx::query_as("SELECT VERSION()").fetch_one(&mut *connection).await?;
    let flavour = accepted(&text).map_err(|why| sqlx::Error::Configuration(why.into()))?;
    // They count in whole seconds, and less than one is none.
    let seconds = |time: Duration| time.as_millis().div_ceil(1000).max(1);
    let own = match flavour {
        // For reads alone: MySQL has no such limit for what writes, whose locks are limited above.
        Flavour::Mysql => format!(
            "max_execution_time = {}, cte_max_recursion_depth = 4294967295",
            statement.as_millis()
        ),
        Flavour::Mariadb => format!(
            "max_statement_time = {}, max_recursive_iterations = 4294967295, idle_transaction_timeout = {}",
            statement.as_secs_f64(),
            seconds(statement)
        ),
    };
    // Its variable has another name on each of them.
    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    let lock = seconds(lock);
    let text = format!(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
         autocommit = 1, innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {lock}, {own}"
    );
    connection.execute(AssertSqlSafe(text)).await?;
    Ok(())
}

/// Takes the time limits off a connection, for changes of the schema.
pub(crate) async fn wait_for_ever(connection: &mut MySqlConnection) -> Result<()> {
    let (text,): (String,) = sqlx::query_as("SELECT VERSION()").fetch_one(&mut *connection).await?;
    let limit = match version(&text).0 {
        Flavour::Mysql => "max_execution_time",
        Flavour::Mariadb => "max_statement_time",
    };
    let text = format!("SET SESSION {limit} = 0, lock_wait_timeout = 86400");
    connection.execute(AssertSqlSafe(text)).await?;
    Ok(())
}

/// The text of a migration with the collation's name on this server: they have the same under no common name.
pub(crate) async fn collation(
    connection: &mut MySqlConnection,
    migration: &'static str,
) -> Result<String> {
    let (text,): (String,) = sqlx::query_as("SELECT VERSION()").fetch_one(&mut *connection).await?;
    Ok(match version(&text).0 {
        Flavour::Mysql => migration.replace(COLLATION, "utf8mb4_0900_bin"),
        Flavour::Mariadb => migration.to_owned(),
    })
}

pub(super) async fn durability(pool: &MySqlPool) -> Result<Vec<String>> {
    let (flush, doublewrite, binlog, sync): (String, String, String, i64) = sqlx::query_as(
        "SELECT CAST(@@GLOBAL.innodb_flush_log_at_trx_commit AS CHAR), CAST(@@GLOBAL.innodb_doublewrite AS CHAR),
                CAST(@@GLOBAL.log_bin AS CHAR), CAST(@@GLOBAL.sync_binlog AS SIGNED)",
    )
    .fetch_one(pool)
    .await?;
    Ok(weak(&flush, &doublewrite, &binlog, sync))
}

fn weak(flush: &str, doublewrite: &str, binlog: &str, sync: i64) -> Vec<String> {
    let is_off = |value: &str| matches!(value.to_ascii_uppercase().as_str(), "0" | "OFF");
    let mut weak = Vec::new();
    // MariaDB's 3 is its 1 with one more sync.
    if !matches!(flush, "1" | "3") {
        weak.push(format!("the server has innodb_flush_log_at_trx_commit = {flush}; it must be 1"));
    }
    if is_off(doublewrite) || doublewrite.eq_ignore_ascii_case("DETECT_ONLY") {
        weak.push(format!("the server has innodb_doublewrite = {doublewrite}; it must be ON"));
    }
    // After a crash the server takes back what its binary log does not have.
    if !is_off(binlog) && sync != 1 {
        weak.push(format!("the server has log_bin and sync_binlog = {sync}; it must be 1"));
    }
    weak
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("8.0.36"), (Flavour::Mysql, [8, 0, 36]));
        assert_eq!(version("10.11.6-MariaDB-0+deb12u1"), (Flavour::Mariadb, [10, 11, 6]));
        assert_eq!(version("5.5.5-10.6.1-MariaDB"), (Flavour::Mariadb, [10, 6, 1]));
        assert_eq!(version("8.4"), (Flavour::Mysql, [8, 4, 0]));
    }

    #[test]
    fn old_servers_are_refused() {
        assert_eq!(accepted("9.1.0-commercial"), Ok(Flavour::Mysql));
        assert_eq!(accepted("11.4.2-MariaDB-log"), Ok(Flavour::Mariadb));
        for old in ["5.7.44", "8.0.16", "10.5.23-MariaDB"] {
            let why = accepted(old).err().unwrap_or_default();
            assert!(why.contains(old) && why.contains("must be"), "{why}");
        }
    }

    #[test]
    fn weak_settings_are_named() {
        assert_eq!(weak("1", "ON", "0", 0), Vec::<String>::new());
        assert_eq!(weak("3", "1", "1", 1), Vec::<String>::new());
        let all = weak("2", "0", "1", 0);
        let named =
            ["innodb_flush_log_at_trx_commit = 2", "innodb_doublewrite = 0", "sync_binlog = 0"];
        assert!(all.len() == 3 && all.iter().zip(named).all(|(one, name)| one.contains(name)));
    }
}
