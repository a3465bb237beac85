//! Evaluating: look at the conditions, decide in one transaction, deliver the first step at once.

use std::sync::Arc;

use domain::evaluation::{Looked, Origin, look};
use domain::event::Event;
use domain::id::{EventId, ProjectId};
use domain::ruleset::RuleSet;
use runtime::app::App;
use store::StoreError;
use store::deliveries::{Claimed, Content, ContentEvent, NotificationContent};
use store::evaluations::{ClaimTerms, Done, Evaluating, Recorded};

use crate::Worker;
use crate::outbox::Room;

/// Evaluates events of one project. `false` when the store was away or this worker is to end, so that the caller's jobs must
/// come again; an event that fails by itself is counted in the store and found again by the due loop.
pub(crate) async fn evaluate(
    worker: &Arc<Worker>,
    project: ProjectId,
    mut events: Vec<Event>,
    singly: bool,
) -> bool {
    events.sort_by_key(|event| event.id);
    events.dedup_by_key(|event| event.id);
    let most = worker.app.config.evaluate.max_events_per_transaction;
    let mut fine = true;
    while !events.is_empty() {
        // What is not begun is left to others: there may be more of it than the grace has time for.
        if worker.stop.is_cancelled() {
            return false;
        }
        let rest = events.split_off(events.len().min(most));
        fine &= if singly {
            each(worker, project, &events).await
        } else {
            together(worker, project, &events).await
        };
        events = rest;
    }
    fine
}

async fn together(worker: &Arc<Worker>, project: ProjectId, events: &[Event]) -> bool {
    match attempt(worker, project, events).await {
        Ok(()) => true,
        Err(error) if error.is_passing() => {
            tracing::warn!(%project, %error, events = events.len(), "events were not evaluated; they come again");
            false
        }
        Err(error) => {
            tracing::error!(%project, %error, events = events.len(), "a batch failed to evaluate; each event is tried alone");
            each(worker, project, events).await
        }
    }
}

/// Tries each event alone, counting the attempt before it is made: none fails because of a neighbour.
async fn each(worker: &Arc<Worker>, project: ProjectId, events: &[Event]) -> bool {
    let mut fine = true;
    for event in events {
        if worker.stop.is_cancelled() {
            return false;
        }
        if let Err(error) = alone(worker, project, event).await {
            tracing::warn!(%project, event = %event.id, %error, "an event was not evaluated");
            fine &= !error.is_passing();
        }
    }
    fine
}

async fn alone(worker: &Arc<Worker>, project: ProjectId, event: &Event) -> Result<(), StoreError> {
    let app = &worker.app;
    // Rules that can't be read are no fault of the event's: it waits, and no attempt is counted.
    rules(app, project).await?;
    let begun = app.store.begin_event_attempt(
        project,
        event.id,
        "the attempt did not end",
        app.clock.now(),
    );
    // A job that came back has events in it that were evaluated before.
    let Some(attempts) = begun.await? else { return Ok(()) };
    if attempts > i64::from(app.config.evaluate.attempts) {
        let why = "every attempt to evaluate it failed";
        if app.store.fail_event(project, event.id, why, app.clock.now()).await? {
            tracing::error!(%project, event = %event.id, "an event is given up");
            metrics::counter!("bellbuoy_events_failed_total").increment(1);
        }
        return Ok(());
    }
    attempt(worker, project, std::slice::from_ref(event)).await
}

/// How often rules may change under an evaluation before it is left to a later try.
pub(super) const RELOADS: usize = 8;

pub(super) async fn rules(app: &App, project: ProjectId) -> Result<Arc<RuleSet>, StoreError> {
    app.rulesets.get(project).await.map_err(|error| error.for_another())
}

async fn attempt(
    worker: &Arc<Worker>,
    project: ProjectId,
    events: &[Event],
) -> Result<(), StoreError> {
    let app = &worker.app;
    for _ in 0..RELOADS {
        let set = rules(app, project).await?;
        let now = app.clock.now();
        let looked = events
            .iter()
            .map(|event| look(&set, event, now))
            .collect::<serde_json::Result<Vec<Looked>>>();
        let looked = looked.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let wanted =
            looked.iter().map(|one| one.matches.len()).sum::<usize>() * set.endpoints.len();
        let room = worker.outbox.room(wanted).await;
        let claim = ClaimTerms {
            token: domain::id::fresh(now),
            until: now.plus(app.config.delivery.claim),
            limit: room.len(),
            planned_at: now.plus(app.config.due.grace),
        };
        let batch = Evaluating {
            set: Arc::clone(&set),
            looked: Arc::new(looked),
            claim,
            jobs_here: app.jobs_here,
        };
        match app.store.record_evaluation(project, batch, now).await? {
            Recorded::Stale => app.rulesets.forget(project).await,
            Recorded::Held(status) => {
                tracing::debug!(%project, %status, "events are held");
                return Ok(());
            }
            Recorded::Done(done) => {
                count(&done);
                follow(worker, project, events, *done, claim, room).await;
                return Ok(());
            }
        }
    }
    Err(StoreError::Unavailable("the rules change faster than events can be evaluated".into()))
}

fn count(done: &Done) {
    metrics::counter!("bellbuoy_events_evaluated_total").increment(done.fresh.len() as u64);
    for one in &done.decision.matches {
        let reason = one.reason.map_or("", |reason| reason.as_str());
        metrics::counter!("bellbuoy_matches_total", "outcome" => one.outcome.as_str(), "reason" => reason).increment(1);
    }
}

/// Sends what was claimed and enqueues the rest for others.
async fn follow(
    worker: &Arc<Worker>,
    project: ProjectId,
    events: &[Event],
    done: Done,
    claim: ClaimTerms,
    room: Room,
) {
    worker.outbox.send(claimed(project, events, &done, claim), room);
    if !worker.app.jobs_here && !done.jobs.is_empty() {
        let count = done.jobs.len() as u64;
        if let Err(error) = worker.app.queue.push(done.jobs).await {
            metrics::counter!("bellbuoy_enqueue_failures_total").increment(count);
            tracing::debug!(%error, "jobs of deliveries were not enqueued; the due loop finds them");
        }
    }
}

/// The claimed deliveries with what they say, from memory: what was just written is not read back.
fn claimed(project: ProjectId, events: &[Event], done: &Done, claim: ClaimTerms) -> Vec<Claimed> {
    let made = &done.decision.deliveries[..done.claimed.len()];
    let claimed = made.iter().filter_map(|delivery| {
        let notification =
            done.decision.notifications.iter().find(|one| one.id == delivery.notification)?;
        let origin = EventId(notification.origin_id);
        let at = events.binary_search_by_key(&origin, |event| event.id).ok();
        let event = at.filter(|_| notification.origin == Origin::Event).map(|at| &events[at]);
        Some(Claimed {
            project,
            id: delivery.id,
            token: claim.token,
            until: claim.until,
            number: 1,
            channel: delivery.channel,
            target: delivery.target,
            content: Content::Notification(NotificationContent {
                notification: notification.id,
                title: notification.title.clone(),
                body: notification.body.clone(),
                priority: notification.priority,
                alert: Some(notification.alert),
                round: notification.round,
                rule: Some((notification.rule, notification.rule_version)),
                created_at: done.at,
                event: event.map(|event| ContentEvent {
                    id: event.id,
                    kind: event.kind.clone(),
                    source: event.source.clone(),
                    subject: event.subject.clone(),
                    received_at: event.received_at,
                    payload: event.payload.clone(),
                }),
            }),
        })
    });
    claimed.collect()
}
