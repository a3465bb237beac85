//! The job door: "now" and nothing else. Delays, retries, attempts and truth are rows of the store.
//!
//! A job is reserved under a lease, together with others (a batch); a lease that is not renewed expires and its jobs
//! come back, with their count of reservations. Engines differ in what the methods with a default say of themselves, and in
//! nothing else that is visible here.

pub mod backend;
pub mod open;
pub mod redis;
pub mod sql;
pub mod sqs;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use domain::id::JobId;
use domain::job::{NewJob, QueueName};

pub use domain::job::{Batch, Depth, Held, LeaseId};

/// What an engine can't do; the caller tries again or leaves it to the due loop.
#[derive(Debug, thiserror::Error)]
#[error("queue: {0}")]
pub struct QueueError(pub String);

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, QueueError>> + Send + 'a>>;

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
    /// Where it is now, in words for operators, if there is something to tell.
    fn place(&self) -> Option<String> {
        None
    }

    /// Takes as `reserve` does, and if the engine waits by itself, waits for jobs to come, until `stop` at the longest:
    /// what came by then is answered all the same, and the caller gives it back.
    fn take(
        &self,
        queue: QueueName,
        max: usize,
        stop: CancellationToken,
    ) -> Answer<'_, Option<Batch>> {
        drop(stop);
        self.reserve(queue, max)
    }
    /// Says that nobody here takes from this queue for now: what was meant for whoever waited goes to others.
    fn leave(&self, queue: QueueName) -> Answer<'_, ()> {
        let _ = queue;
        Box::pin(async { Ok(()) })
    }
    /// Whether `take` waits for jobs by itself, so that its caller need not.
    fn waits(&self) -> bool {
        false
    }
    /// Whether jobs travel as they are. If not, the engine turns those that name events and deliveries into jobs that
    /// name shards: events that travelled along would be lost on the way.
    fn carries_events(&self) -> bool {
        true
    }
    /// Whether a job's count of reservations is exact, so that a job may be called dead by it.
    fn counts_exactly(&self) -> bool {
        true
    }
    /// How many messages the engine itself has put aside, if it does that.
    fn dead_letters(&self, queue: QueueName) -> Answer<'_, Option<u64>> {
        let _ = queue;
        Box::pin(async { Ok(None) })
    }
}
