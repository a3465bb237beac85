//! A rule tried on one event, before it is switched on: what its conditions say, and who would be notified.

use std::sync::Arc;

use super::condition::{Condition, EvalError, Explanation, Subject};
use super::project::ProjectStatus;
use super::rule::{Rule, RuleMode, Suppression};
use super::ruleset::{Membership, Recipient, RuleSet, Sources};
use crate::id::{ProjectId, UserId};
use crate::time::Time;

/// What a rule is tried among.
#[derive(Debug, Default)]
pub struct TrialSource {
    /// Who is there to be notified.
    pub people: Membership,
    /// The window of rules that say none.
    pub suppression: Option<Suppression>,
}

/// What came of it.
#[derive(Debug)]
pub struct Trial {
    /// What the condition says; nothing where it can't be read.
    pub condition: Option<Result<Explanation, EvalError>>,
    /// What the condition says that resolves, if there is one that can be read.
    pub resolve: Option<Result<Explanation, EvalError>>,
    /// The rest, where the whole rule can be read.
    pub outcome: Option<TrialOutcome>,
}

/// What a match of the event would lead to.
#[derive(Debug)]
pub struct TrialOutcome {
    /// The key of the group that the event belongs to: the values at the paths of `group_by`, as a JSON array.
    pub group: String,
    /// Everybody who would be notified, each once.
    pub recipients: Vec<Recipient>,
    /// The window that would hold.
    pub suppression: Option<Suppression>,
    /// Whether the rule is active at that time.
    pub is_active: bool,
}

/// Tries a rule on an event, in whichever mode it is. Nothing is kept of it.
pub fn try_on(
    project: ProjectId,
    rule: Rule,
    source: TrialSource,
    event: &Subject<'_>,
    now: Time,
) -> Trial {
    let explain = |text: &str| Some(Condition::parse(text).ok()?.explain(event, now));
    let condition = explain(&rule.body.condition);
    let resolve = rule.body.resolve_condition.as_deref().and_then(explain);
    let id = rule.id;
    let is_active = rule.body.active_hours.as_ref().is_none_or(|hours| hours.holds(now));
    let TrialSource { people, suppression } = source;
    let rules = vec![Rule { mode: RuleMode::Live, ..rule }];
    let sources = Sources { rules, people, suppression, ..Sources::default() };
    let (set, _) = RuleSet::compile(project, ProjectStatus::Active, 0, sources);
    let outcome = set.place_of(id).map(|place| {
        let rule = set.rule(place);
        let named: Vec<UserId> = set.named(rule, event);
        TrialOutcome {
            group: rule.group_of(event),
            recipients: set.recipients(rule, &named),
            suppression: rule.suppression,
            is_active,
        }
    });
    Trial { condition, resolve, outcome }
}

/// The role of a recipient, as a text of its own.
pub fn role_of(recipient: &Recipient) -> Option<String> {
    recipient.role.as_ref().map(|role: &Arc<str>| role.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::id::RuleId;
    use crate::rule::{Over, RuleBody};

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    fn source() -> TrialSource {
        TrialSource {
            people: Membership {
                roles: HashMap::from([("on_call".to_owned(), vec![user(1), user(2)])]),
                active: BTreeSet::from([user(1), user(2), user(3)]),
                names: HashMap::from([("ana@example.com".to_owned(), user(3))]),
            },
            suppression: Some(Suppression { count: 3, seconds: 60, over: Over::Drop }),
        }
    }

    fn tried(body: RuleBody) -> Trial {
        let now = Time::default();
        let payload = json!({ "amount": 1500, "customer": "c-7", "owner": "Ana@Example.com" });
        let event = Subject {
            id: "1",
            kind: "payment.received",
            source: "shop",
            subject: None,
            received_at: now,
            payload: &payload,
        };
        let id = RuleId(Uuid::from_u128(9));
        let rule = Rule { id, version: 0, mode: RuleMode::Off, since: now, body };
        try_on(ProjectId(Uuid::from_u128(5)), rule, source(), &event, now)
    }

    #[test]
    fn a_rule_that_is_off_is_tried_as_if_it_were_on() {
        let trial = tried(RuleBody {
            target_roles: vec!["on_call".to_owned()],
            target_users: vec![user(1), user(8)],
            target_path: Some("event.payload.owner".to_owned()),
            group_by: vec!["event.payload.customer".to_owned()],
            resolve_condition: Some("event.payload.amount < 0".to_owned()),
            ..RuleBody::new(
                "n",
                "event.type == \"payment.received\" && event.payload.amount > 2000",
            )
        });
        let condition = trial.condition.expect("read").expect("evaluated");
        assert!(!condition.result);
        let parts: Vec<bool> = condition.parts.iter().map(|part| part.result).collect();
        assert_eq!(parts, [true, false]);
        assert!(!trial.resolve.expect("read").expect("evaluated").result);
        let outcome = trial.outcome.expect("all of it can be read");
        assert_eq!(outcome.group, "[\"c-7\"]");
        let found: Vec<(UserId, Option<String>)> =
            outcome.recipients.iter().map(|one| (one.user, role_of(one))).collect();
        let on_call = Some("on_call".to_owned());
        assert_eq!(found, [(user(1), None), (user(2), on_call), (user(3), None)]);
        assert_eq!(outcome.suppression.map(|window| window.count), Some(3));
        assert!(outcome.is_active);
    }

    #[test]
    fn what_can_be_read_of_a_faulty_rule_is_tried() {
        let trial = tried(RuleBody {
            group_by: vec!["customer".to_owned()],
            ..RuleBody::new("n", "event.payload.amount > 1000")
        });
        assert!(trial.condition.expect("read").expect("evaluated").result);
        assert!(trial.outcome.is_none() && trial.resolve.is_none());
        assert!(tried(RuleBody::new("n", "amount >")).condition.is_none());
    }
}
