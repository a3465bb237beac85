//! Ways for events into projects besides the API: streams in Redis and queues in SQS. Every worker reads those that are
//! switched on. An entry is taken like an event of the API, and is done only once it is committed, or kept as rejected.

mod redis_stream;
mod sqs;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::entry::{self, Arrival, HEAD, Intake};
use domain::fault::{Fault, FaultCode};
use domain::id::{ProjectId, derived, floor};
use domain::intake::NewEvent;
use domain::time::Time;
use services::accept::Refused;
use store::intake::{IntakeNote, RejectedEntry};
use tokio_util::sync::CancellationToken;

use crate::Worker;

/// How often it is written down how an intake stands.
const STATUS: Duration = Duration::from_secs(10);
/// How often it is while something goes wrong.
const TROUBLE: Duration = Duration::from_secs(1);
/// How often is warned of what keeps an intake from being read.
const WARN: Duration = Duration::from_secs(60);
/// How long what was not taken waits at least and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// How long what could not be kept as rejected waits.
const AWAY: Duration = Duration::from_secs(1);

/// Reads all of them until `stop`.
pub(crate) async fn run(worker: Arc<Worker>, stop: CancellationToken) {
    tokio::join!(redis_stream::run(Arc::clone(&worker), &stop), sqs::run(worker, &stop));
}

/// What an entry consists of.
enum Content {
    /// Fields, as a stream has them.
    Fields(Vec<(Vec<u8>, Vec<u8>)>),
    /// A text, as a queue has it.
    Text(String),
}

/// An entry as it was read.
struct Entry<K> {
    /// What it is marked as done by.
    handle: K,
    /// Its id.
    id: String,
    /// When it was put there, in milliseconds.
    sent: i64,
    /// How many bytes it has, of which the content may be the beginning only.
    size: usize,
    content: Content,
    arrival: Arrival,
}

impl<K> Entry<K> {
    fn judge(&self) -> Result<NewEvent, Vec<Fault>> {
        let max_payload = self.arrival.max_payload;
        if self.size > max_payload + entry::ENVELOPE {
            return Err(vec![entry::too_large(self.size, max_payload)]);
        }
        match &self.content {
            Content::Fields(fields) => entry::of_fields(fields, self.arrival),
            Content::Text(text) => entry::of_text(text.as_bytes(), self.arrival),
        }
    }

    fn rejected(&self, faults: &[Fault], now: Time) -> RejectedEntry {
        let mut body = match &self.content {
            Content::Fields(fields) => entry::body_of(fields),
            Content::Text(text) => text.as_bytes().to_vec(),
        };
        body.truncate(HEAD);
        let intake = self.arrival.intake;
        let sent = Time::from_micros(self.sent.max(0).saturating_mul(1000));
        let parts: [&[u8]; 2] = [intake.as_str().as_bytes(), self.id.as_bytes()];
        RejectedEntry {
            id: derived(floor(sent), "rejected_entry", &parts),
            intake,
            entry_id: self.id.chars().take(255).collect(),
            reason: entry::reason(faults),
            body,
            size: i64::try_from(self.size).unwrap_or(i64::MAX),
            received_at: now,
        }
    }
}

/// What became of entries.
struct Settled<K> {
    /// They are kept, as events or as rejected.
    done: Vec<K>,
    /// They are to be tried again.
    left: Vec<K>,
    /// After that time.
    pause: Duration,
}

/// What is known of an intake of a project and not written down yet.
#[derive(Default)]
struct Noted {
    note: IntakeNote,
    written: Option<Instant>,
    waiting: i64,
}

/// Takes the entries of one kind of intake, and notes how its projects stand.
struct Reader {
    worker: Arc<Worker>,
    intake: Intake,
    noted: Mutex<BTreeMap<ProjectId, Noted>>,
    warned: Mutex<Option<Instant>>,
}

impl Reader {
    fn new(worker: Arc<Worker>, intake: Intake) -> Self {
        Self { worker, intake, noted: Mutex::default(), warned: Mutex::default() }
    }

    fn max_payload(&self) -> usize {
        self.worker.app.config.accept.max_payload.as_usize()
    }

    /// Whether a project is to be read, as far as it is known by now.
    fn reads(&self, project: ProjectId) -> bool {
        self.worker.app.epochs.has_intake(project, self.intake)
    }

    fn noted(&self) -> MutexGuard<'_, BTreeMap<ProjectId, Noted>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets projects that are not read.
    fn keep(&self, projects: &[ProjectId]) {
        self.noted().retain(|project, _| projects.binary_search(project).is_ok());
    }

