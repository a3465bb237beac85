//! The jobs of the `sql:` queue. They go in with the transaction that makes them.
//!
//! A reservation moves jobs out of `jobs` into one row of `job_leases`; settling deletes that row. Nothing is updated
//! but the deadline of a lease, and a drained queue leaves nothing.

mod wake;

use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

pub use wake::Wake;

use super::engine::{Tx, insert, rows_in, sql, update, verb};
use super::queues::number;
use super::{Result, Store, StoreError};
use domain::id::{JobId, ProjectId, fresh};
use domain::job::{Batch, Depth, Held, LeaseId, NewJob, QueueName};
use domain::time::Time;

pub(super) async fn push_jobs(tx: &mut Tx, jobs: &[NewJob]) -> Result<()> {
    insert!(tx, "INSERT INTO jobs (queue, project_id, id, attempts, body)", jobs, "ON CONFLICT DO NOTHING", {
        i16 = |one| number(one.queue),
        ProjectId = |one| one.project,
        JobId = |one| one.id,
        i64 = |_one| 0,
        Vec<u8> = |one| one.body.clone(),
    });
    Ok(())
}

/// What a worker wants to reserve: up to `max` jobs, from the projects that come after `after`.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// From which queue.
    pub queue: QueueName,
    /// How many at most.
    pub max: usize,
    /// The project that was served last; the turn begins after it.
    pub after: Option<ProjectId>,
}

/// What is given back of a lease.
#[derive(Clone, Copy, Debug)]
pub struct Back {
    /// To which queue.
    pub queue: QueueName,
    /// The lease under which it is held.
    pub lease: LeaseId,
    /// When it may be taken again; at once if nothing is said.
    pub at: Option<Time>,
    /// Whether this counts as an attempt.
    pub spent: bool,
}

impl Store {
    /// Adds jobs, and wakes those who wait for them.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn push_jobs(&self, jobs: Vec<NewJob>) -> Result<()> {
        let mut queues: Vec<QueueName> = jobs.iter().map(|job| job.queue).collect();
        queues.sort_unstable();
        queues.dedup();
        let jobs = Arc::new(jobs);
        self.write("push_jobs", verb!(|tx, jobs| { push_jobs(tx, &jobs).await })).await?;
        queues.into_iter().for_each(|queue| self.wake(queue));
        Ok(())
    }

    /// Takes jobs under a lease that lasts until then; answers the project that was served last, too.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn reserve_jobs(
        &self,
        wanted: Wanted,
        now: Time,
        until: Time,
    ) -> Result<Option<(Batch, ProjectId)>> {
        // Looking costs no write, so that an idle worker does not keep the writer busy.
        if !self.has_jobs(wanted.queue, now).await? {
            return Ok(None);
        }
        self.write("reserve_jobs", verb!(|tx| { reserve(tx, wanted, now, until).await })).await
    }

    /// Renews leases until then; answers those that were already lost.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn extend_leases(
        &self,
        queue: QueueName,
        leases: Vec<LeaseId>,
        until: Time,
    ) -> Result<Vec<LeaseId>> {
        let wanted = leases.clone();
        let kept = self
            .write("extend_leases", move |tx| {
                let rows: Vec<Uuid> = wanted.iter().map(|lease| lease.0).collect();
                Box::pin(async move {
                    Ok(update!(
                        tx,
                        "job_leases",
                        rows,
                        set { until: Time = |_one| until },
                        key { queue: i16 = |_one| number(queue), id: Uuid = |one| *one },
                        returning "id" as (Uuid,),
                    ))
                })
            })
            .await?;
        Ok(leases.into_iter().filter(|lease| !kept.contains(&(lease.0,))).collect())
    }

    /// Forgets what is still held under these leases: it is done.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn settle_jobs(&self, queue: QueueName, leases: Vec<LeaseId>) -> Result<()> {
        self.write("settle_jobs", move |tx| {
            let rows: Vec<Uuid> = leases.iter().map(|lease| lease.0).collect();
            Box::pin(async move { drop_leases(tx, queue, &rows).await })
        })
        .await
    }

    /// Gives some jobs of a lease back.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn release_jobs(&self, back: Back, jobs: Vec<JobId>, now: Time) -> Result<()> {
        let jobs = Arc::new(jobs);
        self.write("release_jobs", verb!(|tx, jobs| { release(tx, back, &jobs, now).await }))
            .await?;
        self.wake(back.queue);
        Ok(())
    }

    /// How many jobs wait and are held.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn queue_depth(&self, queue: QueueName) -> Result<Depth> {
        self.read("queue_depth", verb!(|tx| { depth(tx, queue).await })).await
    }

    /// Moves when jobs may have come.
    pub fn job_wakeups(&self, queue: QueueName) -> watch::Receiver<u64> {
        self.wakeups.subscribe(queue)
    }

    async fn has_jobs(&self, queue: QueueName, now: Time) -> Result<bool> {
        self.read("look_for_jobs", verb!(|tx| {
            let found = sql!(
                tx, fetch_optional as (i64,),
                any "SELECT CAST(1 AS BIGINT) WHERE EXISTS (SELECT 1 FROM jobs WHERE queue = $1)
                       OR EXISTS (SELECT 1 FROM job_leases WHERE queue = $2 AND until <= $3)",
                my "SELECT CAST(1 AS SIGNED) FROM DUAL WHERE EXISTS (SELECT 1 FROM jobs WHERE queue = $1)
                      OR EXISTS (SELECT 1 FROM job_leases WHERE queue = $2 AND until <= $3)",
                number(queue), number(queue), now
            )?;
            Ok(found.is_some())
        }))
        .await
    }
}

