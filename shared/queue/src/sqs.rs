//! The SQS engine of the job queue, on standard and on FIFO queues.
//!
//! One queue of SQS for each of ours, with one beside it for what could not be worked off. What travels are hints: a job
//! that names events or deliveries becomes one message for each project and shard, which asks a worker to take that
//! shard's oldest rows from the store. A lease is the messages' visibility; whose it is, only the process that received
//! them knows, and when that process dies, SQS shows them to others.
//!
//! What differs from the other engines: a standard queue keeps no order, on a FIFO queue nobody gets messages of a group
//! while others of it are held, turns between projects come from there being few messages of each, and how often a
//! message was received is what SQS believes.

mod batch;
mod client;
mod held;
pub mod intake;
mod letters;
mod place;
mod setup;
mod wire;

use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Answer, Batch, Depth, Held, LeaseId, Queue, QueueError, Wakeups};
use batch::Undone;
use client::{Client, Refusal, seconds};
use domain::id::JobId;
use domain::job::{NewJob, QueueName};
use held::Leases;
pub use letters::Letter;
pub use place::{LONGEST_WAIT, MOST_RECEIVES, Place};
use wire::{MOST_BYTES, Outgoing, Received, outgoing};

/// How long SQS may take when it is asked how it is.
const PATIENCE: Duration = Duration::from_millis(1800);

/// How long a wait for messages may go on after we were told to stop: what SQS hands out at that moment is given back
/// rather than hidden until its lease ends.
const FAREWELL: Duration = Duration::from_secs(1);

struct QueueState {
    queue: QueueName,
    name: String,
    dead_name: String,
    url: OnceCell<String>,
    dead_url: OnceCell<String>,
    leases: Leases,
    wake: watch::Sender<u64>,
}

impl QueueState {
    fn bump(&self) {
        self.wake.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Queues in SQS.
pub struct SqsQueue {
    client: Client,
    place: Place,
    states: [QueueState; QueueName::ALL.len()],
    lease: Duration,
}

impl SqsQueue {
    /// Queues at `place`; SQS need not be there yet.
    ///
    /// # Errors
    /// When the names or numbers are none that SQS knows, or the lease is shorter than a second.
    pub fn open(place: Place, lease: Duration) -> Result<Self, QueueError> {
        place.check()?;
        if lease < Duration::from_secs(1) {
            return Err(QueueError("on SQS a lease must last a second at least".to_owned()));
        }
        let state = |queue: QueueName| QueueState {
            queue,
            name: place.name(queue),
            dead_name: place.dead_name(queue),
            url: OnceCell::new(),
            dead_url: OnceCell::new(),
            leases: Leases::default(),
            wake: watch::Sender::new(0),
        };
        let states = QueueName::ALL.map(state);
        Ok(Self { client: Client::new(place.clone()), place, states, lease })
    }

    fn state(&self, queue: QueueName) -> Result<&QueueState, QueueError> {
        let state = self.states.iter().find(|state| state.queue == queue);
        state.ok_or_else(|| QueueError(format!("no queue {}", queue.as_str())))
    }

    async fn url<'a>(&self, state: &'a QueueState) -> Result<&'a String, QueueError> {
        state.url.get_or_try_init(|| self.ask_url(&state.name)).await
    }

