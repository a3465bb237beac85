//! Streams and queues that events come in by: how they stand, and what of them could not be taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::engine::{insert, sql, verb};
use super::{Result, Store, StoreError};
use domain::entry::Intake;
use domain::id::ProjectId;
use domain::time::Time;

/// How many rejected entries of a project are kept.
pub const MAX_REJECTED: i64 = 1000;

/// The most characters of an error that are kept.
const MAX_ERROR: usize = 500;

/// An entry that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedEntry {
    /// Follows from its intake and its id there, so that the same entry is rejected once.
    pub id: Uuid,
    /// Where it came from.
    pub intake: Intake,
    /// Its id there.
    pub entry_id: String,
    /// What is wrong with it.
    pub reason: String,
    /// The beginning of it.
    pub body: Vec<u8>,
    /// How many bytes it had.
    pub size: i64,
    /// When it was read.
    pub received_at: Time,
}

/// How an intake of a project stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntakeStatus {
    /// How many entries nobody has read yet, if that is known.
    pub waiting: Option<i64>,
    /// How many were read and are not done, if that is known.
    pub pending: Option<i64>,
    /// How many were accepted.
    pub accepted: i64,
    /// How many were rejected.
    pub rejected: i64,
    /// When the last one was read.
    pub last_entry_at: Option<Time>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it did.
    pub last_error_at: Option<Time>,
    /// When this was written.
    pub updated_at: Time,
}

/// What a reader adds to that: counts since it said so last, and what it knows of the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntakeNote {
    /// How many entries nobody has read yet.
    pub waiting: Option<i64>,
    /// How many were read and are not done.
    pub pending: Option<i64>,
    /// How many were accepted.
    pub accepted: i64,
    /// How many were rejected.
    pub rejected: i64,
    /// When the last one was read.
    pub last_entry_at: Option<Time>,
    /// What went wrong last, and when.
    pub last_error: Option<(String, Time)>,
}

type RejectedRow = (Uuid, i16, String, String, Vec<u8>, i64, Time);

fn rejected(row: RejectedRow) -> Result<RejectedEntry> {
    let (id, intake, entry_id, reason, body, size, received_at) = row;
    let intake = Intake::from_number(intake)
        .ok_or_else(|| StoreError::Corrupt(format!("intake of rejected entry {id}")))?;
    Ok(RejectedEntry { id, intake, entry_id, reason, body, size, received_at })
}

type StatusRow =
    (i16, Option<i64>, Option<i64>, i64, i64, Option<Time>, Option<String>, Option<Time>, Time);

impl Store {
    /// Keeps entries that could not be taken, those that are kept already once, and forgets the oldest of too many.
    ///
    /// # Errors
    /// When nothing was kept.
    pub async fn reject_entries(
        &self,
        project: ProjectId,
        entries: Vec<RejectedEntry>,
    ) -> Result<()> {
        let mut seen = BTreeSet::new();
        let entries: Vec<RejectedEntry> =
            entries.into_iter().filter(|one| seen.insert(one.id)).collect();
        let entries = Arc::new(entries);
        self.write("reject_entries", verb!(|tx, entries| {
            insert!(
                tx,
                "INSERT INTO rejected_entries (project_id, id, intake, entry_id, reason, body, size, received_at)",
                entries,
                "ON CONFLICT DO NOTHING",
                {
                    ProjectId = |_one| project,
                    Uuid = |one| one.id,
                    i16 = |one| one.intake.number(),
                    String = |one| one.entry_id.clone(),
                    String = |one| one.reason.clone(),
                    Vec<u8> = |one| one.body.clone(),
                    i64 = |one| one.size,
                    Time = |one| one.received_at,
                }
            );
            let oldest = sql!(
                tx,
                fetch_optional as (Uuid,),
                "SELECT id FROM rejected_entries WHERE project_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2",
                project,
                MAX_REJECTED
            )?;
            if let Some((oldest,)) = oldest {
                sql!(
                    tx,
                    execute,
                    "DELETE FROM rejected_entries WHERE project_id = $1 AND id <= $2",
                    project,
                    oldest
                )?;
            }
            Ok(())
        }))
        .await
    }

