//! What the conditions of permissions know of each kind of thing.

use serde::Serialize;
use serde_json::{Value, json};

use crate::alert::AlertState;
use crate::id::{AlertId, KeyId, RuleId};
use crate::key::Scope;
use crate::role::Role;
use crate::rule::{Priority, RuleRecord};
use crate::user::User;

/// What conditions know of an account.
pub fn user_facts(user: &User, roles: &[String]) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "full_name": user.full_name,
        "status": user.status,
        "roles": roles,
    })
}

/// What conditions know of a role.
pub fn role_facts(role: &Role) -> Value {
    json!({
        "id": role.id,
        "name": role.name,
        "built_in": role.built_in,
        "parent_id": role.parent,
    })
}

/// What conditions know of a rule.
pub fn rule_facts(record: &RuleRecord) -> Value {
    let RuleRecord { rule, created_by, .. } = record;
    json!({
        "id": rule.id,
        "name": rule.body.name,
        "priority": rule.body.priority,
        "kind": rule.body.kind,
        "mode": rule.mode,
        "created_by": created_by,
    })
}

/// What conditions know of a key.
pub fn key_facts(id: KeyId, name: &str, scopes: &[Scope]) -> Value {
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    json!({ "id": id, "name": name, "scopes": scopes })
}

/// What conditions know of an event.
pub fn event_facts(id: impl Serialize, kind: &str, source: &str, subject: Option<&str>) -> Value {
    json!({ "id": id, "type": kind, "source": source, "subject": subject })
}

/// What conditions know of an alert.
pub fn alert_facts(
    id: AlertId,
    rule: RuleId,
    title: &str,
    priority: Option<Priority>,
    state: Option<AlertState>,
) -> Value {
    json!({ "id": id, "rule_id": rule, "title": title, "priority": priority, "state": state })
}
