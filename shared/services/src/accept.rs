//! The one way in, and so the one place of the limits on events: they are kept, durably, before anybody is told that they are. Requests that come at the same time
//! share a commit; then jobs are enqueued, and should that fail, the due loop finds the events.

mod enqueue;

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

use crate::batching::Last;
use crate::catalogues::{Catalogues, Judgement};
use crate::rates::{Over, Rates};
use config::AcceptConfig;
use domain::clock::Clock;
use domain::event::Event;
use domain::fault::{Fault, FaultCode};
use domain::id::{EventId, KeyId, ProjectId, time_of};
use domain::intake::NewEvent;
use domain::time::Time;
use queue::Queue;
use store::events::{Incoming, MakeJobs, Taken, jobs_for};
use store::idempotency::IdempotencyKey;
use store::{Store, StoreError};
use telemetry::current_traceparent;

/// An event that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: EventId,
    /// When it was accepted; of a replay, when the first was.
    pub received_at: Time,
    /// Whether the same event had been accepted before, under the same idempotency key.
    pub replayed: bool,
    /// What its producer should know: what of it does not fit the schema of its type, or that the type is deprecated.
    pub warnings: Vec<Fault>,
}

/// Why an event was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its idempotency key was used for another body.
    Conflict,
    /// It does not fit the schema of its type, or the store will not have it: this one alone, not its neighbours.
    Invalid(Vec<Fault>),
    /// The store is away.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The project's plan allows no more in this minute.
    OverPlan {
        /// How many it allows.
        limit: u64,
        /// When to try again.
        retry_after: Duration,
        /// When all of them are there again.
        reset: Duration,
    },
    /// A limit of the project or the system is reached.
    TooManyRequests {
        /// When to try again.
        retry_after: Duration,
    },
}

impl From<Over> for Refused {
    fn from(over: Over) -> Self {
        match over {
            Over::Plan { limit, retry_after, reset } => {
                Self::OverPlan { limit, retry_after, reset }
            }
            Over::Rate { retry_after } => Self::TooManyRequests { retry_after },
        }
    }
}

type Answer = Vec<Result<Accepted, Refused>>;

struct Asked {
    project: ProjectId,
    key: Option<KeyId>,
    events: Vec<NewEvent>,
    trace: Option<String>,
    reply: oneshot::Sender<Answer>,
}

/// Takes events in, within the limits. Cheap to clone.
#[derive(Clone)]
pub struct Accept {
    rates: Arc<Rates>,
    catalogues: Arc<Catalogues>,
    asks: mpsc::Sender<Asked>,
}

struct Committer {
    store: Store,
    queue: Arc<dyn Queue>,
    /// Whether the queue lives in the store, so that its jobs are committed with the events.
    jobs_here: bool,
    clock: Clock,
    config: AcceptConfig,
    enqueuing: Arc<Semaphore>,
    /// Whose turn it is to commit.
    turn: Arc<Semaphore>,
    /// What the last commit was like.
    last: Arc<StdMutex<Last>>,
}

/// Whose events they are, the key that they came with if they came with one, and the trace that they belong to.
type Source = (ProjectId, Option<KeyId>, Option<String>);

const AWAY: Refused = Refused::Unavailable { retry_after: Duration::from_secs(1) };

/// How long a commit keeps the next one waiting, which grows meanwhile: most are done sooner, and one that hangs holds
/// nobody up.
const OVERTAKING: Duration = Duration::from_millis(10);

/// How long requests are gathered at most.
const GATHERING: Duration = Duration::from_millis(2);

/// How many pushes to the queue may be under way: beyond it the queue is slow or away, and the due loop finds the events.
const PUSHES: usize = 32;

impl Accept {
    /// Starts the committers; they end when the last handle is gone.
    pub fn start(
        store: &Store,
        queue: &Arc<dyn Queue>,
        jobs_here: bool,
        clock: &Clock,
        (rates, catalogues): (Arc<Rates>, Arc<Catalogues>),
        config: &AcceptConfig,
    ) -> Self {
        let (asks, waiting) = mpsc::channel(4096);
        let waiting = Arc::new(Mutex::new(waiting));
        let enqueuing = Arc::new(Semaphore::new(PUSHES));
        let turn = Arc::new(Semaphore::new(1));
        let last = Arc::default();
        for _ in 0..config.committers {
            let committer = Committer {
                store: store.clone(),
                queue: Arc::clone(queue),
                jobs_here,
                clock: clock.clone(),
                config: config.clone(),
                enqueuing: Arc::clone(&enqueuing),
                turn: Arc::clone(&turn),
                last: Arc::clone(&last),
            };
            tokio::spawn(committer.run(Arc::clone(&waiting)));
        }
        Self { rates, catalogues, asks }
    }

