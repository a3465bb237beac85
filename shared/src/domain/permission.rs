//! Who may do what: permissions, the roles that hold them, and the one place where it is decided.

mod grant;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use serde_json::Value;

use super::condition::{Clause, Facts};
use super::fault::{Fault, FaultCode};
use super::names::words;
use crate::id::RoleId;
use crate::time::Time;

pub use grant::{
    Grant, MAX_CONDITION, USER_FACTS, event_facts, facts_of, key_facts, role_facts, user_facts,
};

words! {
    /// What a permission is about.
    Resource {
        /// Tenants of the platform.
        Projects = 1 "projects",
        /// API keys of a project.
        Keys = 2 "keys",
        /// Settings of a project.
        Settings = 3 "settings",
        /// People of a project.
        Users = 4 "users",
        /// Roles of a project.
        Roles = 5 "roles",
        /// Events and their traces.
        Events = 6 "events",
        /// Rules.
        Rules = 7 "rules",
        /// Webhook endpoints.
        Endpoints = 8 "endpoints",
        /// Alerts.
        Alerts = 9 "alerts",
        /// Notifications and deliveries.
        Notifications = 10 "notifications",
        /// The audit log.
        Audit = 11 "audit",
        /// Queues, dead work and the state of the platform.
        Queues = 12 "queues",
        /// Schedules.
        Schedules = 13 "schedules",
    }
}

words! {
    /// What is done with it.
    Action {
        /// Look at it.
        Read = 1 "read",
        /// Make one.
        Create = 2 "create",
        /// Change it.
        Update = 3 "update",
        /// Take it away.
        Delete = 4 "delete",
        /// Let somebody or something in.
        Approve = 5 "approve",
        /// Take it out in bulk.
        Export = 6 "export",
        /// All of these, and what none of them covers.
        Manage = 7 "manage",
    }
}

words! {
    /// How far a permission reaches.
    Reach {
        /// What belongs to whoever asks.
        Own = 1 "own",
        /// Everything in the project.
        Any = 2 "any",
    }
}

words! {
    /// Whether a permission gives or takes.
    Effect {
        /// It gives.
        Allow = 1 "allow",
        /// It takes, whatever else gives.
        Deny = 2 "deny",
    }
}

/// One permission. Its text is `users:read`, `users:read:own`, or `!users:delete` for one that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    /// About what.
    pub resource: Resource,
    /// Doing what.
    pub action: Action,
    /// How far.
    pub reach: Reach,
    /// Giving or taking.
    pub effect: Effect,
}

impl Permission {
    /// A permission that gives everything of an action.
    pub const fn allow(resource: Resource, action: Action) -> Self {
        Self { resource, action, reach: Reach::Any, effect: Effect::Allow }
    }

    /// The same for what is one's own.
    pub const fn own(self) -> Self {
        Self { reach: Reach::Own, ..self }
    }

    /// Reads its text.
    ///
    /// # Errors
    /// When a word of it is not known, with those that are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (effect, rest) = match text.strip_prefix('!') {
            Some(rest) => (Effect::Deny, rest),
            None => (Effect::Allow, text),
        };
        let mut words = rest.split(':');
        let resource = known(words.next(), "resource", Resource::parse, Resource::ALL)?;
        let action = known(words.next(), "action", Action::parse, Action::ALL)?;
        let reach = match words.next() {
            None => Reach::Any,
            word => known(word, "reach", Reach::parse, Reach::ALL)?,
        };
        match words.next() {
            None => Ok(Self { resource, action, reach, effect }),
            Some(_) => Err("expected resource:action or resource:action:reach".to_owned()),
        }
    }

    fn covers(&self, wanted: Wanted) -> bool {
        self.resource == wanted.resource
            && (self.action == wanted.action || self.action == Action::Manage)
            && (self.reach == Reach::Any || wanted.own)
    }
}

fn known<T: fmt::Display>(
    word: Option<&str>,
    what: &str,
    parse: fn(&str) -> Option<T>,
    all: &[T],
) -> Result<T, String> {
    word.and_then(parse).ok_or_else(|| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        format!("{:?} is no {what}; there are {}", word.unwrap_or_default(), all.join(", "))
    })
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.effect == Effect::Deny { "!" } else { "" };
        write!(f, "{sign}{}:{}", self.resource, self.action)?;
        if self.reach == Reach::Own { write!(f, ":{}", self.reach) } else { Ok(()) }
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// With what.
    pub resource: Resource,
    /// Doing what.
    pub action: Action,
    /// Whether it belongs to whoever asks.
    pub own: bool,
}

/// All that somebody may do, out of all their roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(Arc<[Grant]>);

