//! An event: what a producer tells us.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::names::words;
use crate::id::{EventId, KeyId};
use crate::time::Time;

/// An event that was accepted. Nothing about it ever changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Its id, which carries when it was received.
    pub id: EventId,
    /// Its dot-separated type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it comes from, in the producer's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// What of its source it is about, if the producer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The JSON object, byte for byte as it came.
    pub payload: Box<RawValue>,
    /// When it happened, if the producer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Time>,
    /// When it was accepted.
    pub received_at: Time,
    /// What makes a second sending the same event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What ties it to other events and requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The event that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<EventId>,
    /// The API key that it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
}

words! {
    /// How far an event has come.
    EventStatus {
        /// It is kept and waits for its evaluation.
        Accepted = 0 "accepted",
        /// It waits, because its project is suspended.
        Held = 1 "held",
        /// It was evaluated.
        Processed = 2 "processed",
        /// Its evaluation failed for good.
        Failed = 3 "failed",
    }
}

/// An event and how far it has come.
#[derive(Clone, Debug)]
pub struct EventState {
    /// The event.
    pub event: Event,
    /// How far it has come.
    pub status: EventStatus,
    /// How many rules were tried.
    pub looked: u32,
    /// How many of them matched.
    pub matched: u32,
    /// How many of those did not ring.
    pub suppressed: u32,
}
