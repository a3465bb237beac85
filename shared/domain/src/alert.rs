//! An alert: what a rule and group key are about, from its opening to its resolution, and what happened to it.

use serde::{Deserialize, Serialize};

use super::names::words;
use super::rule::Priority;
use crate::id::{AlertId, EventId, GroupId, RuleId, UserId};
use crate::time::Time;

words! {
    /// How an alert stands.
    AlertState {
        /// Nobody has taken care of it yet.
        Open = 1 "open",
        /// Somebody has; what comes meanwhile does not ring.
        Acknowledged = 2 "acknowledged",
        /// It is over.
        Resolved = 3 "resolved",
    }
}

/// Which alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertFilter {
    /// How they stand.
    pub state: Option<AlertState>,
    /// Whose rule it is.
    pub rule: Option<RuleId>,
    /// How urgent they are.
    pub priority: Option<Priority>,
    /// A part of their title, in any case.
    pub text: Option<String>,
}

words! {
    /// What happened to an alert.
    AlertChange {
        /// An event opened it.
        Opened = 1 "opened",
        /// Somebody acknowledged it.
        Acknowledged = 2 "acknowledged",
        /// Somebody took that back.
        Unacknowledged = 3 "unacknowledged",
        /// The time of the acknowledgement was over.
        Lapsed = 4 "lapsed",
        /// It was resolved.
        Resolved = 5 "resolved",
    }
}

words! {
    /// What resolved an alert.
    Resolver {
        /// An event that the rule's resolve condition is for, or the one that was missing.
        Event = 1 "event",
        /// Somebody.
        User = 2 "user",
        /// That nothing came for as long as the rule says.
        Age = 3 "age",
    }
}

/// That somebody takes care of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who; none when it was an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// Since when.
    pub at: Time,
    /// Until when; until it is resolved, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// How an alert was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// When.
    pub at: Time,
    /// What did it.
    pub resolver: Resolver,
    /// Who, if it was somebody.
    pub by: Option<UserId>,
}

/// An alert that opens: what never changes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedAlert {
    /// Its id.
    pub id: AlertId,
    /// The rule that it is of.
    pub rule: RuleId,
    /// The rule's group that it is about.
    pub group: GroupId,
    /// What it is called: the name of the rule when it opened.
    pub title: String,
    /// How urgent it is.
    pub priority: Priority,
    /// The event that opened it; none when one was missing.
    pub event: Option<EventId>,
    /// Since when it is open.
    pub opened_at: Time,
}

/// How an alert stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertStanding {
    /// How often it began to ring anew.
    pub round: i64,
    /// How many events it is about so far.
    pub events: i64,
    /// Who takes care of it.
    pub acknowledged: Option<Acknowledgement>,
    /// How it was resolved.
    pub resolved: Option<Resolution>,
}

impl AlertStanding {
    /// In one word.
    pub const fn state(&self) -> AlertState {
        match (&self.resolved, &self.acknowledged) {
            (Some(_), _) => AlertState::Resolved,
            (None, Some(_)) => AlertState::Acknowledged,
            (None, None) => AlertState::Open,
        }
    }
}

/// Something that happened to an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertEntry {
    /// The alert.
    pub alert: AlertId,
    /// What happened.
    pub change: AlertChange,
    /// When.
    pub at: Time,
    /// Who did it, if it was a user.
    pub by: Option<UserId>,
    /// The event that did it, if it was one.
    pub event: Option<EventId>,
    /// Until when an acknowledgement holds.
    pub until: Option<Time>,
}
