//! Queues in SQS, one for each project. A call that waits for messages holds a connection, so that only some queues are
//! waited for at once; the others take turns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::entry::{Arrival, Intake};
use domain::id::ProjectId;
use queue::open::place;
use queue::sqs::intake::{Message, Receipt, SqsIntake};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Content, Entry, Reader, STATUS};
use crate::Worker;

/// How many queues are waited for at once. Each may hold ten messages, of a megabyte at most.
const AT_ONCE: usize = 8;
/// How many messages are received at once: as many as SQS gives.
const MESSAGES: usize = 10;
/// For how long a message is hidden from others once it was received.
const VISIBILITY: Duration = Duration::from_secs(30);
/// How long is waited for the messages of one queue while others wait for their turn.
const TURN: Duration = Duration::from_secs(1);
/// How often is looked for a queue whose turn it is, when there is none.
const POLL: Duration = Duration::from_millis(250);
/// How long a queue that can't be read is left alone.
const FAILED: Duration = Duration::from_secs(5);

/// What a queue is read by.
#[derive(Default)]
struct State {
    /// Where it is, once that was asked.
    url: Option<String>,
    /// The URL that the settings name.
    named: Option<String>,
    busy: bool,
    /// When its turn was last, counted by turns.
    turn: u64,
    rests_until: Option<Instant>,
    looked_at: Option<Instant>,
}

struct Queues {
    reader: Reader,
    sqs: SqsIntake,
    states: Mutex<BTreeMap<ProjectId, State>>,
    stop: CancellationToken,
}

/// Reads until `stop`.
pub(super) async fn run(worker: Arc<Worker>, stop: &CancellationToken) {
    let config = &worker.app.config;
    let Some(url) = config.intake_sqs() else { return };
    let sqs = match SqsIntake::open(place(config, url), VISIBILITY) {
        Ok(sqs) => sqs,
        Err(error) => return tracing::error!(%error, "queues of producers are not read"),
    };
    let reader = Reader::new(Arc::clone(&worker), Intake::Sqs);
    let queues = Queues { reader, sqs, states: Mutex::default(), stop: stop.clone() };
    let queues = Arc::new(queues);
    let (slots, tasks) = (Arc::new(Semaphore::new(AT_ONCE)), TaskTracker::new());
    while let Some(Ok(slot)) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let Some((project, wait)) = queues.next() else {
            drop(slot);
            let _ = stop.run_until_cancelled(tokio::time::sleep(POLL)).await;
            continue;
        };
        let queues = Arc::clone(&queues);
        tasks.spawn(async move {
            let taking = Arc::clone(&queues);
            // On a task of its own, so that a queue whose turn panicked has another.
            if tokio::spawn(async move { taking.turn(project, wait).await }).await.is_err() {
                queues.reader.fail(project, "reading it panicked");
                queues.rest(project, FAILED);
            }
            queues.with(project, |state| state.busy = false);
            drop(slot);
        });
    }
    tasks.close();
    tasks.wait().await;
    queues.reader.finish().await;
}

impl Queues {
    fn states(&self) -> MutexGuard<'_, BTreeMap<ProjectId, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, project: ProjectId, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.states().get_mut(&project) {
            change(state);
        }
    }

    fn rest(&self, project: ProjectId, span: Duration) {
        self.with(project, |state| state.rests_until = Some(Instant::now() + span));
    }

    /// The project that had its turn longest ago, if any may have one, and how long to wait for its messages.
    fn next(&self) -> Option<(ProjectId, Duration)> {
        let read = self.reader.worker.app.epochs.with_intake(Intake::Sqs);
        let projects: Vec<ProjectId> = read.iter().map(|(project, _)| *project).collect();
        self.reader.keep(&projects);
        let mut states = self.states();
        states.retain(|project, state| state.busy || projects.binary_search(project).is_ok());
        for (project, tenancy) in read {
            let state = states.entry(project).or_default();
            let named = tenancy.intake.queue_url();
            if state.named.as_deref() != named {
                (state.named, state.url) = (named.map(str::to_owned), None);
            }
        }
        let now = Instant::now();
        let last = states.values().map(|state| state.turn).max().unwrap_or_default();
        let free = |(_, state): &(&ProjectId, &mut State)| {
            !state.busy && state.rests_until.is_none_or(|until| until <= now)
        };
        let wait = self.sqs.wait().min(STATUS);
        let wait = if states.len() > AT_ONCE { wait.min(TURN) } else { wait };
        let found = states.iter_mut().filter(free).min_by_key(|(_, state)| state.turn);
        let (project, state) = found?;
        (state.busy, state.turn) = (true, last + 1);
        Some((*project, wait))
    }

    async fn turn(&self, project: ProjectId, wait: Duration) {
        if !self.reader.reads(project) {
            return;
        }
        if let Err(error) = self.take(project, wait).await {
            self.reader.fail(project, &error.0);
            // Whatever was known of the queue may be what is wrong.
            self.with(project, |state| state.url = None);
            self.rest(project, FAILED);
        }
        self.reader.write(project).await;
    }

    async fn take(&self, project: ProjectId, wait: Duration) -> Result<(), queue::QueueError> {
        let url = self.url(project).await?;
        let messages = self.sqs.receive(&url, MESSAGES, wait, &self.stop).await?;
        if !self.reader.reads(project) {
            // It was switched off meanwhile.
            let receipts = messages.into_iter().map(|one| one.receipt).collect();
            return self.sqs.put_off(&url, receipts, Duration::ZERO).await;
        }
        let max_payload = self.reader.max_payload();
        let entries = messages.into_iter().map(|one| entry(one, max_payload)).collect();
        let settled = self.reader.settle(project, entries).await;
        // What is not deleted comes again, and is found to be kept.
        let deleted = self.sqs.delete(&url, settled.done).await;
        if !settled.left.is_empty() {
            self.rest(project, settled.pause);
            self.sqs.put_off(&url, settled.left, settled.pause).await?;
        }
        deleted?;
        self.look(project, &url).await
    }

    async fn look(&self, project: ProjectId, url: &str) -> Result<(), queue::QueueError> {
        let mut is_time = false;
        self.with(project, |state| {
            is_time = state.looked_at.is_none_or(|at| at.elapsed() >= STATUS);
            if is_time {
                state.looked_at = Some(Instant::now());
            }
        });
        if is_time {
            let depth = self.sqs.depth(url).await?;
            let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            self.reader.stand(project, count(depth.waiting), count(depth.held));
        }
        Ok(())
    }

    /// Where the queue of a project is: as its settings say, else where SQS has that of its name.
    async fn url(&self, project: ProjectId) -> Result<String, queue::QueueError> {
        let mut known = None;
        self.with(project, |state| known = state.named.clone().or_else(|| state.url.clone()));
        if let Some(url) = known {
            return Ok(url);
        }
        let name = self.reader.worker.app.intakes.names.of(Intake::Sqs, project);
        let name = name.ok_or_else(|| {
            queue::QueueError("the prefix of queues is too long for those of projects".to_owned())
        })?;
        let url = self.sqs.find(&name).await?;
        self.with(project, |state| state.url = Some(url.clone()));
        Ok(url)
    }
}

fn entry(one: Message, max_payload: usize) -> Entry<Receipt> {
    Entry {
        arrival: Arrival::of_message(&one.id, max_payload),
        handle: one.receipt,
        id: one.id,
        sent: one.sent,
        size: one.body.len(),
        content: Content::Text(one.body),
    }
}
