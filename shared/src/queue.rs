//! The job door: "now" and nothing else. Delays, retries, attempts and truth are rows of the store.
//!
//! A job is reserved under a lease, together with others (a batch); a lease that is not renewed expires and its jobs
//! come back, with their count of reservations. Engines differ in nothing that is visible here.

pub mod backend;
pub mod redis;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::job::{NewJob, QueueName};
use crate::id::{JobId, ProjectId};

/// What an engine can't do; the caller tries again or leaves it to the due loop.
#[derive(Debug, thiserror::Error)]
#[error("queue: {0}")]
pub struct QueueError(pub String);

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, QueueError>> + Send + 'a>>;

/// The lease under which a batch of jobs is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub Uuid);

/// Jobs that are held under one lease.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its lease.
    pub lease: LeaseId,
    /// The jobs, of one or several projects.
    pub jobs: Vec<Held>,
}

/// A job that is held.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its id.
    pub id: JobId,
    /// The tenant that it is counted for.
    pub project: ProjectId,
    /// How often it was reserved, this time included.
    pub attempt: u32,
    /// The encoded envelope.
    pub body: Vec<u8>,
}

/// How much there is in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Jobs that may be reserved.
    pub waiting: u64,
    /// Jobs that are held under a lease or rest until they may be taken again.
    pub held: u64,
}

/// A change counter that moves when jobs may have come; it may move for nothing, and a poll catches what it misses.
pub type Wakeups = tokio::sync::watch::Receiver<u64>;

/// An engine that carries jobs.
pub trait Queue: Send + Sync + 'static {
    /// Adds jobs, of any queues and projects, in one round trip.
    fn push(&self, jobs: Vec<NewJob>) -> Answer<'_, ()>;
    /// Takes up to `max` jobs under a new lease, fairly between projects, oldest first within one; never waits.
    fn reserve(&self, queue: QueueName, max: usize) -> Answer<'_, Option<Batch>>;
    /// Renews leases; answers those that were already lost.
    fn extend(&self, queue: QueueName, leases: Vec<LeaseId>) -> Answer<'_, Vec<LeaseId>>;
    /// Forgets what is still held under these leases: it is done.
    fn settle(&self, queue: QueueName, leases: Vec<LeaseId>) -> Answer<'_, ()>;
    /// Gives some jobs of a lease back, to be taken again after `after`; `spent` says whether this counts as an attempt.
    fn release(
        &self,
        queue: QueueName,
        lease: LeaseId,
        jobs: Vec<JobId>,
        after: Duration,
        spent: bool,
    ) -> Answer<'_, ()>;
    /// How much there is.
    fn depth(&self, queue: QueueName) -> Answer<'_, Depth>;
    /// Moves when jobs may have come.
    fn wakeups(&self, queue: QueueName) -> Wakeups;
    /// How long a lease lasts without renewal.
    fn lease(&self) -> Duration;
    /// Whether the engine answers.
    fn ping(&self) -> Answer<'_, ()>;
}