    async fn dead_url<'a>(&self, state: &'a QueueState) -> Result<&'a String, QueueError> {
        state.dead_url.get_or_try_init(|| self.ask_url(&state.dead_name)).await
    }

    async fn ask_url(&self, name: &str) -> Result<String, QueueError> {
        self.client.url(name).await.map_err(|refusal| missing(name, refusal))
    }

    /// Sends messages to one queue; those of a group keep their order.
    async fn send(
        &self,
        url: &str,
        messages: Vec<Outgoing>,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let total = messages.len();
        if let Some(large) = messages.iter().find(|one| one.bytes() > MOST_BYTES) {
            return Err(QueueError(format!(
                "a job of {} bytes does not fit into a message of SQS, which has {MOST_BYTES} at most",
                large.bytes()
            )));
        }
        for wave in self.waves(messages) {
            let call = async |chunk| self.client.send(url, chunk, delay).await;
            let undone = batch::run("send", wave, call).await;
            // What follows on FIFO must not overtake.
            batch::told("take", total, &undone)?;
        }
        Ok(())
    }

    /// Requests that may be sent at once, in waves that follow each other. On FIFO a wave has one message of a group, so
    /// that one that is tried again comes before those behind it.
    fn waves(&self, messages: Vec<Outgoing>) -> Vec<Vec<Vec<(Outgoing, Uuid)>>> {
        let mut waves: Vec<Vec<(Outgoing, Uuid)>> = Vec::new();
        let mut turns: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        for message in messages {
            let turn = if self.place.fifo {
                let turn = turns.entry(message.group.clone()).or_default();
                *turn += 1;
                *turn - 1
            } else {
                0
            };
            if waves.len() <= turn {
                waves.push(Vec::new());
            }
            if let Some(wave) = waves.get_mut(turn) {
                wave.push((message, Uuid::new_v4()));
            }
        }
        waves.into_iter().map(requests).collect()
    }

    /// Receives up to `max` messages under a new lease; waits for the first of them.
    async fn receive(
        &self,
        queue: QueueName,
        max: usize,
        wait: Duration,
    ) -> Result<Option<Batch>, QueueError> {
        if max == 0 {
            return Ok(None);
        }
        let state = self.state(queue)?;
        let url = self.url(state).await?;
        let mut received: Vec<Received> = Vec::new();
        let mut until = None;
        let mut wait = wait;
        loop {
            let most = (max - received.len()).min(batch::MOST);
            let more = self.client.receive(url, most, wait, seconds(self.lease)).await;
            let more = match more {
                Ok(more) => more,
                // What came before is not lost for it.
                Err(_) if !received.is_empty() => break,
                Err(refusal) => return Err(missing(&state.name, refusal)),
            };
            let full = more.len() == most;
            // The lease ends with that of its oldest message.
            until = until.or_else(|| (!more.is_empty()).then(|| Instant::now() + self.sure()));
            received.extend(more);
            wait = Duration::ZERO;
            if !full || received.len() >= max {
                break;
            }
        }
        let Some(until) = until else { return Ok(None) };
        let lease = LeaseId(Uuid::now_v7());
        let jobs: Vec<Held> = received.iter().map(Received::held).collect();
        state.leases.hold(lease, received, until);
        Ok(Some(Batch { lease, jobs }))
    }

    /// How long a lease surely lasts, counted from when we hear of it: SQS counts from when it answered.
    fn sure(&self) -> Duration {
        self.lease - (self.lease / 10).min(Duration::from_secs(1))
    }

    async fn hide(
        &self,
        url: &str,
        messages: Vec<Received>,
        visibility: Duration,
    ) -> Vec<Undone<Received>> {
        let call = async |chunk: Vec<Received>| {
            let receipts = chunk.into_iter().map(|message| message.receipt).collect();
            self.client.change_visibility(url, receipts, seconds(visibility)).await
        };
        batch::run("hide", chunks(messages), call).await
    }

    async fn delete(&self, url: &str, messages: Vec<Received>) -> Result<(), QueueError> {
        let total = messages.len();
        let call = async |chunk: Vec<Received>| {
            let receipts = chunk.into_iter().map(|message| message.receipt).collect();
            self.client.delete(url, receipts).await
        };
        let undone = batch::run("delete", chunks(messages), call).await;
        // They come back, and whoever gets them finds nothing to do.
        batch::told("delete", total, &undone)
    }
}

fn missing(name: &str, refusal: Refusal) -> QueueError {
    if refusal.is_missing() {
        return QueueError(format!("there is no SQS queue {name}: run `bellbuoy migrate`"));
    }
    refusal.into()
}

fn chunks<T>(items: Vec<T>) -> Vec<Vec<T>> {
    let mut chunks: Vec<Vec<T>> = Vec::with_capacity(items.len().div_ceil(batch::MOST));
    for item in items {
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < batch::MOST => chunk.push(item),
            _ => chunks.push(vec![item]),
        }
    }
    chunks
}

/// Requests of at most ten messages and as many bytes as SQS takes.
fn requests(messages: Vec<(Outgoing, Uuid)>) -> Vec<Vec<(Outgoing, Uuid)>> {
    let mut requests: Vec<Vec<(Outgoing, Uuid)>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.0.bytes();
        match requests.last_mut() {
            Some(request) if request.len() < batch::MOST && bytes <= MOST_BYTES => {
                request.push(message);
            }
            _ => {
                bytes = message.0.bytes();
                requests.push(vec![message]);
            }
        }
    }
    requests
}

