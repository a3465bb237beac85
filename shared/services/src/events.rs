//! The event pipeline as the API sees it: the one way in, and what the records say.

use std::time::Duration;

use crate::accept::{Accept, Accepted, Refused};
use crate::audit::{Audit, AuditedAction, Initiator};
use domain::audit::AuditAction;
use domain::condition::{Condition, Explanation, Part, Subject};
use domain::evaluation::EvaluationStatus;
use domain::event::Event;
use domain::event_filter::EventFilter;
use domain::id::{EventId, KeyId, ProjectId};
use domain::intake::{NewEvent, derived_key};
use domain::project::ProjectStatus;
use domain::rule::{Rule, RuleBody};
use domain::time::Time;
use domain::trace::{
    Trace, TraceAttempt, TraceDelivery, TraceEvaluation, TraceKey, TraceNotification, TracePart,
    TraceRule,
};
use domain::why_not::{Fate, Whom, why_not};
use store::{Store, StoreError, trace as records};

pub use domain::event::{EventState, EventStatus};

/// Why a question was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store is away.
    #[error("the store is away")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// Something is wrong on our side; the text is for the log alone.
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        if error.is_passing() {
            tracing::warn!(%error, "the store did not answer");
            Self::Unavailable { retry_after: Duration::from_secs(1) }
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// The event pipeline.
pub struct Events {
    store: Store,
    accept: Accept,
    audit: Audit,
}

impl Events {
    /// The pipeline that `accept` leads into.
    pub const fn new(store: Store, accept: Accept, audit: Audit) -> Self {
        Self { store, accept, audit }
    }

    /// Keeps events, which came with a key if they came over the API; one answer for each, in order. They are committed
    /// when it answers.
    pub async fn accept(
        &self,
        project: ProjectId,
        key: Option<KeyId>,
        events: Vec<NewEvent>,
    ) -> Vec<Result<Accepted, Refused>> {
        self.accept.accept(project, key, events).await
    }

    /// Accepts an event once more, as a new one. `key` makes a second replay under it the same event.
    ///
    /// # Errors
    /// When that can't be written to the audit log.
    pub async fn replay(
        &self,
        project: ProjectId,
        event: Event,
        key: Option<&str>,
        initiator: &Initiator,
    ) -> Result<Result<Accepted, Refused>, ReadError> {
        let id = event.id;
        let key = key.map(|key| derived_key("replay by key", &[key, &id.to_string()]));
        // First, for the event is accepted in a transaction that it shares with others.
        let audited = AuditedAction::new(AuditAction::EventReplay, id.0);
        self.audit.note(project, initiator, audited).await?;
        let results = self.accept.accept(project, None, vec![NewEvent::replay(event, key)]).await;
        let nothing = || {
            ReadError::Failed("a replay was given to be accepted, and no answer came".to_owned())
        };
        results.into_iter().next().ok_or_else(nothing)
    }

    /// One event.
    ///
    /// # Errors
    /// When the store can't tell.
    pub async fn get(
        &self,
        project: ProjectId,
        id: EventId,
    ) -> Result<Option<EventState>, ReadError> {
        let found = self.store.event_states(project, &[id]).await?;
        Ok(found.into_iter().next().map(|state| summary(&state)))
    }

    /// At most `limit` events older than `after`, newest first.
    ///
    /// # Errors
    /// When the store can't tell.
    pub async fn list(
        &self,
        project: ProjectId,
        filter: EventFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<EventState>, ReadError> {
        let page = self.store.list_events(project, filter, after, limit as i64).await?;
        let ids: Vec<EventId> = page.iter().map(|event| event.id).collect();
        let states = self.store.event_states(project, &ids).await?;
        Ok(states.iter().map(summary).collect())
    }

    /// What became of an event for a user: how far it is, and what each rule that was tried had to do with them.
    ///
    /// # Errors
    /// When the store can't tell.
    pub async fn why_not(
        &self,
        project: ProjectId,
        id: EventId,
        whom: &Whom,
    ) -> Result<Option<(Trace, Vec<(Fate, String)>)>, ReadError> {
        let records = match self.store.trace(project, id).await {
            Ok(records) => records,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let bodies: Vec<RuleBody> = records.rules.iter().map(|rule| rule.body.clone()).collect();
        let trace = told(records);
        let fates = trace.rules.iter().zip(&bodies).map(|(rule, body)| why_not(rule, body, whom));
        let fates = fates.collect();
        Ok(Some((trace, fates)))
    }

    /// What became of an event.
    ///
    /// # Errors
    /// When the store can't tell.
    pub async fn trace(&self, project: ProjectId, id: EventId) -> Result<Option<Trace>, ReadError> {
        match self.store.trace(project, id).await {
            Ok(trace) => Ok(Some(told(trace))),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn small(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(0)
}

fn summary(state: &records::EventState) -> EventState {
    let status = match &state.evaluation {
        Some(evaluation) if evaluation.status == EvaluationStatus::Failed => EventStatus::Failed,
        Some(_) => EventStatus::Processed,
        None if state.project != ProjectStatus::Active => EventStatus::Held,
        None => EventStatus::Accepted,
    };
    let count = |of: fn(&records::Evaluation) -> i64| {
        state.evaluation.as_ref().map_or(0, |one| small(of(one)))
    };
    EventState {
        event: state.event.clone(),
        status,
        looked: count(|one| one.looked),
        matched: count(|one| one.matched),
        suppressed: count(|one| one.suppressed),
    }
}

fn told(trace: records::Trace) -> Trace {
    let event = &trace.state.event;
    let evaluation = trace.state.evaluation.as_ref().map(|one| TraceEvaluation {
        at: one.at,
        ruleset: one.ruleset,
        looked: small(one.looked),
        status: one.status.as_str(),
        attempts: trace.state.attempts.as_ref().map_or(1, |(attempts, _)| small(*attempts)),
    });
    let at = evaluation.as_ref().map_or(event.received_at, |one| one.at);
    let rules = trace.rules.iter().map(|rule| told_rule(rule, event, at, &trace.matches)).collect();
    let key = event.key_id.zip(trace.key_name.clone()).map(|(id, name)| TraceKey { id, name });
    Trace { event: summary(&trace.state), key, evaluation, rules }
}

/// A rule as it was held against the event: what its condition said is computed again, from the version that was
/// recorded and the event, which never change.
fn told_rule(rule: &Rule, event: &Event, at: Time, matches: &[records::Match]) -> TraceRule {
    let found = matches.iter().find(|one| one.rule == rule.id);
    let explained = explain(rule, event, at);
    let (values, parts) = explained.map_or_else(Default::default, |one| {
        let values =
            one.values.into_iter().map(|named| (named.name, named.value.to_string())).collect();
        (values, told_parts(one.parts))
    });
    TraceRule {
        id: rule.id,
        name: rule.body.name.clone(),
        version: i32::try_from(rule.version).unwrap_or(i32::MAX),
        matched: found.is_some(),
        condition: rule.body.condition.clone(),
        values,
        parts,
        outcome: found.map(|one| one.outcome.as_str()),
        reason: found.and_then(|one| one.reason),
        until: found.and_then(|one| one.until),
        group: found.and_then(|_| group(rule, event)),
        alert: found.and_then(|one| one.alert),
        cause: found.and_then(|one| one.cause),
        notification: found.and_then(|one| one.notification.clone()).map(told_notification),
    }
}

fn with_subject<T>(event: &Event, ask: impl FnOnce(&Subject<'_>) -> Option<T>) -> Option<T> {
    let payload: serde_json::Value = serde_json::from_str(event.payload.get()).ok()?;
    let id = event.id.to_string();
    ask(&Subject {
        id: &id,
        kind: &event.kind,
        source: &event.source,
        subject: event.subject.as_deref(),
        received_at: event.received_at,
        payload: &payload,
    })
}

fn explain(rule: &Rule, event: &Event, at: Time) -> Option<Explanation> {
    let condition = Condition::parse(&rule.body.condition).ok()?;
    with_subject(event, |subject| condition.explain(subject, at).ok())
}

fn group(rule: &Rule, event: &Event) -> Option<String> {
    if rule.body.group_by.is_empty() {
        return None;
    }
    with_subject(event, |subject| Some(domain::ruleset::group_key(&rule.body.group_by, subject)))
}

/// The parts of a condition and of its parts, in the order in which they are written.
pub(crate) fn told_parts(parts: Vec<Part>) -> Vec<TracePart> {
    let mut told = Vec::new();
    for part in parts {
        told.push(TracePart { text: part.text, result: Some(part.result), note: part.note });
        told.extend(told_parts(part.parts));
    }
    told
}

fn told_notification(one: records::Notified) -> TraceNotification {
    TraceNotification {
        id: one.id,
        title: one.title,
        recipients: one.recipients,
        deliveries: one.deliveries.into_iter().map(told_delivery).collect(),
    }
}

fn told_delivery(one: records::DeliveryTrace) -> TraceDelivery {
    let (target, name, url) = one.target;
    let attempt = |one: records::AttemptTrace| TraceAttempt {
        number: small(one.number),
        outcome: one.outcome,
        status_code: one.status_code.and_then(|code| u16::try_from(code).ok()),
        detail: one.detail,
        started_at: one.started_at,
        took_ms: small(one.took_ms),
    };
    TraceDelivery {
        id: one.id,
        channel: one.channel.as_str().to_owned(),
        target: (Some(target), name.unwrap_or_default(), url),
        state: one.state.as_str().to_owned(),
        reason: one.reason,
        next_attempt_at: one.next_attempt_at,
        attempts: one.attempts.into_iter().map(attempt).collect(),
    }
}
