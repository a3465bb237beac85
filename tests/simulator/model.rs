//! What should have come of it: the promises of docs/users/rules.md and alerts.md, kept by one thread over plain maps and
//! lists. Nothing here asks the code that decides in the product.
//!
//! Where the pages leave something open, the product's answer stands here, with a comment that begins with "Open:".

use std::collections::BTreeMap;
use std::time::Duration;

use domain::id::{EventId, SilenceId};
use domain::time::Time;

use crate::history::{RULES, RuleSays, Window};

/// A rule, by its number, and a host.
pub type Group = (usize, &'static str);

/// When an event was received, and its id: the order in which events count.
pub type Place = (Time, EventId);

/// An event as it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its place among the others.
    pub place: Place,
    /// What it is about.
    pub host: &'static str,
    /// Whether it is firing; else it resolves.
    pub firing: bool,
}

/// What a user does to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Acknowledges it, until a time if one is given.
    Acknowledge(Option<Time>),
    /// Takes that back.
    Unacknowledge,
    /// Resolves it.
    Resolve,
}

/// One thing that was done to the store, with what only the store could say of it.
#[derive(Clone, Debug)]
pub enum Step {
    /// An event was accepted.
    Accept { event: u32, sent: Sent },
    /// Events were evaluated, in one transaction.
    Evaluate { events: Vec<u32>, now: Time },
    /// A group was looked at again.
    LookAgain { group: Group, now: Time },
    /// A rule was changed, which made this epoch.
    ChangeRule { rule: usize, shadow: bool, window: Option<Window>, epoch: i64 },
    /// A host was silenced.
    Silence { id: SilenceId, host: &'static str, now: Time, until: Time, epoch: i64 },
    /// A silence was to be ended; whether it was.
    EndSilence { id: SilenceId, now: Time, done: bool, epoch: i64 },
    /// A user wanted something of the alert of a group; whether it was done.
    ByHand { group: Group, act: Act, now: Time, done: bool },
}

/// How soon a group is looked at again whose time has come and which could not be decided on.
const SOON: Duration = Duration::from_secs(5);

/// All that the model knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    rules: [RuleSays; RULES.len()],
    epoch: i64,
    silences: BTreeMap<SilenceId, Quiet>,
    events: BTreeMap<u32, Sent>,
    evaluated: BTreeMap<u32, i64>,
    groups: BTreeMap<Group, State>,
    alerts: Vec<Alert>,
    matches: Vec<String>,
    notifications: Vec<String>,
}

/// A silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quiet {
    host: &'static str,
    from: Time,
    until: Time,
    over: bool,
}

/// What is known of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    /// The alert that is open, by its place among all.
    alert: Option<usize>,
    rounds: i64,
    rings: Vec<Time>,
    /// When it was last decided on: a clock that goes back does not take the group with it.
    last: Time,
    matched: Option<Place>,
    resolved: Option<Place>,
    /// The event that a silence hid, and when it is looked at again.
    waiting: Option<(u32, Time)>,
}

/// An alert. The event that opened it tells it from the others of its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alert {
    rule: usize,
    opener: u32,
    round: i64,
    events: i64,
    rang: bool,
    acknowledged: Option<Option<Time>>,
    resolver: Option<&'static str>,
}

