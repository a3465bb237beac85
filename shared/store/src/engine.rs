//! Every difference between the engines that is not a statement of its own.

mod bundle;
pub(super) mod epoch;
mod faults;
mod macros;
mod mysql;
mod postgres;
mod reach;
mod sqlite;
pub(super) mod texts;
pub(super) mod update;
mod writer;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, MySql, MySqlPool, PgPool, Pool, Postgres, Sqlite, SqlitePool, Transaction};

use super::{Result, StoreError};
pub(super) use bundle::{Bundle, add_column, gather};
use config::{StoreConfig, StoreUrl};
use domain::id::ProjectId;
use epoch::{Hold, begin_shared, hold_epoch};
use faults::before_work;
pub(super) use macros::{insert, my_text, rows_in, sql, verb};
pub(super) use mysql::{collation, wait_for_ever};
pub(super) use reach::reach;
pub(super) use update::update;
use writer::Writer;

/// A connection that a verb works on; for a verb that writes, inside a transaction.
pub struct Tx(Kind);

enum Kind {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Transaction<'static, Postgres>),
    PostgresAlone(PoolConnection<Postgres>),
    Mysql(Transaction<'static, MySql>),
    MysqlRead(PoolConnection<MySql>),
    /// Outside of the pool and of any transaction.
    MysqlAlone(MySqlConnection),
}

/// The engine's own connection, for the macros.
pub(super) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
    Mysql(&'c mut MySqlConnection),
}

impl Tx {
    pub(super) const fn sqlite(connection: PoolConnection<Sqlite>) -> Self {
        Self(Kind::Sqlite(connection))
    }

    pub(super) fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            Kind::Sqlite(c) => Conn::Sqlite(c),
            Kind::Postgres(t) => Conn::Postgres(t),
            Kind::PostgresAlone(c) => Conn::Postgres(c),
            Kind::Mysql(t) => Conn::Mysql(t),
            Kind::MysqlRead(c) => Conn::Mysql(c),
            Kind::MysqlAlone(c) => Conn::Mysql(c),
        }
    }

    /// Whether a statement that changes rows can return them: MySQL has no such statements, MariaDB only some.
    pub(super) const fn returns(&self) -> bool {
        !matches!(self.0, Kind::Mysql(_) | Kind::MysqlRead(_) | Kind::MysqlAlone(_))
    }
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
    /// MySQL or MariaDB.
    Mysql {
        pool: MySqlPool,
    },
}

/// What a verb does with its transaction.
pub(super) type Work<T> = dyn for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync;

/// Does the work and commits it.
async fn committed<T, F>(mut tx: Tx, work: Arc<F>) -> Result<T>
where
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>>,
{
    let value = work(&mut tx).await?;
    match tx.0 {
        Kind::Postgres(tx) => tx.commit().await?,
        Kind::Mysql(tx) => tx.commit().await?,
        Kind::Sqlite(_) | Kind::PostgresAlone(_) | Kind::MysqlRead(_) | Kind::MysqlAlone(_) => {}
    }
    Ok(value)
}

/// A connection of the pool. The state of making one is large, and every verb that has it in its own is as large, once for
/// each layer that it is passed through: so it is kept apart.
async fn acquire<D: sqlx::Database>(pool: &Pool<D>) -> Result<PoolConnection<D>> {
    Box::pin(pool.acquire()).await.map_err(before_work)
}

/// As `acquire`, in a transaction, which begins with `statement` if there is one. A task of its own begins it, for whoever asks
/// may be dropped meanwhile: sqlx would give the connection back to the pool with a transaction begun that it knows nothing of,
/// and what is written on it afterwards would not be committed.
async fn begin<D: sqlx::Database>(
    pool: &Pool<D>,
    statement: Option<String>,
) -> Result<Transaction<'static, D>> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move {
        match statement {
            Some(statement) => pool.begin_with(sqlx::AssertSqlSafe(statement)).await,
            None => pool.begin().await,
        }
    });
    begun
        .await
        .map_err(|_| StoreError::Again("a transaction was not begun".to_owned()))?
        .map_err(before_work)
}

/// What the driver can't make of a URL, if anything; nothing is asked of the server. No word of the URL is repeated, for
/// there may be a password in it.
pub fn url_fault(url: &StoreUrl) -> Option<String> {
    let fine = match url {
        StoreUrl::Sqlite { .. } => true,
        StoreUrl::Postgres(url) => url.expose().as_str().parse::<PgConnectOptions>().is_ok(),
        StoreUrl::Mysql(url) => url.expose().as_str().parse::<MySqlConnectOptions>().is_ok(),
    };
    let fault = "has a parameter that the driver can't use: look at those behind the ?, like sslmode (PostgreSQL) or \
                 ssl-mode (MySQL), and at the characters that are %-escaped";
    (!fine).then(|| fault.to_owned())
}

