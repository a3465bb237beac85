//! The audit log as it looks on the wire.

use domain::audit::{self as known, Flaw, Link};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use serde_json::Value;
use services::audit::{Shown, Verdict};
use uuid::Uuid;

use crate::wire::{AnyJson, Stamp, raw};

/// Who did something.
#[derive(Clone, Debug, Object, Serialize)]
struct AuditActor {
    /// `user`, `key`, `system` (Bellbuoy itself, or an operator at the command line) or `stranger`.
    kind: String,
    /// The id of the person or key.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
}

/// Where a request came from.
#[derive(Clone, Debug, Object, Serialize)]
struct AuditOrigin {
    /// The address of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// A place in the chain.
#[derive(Clone, Debug, Object, Serialize)]
struct AuditPlace {
    /// Its number, from 1 without gaps.
    seq: i64,
    /// The hash over the row and the hash before it, in hexadecimal digits.
    hash: String,
}

impl From<Link> for AuditPlace {
    fn from(link: Link) -> Self {
        Self { seq: link.seq, hash: hex::encode(link.hash) }
    }
}

/// Something that was done.
#[derive(Clone, Debug, Object, Serialize)]
pub struct AuditRow {
    /// Its id.
    id: Uuid,
    /// When it was done.
    at: Stamp,
    /// Who did it.
    actor: AuditActor,
    /// What was done.
    action: String,
    /// The kind of thing that it was done to.
    resource_type: String,
    /// Which one it was done to.
    resource_id: Uuid,
    /// How it was before, as far as it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<AnyJson>,
    /// How it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<AnyJson>,
    /// Whose personal values belong to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<Uuid>,
    /// Those values; left out once the person was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    personal: Option<AnyJson>,
    /// Where the request came from; left out once the actor was erased, and of those who run the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<AuditOrigin>,
    /// The `X-Request-Id` of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    /// Its place in the chain, once it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<AuditPlace>,
}

/// The kind of thing in the word of an action.
pub fn resource_type(action: &str) -> &str {
    action.split('.').next().unwrap_or_default()
}

impl From<Shown> for AuditRow {
    fn from(shown: Shown) -> Self {
        let row = shown.row;
        let json = |value: Option<Value>| value.map(|value| AnyJson(raw(value.to_string())));
        let some = |id: Uuid| (!id.is_nil()).then_some(id);
        Self {
            id: row.id,
            at: Stamp(row.at),
            actor: AuditActor { kind: row.actor_kind, id: some(row.actor_id) },
            resource_type: resource_type(&row.action).to_owned(),
            action: row.action,
            resource_id: row.resource,
            before: json(row.before),
            after: json(row.after),
            subject_id: some(row.subject),
            personal: json(shown.personal),
            origin: shown.origin.map(|origin| AuditOrigin {
                address: origin.address.map(|address| address.to_string()),
                user_agent: origin.user_agent,
            }),
            correlation_id: row.correlation,
            place: row.place.map(AuditPlace::from),
        }
    }
}

/// A page of the audit log.
#[derive(Clone, Debug, Object, Serialize)]
pub struct AuditPage {
    /// Newest first.
    pub items: Vec<AuditRow>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum AuditFlaw {
    /// It is not what was sealed.
    Changed,
    /// It was sealed and is not there.
    Missing,
    /// It stands where another one was sealed.
    OutOfOrder,
    /// It is there, but no transaction of the product wrote it.
    Stray,
    /// What stands for the forgotten rows was not signed with our key.
    Checkpoint,
}

impl From<Flaw> for AuditFlaw {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Changed => Self::Changed,
            Flaw::Missing => Self::Missing,
            Flaw::OutOfOrder => Self::OutOfOrder,
            Flaw::Stray => Self::Stray,
            Flaw::Checkpoint => Self::Checkpoint,
        }
    }
}

/// The first row that is not as it should be.
#[derive(Clone, Debug, Object, Serialize)]
struct AuditBroken {
    /// Its place in the chain.
    seq: i64,
    /// The row, if it is known which.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    /// What is wrong with it.
    flaw: AuditFlaw,
    /// The same for people.
    detail: String,
}

impl From<known::Broken> for AuditBroken {
    fn from(broken: known::Broken) -> Self {
        Self {
            seq: broken.seq,
            id: broken.id,
            flaw: broken.flaw.into(),
            detail: broken.flaw.words().to_owned(),
        }
    }
}

/// Up to where the log was forgotten when its rows had been kept long enough.
#[derive(Clone, Debug, Object, Serialize)]
struct AuditCheckpoint {
    /// The last row that was forgotten.
    place: AuditPlace,
    /// When that was.
    at: Stamp,
}

/// What verifying found.
#[derive(Clone, Debug, Object, Serialize)]
pub struct AuditVerdict {
    /// Whether every row that was looked at is as it was sealed.
    ok: bool,
    /// How many were looked at and are.
    checked: u64,
    /// The last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<AuditPlace>,
    /// The first that is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<AuditBroken>,
    /// How many rows wait for their place; it takes some seconds.
    unsealed: i64,
    /// What stands for the rows that were forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<AuditCheckpoint>,
    /// There is more: where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<i64>,
}

impl From<Verdict> for AuditVerdict {
    fn from(verdict: Verdict) -> Self {
        Self {
            ok: verdict.broken.is_none(),
            checked: verdict.checked,
            head: (verdict.head != Link::START).then(|| verdict.head.into()),
            broken: verdict.broken.map(AuditBroken::from),
            unsealed: verdict.unsealed,
            checkpoint: verdict
                .checkpoint
                .map(|one| AuditCheckpoint { place: one.link.into(), at: Stamp(one.at) }),
            next_after: verdict.more.then_some(verdict.head.seq),
        }
    }
}
