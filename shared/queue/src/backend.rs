//! The one apalis backend, over any engine. A task of it is a reserved batch: leases are renewed and settled here,
//! outside of apalis' poll loop, so that neither a full worker nor one that drains loses what it holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::future::BoxSyncFuture;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::context::WorkerContext;
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;

use super::{Batch, Held, LeaseId, Queue, QueueError};
use domain::id::JobId;
use domain::job::QueueName;

/// How a backend takes jobs.
#[derive(Clone)]
pub struct Taking {
    /// From which queue.
    pub queue: QueueName,
    /// How many at once.
    pub batch: usize,
    /// How long it waits for a wake-up before it looks by itself.
    pub poll: Duration,
    /// How long it rests before it takes more, so that more is there by then.
    pub rest: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Whether taking is paused.
    pub paused: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Ends the taking.
    pub stop: CancellationToken,
}

/// An apalis backend that yields reserved batches.
pub struct JobBackend {
    engine: Arc<dyn Queue>,
    taking: Taking,
    holder: Arc<Holder>,
    // A task of its own: a worker that is full does not poll, and what came meanwhile must be renewed all the same.
    fetch: Option<JoinHandle<Option<Reservation>>>,
    giving_back: Option<BoxSyncFuture<()>>,
}

impl JobBackend {
    /// A backend over `engine`.
    pub fn new(engine: Arc<dyn Queue>, taking: Taking) -> Self {
        let holder = Holder::start(Arc::clone(&engine), taking.queue);
        Self { engine, taking, holder, fetch: None, giving_back: None }
    }
}

