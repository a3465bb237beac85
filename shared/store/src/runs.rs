//! Runs: work in the background. A worker that is at one holds it under a token until a time, which it puts off with each
//! report of progress; when it is gone, another goes on behind the last that was reported.

use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::callers::caller;
use super::due::{Due, DueKind, delete_due, insert_due};
use super::engine::{Tx, sql, verb};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::authority::Target;
use domain::id::{ProjectId, RunId, UserId};
use domain::run::{Progress, Run, RunResult, RunState, RunTask};
use domain::time::Time;

/// The most runs of a project that are not over.
pub const MAX_RUNS: i64 = 10;

/// What became of a run that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunVerdict {
    /// It was kept.
    Kept,
    /// The project has too many that are not over.
    Full,
}

/// How a run ends.
#[derive(Clone, Debug)]
pub enum RunEnd {
    /// At its end, with what came of it if that is more than its counts.
    Done(Option<RunResult>),
    /// Before, and why.
    Failed(String),
}

type Row = (
    RunId,
    Json<RunTask>,
    i16,
    Option<i64>,
    i64,
    i64,
    i64,
    Option<Uuid>,
    Option<Json<RunResult>>,
    Option<String>,
    Option<UserId>,
    Time,
    Option<Time>,
    Option<Time>,
);

fn run(row: Row) -> Result<Run> {
    let (
        id,
        Json(task),
        state,
        total,
        done,
        changed,
        failed,
        cursor,
        result,
        error,
        created_by,
        created_at,
        started_at,
        ended_at,
    ) = row;
    let state = RunState::from_number(state)
        .ok_or_else(|| StoreError::Corrupt(format!("state of run {id}")))?;
    let progress = Progress { total, done, changed, failed, cursor };
    let result = result.map(|Json(result)| result);
    Ok(Run {
        id,
        task,
        state,
        progress,
        result,
        error,
        created_by,
        created_at,
        started_at,
        ended_at,
    })
}

async fn get(tx: &mut Tx, project: ProjectId, id: RunId) -> Result<Option<Run>> {
    let row = sql!(
        tx,
        fetch_optional as Row,
        "SELECT id, task, state, total, done, changed, failed, cursor_id, result, error, created_by, created_at, started_at,
                ended_at
         FROM runs WHERE project_id = $1 AND id = $2",
        project,
        id
    )?;
    row.map(run).transpose()
}

fn due(project: ProjectId, id: RunId, at: Time) -> Due {
    Due { project, kind: DueKind::Run, row: id.0, at, data: None }
}

