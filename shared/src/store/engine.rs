//! Every difference between the engines that is not a statement of its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use super::sqlite::Writer;
use super::{Result, StoreError};
use crate::config::{StoreConfig, StoreUrl};

/// A connection that a verb works on; for a verb that writes, inside a transaction.
pub struct Tx(Kind);

enum Kind {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Transaction<'static, Postgres>),
    PostgresRead(PoolConnection<Postgres>),
}

/// The engine's own connection, for the macros below.
pub(super) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Tx {
    pub(super) const fn sqlite(connection: PoolConnection<Sqlite>) -> Self {
        Self(Kind::Sqlite(connection))
    }

    pub(super) fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            Kind::Sqlite(c) => Conn::Sqlite(c),
            Kind::Postgres(t) => Conn::Postgres(t),
            Kind::PostgresRead(c) => Conn::Postgres(c),
        }
    }
}

/// One statement, written once for all engines; `lite`/`pg` where they differ. Placeholders are `$1`, `$2`, … in order.
/// `execute` answers how many rows it touched.
macro_rules! sql {
    ($tx:expr, $method:ident $(as $t:ty)?, lite $lite:expr, pg $pg:expr $(, $arg:expr)* $(,)?) => {{
        use $crate::store::engine::{Conn, sql};
        match $tx.conn() {
            Conn::Sqlite(c) => sql!(@query sqlx::Sqlite, $lite $(, as $t)?; $($arg),*)
                .$method(&mut *c).await.map(sql!(@result $method)),
            Conn::Postgres(c) => sql!(@query sqlx::Postgres, $pg $(, as $t)?; $($arg),*)
                .$method(&mut *c).await.map(sql!(@result $method)),
        }.map_err($crate::store::StoreError::from)
    }};
    ($tx:expr, $method:ident $(as $t:ty)?, $text:expr $(, $arg:expr)* $(,)?) => {
        $crate::store::engine::sql!($tx, $method $(as $t)?, lite $text, pg $text $(, $arg)*)
    };
    (@query $db:ty, $text:expr, as $t:ty; $($arg:expr),*) => { sqlx::query_as::<$db, $t>($text)$(.bind($arg))* };
    (@query $db:ty, $text:expr; $($arg:expr),*) => { sqlx::query::<$db>($text)$(.bind($arg))* };
    (@result execute) => { |done| done.rows_affected() };
    (@result $method:ident) => { |rows| rows };
}
pub(super) use sql;

/// Inserts many rows by statements of constant text: arrays on PostgreSQL, elsewhere chunks of 256, 64, 8 and 1.
/// Answers how many went in, or with `returning … as T` what they return.
macro_rules! insert {
    ($tx:expr, $head:literal, $rows:expr, $tail:literal, { $($t:ty = |$r:ident| $value:expr),+ $(,)? }) => {{
        let mut touched = 0_u64;
        $crate::store::engine::insert!(@each $tx, $head, $rows, $tail, { $($t = |$r| $value),+ },
            q, c, touched += q.execute(&mut *c).await?.rows_affected());
        touched
    }};
    ($tx:expr, $head:literal, $rows:expr, $tail:literal, as $out:ty, { $($t:ty = |$r:ident| $value:expr),+ $(,)? }) => {{
        let mut found: Vec<$out> = Vec::new();
        $crate::store::engine::insert!(@each $tx, $head, $rows, $tail, { $($t = |$r| $value),+ },
            q, c, found.extend(q.try_map(|row| <$out as sqlx::FromRow<_>>::from_row(&row)).fetch_all(&mut *c).await?));
        found
    }};
    (@each $tx:expr, $head:literal, $rows:expr, $tail:literal, { $($t:ty = |$r:ident| $value:expr),+ }, $q:ident, $c:ident, $run:expr) => {{
        use std::sync::OnceLock;
        use $crate::store::engine::{CHUNKS, Conn, chunk, unnest_text, values_text};
        let rows = &$rows[..];
        if !rows.is_empty() {
            let arrays: &[&str] = &[$(<$t as $crate::store::types::Column>::ARRAY),+];
            match $tx.conn() {
                Conn::Postgres($c) => {
                    static TEXT: OnceLock<String> = OnceLock::new();
                    let text: &'static str = TEXT.get_or_init(|| unnest_text($head, arrays, $tail));
                    let $q = sqlx::query::<sqlx::Postgres>(sqlx::AssertSqlSafe(text))
                        $(.bind(rows.iter().map(|$r| -> $t { $value }).collect::<Vec<$t>>()))+;
                    $run;
                }
                Conn::Sqlite($c) => {
                    static TEXTS: [OnceLock<String>; CHUNKS.len()] = [const { OnceLock::new() }; CHUNKS.len()];
                    let mut rest = rows;
                    while !rest.is_empty() {
                        let (slot, size) = chunk(rest.len());
                        let text: &'static str = TEXTS[slot].get_or_init(|| values_text($head, arrays.len(), size, $tail));
                        let mut query = sqlx::query::<sqlx::Sqlite>(sqlx::AssertSqlSafe(text));
                        for row in &rest[..size] {
                            $( let $r = row; let value: $t = $value; query = query.bind(value); )+
                        }
                        let $q = query;
                        $run;
                        rest = &rest[size..];
                    }
                }
            }
        }
    }};
}
pub(super) use insert;

