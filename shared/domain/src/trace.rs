//! What became of an event, as the records tell it.

use crate::event::EventState;
use crate::id::{AlertId, DeliveryId, EndpointId, KeyId, NotificationId, RuleId, UserId};
use crate::reason::Reason;
use crate::time::Time;

/// What became of an event.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The event.
    pub event: EventState,
    /// The key that it came with.
    pub key: Option<TraceKey>,
    /// Its evaluation, once there is one.
    pub evaluation: Option<TraceEvaluation>,
    /// The rules that were tried.
    pub rules: Vec<TraceRule>,
}

/// The key that an event came with.
#[derive(Clone, Debug)]
pub struct TraceKey {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
}

/// The evaluation of an event.
#[derive(Clone, Debug)]
pub struct TraceEvaluation {
    /// When it was evaluated.
    pub at: Time,
    /// The version of the rule set.
    pub ruleset: i64,
    /// How many rules were tried.
    pub looked: u32,
    /// How it ended, like `processed` or `failed`.
    pub status: &'static str,
    /// How often it was tried.
    pub attempts: u32,
}

/// One rule that was tried.
#[derive(Clone, Debug)]
pub struct TraceRule {
    /// The rule.
    pub id: RuleId,
    /// Its name then.
    pub name: String,
    /// Its version.
    pub version: i32,
    /// Whether it matched.
    pub matched: bool,
    /// Its condition.
    pub condition: String,
    /// The values of the names in the condition, as JSON.
    pub values: Vec<(String, String)>,
    /// The parts of the condition.
    pub parts: Vec<TracePart>,
    /// What followed from the match.
    pub outcome: Option<&'static str>,
    /// Why it did not ring.
    pub reason: Option<Reason>,
    /// Until when it does not.
    pub until: Option<Time>,
    /// The group in which it was counted.
    pub group: Option<String>,
    /// The alert to which it belongs.
    pub alert: Option<AlertId>,
    /// What held it back: a silence, another rule, or the summary that it is in.
    pub cause: Option<uuid::Uuid>,
    /// What it made.
    pub notification: Option<TraceNotification>,
}

/// A part of a condition.
#[derive(Clone, Debug)]
pub struct TracePart {
    /// How it is written.
    pub text: String,
    /// Whether it held; `None` when it was not reached.
    pub result: Option<bool>,
    /// What is worth knowing.
    pub note: Option<String>,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct TraceNotification {
    /// The notification.
    pub id: NotificationId,
    /// Its title.
    pub title: String,
    /// Who is to be told: the person, their name, and the role through which they were chosen.
    pub recipients: Vec<(UserId, String, Option<String>)>,
    /// The ways to them.
    pub deliveries: Vec<TraceDelivery>,
}

/// A delivery.
#[derive(Clone, Debug)]
pub struct TraceDelivery {
    /// The delivery.
    pub id: DeliveryId,
    /// Its channel.
    pub channel: String,
    /// To what it goes: the endpoint, its name and its address.
    pub target: (Option<EndpointId>, String, Option<String>),
    /// How far it is.
    pub state: String,
    /// Why it ended there.
    pub reason: Option<Reason>,
    /// When it is tried again.
    pub next_attempt_at: Option<Time>,
    /// What was tried.
    pub attempts: Vec<TraceAttempt>,
}

/// An attempt at a delivery.
#[derive(Clone, Debug)]
pub struct TraceAttempt {
    /// The how manieth.
    pub number: u32,
    /// How it ended.
    pub outcome: String,
    /// The status that the other side gave.
    pub status_code: Option<u16>,
    /// Its words.
    pub detail: Option<String>,
    /// When it began.
    pub started_at: Time,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
}
