//! Streams and queues of a project as they look on the wire, and what of them could not be taken.

use domain::entry::Intake as Kind;
use poem_openapi::Object;
use serde::Serialize;
use services::intake::IntakeView;
use uuid::Uuid;

use crate::wire::{Stamp, mirrored};

mirrored! {
    /// A way for events into a project besides the API.
    IntakeKind of Kind, rename "snake_case" {
        /// A stream in Redis.
        RedisStream,
        /// A queue in SQS.
        Sqs,
    }
}

/// A stream or queue that events come into the project by.
#[derive(Clone, Debug, Object, Serialize)]
pub struct Intake {
    /// Which.
    intake: IntakeKind,
    /// Whether this installation has the engine that it needs.
    available: bool,
    /// Whether the project's settings switch it on.
    enabled: bool,
    /// Where events are put: the key of a stream, or the name or URL of a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// How many entries nobody has read yet. Of Redis before version 7, and of a queue, it is an estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<i64>,
    /// How many entries were read and are not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<i64>,
    /// How many entries became events. A worker that dies may leave a few uncounted.
    accepted: i64,
    /// How many entries were rejected, likewise.
    rejected: i64,
    /// When an entry was last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_entry_at: Option<Stamp>,
    /// What went wrong last; it may be over.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// When it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_at: Option<Stamp>,
    /// When a worker last said all this.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Stamp>,
}

impl From<IntakeView> for Intake {
    fn from(view: IntakeView) -> Self {
        let updated_at = view.status.as_ref().map(|one| Stamp(one.updated_at));
        let status = view.status.unwrap_or_default();
        Self {
            intake: view.intake.into(),
            available: view.available,
            enabled: view.enabled,
            name: view.name,
            lag: status.waiting,
            pending: status.pending,
            accepted: status.accepted,
            rejected: status.rejected,
            last_entry_at: status.last_entry_at.map(Stamp),
            last_error: status.last_error,
            last_error_at: status.last_error_at.map(Stamp),
            updated_at,
        }
    }
}

/// The streams and queues of a project.
#[derive(Clone, Debug, Object, Serialize)]
pub struct IntakeList {
    /// One of each kind.
    pub items: Vec<Intake>,
}

/// An entry of a stream or queue that could not be taken.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RejectedEntry {
    /// Its id here.
    id: Uuid,
    /// Where it came from.
    intake: IntakeKind,
    /// Its id there.
    entry_id: String,
    /// What is wrong with it, and what would be right.
    reason: String,
    /// What it says, its first 64 KiB; what is no UTF-8 in it is replaced.
    body: String,
    /// How many bytes it had.
    size: i64,
    /// When it was read.
    received_at: Stamp,
}

impl From<store::intake::RejectedEntry> for RejectedEntry {
    fn from(one: store::intake::RejectedEntry) -> Self {
        Self {
            id: one.id,
            intake: one.intake.into(),
            entry_id: one.entry_id,
            reason: one.reason,
            body: String::from_utf8_lossy(&one.body).into_owned(),
            size: one.size,
            received_at: Stamp(one.received_at),
        }
    }
}

/// A page of rejected entries.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RejectedEntryPage {
    /// Newest first.
    pub items: Vec<RejectedEntry>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
