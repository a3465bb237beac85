//! Migrations: the same names on every engine, up and down, safe when many processes start at once.

use sqlx::AssertSqlSafe;

use super::engine::{Conn, Tx, sql};
use super::{Result, Store, StoreError};

struct Migration {
    name: &'static str,
    sqlite: (&'static str, &'static str),
    postgres: (&'static str, &'static str),
}

macro_rules! migrations {
    ($($name:literal),+ $(,)?) => { &[$(Migration {
        name: $name,
        sqlite: (
            include_str!(concat!("../../../migrations/sqlite/", $name, ".up.sql")),
            include_str!(concat!("../../../migrations/sqlite/", $name, ".down.sql")),
        ),
        postgres: (
            include_str!(concat!("../../../migrations/postgres/", $name, ".up.sql")),
            include_str!(concat!("../../../migrations/postgres/", $name, ".down.sql")),
        ),
    }),+] };
}

const MIGRATIONS: &[Migration] = migrations![
    "0001_projects",
    "0002_users",
    "0003_roles",
    "0004_user_roles",
    "0005_api_keys",
    "0006_rules",
    "0007_rule_versions",
    "0008_webhook_endpoints",
    "0009_events",
    "0010_idempotency_keys",
    "0011_evaluations",
    "0012_evaluation_attempts",
    "0013_rule_groups",
    "0014_matches",
    "0015_notifications",
    "0016_recipients",
    "0017_deliveries",
    "0018_attempts",
    "0019_due",
    "0020_jobs",
    "0021_job_leases",
    "0022_dead_jobs",
    "0023_queues",
    "0024_processes",
    "0025_schedules",
    "0026_ticks",
    "0027_watermarks",
];

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply everything that is missing.
    Up,
    /// Take the last one back.
    Down,
}

/// One migration and whether it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name.
    pub name: String,
    /// Whether it is applied.
    pub applied: bool,
}

impl Store {
    /// Goes up or one down; answers the names of what it did. Many processes may call it at once: one works, the others
    /// wait and find nothing left.
    ///
    /// # Errors
    /// When the engine is away or refuses a statement; nothing of this call is applied then.
    pub async fn migrate(&self, step: Step) -> Result<Vec<String>> {
        self.write("migrate", move |tx| {
            Box::pin(async move {
                lock(tx).await?;
                let applied = applied(tx).await?;
                match step {
                    Step::Up => up(tx, &applied).await,
                    Step::Down => down(tx, &applied).await,
                }
            })
        })
        .await
    }

    /// Every migration of this build and every applied one that it does not know.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn migrations(&self) -> Result<Vec<MigrationState>> {
        let applied = self
            .write("migrations", |tx| {
                Box::pin(async move {
                    lock(tx).await?;
                    applied(tx).await
                })
            })
            .await?;
        let known = MIGRATIONS.iter().map(|one| MigrationState {
            name: one.name.to_owned(),
            applied: applied.iter().any(|name| name == one.name),
        });
        let newer = applied.iter().filter(|name| MIGRATIONS.iter().all(|one| one.name != **name));
        let newer = newer.map(|name| MigrationState { name: name.clone(), applied: true });
        Ok(known.chain(newer).collect())
    }

    /// Whether everything that this build needs is applied.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn is_current(&self) -> Result<bool> {
        let found = self
            .read("is_current", |tx| {
                Box::pin(async move {
                    sql!(tx, fetch_all as (String,), "SELECT name FROM schema_migrations")
                })
            })
            .await;
        match found {
            Ok(names) => {
                Ok(MIGRATIONS.iter().all(|one| names.iter().any(|(name,)| name == one.name)))
            }
            Err(StoreError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Any number that nothing else locks: the digits of "bell".
const LOCK: i64 = 0x6265_6c6c;

async fn lock(tx: &mut Tx) -> Result<()> {
    if let Conn::Postgres(c) = tx.conn() {
        sqlx::query("SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true)")
            .execute(&mut *c)
            .await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *c).await?;
    }
    let table = "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT NOT NULL PRIMARY KEY)";
    sql!(tx, execute, table).map(|_| ())
}

async fn applied(tx: &mut Tx) -> Result<Vec<String>> {
    let names =
        sql!(tx, fetch_all as (String,), "SELECT name FROM schema_migrations ORDER BY name")?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

async fn up(tx: &mut Tx, applied: &[String]) -> Result<Vec<String>> {
    let mut done = Vec::new();
    for one in MIGRATIONS.iter().filter(|one| applied.iter().all(|name| name != one.name)) {
        run(tx, one.sqlite.0, one.postgres.0).await?;
        sql!(tx, execute, "INSERT INTO schema_migrations (name) VALUES ($1)", one.name)?;
        done.push(one.name.to_owned());
    }
    Ok(done)
}

async fn down(tx: &mut Tx, applied: &[String]) -> Result<Vec<String>> {
    let Some(last) = applied.last() else { return Ok(Vec::new()) };
    let known = MIGRATIONS.iter().find(|one| one.name == last);
    let one = known.ok_or(StoreError::NotFound("this build does not know the last migration"))?;
    run(tx, one.sqlite.1, one.postgres.1).await?;
    sql!(tx, execute, "DELETE FROM schema_migrations WHERE name = $1", one.name)?;
    Ok(vec![one.name.to_owned()])
}

async fn run(tx: &mut Tx, sqlite: &'static str, postgres: &'static str) -> Result<()> {
    match tx.conn() {
        Conn::Sqlite(c) => {
            sqlx::raw_sql(AssertSqlSafe(sqlite)).execute(&mut *c).await?;
        }
        Conn::Postgres(c) => {
            sqlx::raw_sql(AssertSqlSafe(postgres)).execute(&mut *c).await?;
        }
    }
    Ok(())
}