impl Queue for SqsQueue {
    fn push(&self, jobs: Vec<NewJob>) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut messages = outgoing(jobs)?;
            for state in &self.states {
                let (own, others) = messages
                    .into_iter()
                    .partition(|message: &Outgoing| message.queue == state.queue);
                messages = others;
                if own.is_empty() {
                    continue;
                }
                self.send(self.url(state).await?, own, Duration::ZERO).await?;
                state.bump();
            }
            Ok(())
        })
    }

    fn reserve(&self, queue: QueueName, max: usize) -> Answer<'_, Option<Batch>> {
        Box::pin(self.receive(queue, max, Duration::ZERO))
    }

    fn take(
        &self,
        queue: QueueName,
        max: usize,
        stop: CancellationToken,
    ) -> Answer<'_, Option<Batch>> {
        Box::pin(async move {
            let receiving = self.receive(queue, max, self.place.wait);
            tokio::pin!(receiving);
            tokio::select! {
                received = &mut receiving => received,
                () = stop.cancelled() => {
                    tokio::time::timeout(FAREWELL, receiving).await.unwrap_or(Ok(None))
                }
            }
        })
    }

    fn extend(&self, queue: QueueName, leases: Vec<LeaseId>) -> Answer<'_, Vec<LeaseId>> {
        Box::pin(async move {
            let state = self.state(queue)?;
            let (held, mut lost) = state.leases.of(&leases);
            if held.is_empty() {
                return Ok(lost);
            }
            let started = Instant::now();
            let url = self.url(state).await?;
            let total = held.len();
            let undone = self.hide(url, held, self.lease).await;
            // Counted from before the call: SQS counts from a moment after it.
            lost.extend(state.leases.renew(&leases, &undone, started + self.sure()));
            let passing: Vec<_> = undone.into_iter().filter(|one| !one.for_good).collect();
            batch::told("renew", total, &passing)?;
            Ok(lost)
        })
    }

    fn settle(&self, queue: QueueName, leases: Vec<LeaseId>) -> Answer<'_, ()> {
        Box::pin(async move {
            let state = self.state(queue)?;
            let messages = state.leases.drop(&leases);
            if messages.is_empty() {
                return Ok(());
            }
            self.delete(self.url(state).await?, messages).await
        })
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
            let state = self.state(queue)?;
            let messages = state.leases.take(lease, &jobs);
            if messages.is_empty() {
                return Ok(());
            }
            let url = self.url(state).await?;
            // SQS counts every receipt and would put a message aside that we only gave back: before it does, a message
            // of its own takes the place of this one. Sent before it is deleted, so that a death in between doubles it.
            let limit = self.place.max_receives.div_ceil(2);
            let (worn, fine): (Vec<_>, Vec<_>) =
                messages.into_iter().partition(|one| !spent && one.count >= limit.max(2));
            if !worn.is_empty() {
                let copies = worn.iter().map(|one| one.copy(queue)).collect();
                self.send(url, copies, after).await?;
                self.delete(url, worn).await?;
            }
            let total = fine.len();
            let undone = self.hide(url, fine, after).await;
            if after.is_zero() {
                state.bump();
            }
            let passing: Vec<_> = undone.into_iter().filter(|one| !one.for_good).collect();
            batch::told("give back", total, &passing)
        })
    }

    fn depth(&self, queue: QueueName) -> Answer<'_, Depth> {
        Box::pin(async move {
            let state = self.state(queue)?;
            let names = [
                Attribute::ApproximateNumberOfMessages,
                Attribute::ApproximateNumberOfMessagesNotVisible,
                Attribute::ApproximateNumberOfMessagesDelayed,
            ];
            let url = self.url(state).await?;
            let all = self.client.attributes(url, &names).await;
            let all = all.map_err(|refusal| missing(&state.name, refusal))?;
            let [waiting, hidden, delayed] =
                names.map(|name| all.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0));
            Ok(Depth { waiting, held: hidden + delayed })
        })
    }

    fn wakeups(&self, queue: QueueName) -> Wakeups {
        match self.state(queue) {
            Ok(state) => state.wake.subscribe(),
            Err(_) => watch::channel(0).1,
        }
    }

    fn lease(&self) -> Duration {
        self.lease
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let asking = async {
                for state in &self.states {
                    let url = self.url(state).await?;
                    let answer = self.client.attributes(url, &[Attribute::QueueArn]).await;
                    answer.map_err(|refusal| missing(&state.name, refusal))?;
                }
                Ok(())
            };
            let late = || QueueError("SQS does not answer in time".to_owned());
            tokio::time::timeout(PATIENCE, asking).await.map_err(|_| late())?
        })
    }

    fn waits(&self) -> bool {
        true
    }

    fn carries_events(&self) -> bool {
        false
    }

    fn counts_exactly(&self) -> bool {
        false
    }

    fn dead_letters(&self, queue: QueueName) -> Answer<'_, Option<u64>> {
        Box::pin(async move { self.count_letters(queue).await.map(Some) })
    }
}
