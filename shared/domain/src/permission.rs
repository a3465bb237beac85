//! Who may do what: permissions, the roles that hold them, and the one place where it is decided.

mod built_in;
mod chain;
mod grant;
mod power;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use serde_json::Value;

use super::condition::{Clause, Facts};
use super::names::words;
use crate::time::Time;

pub use built_in::{
    ADMIN, BuiltIn, MEMBER, PLATFORM_OPERATOR, PLATFORM_ROLES, PROJECT_ROLES, SUPER_ADMIN,
};
pub use chain::{BrokenChain, Holder, MAX_PARENTS, chain, grants, parent_fault, with_descendants};
pub use grant::{Grant, MAX_CONDITION, USER_FACTS, facts_of};

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
        // Another condition than that of `one` may be the narrower one; nobody proves that here.
        one.permission
            .each()
            .all(|wanted| self.denials(wanted).next().is_none() && self.gives(wanted, one))
    }

    /// Whether this very permission, with its condition, stands among them.
    pub fn contains(&self, one: &Grant) -> bool {
        self.0.binary_search(one).is_ok()
    }

    /// The permissions, in order.
    pub fn list(&self) -> &[Grant] {
        &self.0
    }
}

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
    fn an_operator_sees_neither_payloads_nor_people() {
        let operator = Grants::new(PLATFORM_ROLES[1].permissions.iter().copied());
        for resource in [Resource::Events, Resource::Users, Resource::Notifications] {
            assert!(!operator.allow(wanted(resource, Action::Read, true)), "{resource}");
        }
    }
}
