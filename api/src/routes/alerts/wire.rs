//! Alerts as they look on the wire.

use domain::alert::{AlertChange, AlertEntry, AlertState, Resolver};
use domain::evaluation::Origin;
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use store::alerts::{Alert as Kept, AlertNotification as KeptNotification};
use uuid::Uuid;

use crate::routes::users::wire::Urgency;
use crate::wire::{AnyJson, Stamp, mirrored, raw};

mirrored! {
    /// How an alert stands.
    AlertStateWord of AlertState, rename "snake_case" {
        /// Nobody has taken care of it yet.
        Open,
        /// Somebody has; what comes meanwhile does not ring.
        Acknowledged,
        /// It is over.
        Resolved,
    }
}

mirrored! {
    /// What happened to an alert.
    AlertChangeWord of AlertChange, rename "snake_case" {
        /// It opened.
        Opened,
        /// Somebody acknowledged it.
        Acknowledged,
        /// Somebody took that back.
        Unacknowledged,
        /// The time of the acknowledgement was over.
        Lapsed,
        /// It was resolved.
        Resolved,
    }
}

mirrored! {
    /// What resolved an alert.
    ResolverWord of Resolver, rename "snake_case" {
        /// An event.
        Event,
        /// A user.
        User,
        /// That nothing came for as long as the rule says.
        Age,
    }
}

mirrored! {
    /// What a notification came from.
    OriginWord of Origin, rename "snake_case" {
        /// An event that matched.
        Event,
        /// An event that did not come.
        Absence,
        /// The end of the alert.
        Resolved,
        /// A summary of events that were over the window.
        Digest,
        /// An acknowledgement that is over.
        Reminder,
    }
}

/// An alert.
#[derive(Clone, Debug, Object, Serialize)]
pub struct Alert {
    /// Its id.
    id: Uuid,
    /// The rule that it is of.
    rule_id: Uuid,
    /// What it is called: the name of the rule when it opened.
    title: String,
    /// How urgent it is.
    priority: Urgency,
    /// How it stands.
    state: AlertStateWord,
    /// The values of the rule's `group_by` that it is about.
    group: AnyJson,
    /// How often it began to ring anew.
    round: i64,
    /// How many events it is about so far.
    events: i64,
    /// How many matches did not ring since it last did.
    suppressed: i64,
    /// The event that opened it; none when one was missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Uuid>,
    /// Since when it is open.
    opened_at: Stamp,
    /// Who acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by: Option<Uuid>,
    /// When it was acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<Stamp>,
    /// Until when the acknowledgement holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_until: Option<Stamp>,
    /// What resolved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolver: Option<ResolverWord>,
    /// The user who resolved it, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_by: Option<Uuid>,
    /// When it was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<Stamp>,
    /// When the summary of what did not ring is sent, if one is gathered.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest_at: Option<Stamp>,
}

impl From<Kept> for Alert {
    fn from(alert: Kept) -> Self {
        let Kept { opened, standing, group_key, suppressed, digest_at } = alert;
        let state = standing.state();
        let acknowledged = standing.acknowledged;
        Self {
            id: opened.id.0,
            rule_id: opened.rule.0,
            title: opened.title,
            priority: opened.priority.into(),
            state: state.into(),
            group: AnyJson(raw(group_key)),
            round: standing.round,
            events: standing.events,
            suppressed,
            event_id: opened.event.map(|event| event.0),
            opened_at: Stamp(opened.opened_at),
            acknowledged_by: acknowledged.as_ref().and_then(|one| one.by).map(|user| user.0),
            acknowledged_at: acknowledged.as_ref().map(|one| Stamp(one.at)),
            acknowledged_until: acknowledged.and_then(|one| one.until).map(Stamp),
            resolver: standing.resolved.map(|one| one.resolver.into()),
            resolved_by: standing.resolved.and_then(|one| one.by).map(|user| user.0),
            resolved_at: standing.resolved.map(|one| Stamp(one.at)),
            digest_at: digest_at.map(Stamp),
        }
    }
}

/// A page of alerts.
#[derive(Clone, Debug, Object, Serialize)]
pub struct AlertPage {
    /// Newest first.
    pub items: Vec<Alert>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Something that happened to an alert.
#[derive(Clone, Debug, Object, Serialize)]
pub struct TimelineEntry {
    /// What happened.
    change: AlertChangeWord,
    /// When.
    at: Stamp,
    /// The user who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
    /// The event that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Uuid>,
    /// Until when an acknowledgement holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Stamp>,
}

/// A notification of an alert.
#[derive(Clone, Debug, Object, Serialize)]
pub struct AlertNotification {
    /// Its id.
    id: Uuid,
    /// What it came from.
    origin: OriginWord,
    /// Its title.
    title: String,
    /// The round of the alert.
    round: i64,
    /// When it was made.
    created_at: Stamp,
    /// How many users were notified.
    recipients: i64,
}

/// An alert with all that happened to it.
#[derive(Clone, Debug, Object, Serialize)]
pub struct AlertDetail {
    /// The alert.
    alert: Alert,
    /// What happened to it, oldest first.
    timeline: Vec<TimelineEntry>,
    /// The notifications of it, oldest first.
    notifications: Vec<AlertNotification>,
}

impl AlertDetail {
    /// The alert with its timeline and notifications.
    pub fn new(
        alert: Kept,
        entries: Vec<AlertEntry>,
        notifications: Vec<KeptNotification>,
    ) -> Self {
        let entry = |one: AlertEntry| TimelineEntry {
            change: one.change.into(),
            at: Stamp(one.at),
            user_id: one.by.map(|user| user.0),
            event_id: one.event.map(|event| event.0),
            until: one.until.map(Stamp),
        };
        let notification = |one: KeptNotification| AlertNotification {
            id: one.id.0,
            origin: one.origin.into(),
            title: one.title,
            round: one.round,
            created_at: Stamp(one.created_at),
            recipients: one.recipients,
        };
        Self {
            alert: alert.into(),
            timeline: entries.into_iter().map(entry).collect(),
            notifications: notifications.into_iter().map(notification).collect(),
        }
    }
}

/// How an alert is acknowledged.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct Acknowledgement {
    /// Until when; until it is resolved, if nothing is said.
    pub until: Option<Stamp>,
}
