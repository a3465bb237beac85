//! A rule held against events of the past, as if it had been there: what would have matched, what would have rung, and who
//! would have been notified. Time is the time of receipt.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::evaluation::{
    Decision, Looked, MatchOutcome, MatchRecord, Origin, Revisit, decide, look_at, revisit,
};
use super::event::Event;
use super::group::GroupState;
use super::project::ProjectStatus;
use super::reason::Reason;
use super::rule::{Rule, RuleBody, RuleMode};
use super::ruleset::{RuleSet, Sources};
use super::trial::TrialSource;
use super::webhook::{Endpoint, SigningSecret};
use crate::id::{EndpointId, EventId, GroupId, ProjectId, RuleId, UserId};
use crate::time::Time;

/// How many samples of each outcome are kept.
const SAMPLES: usize = 20;

/// How many recipients are named.
const NAMED: usize = 200;

/// What happened in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// When it began.
    pub at: Time,
    /// Events that matched.
    pub matches: u64,
    /// Notifications that would have been sent.
    pub rings: u64,
}

/// An event and what would have become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSample {
    /// The event.
    pub event: EventId,
    /// What became of its match.
    pub outcome: MatchOutcome,
    /// Why it did not ring.
    pub reason: Option<Reason>,
}

/// What a rule would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many events were looked at.
    pub events: u64,
    /// How many of them matched.
    pub matches: u64,
    /// How many resolved.
    pub resolves: u64,
    /// How many the condition could not be evaluated on.
    pub failures: u64,
    /// How many alerts would have opened.
    pub alerts: u64,
    /// How many notifications would have been sent, by what they come from.
    pub rings: Vec<(Origin, u64)>,
    /// How many matches would not have rung, and why.
    pub suppressed: Vec<(Reason, u64)>,
    /// The same by hours, those in which nothing happened left out.
    pub hours: Vec<Hour>,
    /// Some events with their fate, of each fate the first.
    pub samples: Vec<EventSample>,
    /// Who would have been notified most often, and how often.
    pub recipients: Vec<(UserId, u64)>,
    /// How many would have been notified.
    pub recipient_count: u64,
    /// Whether there were more events than a backtest looks at.
    pub is_cut: bool,
}

/// What is counted on the way.
#[derive(Debug, Default)]
struct Tally {
    report: Report,
    rings: BTreeMap<Origin, u64>,
    suppressed: BTreeMap<Reason, u64>,
    hours: BTreeMap<Time, (u64, u64)>,
    recipients: BTreeMap<UserId, u64>,
    sampled: BTreeMap<(MatchOutcome, Option<Reason>), usize>,
}

/// A backtest under way. Events are fed in the order of their receipt.
#[derive(Debug)]
pub struct Backtest<'a> {
    set: &'a RuleSet,
    place: usize,
    groups: BTreeMap<GroupId, GroupState>,
    timers: BTreeSet<(Time, GroupId)>,
    /// The events of matches that wait.
    waiting: BTreeMap<EventId, Looked>,
    tally: Tally,
}

/// A rule set of one rule alone, which rings whatever its mode is and works from `since` on, and the place of the rule in it;
/// nothing when it does not compile. There is an endpoint in it: those of today say nothing of those days, and without any it
/// would only tell that there is none.
pub fn rule_set(
    project: ProjectId,
    (id, body): (RuleId, RuleBody),
    source: TrialSource,
    since: Time,
) -> Option<(RuleSet, usize)> {
    let TrialSource { people, suppression } = source;
    let rule = Rule { id, version: 0, mode: RuleMode::Live, since, body };
    let endpoint = Endpoint::new(EndpointId(id.0), String::new(), SigningSecret::fresh());
    let endpoints = vec![endpoint];
    let sources =
        Sources { rules: vec![rule], people, endpoints, suppression, ..Sources::default() };
    let (set, _) = RuleSet::compile(project, ProjectStatus::Active, 0, sources);
    let place = set.place_of(id)?;
    Some((set, place))
}

impl<'a> Backtest<'a> {
    /// One of the rule in this place of a rule set.
    pub fn new(set: &'a RuleSet, place: usize) -> Self {
        Self {
            set,
            place,
            groups: BTreeMap::new(),
            timers: BTreeSet::new(),
            waiting: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Looks at an event, after all that would have happened before it.
    ///
    /// # Errors
    /// When its payload is not the JSON that was accepted.
    pub fn feed(&mut self, event: &Event) -> serde_json::Result<()> {
        self.pass(event.received_at);
        self.tally.report.events += 1;
        let looked = look_at(self.set, event, &[self.place], event.received_at)?;
        let decision = decide(self.set, &[&looked], &mut self.groups, event.received_at);
        if !looked.matches.is_empty() {
            self.waiting.insert(looked.event, looked);
        }
        self.take(&decision, event.received_at);
        self.forget();
        Ok(())
    }

    /// How many groups the matches so far belong to.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Ends it at a time: what would have happened until then is in the report.
    pub fn end(mut self, at: Time) -> Report {
        self.pass(at);
        self.tally.end()
    }

    /// Lets time pass.
    fn pass(&mut self, now: Time) {
        while let Some((at, group)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, group));
            let pending = self.groups.get(&group).and_then(|state| state.pending.as_ref());
            let pending = pending.and_then(|pending| self.waiting.get(&pending.event)).cloned();
            let known = Revisit { pending, ..Revisit::default() };
            let decision = revisit(self.set, Some(self.place), group, &mut self.groups, &known, at);
            self.take(&decision, at);
        }
    }

