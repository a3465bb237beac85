//! A project's rules, compiled once and indexed, so that an event's cost follows the rules that could match it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::condition::{Condition, Name, Subject};
use super::project::ProjectStatus;
use super::rule::Rule;
use super::webhook::Endpoint;
use crate::id::{ProjectId, RuleId, UserId};

/// Everything that the evaluation of a project's events depends on, as of one epoch. It never changes.
#[derive(Debug)]
pub struct RuleSet {
    /// Whose it is.
    pub project: ProjectId,
    /// Whether the project works.
    pub status: ProjectStatus,
    /// The epoch that it was read at.
    pub epoch: i64,
    /// Where webhooks go.
    pub endpoints: Vec<Endpoint>,
    rules: Vec<CompiledRule>,
    // Places in `rules`: those that demand one of some types, and those that may match any.
    by_type: HashMap<String, Vec<usize>>,
    any_type: Vec<usize>,
}

/// A rule that is ready to be looked at.
#[derive(Debug)]
pub struct CompiledRule {
    /// What it says.
    pub rule: Rule,
    /// Its condition.
    pub condition: Condition,
    /// The values that keep its groups apart.
    pub group_by: Vec<Name>,
    /// Who is told, each once, in order.
    pub recipients: Vec<Recipient>,
}

/// Somebody who is told, and why they.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub user: UserId,
    /// The role through which they were chosen; none when the rule names them.
    pub role: Option<Arc<str>>,
}

/// Who is there to be told.
#[derive(Debug, Default)]
pub struct Membership {
    /// The active members of each role, by the role's name.
    pub roles: BTreeMap<String, Vec<UserId>>,
    /// Everybody who is active.
    pub active: BTreeSet<UserId>,
}

impl Membership {
    fn chosen_by(&self, rule: &Rule) -> Vec<Recipient> {
        let mut chosen: BTreeMap<UserId, Option<Arc<str>>> = BTreeMap::new();
        for user in rule.body.target_users.iter().filter(|user| self.active.contains(user)) {
            chosen.insert(*user, None);
        }
        for role in &rule.body.target_roles {
            let name: Arc<str> = role.as_str().into();
            for user in self.roles.get(role).into_iter().flatten() {
                chosen.entry(*user).or_insert_with(|| Some(Arc::clone(&name)));
            }
        }
        chosen.into_iter().map(|(user, role)| Recipient { user, role }).collect()
    }
}

impl RuleSet {
    /// Compiles `rules`; one that does not compile (only an older build could have stored it) is left out and named.
    pub fn compile(
        project: ProjectId,
        status: ProjectStatus,
        epoch: i64,
        rules: Vec<Rule>,
        people: &Membership,
        endpoints: Vec<Endpoint>,
    ) -> (Self, Vec<RuleId>) {
        let mut broken = Vec::new();
        let mut set = Self {
            project,
            status,
            epoch,
            endpoints,
            rules: Vec::with_capacity(rules.len()),
            by_type: HashMap::new(),
            any_type: Vec::new(),
        };
        for rule in rules.into_iter().filter(|rule| rule.active) {
            let id = rule.id;
            match CompiledRule::compile(rule, people) {
                Some(compiled) => set.add(compiled),
                None => broken.push(id),
            }
        }
        (set, broken)
    }

    fn add(&mut self, rule: CompiledRule) {
        let place = self.rules.len();
        let demanded =
            rule.condition.demands().into_iter().find(|demand| demand.path == "event.type");
        match demanded {
            Some(demand) => {
                let types: BTreeSet<&str> =
                    demand.any_of.iter().filter_map(|value| value.as_str()).collect();
                for kind in types {
                    self.by_type.entry(kind.to_owned()).or_default().push(place);
                }
            }
            None => self.any_type.push(place),
        }
        self.rules.push(rule);
    }

    /// The places of the rules that could match an event of this type, in order.
    pub fn candidates(&self, kind: &str) -> Vec<usize> {
        let typed = self.by_type.get(kind).map_or(&[][..], Vec::as_slice);
        let mut places: Vec<usize> = typed.iter().chain(&self.any_type).copied().collect();
        places.sort_unstable();
        places
    }

    /// The rule at a place.
    pub fn rule(&self, place: usize) -> &CompiledRule {
        &self.rules[place]
    }

    /// How many rules there are.
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl CompiledRule {
    fn compile(rule: Rule, people: &Membership) -> Option<Self> {
        let condition = Condition::parse(&rule.body.condition).ok()?;
        let group_by: Option<Vec<Name>> =
            rule.body.group_by.iter().map(|path| Name::parse(path).ok()).collect();
        let recipients = people.chosen_by(&rule);
        Some(Self { condition, group_by: group_by?, recipients, rule })
    }

    /// The group that an event belongs to: its values as a JSON array.
    pub fn group_of(&self, event: &Subject<'_>) -> String {
        key_of(&self.group_by, event)
    }
}

fn key_of(names: &[Name], event: &Subject<'_>) -> String {
    let values: Vec<serde_json::Value> = names.iter().map(|name| name.value(event)).collect();
    serde_json::Value::Array(values).to_string()
}

/// The group that an event belongs to by these paths; those that are no paths count as missing.
pub fn group_key(paths: &[String], event: &Subject<'_>) -> String {
    let names: Vec<Name> = paths.iter().filter_map(|path| Name::parse(path).ok()).collect();
    key_of(&names, event)
}
