//! What an event's rules decide. Looking at conditions needs no state; deciding needs the groups, which the store holds
//! locked meanwhile. Both are pure, so that backtests and the reference of the crash suite can use them.

use std::collections::BTreeMap;

use super::condition::Subject;
use super::delivery::{Channel, NewDelivery, Target};
use super::event::Event;
use super::group::{Alert, GroupState, Window};
use super::names::words;
use super::reason::Reason;
use super::rule::Priority;
use super::ruleset::{CompiledRule, Recipient, RuleSet};
use crate::id::{AlertId, EventId, NotificationId, RuleId, derived, sha256};
use crate::time::Time;

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
    }
}

words! {
    /// What a notification came from.
    Origin {
        /// An event that a rule matched.
        Event = 1 "event",
    }
}

/// A rule and group: SHA-256 over the rule's id and the text of the group's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub [u8; 32]);

impl GroupId {
    /// The group of `rule` with that key.
    pub fn new(rule: RuleId, key: &str) -> Self {
        Self(sha256(&[rule.bytes(), key.as_bytes()].concat()))
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
}

/// Looks at one event. `now` is only for conditions that ask what time it is.
///
/// # Errors
/// When the payload is not the JSON that was accepted.
pub fn look(set: &RuleSet, event: &Event, now: Time) -> serde_json::Result<Looked> {
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
    let candidates = set.candidates(&event.kind);
    let found = |place: usize| {
        let rule = set.rule(place);
        match rule.condition.holds(&subject, now) {
            Ok(true) => {
                let key = rule.group_of(&subject);
                let group = GroupId::new(rule.rule.id, &key);
                Some(Found { place, group: Some((group, key)) })
            }
            Ok(false) => None,
            Err(_) => Some(Found { place, group: None }),
        }
    };
    Ok(Looked {
        event: event.id,
        received_at: event.received_at,
        looked: candidates.len() as i64,
        matches: candidates.iter().copied().filter_map(found).collect(),
    })
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

/// Everything that a batch of events decides.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Every match with its fate.
    pub matches: Vec<MatchRecord>,
    /// What rings.
    pub notifications: Vec<NewNotification>,
    /// Whom.
    pub recipients: Vec<(NotificationId, Recipient)>,
    /// How.
    pub deliveries: Vec<NewDelivery>,
}

/// Decides on events in the order of their receipt, changing the groups that they belong to.
pub fn decide(
    set: &RuleSet,
    looked: &[&Looked],
    groups: &mut BTreeMap<GroupId, GroupState>,
    now: Time,
) -> Decision {
    let mut decision = Decision::default();
    let mut ordered = looked.to_vec();
    ordered.sort_by_key(|one| (one.received_at, one.event));
    for one in ordered {
        for found in &one.matches {
            let rule = set.rule(found.place);
            let record = match &found.group {
                None => record(rule, one.event, MatchOutcome::Failed),
                Some((id, _)) => {
                    let group = groups.entry(*id).or_default();
                    decide_match(set, rule, one.event, *id, group, now, &mut decision)
                }
            };
            decision.matches.push(record);
        }
    }
    decision
}

/// A match on its way through the stages.
struct Candidate<'a> {
    set: &'a RuleSet,
    rule: &'a CompiledRule,
    group: &'a GroupState,
    at: Time,
}

/// Why a stage holds a match back, and until when.
type Held = (Reason, Option<Time>);

/// The stages that a match goes through before it rings, in order; the first that holds it back gives the reason.
const STAGES: [fn(&Candidate<'_>) -> Option<Held>; 3] = [window, recipients, targets];

fn window(candidate: &Candidate<'_>) -> Option<Held> {
    match candidate.group.window(candidate.rule.rule.body.suppression, candidate.at) {
        Window::Open => None,
        Window::Full { until } => Some((Reason::WindowFull, Some(until))),
    }
}

fn recipients(candidate: &Candidate<'_>) -> Option<Held> {
    candidate.rule.recipients.is_empty().then_some((Reason::NoRecipient, None))
}

fn targets(candidate: &Candidate<'_>) -> Option<Held> {
    candidate.set.endpoints.is_empty().then_some((Reason::NoTarget, None))
}

fn decide_match(
    set: &RuleSet,
    rule: &CompiledRule,
    event: EventId,
    group_id: GroupId,
    group: &mut GroupState,
    now: Time,
    decision: &mut Decision,
) -> MatchRecord {
    let at = group.decision_time(now);
    let held = STAGES.iter().find_map(|stage| stage(&Candidate { set, rule, group, at }));
    if let Some((reason, until)) = held {
        group.suppressed += 1;
        let alert = group.alert.as_ref().map(|alert| alert.id);
        return MatchRecord {
            reason: Some(reason),
            until,
            alert,
            ..record(rule, event, MatchOutcome::Suppressed)
        };
    }
    let keep = rule.rule.body.suppression.map_or(0, |window| window.count as usize);
    group.rang(at, keep);
    let alert = group.alert.get_or_insert_with(|| Alert {
        id: AlertId(derived(event.0, "alert", &[&group_id.0])),
        round: 1,
        opened_at: at,
    });
    let notification = notification(rule, event, alert);
    let record = MatchRecord {
        alert: Some(alert.id),
        notification: Some(notification.id),
        ..record(rule, event, MatchOutcome::Rang)
    };
    decision.recipients.extend(rule.recipients.iter().map(|one| (notification.id, one.clone())));
    decision.deliveries.extend(set.endpoints.iter().map(|endpoint| {
        let target = Target::Endpoint(endpoint.id);
        NewDelivery::new(notification.id, Channel::Webhook, target, 0, notification.round)
    }));
    decision.notifications.push(notification);
    record
}

fn notification(rule: &CompiledRule, event: EventId, alert: &Alert) -> NewNotification {
    let body = &rule.rule.body;
    let origin = Origin::Event;
    let parts: [&[u8]; 3] =
        [&origin.number().to_be_bytes(), rule.rule.id.bytes(), &alert.round.to_be_bytes()];
    NewNotification {
        id: NotificationId(derived(event.0, "notification", &parts)),
        origin,
        origin_id: event.0,
        rule: rule.rule.id,
        rule_version: rule.rule.version,
        alert: alert.id,
        round: alert.round,
        title: body.name.clone(),
        body: body.description.clone(),
        priority: body.priority,
    }
}

const fn record(rule: &CompiledRule, event: EventId, outcome: MatchOutcome) -> MatchRecord {
    MatchRecord {
        event,
        rule: rule.rule.id,
        rule_version: rule.rule.version,
        outcome,
        reason: None,
        until: None,
        alert: None,
        notification: None,
    }
}
