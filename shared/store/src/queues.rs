//! What holds for a queue on every engine: whether it is paused, and what died in it.

use super::engine::{insert, sql, verb};
use super::{Result, Store};
use domain::id::{JobId, ProjectId};
use domain::job::QueueName;
use domain::time::Time;

/// A job that can't be run.
#[derive(Clone, Debug)]
pub struct DeadJob {
    /// Whose it is.
    pub project: ProjectId,
    /// Its id.
    pub id: JobId,
    /// Where it died.
    pub queue: QueueName,
    /// What it was.
    pub body: Vec<u8>,
    /// Why it died.
    pub error: String,
}

pub(super) fn number(queue: QueueName) -> i16 {
    match queue {
        QueueName::Events => 1,
        QueueName::Deliveries => 2,
        QueueName::Maintenance => 3,
    }
}

impl Store {
    /// Stops or restarts the taking of work from a queue, on all workers within a second or two.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn pause_queue(&self, queue: QueueName, paused_at: Option<Time>) -> Result<()> {
        self.write(
            "pause_queue",
            verb!(|tx| {
                sql!(
                    tx,
                    execute,
                    any "INSERT INTO queues (queue, paused_at) VALUES ($1, $2)
                         ON CONFLICT (queue) DO UPDATE SET paused_at = excluded.paused_at",
                    my "INSERT INTO queues (queue, paused_at) VALUES ($1, $2)
                        ON DUPLICATE KEY UPDATE paused_at = VALUES(paused_at)",
                    number(queue),
                    paused_at
                )
                .map(|_| ())
            }),
        )
        .await
    }

    /// The queues that are paused.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn paused_queues(&self) -> Result<Vec<QueueName>> {
        let rows = self
            .read(
                "paused_queues",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_all as (i16,),
                        "SELECT queue FROM queues WHERE paused_at IS NOT NULL"
                    )
                }),
            )
            .await?;
        Ok(QueueName::ALL.into_iter().filter(|queue| rows.contains(&(number(*queue),))).collect())
    }

    /// Keeps jobs that can't be run, before the queue forgets them.
    ///
    /// # Errors
    /// When nothing was kept.
    pub async fn bury_jobs(&self, jobs: Vec<DeadJob>, now: Time) -> Result<()> {
        let jobs = std::sync::Arc::new(jobs);
        self.write("bury_jobs", verb!(|tx, jobs| {
            insert!(tx, "INSERT INTO dead_jobs (project_id, id, queue, body, error, died_at)", jobs, "ON CONFLICT DO NOTHING", {
                ProjectId = |one| one.project,
                JobId = |one| one.id,
                i16 = |one| number(one.queue),
                Vec<u8> = |one| one.body.clone(),
                String = |one| one.error.clone(),
                Time = |_one| now,
            });
            Ok(())
        }))
        .await
    }

    /// The jobs of a project that died, newest first.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn dead_jobs(&self, project: ProjectId, limit: i64) -> Result<Vec<DeadJob>> {
        let rows = self
            .read("dead_jobs", verb!(|tx| {
                sql!(
                    tx, fetch_all as (JobId, i16, Vec<u8>, String),
                    "SELECT id, queue, body, error FROM dead_jobs WHERE project_id = $1 ORDER BY id DESC LIMIT $2",
                    project, limit
                )
            }))
            .await?;
        let dead = |(id, queue, body, error): (JobId, i16, Vec<u8>, String)| {
            let queue = QueueName::ALL.into_iter().find(|one| number(*one) == queue)?;
            Some(DeadJob { project, id, queue, body, error })
        };
        Ok(rows.into_iter().filter_map(dead).collect())
    }
}
