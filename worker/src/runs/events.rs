//! All events that match a filter: accepted once more, or deleted. Both go in the order of their receipt, and only through
//! what was there when it was asked for: a replay does not replay what it makes.

use std::collections::VecDeque;
use std::time::Duration;

use domain::event::Event;
use domain::event_filter::EventFilter;
use domain::id::EventId;
use domain::intake::NewEvent;
use domain::run::Run;
use services::accept::Refused;

use super::{Ended, Failure, Held};

/// How many events are read at a time.
const CHUNK: i64 = 200;

/// How many are accepted at a time.
const PIECE: usize = 50;

/// How long a pause is at most, when no more events are taken: the run must be held meanwhile.
const PAUSE: Duration = Duration::from_secs(5);

/// Accepts them once more.
pub(super) async fn replay(
    held: &mut Held<'_>,
    run: &Run,
    filter: &EventFilter,
) -> Result<Ended, Failure> {
    let filter = filter.before(run.created_at);
    while let Some((events, last)) = page(held, &filter).await? {
        let count = events.len() as i64;
        if !accept(held, run, events).await? || !moved(held, count, last).await? {
            return Ok(Ended::Left);
        }
    }
    Ok(Ended::Done(None))
}

/// Deletes them.
pub(super) async fn delete(
    held: &mut Held<'_>,
    run: &Run,
    filter: &EventFilter,
) -> Result<Ended, Failure> {
    let filter = filter.before(run.created_at);
    while let Some((events, last)) = page(held, &filter).await? {
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let deleted = held.worker.app.store.delete_events(held.project, &ids).await? as i64;
        held.progress.changed += deleted;
        held.progress.failed += ids.len() as i64 - deleted;
        if !moved(held, ids.len() as i64, last).await? {
            return Ok(Ended::Left);
        }
    }
    Ok(Ended::Done(None))
}

/// The next events that fit, and how far was looked for them; nothing at the end.
async fn page(
    held: &Held<'_>,
    filter: &EventFilter,
) -> store::Result<Option<(Vec<Event>, EventId)>> {
    let after = held.progress.cursor.map(EventId);
    let store = &held.worker.app.store;
    let mut events = store.events_in_order(held.project, filter.clone(), after, CHUNK).await?;
    let Some(last) = events.last().map(|event| event.id) else { return Ok(None) };
    events.retain(|event| filter.holds_inside(event));
    Ok(Some((events, last)))
}

/// Puts down how far it is; `false` when it is to be left.
async fn moved(held: &mut Held<'_>, count: i64, last: EventId) -> store::Result<bool> {
    held.progress.done += count;
    held.progress.cursor = Some(last.0);
    // Others of this worker get their turn.
    tokio::task::yield_now().await;
    held.report().await
}

/// Accepts events once more, each under a key that follows from it and the run, so that a worker that goes on after another
/// died makes none of them twice. What the limits refuse is tried again; `false` when the run is to be left.
async fn accept(held: &mut Held<'_>, run: &Run, events: Vec<Event>) -> Result<bool, Failure> {
    let run = run.id.to_string();
    let mut waiting: VecDeque<NewEvent> = events
        .into_iter()
        .map(|event| {
            let key = domain::intake::derived_key("replay", &[&run, &event.id.to_string()]);
            NewEvent::replay(event, Some(key))
        })
        .collect();
    // The limits take all of a request or nothing: where they are tight, fewer are sent at once.
    let mut size = PIECE;
    while !waiting.is_empty() {
        let piece: Vec<NewEvent> = waiting.iter().take(size).cloned().collect();
        let app = &held.worker.app;
        let results = app.events.accept(held.project, None, piece).await;
        let mut pause = None;
        for result in results {
            match result {
                Ok(_) => held.progress.changed += 1,
                Err(Refused::Conflict | Refused::Invalid(_)) => held.progress.failed += 1,
                Err(
                    Refused::Unavailable { retry_after }
                    | Refused::TooManyRequests { retry_after }
                    | Refused::OverPlan { retry_after, .. },
                ) => {
                    pause = Some(retry_after.min(PAUSE));
                    break;
                }
            }
            waiting.pop_front();
        }
        if let Some(pause) = pause {
            size = (size / 2).max(1);
            let stop = held.worker.stop.clone();
            let _ = tokio::time::timeout(pause, stop.cancelled()).await;
            if !held.report().await? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
