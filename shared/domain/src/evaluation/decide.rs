//! Deciding on events: what opens, rings, waits or resolves.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stages::{Candidate, Held, STAGES};
use super::{Decision, Found, Looked, MatchOutcome, MatchRecord, NewNotification, Origin, record};
use crate::alert::{
    Acknowledgement, AlertChange, AlertEntry, AlertStanding, OpenedAlert, Resolution, Resolver,
};
use crate::delivery::{Channel, NewDelivery, Target};
use crate::group::{Alert, Digest, GroupState, Pending, Place};
use crate::id::{AlertId, EventId, GroupId, NotificationId, UserId, derived, floor};
use crate::reason::Reason;
use crate::rule::{RuleKind, RuleMode};
use crate::ruleset::{CompiledRule, RuleSet};
use crate::time::Time;

/// How long after a deadline it is decided that it was missed: what was received just before it is kept by then.
pub const LATE: Duration = Duration::from_secs(2);

/// How soon a group is looked at again whose time has come and which can't be decided on yet.
const SOON: Duration = Duration::from_secs(5);

/// Decides on events in the order of their receipt, changing the groups that they belong to.
pub fn decide(
    set: &RuleSet,
    looked: &[&Looked],
    groups: &mut BTreeMap<GroupId, GroupState>,
    now: Time,
) -> Decision {
    let mut decider = Decider { set, groups, now, decision: Decision::default() };
    let mut ordered = looked.to_vec();
    ordered.sort_by_key(|one| one.place());
    for one in ordered {
        for found in &one.matches {
            let record = decider.on_match(one, found);
            decider.decision.matches.extend(record);
        }
    }
    decider.decision
}

/// What is decided so far.
pub(super) struct Decider<'a> {
    pub(super) set: &'a RuleSet,
    pub(super) groups: &'a mut BTreeMap<GroupId, GroupState>,
    pub(super) now: Time,
    pub(super) decision: Decision,
}

/// A group in the hands of the decider.
pub(super) struct Hand<'a> {
    pub(super) rule: &'a CompiledRule,
    pub(super) id: GroupId,
    pub(super) state: GroupState,
    pub(super) at: Time,
}