    /// Keeps events; one answer for each, in order. They are committed when it answers.
    pub async fn accept(
        &self,
        project: ProjectId,
        key: Option<KeyId>,
        events: Vec<NewEvent>,
    ) -> Answer {
        let count = events.len();
        if let Err(over) = self.rates.take_events(project, count) {
            return vec![Err(over.into()); count];
        }
        match self.catalogues.judge(project, &events).await {
            Ok(None) => self.keep(project, key, events).await,
            Ok(Some(judged)) => self.keep_those_that_fit(project, key, events, judged).await,
            Err(error) => {
                tracing::warn!(%error, events = count, "the event types of a project were not read");
                vec![Err(AWAY); count]
            }
        }
    }

    /// Keeps the events that the catalogue does not refuse, each answer in the place of its event.
    async fn keep_those_that_fit(
        &self,
        project: ProjectId,
        key: Option<KeyId>,
        events: Vec<NewEvent>,
        judged: Vec<Judgement>,
    ) -> Answer {
        let fits = |(event, judgement): (NewEvent, &Judgement)| {
            matches!(judgement, Judgement::Fine(_)).then_some(event)
        };
        let fitting: Vec<NewEvent> = events.into_iter().zip(&judged).filter_map(fits).collect();
        let kept =
            if fitting.is_empty() { Vec::new() } else { self.keep(project, key, fitting).await };
        let mut kept = kept.into_iter();
        let answer = |judgement| match judgement {
            Judgement::Refused(faults) => Err(Refused::Invalid(faults)),
            Judgement::Fine(warnings) => {
                kept.next().unwrap_or(Err(AWAY)).map(|one| Accepted { warnings, ..one })
            }
        };
        judged.into_iter().map(answer).collect()
    }

    async fn keep(&self, project: ProjectId, key: Option<KeyId>, events: Vec<NewEvent>) -> Answer {
        let count = events.len();
        let (reply, answer) = oneshot::channel();
        let trace = current_traceparent();
        let sent = self.asks.send(Asked { project, key, events, trace, reply }).await;
        let away = || vec![Err(AWAY); count];
        if sent.is_err() {
            return away();
        }
        answer.await.unwrap_or_else(|_| away())
    }
}

impl Committer {
    async fn run(self, waiting: Arc<Mutex<mpsc::Receiver<Asked>>>) {
        loop {
            let mut asks = Vec::new();
            let mut turn = None;
            {
                let mut waiting = waiting.lock().await;
                if waiting.recv_many(&mut asks, self.config.batch).await == 0 {
                    return;
                }
                if asks.len() < self.config.batch {
                    let before = Arc::clone(&self.turn).acquire_owned();
                    turn = tokio::time::timeout(OVERTAKING, before).await.ok();
                }
                drain(&mut waiting, &mut asks, self.config.batch);
                if turn.is_some() {
                    self.gather(&mut waiting, &mut asks).await;
                }
            }
            let (requests, began) = (asks.len(), Instant::now());
            self.commit(asks).await;
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Last::new(requests, began);
            drop(turn);
        }
    }

    /// Waits for those who are likely to come now. It is cheaper for all to commit them together with those who are here
    /// than to have two batches take turns. Not for all of them, for some are slow.
    async fn gather(&self, waiting: &mut mpsc::Receiver<Asked>, asks: &mut Vec<Asked>) {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(expected) = last.expected(asks.len(), last.took(), Instant::now()) else { return };
        let wanted = (expected * 3 / 4).min(self.config.batch);
        let gathering = async {
            while asks.len() < wanted {
                let room = self.config.batch - asks.len();
                if waiting.recv_many(asks, room).await == 0 {
                    return;
                }
            }
        };
        // No longer than a commit takes, for nobody should wait for what would have cost less. Whoever came by then is in
        // `asks`, whether it was enough or not.
        let _ = tokio::time::timeout(last.took().min(GATHERING), gathering).await;
    }

    async fn commit(&self, asks: Vec<Asked>) {
        // The ids carry this moment: what commits much later than its id says would be overlooked by forward readers.
        let now = self.clock.now();
        let mut incoming = Vec::new();
        let mut replies = Vec::with_capacity(asks.len());
        for ask in asks {
            replies.push((ask.events.len(), ask.reply));
            let from = (ask.project, ask.key, ask.trace);
            incoming.extend(ask.events.into_iter().map(|event| self.incoming(&from, event, now)));
        }
        metrics::histogram!("bellbuoy_accept_batch_events").record(incoming.len() as f64);
        let incoming = Arc::new(incoming);
        let mut outcomes = self.keep(Arc::clone(&incoming), now).await;
        let fresh: Vec<bool> =
            outcomes.iter().map(|outcome| matches!(outcome, Ok(Taken::New))).collect();
        let mut answers: Vec<_> = incoming
            .iter()
            .zip(outcomes.drain(..))
            .map(|(one, outcome)| answer(one, outcome))
            .collect();
        for (count, reply) in replies {
            // Whoever asked may have gone away; the events stay.
            let _ = reply.send(answers.drain(..count).collect());
        }
        if !self.jobs_here {
            let kept: Vec<&Incoming> = incoming
                .iter()
                .zip(fresh)
                .filter(|(_, fresh)| *fresh)
                .map(|(one, _)| one)
                .collect();
            self.enqueue(&kept);
        }
    }

