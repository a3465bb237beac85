//! What is wrong with the names in a rule: its roles, its users and other rules must be there.

use std::collections::BTreeSet;

use super::{RuleBody, RuleRecord};
use crate::condition::nearest;
use crate::fault::{Fault, FaultCode};
use crate::id::{RuleId, UserId};

/// What a rule of a project can name.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The names of its roles.
    pub roles: &'a [String],
    /// Those of the rule's users who are there.
    pub users: &'a BTreeSet<UserId>,
    /// Its rules.
    pub rules: &'a [RuleRecord],
}

impl RuleBody {
    /// Everything that the body of the rule `id` names and that is not there, or is not as it must be.
    pub fn reference_faults(&self, id: RuleId, known: &Known<'_>) -> Vec<Fault> {
        let mut found = Vec::new();
        for (at, name) in self.target_roles.iter().enumerate() {
            if !known.roles.contains(name) {
                found.push(missing(format!("target_roles[{at}]"), no_role(name, known.roles)));
            }
        }
        for (at, user) in self.target_users.iter().enumerate() {
            if !known.users.contains(user) {
                let right = "the project has no user with this id; GET /api/v1/users lists them";
                found.push(missing(format!("target_users[{at}]"), right.to_owned()));
            }
        }
        for (at, inhibition) in self.inhibited_by.iter().enumerate() {
            let field = format!("inhibited_by[{at}]");
            let other = known.rules.iter().find(|one| one.rule.id == inhibition.rule);
            match other {
                _ if inhibition.rule == id => {
                    let right = "a rule can't inhibit itself: name another one";
                    let field = format!("{field}.rule");
                    found.push(Fault::new(field, FaultCode::Invalid, right));
                }
                None => {
                    let right =
                        "the project has no rule with this id; GET /api/v1/rules lists them";
                    found.push(missing(format!("{field}.rule"), right.to_owned()));
                }
                Some(other) if other.rule.body.group_by.len() != inhibition.equal.len() => {
                    let right = equal_fault(&other.rule.body);
                    found.push(Fault::new(format!("{field}.equal"), FaultCode::Mismatch, right));
                }
                Some(_) => {}
            }
        }
        found
    }
}

/// The names of the rules that are inhibited by the rule `id`, in order.
pub fn inhibited_by(id: RuleId, rules: &[RuleRecord]) -> Vec<String> {
    names_of(rules, |inhibition| inhibition.rule == id)
}

/// The names of the rules that would no longer fit the rule `id` if it kept its groups apart by `paths` paths.
pub fn unfit_for(id: RuleId, paths: usize, rules: &[RuleRecord]) -> Vec<String> {
    names_of(rules, |inhibition| inhibition.rule == id && inhibition.equal.len() != paths)
}

fn names_of(rules: &[RuleRecord], fits: impl Fn(&super::Inhibition) -> bool) -> Vec<String> {
    let with = rules.iter().filter(|one| one.rule.body.inhibited_by.iter().any(&fits));
    let mut names: Vec<String> = with.map(|one| one.rule.body.name.clone()).collect();
    names.sort();
    names
}

fn missing(field: String, right: String) -> Fault {
    Fault::new(field, FaultCode::NotFound, right)
}

fn no_role(name: &str, roles: &[String]) -> String {
    match nearest(name, roles.iter().map(String::as_str)) {
        Some(near) => format!("the project has no role {name:?}; did you mean {near:?}?"),
        None => {
            format!("the project has no role {name:?}; GET /api/v1/roles lists them")
        }
    }
}

fn equal_fault(other: &RuleBody) -> String {
    let name = &other.name;
    match other.group_by.as_slice() {
        [] => format!("the rule {name:?} has no group_by: leave equal empty"),
        paths => format!(
            "give as many paths as the group_by of the rule {name:?} has, in its order: {}",
            paths.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Inhibition, Rule, RuleMode};
    use crate::time::Time;
    use uuid::Uuid;

    fn record(number: u128, name: &str, group_by: &[&str]) -> RuleRecord {
        let body = RuleBody {
            group_by: group_by.iter().map(ToString::to_string).collect(),
            ..RuleBody::new(name, "true")
        };
        let id = RuleId(Uuid::from_u128(number));
        let rule = Rule { id, version: 1, mode: RuleMode::Live, since: Time::default(), body };
        RuleRecord { rule, created_by: None, created_at: Time::default() }
    }

    fn inhibition(number: u128, equal: &[&str]) -> Inhibition {
        Inhibition {
            rule: RuleId(Uuid::from_u128(number)),
            equal: equal.iter().map(ToString::to_string).collect(),
            hold_seconds: 0,
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let roles = ["on_call".to_owned(), "admin".to_owned()];
        let ana = UserId(Uuid::from_u128(7));
        let users = BTreeSet::from([ana]);
        let rules = [record(1, "own", &[]), record(2, "site down", &["event.payload.site"])];
        let known = Known { roles: &roles, users: &users, rules: &rules };
        type Change = fn(&mut RuleBody);
        let cases: [(Change, &[(&str, &str)]); 8] = [
            (|_| {}, &[]),
            (
                |one| one.target_roles = vec!["admin".into(), "on_cal".into()],
                &[("target_roles[1]", "did you mean \"on_call\"?")],
            ),
            (
                |one| one.target_roles = vec!["unlike".into()],
                &[("target_roles[0]", "GET /api/v1/roles")],
            ),
            (
                |one| {
                    one.target_users = vec![UserId(Uuid::from_u128(7)), UserId(Uuid::from_u128(8))];
                },
                &[("target_users[1]", "no user with this id")],
            ),
            (
                |one| one.inhibited_by = vec![inhibition(1, &[])],
                &[("inhibited_by[0].rule", "can't inhibit itself")],
            ),
            (
                |one| one.inhibited_by = vec![inhibition(3, &[])],
                &[("inhibited_by[0].rule", "no rule with this id")],
            ),
            (
                |one| one.inhibited_by = vec![inhibition(2, &[])],
                &[("inhibited_by[0].equal", "in its order: event.payload.site")],
            ),
            (|one| one.inhibited_by = vec![inhibition(2, &["event.source"])], &[]),
        ];
        for (at, (change, wanted)) in cases.into_iter().enumerate() {
            let mut body = RuleBody::new("own", "true");
            change(&mut body);
            let found = body.reference_faults(RuleId(Uuid::from_u128(1)), &known);
            assert_eq!(found.len(), wanted.len(), "case {at}: {found:?}");
            for (fault, (field, right)) in found.iter().zip(wanted) {
                assert_eq!(fault.field, *field, "case {at}");
                assert!(fault.message.contains(right), "case {at}: {}", fault.message);
            }
        }
    }

    #[test]
    fn those_that_stand_in_the_way_are_named() {
        let mut quiet = record(3, "host down", &[]);
        quiet.rule.body.inhibited_by = vec![inhibition(2, &["event.payload.site"])];
        let rules = [record(2, "site down", &["event.payload.site"]), quiet];
        let site = RuleId(Uuid::from_u128(2));
        assert_eq!(inhibited_by(site, &rules), ["host down"]);
        assert_eq!(unfit_for(site, 1, &rules), Vec::<String>::new());
        assert_eq!(unfit_for(site, 2, &rules), ["host down"]);
        assert_eq!(inhibited_by(RuleId(Uuid::from_u128(3)), &rules), Vec::<String>::new());
    }
}