    /// Entries of a project that could not be taken, newest first, from before `before`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn rejected_entries(
        &self,
        project: ProjectId,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<RejectedEntry>> {
        let before = before.unwrap_or(Uuid::max());
        let rows = self
            .read(
                "rejected_entries",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_all as RejectedRow,
                        "SELECT id, intake, entry_id, reason, body, size, received_at FROM rejected_entries
                         WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                        project,
                        before,
                        limit
                    )
                }),
            )
            .await?;
        rows.into_iter().map(rejected).collect()
    }

    /// Forgets up to `limit` rejected entries that were read before `before`; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_rejected_entries(&self, before: Time, limit: i64) -> Result<u64> {
        self.write(
            "forget_rejected_entries",
            verb!(|tx| {
                sql!(
                    tx, execute,
                    any "DELETE FROM rejected_entries WHERE (project_id, id) IN
                           (SELECT project_id, id FROM rejected_entries WHERE received_at < $1
                            ORDER BY received_at LIMIT $2)",
                    my "DELETE FROM rejected_entries WHERE received_at < $1 ORDER BY received_at LIMIT $2",
                    before, limit
                )
            }),
        )
        .await
    }

    /// Adds what a reader knows of an intake to how it stands.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn note_intake(
        &self,
        project: ProjectId,
        intake: Intake,
        note: IntakeNote,
        now: Time,
    ) -> Result<()> {
        self.write("note_intake", verb!(|tx, note| {
            let (error, error_at) = note.last_error.map_or((None, None), |(text, at)| {
                let text = text.chars().filter(|c| *c != '\0').take(MAX_ERROR).collect::<String>();
                (Some(text), Some(at))
            });
            sql!(
                tx, execute,
                any "INSERT INTO intake_status (project_id, intake, waiting, pending, accepted, rejected, last_entry_at,
                                                last_error, last_error_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                     ON CONFLICT (project_id, intake) DO UPDATE SET
                       waiting = COALESCE(excluded.waiting, intake_status.waiting),
                       pending = COALESCE(excluded.pending, intake_status.pending),
                       accepted = intake_status.accepted + excluded.accepted,
                       rejected = intake_status.rejected + excluded.rejected,
                       last_entry_at = COALESCE(excluded.last_entry_at, intake_status.last_entry_at),
                       last_error = COALESCE(excluded.last_error, intake_status.last_error),
                       last_error_at = COALESCE(excluded.last_error_at, intake_status.last_error_at),
                       updated_at = excluded.updated_at",
                my "INSERT INTO intake_status (project_id, intake, waiting, pending, accepted, rejected, last_entry_at,
                                               last_error, last_error_at, updated_at)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                    ON DUPLICATE KEY UPDATE
                      waiting = COALESCE(VALUES(waiting), waiting),
                      pending = COALESCE(VALUES(pending), pending),
                      accepted = accepted + VALUES(accepted),
                      rejected = rejected + VALUES(rejected),
                      last_entry_at = COALESCE(VALUES(last_entry_at), last_entry_at),
                      last_error = COALESCE(VALUES(last_error), last_error),
                      last_error_at = COALESCE(VALUES(last_error_at), last_error_at),
                      updated_at = VALUES(updated_at)",
                project, intake.number(), note.waiting, note.pending, note.accepted, note.rejected,
                note.last_entry_at, error, error_at, now
            )
            .map(|_| ())
        }))
        .await
    }

    /// How the intakes of a project stand that were ever read.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn intake_statuses(&self, project: ProjectId) -> Result<Vec<(Intake, IntakeStatus)>> {
        let rows = self
            .read(
                "intake_statuses",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_all as StatusRow,
                        "SELECT intake, waiting, pending, accepted, rejected, last_entry_at, last_error, last_error_at,
                                updated_at
                         FROM intake_status WHERE project_id = $1 ORDER BY intake",
                        project
                    )
                }),
            )
            .await?;
        let status = |row: StatusRow| {
            let (
                intake,
                waiting,
                pending,
                accepted,
                rejected,
                last_entry_at,
                error,
                at,
                updated_at,
            ) = row;
            let status = IntakeStatus {
                waiting,
                pending,
                accepted,
                rejected,
                last_entry_at,
                last_error: error,
                last_error_at: at,
                updated_at,
            };
            // What a newer build reads is not told by this one.
            Some((Intake::from_number(intake)?, status))
        };
        Ok(rows.into_iter().filter_map(status).collect())
    }
}
