//! A rule: which events matter, to whom, and how often they may ring.

use serde::{Deserialize, Serialize};

use super::condition::{Condition, Name};
use super::fault::{Fault, FaultCode};
use super::names::words;
use crate::id::{RuleId, UserId};

words! {
    /// How urgent it is.
    Priority {
        /// Wake people.
        Critical = 1 "critical",
        /// Soon.
        High = 2 "high",
        /// In the ordinary way.
        Normal = 3 "normal",
        /// When there is time.
        Low = 4 "low",
    }
}

/// At most `count` in any `seconds`; what is over is dropped, counted and kept as a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// How many may ring.
    pub count: u32,
    /// In how long.
    pub seconds: u32,
}

/// What its author says of a rule; every change of it is a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    /// What it is called.
    pub name: String,
    /// What it is for; the text of its notifications.
    #[serde(default)]
    pub description: String,
    /// Which events match, in the condition language.
    pub condition: String,
    /// How urgent a match is.
    pub priority: Priority,
    /// Whom it tells: everybody with one of these roles.
    #[serde(default)]
    pub target_roles: Vec<String>,
    /// Whom it tells besides.
    #[serde(default)]
    pub target_users: Vec<UserId>,
    /// The paths whose values keep groups apart.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// How often a group may ring.
    #[serde(default)]
    pub suppression: Option<Suppression>,
}

/// A rule as it stands.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// Which version this is.
    pub version: i64,
    /// Whether it may ring.
    pub active: bool,
    /// What it says.
    pub body: RuleBody,
}

/// The greatest window count: the times of all of them stand in the group's row.
pub const MAX_WINDOW_COUNT: u32 = 1000;

impl RuleBody {
    /// Everything that is wrong with it by itself; what it names is checked where the names are known.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.name.trim().is_empty() || self.name.chars().count() > 200 {
            faults.push(Fault::new("name", FaultCode::Invalid, "1 to 200 characters"));
        }
        if self.description.chars().count() > 2000 {
            faults.push(Fault::new("description", FaultCode::Invalid, "at most 2000 characters"));
        }
        if let Err(error) = Condition::parse(&self.condition) {
            faults.push(Fault::new("condition", FaultCode::Invalid, error.to_string()));
        }
        if let Some(window) = self.suppression {
            if !(1..=MAX_WINDOW_COUNT).contains(&window.count) {
                faults.push(Fault::new("suppression.count", FaultCode::Invalid, "1 to 1000"));
            }
            if !(1..=31 * 86_400).contains(&window.seconds) {
                faults.push(Fault::new(
                    "suppression.seconds",
                    FaultCode::Invalid,
                    "1 to 2678400 (31 days)",
                ));
            }
        }
        for (at, path) in self.group_by.iter().enumerate() {
            if let Err(error) = Name::parse(path) {
                faults.push(Fault::new(
                    format!("group_by[{at}]"),
                    FaultCode::Invalid,
                    error.to_string(),
                ));
            }
        }
        faults
    }
}
