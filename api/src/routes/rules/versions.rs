//! Versions of rules as they look on the wire.

use domain::rule as known;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::wire::{RuleBody, RuleMode};
use crate::wire::{AnyJson, Stamp, raw};

/// A version of a rule, in short.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RuleVersionSummary {
    /// Its number, counted from 1.
    version: i64,
    /// The name that the rule had.
    name: String,
    /// The mode that it had.
    mode: RuleMode,
    /// The user who made it; left out where it was the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    /// When it was made.
    created_at: Stamp,
}

impl From<known::RuleVersion> for RuleVersionSummary {
    fn from(one: known::RuleVersion) -> Self {
        Self {
            version: one.version,
            name: one.body.name,
            mode: one.mode.into(),
            created_by: one.created_by.map(|user| user.0),
            created_at: Stamp(one.created_at),
        }
    }
}

/// A page of versions.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RuleVersionPage {
    /// Newest first.
    pub items: Vec<RuleVersionSummary>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A version of a rule.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RuleVersion {
    /// Its number, counted from 1.
    version: i64,
    /// The mode that the rule had.
    mode: RuleMode,
    /// The user who made it; left out where it was the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    /// When it was made.
    created_at: Stamp,
    /// What the rule said.
    rule: RuleBody,
}

impl From<known::RuleVersion> for RuleVersion {
    fn from(one: known::RuleVersion) -> Self {
        Self {
            version: one.version,
            mode: one.mode.into(),
            created_by: one.created_by.map(|user| user.0),
            created_at: Stamp(one.created_at),
            rule: RuleBody::of(one.body),
        }
    }
}

/// What differs between two versions.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RuleDiff {
    /// The version before.
    pub from: i64,
    /// The version after.
    pub to: i64,
    /// The fields that differ, by their name.
    pub changes: Vec<RuleFieldChange>,
}

/// A field that differs between two versions.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RuleFieldChange {
    /// Its path, like `suppression.count`.
    field: String,
    /// What it was; `null` where nothing was said.
    before: AnyJson,
    /// What it is.
    after: AnyJson,
}

impl From<known::FieldChange> for RuleFieldChange {
    fn from(one: known::FieldChange) -> Self {
        let json = |value: serde_json::Value| AnyJson(raw(value.to_string()));
        Self { field: one.field, before: json(one.before), after: json(one.after) }
    }
}

/// The version that a rule is to be set to.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct RuleRestoration {
    /// Its number.
    #[oai(validator(minimum(value = "1")))]
    pub version: i64,
}

impl Example for RuleRestoration {
    fn example() -> Self {
        Self { version: 1 }
    }
}
