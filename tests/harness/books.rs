//! What is written in a store, read straight from its tables: what a verb would not show is found here.

use std::collections::BTreeMap;

use config::{StoreConfig, StoreUrl};
use domain::evaluation::MatchOutcome;
use sqlx::{Connection, MySqlPool, PgPool, SqlitePool};
use uuid::Uuid;

/// A way into the tables past the product.
pub enum Books {
    /// A file.
    Sqlite(SqlitePool),
    /// A database.
    Postgres(PgPool),
    /// A database of MySQL or MariaDB.
    Mysql(MySqlPool),
}

/// Keeps everybody from recording evaluations until it is let go.
pub enum Guard {
    /// A lock of a transaction.
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
    /// A lock of a connection.
    Mysql(sqlx::MySqlConnection),
}

impl Guard {
    /// Lets everybody go on.
    pub async fn release(self) {
        match self {
            Self::Postgres(transaction) => transaction.rollback().await,
            Self::Mysql(connection) => connection.close().await,
        }
        .expect("lets go");
    }
}

/// A row of `deliveries`.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// What it delivers.
    pub notification_id: Uuid,
    /// Where to.
    pub target: Uuid,
    /// On which step.
    pub step: i64,
    /// In which round.
    pub round: i64,
    /// The number of its state.
    pub state: i16,
    /// How many attempts are recorded.
    pub attempts: i64,
}

/// A row of `notifications`.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Its id.
    pub id: Uuid,
    /// Where it came from.
    pub origin_id: Uuid,
    /// The rule.
    pub rule_id: Uuid,
    /// In which round.
    pub round: i64,
}

/// A match: a row of `matches`, or a notification.
#[derive(Clone, Debug)]
pub struct Match {
    /// The event.
    pub event_id: Uuid,
    /// The rule.
    pub rule_id: Uuid,
    /// The number of what became of it.
    pub outcome: i16,
}

macro_rules! all {
    ($books:expr, $t:ty, $text:expr) => {
        match $books {
            Books::Sqlite(pool) => sqlx::query_as::<_, $t>($text).fetch_all(pool).await,
            Books::Postgres(pool) => sqlx::query_as::<_, $t>($text).fetch_all(pool).await,
            Books::Mysql(pool) => sqlx::query_as::<_, $t>($text).fetch_all(pool).await,
        }
        .expect("rows")
    };
}

impl Books {
    /// Opens those of a store.
    pub async fn open(config: &StoreConfig) -> Self {
        match &config.url {
            StoreUrl::Sqlite { path } => {
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(false);
                Self::Sqlite(SqlitePool::connect_with(options).await.expect("the file opens"))
            }
            StoreUrl::Postgres(url) => {
                let options = sqlx::postgres::PgPoolOptions::new().max_connections(2);
                Self::Postgres(options.connect_lazy(url.expose().as_str()).expect("an address"))
            }
            StoreUrl::Mysql(url) => {
                let options = sqlx::mysql::MySqlPoolOptions::new().max_connections(2);
                Self::Mysql(options.connect_lazy(url.expose().as_str()).expect("an address"))
            }
        }
    }

    /// The ids of all events, with their idempotency keys.
    pub async fn events(&self) -> Vec<(Uuid, Option<String>)> {
        all!(self, (Uuid, Option<String>), "SELECT id, idempotency_key FROM events ORDER BY id")
    }

    /// The ids of all evaluated events, with the number of the status.
    pub async fn evaluations(&self) -> BTreeMap<Uuid, i16> {
        all!(self, (Uuid, i16), "SELECT id, status FROM evaluations").into_iter().collect()
    }

    /// Every match.
    pub async fn matches(&self) -> Vec<Match> {
        let silent =
            all!(self, (Uuid, Uuid, i16), "SELECT event_id, rule_id, outcome FROM matches");
        let read = |(event_id, rule_id, outcome)| Match { event_id, rule_id, outcome };
        let mut found: Vec<Match> = silent.into_iter().map(read).collect();
        // One that rang is told by its notification.
        let told = "SELECT origin_id, rule_id FROM notifications WHERE kind = 1";
        let rang = all!(self, (Uuid, Uuid), told).into_iter();
        let outcome = MatchOutcome::Rang.number();
        found.extend(rang.map(|(event_id, rule_id)| Match { event_id, rule_id, outcome }));
        found
    }

    /// Every notification.
    pub async fn notifications(&self) -> Vec<Notification> {
        let text = "SELECT id, origin_id, rule_id, round FROM notifications";
        let read = |(id, origin_id, rule_id, round)| Notification { id, origin_id, rule_id, round };
        all!(self, (Uuid, Uuid, Uuid, i64), text).into_iter().map(read).collect()
    }

    /// Every delivery.
    pub async fn deliveries(&self) -> Vec<Delivery> {
        let text =
            "SELECT id, notification_id, target, step, round, state, attempts FROM deliveries";
        let read = |(id, notification_id, target, step, round, state, attempts)| Delivery {
            id,
            notification_id,
            target,
            step,
            round,
            state,
            attempts,
        };
        all!(self, (Uuid, Uuid, Uuid, i64, i64, i16, i64), text).into_iter().map(read).collect()
    }

    /// How many attempts at each delivery ended without an answer.
    pub async fn unanswered_attempts(&self) -> BTreeMap<Uuid, i64> {
        let text = "SELECT id, COUNT(*) FROM (
                      SELECT id FROM deliveries WHERE outcome <> 'delivered' AND status_code IS NULL
                      UNION ALL
                      SELECT delivery_id FROM attempts WHERE outcome <> 'delivered' AND status_code IS NULL
                    ) AS unanswered GROUP BY id";
        all!(self, (Uuid, i64), text).into_iter().collect()
    }

    /// How many attempts ended so that nobody knows how.
    pub async fn unknown_attempts(&self) -> i64 {
        let text = "SELECT (SELECT COUNT(*) FROM deliveries WHERE outcome = 'unknown')
                         + (SELECT COUNT(*) FROM attempts WHERE outcome = 'unknown')";
        self.number(text).await
    }

    /// How many rows of a table fit a condition.
    pub async fn count(&self, table: &str, condition: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {table} WHERE {condition}")).await
    }

    async fn number(&self, text: &str) -> i64 {
        let text = text.to_owned();
        let rows = all!(self, (i64,), sqlx::AssertSqlSafe(text.clone()));
        rows.first().expect("a row").0
    }

    /// Keeps everybody on a server from recording evaluations: they wait until the guard is let go.
    pub async fn hold_evaluations(&self) -> Guard {
        match self {
            Self::Sqlite(_) => panic!("SQLite has no locks that only some feel"),
            Self::Postgres(pool) => {
                let mut guard = pool.begin().await.expect("begins");
                let lock = sqlx::query("LOCK TABLE evaluations IN SHARE MODE");
                lock.execute(&mut *guard).await.expect("locks");
                Guard::Postgres(guard)
            }
            Self::Mysql(pool) => {
                let mut guard = pool.acquire().await.expect("connects").detach();
                let lock = sqlx::raw_sql("LOCK TABLES evaluations READ");
                lock.execute(&mut guard).await.expect("locks");
                Guard::Mysql(guard)
            }
        }
    }

    /// Runs a statement of the test's own.
    pub async fn run(&self, text: &str) {
        let text = sqlx::AssertSqlSafe(text.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query(text).execute(pool).await.map(|_| ()),
            Self::Postgres(pool) => sqlx::query(text).execute(pool).await.map(|_| ()),
            Self::Mysql(pool) => sqlx::query(text).execute(pool).await.map(|_| ()),
        }
        .expect("runs");
    }
}
