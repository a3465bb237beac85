//! What an event's rules decide. Looking at conditions needs no state; deciding needs the groups, which the store holds
//! locked meanwhile. Both are pure, so that backtests, the simulator and the reference of the crash suite can use them.

mod by_hand;
mod decide;
mod revisit;
mod stages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::alert::{AlertEntry, AlertStanding, OpenedAlert};
use super::condition::Subject;
use super::delivery::NewDelivery;
use super::event::Event;
use super::group::Place;
use super::names::words;
use super::reason::Reason;
use super::rule::Priority;
use super::ruleset::{CompiledRule, Recipient, RuleSet};
use crate::id::{AlertId, EventId, GroupId, NotificationId, RuleId, UserId};
use crate::time::Time;

pub use by_hand::{ByHand, HandError, by_hand};
pub use decide::decide;
pub use revisit::{Revisit, revisit};

words! {
    /// What an event's evaluation came to.
    EvaluationStatus {
        /// Its rules were looked at.
        Processed = 1 "processed",
        /// It could not be evaluated.
        Failed = 2 "failed",
    }
}

words! {
    /// What became of a match.
    MatchOutcome {
        /// It made a notification.
        Rang = 1 "rang",
        /// It did not, for a reason.
        Suppressed = 2 "suppressed",
        /// The condition could not be evaluated on this event.
        Failed = 3 "failed",
        /// It resolved, or would have if an alert had been open.
        Resolved = 4 "resolved",
    }
}

words! {
    /// What a notification came from.
    Origin {
        /// An event that a rule matched.
        Event = 1 "event",
        /// An event that did not come.
        Absence = 2 "absence",
        /// The end of an alert.
        Resolved = 3 "resolved",
        /// A summary of events that were over the window.
        Digest = 4 "digest",
        /// An acknowledgement that is over.
        Reminder = 5 "reminder",
    }
}

/// What looking at an event found.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The event.
    pub event: EventId,
    /// Its place in the order of decisions.
    pub received_at: Time,
    /// How many rules were looked at.
    pub looked: i64,
    /// Those that matched, or could not be evaluated.
    pub matches: Vec<Found>,
}

/// A rule that matched an event.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its place in the rule set.
    pub place: usize,
    /// The group; `None` when the condition could not be evaluated.
    pub group: Option<(GroupId, String)>,
    /// Whether it resolves.
    pub resolves: bool,
    /// The silences that are for it, by their places.
    pub silences: Vec<usize>,
    /// The groups of other rules whose alerts keep it quiet.
    pub inhibitors: Vec<(RuleId, GroupId)>,
    /// The users that the event names.
    pub named: Vec<UserId>,
}

/// Looks at one event. `now` is only for conditions that ask what time it is.
///
/// # Errors
/// When the payload is not the JSON that was accepted.
pub fn look(set: &RuleSet, event: &Event, now: Time) -> serde_json::Result<Looked> {
    let candidates = set.candidates(&event.kind);
    look_at(set, event, &candidates, now)
}

/// Looks at one event with some rules alone.
///
/// # Errors
/// When the payload is not the JSON that was accepted.
pub fn look_at(
    set: &RuleSet,
    event: &Event,
    places: &[usize],
    now: Time,
) -> serde_json::Result<Looked> {
    let payload: serde_json::Value = serde_json::from_str(event.payload.get())?;
    let id = event.id.to_string();
    let subject = Subject {
        id: &id,
        kind: &event.kind,
        source: &event.source,
        subject: event.subject.as_deref(),
        received_at: event.received_at,
        payload: &payload,
    };
    Ok(Looked {
        event: event.id,
        received_at: event.received_at,
        looked: places.len() as i64,
        matches: places.iter().filter_map(|place| found(set, *place, &subject, now)).collect(),
    })
}

fn found(set: &RuleSet, place: usize, subject: &Subject<'_>, now: Time) -> Option<Found> {
    let rule = set.rule(place);
    let none = Found::failed(place);
    let group = || {
        let key = rule.group_of(subject);
        Some((GroupId::new(rule.rule.id, &key), key))
    };
    match rule.resolve.as_ref().map(|condition| condition.holds(subject, now)) {
        Some(Ok(true)) => return Some(Found { group: group(), resolves: true, ..none }),
        Some(Err(_)) => return Some(none),
        Some(Ok(false)) | None => {}
    }
    match rule.condition.holds(subject, now) {
        Ok(false) => return None,
        Err(_) => return Some(none),
        Ok(true) => {}
    }
    let silences = set.silences.iter().enumerate();
    let silences = silences.filter(|(_, one)| one.fits(&rule.rule, Some(subject), now));
    Some(Found {
        group: group(),
        silences: silences.map(|(at, _)| at).collect(),
        inhibitors: rule.inhibitors(subject),
        named: set.named(rule, subject),
        ..none
    })
}

impl Found {
    /// A rule that could not be evaluated.
    pub const fn failed(place: usize) -> Self {
        Self {
            place,
            group: None,
            resolves: false,
            silences: Vec::new(),
            inhibitors: Vec::new(),
            named: Vec::new(),
        }
    }
}

impl Looked {
    /// Its place in the order of decisions.
    pub const fn place(&self) -> Place {
        Place { at: self.received_at, event: self.event }
    }
}

/// A match and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchRecord {
    /// The event.
    pub event: EventId,
    /// The rule.
    pub rule: RuleId,
    /// The version of it that matched.
    pub rule_version: i64,
    /// What became of it.
    pub outcome: MatchOutcome,
    /// Why it did not ring.
    pub reason: Option<Reason>,
    /// Until when that holds.
    pub until: Option<Time>,
    /// The alert that it belongs to.
    pub alert: Option<AlertId>,
    /// The notification that it made.
    pub notification: Option<NotificationId>,
    /// What held it back: the silence, the inhibiting rule or the summary.
    pub cause: Option<uuid::Uuid>,
}

/// A notification that the evaluation makes.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// Its id, which follows from what makes it unique.
    pub id: NotificationId,
    /// The kind of its origin.
    pub origin: Origin,
    /// The row that it came from.
    pub origin_id: uuid::Uuid,
    /// The rule.
    pub rule: RuleId,
    /// Its version.
    pub rule_version: i64,
    /// The alert.
    pub alert: AlertId,
    /// The alert's round.
    pub round: i64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// How urgent it is.
    pub priority: Priority,
}

/// Everything that is decided at once.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Every match with its fate.
    pub matches: Vec<MatchRecord>,
    /// What rings.
    pub notifications: Vec<NewNotification>,
    /// Who is notified.
    pub recipients: Vec<(NotificationId, Recipient)>,
    /// How.
    pub deliveries: Vec<NewDelivery>,
    /// Notifications of the end of an alert: for those who were notified of it before.
    pub resolutions: Vec<(NotificationId, AlertId)>,
    /// The alerts that opened.
    pub opened: Vec<OpenedAlert>,
    /// How the alerts stand that something happened to, those that opened among them.
    pub standings: BTreeMap<AlertId, AlertStanding>,
    /// What happened to alerts.
    pub entries: Vec<AlertEntry>,
    /// The groups that have to be looked at again, and when.
    pub timers: Vec<(GroupId, Time)>,
}

fn record(rule: &CompiledRule, event: EventId, outcome: MatchOutcome) -> MatchRecord {
    MatchRecord {
        event,
        rule: rule.rule.id,
        rule_version: rule.rule.version,
        outcome,
        reason: None,
        until: None,
        alert: None,
        notification: None,
        cause: None,
    }
}
