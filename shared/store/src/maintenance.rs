//! What keeps the store in order: the walk over events that nobody moved, the auditor's questions, partitions.

use sqlx::AssertSqlSafe;

use super::due::DueKind;
use super::engine::{Conn, sql, verb};
use super::{Result, Store, StoreError};
use domain::delivery::DeliveryState;
use domain::id::{EventId, ProjectId, floor};
use domain::time::Time;

/// What the auditor counts: promises that look broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Claims whose deadline passed a while ago and that nobody took back.
    pub stale_claims: i64,
    /// Other rows that fell due a while ago and that nobody took.
    pub stale_due: i64,
}

/// How much waits for somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Deliveries that nobody took.
    pub planned: i64,
    /// Deliveries that somebody has.
    pub claimed: i64,
    /// Rows that are due.
    pub due: i64,
    /// Events of projects that work, without an evaluation.
    pub events: i64,
}

impl Findings {
    /// How much is broken.
    pub const fn total(&self) -> i64 {
        self.stale_claims + self.stale_due
    }
}

impl Store {
    /// The oldest events of a project from `from` on and received before `before` that nobody evaluated.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn unevaluated(
        &self,
        project: ProjectId,
        from: Time,
        before: Time,
        limit: i64,
    ) -> Result<Vec<EventId>> {
        let rows = self
            .read("unevaluated", verb!(|tx| {
                // A subquery for each row rather than NOT EXISTS: a server plans once, perhaps while the tables are
                // empty, and the anti-join of such a plan reads all evaluations for each event.
                sql!(
                    tx, fetch_all as (EventId,),
                    "SELECT e.id FROM events e WHERE e.project_id = $1 AND e.id >= $2 AND e.id < $3
                       AND (SELECT 1 FROM evaluations v WHERE v.project_id = e.project_id AND v.id = e.id) IS NULL
                     ORDER BY e.id LIMIT $4",
                    project, floor(from), floor(before), limit
                )
            }))
            .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// How far every event of each project is known to be evaluated.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn watermarks(&self) -> Result<Vec<(ProjectId, Time)>> {
        self.read(
            "watermarks",
            verb!(|tx| {
                sql!(
                    tx,
                    fetch_all as (ProjectId, Time),
                    "SELECT project_id, at FROM watermarks WHERE kind = 1"
                )
            }),
        )
        .await
    }

    /// Moves a project's watermark on; it never goes back.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn set_watermark(&self, project: ProjectId, at: Time) -> Result<()> {
        self.write("set_watermark", verb!(|tx| {
            sql!(
                tx, execute,
                any "INSERT INTO watermarks (project_id, kind, at) VALUES ($1, 1, $2)
                     ON CONFLICT (project_id, kind) DO UPDATE SET at = excluded.at WHERE watermarks.at < excluded.at",
                my "INSERT INTO watermarks (project_id, kind, at) VALUES ($1, 1, $2)
                    ON DUPLICATE KEY UPDATE at = GREATEST(at, VALUES(at))",
                project, at
            )
            .map(|_| ())
        }))
        .await
    }

    /// Counts what should have moved before `late` and did not.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn audit(&self, late: Time) -> Result<Findings> {
        self.read(
            "audit",
            verb!(|tx| {
                let rows = sql!(
                    tx,
                    fetch_all as (i16, i64),
                    // Runs may wait for each other.
                    "SELECT kind, COUNT(*) FROM due WHERE at < $1 AND kind <> 6 GROUP BY kind",
                    late
                )?;
                let claim = DueKind::Claim.number();
                let count = |stale: bool| {
                    rows.iter().filter(|row| (row.0 == claim) == stale).map(|row| row.1).sum()
                };
                Ok(Findings { stale_claims: count(true), stale_due: count(false) })
            }),
        )
        .await
    }

    /// What of any project waits for somebody at `now`: what a test waits for. Looks at everything.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn waiting(&self, now: Time) -> Result<Waiting> {
        self.read("waiting", verb!(|tx| {
            let (planned, claimed, due, events) = sql!(
                tx, fetch_one as (i64, i64, i64, i64),
                "SELECT (SELECT COUNT(*) FROM deliveries WHERE state = $1),
                        (SELECT COUNT(*) FROM deliveries WHERE state = $2),
                        (SELECT COUNT(*) FROM due WHERE at <= $3),
                        (SELECT COUNT(*) FROM events e JOIN projects p ON p.id = e.project_id AND p.status = 0
                         WHERE (SELECT 1 FROM evaluations v WHERE v.project_id = e.project_id AND v.id = e.id) IS NULL)",
                DeliveryState::Planned.number(), DeliveryState::Claimed.number(), now
            )?;
            Ok(Waiting { planned, claimed, due, events })
        }))
        .await
    }

    /// Whether nothing of any project waits for somebody at `now`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn is_idle(&self, now: Time) -> Result<bool> {
        Ok(self.waiting(now).await? == Waiting::default())
    }

    /// On PostgreSQL: makes the monthly partitions of `now` and the two months after it.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn make_partitions(&self, now: Time) -> Result<u64> {
        if self.engine.postgres().is_none() {
            return Ok(0);
        }
        let mut made = 0;
        for month in 0..3 {
            for table in PARTITIONED {
                made += u64::from(self.make_partition(table, now, month).await?);
            }
        }
        Ok(made)
    }

    async fn make_partition(&self, table: &'static str, now: Time, month: u32) -> Result<bool> {
        use chrono::{Datelike, Months, NaiveDate};
        let today = now.utc().date_naive();
        let first = NaiveDate::from_ymd_opt(today.year(), today.month(), 1).unwrap_or(today)
            + Months::new(month);
        let at = |day: NaiveDate| floor(Time::from(day.and_time(chrono::NaiveTime::MIN).and_utc()));
        let name = format!("{table}_{}", first.format("%Y%m"));
        let (from, to) = (at(first), at(first + Months::new(1)));
        let options = if table == "deliveries" { " WITH (fillfactor = 70)" } else { "" };
        let text = format!(
            "CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{from}') TO ('{to}'){options}"
        );
        let wanted = name.clone();
        let made = self.write("make_partition", move |tx| {
            let (name, text) = (wanted.clone(), text.clone());
            Box::pin(async move {
                // Many processes may start at once: the others find it made.
                let Conn::Postgres(c) = tx.conn() else { return Ok(false) };
                let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
                lock.execute(&mut *c).await?;
                let there =
                    "SELECT 1 FROM pg_class WHERE relname = $1 AND pg_table_is_visible(oid)";
                if sqlx::query(there).bind(name).fetch_optional(&mut *c).await?.is_some() {
                    return Ok(false);
                }
                sqlx::query(AssertSqlSafe(text)).execute(&mut *c).await?;
                Ok(true)
            })
        });
        match made.await {
            // They came while nobody made partitions; they are found where they are, and later months get their own.
            Err(StoreError::Refused(sqlx::Error::Database(error)))
                if error.is_check_violation() =>
            {
                tracing::warn!(
                    partition = name,
                    "not made: the default partition has rows of that time"
                );
                Ok(false)
            }
            other => other,
        }
    }
}

/// Any number that nothing else locks: the digits of "part".
const LOCK: i64 = 0x7061_7274;

/// The tables that are partitioned by time on PostgreSQL.
const PARTITIONED: [&str; 7] =
    ["events", "evaluations", "matches", "notifications", "recipients", "deliveries", "attempts"];

impl Store {
    /// Brings back everything that was held by a process that is certainly gone, because only one can serve this store:
    /// leases of jobs end, claims of deliveries are due. Answers how much it was.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn release_former_self(&self, now: Time) -> Result<u64> {
        self.write(
            "release_former_self",
            verb!(|tx| {
                let start = Time::default();
                let leases = sql!(
                    tx,
                    execute,
                    "UPDATE job_leases SET until = $1 WHERE until > $2",
                    start,
                    start
                )?;
                let claims = sql!(
                    tx,
                    execute,
                    "UPDATE due SET at = $1 WHERE kind = $2 AND at > $3",
                    now,
                    DueKind::Claim.number(),
                    now
                )?;
                sql!(tx, execute, "DELETE FROM processes")?;
                Ok(leases + claims)
            }),
        )
        .await
    }
}
