//! Attempts to come in, counted over all processes.

use super::engine::{Tx, sql, verb};
use super::{Result, Store};
use domain::attempt::{AttemptKind, Counted, WINDOW};
use domain::id::ProjectId;
use domain::time::Time;

type Row = (i64, Time);

fn counted((attempts, since): Row) -> Counted {
    Counted { attempts: attempts.unsigned_abs(), since }
}

impl Store {
    /// Counts one attempt from a place and answers how they stand with it: as many as come at once, each gets another
    /// number.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn count_attempt(
        &self,
        project: ProjectId,
        kind: AttemptKind,
        source: [u8; 32],
        now: Time,
    ) -> Result<Counted> {
        let row = self
            .write("count_attempt", verb!(|tx| { count(tx, project, kind, source, now).await }))
            .await?;
        Ok(counted(row))
    }

    /// How the attempts from a place stand, without another one.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn attempts(
        &self,
        project: ProjectId,
        kind: AttemptKind,
        source: [u8; 32],
    ) -> Result<Option<Counted>> {
        let row = self
            .read("attempts", verb!(|tx| {
                sql!(
                    tx, fetch_optional as Row,
                    "SELECT attempts, since FROM auth_attempts WHERE project_id = $1 AND kind = $2 AND source_hash = $3",
                    project, kind.number(), source.to_vec()
                )
            }))
            .await?;
        Ok(row.map(counted))
    }

    /// Forgets up to `limit` windows that began before `before`; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_attempts(&self, before: Time, limit: i64) -> Result<u64> {
        self.write(
            "forget_attempts",
            verb!(|tx| {
                sql!(
                    tx, execute,
                    any "DELETE FROM auth_attempts WHERE (project_id, kind, source_hash) IN
                           (SELECT project_id, kind, source_hash FROM auth_attempts WHERE since < $1
                            ORDER BY since LIMIT $2)",
                    my "DELETE FROM auth_attempts WHERE since < $1 ORDER BY since LIMIT $2",
                    before, limit
                )
            }),
        )
        .await
    }
}

async fn count(
    tx: &mut Tx,
    project: ProjectId,
    kind: AttemptKind,
    source: [u8; 32],
    now: Time,
) -> Result<Row> {
    // A window that ended is begun anew by whoever comes next.
    let ended = now.minus(WINDOW);
    let source = source.to_vec();
    if tx.returns() {
        return sql!(
            tx, fetch_one as Row,
            "INSERT INTO auth_attempts (project_id, kind, source_hash, since, attempts) VALUES ($1, $2, $3, $4, 1)
             ON CONFLICT (project_id, kind, source_hash) DO UPDATE SET
               attempts = CASE WHEN auth_attempts.since <= $5 THEN 1 ELSE auth_attempts.attempts + 1 END,
               since = CASE WHEN auth_attempts.since <= $6 THEN excluded.since ELSE auth_attempts.since END
             RETURNING attempts, since",
            project, kind.number(), source, now, ended, ended
        );
    }
    // Columns are set one after the other there, and each sees what was set before it: the count comes first.
    sql!(
        tx, execute,
        "INSERT INTO auth_attempts (project_id, kind, source_hash, since, attempts) VALUES ($1, $2, $3, $4, 1)
         ON DUPLICATE KEY UPDATE
           attempts = IF(since <= $5, 1, attempts + 1),
           since = IF(since <= $6, VALUES(since), since)",
        project, kind.number(), source.clone(), now, ended, ended
    )?;
    sql!(
        tx,
        fetch_one as Row,
        "SELECT attempts, since FROM auth_attempts WHERE project_id = $1 AND kind = $2 AND source_hash = $3",
        project,
        kind.number(),
        source
    )
}
