//! A permission as a role gives or takes it: always, or under a condition.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Action, Effect, Permission, Reach, Resource};
use crate::condition::Clause;

/// What stands between a permission and its condition.
const IF: &str = " if ";

/// The longest condition of a permission, in bytes.
pub const MAX_CONDITION: usize = 1000;

/// A permission with the condition under which it is given or taken. Its text is `users:update`, or
/// `users:update if resource.status == "pending"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// The permission.
    pub permission: Permission,
    /// When it is given or taken; always, if nothing is said.
    pub condition: Option<Clause>,
}

impl Grant {
    /// Reads its text.
    ///
    /// # Errors
    /// When a word of it is not known, or the condition is none, with what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (permission, condition) = match text.split_once(IF) {
            None => (text, None),
            Some((permission, condition)) => (permission, Some(condition)),
        };
        let permission = Permission::parse(permission)?;
        let condition = match condition {
            None => None,
            Some(text) if text.len() > MAX_CONDITION => {
                return Err(format!("the condition is longer than {MAX_CONDITION} bytes"));
            }
            Some(text) if text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)) => {
                return Err("no control characters but line breaks".to_owned());
            }
            Some(text) => {
                let read = Clause::parse(text.trim());
                Some(read.map_err(|error| format!("in the condition, {error}"))?)
            }
        };
        Ok(Self { permission, condition })
    }

    /// Reads a text of the store, which a newer build may have written. What gives and can't be read gives nothing; of
    /// what takes, all is taken that can be read, for a denial that is passed over would give.
    pub fn parse_stored(text: &str) -> Option<Self> {
        if let Ok(read) = Self::parse(text) {
            return Some(read);
        }
        let words = text.split_once(IF).map_or(text, |(permission, _)| permission);
        let mut words = words.strip_prefix('!')?.split(':');
        let resource = Resource::parse(words.next()?)?;
        let action = Action::parse(words.next()?)?;
        let reach = words.next().and_then(Reach::parse).unwrap_or(Reach::Any);
        let permission = Permission { resource, action, reach, effect: Effect::Deny };
        Some(permission.into())
    }

    /// A name of its condition that nothing of its resource has, where it is known what there is.
    pub fn unknown_name(&self) -> Option<String> {
        let facts = facts_of(self.permission.resource);
        let names = self.condition.as_ref()?.names();
        let unknown = |name: &String| {
            let (root, rest) = name.split_once('.').unwrap_or((name, ""));
            let field = rest.split(['.', '[']).next().unwrap_or_default();
            match root {
                "user" => !USER_FACTS.contains(&field),
                _ => facts.is_some_and(|known| !known.contains(&field)),
            }
        };
        let name = names.into_iter().find(unknown)?;
        let known = if name.starts_with("user.") { Some(USER_FACTS) } else { facts };
        let root = if name.starts_with("user.") { "user" } else { "resource" };
        let list = known.unwrap_or_default().iter().map(|field| format!("{root}.{field}"));
        Some(format!("{name} is not known; there are {}", list.collect::<Vec<_>>().join(", ")))
    }
}

impl From<Permission> for Grant {
    fn from(permission: Permission) -> Self {
        Self { permission, condition: None }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.permission.fmt(f)?;
        match &self.condition {
            Some(condition) => write!(f, "{IF}{}", condition.source()),
            None => Ok(()),
        }
    }
}

impl Serialize for Grant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What conditions know of whoever asks. Not their roles: a denial under a condition about these is shed by whoever may
/// give or rename a role, however empty. What depends on a role belongs into the role.
pub const USER_FACTS: &[&str] = &["id"];

/// What conditions know of a resource. Nothing is said of resources that no operation shows to them yet; what is taken
/// there under a condition about the resource is taken always, and what is given is not given.
pub const fn facts_of(resource: Resource) -> Option<&'static [&'static str]> {
    match resource {
        Resource::Users => Some(&["id", "email", "username", "full_name", "status", "roles"]),
        Resource::Roles => Some(&["id", "name", "built_in", "parent_id"]),
        Resource::Keys => Some(&["id", "name", "scopes"]),
        Resource::Events => Some(&["id", "type", "source", "subject"]),
        Resource::Alerts => Some(&["id", "rule_id", "title", "priority", "state"]),
        Resource::Rules => Some(&["id", "name", "priority", "kind", "mode", "created_by"]),
        Resource::Projects
        | Resource::Settings
        | Resource::Endpoints
        | Resource::Notifications
        | Resource::Audit
        | Resource::Queues
        | Resource::Schedules => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_read_never_gives_and_always_takes() {
        for (text, wanted) in [
            ("users:read", Some("users:read")),
            ("!users:read:own", Some("!users:read:own")),
            ("users:read if newer(resource.id)", None),
            ("users:newer", None),
            ("!users:delete if newer(resource.id)", Some("!users:delete")),
            ("!users:delete:own if newer(resource.id)", Some("!users:delete:own")),
            ("!users:delete:newer", Some("!users:delete")),
            // No operation of this build asks for a word that it doesn't know.
            ("!users:newer", None),
            ("!newer:delete", None),
            ("", None),
        ] {
            let read = Grant::parse_stored(text).map(|one| one.to_string());
            assert_eq!(read.as_deref(), wanted, "{text}");
        }
    }
}
