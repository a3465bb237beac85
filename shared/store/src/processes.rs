//! The processes that are alive: each writes a beat, the others watch whether it moves.

use super::engine::{sql, verb};
use super::{Result, Store};
use domain::id::ProcessId;
use domain::time::Time;

/// A process as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub id: ProcessId,
    /// Its roles, with + between them.
    pub role: String,
    /// Where it runs.
    pub host: String,
    /// Its number there.
    pub pid: i64,
    /// Its build.
    pub version: String,
    /// Counts up while it lives.
    pub beat: i64,
    /// Since when it runs.
    pub started_at: Time,
}

type Row = (ProcessId, String, String, i64, String, i64, Time);

impl Store {
    /// Writes a process's beat; the first one registers it.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn beat(&self, process: Process, now: Time) -> Result<()> {
        self.write("beat", verb!(|tx, process| {
            sql!(
                tx, execute,
                any "INSERT INTO processes (id, role, host, pid, version, beat, started_at, beat_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                     ON CONFLICT (id) DO UPDATE SET beat = excluded.beat, beat_at = excluded.beat_at",
                my "INSERT INTO processes (id, role, host, pid, version, beat, started_at, beat_at)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                    ON DUPLICATE KEY UPDATE beat = VALUES(beat), beat_at = VALUES(beat_at)",
                process.id, process.role, process.host, process.pid, process.version, process.beat, process.started_at, now
            )
            .map(|_| ())
        }))
        .await
    }

    /// Everything that is registered, alive or not.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn processes(&self) -> Result<Vec<Process>> {
        let rows = self
            .read("processes", verb!(|tx| {
                sql!(
                    tx, fetch_all as Row,
                    "SELECT id, role, host, pid, version, beat, started_at FROM processes ORDER BY id"
                )
            }))
            .await?;
        let process = |(id, role, host, pid, version, beat, started_at)| Process {
            id,
            role,
            host,
            pid,
            version,
            beat,
            started_at,
        };
        Ok(rows.into_iter().map(process).collect())
    }

    /// Takes a process out: it ended, or its beat stood still.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_process(&self, id: ProcessId) -> Result<()> {
        self.write(
            "forget_process",
            verb!(|tx| {
                sql!(tx, execute, "DELETE FROM processes WHERE id = $1", id).map(|_| ())
            }),
        )
        .await
    }
}
