//! Schedules and their ticks. A tick is made by whoever moves the schedule on, in one transaction; any number of
//! schedulers may try.

use std::time::Duration;

use uuid::Uuid;

use super::due::{Due, DueKind, delete_due, insert_due};
use super::engine::{sql, verb};
use super::jobs::push_jobs;
use super::{Result, Store, StoreError};
use domain::id::{JobId, ProjectId, TickId};
use domain::job::{Envelope, Job, NewJob, QueueName};
use domain::schedule::{Task, next_after, tick_id};
use domain::time::Time;

/// A schedule that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Whose it is.
    pub project: ProjectId,
    /// Its id.
    pub id: Uuid,
    /// What it is for.
    pub task: Task,
    /// How often.
    pub every: Duration,
    /// When next.
    pub next_run_at: Time,
}

fn period(every: Duration) -> i64 {
    i64::try_from(every.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    /// Makes a built-in schedule, or gives it its present period.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn ensure_schedule(
        &self,
        project: ProjectId,
        task: Task,
        every: Duration,
        now: Time,
    ) -> Result<()> {
        let id = domain::id::derived(project.0, "schedule", &[task.as_str().as_bytes()]);
        self.write("ensure_schedule", verb!(|tx| {
            sql!(
                tx, execute,
                any "INSERT INTO schedules (project_id, id, name, task, every_ms, next_run_at, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                     ON CONFLICT (project_id, id) DO UPDATE SET every_ms = excluded.every_ms",
                my "INSERT INTO schedules (project_id, id, name, task, every_ms, next_run_at, created_at, updated_at)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                    ON DUPLICATE KEY UPDATE every_ms = VALUES(every_ms)",
                project, id, task.as_str(), task.as_str(), period(every), now, now, now
            )
            .map(|_| ())
        }))
        .await
    }

    /// The schedules of all projects that are due at `now`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn due_schedules(&self, now: Time) -> Result<Vec<Schedule>> {
        let rows = self
            .read("due_schedules", verb!(|tx| {
                sql!(
                    tx, fetch_all as (ProjectId, Uuid, String, i64, Time),
                    "SELECT project_id, id, task, every_ms, next_run_at FROM schedules WHERE next_run_at <= $1", now
                )
            }))
            .await?;
        // A task that only a newer build knows is left to it.
        let known =
            |(project, id, task, every, next_run_at): (ProjectId, Uuid, String, i64, Time)| {
                let every = Duration::from_millis(every.unsigned_abs());
                Task::parse(&task).map(|task| Schedule { project, id, task, every, next_run_at })
            };
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// Makes the tick of a schedule and moves it on, if nobody did meanwhile; answers its job. `rescue_at` is when the
    /// due loop takes it should the job be lost; with `jobs_here` the job goes into this store's queue.
    ///
    /// # Errors
    /// When nothing was made.
    pub async fn tick(
        &self,
        schedule: Schedule,
        now: Time,
        rescue_at: Time,
        jobs_here: bool,
    ) -> Result<Option<NewJob>> {
        let job = self
            .write("tick", move |tx| {
                let one = schedule.clone();
                Box::pin(async move {
                    let next = next_after(one.next_run_at, one.every, now);
                    let moved = sql!(
                        tx, execute,
                        "UPDATE schedules SET next_run_at = $1, updated_at = $2 WHERE project_id = $3 AND id = $4 AND next_run_at = $5",
                        next, now, one.project, one.id, one.next_run_at
                    )?;
                    if moved == 0 {
                        return Ok(None);
                    }
                    let id = tick_id(one.id, one.next_run_at);
                    sql!(
                        tx, execute,
                        "INSERT INTO ticks (project_id, id, schedule_id, due_at) VALUES ($1, $2, $3, $4)",
                        one.project, id, one.id, one.next_run_at
                    )?;
                    let rescue = Due { project: one.project, kind: DueKind::Tick, row: id.0, at: rescue_at, data: None };
                    insert_due(tx, &[rescue]).await?;
                    let job = tick_job(one.project, id, now)?;
                    if jobs_here {
                        push_jobs(tx, std::slice::from_ref(&job)).await?;
                    }
                    Ok(Some(job))
                })
            })
            .await?;
        if jobs_here && job.is_some() {
            self.wake(QueueName::Maintenance);
        }
        Ok(job)
    }

    /// Takes a tick to run it: answers what it is for, or nothing when somebody has run it. It is taken again at `until`
    /// unless it is finished by then.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn begin_tick(
        &self,
        project: ProjectId,
        id: TickId,
        now: Time,
        until: Time,
    ) -> Result<Option<Task>> {
        self.write("begin_tick", verb!(|tx| {
            let begun = sql!(
                tx, execute,
                "UPDATE ticks SET started_at = $1 WHERE project_id = $2 AND id = $3 AND finished_at IS NULL", now, project, id
            )?;
            delete_due(tx, &[(project, DueKind::Tick, id.0)]).await?;
            if begun == 0 {
                return Ok(None);
            }
            insert_due(tx, &[Due { project, kind: DueKind::Tick, row: id.0, at: until, data: None }]).await?;
            let task = sql!(
                tx, fetch_optional as (String,),
                "SELECT s.task FROM ticks t JOIN schedules s ON s.project_id = t.project_id AND s.id = t.schedule_id
                 WHERE t.project_id = $1 AND t.id = $2",
                project, id
            )?;
            Ok(task.and_then(|(task,)| Task::parse(&task)))
        }))
        .await
    }

    /// Says how a tick ended.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn finish_tick(
        &self,
        project: ProjectId,
        id: TickId,
        outcome: &str,
        now: Time,
    ) -> Result<()> {
        let outcome: String = outcome.chars().take(500).collect();
        self.write("finish_tick", verb!(|tx, outcome| {
            sql!(
                tx, execute,
                "UPDATE ticks SET finished_at = $1, outcome = $2 WHERE project_id = $3 AND id = $4", now, outcome, project, id
            )?;
            delete_due(tx, &[(project, DueKind::Tick, id.0)]).await
        }))
        .await
    }

    /// Forgets finished ticks from before `before`; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_ticks(&self, before: Time) -> Result<u64> {
        self.write(
            "forget_ticks",
            verb!(|tx| { sql!(tx, execute, "DELETE FROM ticks WHERE finished_at < $1", before) }),
        )
        .await
    }
}

fn tick_job(project: ProjectId, id: TickId, now: Time) -> Result<NewJob> {
    let job = Job::Tick(id);
    let queue = job.queue();
    let body = Envelope::new(project, job)
        .encode()
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(NewJob { id: JobId::fresh(now), project, queue, body })
}

impl Store {
    /// How many ticks are finished and still remembered.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn finished_ticks(&self) -> Result<i64> {
        self.read(
            "finished_ticks",
            verb!(|tx| {
                let (count,) = sql!(
                    tx,
                    fetch_one as (i64,),
                    "SELECT COUNT(*) FROM ticks WHERE finished_at IS NOT NULL"
                )?;
                Ok(count)
            }),
        )
        .await
    }
}
