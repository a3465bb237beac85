//! What comes of events, whatever the order in which they are evaluated.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::delivery::Target;
use crate::group::GroupState;
use crate::id::{EndpointId, ProjectId};
use crate::project::ProjectStatus;
use crate::rule::{Inhibition, Rule, RuleBody, RuleMode, Suppression};
use crate::ruleset::{Membership, Sources};
use crate::webhook::{Endpoint, SigningSecret};
use serde_json::value::RawValue;

const FIRING: &str = "event.type == \"fire\"";
const RESOLVED: &str = "event.type == \"resolve\"";

fn at(seconds: i64) -> Time {
    Time::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
}

fn user() -> UserId {
    UserId(uuid::Uuid::from_u128(9))
}

fn rule_id(number: u128) -> RuleId {
    RuleId(uuid::Uuid::from_u128(number))
}

fn body(condition: &str) -> RuleBody {
    RuleBody {
        target_users: vec![user()],
        resolve_condition: Some(RESOLVED.to_owned()),
        ..RuleBody::new("n", condition)
    }
}

fn set(bodies: Vec<RuleBody>) -> RuleSet {
    set_in(RuleMode::Live, bodies)
}

fn set_in(mode: RuleMode, bodies: Vec<RuleBody>) -> RuleSet {
    let rules = (1..).zip(bodies).map(|(number, body)| Rule {
        id: rule_id(number),
        version: 1,
        mode,
        since: at(0),
        body,
    });
    let id = EndpointId(uuid::Uuid::from_u128(5));
    let endpoint = Endpoint::new(id, "https://example.com".into(), SigningSecret::fresh());
    let people = Membership { active: [user()].into(), ..Membership::default() };
    let sources =
        Sources { rules: rules.collect(), people, endpoints: vec![endpoint], ..Sources::default() };
    let (set, broken) = RuleSet::compile(ProjectId::PLATFORM, ProjectStatus::Active, 1, sources);
    assert!(broken.is_empty());
    set
}

fn event(kind: &str, received: i64) -> Event {
    Event {
        id: EventId(crate::id::fresh(at(received))),
        kind: kind.to_owned(),
        source: String::new(),
        subject: None,
        payload: RawValue::from_string("{}".into()).expect("JSON"),
        occurred_at: None,
        received_at: at(received),
        idempotency_key: None,
        correlation_id: None,
        replay_of: None,
        key_id: None,
    }
}

type Groups = BTreeMap<GroupId, GroupState>;

fn run(set: &RuleSet, groups: &mut Groups, events: &[&Event], now: i64) -> Decision {
    let looked: Vec<Looked> =
        events.iter().map(|event| look(set, event, at(now)).expect("JSON")).collect();
    decide(set, &looked.iter().collect::<Vec<_>>(), groups, at(now))
}

fn permutations<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
    if all.is_empty() {
        return vec![Vec::new()];
    }
    let mut found = Vec::new();
    for (place, first) in all.iter().enumerate() {
        let mut rest = all.to_vec();
        rest.remove(place);
        for mut other in permutations(&rest) {
            other.insert(0, first.clone());
            found.push(other);
        }
    }
    found
}

#[test]
fn every_order_of_firing_and_resolving_ends_alike() {
    let set = set(vec![body(FIRING)]);
    for kinds in [
        &["fire", "resolve", "fire"][..],
        &["fire", "resolve"],
        &["resolve", "fire"],
        &["fire", "fire", "resolve", "resolve"],
        &["fire", "resolve", "fire", "resolve"],
        &["resolve", "fire", "resolve", "fire"],
    ] {
        let events: Vec<Event> =
            (0..).zip(kinds).map(|(second, kind)| event(kind, second)).collect();
        let mut ends = Vec::new();
        for order in permutations(&events.iter().collect::<Vec<_>>()) {
            let mut groups = Groups::new();
            for (step, one) in (10..).zip(&order) {
                run(&set, &mut groups, &[one], step);
            }
            let state = groups.values().next().expect("a group");
            ends.push((state.alert.is_some(), state.resolved, state.matched));
        }
        let open = kinds.last() == Some(&"fire");
        // What was received before the last resolve, and came after it, matched too late to be noted.
        assert!(ends.iter().all(|end| (end.0, end.1) == (open, ends[0].1)), "{kinds:?}: {ends:?}");
    }
}

#[test]
fn a_batch_decides_in_the_order_of_receipt() {
    let set = set(vec![body(FIRING)]);
    let (first, second, third) = (event("fire", 1), event("resolve", 2), event("fire", 3));
    let mut groups = Groups::new();
    let decision = run(&set, &mut groups, &[&third, &first, &second], 10);
    let outcomes: Vec<(MatchOutcome, Option<Reason>)> =
        decision.matches.iter().map(|one| (one.outcome, one.reason)).collect();
    assert_eq!(
        outcomes,
        [(MatchOutcome::Rang, None), (MatchOutcome::Resolved, None), (MatchOutcome::Rang, None)]
    );
    // The alert that opened and ended in the batch is kept with its end, and its end is told.
    assert_eq!((decision.opened.len(), decision.standings.len()), (2, 2));
    assert_eq!(decision.resolutions.len(), 1);
    let ids: std::collections::BTreeSet<_> =
        decision.notifications.iter().map(|one| one.id).collect();
    assert_eq!(ids.len(), 3, "each notification has an id of its own");
}