impl Engine {
    pub(super) async fn open(config: &StoreConfig) -> Result<Self> {
        match &config.url {
            StoreUrl::Sqlite { path } => sqlite::open(config, path).await,
            StoreUrl::Postgres(url) => postgres::open(config, url.expose().as_str()),
            StoreUrl::Mysql(url) => mysql::open(config, url.expose().as_str()).await,
        }
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
            Self::Mysql { .. } => "mysql",
        }
    }

    pub(super) const fn postgres(&self) -> Option<&PgPool> {
        match self {
            Self::Postgres { pool } => Some(pool),
            Self::Sqlite { .. } | Self::Mysql { .. } => None,
        }
    }

    pub(super) const fn mysql(&self) -> Option<&MySqlPool> {
        match self {
            Self::Mysql { pool } => Some(pool),
            Self::Sqlite { .. } | Self::Postgres { .. } => None,
        }
    }

    pub(super) async fn write<T, F>(&self, work: Arc<F>) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        // On a server nothing is sent before BEGIN is answered, so a dead connection found there is just another try.
        let tx = match self {
            Self::Sqlite { writer, .. } => return writer.run(work).await,
            Self::Postgres { pool } => Tx(Kind::Postgres(begin(pool, None).await?)),
            Self::Mysql { pool } => Tx(Kind::Mysql(begin(pool, None).await?)),
        };
        committed(tx, work).await
    }

    /// As `write`, while the project's epoch is held.
    pub(super) async fn write_under_epoch<T, F>(
        &self,
        project: ProjectId,
        work: Arc<F>,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        match self {
            // The one writer is alone anyway.
            Self::Sqlite { writer, .. } => writer.run(work).await,
            Self::Postgres { pool } => {
                let tx = begin(pool, Some(begin_shared(project))).await?;
                committed(Tx(Kind::Postgres(tx)), work).await
            }
            Self::Mysql { pool } => {
                let mut tx = Tx(Kind::Mysql(begin(pool, None).await?));
                hold_epoch(&mut tx, project, Hold::Shared).await?;
                committed(tx, work).await
            }
        }
    }

    /// As `write`, for work that is a single statement, which is a transaction of its own on PostgreSQL.
    pub(super) async fn write_single<T, F>(&self, work: Arc<F>) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let Self::Postgres { pool } = self else { return self.write(work).await };
        work(&mut Tx(Kind::PostgresAlone(acquire(pool).await?))).await
    }

    /// As `write`, for what changes the schema. MySQL and MariaDB commit after each such statement, and the lock that
    /// keeps others out belongs to the connection there: it is one that ends with the work, however that ends.
    pub(super) async fn write_schema<T, F>(&self, work: Arc<F>) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let Self::Mysql { pool } = self else { return self.write(work).await };
        let connection = acquire(pool).await?.detach();
        let mut tx = Tx(Kind::MysqlAlone(connection));
        let value = work(&mut tx).await?;
        if let Kind::MysqlAlone(connection) = tx.0 {
            // What was done is done; the server misses a goodbye soon enough.
            let _ = connection.close().await;
        }
        Ok(value)
    }

    pub(super) async fn read<T>(&self, work: &Work<T>) -> Result<T> {
        let mut tx = match self {
            Self::Sqlite { readers, .. } => Tx(Kind::Sqlite(acquire(readers).await?)),
            Self::Postgres { pool } => Tx(Kind::PostgresAlone(acquire(pool).await?)),
            Self::Mysql { pool } => Tx(Kind::MysqlRead(acquire(pool).await?)),
        };
        work(&mut tx).await
    }

    pub(super) async fn durability(&self) -> Result<Vec<String>> {
        match self {
            Self::Sqlite { writer, .. } => writer.durability().await,
            Self::Postgres { pool } => postgres::durability(pool).await,
            Self::Mysql { pool } => mysql::durability(pool).await,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                writer.close().await;
                readers.close().await;
            }
            Self::Postgres { pool } => pool.close().await,
            Self::Mysql { pool } => pool.close().await,
        }
    }

    pub(super) fn pool(&self) -> (u32, usize) {
        match self {
            Self::Sqlite { readers, .. } => (readers.size(), readers.num_idle()),
            Self::Postgres { pool } => (pool.size(), pool.num_idle()),
            Self::Mysql { pool } => (pool.size(), pool.num_idle()),
        }
    }
}