impl<'a> Decider<'a> {
    /// Takes a group out, so that the others can be looked at meanwhile.
    pub(super) fn take(&mut self, rule: &'a CompiledRule, id: GroupId) -> Hand<'a> {
        let mut state = self.groups.remove(&id).unwrap_or_default();
        let at = state.decision_time(self.now);
        Hand { rule, id, state, at }
    }

    /// Puts it back, and sees to it that it is looked at again when it has to be.
    pub(super) fn put_back(&mut self, mut hand: Hand<'a>) {
        let deadline = hand.deadline().map(|deadline| deadline.plus(LATE));
        let wakes = hand.state.wakes(hand.rule.age(), deadline);
        let wakes = wakes.map(|time| if time > hand.at { time } else { hand.at.plus(SOON) });
        if let Some(wakes) = wakes
            && hand.state.due.is_none_or(|due| wakes < due)
        {
            hand.state.due = Some(wakes);
            self.decision.timers.push((hand.id, wakes));
        }
        self.groups.insert(hand.id, hand.state);
    }

    fn on_match(&mut self, looked: &Looked, found: &Found) -> Option<MatchRecord> {
        let rule = self.set.rule(found.place);
        let Some((id, _)) = found.group else {
            return Some(record(rule, looked.event, MatchOutcome::Failed));
        };
        let mut hand = self.take(rule, id);
        let place = looked.place();
        let record = match rule.rule.body.kind {
            _ if found.resolves => Some(self.on_resolve(&mut hand, place)),
            RuleKind::Absence => self.on_sign(&mut hand, place),
            RuleKind::Match | RuleKind::Count => Some(self.on_event(&mut hand, found, place)),
        };
        self.put_back(hand);
        record
    }

    /// An event that resolves. It is remembered even if nothing is open, for what was received before it may come later.
    fn on_resolve(&mut self, hand: &mut Hand<'_>, place: Place) -> MatchRecord {
        let state = &mut hand.state;
        state.resolved = state.resolved.max(Some(place));
        let record = record(hand.rule, place.event, MatchOutcome::Resolved);
        // What was received after it and matched keeps the alert open.
        let outlived = state.matched.is_some_and(|matched| matched > place);
        let Some(alert) = state.alert.as_ref().filter(|_| !outlived).map(|alert| alert.id) else {
            return MatchRecord { reason: Some(Reason::NothingOpen), ..record };
        };
        self.resolve(hand, Resolver::Event, None, Some(place.event));
        MatchRecord { alert: Some(alert), ..record }
    }

    /// An event that a rule waits for.
    fn on_sign(&mut self, hand: &mut Hand<'_>, place: Place) -> Option<MatchRecord> {
        hand.state.seen = hand.state.seen.max(Some(place.at));
        // One that was received before the deadline that was missed comes too late to resolve what followed.
        let late = hand.state.missed.is_some_and(|missed| place.at <= missed);
        let alert = hand.state.alert.as_ref().filter(|_| !late)?.id;
        self.resolve(hand, Resolver::Event, None, Some(place.event));
        let record = record(hand.rule, place.event, MatchOutcome::Resolved);
        Some(MatchRecord { alert: Some(alert), ..record })
    }

    fn on_event(&mut self, hand: &mut Hand<'_>, found: &Found, place: Place) -> MatchRecord {
        if let Some(held) = before_opening(hand, place) {
            return hand.held_back(place.event, &held);
        }
        hand.state.matched = hand.state.matched.max(Some(place));
        if hand.rule.rule.mode == RuleMode::Shadow {
            return self.shadow(hand, found, place.event);
        }
        self.lapse(hand);
        self.open(hand, Some(place.event));
        self.through_stages(hand, found, place.event, false)
    }

    /// Rings, if no stage holds it back.
    pub(super) fn through_stages(
        &mut self,
        hand: &mut Hand<'_>,
        found: &Found,
        event: EventId,
        waited: bool,
    ) -> MatchRecord {
        if let Some(held) = self.ask_stages(hand, found, waited) {
            if held.reason == Reason::Digested {
                return hand.digest(event, &held);
            }
            let waited = waited || held.reason == Reason::Waiting;
            if let Some(again) = held.again {
                hand.state.pending = Some(Pending { event, again, waited });
            }
            return hand.held_back(event, &held);
        }
        let id = self.ring(hand, Origin::Event, event.0, &found.named);
        MatchRecord {
            alert: hand.state.alert.as_ref().map(|alert| alert.id),
            notification: Some(id),
            ..record(hand.rule, event, MatchOutcome::Rang)
        }
    }

    fn ask_stages(&self, hand: &Hand<'_>, found: &Found, waited: bool) -> Option<Held> {
        let candidate = Candidate {
            set: self.set,
            rule: hand.rule,
            found,
            group: &hand.state,
            others: self.groups,
            at: hand.at,
            waited,
        };
        STAGES.iter().find_map(|stage| stage(&candidate))
    }

    /// Decides as for a rule that is live, and notifies nobody.
    fn shadow(&self, hand: &mut Hand<'_>, found: &Found, event: EventId) -> MatchRecord {
        // Nothing of it comes again: a match that would wait counts as held back.
        let held = self.ask_stages(hand, found, true);
        let held = held.unwrap_or_else(|| {
            hand.state.rang(hand.at, hand.rule.remembered());
            Held { reason: Reason::Shadow, until: None, cause: None, again: None }
        });
        hand.held_back(event, &held)
    }

    /// Opens an alert if none is open.
    pub(super) fn open(&mut self, hand: &mut Hand<'_>, event: Option<EventId>) {
        let (state, rule) = (&mut hand.state, hand.rule);
        if let Some(alert) = &mut state.alert {
            alert.events += i64::from(event.is_some());
            return;
        }
        state.rounds += 1;
        let origin = event.map_or_else(|| floor(hand.at), |event| event.0);
        let round = state.rounds.to_be_bytes();
        let id = AlertId(derived(origin, "alert", &[&hand.id.0, &round]));
        state.alert = Some(Alert {
            id,
            round: state.rounds,
            opened_at: hand.at,
            events: i64::from(event.is_some()),
            rang: false,
            acknowledged: None,
        });
        self.decision.opened.push(OpenedAlert {
            id,
            rule: rule.rule.id,
            group: hand.id,
            title: rule.rule.body.name.clone(),
            priority: rule.rule.body.priority,
            event,
            opened_at: hand.at,
        });
        self.happened(hand, AlertChange::Opened, None, event);
    }

    /// Ends an acknowledgement whose time is over; whether there was one.
    pub(super) fn lapse(&mut self, hand: &mut Hand<'_>) -> bool {
        let Some(alert) = &mut hand.state.alert else { return false };
        let over = |one: &Acknowledgement| one.until.is_some_and(|until| until <= hand.at);
        if !alert.acknowledged.as_ref().is_some_and(over) {
            return false;
        }
        alert.acknowledged = None;
        hand.state.rounds = hand.state.rounds.max(alert.round) + 1;
        alert.round = hand.state.rounds;
        self.happened(hand, AlertChange::Lapsed, None, None);
        true
    }

    /// Resolves the alert, if one is open, and lets those know who were notified of it.
    pub(super) fn resolve(
        &mut self,
        hand: &mut Hand<'_>,
        resolver: Resolver,
        by: Option<UserId>,
        event: Option<EventId>,
    ) {
        let Some(alert) = hand.state.alert.take() else { return };
        hand.state.rounds = hand.state.rounds.max(alert.round);
        (hand.state.pending, hand.state.digest) = (None, None);
        hand.state.counted.clear();
        let resolved = Some(Resolution { at: hand.at, resolver, by });
        let body = &hand.rule.rule.body;
        if alert.rang && body.notify_resolved && hand.rule.rule.mode == RuleMode::Live {
            let id = self.notify(hand, &alert, Origin::Resolved, alert.id.0);
            self.decision.resolutions.push((id, alert.id));
        }
        self.stands(&alert, resolved);
        self.decision.entries.push(AlertEntry {
            alert: alert.id,
            change: AlertChange::Resolved,
            at: hand.at,
            by,
            event,
            until: None,
        });
    }

    /// Notes what happened to the open alert of a group.
    pub(super) fn happened(
        &mut self,
        hand: &Hand<'_>,
        change: AlertChange,
        by: Option<UserId>,
        event: Option<EventId>,
    ) {
        let Some(alert) = &hand.state.alert else { return };
        let until = alert.acknowledged.as_ref().and_then(|one| one.until);
        self.decision.entries.push(AlertEntry {
            alert: alert.id,
            change,
            at: hand.at,
            by,
            event,
            until,
        });
        self.stands(alert, None);
    }

    fn stands(&mut self, alert: &Alert, resolved: Option<Resolution>) {
        let standing = AlertStanding {
            round: alert.round,
            events: alert.events,
            acknowledged: alert.acknowledged.clone(),
            resolved,
        };
        self.decision.standings.insert(alert.id, standing);
    }

    /// Rings: notifies everybody whom the rule is for.
    pub(super) fn ring(
        &mut self,
        hand: &mut Hand<'_>,
        origin: Origin,
        origin_id: uuid::Uuid,
        named: &[UserId],
    ) -> NotificationId {
        hand.state.rang(hand.at, hand.rule.remembered());
        let Some(alert) = &mut hand.state.alert else { return NotificationId(origin_id) };
        alert.rang = true;
        let alert = alert.clone();
        let id = self.notify(hand, &alert, origin, origin_id);
        let chosen = self.set.recipients(hand.rule, named);
        self.decision.recipients.extend(chosen.into_iter().map(|one| (id, one)));
        id
    }

    fn notify(
        &mut self,
        hand: &Hand<'_>,
        alert: &Alert,
        origin: Origin,
        origin_id: uuid::Uuid,
    ) -> NotificationId {
        let (rule, body) = (&hand.rule.rule, &hand.rule.rule.body);
        let id = notification_id(hand.rule, origin, origin_id, alert.round, hand.at);
        let count = hand.state.digest.as_ref().map_or(0, |digest| digest.count);
        let (title, text) = match origin {
            Origin::Event => (body.name.clone(), body.description.clone()),
            Origin::Absence => (body.name.clone(), missing(body.description.clone())),
            Origin::Resolved => (format!("Resolved: {}", body.name), body.description.clone()),
            Origin::Digest => (format!("{}: {count} more", body.name), body.description.clone()),
            Origin::Reminder => (format!("Still open: {}", body.name), body.description.clone()),
        };
        self.decision.notifications.push(NewNotification {
            id,
            origin,
            origin_id,
            rule: rule.id,
            rule_version: rule.version,
            alert: alert.id,
            round: alert.round,
            title,
            body: text,
            priority: body.priority,
        });
        let wanting = self.set.endpoints.iter().filter(|one| one.wants(rule.id, body.priority));
        self.decision.deliveries.extend(wanting.map(|endpoint| {
            let target = Target::Endpoint(endpoint.id);
            NewDelivery::new(id, Channel::Webhook, target, 0, alert.round)
        }));
        id
    }
}

fn missing(description: String) -> String {
    if description.is_empty() {
        "An event that was expected did not come.".to_owned()
    } else {
        description
    }
}

/// The id of a notification: it follows from what makes it unique. That of an event has the event's time, so that its key
/// finds it.
pub(super) fn notification_id(
    rule: &CompiledRule,
    origin: Origin,
    origin_id: uuid::Uuid,
    round: i64,
    at: Time,
) -> NotificationId {
    let parts: [&[u8]; 4] = [
        &origin.number().to_be_bytes(),
        rule.rule.id.bytes(),
        &round.to_be_bytes(),
        origin_id.as_bytes(),
    ];
    match origin {
        Origin::Event => NotificationId(derived(origin_id, "notification", &parts[..3])),
        // It was named when the first event went into it.
        Origin::Digest => NotificationId(origin_id),
        _ => NotificationId(derived(floor(at), "notification", &parts)),
    }
}

/// The id of the summary that begins with an event.
fn digest_id(rule: &CompiledRule, event: EventId, round: i64) -> NotificationId {
    NotificationId(derived(event.0, "digest", &[rule.rule.id.bytes(), &round.to_be_bytes()]))
}

/// What holds a match back before it is an alert.
fn before_opening(hand: &mut Hand<'_>, place: Place) -> Option<Held> {
    let (state, body) = (&mut hand.state, &hand.rule.rule.body);
    let held = |reason, until| Some(Held { reason, until, cause: None, again: None });
    if state.resolved.is_some_and(|resolved| place <= resolved) {
        return held(Reason::AlreadyResolved, None);
    }
    if let Some(hours) = &body.active_hours
        && !hours.holds(place.at)
    {
        return held(Reason::OutsideHours, hours.changes(place.at));
    }
    let threshold = body.threshold.filter(|_| body.kind == RuleKind::Count)?;
    let reached = state.count(place.at, threshold);
    if reached { None } else { held(Reason::BelowThreshold, None) }
}

impl Hand<'_> {
    /// The deadline of a rule that waits.
    pub(super) fn deadline(&self) -> Option<Time> {
        let deadlines = self.rule.deadlines.as_ref()?;
        let since =
            self.state.seen.map_or(self.rule.rule.since, |seen| seen.max(self.rule.rule.since));
        deadlines.first(since, self.state.missed)
    }

    fn held_back(&mut self, event: EventId, held: &Held) -> MatchRecord {
        self.state.suppressed += 1;
        MatchRecord {
            reason: Some(held.reason),
            until: held.until,
            cause: held.cause,
            alert: self.state.alert.as_ref().map(|alert| alert.id),
            ..record(self.rule, event, MatchOutcome::Suppressed)
        }
    }

    /// Takes a match into the summary that is sent when the window has room.
    fn digest(&mut self, event: EventId, held: &Held) -> MatchRecord {
        let (rule, at) = (self.rule, self.at);
        let until = held.until.unwrap_or(at);
        let round = self.state.rounds;
        let digest = self.state.digest.get_or_insert_with(|| Digest {
            id: digest_id(rule, event, round),
            until,
            count: 0,
            first: at,
        });
        digest.count += 1;
        let cause = Some(digest.id.0);
        MatchRecord { cause, ..self.held_back(event, held) }
    }
}
