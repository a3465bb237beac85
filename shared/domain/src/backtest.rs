//! A rule held against events of the past, as if it had been there: what would have matched, what would have rung, and who
//! would have been notified. Time is the time of receipt.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluation::{
    Decision, Looked, MatchOutcome, MatchRecord, Origin, Revisit, decide, look_at, revisit,
};
use super::event::Event;
use super::group::GroupState;
use super::reason::Reason;
use super::ruleset::RuleSet;
use crate::id::{EventId, GroupId, UserId};
use crate::time::Time;

/// How many samples of each outcome are kept.
const SAMPLES: usize = 20;

/// What happened in one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Events that matched.
    pub matches: u64,
    /// Notifications that would have been sent.
    pub rings: u64,
}

/// What a rule would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    pub rings: BTreeMap<Origin, u64>,
    /// How many matches would not have rung, and why.
    pub suppressed: BTreeMap<Reason, u64>,
    /// The same by hours, those in which nothing happened left out.
    pub hours: BTreeMap<Time, Hour>,
    /// Some events with their fate, of each fate the first.
    pub samples: Vec<(EventId, MatchOutcome, Option<Reason>)>,
    /// Who would have been notified, and how often.
    pub recipients: BTreeMap<UserId, u64>,
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
    report: Report,
    sampled: BTreeMap<(MatchOutcome, Option<Reason>), usize>,
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
            report: Report::default(),
            sampled: BTreeMap::new(),
        }
    }

    /// Looks at an event, after all that would have happened before it.
    ///
    /// # Errors
    /// When its payload is not the JSON that was accepted.
    pub fn feed(&mut self, event: &Event) -> serde_json::Result<()> {
        self.pass(event.received_at);
        self.report.events += 1;
        let looked = look_at(self.set, event, &[self.place], event.received_at)?;
        let decision = decide(self.set, &[&looked], &mut self.groups, event.received_at);
        if !looked.matches.is_empty() {
            self.waiting.insert(looked.event, looked);
        }
        self.take(&decision, event.received_at);
        self.forget();
        Ok(())
    }

    /// Ends it at a time: what would have happened until then is in the report.
    pub fn end(mut self, at: Time) -> Report {
        self.pass(at);
        self.report
    }

    /// What is known so far, to be shown while it goes on.
    pub const fn report(&self) -> &Report {
        &self.report
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
        let report = &mut self.report;
        report.alerts += decision.opened.len() as u64;
        for one in &decision.notifications {
            *report.rings.entry(one.origin).or_default() += 1;
        }
        for (_, one) in &decision.recipients {
            *report.recipients.entry(one.user).or_default() += 1;
        }
        let rings = decision.notifications.len() as u64;
        let matches = decision.matches.iter().filter(|one| is_match(one)).count() as u64;
        if rings + matches > 0 {
            let hour = report.hours.entry(at.hour()).or_default();
            hour.rings += rings;
            hour.matches += matches;
        }
        for one in &decision.matches {
            self.count(one);
        }
    }

    fn count(&mut self, one: &MatchRecord) {
        let report = &mut self.report;
        match one.outcome {
            MatchOutcome::Resolved => report.resolves += 1,
            MatchOutcome::Failed => report.failures += 1,
            MatchOutcome::Rang | MatchOutcome::Suppressed => report.matches += 1,
        }
        if let (MatchOutcome::Suppressed, Some(reason)) = (one.outcome, one.reason) {
            *report.suppressed.entry(reason).or_default() += 1;
        }
        let seen = self.sampled.entry((one.outcome, one.reason)).or_default();
        if *seen < SAMPLES {
            *seen += 1;
            report.samples.push((one.event, one.outcome, one.reason));
        }
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

fn is_match(one: &MatchRecord) -> bool {
    matches!(one.outcome, MatchOutcome::Rang | MatchOutcome::Suppressed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EndpointId, ProjectId, RuleId};
    use crate::project::ProjectStatus;
    use crate::rule::{Over, Rule, RuleBody, RuleMode, Suppression};
    use crate::ruleset::{Membership, Sources};
    use crate::webhook::{Endpoint, SigningSecret};
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
        let rule = Rule {
            id: RuleId(uuid::Uuid::from_u128(1)),
            version: 1,
            mode: RuleMode::Live,
            since: at(0),
            body: RuleBody {
                target_users: vec![user],
                suppression: Some(Suppression { count: 1, seconds: 60, over: Over::Digest }),
                ..RuleBody::new("n", "event.type == \"fire\"")
            },
        };
        let endpoint = Endpoint {
            id: EndpointId(uuid::Uuid::from_u128(5)),
            url: "https://example.com".into(),
            secret: SigningSecret::fresh(),
        };
        let sources = Sources {
            rules: vec![rule],
            people: Membership { active: [user].into(), ..Membership::default() },
            endpoints: vec![endpoint],
            ..Sources::default()
        };
        let (set, _) = RuleSet::compile(ProjectId::PLATFORM, ProjectStatus::Active, 1, sources);
        let mut test = Backtest::new(&set, 0);
        for second in [0, 10, 20, 100, 7200] {
            test.feed(&event(second)).expect("JSON");
        }
        let report = test.end(at(7300));
        assert_eq!((report.events, report.matches, report.alerts), (5, 5, 1));
        // The one at 100 is within a minute of the summary of those at 10 and 20, and makes one of its own.
        assert_eq!(report.rings, BTreeMap::from([(Origin::Event, 2), (Origin::Digest, 2)]));
        assert_eq!(report.suppressed, BTreeMap::from([(Reason::Digested, 3)]));
        assert_eq!(report.recipients, BTreeMap::from([(user, 4)]));
        let hours: Vec<(u64, u64)> =
            report.hours.values().map(|hour| (hour.matches, hour.rings)).collect();
        assert_eq!(hours.iter().map(|hour| hour.0).sum::<u64>(), 5);
        assert_eq!(hours.iter().map(|hour| hour.1).sum::<u64>(), 4);
    }
}