impl Grants {
    /// What these permissions give together.
    pub fn new<G: Into<Grant>>(permissions: impl IntoIterator<Item = G>) -> Self {
        let mut sorted: Vec<Grant> = permissions.into_iter().map(Into::into).collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self(sorted.into())
    }

    /// Whether they may, whatever it is done with: something must give it and nothing take it. What is given under a
    /// condition is not given then, and what is taken under one is taken.
    pub fn allow(&self, wanted: Wanted) -> bool {
        self.decide(wanted, |_| None)
    }

    /// Whether there can be something with which they may. It decides whether it is worth looking; never more than that.
    pub fn may(&self, wanted: Wanted) -> bool {
        let covering = |one: &&Grant| one.permission.covers(wanted);
        let given = |one: &Grant| one.permission.effect == Effect::Allow;
        let taken = |one: &Grant| one.permission.effect == Effect::Deny && one.condition.is_none();
        self.0.iter().filter(covering).any(given) && !self.0.iter().filter(covering).any(taken)
    }

    /// Whether they may do it with this resource.
    pub fn allow_with(&self, wanted: Wanted, facts: &Facts<'_>, now: Time) -> bool {
        self.decide(wanted, |condition| condition.holds(facts, now).ok())
    }

    /// Whether they may do it where there is no resource to look at: conditions about who asks are decided, and those
    /// about the resource are for what takes and not for what gives.
    pub fn allow_without(&self, wanted: Wanted, user: &Value, now: Time) -> bool {
        let facts = Facts { resource: &Value::Null, user };
        self.decide(wanted, |condition| {
            let decidable = !condition.is_about_resource();
            decidable.then(|| condition.holds(&facts, now).ok()).flatten()
        })
    }

    /// Decides with what is known of each condition; what is not known never gives and always takes.
    fn decide(&self, wanted: Wanted, holds: impl Fn(&Clause) -> Option<bool>) -> bool {
        let covering = |effect| {
            let of = move |one: &&Grant| {
                one.permission.effect == effect && one.permission.covers(wanted)
            };
            self.0.iter().filter(of)
        };
        let known = |one: &Grant, unknown: bool| {
            one.condition.as_ref().is_none_or(|condition| holds(condition).unwrap_or(unknown))
        };
        covering(Effect::Allow).any(|one| known(one, false))
            && !covering(Effect::Deny).any(|one| known(one, true))
    }

    /// Whether somebody may do all that a permission names, with all that it reaches, and so may give it to others: always
    /// if it is given always, and else always or under the same condition. What is taken from them is not theirs to
    /// give, and neither is what is taken from them under some condition.
    pub fn holds(&self, one: &Grant) -> bool {
        let Permission { resource, action, reach, .. } = one.permission;
        let actions: &[Action] = match &action {
            // Everything means each of them.
            Action::Manage => Action::ALL,
            action => std::slice::from_ref(action),
        };
        let owns: &[bool] = if reach == Reach::Own { &[true] } else { &[true, false] };
        let same = |condition: &Clause| {
            // Another condition may be the narrower one; nobody proves that here.
            (one.condition.as_ref() == Some(condition)).then_some(true)
        };
        let each = |action: Action, own: bool| {
            let wanted = Wanted { resource, action, own };
            let taken = self.0.iter().any(|mine| {
                mine.permission.effect == Effect::Deny && mine.permission.covers(wanted)
            });
            !taken && self.decide(wanted, same)
        };
        actions.iter().all(|action| owns.iter().all(|own| each(*action, *own)))
    }

    /// The permissions, in order.
    pub fn list(&self) -> &[Grant] {
        &self.0
    }
}

/// A role as far as permissions go.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Its own permissions.
    pub permissions: Vec<Grant>,
    /// The role whose permissions it has too.
    pub parent: Option<RoleId>,
}

/// How deep roles may inherit; a chain that is longer, or a circle, ends there.
pub const MAX_PARENTS: usize = 16;

/// What the holder of some roles may do, with what these inherit.
pub fn grants(of: &[RoleId], roles: &BTreeMap<RoleId, Holder>) -> Grants {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for first in of {
        let mut next = Some(*first);
        for _ in 0..=MAX_PARENTS {
            let Some(role) = next.filter(|role| seen.insert(*role)) else { break };
            let Some(holder) = roles.get(&role) else { break };
            all.extend_from_slice(&holder.permissions);
            next = holder.parent;
        }
    }
    Grants::new(all)
}