    /// Makes events of entries, or keeps them as rejected. What it calls done is committed.
    async fn settle<K>(&self, project: ProjectId, entries: Vec<Entry<K>>) -> Settled<K> {
        let (app, now) = (&self.worker.app, self.worker.app.clock.now());
        let mut settled =
            Settled { done: Vec::with_capacity(entries.len()), left: Vec::new(), pause: PAUSES.0 };
        if entries.is_empty() {
            return settled;
        }
        let (mut events, mut good, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for one in entries {
            match one.judge() {
                Ok(event) => {
                    events.push(event);
                    good.push(one);
                }
                Err(faults) => bad.push((one, faults)),
            }
        }
        let results = match events.is_empty() {
            true => Vec::new(),
            false => app.events.accept(project, None, events).await,
        };
        let mut why = None;
        let (mut accepted, mut replayed) = (0, 0);
        for (one, result) in good.into_iter().zip(results) {
            match result {
                Ok(kept) => {
                    if kept.replayed {
                        replayed += 1
                    } else {
                        accepted += 1
                    }
                    settled.done.push(one.handle);
                }
                Err(Refused::Invalid(faults)) => bad.push((one, faults)),
                Err(Refused::Conflict) => bad.push((one, vec![used_before()])),
                Err(refused) => {
                    let (pause, text) = put_off(&refused);
                    settled.pause = settled.pause.max(pause.min(PAUSES.1));
                    why = Some(text);
                    settled.left.push(one.handle);
                }
            }
        }
        let mut rejected = 0;
        if !bad.is_empty() {
            let rows = bad.iter().map(|(one, faults)| one.rejected(faults, now)).collect();
            let handles = bad.into_iter().map(|(one, _)| one.handle);
            match app.store.reject_entries(project, rows).await {
                Ok(()) => {
                    rejected = handles.len() as u64;
                    settled.done.extend(handles);
                }
                Err(error) => {
                    settled.pause = settled.pause.max(AWAY);
                    why = Some(format!("rejected entries were not kept: {error}"));
                    settled.left.extend(handles);
                }
            }
        }
        self.count("accepted", accepted);
        self.count("replayed", replayed);
        self.count("rejected", rejected);
        self.count("put_off", settled.left.len() as u64);
        let mut noted = self.noted();
        let note = &mut noted.entry(project).or_default().note;
        note.accepted += i64::try_from(accepted).unwrap_or(i64::MAX);
        note.rejected += i64::try_from(rejected).unwrap_or(i64::MAX);
        note.last_entry_at = Some(now);
        if let Some(why) = why {
            note.last_error = Some((why, now));
        }
        settled
    }

    fn count(&self, outcome: &'static str, entries: u64) {
        let intake = self.intake.as_str();
        metrics::counter!("bellbuoy_intake_entries_total", "intake" => intake, "outcome" => outcome)
            .increment(entries);
    }

    /// Notes that a project's entries can't be read.
    fn fail(&self, project: ProjectId, error: &str) {
        let now = self.worker.app.clock.now();
        self.noted().entry(project).or_default().note.last_error = Some((error.to_owned(), now));
        let intake = self.intake.as_str();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        // What is away is away for all projects: one line tells it.
        if warned.is_none_or(|at| at.elapsed() >= WARN) {
            *warned = Some(Instant::now());
            tracing::warn!(%project, intake, error, "an intake is not read; it is tried again");
        } else {
            tracing::debug!(%project, intake, error, "an intake is not read; it is tried again");
        }
    }

    /// Notes how much there is.
    fn stand(&self, project: ProjectId, waiting: i64, pending: i64) {
        let mut noted = self.noted();
        let one = noted.entry(project).or_default();
        one.waiting = waiting;
        (one.note.waiting, one.note.pending) = (Some(waiting), Some(pending));
        let all: i64 = noted.values().map(|one| one.waiting).fold(0, i64::saturating_add);
        metrics::gauge!("bellbuoy_intake_lag", "intake" => self.intake.as_str()).set(all as f64);
    }

    /// Writes down how the projects stand, at the end.
    async fn finish(&self) {
        let projects: Vec<ProjectId> = self.noted().keys().copied().collect();
        for project in projects {
            self.noted().entry(project).or_default().written = None;
            self.write(project).await;
        }
    }

    /// Writes down how a project stands, unless that was done a moment ago.
    async fn write(&self, project: ProjectId) {
        let note = {
            let mut noted = self.noted();
            let Some(one) = noted.get_mut(&project) else { return };
            // What went wrong is to be seen while it is.
            let every = if one.note.last_error.is_some() { TROUBLE } else { STATUS };
            let soon = one.written.is_some_and(|at| at.elapsed() < every);
            if soon || one.note == IntakeNote::default() {
                return;
            }
            one.written = Some(Instant::now());
            std::mem::take(&mut one.note)
        };
        let (app, counts) = (&self.worker.app, (note.accepted, note.rejected));
        let written = app.store.note_intake(project, self.intake, note, app.clock.now()).await;
        if let Err(error) = written {
            tracing::debug!(%project, %error, "how an intake stands was not written down");
            let mut noted = self.noted();
            let note = &mut noted.entry(project).or_default().note;
            note.accepted += counts.0;
            note.rejected += counts.1;
        }
    }
}

fn used_before() -> Fault {
    let message = "the key was used before, with another event; give each event a key of its own";
    Fault::new("idempotency_key", FaultCode::Duplicate, message)
}

/// How long what was refused for a while waits, and why.
fn put_off(refused: &Refused) -> (Duration, String) {
    match refused {
        Refused::OverPlan { limit, retry_after, .. } => {
            (*retry_after, format!("the plan allows {limit} events a minute; entries wait"))
        }
        Refused::TooManyRequests { retry_after } => {
            (*retry_after, "a limit of events a second is reached; entries wait".to_owned())
        }
        Refused::Unavailable { retry_after } => {
            (*retry_after, "the store is away; entries wait".to_owned())
        }
        // What is wrong for good is rejected, and not put off.
        Refused::Conflict | Refused::Invalid(_) => (PAUSES.0, "entries wait".to_owned()),
    }
}
