//! Why a user was not notified, as it looks on the wire.

use domain::id::UserId;
use domain::trace::{Trace, TraceRule};
use domain::why_not::Fate;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use super::wire::EventStatus;
use crate::wire::{Stamp, mirrored};

mirrored! {
    /// What a rule had to do with a user.
    FateWord of Fate, rename "snake_case" {
        /// The user was notified.
        Notified,
        /// It rang, and the user was not among the recipients.
        NotRecipient,
        /// It was held back from everybody.
        Suppressed,
        /// It ended an alert, or would have.
        Resolved,
        /// Its condition could not be evaluated.
        Failed,
        /// Its condition did not hold.
        NoMatch,
    }
}

/// Why a user was, or was not, notified of an event.
#[derive(Clone, Debug, Object, Serialize)]
pub struct WhyNot {
    /// The event.
    event_id: Uuid,
    /// The user.
    user_id: Uuid,
    /// How far the event has come: before it is `processed`, no rule was tried.
    status: EventStatus,
    /// Whether a rule notified the user.
    notified: bool,
    /// The answer in words.
    answer: String,
    /// What each rule that was tried had to do with the user.
    rules: Vec<RuleFate>,
}

/// What a rule had to do with a user.
#[derive(Clone, Debug, Object, Serialize)]
struct RuleFate {
    /// The rule.
    rule_id: Uuid,
    /// Its name then.
    rule_name: String,
    /// Its version then.
    rule_version: i32,
    /// What it had to do with the user.
    fate: FateWord,
    /// Why, in words.
    why: String,
    /// Why it was held back, as in traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Until when it is held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Stamp>,
    /// What held it back: the silence, the rule whose alert is open, or the notification that sums it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Uuid>,
    /// The notification that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    notification_id: Option<Uuid>,
}

impl WhyNot {
    /// What a trace and the fates of its rules, in their order, say about a user.
    pub fn new(user: UserId, trace: Trace, fates: Vec<(Fate, String)>) -> Self {
        let notified = fates.iter().any(|(fate, _)| *fate == Fate::Notified);
        let status = trace.event.status.into();
        let answer = words(status, &trace.rules, &fates);
        let rule = |(rule, (fate, why)): (TraceRule, (Fate, String))| RuleFate {
            rule_id: rule.id.0,
            rule_name: rule.name,
            rule_version: rule.version,
            fate: fate.into(),
            why,
            reason: rule.reason.map(|reason| reason.to_string()),
            until: rule.until.map(Stamp),
            cause: rule.cause,
            notification_id: rule.notification.map(|one| one.id.0),
        };
        Self {
            event_id: trace.event.event.id.0,
            user_id: user.0,
            status,
            notified,
            answer,
            rules: trace.rules.into_iter().zip(fates).map(rule).collect(),
        }
    }
}

/// The answer in words: of the rule that came nearest to notifying the user.
fn words(status: EventStatus, rules: &[TraceRule], fates: &[(Fate, String)]) -> String {
    match status {
        EventStatus::Accepted => return "The event waits for its evaluation.".to_owned(),
        EventStatus::Held => return "The event is held: the project does not work.".to_owned(),
        EventStatus::Processed | EventStatus::Failed => {}
    }
    let nearest = rules.iter().zip(fates).min_by_key(|(_, (fate, _))| fate.number());
    match nearest {
        Some((rule, (_, why))) => format!("Rule {:?}: {why}.", rule.name),
        None if matches!(status, EventStatus::Failed) => {
            "The evaluation of the event failed.".to_owned()
        }
        None => "No live rule is about events of this type.".to_owned(),
    }
}