/// What is wrong with making `parent` the parent of `role`; nothing when it makes no circle and no chain too long.
pub fn parent_fault(
    role: RoleId,
    parent: RoleId,
    roles: &BTreeMap<RoleId, Holder>,
) -> Option<Fault> {
    let fault = |message| Some(Fault::new("parent", FaultCode::Invalid, message));
    let mut next = Some(parent);
    for _ in 0..MAX_PARENTS {
        match next {
            None => return None,
            Some(one) if one == role => return fault("this would make a role inherit from itself"),
            Some(one) => next = roles.get(&one).and_then(|holder| holder.parent),
        }
    }
    fault("roles inherit through at most 16 others")
}

/// A role that every project has from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name, which never changes.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it may do.
    pub permissions: &'static [Permission],
}

/// The role that may do everything in a project.
pub const ADMIN: &str = "admin";
/// The role of whoever is let in and given no other.
pub const MEMBER: &str = "member";
/// The role of the platform's own project that makes and ends projects.
pub const SUPER_ADMIN: &str = "super_admin";
/// The role of the platform's own project that runs the service, without seeing what is in it.
pub const PLATFORM_OPERATOR: &str = "platform_operator";

const fn all(resource: Resource) -> Permission {
    Permission::allow(resource, Action::Manage)
}

const fn read(resource: Resource) -> Permission {
    Permission::allow(resource, Action::Read)
}

/// The roles of a project.
pub const PROJECT_ROLES: [BuiltIn; 5] = [
    BuiltIn {
        name: ADMIN,
        description: "Everything in the project: people, roles, keys, settings, rules, the audit log.",
        permissions: &[
            // The project itself can be read and renamed; making and ending it is for the platform.
            read(Resource::Projects).own(),
            Permission::allow(Resource::Projects, Action::Update).own(),
            all(Resource::Keys),
            all(Resource::Settings),
            all(Resource::Users),
            all(Resource::Roles),
            all(Resource::Events),
            all(Resource::Rules),
            all(Resource::Endpoints),
            all(Resource::Alerts),
            all(Resource::Notifications),
            all(Resource::Audit),
            all(Resource::Schedules),
        ],
    },
    BuiltIn {
        name: "rule_manager",
        description: "Writes rules and what they need; sees events and alerts.",
        permissions: &[
            read(Resource::Projects).own(),
            read(Resource::Events),
            all(Resource::Rules),
            all(Resource::Endpoints),
            all(Resource::Schedules),
            read(Resource::Alerts),
            read(Resource::Notifications),
            read(Resource::Roles),
            read(Resource::Users),
        ],
    },
    BuiltIn {
        name: "responder",
        description: "Is called; sees events and alerts, and acknowledges and resolves them.",
        permissions: &[
            read(Resource::Projects).own(),
            read(Resource::Events),
            read(Resource::Rules),
            read(Resource::Alerts),
            Permission::allow(Resource::Alerts, Action::Update),
            read(Resource::Notifications).own(),
        ],
    },
    BuiltIn {
        name: "viewer",
        description: "Sees events, rules and alerts, and changes nothing.",
        permissions: &[
            read(Resource::Projects).own(),
            read(Resource::Events),
            read(Resource::Rules),
            read(Resource::Alerts),
            read(Resource::Notifications),
        ],
    },
    BuiltIn {
        name: MEMBER,
        description: "Receives notifications and manages their own account.",
        permissions: &[read(Resource::Projects).own(), read(Resource::Notifications).own()],
    },
];