    fn incoming(&self, from: &Source, new: NewEvent, now: Time) -> Incoming {
        let (project, key, trace) = from;
        let idempotency = new.idempotency;
        let expires_at = now.plus(self.config.idempotency_ttl);
        let event = Event {
            id: EventId::fresh(now),
            kind: new.kind,
            source: new.source,
            subject: new.subject,
            payload: new.payload,
            occurred_at: new.occurred_at,
            received_at: now,
            idempotency_key: idempotency.as_ref().and_then(|one| one.key.clone()),
            correlation_id: new.correlation_id,
            replay_of: new.replay_of,
            key_id: *key,
        };
        let key =
            idempotency.map(|one| IdempotencyKey { hash: one.hash, body: one.body, expires_at });
        Incoming { project: *project, event, key, trace: trace.clone() }
    }

    /// Keeps a batch; one that the store refuses is halved until the bad event stands alone.
    async fn keep(&self, batch: Arc<Vec<Incoming>>, now: Time) -> Vec<Result<Taken, Refused>> {
        let jobs = self.jobs_here.then(|| self.jobs_maker(now));
        let kept = self.store.accept_events(Arc::clone(&batch), jobs, now);
        match tokio::time::timeout(self.config.commit_timeout, kept).await {
            Ok(Ok(taken)) => taken.into_iter().map(Ok).collect(),
            Ok(Err(error)) if error.is_passing() => {
                tracing::warn!(%error, events = batch.len(), "events were not kept");
                vec![Err(AWAY); batch.len()]
            }
            Ok(Err(error)) => self.halve(&batch, error, now).await,
            Err(_) => {
                tracing::warn!(events = batch.len(), "the store did not commit in time");
                vec![Err(AWAY); batch.len()]
            }
        }
    }

    async fn halve(
        &self,
        batch: &[Incoming],
        error: StoreError,
        now: Time,
    ) -> Vec<Result<Taken, Refused>> {
        let [_, _, ..] = batch else {
            tracing::error!(%error, project = ?batch.first().map(|one| one.project), "the store refuses an event");
            let fault = Fault::new("", FaultCode::Invalid, "the store can't hold this event");
            return vec![Err(Refused::Invalid(vec![fault])); batch.len()];
        };
        let (left, right) = batch.split_at(batch.len() / 2);
        let mut outcomes = Box::pin(self.keep(Arc::new(left.to_vec()), now)).await;
        outcomes.extend(Box::pin(self.keep(Arc::new(right.to_vec()), now)).await);
        outcomes
    }

    fn jobs_maker(&self, now: Time) -> MakeJobs {
        if !self.queue.carries_events() {
            return Arc::new(move |project, events| enqueue::names(project, events, now));
        }
        let inline = self.config.inline_job_bytes.as_usize();
        Arc::new(move |project, events| enqueue::jobs(project, events, inline, now))
    }

    fn enqueue(&self, kept: &[&Incoming]) {
        let jobs = jobs_for(kept, &self.jobs_maker(self.clock.now()));
        let Ok(permit) = Arc::clone(&self.enqueuing).try_acquire_owned() else {
            metrics::counter!("bellbuoy_enqueue_failures_total").increment(jobs.len() as u64);
            return;
        };
        if jobs.is_empty() {
            return;
        }
        let queue = Arc::clone(&self.queue);
        tokio::spawn(async move {
            let count = jobs.len() as u64;
            if let Err(error) = queue.push(jobs).await {
                metrics::counter!("bellbuoy_enqueue_failures_total").increment(count);
                tracing::debug!(%error, "jobs were not enqueued; the due loop will find the events");
            }
            drop(permit);
        });
    }
}

/// Takes what is there, as long as there is room.
fn drain(waiting: &mut mpsc::Receiver<Asked>, asks: &mut Vec<Asked>, most: usize) {
    while asks.len() < most {
        let Ok(ask) = waiting.try_recv() else { break };
        asks.push(ask);
    }
}

fn answer(one: &Incoming, outcome: Result<Taken, Refused>) -> Result<Accepted, Refused> {
    let accepted =
        |id, received_at, replayed| Accepted { id, received_at, replayed, warnings: Vec::new() };
    match outcome? {
        Taken::New => {
            metrics::counter!("bellbuoy_events_accepted_total").increment(1);
            Ok(accepted(one.event.id, one.event.received_at, false))
        }
        Taken::Replay(id) => Ok(accepted(id, time_of(id.0), true)),
        Taken::Conflict => Err(Refused::Conflict),
        Taken::Unanswered => Err(AWAY),
    }
}