impl Store {
    /// Runs of a project, newest first, from before `before`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn runs(
        &self,
        project: ProjectId,
        before: Option<RunId>,
        limit: i64,
    ) -> Result<Vec<Run>> {
        let before = before.map_or(Uuid::max(), |id| id.0);
        let rows = self
            .read(
                "runs",
                verb!(|tx| {
                    sql!(
                        tx, fetch_all as Row,
                        "SELECT id, task, state, total, done, changed, failed, cursor_id, result, error, created_by,
                                created_at, started_at, ended_at
                         FROM runs WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                        project, before, limit
                    )
                }),
            )
            .await?;
        rows.into_iter().map(run).collect()
    }

    /// A run, if it is there.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn run(&self, project: ProjectId, id: RunId) -> Result<Option<Run>> {
        self.read("run", verb!(|tx| { get(tx, project, id).await })).await
    }

    /// Keeps a run; the next free worker begins with it.
    ///
    /// # Errors
    /// When the caller may not.
    pub async fn add_run(
        &self,
        project: ProjectId,
        new: &Run,
        entry: &Entry,
        now: Time,
    ) -> Result<RunVerdict> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write(
            "add_run",
            verb!(|tx, new, entry| {
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let (count,) = sql!(
                    tx,
                    fetch_one as (i64,),
                    "SELECT COUNT(*) FROM runs WHERE project_id = $1 AND ended_at IS NULL",
                    project
                )?;
                if count >= MAX_RUNS {
                    return Ok(RunVerdict::Full);
                }
                sql!(
                    tx, execute,
                    "INSERT INTO runs (project_id, id, kind, task, state, total, done, changed, failed, created_by, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, $7, $8)",
                    project, new.id, new.task.kind().number(), Json(&new.task), RunState::Queued.number(),
                    new.progress.total, new.created_by, now
                )?;
                insert_due(tx, &[due(project, new.id, now)]).await?;
                note(tx, project, &entry, now).await?;
                Ok(RunVerdict::Kept)
            }),
        )
        .await
    }

    /// Takes a run to work on it until `until`; nothing when it is over.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn begin_run(
        &self,
        project: ProjectId,
        id: RunId,
        claim: Uuid,
        now: Time,
        until: Time,
    ) -> Result<Option<Run>> {
        self.write(
            "begin_run",
            verb!(|tx| {
                // Whoever deletes the row that is due has it: of two workers one does.
                let taken = sql!(
                    tx, execute,
                    "DELETE FROM due WHERE project_id = $1 AND kind = $2 AND row_id = $3 AND at <= $4",
                    project, DueKind::Run.number(), id, now
                )?;
                if taken == 0 {
                    return Ok(None);
                }
                let begun = sql!(
                    tx, execute,
                    "UPDATE runs SET state = $1, claim = $2, started_at = COALESCE(started_at, $3)
                     WHERE project_id = $4 AND id = $5 AND ended_at IS NULL",
                    RunState::Running.number(), claim, now, project, id
                )?;
                if begun == 0 {
                    return Ok(None);
                }
                insert_due(tx, &[due(project, id, until)]).await?;
                get(tx, project, id).await
            }),
        )
        .await
    }

    /// Says how far a run is and holds it until `until`; `false` when it is no longer this worker's.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn move_run(
        &self,
        project: ProjectId,
        id: RunId,
        claim: Uuid,
        progress: Progress,
        until: Time,
    ) -> Result<bool> {
        self.write(
            "move_run",
            verb!(|tx| {
                if !write_progress(tx, project, id, claim, progress).await? {
                    return Ok(false);
                }
                delete_due(tx, &[(project, DueKind::Run, id.0)]).await?;
                insert_due(tx, &[due(project, id, until)]).await?;
                Ok(true)
            }),
        )
        .await
    }

    /// Ends a run, unless it is no longer this worker's.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn end_run(
        &self,
        project: ProjectId,
        id: RunId,
        claim: Uuid,
        progress: Progress,
        end: RunEnd,
        now: Time,
    ) -> Result<bool> {
        self.write(
            "end_run",
            verb!(|tx, end| {
                if !write_progress(tx, project, id, claim, progress).await? {
                    return Ok(false);
                }
                let (state, result, error) = match &end {
                    RunEnd::Done(result) => (RunState::Done, result.as_ref().map(Json), None),
                    RunEnd::Failed(why) => {
                        (RunState::Failed, None, Some(why.chars().take(500).collect::<String>()))
                    }
                };
                sql!(
                    tx, execute,
                    "UPDATE runs SET state = $1, result = $2, error = $3, ended_at = $4, claim = NULL
                     WHERE project_id = $5 AND id = $6",
                    state.number(), result, error, now, project, id
                )?;
                delete_due(tx, &[(project, DueKind::Run, id.0)]).await?;
                Ok(true)
            }),
        )
        .await
    }

    /// Aborts a run; `false` when it is over. A worker that is at it notices with its next report.
    ///
    /// # Errors
    /// When the caller may not.
    pub async fn abort_run(
        &self,
        project: ProjectId,
        id: RunId,
        entry: &Entry,
        now: Time,
    ) -> Result<bool> {
        let entry = entry.clone();
        self.write(
            "abort_run",
            verb!(|tx, entry| {
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let aborted = sql!(
                    tx,
                    execute,
                    "UPDATE runs SET state = $1, ended_at = $2, claim = NULL
                     WHERE project_id = $3 AND id = $4 AND ended_at IS NULL",
                    RunState::Aborted.number(),
                    now,
                    project,
                    id
                )?;
                if aborted == 0 {
                    return Ok(false);
                }
                delete_due(tx, &[(project, DueKind::Run, id.0)]).await?;
                note(tx, project, &entry, now).await?;
                Ok(true)
            }),
        )
        .await
    }

    /// Forgets runs that ended before `before`; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_runs(&self, before: Time) -> Result<u64> {
        self.write(
            "forget_runs",
            verb!(|tx| { sql!(tx, execute, "DELETE FROM runs WHERE ended_at < $1", before) }),
        )
        .await
    }
}

async fn write_progress(
    tx: &mut Tx,
    project: ProjectId,
    id: RunId,
    claim: Uuid,
    progress: Progress,
) -> Result<bool> {
    let Progress { total, done, changed, failed, cursor } = progress;
    let held = sql!(
        tx,
        execute,
        "UPDATE runs SET total = $1, done = $2, changed = $3, failed = $4, cursor_id = $5
         WHERE project_id = $6 AND id = $7 AND claim = $8",
        total,
        done,
        changed,
        failed,
        cursor,
        project,
        id,
        claim
    )?;
    Ok(held == 1)
}
