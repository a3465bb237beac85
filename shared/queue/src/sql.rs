//! The `sql:` engine: jobs are rows of the store, written by the transactions that make them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Answer, Batch, Depth, LeaseId, Queue, QueueError, Wakeups};
use domain::clock::Clock;
use domain::id::{JobId, ProjectId};
use domain::job::{NewJob, QueueName};
use store::jobs::{Back, Wanted};
use store::{Store, StoreError};

/// The queue in the store.
#[derive(Clone)]
pub struct SqlQueue {
    store: Store,
    lease: Duration,
    // Leases run on real time, whatever clock the domain has.
    clock: Clock,
    // The project that was served last in each queue: the next turn begins after it.
    served: Arc<Mutex<HashMap<QueueName, ProjectId>>>,
}

impl SqlQueue {
    /// The queue of `store`.
    pub fn new(store: Store, lease: Duration) -> Self {
        Self { store, lease, clock: Clock::System, served: Arc::default() }
    }
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl Queue for SqlQueue {
    fn push(&self, jobs: Vec<NewJob>) -> Answer<'_, ()> {
        Box::pin(async move { Ok(self.store.push_jobs(jobs).await?) })
    }

    fn reserve(&self, queue: QueueName, max: usize) -> Answer<'_, Option<Batch>> {
        Box::pin(async move {
            let now = self.clock.now();
            let after = self.served.lock().ok().and_then(|served| served.get(&queue).copied());
            let wanted = Wanted { queue, max, after };
            let reserved = self.store.reserve_jobs(wanted, now, now.plus(self.lease)).await?;
            let Some((batch, last)) = reserved else { return Ok(None) };
            if let Ok(mut served) = self.served.lock() {
                served.insert(queue, last);
            }
            Ok(Some(batch))
        })
    }

    fn extend(&self, queue: QueueName, leases: Vec<LeaseId>) -> Answer<'_, Vec<LeaseId>> {
        let until = self.clock.now().plus(self.lease);
        Box::pin(async move { Ok(self.store.extend_leases(queue, leases, until).await?) })
    }

    fn settle(&self, queue: QueueName, leases: Vec<LeaseId>) -> Answer<'_, ()> {
        Box::pin(async move { Ok(self.store.settle_jobs(queue, leases).await?) })
    }

    fn release(
        &self,
        queue: QueueName,
        lease: LeaseId,
        jobs: Vec<JobId>,
        after: Duration,
        spent: bool,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            let now = self.clock.now();
            let at = (!after.is_zero()).then(|| now.plus(after));
            let back = Back { queue, lease, at, spent };
            Ok(self.store.release_jobs(back, jobs, now).await?)
        })
    }

    fn depth(&self, queue: QueueName) -> Answer<'_, Depth> {
        Box::pin(async move { Ok(self.store.queue_depth(queue).await?) })
    }

    fn wakeups(&self, queue: QueueName) -> Wakeups {
        self.store.job_wakeups(queue)
    }

    fn lease(&self) -> Duration {
        self.lease
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async move { Ok(self.store.ping().await?) })
    }
}