    fn take(&mut self, decision: &Decision, at: Time) {
        self.timers.extend(decision.timers.iter().map(|(group, at)| (*at, *group)));
        self.tally.take(decision, at);
    }

    /// Forgets the events that nobody waits for.
    fn forget(&mut self) {
        if self.waiting.len() < 1000 {
            return;
        }
        let wanted: BTreeSet<EventId> = self
            .groups
            .values()
            .filter_map(|state| state.pending.as_ref())
            .map(|pending| pending.event)
            .collect();
        self.waiting.retain(|event, _| wanted.contains(event));
    }
}

impl Tally {
    fn take(&mut self, decision: &Decision, at: Time) {
        self.report.alerts += decision.opened.len() as u64;
        for one in &decision.notifications {
            *self.rings.entry(one.origin).or_default() += 1;
        }
        for (_, one) in &decision.recipients {
            *self.recipients.entry(one.user).or_default() += 1;
        }
        let rings = decision.notifications.len() as u64;
        let matches = decision.matches.iter().filter(|one| is_match(one)).count() as u64;
        if rings + matches > 0 {
            let hour = self.hours.entry(at.hour()).or_default();
            *hour = (hour.0 + matches, hour.1 + rings);
        }
        for one in &decision.matches {
            self.count(one);
        }
    }

    fn count(&mut self, one: &MatchRecord) {
        let MatchRecord { event, outcome, reason, .. } = *one;
        match outcome {
            MatchOutcome::Resolved => self.report.resolves += 1,
            MatchOutcome::Failed => self.report.failures += 1,
            MatchOutcome::Rang | MatchOutcome::Suppressed => self.report.matches += 1,
        }
        if let (MatchOutcome::Suppressed, Some(reason)) = (outcome, reason) {
            *self.suppressed.entry(reason).or_default() += 1;
        }
        let seen = self.sampled.entry((outcome, reason)).or_default();
        if *seen < SAMPLES {
            *seen += 1;
            self.report.samples.push(EventSample { event, outcome, reason });
        }
    }

    fn end(self) -> Report {
        let hour = |(at, (matches, rings))| Hour { at, matches, rings };
        let recipient_count = self.recipients.len() as u64;
        let mut recipients: Vec<(UserId, u64)> = self.recipients.into_iter().collect();
        recipients.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        recipients.truncate(NAMED);
        Report {
            rings: self.rings.into_iter().collect(),
            suppressed: self.suppressed.into_iter().collect(),
            hours: self.hours.into_iter().map(hour).collect(),
            recipients,
            recipient_count,
            ..self.report
        }
    }
}

fn is_match(one: &MatchRecord) -> bool {
    matches!(one.outcome, MatchOutcome::Rang | MatchOutcome::Suppressed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Over, Suppression};
    use crate::ruleset::Membership;
    use serde_json::value::RawValue;

    fn at(seconds: i64) -> Time {
        Time::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
    }

    fn event(seconds: i64) -> Event {
        Event {
            id: EventId(crate::id::fresh(at(seconds))),
            kind: "fire".into(),
            source: String::new(),
            subject: None,
            payload: RawValue::from_string("{}".into()).expect("JSON"),
            occurred_at: None,
            received_at: at(seconds),
            idempotency_key: None,
            correlation_id: None,
            replay_of: None,
            key_id: None,
        }
    }

    #[test]
    fn it_says_what_would_have_rung() {
        let user = UserId(uuid::Uuid::from_u128(9));
        let body = RuleBody {
            target_users: vec![user],
            suppression: Some(Suppression { count: 1, seconds: 60, over: Over::Digest }),
            ..RuleBody::new("n", "event.type == \"fire\"")
        };
        let people = Membership { active: [user].into(), ..Membership::default() };
        let source = TrialSource { people, suppression: None };
        let id = RuleId(uuid::Uuid::from_u128(1));
        let (set, place) =
            rule_set(ProjectId::PLATFORM, (id, body), source, at(0)).expect("it compiles");
        let mut test = Backtest::new(&set, place);
        for second in [0, 10, 20, 100, 7200] {
            test.feed(&event(second)).expect("JSON");
        }
        let report = test.end(at(7300));
        assert_eq!((report.events, report.matches, report.alerts), (5, 5, 1));
        // The one at 100 is within a minute of the summary of those at 10 and 20, and makes one of its own.
        assert_eq!(report.rings, [(Origin::Event, 2), (Origin::Digest, 2)]);
        assert_eq!(report.suppressed, [(Reason::Digested, 3)]);
        assert_eq!((report.recipients, report.recipient_count), (vec![(user, 4)], 1));
        let hours: Vec<(u64, u64)> =
            report.hours.iter().map(|hour| (hour.matches, hour.rings)).collect();
        assert_eq!(hours.iter().map(|hour| hour.0).sum::<u64>(), 5);
        assert_eq!(hours.iter().map(|hour| hour.1).sum::<u64>(), 4);
        assert_eq!(report.samples.len(), 5);
    }
}
