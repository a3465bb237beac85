//! A rule as it is kept: who created it, its versions, and what differs between two of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Rule, RuleBody, RuleMode};
use crate::id::{RuleId, UserId};
use crate::time::Time;

/// A rule with what is known of how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRecord {
    /// The rule.
    pub rule: Rule,
    /// The user who created it; nobody where it was the command line, or an older build.
    pub created_by: Option<UserId>,
    /// When.
    pub created_at: Time,
}

/// A rule as it was from one change to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleVersion {
    /// The rule.
    pub rule: RuleId,
    /// Which version it is, counted from 1.
    pub version: i64,
    /// The mode that it had.
    pub mode: RuleMode,
    /// What it said.
    pub body: RuleBody,
    /// The user who made it; nobody where it was the command line, or an older build.
    pub created_by: Option<UserId>,
    /// When.
    pub created_at: Time,
}

/// A field that differs between two versions.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// Its path, like `suppression.count`.
    pub field: String,
    /// What it was; null where nothing was said.
    pub before: Value,
    /// What it is.
    pub after: Value,
}

impl RuleRecord {
    /// What tells one state of it from another.
    pub fn tag(&self) -> String {
        self.rule.version.to_string()
    }

    /// What would differ with another mode and body, field by field.
    pub fn changes_to(&self, mode: RuleMode, body: &RuleBody) -> Vec<FieldChange> {
        changes((self.rule.mode, &self.rule.body), (mode, body))
    }

    /// What the audit log says of it.
    pub fn told(&self) -> Value {
        let mut told = told(self.rule.mode, &self.rule.body);
        told["version"] = json!(self.rule.version);
        told
    }
}

impl RuleVersion {
    /// What differs in a later version, field by field.
    pub fn changes_to(&self, later: &Self) -> Vec<FieldChange> {
        changes((self.mode, &self.body), (later.mode, &later.body))
    }
}

fn changes(before: (RuleMode, &RuleBody), after: (RuleMode, &RuleBody)) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(String::new(), &told(before.0, before.1), &told(after.0, after.1), &mut found);
    found
}

/// All that a rule says, with what holds where it says nothing.
fn told(mode: RuleMode, body: &RuleBody) -> Value {
    let mut told = serde_json::to_value(body).unwrap_or_default();
    told["mode"] = json!(mode);
    told["notify_resolved"] = json!(body.notify_resolved);
    if let Some(suppression) = &body.suppression {
        told["suppression"]["over"] = json!(suppression.over);
    }
    told
}

/// Objects are compared by their fields, and lists as a whole.
fn compare(path: String, before: &Value, after: &Value, found: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let of = |all: &serde_json::Map<String, Value>| all.get(name).cloned();
            let (old, new) = (of(old).unwrap_or_default(), of(new).unwrap_or_default());
            compare(field, &old, &new, found);
        }
        return;
    }
    found.push(FieldChange { field: path, before: before.clone(), after: after.clone() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Over, Priority, Suppression};

    #[test]
    fn what_differs_is_told_field_by_field() {
        let first = RuleVersion {
            rule: RuleId(uuid::Uuid::nil()),
            version: 1,
            mode: RuleMode::Off,
            body: RuleBody {
                suppression: Some(Suppression { count: 1, seconds: 60, over: Over::Drop }),
                ..RuleBody::new("n", "true")
            },
            created_by: None,
            created_at: Time::default(),
        };
        assert_eq!(first.changes_to(&first), []);
        let mut second = RuleVersion { version: 2, mode: RuleMode::Live, ..first.clone() };
        second.body.priority = Priority::High;
        second.body.notify_resolved = false;
        second.body.target_roles = vec!["a".to_owned()];
        second.body.suppression = Some(Suppression { count: 2, seconds: 60, over: Over::Digest });
        second.body.resolve_condition = Some("false".to_owned());
        let changes: Vec<(String, Value, Value)> = first
            .changes_to(&second)
            .into_iter()
            .map(|one| (one.field, one.before, one.after))
            .collect();
        let wanted = [
            ("mode", json!("off"), json!("live")),
            ("notify_resolved", json!(true), json!(false)),
            ("priority", json!("normal"), json!("high")),
            ("resolve_condition", Value::Null, json!("false")),
            ("suppression.count", json!(1), json!(2)),
            ("suppression.over", json!("drop"), json!("digest")),
            ("target_roles", json!([]), json!(["a"])),
        ];
        let wanted = wanted.map(|(field, before, after)| (field.to_owned(), before, after));
        assert_eq!(changes, wanted);
    }
}