/// Changes many rows, each in its own way: PostgreSQL takes them as arrays in one statement, elsewhere each has its own.
/// Answers what the statements return.
macro_rules! change {
    ($tx:expr, lite $lite:literal, pg $pg:literal, $rows:expr, as $out:ty, { $($t:ty = |$r:ident| $value:expr),+ $(,)? }) => {{
        use $crate::store::engine::Conn;
        let rows = &$rows[..];
        let mut found: Vec<$out> = Vec::new();
        if !rows.is_empty() {
            match $tx.conn() {
                Conn::Postgres(c) => {
                    found = sqlx::query_as::<sqlx::Postgres, $out>($pg)
                        $(.bind(rows.iter().map(|$r| -> $t { $value }).collect::<Vec<$t>>()))+
                        .fetch_all(&mut *c).await?;
                }
                Conn::Sqlite(c) => {
                    for row in rows {
                        let query = sqlx::query_as::<sqlx::Sqlite, $out>($lite)
                            $(.bind({ let $r = row; let value: $t = $value; value }))+;
                        found.extend(query.fetch_all(&mut *c).await?);
                    }
                }
            }
        }
        found
    }};
}
pub(super) use change;

/// The rows whose last-named column is one of `ids`: `head` ends in that column's name and has `$1`… for `binds`.
macro_rules! rows_in {
    ($tx:expr, as $out:ty, $head:literal, [$($bind:expr),*], $ids:expr, lite $lite:literal, pg $pg:literal) => {{
        use std::sync::OnceLock;
        use $crate::store::engine::{CHUNKS, Conn, any_text, chunk, in_text};
        let ids = &$ids[..];
        let mut found: Vec<$out> = Vec::new();
        if !ids.is_empty() {
            let before = [$(stringify!($bind)),*].len();
            match $tx.conn() {
                Conn::Postgres(c) => {
                    static TEXT: OnceLock<String> = OnceLock::new();
                    let text: &'static str = TEXT.get_or_init(|| any_text($head, before, $pg));
                    found = sqlx::query_as::<sqlx::Postgres, $out>(sqlx::AssertSqlSafe(text))
                        $(.bind($bind))*.bind(ids.to_vec()).fetch_all(&mut *c).await?;
                }
                Conn::Sqlite(c) => {
                    static TEXTS: [OnceLock<String>; CHUNKS.len()] = [const { OnceLock::new() }; CHUNKS.len()];
                    let mut rest = ids;
                    while !rest.is_empty() {
                        let (slot, size) = chunk(rest.len());
                        let text: &'static str = TEXTS[slot].get_or_init(|| in_text($head, before, size, $lite));
                        let mut query = sqlx::query_as::<sqlx::Sqlite, $out>(sqlx::AssertSqlSafe(text))$(.bind($bind))*;
                        for id in &rest[..size] {
                            query = query.bind(id.clone());
                        }
                        found.extend(query.fetch_all(&mut *c).await?);
                        rest = &rest[size..];
                    }
                }
            }
        }
        found
    }};
}
pub(super) use rows_in;

