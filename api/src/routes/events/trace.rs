//! What became of an event, as it looks on the wire.

use domain::id::UserId;
use domain::trace as known;
use poem_openapi::{Enum, Object};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::wire::Event;
use crate::wire::{AnyJson, Stamp, raw};

/// What became of an event.
#[derive(Clone, Debug, Object, Serialize)]
#[oai(rename = "EventTrace")]
pub struct TraceAnswer {
    /// The event.
    event: Event,
    /// How it came.
    received: Received,
    /// Its evaluation, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<Evaluation>,
    /// The rules that were tried.
    rules: Vec<RuleTrace>,
}

/// How an event came.
#[derive(Clone, Debug, Object, Serialize)]
pub struct Received {
    /// When.
    at: Stamp,
    /// With which key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<Uuid>,
    /// The name of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
}

/// The evaluation of an event.
#[derive(Clone, Debug, Object, Serialize)]
pub struct Evaluation {
    /// When it was evaluated.
    at: Stamp,
    /// The version of the rule set.
    ruleset: i64,
    /// How many rules were tried.
    looked: u32,
    /// How it ended.
    status: String,
    /// How often it was tried.
    attempts: u32,
}

/// Whether a rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum RuleResult {
    /// It matched.
    #[oai(rename = "matched")]
    Matched,
    /// It did not.
    #[oai(rename = "not_matched")]
    NotMatched,
}

impl Serialize for RuleResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Matched => "matched",
            Self::NotMatched => "not_matched",
        })
    }
}

/// One rule that was tried.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RuleTrace {
    /// The rule.
    id: Uuid,
    /// Its name then.
    name: String,
    /// Its version then.
    version: i32,
    /// Whether it matched.
    result: RuleResult,
    /// Its condition.
    condition: String,
    /// The values of the names in the condition.
    values: Vec<NamedValue>,
    /// The parts of the condition.
    parts: Vec<ConditionPart>,
    /// What followed from the match: it rang, was suppressed, or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    /// Why it did not ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Until when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Stamp>,
    /// The group in which it was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// What held it back: the silence, the rule whose alert is open, or the notification that sums it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Uuid>,
    /// The alert to which it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_id: Option<Uuid>,
    /// What it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<NotificationTrace>,
}

/// A name in a condition and its value.
#[derive(Clone, Debug, Object, Serialize)]
pub struct NamedValue {
    /// The name.
    name: String,
    /// Its value then.
    value: AnyJson,
}

/// A part of a condition.
#[derive(Clone, Debug, Object, Serialize)]
pub struct ConditionPart {
    /// How it is written.
    text: String,
    /// Whether it held; left out when it was not reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<bool>,
    /// What is worth knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// A notification.
#[derive(Clone, Debug, Object, Serialize)]
pub struct NotificationTrace {
    /// The notification.
    id: Uuid,
    /// Its title.
    title: String,
    /// Who is to be told.
    recipients: Vec<RecipientTrace>,
    /// The ways to them.
    deliveries: Vec<DeliveryTrace>,
}

/// Somebody who is to be told.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RecipientTrace {
    /// The person.
    user_id: Uuid,
    /// Their name.
    name: String,
    /// The role through which they were chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    through_role: Option<String>,
}

/// A delivery.
#[derive(Clone, Debug, Object, Serialize)]
pub struct DeliveryTrace {
    /// The delivery.
    id: Uuid,
    /// Its channel.
    channel: String,
    /// To what it goes.
    target: TargetTrace,
    /// How far it is.
    state: String,
    /// Why it ended there.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Stamp>,
    /// What was tried.
    attempts: Vec<AttemptTrace>,
}

