//! The condition of a permission: the same language over other names, `resource.…` and `user.…`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde_json::Value;

use super::path::{Ground, Roots};
use super::{Condition, ConditionError, EvalError};
use crate::time::Time;

/// A condition that was read and checked; two of the same text are the same.
#[derive(Clone)]
pub struct Clause(Condition);

/// What a permission is decided on: JSON objects, of which a name finds its fields. What is missing is empty.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What it is to be done with.
    pub resource: &'a Value,
    /// Who wants to do it.
    pub user: &'a Value,
}

impl Clause {
    /// Reads and checks it.
    ///
    /// # Errors
    /// When it is none, with the column and what would be right.
    pub fn parse(source: &str) -> Result<Self, ConditionError> {
        Condition::parse_with(source, Roots::Facts).map(Self)
    }

    /// Its text.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// Whether it names anything of the resource, so that it can't be decided without one.
    pub fn is_about_resource(&self) -> bool {
        self.0.inner.paths.iter().any(super::path::Path::is_of_resource)
    }

    /// The names that it uses, sorted and unique.
    pub fn names(&self) -> Vec<String> {
        self.0.names()
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// When it takes too many steps.
    pub fn holds(&self, facts: &Facts<'_>, now: Time) -> Result<bool, EvalError> {
        self.0.holds_on(Ground::Facts(*facts), now)
    }
}

impl PartialEq for Clause {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Eq for Clause {}

impl PartialOrd for Clause {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Clause {
    fn cmp(&self, other: &Self) -> Ordering {
        self.source().cmp(other.source())
    }
}

impl Hash for Clause {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source().hash(state);
    }
}

impl fmt::Debug for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clause").field(&self.source()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(source: &str) -> bool {
        let clause = Clause::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let resource = json!({
            "id": "r1", "priority": "low", "roles": ["viewer"], "count": 3, "gone": null,
            "type": "payment.failed",
        });
        let user = json!({ "id": "u1", "roles": ["admin", "clerk"] });
        let facts = Facts { resource: &resource, user: &user };
        // 2024-03-01 23:30 UTC.
        clause.holds(&facts, Time::from_micros(1_709_335_800_000_000)).expect("few steps")
    }

    #[test]
    fn names_are_found_and_what_is_missing_is_empty() {
        for (source, wanted) in [
            ("resource.priority == \"low\"", true),
            ("resource.priority == \"low\" && user.id == \"u1\"", true),
            ("resource.type == \"payment.failed\"", true),
            ("starts_with(resource.type, \"payment.\")", true),
            ("resource.count > 2", true),
            ("resource.count > \"2\"", false),
            ("contains(user.roles, \"clerk\")", true),
            ("contains(resource.roles, \"admin\")", false),
            ("user.roles[0] == \"admin\"", true),
            ("resource.missing == \"x\"", false),
            ("exists(resource.gone)", false),
            ("!exists(resource.missing)", true),
            ("resource.owner == user.id", false),
            ("now_hour(\"UTC\") == 23", true),
            ("true", true),
        ] {
            assert_eq!(holds(source), wanted, "{source}");
        }
    }

    #[test]
    fn names_of_events_are_none_here_and_the_other_way_round() {
        for (source, told) in [
            ("event.type == \"x\"", "names are resource."),
            ("priority == \"low\"", "text is written"),
            ("resource == user", "'resource' alone is not a value"),
            ("resource. == 1", "a field name is missing"),
            ("resource.x = 1", "column 12"),
            ("", "the condition is empty"),
            ("resource.count + 1", "true or false"),
            ("resource.id()", "is not a function"),
        ] {
            let error = Clause::parse(source).expect_err(source).to_string();
            assert!(error.contains(told), "{source}: {error}");
        }
        assert!(Condition::parse("resource.x == 1").is_err());
        assert!(Condition::parse("user.x == 1").is_err());
    }

    #[test]
    fn it_is_known_what_it_is_about() {
        let about = |source| Clause::parse(source).expect(source).is_about_resource();
        assert!(about("resource.x == 1 || user.id == \"a\""));
        assert!(!about("user.id == \"a\""));
        assert!(!about("true"));
        assert_eq!(
            Clause::parse("user.id == resource.a.b").expect("fine").names(),
            ["resource.a.b", "user.id"]
        );
    }
}