#[test]
fn an_event_that_is_evaluated_twice_makes_the_same_notification() {
    let set = set(vec![body(FIRING)]);
    let one = event("fire", 1);
    let made = |groups: &mut Groups| run(&set, groups, &[&one], 10).notifications[0].id;
    assert_eq!(made(&mut Groups::new()), made(&mut Groups::new()));
}

#[test]
fn an_inhibiting_alert_of_the_same_batch_counts() {
    let quiet = RuleBody {
        inhibited_by: vec![Inhibition { rule: rule_id(1), equal: vec![], hold_seconds: 0 }],
        ..body("event.type == \"small\"")
    };
    let set = set(vec![body(FIRING), quiet]);
    let mut groups = Groups::new();
    let decision = run(&set, &mut groups, &[&event("fire", 1), &event("small", 2)], 10);
    let small = &decision.matches[1];
    assert_eq!((small.reason, small.cause), (Some(Reason::Inhibited), Some(rule_id(1).0)));
    // It is decided on again, and rings once the other alert is over.
    let (group, when) = decision.timers[0];
    let looked = look(&set, &event("small", 2), at(20)).expect("JSON");
    let pending = groups[&group].pending.clone().expect("it waits");
    let known =
        Revisit { pending: Some(Looked { event: pending.event, ..looked }), ..Revisit::default() };
    let again = |groups: &mut Groups, now: Time| {
        revisit(&set, Some(1), group, groups, &known, now).notifications.len()
    };
    assert_eq!(again(&mut groups, when), 0, "the other one is still open");
    run(&set, &mut groups, &[&event("resolve", 100)], 100);
    // The resolve condition is that of both rules: what was open is over, and nothing waits any more.
    assert_eq!(again(&mut groups, when.plus(Duration::from_secs(120))), 0);
}

#[test]
fn a_match_that_waited_rings_only_if_its_rule_is_live_by_then() {
    let waits = RuleBody {
        inhibited_by: vec![Inhibition { rule: rule_id(1), equal: vec![], hold_seconds: 30 }],
        ..body("event.type == \"small\"")
    };
    let bodies = vec![body(FIRING), waits];
    let (live, small) = (set(bodies.clone()), event("small", 10));
    let mut groups = Groups::new();
    let decision = run(&live, &mut groups, &[&small], 10);
    assert_eq!(decision.matches[0].reason, Some(Reason::Waiting));
    let (group, when) = decision.timers[0];
    let pending = Some(look(&live, &small, when).expect("JSON"));
    let known = Revisit { pending, ..Revisit::default() };
    for (mode, rings) in [(RuleMode::Live, 1), (RuleMode::Shadow, 0)] {
        let set = set_in(mode, bodies.clone());
        let mut groups = groups.clone();
        let decision = revisit(&set, Some(1), group, &mut groups, &known, when);
        assert_eq!(decision.notifications.len(), rings, "{mode}");
        assert_eq!(groups[&group].pending, None, "{mode}: nothing waits any more");
    }
}

#[test]
fn a_window_is_exact_whatever_is_revisited() {
    let windowed = RuleBody {
        suppression: Some(Suppression {
            over: crate::rule::Over::Digest,
            ..Suppression::new(1, 60)
        }),
        resolve_condition: None,
        ..body(FIRING)
    };
    let set = set(vec![windowed]);
    let mut groups = Groups::new();
    let (mut rings, mut next) = (Vec::new(), None::<(GroupId, Time)>);
    for second in 0..600 {
        let now = at(second);
        if let Some((group, when)) = next
            && when <= now
        {
            let decision = revisit(&set, Some(0), group, &mut groups, &Revisit::default(), now);
            rings.extend(decision.notifications.iter().map(|_| second));
            next = decision.timers.first().copied();
        }
        if second % 7 == 0 {
            let decision = run(&set, &mut groups, &[&event("fire", second)], second);
            rings.extend(decision.notifications.iter().map(|_| second));
            next = decision.timers.first().copied().or(next);
        }
    }
    assert_eq!(rings, [0, 60, 120, 180, 240, 300, 360, 420, 480, 540], "{rings:?}");
}

#[test]
fn an_endpoint_gets_what_its_filter_takes() {
    let mut set = set(vec![body(FIRING), body("event.type == \"other\"")]);
    set.endpoints[0].filter.rules = vec![rule_id(1)];
    let (taken, left) = (event("fire", 1), event("other", 2));
    let decision = run(&set, &mut Groups::new(), &[&taken, &left], 10);
    let outcomes: Vec<(RuleId, Option<Reason>)> =
        decision.matches.iter().map(|one| (one.rule, one.reason)).collect();
    assert_eq!(outcomes, [(rule_id(1), None), (rule_id(2), Some(Reason::NoTarget))]);
    assert_eq!((decision.notifications.len(), decision.deliveries.len()), (1, 1));
    // Of two, the one that does not take it is left out.
    let id = EndpointId(uuid::Uuid::from_u128(6));
    set.endpoints.push(Endpoint::new(id, "https://example.org".into(), SigningSecret::fresh()));
    let decision = run(&set, &mut Groups::new(), &[&left], 10);
    let targets: Vec<Target> = decision.deliveries.iter().map(|one| one.target).collect();
    assert_eq!(targets, [Target::Endpoint(id)]);
}