/// The roles of the platform's own project.
pub const PLATFORM_ROLES: [BuiltIn; 2] = [
    BuiltIn {
        name: SUPER_ADMIN,
        description: "Makes, suspends and archives projects, sets their plans, and appoints platform people.",
        permissions: &[
            all(Resource::Projects),
            all(Resource::Users),
            all(Resource::Roles),
            all(Resource::Keys),
            all(Resource::Settings),
            all(Resource::Audit),
            all(Resource::Queues),
            all(Resource::Schedules),
        ],
    },
    BuiltIn {
        name: PLATFORM_OPERATOR,
        description: "Watches queues, schedules and dead work; sees neither payloads nor people.",
        permissions: &[all(Resource::Queues), all(Resource::Schedules)],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(resource: Resource, action: Action, own: bool) -> Wanted {
        Wanted { resource, action, own }
    }

    fn grants_of(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().map(|text| Grant::parse(text).expect(text)))
    }

    #[test]
    fn permissions_are_read_and_written() {
        for text in ["users:read", "users:read:own", "!rules:delete", "audit:manage"] {
            assert_eq!(Permission::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Permission::parse("users:read:any").expect("any").to_string(), "users:read");
        for (bad, told) in [
            ("user:read", "no resource; there are projects,"),
            ("users:look", "no action; there are read,"),
            ("users:read:all", "no reach; there are own, any"),
            ("users", "no action"),
            ("users:read:own:more", "expected resource:action"),
            ("", "no resource"),
        ] {
            let error = Permission::parse(bad).expect_err(bad);
            assert!(error.contains(told), "{bad}: {error}");
        }
    }

    #[test]
    fn deny_wins_and_manage_is_everything() {
        use Action::{Delete, Read, Update};
        use Resource::{Rules, Users};
        for (texts, resource, action, own, may) in [
            (&["users:read"][..], Users, Read, false, true),
            (&["users:read"], Users, Update, true, false),
            (&["users:read"], Rules, Read, true, false),
            (&["users:read:own"], Users, Read, true, true),
            (&["users:read:own"], Users, Read, false, false),
            (&["users:manage"], Users, Delete, false, true),
            (&["users:manage", "!users:delete"], Users, Delete, false, false),
            (&["users:manage", "!users:delete"], Users, Update, false, true),
            (&["users:manage", "!users:delete:own"], Users, Delete, false, true),
            (&["users:manage", "!users:delete:own"], Users, Delete, true, false),
            (&["users:manage", "!users:manage"], Users, Read, true, false),
            (&[], Users, Read, true, false),
        ] {
            assert_eq!(
                grants_of(texts).allow(wanted(resource, action, own)),
                may,
                "{texts:?} {resource} {action} {own}"
            );
        }
    }

    #[test]
    fn conditions_decide_with_a_resource_and_never_give_without_one() {
        use Action::{Read, Update};
        use Resource::Users;
        let resource = serde_json::json!({ "status": "pending", "id": "r" });
        let user = serde_json::json!({ "id": "u" });
        let now = Time::from_micros(0);
        let facts = Facts { resource: &resource, user: &user };
        for (texts, action, [may, always, with, without]) in [
            (&["users:read"][..], Read, [true, true, true, true]),
            (&["users:read if resource.status == \"pending\""], Read, [true, false, true, false]),
            (&["users:read if resource.status == \"active\""], Read, [true, false, false, false]),
            (&["users:read if resource.status == \"pending\""], Update, [false; 4]),
            (&["users:read if user.id == \"u\""], Read, [true, false, true, true]),
            (&["users:read if user.id == \"v\""], Read, [true, false, false, false]),
            (
                &["users:read", "!users:read if resource.status == \"pending\""],
                Read,
                [true, false, false, false],
            ),
            (
                &["users:read", "!users:read if resource.status == \"active\""],
                Read,
                [true, false, true, false],
            ),
            (&["users:read", "!users:read if user.id == \"v\""], Read, [true, false, true, true]),
            (&["users:read if true", "!users:read"], Read, [false; 4]),
            (&["users:manage if resource.id == \"r\""], Update, [true, false, true, false]),
        ] {
            let (mine, wanted) = (grants_of(texts), wanted(Users, action, false));
            let found = [
                mine.may(wanted),
                mine.allow(wanted),
                mine.allow_with(wanted, &facts, now),
                mine.allow_without(wanted, &user, now),
            ];
            assert_eq!(found, [may, always, with, without], "{texts:?} {action}");
        }
        let text = "!users:read:own if resource.status == \"pending\"";
        assert_eq!(Grant::parse(text).expect("fine").to_string(), text);
    }

    #[test]
    fn roles_inherit_and_circles_end() {
        let role = |number| RoleId(uuid::Uuid::from_u128(number));
        let holder = |text: &str, parent: Option<u128>| Holder {
            permissions: vec![Grant::parse(text).expect(text)],
            parent: parent.map(role),
        };
        let roles = BTreeMap::from([
            (role(1), holder("users:read", Some(2))),
            (role(2), holder("rules:read", Some(3))),
            (role(3), holder("!users:delete", Some(1))),
            (role(4), holder("users:manage", None)),
        ]);
        let mine = grants(&[role(1), role(4)], &roles);
        assert!(mine.allow(wanted(Resource::Rules, Action::Read, false)));
        assert!(
            !mine.allow(wanted(Resource::Users, Action::Delete, false)),
            "the parent denies it"
        );
        assert!(mine.allow(wanted(Resource::Users, Action::Update, false)));
        assert!(parent_fault(role(3), role(4), &roles).is_none());
        assert!(parent_fault(role(4), role(4), &roles).is_some());
        assert!(parent_fault(role(4), role(1), &roles).is_some(), "an endless chain");
    }

    #[test]
    fn an_operator_sees_neither_payloads_nor_people() {
        let operator = Grants::new(PLATFORM_ROLES[1].permissions.iter().copied());
        for resource in [Resource::Events, Resource::Users, Resource::Notifications] {
            assert!(!operator.allow(wanted(resource, Action::Read, true)), "{resource}");
        }
    }
}