/// The jobs of a lease's row: each its ids, attempt and length, then its body.
fn pack(jobs: &[Held]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(jobs.iter().map(|job| HEAD + job.body.len()).sum());
    for job in jobs {
        bytes.extend_from_slice(job.id.bytes());
        bytes.extend_from_slice(job.project.bytes());
        bytes.extend_from_slice(&job.attempt.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(job.body.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&job.body);
    }
    bytes
}

const HEAD: usize = 40;

fn unpack(bytes: &[u8]) -> Result<Vec<Held>> {
    let mut jobs = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (job, after) =
            unpack_one(rest).ok_or_else(|| StoreError::Corrupt("jobs of a lease".into()))?;
        jobs.push(job);
        rest = after;
    }
    Ok(jobs)
}

fn unpack_one(bytes: &[u8]) -> Option<(Held, &[u8])> {
    let (id, bytes) = bytes.split_first_chunk::<16>()?;
    let (project, bytes) = bytes.split_first_chunk::<16>()?;
    let (attempt, bytes) = bytes.split_first_chunk::<4>()?;
    let (length, bytes) = bytes.split_first_chunk::<4>()?;
    let (body, rest) = bytes.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let (id, project) = (JobId(Uuid::from_bytes(*id)), ProjectId(Uuid::from_bytes(*project)));
    Some((Held { id, project, attempt: u32::from_be_bytes(*attempt), body: body.to_vec() }, rest))
}

async fn reserve(
    tx: &mut Tx,
    wanted: Wanted,
    now: Time,
    until: Time,
) -> Result<Option<(Batch, ProjectId)>> {
    let Wanted { queue, max, after } = wanted;
    return_expired(tx, queue, now).await?;
    // Each project gets its share, beginning after the one that came last; then those that have more get what is over.
    let mut order = projects(tx, queue).await?;
    let next = order.partition_point(|project| Some(*project) <= after);
    order.rotate_left(next);
    let share = max.div_ceil(order.len().max(1));
    let (mut held, mut more, mut last) = (Vec::new(), Vec::new(), None);
    for project in order {
        let room = share.min(max - held.len());
        let taken = take(tx, queue, project, room as i64).await?;
        if room > 0 && taken.len() == room {
            more.push(project);
        }
        last = if taken.is_empty() { last } else { Some(project) };
        held.extend(taken);
    }
    for project in more {
        held.extend(take(tx, queue, project, (max - held.len()) as i64).await?);
    }
    let Some(last) = last else { return Ok(None) };
    let lease = fresh(now);
    sql!(
        tx,
        execute,
        "INSERT INTO job_leases (queue, id, until, jobs) VALUES ($1, $2, $3, $4)",
        number(queue),
        lease,
        until,
        pack(&held)
    )?;
    Ok(Some((Batch { lease: LeaseId(lease), jobs: held }, last)))
}

/// The projects that have jobs waiting, found by jumping along the index.
async fn projects(tx: &mut Tx, queue: QueueName) -> Result<Vec<ProjectId>> {
    let rows = sql!(
        tx, fetch_all as (ProjectId,),
        "WITH RECURSIVE p (id) AS (
           SELECT (SELECT project_id FROM jobs WHERE queue = $1 ORDER BY project_id LIMIT 1)
           UNION ALL
           SELECT (SELECT project_id FROM jobs WHERE queue = $2 AND project_id > p.id ORDER BY project_id LIMIT 1)
           FROM p WHERE p.id IS NOT NULL
         )
         SELECT id FROM p WHERE id IS NOT NULL",
        number(queue), number(queue)
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

async fn take(tx: &mut Tx, queue: QueueName, project: ProjectId, max: i64) -> Result<Vec<Held>> {
    if max == 0 {
        return Ok(Vec::new());
    }
    // Jobs are never updated, so that a row stays where it was found: no plan made for an empty table can be slow.
    let mut rows = sql!(
        tx, fetch_all as (JobId, i64, Vec<u8>),
        lite "DELETE FROM jobs WHERE queue = $1 AND project_id = $2 AND id IN
                (SELECT id FROM jobs WHERE queue = $1 AND project_id = $2 ORDER BY id LIMIT $3)
              RETURNING id, attempts, body",
        pg "DELETE FROM jobs WHERE ctid = ANY(ARRAY(
              SELECT ctid FROM jobs WHERE queue = $1 AND project_id = $2 ORDER BY id LIMIT $3
              FOR UPDATE SKIP LOCKED)) RETURNING id, attempts, body",
        my "SELECT id, attempts, body FROM jobs WHERE queue = $1 AND project_id = $2 ORDER BY id LIMIT $3
            FOR UPDATE SKIP LOCKED",
        number(queue), project, max
    )?;
    if !tx.returns() {
        drop_jobs(tx, queue, project, &rows).await?;
    }
    rows.sort_by_key(|(id, _, _)| *id);
    let held = |(id, attempts, body): (JobId, i64, Vec<u8>)| Held {
        id,
        project,
        attempt: u32::try_from(attempts + 1).unwrap_or(u32::MAX),
        body,
    };
    Ok(rows.into_iter().map(held).collect())
}

