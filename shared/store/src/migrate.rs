//! Migrations: the same names on every engine, up and down, safe when many processes start at once.

use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlDatabaseError;

use super::engine::{Conn, Tx, collation, sql, verb, wait_for_ever};
use super::{Result, Store, StoreError};

struct Migration {
    name: &'static str,
    sqlite: (&'static str, &'static str),
    postgres: (&'static str, &'static str),
    mysql: (&'static str, &'static str),
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
        mysql: (
            include_str!(concat!("../../../migrations/mysql/", $name, ".up.sql")),
            include_str!(concat!("../../../migrations/mysql/", $name, ".down.sql")),
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
    "0028_sessions",
    "0029_refresh_tokens",
    "0030_signing_keys",
    "0031_subject_keys",
    "0032_audit",
    "0033_audit_chain",
    "0034_audit_checkpoints",
    "0035_audit_pending",
    "0036_mails",
    "0037_one_time_tokens",
    "0038_invitations",
    "0039_second_factors",
    "0040_backup_codes",
    "0041_project_settings",
    "0042_project_secrets",
    "0043_auth_attempts",
    "0044_push_tokens",
    "0045_preferences",
    "0046_erasures",
    "0047_registrations",
    "0048_email_changes",
    "0049_session_epoch",
    "0050_project_epoch",
    "0051_seal_probe",
    "0052_step",
    "0053_target_kind",
    "0054_deliveries",
    "0055_due",
    "0056_content",
    "0057_state",
    "0058_mode",
    "0059_mode",
    "0060_cause",
    "0061_alerts",
    "0062_alert_entries",
    "0063_silences",
    "0064_notifications_by_alert",
    "0065_intake_gaps",
    "0066_subject",
    "0067_created_by",
    "0068_runs",
    "0069_rejected_entries",
    "0070_intake_status",
    "0071_event_types",
    "0072_event_type_versions",
    "0073_endpoint_secrets",
    "0074_details",
    "0075_revision",
    "0076_disabled_at",
    "0077_created_by",
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
    /// When the engine is away or refuses a statement. Nothing of this call is applied then; on MySQL and MariaDB what
    /// came before the statement is, and the next call goes on from there.
    pub async fn migrate(&self, step: Step) -> Result<Vec<String>> {
        self.write_schema(
            "migrate",
            verb!(|tx| {
                lock(tx).await?;
                let applied = applied(tx).await?;
                match step {
                    Step::Up => up(tx, &applied).await,
                    Step::Down => down(tx, &applied).await,
                }
            }),
        )
        .await
    }

    /// Every migration of this build and every applied one that it does not know.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn migrations(&self) -> Result<Vec<MigrationState>> {
        let applied = self
            .write_schema(
                "migrations",
                verb!(|tx| {
                    lock(tx).await?;
                    applied(tx).await
                }),
            )
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
            .read(
                "is_current",
                verb!(|tx| {
                    sql!(tx, fetch_all as (String,), "SELECT name FROM schema_migrations")
                }),
            )
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
    match tx.conn() {
        Conn::Sqlite(_) => {}
        Conn::Postgres(c) => {
            sqlx::query("SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true)")
                .execute(&mut *c)
                .await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *c).await?;
        }
        Conn::Mysql(c) => {
            wait_for_ever(c).await?;
            // The names of locks are the server's, not the database's. It goes with the connection, which is ours alone.
            let text =
                "SELECT CAST(GET_LOCK(CONCAT('bellbuoy.', MD5(DATABASE())), 3600) AS SIGNED)";
            let (got,): (Option<i64>,) = sqlx::query_as(text).fetch_one(&mut *c).await?;
            if got != Some(1) {
                let why = "another process has been migrating for an hour";
                return Err(StoreError::Unavailable(why.into()));
            }
        }
    }
    sql!(
        tx, execute,
        any "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT NOT NULL PRIMARY KEY)",
        my "CREATE TABLE IF NOT EXISTS schema_migrations (name varchar(191) NOT NULL PRIMARY KEY)
            ENGINE = InnoDB COLLATE = utf8mb4_bin"
    )
    .map(|_| ())
}

async fn applied(tx: &mut Tx) -> Result<Vec<String>> {
    let names =
        sql!(tx, fetch_all as (String,), "SELECT name FROM schema_migrations ORDER BY name")?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

async fn up(tx: &mut Tx, applied: &[String]) -> Result<Vec<String>> {
    let mut done = Vec::new();
    for one in MIGRATIONS.iter().filter(|one| applied.iter().all(|name| name != one.name)) {
        run(tx, one, Step::Up).await?;
        sql!(tx, execute, "INSERT INTO schema_migrations (name) VALUES ($1)", one.name)?;
        done.push(one.name.to_owned());
    }
    Ok(done)
}

async fn down(tx: &mut Tx, applied: &[String]) -> Result<Vec<String>> {
    let Some(last) = applied.last() else { return Ok(Vec::new()) };
    let known = MIGRATIONS.iter().find(|one| one.name == last);
    let one = known.ok_or(StoreError::NotFound("this build does not know the last migration"))?;
    run(tx, one, Step::Down).await?;
    sql!(tx, execute, "DELETE FROM schema_migrations WHERE name = $1", one.name)?;
    Ok(vec![one.name.to_owned()])
}

async fn run(tx: &mut Tx, one: &Migration, step: Step) -> Result<()> {
    let text = |(up, down): (&'static str, &'static str)| match step {
        Step::Up => up,
        Step::Down => down,
    };
    match tx.conn() {
        Conn::Sqlite(c) => {
            sqlx::raw_sql(AssertSqlSafe(text(one.sqlite))).execute(&mut *c).await?;
        }
        Conn::Postgres(c) => {
            sqlx::raw_sql(AssertSqlSafe(text(one.postgres))).execute(&mut *c).await?;
        }
        Conn::Mysql(c) => {
            let text = collation(c, text(one.mysql)).await?;
            match sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *c).await {
                Err(error) if is_done(&error) => {}
                done => {
                    done?;
                }
            }
        }
    }
    Ok(())
}

/// Whether a statement's effect is there already: a process ended after the statement, which commits by itself on MySQL
/// and MariaDB, and before it could write that down.
fn is_done(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    // A table, column or index is there; it is gone.
    matches!(number, Some(1050 | 1060 | 1061 | 1051 | 1091))
}