/// The numbers of rows that one statement takes, where an engine has no arrays.
pub(super) const CHUNKS: [usize; 4] = [256, 64, 8, 1];

/// The greatest chunk that `len` rows fill: its place in `CHUNKS` and its size.
pub(super) fn chunk(len: usize) -> (usize, usize) {
    let slot = CHUNKS.iter().position(|size| *size <= len).unwrap_or(CHUNKS.len() - 1);
    (slot, CHUNKS[slot])
}

pub(super) fn unnest_text(head: &str, arrays: &[&str], tail: &str) -> String {
    let list: Vec<String> =
        arrays.iter().enumerate().map(|(at, array)| format!("${}::{array}", at + 1)).collect();
    format!("{head} SELECT * FROM unnest({}) {tail}", list.join(", "))
}

pub(super) fn values_text(head: &str, columns: usize, rows: usize, tail: &str) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    format!("{head} VALUES {} {tail}", vec![row; rows].join(", "))
}

pub(super) fn any_text(head: &str, before: usize, tail: &str) -> String {
    format!("{head} = ANY(${}) {tail}", before + 1)
}

pub(super) fn in_text(head: &str, before: usize, ids: usize, tail: &str) -> String {
    let list: Vec<String> = (1..=ids).map(|at| format!("${}", before + at)).collect();
    format!("{head} IN ({}) {tail}", list.join(", "))
}

/// The engine that the configuration chose.
#[derive(Clone)]
pub(super) enum Engine {
    /// One writer, a pool of readers.
    Sqlite {
        writer: Writer,
        readers: SqlitePool,
    },
    Postgres {
        pool: PgPool,
    },
}

/// What a verb does with its transaction.
pub(super) type Work<T> = dyn for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync;

impl Engine {
    pub(super) async fn open(config: &StoreConfig) -> Result<Self> {
        match &config.url {
            StoreUrl::Sqlite { path } => open_sqlite(config, path).await,
            StoreUrl::Postgres(url) => open_postgres(config, url.expose().as_str()),
            StoreUrl::Mysql(_) => Err(StoreError::Unavailable("no engine for mysql".into())),
        }
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }

    pub(super) const fn postgres(&self) -> Option<&PgPool> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Postgres { pool } => Some(pool),
        }
    }

    pub(super) async fn write<T, F>(&self, work: Arc<F>) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        match self {
            Self::Sqlite { writer, .. } => writer.run(work).await,
            Self::Postgres { pool } => {
                // Nothing is sent before BEGIN is answered, so a dead connection found here is just another try.
                let tx = pool.begin().await.map_err(before_work)?;
                let mut tx = Tx(Kind::Postgres(tx));
                let value = work(&mut tx).await?;
                match tx.0 {
                    Kind::Postgres(tx) => tx.commit().await?,
                    Kind::Sqlite(_) | Kind::PostgresRead(_) => {}
                }
                Ok(value)
            }
        }
    }

    pub(super) async fn read<T>(&self, work: &Work<T>) -> Result<T> {
        let mut tx = match self {
            Self::Sqlite { readers, .. } => Tx(Kind::Sqlite(readers.acquire().await?)),
            Self::Postgres { pool } => {
                Tx(Kind::PostgresRead(pool.acquire().await.map_err(before_work)?))
            }
        };
        work(&mut tx).await
    }

    pub(super) async fn durability(&self) -> Result<Vec<String>> {
        match self {
            Self::Sqlite { writer, .. } => writer.durability().await,
            Self::Postgres { pool } => {
                let mut weak = Vec::new();
                for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
                    let (value,): (String,) = sqlx::query_as("SELECT current_setting($1)")
                        .bind(setting)
                        .fetch_one(pool)
                        .await?;
                    if value == "off" {
                        weak.push(format!("PostgreSQL has {setting} = off; it must be on"));
                    }
                }
                Ok(weak)
            }
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                writer.close().await;
                readers.close().await;
            }
            Self::Postgres { pool } => pool.close().await,
        }
    }

    pub(super) fn pool(&self) -> (u32, usize) {
        match self {
            Self::Sqlite { readers, .. } => (readers.size(), readers.num_idle()),
            Self::Postgres { pool } => (pool.size(), pool.num_idle()),
        }
    }
}