impl Backend for JobBackend {
    type Task = Task<Reservation>;
    type Error = QueueError;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), QueueError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, QueueError>>> {
        let fetch = self.fetch.get_or_insert_with(|| {
            tokio::spawn(fetch(
                Arc::clone(&self.engine),
                self.taking.clone(),
                Arc::clone(&self.holder),
            ))
        });
        let fetched = ready!(fetch.poll_unpin(cx));
        self.fetch = None;
        // A task that panicked ends this worker, and its queue gets a new one.
        let reservation = fetched.map_err(|error| QueueError(error.to_string())).transpose();
        Poll::Ready(reservation.map(|one| one.map(|one| TaskBuilder::new(one).build())))
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), QueueError>> {
        self.taking.stop.cancel();
        // A reservation may be under way: what it brings goes straight back.
        if let Some(fetch) = &mut self.fetch {
            let reservation = ready!(fetch.poll_unpin(cx)).ok().flatten();
            self.fetch = None;
            self.giving_back = reservation.map(|one| give_back(one).boxed().into());
        }
        if let Some(giving_back) = &mut self.giving_back {
            ready!(giving_back.poll_unpin(cx));
            self.giving_back = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for JobBackend {
    type Args = Reservation;
    type Id = JobId;
    type Kind = Ephemeral;
    type Config = Taking;
    type Layer = Identity;

    fn config(&self) -> &Taking {
        &self.taking
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// Waits for jobs; an engine that does not answer only makes it wait longer.
async fn fetch(engine: Arc<dyn Queue>, taking: Taking, holder: Arc<Holder>) -> Option<Reservation> {
    let mut wakeups = engine.wakeups(taking.queue);
    let mut failing = false;
    let rest = (taking.rest)();
    if !rest.is_zero() {
        // Whichever ends it: the loop looks whether it is to stop.
        let _ = tokio::time::timeout(rest, taking.stop.cancelled()).await;
    }
    while !taking.stop.is_cancelled() {
        // Marked before looking, so that what comes meanwhile ends the wait below at once.
        wakeups.mark_unchanged();
        let mut pause = taking.poll;
        if (taking.paused)() {
            leave(&engine, taking.queue).await;
        } else {
            match engine.take(taking.queue, taking.batch, taking.stop.clone()).await {
                // The pause may have begun while the engine waited.
                Ok(Some(batch)) if (taking.paused)() => give_back(holder.hold(batch)).await,
                Ok(Some(batch)) => return Some(holder.hold(batch)),
                Ok(None) => {
                    failing = false;
                    if engine.waits() {
                        continue;
                    }
                }
                Err(error) => {
                    // Told once, not at every try.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(queue = taking.queue.as_str(), %error, "the queue does not answer; the due loop works on");
                    }
                    pause = Duration::from_millis(300).min(taking.poll);
                }
            }
        }
        tokio::select! {
            _ = wakeups.changed(), if !failing => {}
            () = tokio::time::sleep(pause) => {}
            () = taking.stop.cancelled() => {}
        }
    }
    leave(&engine, taking.queue).await;
    None
}

async fn leave(engine: &Arc<dyn Queue>, queue: QueueName) {
    if let Err(error) = engine.leave(queue).await {
        tracing::debug!(queue = queue.as_str(), %error, "the queue was not left; what is handed over comes back when its lease ends");
    }
}

async fn give_back(reservation: Reservation) {
    let jobs = reservation.jobs.iter().map(|job| job.id).collect();
    if let Err(error) = reservation.release(jobs, Duration::ZERO, false).await {
        tracing::warn!(%error, "jobs were not given back; they come back when their lease ends");
    }
}

/// What a worker holds: renews the leases, and settles in batches what is done.
struct Holder {
    leases: Mutex<HashMap<LeaseId, ()>>,
    done: mpsc::UnboundedSender<LeaseId>,
    engine: Arc<dyn Queue>,
    queue: QueueName,
}

impl Holder {
    fn start(engine: Arc<dyn Queue>, queue: QueueName) -> Arc<Self> {
        let (done, settled) = mpsc::unbounded_channel();
        let holder = Arc::new(Self { leases: Mutex::default(), done, engine, queue });
        tokio::spawn(renew(Arc::downgrade(&holder)));
        tokio::spawn(settle(Arc::clone(&holder.engine), queue, settled));
        holder
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<LeaseId, ()>> {
        // Nothing in here can panic half-way.
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(self: &Arc<Self>, batch: Batch) -> Reservation {
        self.leases().insert(batch.lease, ());
        Reservation { lease: batch.lease, jobs: batch.jobs, holder: Arc::clone(self) }
    }
}

async fn renew(holder: std::sync::Weak<Holder>) {
    let Some(pause) = holder.upgrade().map(|holder| holder.engine.lease() / 3) else { return };
    loop {
        tokio::time::sleep(pause).await;
        let Some(holder) = holder.upgrade() else { return };
        let leases: Vec<LeaseId> = holder.leases().keys().copied().collect();
        if leases.is_empty() {
            continue;
        }
        match holder.engine.extend(holder.queue, leases).await {
            Ok(lost) => {
                let mut held = holder.leases();
                let lost = lost.iter().filter(|lease| held.remove(lease).is_some()).count();
                if lost > 0 {
                    tracing::warn!(
                        queue = holder.queue.as_str(),
                        lost,
                        "leases were lost; their jobs may run again, which harms nothing"
                    );
                }
            }
            Err(error) => tracing::debug!(%error, "leases were not renewed"),
        }
    }
}

async fn settle(
    engine: Arc<dyn Queue>,
    queue: QueueName,
    mut done: mpsc::UnboundedReceiver<LeaseId>,
) {
    let mut leases = Vec::new();
    while done.recv_many(&mut leases, 256).await > 0 {
        if let Err(error) = engine.settle(queue, std::mem::take(&mut leases)).await {
            tracing::debug!(%error, "jobs were not settled; they come again and find nothing to do");
        }
    }
}

/// Jobs that are held until they are settled. Dropped before that, they come back when their lease ends.
pub struct Reservation {
    lease: LeaseId,
    /// The jobs.
    pub jobs: Vec<Held>,
    holder: Arc<Holder>,
}

impl Reservation {
    /// The queue that the jobs came from.
    pub fn queue(&self) -> QueueName {
        self.holder.queue
    }

    /// Gives some of the jobs back, to be taken again after `after`.
    ///
    /// # Errors
    /// When the engine does not answer; the jobs come back when the lease ends.
    pub async fn release(
        &self,
        jobs: Vec<JobId>,
        after: Duration,
        spent: bool,
    ) -> Result<(), QueueError> {
        self.holder.engine.release(self.holder.queue, self.lease, jobs, after, spent).await
    }

    /// Says that everything that was not given back is done.
    pub fn settle(self) {
        // The other end lives as long as the holder; without it the lease ends by itself.
        let _ = self.holder.done.send(self.lease);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.holder.leases().remove(&self.lease);
    }
}