/// To what a delivery goes.
#[derive(Clone, Debug, Object, Serialize)]
pub struct TargetTrace {
    /// The webhook endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    /// Its name.
    name: String,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// An attempt at a delivery.
#[derive(Clone, Debug, Object, Serialize)]
pub struct AttemptTrace {
    /// Which one it is, counted from 1.
    number: u32,
    /// How it ended.
    outcome: String,
    /// The status that the other side gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// Its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// When it began.
    started_at: Stamp,
    /// How long it took.
    took_ms: u32,
}

fn all<A, B: From<A>>(many: Vec<A>) -> Vec<B> {
    many.into_iter().map(B::from).collect()
}

impl From<known::Trace> for TraceAnswer {
    fn from(trace: known::Trace) -> Self {
        let at = Stamp(trace.event.event.received_at);
        let (key_id, key_name) = match trace.key {
            Some(key) => (Some(key.id.0), Some(key.name)),
            None => (trace.event.event.key_id.map(|id| id.0), None),
        };
        Self {
            event: trace.event.into(),
            received: Received { at, key_id, key_name },
            evaluation: trace.evaluation.map(Evaluation::from),
            rules: all(trace.rules),
        }
    }
}

impl From<known::TraceEvaluation> for Evaluation {
    fn from(one: known::TraceEvaluation) -> Self {
        Self {
            at: Stamp(one.at),
            ruleset: one.ruleset,
            looked: one.looked,
            status: one.status.to_owned(),
            attempts: one.attempts,
        }
    }
}

impl From<known::TraceRule> for RuleTrace {
    fn from(rule: known::TraceRule) -> Self {
        Self {
            id: rule.id.0,
            name: rule.name,
            version: rule.version,
            result: if rule.matched { RuleResult::Matched } else { RuleResult::NotMatched },
            condition: rule.condition,
            values: all(rule.values),
            parts: all(rule.parts),
            outcome: rule.outcome.map(str::to_owned),
            reason: rule.reason.map(|reason| reason.to_string()),
            until: rule.until.map(Stamp),
            group: rule.group,
            cause: rule.cause,
            alert_id: rule.alert.map(|id| id.0),
            notification: rule.notification.map(NotificationTrace::from),
        }
    }
}

impl From<(String, String)> for NamedValue {
    fn from((name, json): (String, String)) -> Self {
        Self { name, value: AnyJson(raw(json)) }
    }
}

impl From<(UserId, String, Option<String>)> for RecipientTrace {
    fn from((user, name, through_role): (UserId, String, Option<String>)) -> Self {
        Self { user_id: user.0, name, through_role }
    }
}

impl From<known::TracePart> for ConditionPart {
    fn from(part: known::TracePart) -> Self {
        Self { text: part.text, result: part.result, note: part.note }
    }
}

impl From<known::TraceNotification> for NotificationTrace {
    fn from(one: known::TraceNotification) -> Self {
        Self {
            id: one.id.0,
            title: one.title,
            recipients: all(one.recipients),
            deliveries: all(one.deliveries),
        }
    }
}

impl From<known::TraceDelivery> for DeliveryTrace {
    fn from(one: known::TraceDelivery) -> Self {
        let (id, name, url) = one.target;
        Self {
            id: one.id.0,
            channel: one.channel,
            target: TargetTrace { id: id.map(|id| id.0), name, url },
            state: one.state,
            reason: one.reason.map(|reason| reason.to_string()),
            next_attempt_at: one.next_attempt_at.map(Stamp),
            attempts: all(one.attempts),
        }
    }
}

impl From<known::TraceAttempt> for AttemptTrace {
    fn from(one: known::TraceAttempt) -> Self {
        Self {
            number: one.number,
            outcome: one.outcome,
            status_code: one.status_code,
            detail: one.detail,
            started_at: Stamp(one.started_at),
            took_ms: one.took_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::event::{EventState, EventStatus};
    use domain::id::{EventId, RuleId};
    use domain::time::Time;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_that_was_evaluated_says_what_came_of_it() {
        let now = Time::default();
        let event = domain::event::Event {
            id: EventId::fresh(now),
            kind: "order.paid".to_owned(),
            source: String::new(),
            subject: None,
            payload: raw(r#"{"total":129.90}"#.to_owned()),
            occurred_at: None,
            received_at: now,
            idempotency_key: None,
            correlation_id: None,
            replay_of: None,
            key_id: None,
        };
        let status = EventStatus::Processed;
        let event = EventState { event, status, looked: 3, matched: 1, suppressed: 1 };
        let rule = known::TraceRule {
            id: RuleId::fresh(now),
            name: "big orders".to_owned(),
            version: 2,
            matched: true,
            condition: "payload.total > 100".to_owned(),
            values: vec![("payload.total".to_owned(), "129.90".to_owned())],
            parts: Vec::new(),
            outcome: Some("rang"),
            reason: None,
            until: None,
            group: None,
            alert: None,
            cause: None,
            notification: None,
        };
        let trace = known::Trace { event, key: None, evaluation: None, rules: vec![rule] };
        let text = serde_json::to_string(&TraceAnswer::from(trace)).expect("JSON");
        // Numbers are those that came, to the last digit.
        assert!(text.contains(r#"{"name":"payload.total","value":129.90}"#), "{text}");
        assert!(text.contains(r#""payload":{"total":129.90}"#), "{text}");
        let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(told["event"]["status"], "processed");
        let counts = json!({ "rules": 3, "matched": 1, "suppressed": 1 });
        assert_eq!(told["event"]["counts"], counts);
        assert_eq!(told["rules"][0]["result"], "matched");
    }
}