/// Deletes the jobs that were just locked, where a DELETE does not return what it took.
async fn drop_jobs(
    tx: &mut Tx,
    queue: QueueName,
    project: ProjectId,
    taken: &[(JobId, i64, Vec<u8>)],
) -> Result<()> {
    let ids: Vec<JobId> = taken.iter().map(|(id, _, _)| *id).collect();
    rows_in!(
        tx,
        as (JobId,),
        "DELETE FROM jobs WHERE queue = $1 AND project_id = $2 AND id",
        [number(queue), project],
        ids,
        lite "",
        server ""
    );
    Ok(())
}

/// Brings back the jobs of leases that nobody renewed.
async fn return_expired(tx: &mut Tx, queue: QueueName, now: Time) -> Result<()> {
    let expired = sql!(
        tx, fetch_all as (Uuid, Vec<u8>),
        lite "SELECT id, jobs FROM job_leases WHERE queue = $1 AND until <= $2 ORDER BY until LIMIT 16",
        server "SELECT id, jobs FROM job_leases WHERE queue = $1 AND until <= $2 ORDER BY until LIMIT 16 FOR UPDATE SKIP LOCKED",
        number(queue), now
    )?;
    for (_, jobs) in &expired {
        put_back(tx, queue, &unpack(jobs)?).await?;
    }
    let ids: Vec<Uuid> = expired.into_iter().map(|(id, _)| id).collect();
    drop_leases(tx, queue, &ids).await
}

async fn put_back(tx: &mut Tx, queue: QueueName, jobs: &[Held]) -> Result<()> {
    insert!(tx, "INSERT INTO jobs (queue, project_id, id, attempts, body)", jobs, "ON CONFLICT DO NOTHING", {
        i16 = |_one| number(queue),
        ProjectId = |one| one.project,
        JobId = |one| one.id,
        i64 = |one| i64::from(one.attempt),
        Vec<u8> = |one| one.body.clone(),
    });
    Ok(())
}

async fn drop_leases(tx: &mut Tx, queue: QueueName, ids: &[Uuid]) -> Result<()> {
    update!(
        tx,
        "job_leases",
        ids,
        key { queue: i16 = |_one| number(queue), id: Uuid = |one| *one }
    );
    Ok(())
}

async fn release(tx: &mut Tx, back: Back, jobs: &[JobId], now: Time) -> Result<()> {
    let row = sql!(
        tx, fetch_optional as (Vec<u8>,),
        lite "SELECT jobs FROM job_leases WHERE queue = $1 AND id = $2",
        server "SELECT jobs FROM job_leases WHERE queue = $1 AND id = $2 FOR UPDATE",
        number(back.queue), back.lease.0
    )?;
    // A lease that is gone has given its jobs back already.
    let Some((packed,)) = row else { return Ok(()) };
    let (mut going, staying): (Vec<Held>, Vec<Held>) =
        unpack(&packed)?.into_iter().partition(|job| jobs.contains(&job.id));
    if !back.spent {
        going.iter_mut().for_each(|job| job.attempt = job.attempt.saturating_sub(1));
    }
    if staying.is_empty() {
        drop_leases(tx, back.queue, &[back.lease.0]).await?;
    } else {
        sql!(
            tx,
            execute,
            "UPDATE job_leases SET jobs = $1 WHERE queue = $2 AND id = $3",
            pack(&staying),
            number(back.queue),
            back.lease.0
        )?;
    }
    match back.at {
        None => put_back(tx, back.queue, &going).await,
        // Until then they rest like jobs of a lease that nobody renews.
        Some(at) => sql!(
            tx,
            execute,
            "INSERT INTO job_leases (queue, id, until, jobs) VALUES ($1, $2, $3, $4)",
            number(back.queue),
            fresh(now),
            at,
            pack(&going)
        )
        .map(|_| ()),
    }
}

async fn depth(tx: &mut Tx, queue: QueueName) -> Result<Depth> {
    let (waiting,) =
        sql!(tx, fetch_one as (i64,), "SELECT COUNT(*) FROM jobs WHERE queue = $1", number(queue))?;
    let leases = sql!(
        tx,
        fetch_all as (Vec<u8>,),
        "SELECT jobs FROM job_leases WHERE queue = $1",
        number(queue)
    )?;
    let mut held = 0;
    for (jobs,) in leases {
        held += unpack(&jobs)?.len() as u64;
    }
    Ok(Depth { waiting: waiting.unsigned_abs(), held })
}
