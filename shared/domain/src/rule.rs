//! A rule: which events matter, to whom, and how often they may ring.

mod faults;
mod references;
mod version;

use serde::{Deserialize, Serialize};

use super::absence::Absence;
use super::condition::Condition;
use super::hours::Hours;
use super::names::words;
use crate::id::{RuleId, UserId};
use crate::time::Time;

pub use references::{Known, inhibited_by, unfit_for};
pub use version::{FieldChange, RuleRecord, RuleVersion};

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

words! {
    /// What a rule does with the events that match.
    RuleKind {
        /// Each is an alert.
        Match = 1 "match",
        /// A number of them within a time is one.
        Count = 2 "count",
        /// That none comes within a time is one.
        Absence = 3 "absence",
    }
}

words! {
    /// Whether a rule works.
    RuleMode {
        /// Nothing is looked at.
        Off = 0 "off",
        /// It rings.
        Live = 1 "live",
        /// Everything is decided and recorded, and nobody is notified.
        Shadow = 2 "shadow",
    }
}

words! {
    /// What becomes of matches that are over the window.
    Over {
        /// They are counted, and kept as a record.
        Drop = 1 "drop",
        /// One summary follows when the window has room again.
        Digest = 2 "digest",
    }
}

/// At most `count` in any `seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// How many may ring.
    pub count: u32,
    /// In how long.
    pub seconds: u32,
    /// What becomes of those over it.
    #[serde(default = "drop", skip_serializing_if = "is_drop")]
    pub over: Over,
}

impl Suppression {
    /// A window that drops what is over it.
    pub const fn new(count: u32, seconds: u32) -> Self {
        Self { count, seconds, over: Over::Drop }
    }
}

const fn drop() -> Over {
    Over::Drop
}

const fn is_drop(over: &Over) -> bool {
    matches!(over, Over::Drop)
}

/// So many matches of a group within so many seconds, by the times at which they were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// How many.
    pub count: u32,
    /// In how long.
    pub seconds: u32,
}

/// Another rule that keeps this one quiet while it has an alert open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inhibition {
    /// The other rule.
    pub rule: RuleId,
    /// The paths whose values, in this rule's events, are the group of the other rule; in the order of its `group_by`.
    #[serde(default)]
    pub equal: Vec<String>,
    /// For how many seconds a match waits for the other rule's alert to open.
    #[serde(default)]
    pub hold_seconds: u32,
}

/// What somebody can do about it at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What is written on the button.
    pub label: String,
    /// The page that it opens.
    pub url: String,
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
    /// What it does with events that match.
    #[serde(default = "each")]
    pub kind: RuleKind,
    /// Which events match, in the condition language.
    pub condition: String,
    /// How many of them, for a rule that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    /// When one is missing, for a rule that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence: Option<Absence>,
    /// Which events resolve the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_condition: Option<String>,
    /// After how many seconds without a match the alert resolves by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_after_seconds: Option<u32>,
    /// Whether those who were notified of an alert hear that it is resolved.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub notify_resolved: bool,
    /// How urgent a match is.
    pub priority: Priority,
    /// Who is notified: everybody with one of these roles.
    #[serde(default)]
    pub target_roles: Vec<String>,
    /// Who is notified besides.
    #[serde(default)]
    pub target_users: Vec<UserId>,
    /// A path to who is notified besides: an id, email or username of a user, or a list of them, in the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_path: Option<String>,
    /// The paths whose values keep groups apart.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// How often a group may ring; as the project's default says, if nothing is said.
    #[serde(default)]
    pub suppression: Option<Suppression>,
    /// Rules that keep it quiet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inhibited_by: Vec<Inhibition>,
    /// When it works; always, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_hours: Option<Hours>,
    /// What can be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
}

const fn each() -> RuleKind {
    RuleKind::Match
}

const fn yes() -> bool {
    true
}

const fn is_yes(value: &bool) -> bool {
    *value
}

/// A rule as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// Which version this is.
    pub version: i64,
    /// Whether it works.
    pub mode: RuleMode,
    /// Since when it is as it is.
    pub since: Time,
    /// What it says.
    pub body: RuleBody,
}

/// The greatest count of a window or threshold: the times of all of them stand in the group's row.
pub const MAX_WINDOW_COUNT: u32 = 1000;

impl RuleBody {
    /// A rule for each event that matches a condition, which notifies nobody yet.
    pub fn new(name: impl Into<String>, condition: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            kind: RuleKind::Match,
            condition: condition.into(),
            threshold: None,
            absence: None,
            resolve_condition: None,
            resolve_after_seconds: None,
            notify_resolved: true,
            priority: Priority::Normal,
            target_roles: Vec::new(),
            target_users: Vec::new(),
            target_path: None,
            group_by: Vec::new(),
            suppression: None,
            inhibited_by: Vec::new(),
            active_hours: None,
            action: None,
        }
    }

    /// Whether an event of this type could match it or resolve its alert, as far as the types say that its conditions demand.
    pub fn may_concern(&self, event_type: &str) -> bool {
        let resolve = self.resolve_condition.as_deref();
        let mut all = std::iter::once(self.condition.as_str()).chain(resolve);
        all.any(|text| {
            let Ok(condition) = Condition::parse(text) else { return false };
            let demands = condition.demands();
            let mut typed = demands.iter().filter(|demand| demand.path == "event.type");
            typed.all(|demand| demand.any_of.iter().any(|kind| kind.as_str() == Some(event_type)))
        })
    }

    /// The type of event that it demands, if it demands one.
    pub fn event_type(&self) -> Option<String> {
        let condition = Condition::parse(&self.condition).ok()?;
        let demand = condition.demands().into_iter().find(|demand| demand.path == "event.type")?;
        demand.any_of.first()?.as_str().map(str::to_owned)
    }
}
