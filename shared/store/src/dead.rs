//! Dead jobs of all projects, for those who run the platform.

use std::sync::Arc;

use super::engine::{sql, verb};
use super::queues::{DeadJob, number};
use super::{Result, Store};
use domain::id::{JobId, ProjectId};
use domain::job::QueueName;

impl Store {
    /// How many jobs died in a queue.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn count_dead_jobs(&self, queue: QueueName) -> Result<u64> {
        let (count,) = self
            .read(
                "count_dead_jobs",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_one as (i64,),
                        "SELECT COUNT(*) FROM dead_jobs WHERE queue = $1",
                        number(queue)
                    )
                }),
            )
            .await?;
        Ok(count.unsigned_abs())
    }

    /// Jobs that died in a queue, of any project, oldest first, with ids after `after`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn dead_jobs_in(
        &self,
        queue: QueueName,
        after: JobId,
        limit: i64,
    ) -> Result<Vec<DeadJob>> {
        let rows = self
            .read("dead_jobs_in", verb!(|tx| {
                sql!(
                    tx, fetch_all as (ProjectId, JobId, Vec<u8>, String),
                    "SELECT project_id, id, body, error FROM dead_jobs WHERE queue = $1 AND id > $2 ORDER BY id LIMIT $3",
                    number(queue), after, limit
                )
            }))
            .await?;
        let dead = |(project, id, body, error)| DeadJob { project, id, queue, body, error };
        Ok(rows.into_iter().map(dead).collect())
    }

    /// Forgets dead jobs, because they were given to the queue again or nobody wants them; answers how many were there.
    ///
    /// # Errors
    /// When none was forgotten.
    pub async fn forget_dead_jobs(&self, jobs: Vec<(ProjectId, JobId)>) -> Result<u64> {
        let jobs = Arc::new(jobs);
        self.write(
            "forget_dead_jobs",
            verb!(|tx, jobs| {
                let mut gone = 0;
                for (project, id) in jobs.iter() {
                    gone += sql!(
                        tx,
                        execute,
                        "DELETE FROM dead_jobs WHERE project_id = $1 AND id = $2",
                        *project,
                        *id
                    )?;
                }
                Ok(gone)
            }),
        )
        .await
    }
}
