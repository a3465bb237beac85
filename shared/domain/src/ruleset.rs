//! A project's rules, compiled once and indexed, so that an event's cost follows the rules that could match it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::absence::Deadlines;
use super::condition::{Condition, Name, Subject};
use super::project::ProjectStatus;
use super::rule::{Rule, RuleMode, Suppression};
use super::silence::Silence;
use super::webhook::Endpoint;
use crate::id::{GroupId, ProjectId, RuleId, UserId};

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
    /// What is not to ring for a while.
    pub silences: Vec<Silence>,
    people: Membership,
    rules: Vec<CompiledRule>,
    places: HashMap<RuleId, usize>,
    // Places in `rules`: those that demand one of some types, and those that may match any.
    by_type: HashMap<String, Vec<usize>>,
    any_type: Vec<usize>,
}

/// What a rule set is compiled from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Who is there to be notified.
    pub people: Membership,
    /// Where webhooks go.
    pub endpoints: Vec<Endpoint>,
    /// What is not to ring for a while.
    pub silences: Vec<Silence>,
    /// The window of rules that say none.
    pub suppression: Option<Suppression>,
}

/// A rule that is ready to be looked at.
#[derive(Debug)]
pub struct CompiledRule {
    /// What it says.
    pub rule: Rule,
    /// Its condition.
    pub condition: Condition,
    /// Which events resolve its alert.
    pub resolve: Option<Condition>,
    /// The values that keep its groups apart.
    pub group_by: Vec<Name>,
    /// How often a group may ring.
    pub suppression: Option<Suppression>,
    /// When an event is missing.
    pub deadlines: Option<Deadlines>,
    /// The rules that keep it quiet, and the values that are their groups.
    pub inhibited_by: Vec<(RuleId, Vec<Name>)>,
    /// Where events say who is notified.
    pub target: Option<Name>,
}

/// A user who is notified, and why they.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub user: UserId,
    /// The role through which they were chosen; none when the rule names them.
    pub role: Option<Arc<str>>,
}

/// Who is there to be notified.
#[derive(Debug, Default)]
pub struct Membership {
    /// The active members of each role, by the role's name.
    pub roles: HashMap<String, Vec<UserId>>,
    /// Every active user.
    pub active: BTreeSet<UserId>,
    /// Active users by what events may call them: email and username, in small letters. Only read where a rule asks.
    pub names: HashMap<String, UserId>,
}