async fn open_sqlite(config: &StoreConfig, path: &std::path::Path) -> Result<Engine> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", folder.display())))?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(config.lock_timeout)
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
        .statement_cache_capacity(256)
        .disable_statement_logging();
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone())
        .await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(config.read_connections)
        .acquire_timeout(config.acquire_timeout)
        .connect_with(options.pragma("query_only", "1"))
        .await?;
    Ok(Engine::Sqlite { writer: Writer::start(writer), readers })
}

fn open_postgres(config: &StoreConfig, url: &str) -> Result<Engine> {
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    let options = url
        .parse::<PgConnectOptions>()?
        .application_name("bellbuoy")
        .statement_cache_capacity(256)
        .options([
            ("default_transaction_isolation", "read committed".to_owned()),
            ("statement_timeout", millis(config.statement_timeout)),
            ("lock_timeout", millis(config.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(config.statement_timeout)),
            ("plan_cache_mode", "force_generic_plan".to_owned()),
            // A plan made while a partition is new and empty must serve when it is not.
            ("enable_seqscan", "off".to_owned()),
            ("jit", "off".to_owned()),
        ])
        .disable_statement_logging();
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

fn before_work(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Io(error) => StoreError::Again(error.to_string()),
        other => other.into(),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(cause) => match cause.code().as_deref() {
                // Serialization failure, deadlock, lock timeout; SQLite: busy and locked, also in their long forms.
                Some("40001" | "40P01" | "55P03" | "5" | "6" | "261" | "517" | "262") => {
                    Self::Again(cause.message().to_owned())
                }
                // Cancelled by a timeout, shutting down, starting up, too many connections, disk full.
                Some(
                    "57014" | "57P01" | "57P02" | "57P03" | "53300" | "53100" | "53200" | "13",
                ) => Self::Unavailable(cause.message().to_owned()),
                _ if cause.is_unique_violation() => Self::Conflict("already there"),
                _ if cause.is_foreign_key_violation() => {
                    Self::Conflict("in use, or names what is not there")
                }
                _ => Self::Refused(error),
            },
            E::Io(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::Tls(_)
            | E::Protocol(_) => Self::Unavailable(error.to_string()),
            E::RowNotFound => Self::NotFound("row"),
            E::ColumnDecode { .. } | E::Decode(_) | E::ColumnNotFound(_) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Refused(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_each_engine_takes() {
        assert_eq!(
            unnest_text("INSERT INTO t (a, b)", &["uuid[]", "text[]"], "ON CONFLICT DO NOTHING"),
            "INSERT INTO t (a, b) SELECT * FROM unnest($1::uuid[], $2::text[]) ON CONFLICT DO NOTHING"
        );
        assert_eq!(
            values_text("INSERT INTO t (a, b)", 2, 2, ""),
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) "
        );
        assert_eq!(
            in_text("SELECT a FROM t WHERE p = $1 AND a", 1, 2, ""),
            "SELECT a FROM t WHERE p = $1 AND a IN ($2, $3) "
        );
    }

    #[test]
    fn chunks_cover_any_length() {
        for len in 1..1000 {
            let mut rest = len;
            while rest > 0 {
                rest -= chunk(rest).1;
            }
        }
        assert_eq!(chunk(300), (0, 256));
        assert_eq!(chunk(7), (3, 1));
    }
}
