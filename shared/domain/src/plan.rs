//! What a project may use: the limits of its plan.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault::{Fault, FaultCode};
use super::names::words;

words! {
    /// What a plan limits.
    PlanLimit {
        /// Events that are accepted, per minute.
        EventsPerMinute = 1 "events_per_minute",
        /// Accounts, active or suspended; those that wait for approval don't count.
        Users = 2 "users",
        /// Rules, active or not.
        Rules = 3 "rules",
        /// Bytes of files.
        StorageBytes = 4 "storage_bytes",
        /// Days that history is kept.
        RetentionDays = 5 "retention_days",
    }
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverPlan {
    /// Which.
    pub limit: PlanLimit,
    /// How many there may be.
    pub most: u64,
    /// How many there are.
    pub now: u64,
}

impl std::fmt::Display for OverPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { limit, most, now } = self;
        write!(
            f,
            "the project's plan allows {most} {limit}, and there are {now}; delete some, or set another plan"
        )
    }
}

/// The limits of a plan. A limit of 0 is none; one that is not set is that of the installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Events that are accepted, per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_minute: Option<u64>,
    /// Accounts, active or suspended; those that wait for approval don't count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Rules, active or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<u64>,
    /// Bytes of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<u64>,
    /// Days that history is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u64>,
}

impl Limits {
    /// One of them.
    pub const fn of(&self, limit: PlanLimit) -> Option<u64> {
        match limit {
            PlanLimit::EventsPerMinute => self.events_per_minute,
            PlanLimit::Users => self.users,
            PlanLimit::Rules => self.rules,
            PlanLimit::StorageBytes => self.storage_bytes,
            PlanLimit::RetentionDays => self.retention_days,
        }
    }

    /// One of them, to be set.
    pub const fn of_mut(&mut self, limit: PlanLimit) -> &mut Option<u64> {
        match limit {
            PlanLimit::EventsPerMinute => &mut self.events_per_minute,
            PlanLimit::Users => &mut self.users,
            PlanLimit::Rules => &mut self.rules,
            PlanLimit::StorageBytes => &mut self.storage_bytes,
            PlanLimit::RetentionDays => &mut self.retention_days,
        }
    }

    /// These, and those of `defaults` where they say nothing.
    #[must_use]
    pub fn or(self, defaults: Self) -> Self {
        Self {
            events_per_minute: self.events_per_minute.or(defaults.events_per_minute),
            users: self.users.or(defaults.users),
            rules: self.rules.or(defaults.rules),
            storage_bytes: self.storage_bytes.or(defaults.storage_bytes),
            retention_days: self.retention_days.or(defaults.retention_days),
        }
    }

    /// What stands in the way of one more, when there are `now`.
    pub fn reached(&self, limit: PlanLimit, now: u64) -> Option<OverPlan> {
        let most = self.of(limit).filter(|most| *most > 0)?;
        (now >= most).then_some(OverPlan { limit, most, now })
    }
}

/// A project's plan, as somebody set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What it is called; the installation's, if it is not said.
    pub name: Option<String>,
    /// Its limits.
    pub limits: Limits,
}

impl Plan {
    /// What the audit log says of it.
    pub fn told(&self) -> Value {
        json!({ "plan": self.name, "limits": self.limits })
    }
}

/// The longest name of a plan.
pub const MAX_NAME: usize = 64;
/// The greatest limit that every store can count.
pub const MAX_LIMIT: u64 = i64::MAX as u64;

/// Everything that is wrong with a plan.
pub fn plan_faults(plan: &Plan) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(name) = &plan.name {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !(1..=MAX_NAME).contains(&name.len()) || !name.chars().all(plain) {
            let right = "it must be 1 to 64 letters, digits or any of - _ .";
            faults.push(Fault::new("plan", FaultCode::Invalid, right));
        }
    }
    for limit in PlanLimit::ALL {
        if plan.limits.of(*limit).is_some_and(|most| most > MAX_LIMIT) {
            let right = format!("at most {MAX_LIMIT}; 0 is no limit");
            faults.push(Fault::new(format!("limits.{limit}"), FaultCode::Invalid, right));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_limits_come_before_those_of_the_installation() {
        let defaults = Limits { users: Some(10), rules: Some(5), ..Limits::default() };
        for (own, limit, now, over) in [
            (Limits::default(), PlanLimit::Users, 9, None),
            (Limits::default(), PlanLimit::Users, 10, Some(10)),
            (Limits { users: Some(0), ..Limits::default() }, PlanLimit::Users, 1_000_000, None),
            (Limits { users: Some(11), ..Limits::default() }, PlanLimit::Users, 10, None),
            (Limits { users: Some(1), ..Limits::default() }, PlanLimit::Users, 3, Some(1)),
            (Limits { users: Some(1), ..Limits::default() }, PlanLimit::Rules, 5, Some(5)),
            (Limits::default(), PlanLimit::StorageBytes, u64::MAX, None),
        ] {
            let found = own.or(defaults).reached(limit, now);
            assert_eq!(found.map(|over| over.most), over, "{own:?} {limit} {now}");
        }
    }

    #[test]
    fn plans_are_judged() {
        let named = |name: &str| Plan { name: Some(name.to_owned()), ..Plan::default() };
        for fine in [Plan::default(), named("gold-2")] {
            assert_eq!(plan_faults(&fine), []);
        }
        for bad in ["", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(plan_faults(&named(bad)).len(), 1, "{bad}");
        }
        let limits = Limits { rules: Some(u64::MAX), ..Limits::default() };
        let faults = plan_faults(&Plan { name: None, limits });
        assert_eq!(faults.iter().map(|fault| &*fault.field).collect::<Vec<_>>(), ["limits.rules"]);
    }
}