impl Membership {
    fn chosen_by(&self, rule: &Rule, named: &[UserId]) -> Vec<Recipient> {
        let mut chosen: BTreeMap<UserId, Option<Arc<str>>> = BTreeMap::new();
        let users = rule.body.target_users.iter().chain(named);
        for user in users.filter(|user| self.active.contains(user)) {
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

    fn named(&self, value: &serde_json::Value) -> Option<UserId> {
        let text = value.as_str()?;
        let by_id = || text.parse().ok().filter(|id| self.active.contains(id));
        self.names.get(&text.to_lowercase()).copied().or_else(by_id)
    }
}

/// The most users that an event may name.
const MAX_NAMED: usize = 100;

impl RuleSet {
    /// Compiles rules; one that does not compile (only an older build could have stored it) is left out and named.
    pub fn compile(
        project: ProjectId,
        status: ProjectStatus,
        epoch: i64,
        sources: Sources,
    ) -> (Self, Vec<RuleId>) {
        let Sources { rules, people, endpoints, silences, suppression } = sources;
        let mut broken = Vec::new();
        let mut set = Self {
            project,
            status,
            epoch,
            endpoints,
            silences,
            people,
            rules: Vec::with_capacity(rules.len()),
            places: HashMap::new(),
            by_type: HashMap::new(),
            any_type: Vec::new(),
        };
        for rule in rules.into_iter().filter(|rule| rule.mode != RuleMode::Off) {
            let id = rule.id;
            match CompiledRule::compile(rule, suppression) {
                Some(compiled) => set.add(compiled),
                None => broken.push(id),
            }
        }
        (set, broken)
    }

    fn add(&mut self, rule: CompiledRule) {
        let place = self.rules.len();
        let resolve = rule.resolve.as_ref().map(types_of);
        match (types_of(&rule.condition), resolve) {
            (Some(types), None) => self.index(place, types),
            (Some(types), Some(Some(more))) => self.index(place, types.into_iter().chain(more)),
            _ => self.any_type.push(place),
        }
        self.places.insert(rule.rule.id, place);
        self.rules.push(rule);
    }

    fn index(&mut self, place: usize, types: impl IntoIterator<Item = String>) {
        let types: BTreeSet<String> = types.into_iter().collect();
        for kind in types {
            self.by_type.entry(kind).or_default().push(place);
        }
    }

    /// The place of a rule, if it works.
    pub fn place_of(&self, rule: RuleId) -> Option<usize> {
        self.places.get(&rule).copied()
    }

    /// Who is notified when a rule rings: each once, in order; `named` are those that the event names.
    pub fn recipients(&self, rule: &CompiledRule, named: &[UserId]) -> Vec<Recipient> {
        self.people.chosen_by(&rule.rule, named)
    }

    /// Whether anybody is notified when a rule rings.
    pub fn has_recipients(&self, rule: &CompiledRule, named: &[UserId]) -> bool {
        let (body, people) = (&rule.rule.body, &self.people);
        let mut users = body.target_users.iter().chain(named);
        let mut roles = body.target_roles.iter().filter_map(|role| people.roles.get(role));
        users.any(|user| people.active.contains(user)) || roles.any(|members| !members.is_empty())
    }

    /// Whether a user is there to be notified.
    pub fn is_active(&self, user: UserId) -> bool {
        self.people.active.contains(&user)
    }

    /// The users that an event names where the rule says.
    pub fn named(&self, rule: &CompiledRule, event: &Subject<'_>) -> Vec<UserId> {
        let Some(target) = &rule.target else { return Vec::new() };
        match target.value(event) {
            serde_json::Value::Array(all) => {
                all.iter().take(MAX_NAMED).filter_map(|one| self.people.named(one)).collect()
            }
            one => self.people.named(&one).into_iter().collect(),
        }
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

/// The types of event that a condition demands, if it demands any.
fn types_of(condition: &Condition) -> Option<BTreeSet<String>> {
    let demand = condition.demands().into_iter().find(|demand| demand.path == "event.type")?;
    Some(demand.any_of.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
}

impl CompiledRule {
    /// Compiles a rule; `suppression` is the window of those that say none.
    pub fn compile(rule: Rule, suppression: Option<Suppression>) -> Option<Self> {
        let body = &rule.body;
        let names = |paths: &[String]| -> Option<Vec<Name>> {
            paths.iter().map(|path| Name::parse(path).ok()).collect()
        };
        let optional = |text: &Option<String>| match text {
            Some(text) => Condition::parse(text).ok().map(Some),
            None => Some(None),
        };
        let inhibited: Option<Vec<_>> =
            body.inhibited_by.iter().map(|one| Some((one.rule, names(&one.equal)?))).collect();
        Some(Self {
            condition: Condition::parse(&body.condition).ok()?,
            resolve: optional(&body.resolve_condition)?,
            group_by: names(&body.group_by)?,
            suppression: body.suppression.or(suppression),
            deadlines: match &body.absence {
                Some(absence) => Some(Deadlines::new(absence).ok()?),
                None => None,
            },
            inhibited_by: inhibited?,
            target: match &body.target_path {
                Some(path) => Some(Name::parse(path).ok()?),
                None => None,
            },
            rule,
        })
    }

    /// The group that an event belongs to: its values as a JSON array.
    pub fn group_of(&self, event: &Subject<'_>) -> String {
        key_of(&self.group_by, event)
    }

    /// The groups of other rules whose alerts keep this one quiet.
    pub fn inhibitors(&self, event: &Subject<'_>) -> Vec<(RuleId, GroupId)> {
        let group = |(rule, equal): &(RuleId, Vec<Name>)| {
            (*rule, GroupId::new(*rule, &key_of(equal, event)))
        };
        self.inhibited_by.iter().map(group).collect()
    }

    /// After how long without a match its alerts resolve.
    pub fn age(&self) -> Option<Duration> {
        self.rule.body.resolve_after_seconds.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// How many times of rings a group must remember.
    pub fn remembered(&self) -> usize {
        self.suppression.map_or(0, |window| window.count as usize)
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