/// Why something does not ring, and until when, if it rings then after all.
type Held = (&'static str, Option<Time>);

impl Model {
    /// A project to which nothing has happened since this epoch.
    pub fn new(epoch: i64) -> Self {
        Self {
            rules: RULES,
            epoch,
            silences: BTreeMap::new(),
            events: BTreeMap::new(),
            evaluated: BTreeMap::new(),
            groups: BTreeMap::new(),
            alerts: Vec::new(),
            matches: Vec::new(),
            notifications: Vec::new(),
        }
    }

    /// Does the same; `false` when it can't have been done, or can't have been refused.
    pub fn apply(&mut self, step: &Step) -> bool {
        match step {
            Step::Accept { event, sent } => {
                self.events.insert(*event, *sent);
            }
            Step::Evaluate { events, now } => self.evaluate(events, *now),
            Step::LookAgain { group, now } => self.look_again(*group, *now),
            Step::ChangeRule { rule, shadow, window, epoch } => {
                (self.rules[*rule].shadow, self.rules[*rule].window) = (*shadow, *window);
                self.epoch = *epoch;
            }
            Step::Silence { id, host, now, until, epoch } => {
                // Open: those that are over when another one is made stay so, also if the clock goes back after that.
                for one in self.silences.values_mut() {
                    one.over |= one.until <= *now;
                }
                self.silences.insert(*id, Quiet { host, from: *now, until: *until, over: false });
                self.epoch = *epoch;
            }
            Step::EndSilence { id, now, done, epoch } => {
                self.epoch = *epoch;
                let Some(one) = self.silences.get_mut(id) else { return false };
                let was_over = one.over || one.until <= *now;
                one.over |= *done;
                return *done != was_over;
            }
            Step::ByHand { group, act, now, done } => {
                return self.by_hand(*group, *act, *now) == *done;
            }
        }
        true
    }

    /// Everything that there should be to see, in order.
    pub fn lines(&self) -> Vec<String> {
        let name = |place: Option<Place>| {
            let event = self.events.iter().find(|(_, sent)| Some(sent.place) == place);
            event.map_or_else(|| "none".to_owned(), |(event, _)| format!("e{event}"))
        };
        let alerts = self.alerts.iter().map(|one| {
            let state = match (one.resolver, one.acknowledged) {
                (Some(by), _) => format!("resolved by {by}"),
                (None, Some(_)) => "acknowledged".to_owned(),
                (None, None) => "open".to_owned(),
            };
            alert_line(one.rule, &format!("e{}", one.opener), &state, one.round, one.events)
        });
        let groups = self.groups.iter().map(|(group, state)| {
            let (matched, resolved) = (name(state.matched), name(state.resolved));
            group_line(*group, state.alert.is_some(), &matched, &resolved)
        });
        let decided = self.evaluated.iter().map(|(event, epoch)| {
            let event = format!("e{event}");
            evaluation_line(&event, *epoch)
        });
        let mut lines: Vec<String> = alerts.chain(groups).chain(decided).collect();
        lines.extend(self.matches.iter().chain(&self.notifications).cloned());
        lines.sort_unstable();
        lines
    }

    /// The groups that wait for a time and are not in the list of what is due, which has the earliest time of each.
    pub fn overlooked(&self, due: &BTreeMap<Group, Time>) -> Vec<Group> {
        let is_overlooked = |(group, state): &(&Group, &State)| {
            let alert = state.alert.map(|place| &self.alerts[place]);
            let lapses = alert.and_then(|alert| alert.acknowledged).flatten();
            let again = state.waiting.map(|(_, again)| again);
            let Some(wakes) = lapses.into_iter().chain(again).min() else { return false };
            let latest = wakes.max(state.last.plus(SOON));
            due.get(*group).is_none_or(|at| *at > latest)
        };
        self.groups.iter().filter(is_overlooked).map(|(group, _)| *group).collect()
    }

    /// Each event is decided on once, in the order of receipt.
    fn evaluate(&mut self, events: &[u32], now: Time) {
        let mut fresh: Vec<u32> =
            events.iter().copied().filter(|event| !self.evaluated.contains_key(event)).collect();
        fresh.sort_by_key(|event| self.events[event].place);
        fresh.dedup();
        for event in fresh {
            self.evaluated.insert(event, self.epoch);
            let sent = self.events[&event];
            for rule in 0..RULES.len() {
                let group = (rule, sent.host);
                if sent.firing {
                    self.fire(group, event, sent.place, now);
                } else if self.rules[rule].resolves {
                    self.resolve_by(group, event, sent.place, now);
                }
            }
        }
    }

    fn fire(&mut self, group: Group, event: u32, place: Place, now: Time) {
        let at = self.decide_at(group, now);
        let state = self.state(group);
        if state.resolved.is_some_and(|resolved| place <= resolved) {
            self.suppressed(group, event, "already_resolved");
            return;
        }
        state.matched = state.matched.max(Some(place));
        if self.rules[group.0].shadow {
            // "Goes through the same stages and ends with `shadow` where it would have rung."
            // Open: it opens no alert, does not wait for the end of a silence, and counts in the window.
            let reason = self.held(group, at).map(|(reason, _)| reason);
            if reason.is_none() {
                self.count_ring(group, at);
            }
            self.suppressed(group, event, reason.unwrap_or("shadow"));
            return;
        }
        self.lapse(group, at);
        self.open(group, event);
        match self.held(group, at) {
            Some((reason, until)) => {
                if let Some(again) = until {
                    // Open: of several matches that a silence hides, the last one rings after it.
                    self.state(group).waiting = Some((event, again));
                }
                self.suppressed(group, event, reason);
            }
            None => self.ring(group, at, "event", event),
        }
    }

    /// "A resolve is remembered even when nothing is open."
    fn resolve_by(&mut self, group: Group, event: u32, place: Place, now: Time) {
        self.decide_at(group, now);
        let state = self.state(group);
        state.resolved = state.resolved.max(Some(place));
        // What was received after it keeps the alert open.
        let outlived = state.matched.is_some_and(|matched| matched > place);
        let reason = if outlived || state.alert.is_none() {
            "nothing_open"
        } else {
            self.resolve(group, "event");
            "-"
        };
        self.matches.push(match_line(&format!("e{event}"), group.0, "resolved", reason));
    }

    fn look_again(&mut self, group: Group, now: Time) {
        let at = self.decide_at(group, now);
        let shadow = self.rules[group.0].shadow;
        if self.lapse(group, at) && !shadow {
            // Open: it rings whether a silence holds or the window is full.
            let opener = self.alert(group).map(|alert| alert.opener).unwrap_or_default();
            self.ring(group, at, "reminder", opener);
        }
        let state = self.state(group);
        let Some((event, _)) = state.waiting.filter(|(_, again)| *again <= at) else { return };
        state.waiting = None;
        // Open: a rule that went into shadow meanwhile does not ring for it, also if it comes back.
        if shadow || state.alert.is_none() {
            return;
        }
        // Open: a silence that was ended by hand is looked at again when it would have ended.
        match self.held(group, at) {
            Some((_, Some(again))) => self.state(group).waiting = Some((event, again)),
            Some((_, None)) => {}
            None => self.ring(group, at, "event", event),
        }
    }

    /// What a user wants; whether it could be done.
    fn by_hand(&mut self, group: Group, act: Act, now: Time) -> bool {
        let Some(alert) = self.alert(group) else { return false };
        if act == Act::Unacknowledge && alert.acknowledged.is_none() {
            return false;
        }
        match act {
            Act::Acknowledge(until) => {
                alert.acknowledged = Some(until);
                self.state(group).waiting = None;
            }
            Act::Unacknowledge => alert.acknowledged = None,
            Act::Resolve => {}
        }
        self.decide_at(group, now);
        if act == Act::Resolve {
            self.resolve(group, "user");
        }
        true
    }

    /// The time that a group is decided on: "windows never run backwards".
    fn decide_at(&mut self, group: Group, now: Time) -> Time {
        let state = self.state(group);
        state.last = state.last.max(now);
        state.last
    }

    fn open(&mut self, group: Group, event: u32) {
        if let Some(alert) = self.alert(group) {
            alert.events += 1;
            return;
        }
        let place = self.alerts.len();
        let state = self.state(group);
        state.rounds += 1;
        state.alert = Some(place);
        let round = state.rounds;
        self.alerts.push(Alert {
            rule: group.0,
            opener: event,
            round,
            events: 1,
            rang: false,
            acknowledged: None,
            resolver: None,
        });
    }

    /// "An acknowledgement with an end lapses then: an alert that is still open rings again, as a new round."
    fn lapse(&mut self, group: Group, at: Time) -> bool {
        let rounds = self.state(group).rounds;
        let Some(alert) = self.alert(group) else { return false };
        if !matches!(alert.acknowledged, Some(Some(until)) if until <= at) {
            return false;
        }
        alert.acknowledged = None;
        alert.round = rounds + 1;
        self.state(group).rounds = rounds + 1;
        true
    }

    /// "The first that holds it back gives the reason": silence, acknowledgement, window.
    fn held(&mut self, group: Group, at: Time) -> Option<Held> {
        let mut silences = self.silences.values();
        let holds =
            |one: &&Quiet| one.host == group.1 && !one.over && one.from <= at && at < one.until;
        if let Some(silence) = silences.find(holds) {
            return Some(("silenced", Some(silence.until)));
        }
        let acknowledged = self.alert(group).and_then(|alert| alert.acknowledged);
        if acknowledged.is_some_and(|until| until.is_none_or(|until| at < until)) {
            return Some(("acknowledged", None));
        }
        let (count, seconds) = self.rules[group.0].window?;
        let from = at.minus(Duration::from_secs(seconds.into()));
        let inside = self.state(group).rings.iter().filter(|ring| **ring > from).count();
        (inside >= count as usize).then_some(("window_full", None))
    }

    fn ring(&mut self, group: Group, at: Time, origin: &str, of: u32) {
        self.count_ring(group, at);
        let Some(alert) = self.alert(group) else { return };
        alert.rang = true;
        let round = alert.round;
        self.notify(group.0, origin, of, round);
    }

    fn count_ring(&mut self, group: Group, at: Time) {
        // Open: only as many times are known as the window of that moment asks for; one that is larger or set later
        // begins with these.
        let keep = self.rules[group.0].window.map_or(0, |(count, _)| count as usize);
        let state = self.state(group);
        state.waiting = None;
        state.rings.push(at);
        let over = state.rings.len().saturating_sub(keep);
        state.rings.drain(..over);
    }

    /// "Who was notified of an alert is told that it is over, unless `notify_resolved` is `false`."
    fn resolve(&mut self, group: Group, by: &'static str) {
        let says = self.rules[group.0];
        let Some(alert) = self.alert(group) else { return };
        alert.resolver = Some(by);
        let (rang, opener, round) = (alert.rang, alert.opener, alert.round);
        let state = self.state(group);
        (state.alert, state.waiting) = (None, None);
        if rang && says.notify_resolved && !says.shadow {
            self.notify(group.0, "resolved", opener, round);
        }
    }

    fn notify(&mut self, rule: usize, origin: &str, of: u32, round: i64) {
        // Whoever a notification is for is told once, over each endpoint once.
        self.notifications.push(notification_line(
            rule,
            origin,
            &format!("e{of}"),
            round,
            &[0, 1],
            &[0, 1],
        ));
    }

    fn suppressed(&mut self, group: Group, event: u32, reason: &str) {
        self.matches.push(match_line(&format!("e{event}"), group.0, "suppressed", reason));
    }

    fn state(&mut self, group: Group) -> &mut State {
        self.groups.entry(group).or_default()
    }

    fn alert(&mut self, group: Group) -> Option<&mut Alert> {
        let place = self.groups.get(&group)?.alert?;
        self.alerts.get_mut(place)
    }
}

/// How an alert reads, in the model and in the store.
pub fn alert_line(rule: usize, opener: &str, state: &str, round: i64, events: i64) -> String {
    format!("alert of rule {rule} opened by {opener}: {state}, round {round}, {events} events")
}

/// How a group reads.
pub fn group_line(group: Group, open: bool, matched: &str, resolved: &str) -> String {
    let (rule, host) = group;
    let open = if open { "open" } else { "not open" };
    format!(
        "group of rule {rule}, host {host}: {open}, matched by {matched}, resolved by {resolved}"
    )
}

/// How an evaluation reads.
pub fn evaluation_line(event: &str, epoch: i64) -> String {
    format!("evaluation of {event} under epoch {epoch}")
}

/// How a match reads that did not ring.
pub fn match_line(event: &str, rule: usize, outcome: &str, reason: &str) -> String {
    format!("match of {event} under rule {rule}: {outcome}, {reason}")
}

/// How a notification reads; `of` is its event, or the event that opened its alert.
pub fn notification_line(
    rule: usize,
    origin: &str,
    of: &str,
    round: i64,
    users: &[usize],
    endpoints: &[usize],
) -> String {
    format!(
        "notification of rule {rule}, {origin} of {of}, round {round}: users {users:?}, endpoints {endpoints:?}"
    )
}
