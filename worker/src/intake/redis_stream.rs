//! Streams in Redis, one for each project, on one connection. Entries that a consumer left are taken by another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::entry::{Arrival, ENVELOPE, HEAD, Intake};
use domain::id::ProjectId;
use futures_util::future::join_all;
use redis_link::Link;
use redis_link::stream::{self, BEGINNING, Most, Reading, Streams};
use tokio_util::sync::CancellationToken;

use super::{Content, Entry, Reader, STATUS};
use crate::Worker;

/// How long Redis may take for an answer.
const PATIENCE: Duration = Duration::from_millis(1800);
/// How often streams that had nothing are looked at.
const POLL: Duration = Duration::from_millis(250);
/// How many streams are read at once.
const AT_ONCE: usize = 8;
/// How many entries of a stream are taken at once.
const ENTRIES: usize = 64;
/// After what time an entry is no longer its consumer's.
const IDLE: Duration = Duration::from_secs(30);
/// How often such entries are looked for.
const CLAIM: Duration = Duration::from_secs(10);
/// How often a stream is trimmed.
const TIDY: Duration = Duration::from_secs(60);
/// How long a stream that can't be read is left alone.
const FAILED: Duration = Duration::from_secs(1);

/// What a stream is read by.
struct State {
    stream: String,
    /// Whether this consumer may hold entries that are not done.
    own: bool,
    /// How many entries are taken at once: fewer while a limit lets few of them pass.
    entries: usize,
    rests_until: Option<Instant>,
    claims_at: Option<Instant>,
    /// Where to go on claiming.
    cursor: String,
    looked_at: Option<Instant>,
    tidied_at: Option<Instant>,
}

impl State {
    fn new(stream: String) -> Self {
        Self {
            stream,
            own: false,
            entries: ENTRIES,
            rests_until: None,
            claims_at: None,
            cursor: BEGINNING.to_owned(),
            looked_at: None,
            tidied_at: None,
        }
    }

    fn rest(&mut self, span: Duration) {
        self.rests_until = Some(Instant::now() + span);
    }

    fn reading(&self) -> Reading {
        let claims = self.claims_at.is_none_or(|at| at <= Instant::now());
        match self.own {
            true => Reading::Own,
            false if claims => Reading::Left(self.cursor.clone()),
            false => Reading::New,
        }
    }
}

/// Whether that was so long ago that it is to be done again.
fn is_over(at: Option<Instant>, span: Duration) -> bool {
    at.is_none_or(|at| at.elapsed() >= span)
}

/// Reads until `stop`.
pub(super) async fn run(worker: Arc<Worker>, stop: &CancellationToken) {
    let Some(url) = worker.app.config.intake_redis() else { return };
    let link = match Link::open(url.expose(), PATIENCE) {
        Ok(link) => link,
        Err(error) => {
            return tracing::error!(error, "streams are not read: Redis has no such address");
        }
    };
    let streams = Streams::new(link, worker.app.registry.id().to_string());
    let reader = Reader::new(Arc::clone(&worker), Intake::RedisStream);
    let mut states: BTreeMap<ProjectId, State> = BTreeMap::new();
    while !stop.is_cancelled() {
        if !round(&reader, &streams, &mut states, stop).await {
            let _ = stop.run_until_cancelled(tokio::time::sleep(POLL)).await;
        }
    }
    reader.finish().await;
}

/// Gives each project that is to be read a turn; answers whether there may be more at once.
async fn round(
    reader: &Reader,
    streams: &Streams,
    states: &mut BTreeMap<ProjectId, State>,
    stop: &CancellationToken,
) -> bool {
    let app = &reader.worker.app;
    let projects: Vec<ProjectId> =
        app.epochs.with_intake(Intake::RedisStream).into_iter().map(|(id, _)| id).collect();
    states.retain(|project, _| projects.binary_search(project).is_ok());
    reader.keep(&projects);
    for project in projects {
        let Some(stream) = app.intakes.names.of(Intake::RedisStream, project) else { continue };
        states.entry(project).or_insert_with(|| State::new(stream));
    }
    let mut found = false;
    let mut all: Vec<(&ProjectId, &mut State)> = states.iter_mut().collect();
    for some in all.chunks_mut(AT_ONCE) {
        if stop.is_cancelled() {
            return false;
        }
        let turns = some.iter_mut().map(|(project, state)| turn(reader, streams, **project, state));
        found |= join_all(turns).await.into_iter().any(|found| found);
    }
    found
}

/// Takes some entries of a stream; answers whether there may be more at once.
async fn turn(reader: &Reader, streams: &Streams, project: ProjectId, state: &mut State) -> bool {
    if !reader.reads(project) {
        return false;
    }
    let rests = state.rests_until.is_some_and(|until| until > Instant::now());
    let mut found = false;
    if !rests {
        found = match take(reader, streams, project, state).await {
            Ok(found) => found,
            Err(error) => {
                reader.fail(project, &error);
                state.rest(FAILED);
                false
            }
        };
    }
    if is_over(state.looked_at, STATUS) {
        state.looked_at = Some(Instant::now());
        let tidy = is_over(state.tidied_at, TIDY);
        match streams.look(&state.stream, tidy).await {
            Ok(standing) => {
                if tidy {
                    state.tidied_at = Some(Instant::now());
                }
                reader.stand(project, standing.waiting, standing.pending);
            }
            Err(error) => reader.fail(project, &error),
        }
    }
    reader.write(project).await;
    found
}

async fn take(
    reader: &Reader,
    streams: &Streams,
    project: ProjectId,
    state: &mut State,
) -> Result<bool, String> {
    let max_payload = reader.max_payload();
    let (bytes, head) = (max_payload + ENVELOPE, HEAD);
    let most = Most { entries: state.entries, bytes, head, idle: IDLE };
    let reading = state.reading();
    // Until it answers: what was taken when no answer came is this consumer's all the same.
    let held = std::mem::replace(&mut state.own, true);
    let taken = streams.take(&state.stream, &reading, most).await?;
    state.own = held;
    if matches!(reading, Reading::Left(_)) {
        state.cursor = taken.cursor;
        if state.cursor == BEGINNING {
            state.claims_at = Some(Instant::now() + CLAIM);
        }
    }
    // What was held before is read until there is nothing of it.
    state.own = taken.more_own || (reading == Reading::Own && !taken.entries.is_empty());
    let entries: Vec<Entry<String>> =
        taken.entries.into_iter().map(|one| entry(&state.stream, one, max_payload)).collect();
    let count = entries.len();
    let settled = reader.settle(project, entries).await;
    if !settled.left.is_empty() {
        state.own = true;
        state.entries = (state.entries / 2).max(1);
        state.rest(settled.pause);
    } else if count > 0 {
        state.entries = (state.entries * 2).min(ENTRIES);
    }
    if let Err(error) = streams.done(&state.stream, &settled.done).await {
        // They are kept: when they come again, they are found to be.
        state.own = true;
        return Err(error);
    }
    Ok(count > 0)
}

fn entry(stream: &str, one: stream::Entry, max_payload: usize) -> Entry<String> {
    // An id begins with the time at which it was made, unless the producer chose another.
    let sent = one.id.split('-').next().and_then(|time| time.parse().ok()).unwrap_or(i64::MAX);
    Entry {
        arrival: Arrival::of_stream(stream, &one.id, max_payload),
        handle: one.id.clone(),
        id: one.id,
        sent,
        size: one.size,
        content: Content::Fields(one.fields),
    }
}
