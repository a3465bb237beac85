//! Events as they look on the wire.

use domain::intake::RawEvent;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use services::events::{self as known, EventState};
use uuid::Uuid;

use crate::problem::{Code, FieldError};
use crate::wire::{AnyJson, Later, RawJson, Stamp, StampText, mirrored, raw};

/// An event to be accepted.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct NewEvent {
    /// Words with dots between them.
    #[serde(rename = "type")]
    #[oai(
        rename = "type",
        validator(max_length = 128, pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")
    )]
    kind: String,
    /// What rules look at: at most 256 KiB, nested at most 64 deep. It is kept byte for byte.
    payload: RawJson,
    /// Where it comes from.
    #[oai(validator(max_length = 200))]
    source: Option<String>,
    /// What of its source it is about.
    #[oai(validator(max_length = 256))]
    subject: Option<String>,
    /// When it happened; its time of receipt is kept besides.
    occurred_at: Option<StampText>,
    /// Makes a second sending the same event: visible ASCII characters.
    #[oai(validator(min_length = 1, max_length = 255, pattern = r"^[!-~]+$"))]
    idempotency_key: Option<String>,
    /// What ties it to other events and requests.
    #[oai(validator(max_length = 200))]
    correlation_id: Option<String>,
}

impl Example for NewEvent {
    fn example() -> Self {
        Self {
            kind: "order.failed".to_owned(),
            payload: RawJson(raw(r#"{"order":{"id":"A-17","total":"129.90"}}"#.to_owned())),
            source: Some("shop".to_owned()),
            subject: Some("order A-17".to_owned()),
            occurred_at: Some(StampText("2026-01-31T09:30:00Z".to_owned())),
            idempotency_key: Some("order-A-17-failed".to_owned()),
            correlation_id: Some("checkout-4711".to_owned()),
        }
    }
}

impl From<NewEvent> for RawEvent {
    fn from(event: NewEvent) -> Self {
        Self {
            kind: event.kind,
            payload: event.payload.0,
            source: event.source,
            subject: event.subject,
            occurred_at: event.occurred_at.map(|text| text.0),
            idempotency_key: event.idempotency_key,
            correlation_id: event.correlation_id,
        }
    }
}

/// An event as CloudEvents 1.0 has it. Other attributes, which it calls extensions, may stand there and are not kept.
#[derive(Clone, Debug, Object, Serialize)]
#[oai(example)]
pub struct CloudEvent {
    /// The version of the standard.
    #[oai(validator(pattern = r"^1\.0$"))]
    specversion: String,
    /// What tells it from other events of its source.
    #[oai(validator(min_length = 1, max_length = 255))]
    id: String,
    /// Words with dots between them.
    #[serde(rename = "type")]
    #[oai(
        rename = "type",
        validator(max_length = 128, pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")
    )]
    kind: String,
    /// Where it comes from.
    #[oai(validator(min_length = 1, max_length = 200))]
    source: String,
    /// What of its source it is about.
    #[oai(validator(min_length = 1, max_length = 256))]
    subject: Option<String>,
    /// When it happened; it becomes `occurred_at`.
    time: Option<StampText>,
    /// Of which media type the data is; JSON if it does not say.
    datacontenttype: Option<String>,
    /// What ties it to other events and requests; it becomes `correlation_id`.
    #[oai(validator(max_length = 200))]
    correlationid: Option<String>,
    /// A JSON object becomes the payload, byte for byte; any other value becomes `{"data": …}`.
    data: Option<AnyJson>,
    /// Bytes in base64, in place of `data`: they become `{"data_base64": …}`, unless they are JSON.
    data_base64: Option<String>,
}

impl Example for CloudEvent {
    fn example() -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: "A-17-failed".to_owned(),
            kind: "com.example.order.failed".to_owned(),
            source: "/shop".to_owned(),
            subject: Some("order A-17".to_owned()),
            time: Some(StampText("2026-01-31T09:30:00Z".to_owned())),
            datacontenttype: Some("application/json".to_owned()),
            correlationid: Some("checkout-4711".to_owned()),
            data: Some(AnyJson(raw(r#"{"order":{"id":"A-17","total":"129.90"}}"#.to_owned()))),
            data_base64: None,
        }
    }
}

/// Events to be accepted together.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "NewEvents", deny_unknown_fields)]
pub struct Batch {
    /// The events.
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub events: Vec<Later<NewEvent>>,
}

/// An event that is kept.
#[derive(Clone, Debug, Object, Serialize)]
#[oai(example)]
pub struct AcceptedEvent {
    /// Its id.
    pub id: Uuid,
    /// Where to ask what became of it.
    pub status_url: String,
    /// When it was received; of a replay, when the first was.
    pub received_at: Stamp,
    /// What does not fit the schema of its type, or that the type is deprecated. It is kept all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub warnings: Vec<FieldError>,
}

impl Example for AcceptedEvent {
    fn example() -> Self {
        let id = Uuid::from_u128(0x019c_1379_2540_7000_8000_0000_0000_0001);
        let time = domain::time::Time::from_micros(1_769_851_800_000_000);
        let warnings = Vec::new();
        Self { id, status_url: status_url(id), received_at: Stamp(time), warnings }
    }
}

/// Where an event is read.
pub fn status_url(id: Uuid) -> String {
    format!("/api/v1/events/{id}")
}

/// What became of a batch.
#[derive(Clone, Debug, Object, Serialize)]
pub struct BatchReport {
    /// One result for each event, in order.
    pub items: Vec<BatchItem>,
}

/// What became of one event of a batch.
#[derive(Clone, Debug, Object, Serialize)]
pub struct BatchItem {
    /// Whether it is kept.
    pub status: ItemStatus,
    /// Its id, if it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// When it was received, if it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Stamp>,
    /// The kind of problem, if it is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What is wrong with it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub errors: Vec<FieldError>,
    /// What of an event that is kept does not fit the schema of its type, or that the type is deprecated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub warnings: Vec<FieldError>,
}

/// Whether an event of a batch is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It is kept.
    Accepted,
    /// It was kept before, under the same idempotency key.
    Replayed,
    /// It is not kept.
    Rejected,
}

mirrored! {
    /// How far an event has come.
    EventStatus of known::EventStatus, rename "snake_case" {
        /// It is kept and waits for its evaluation.
        Accepted,
        /// It waits, because its project is suspended.
        Held,
        /// It was evaluated.
        Processed,
        /// Its evaluation failed for good.
        Failed,
    }
}

/// What became of an import.
#[derive(Clone, Debug, Default, Object, Serialize)]
pub struct ImportReport {
    /// Lines that were read, blank ones not counted.
    pub lines: u64,
    /// Events that are kept.
    pub accepted: u64,
    /// Events that were kept before, under the same idempotency key.
    pub replayed: u64,
    /// Lines that are not kept.
    pub rejected: u64,
    /// What is wrong with the first hundred of them.
    pub errors: Vec<LineError>,
    /// Events that are kept, and do not fit the schema of their type or are of one that is deprecated.
    pub warned: u64,
    /// What is to be known of the first hundred of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub warnings: Vec<LineWarning>,
}

/// What is to be known of a line that is kept.
#[derive(Clone, Debug, Object, Serialize)]
pub struct LineWarning {
    /// The line, counted from 1.
    pub line: u64,
    /// What does not fit the schema of its type, or that the type is deprecated.
    pub warnings: Vec<FieldError>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, Object, Serialize)]
pub struct LineError {
    /// The line, counted from 1.
    pub line: u64,
    /// The kind of problem.
    pub code: Code,
    /// What is wrong with it, for people.
    pub detail: String,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub errors: Vec<FieldError>,
}

/// A page of events.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EventPage {
    /// The events, newest first.
    pub items: Vec<Event>,
    /// Leads to the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// An event and how far it has come.
#[derive(Clone, Debug, Object, Serialize)]
pub struct Event {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: String,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// What of its source it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Its payload, byte for byte as it came.
    payload: RawJson,
    /// When it happened, in the producer's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<Stamp>,
    /// When it was received.
    received_at: Stamp,
    /// Its idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    /// What ties it to other events and requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    /// The event that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_of: Option<Uuid>,
    /// The key that it came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<Uuid>,
    /// How far it has come.
    status: EventStatus,
    /// What it led to.
    counts: EventCounts,
}

/// What an event led to.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EventCounts {
    /// Rules that were tried.
    rules: u32,
    /// Rules that matched.
    matched: u32,
    /// Of those, rules that did not ring; the trace says why.
    suppressed: u32,
}

impl From<EventState> for Event {
    fn from(state: EventState) -> Self {
        let EventState { event, status, looked, matched, suppressed } = state;
        Self {
            id: event.id.0,
            kind: event.kind,
            source: (!event.source.is_empty()).then_some(event.source),
            subject: event.subject,
            payload: RawJson(event.payload),
            occurred_at: event.occurred_at.map(Stamp),
            received_at: Stamp(event.received_at),
            idempotency_key: event.idempotency_key,
            correlation_id: event.correlation_id,
            replay_of: event.replay_of.map(|id| id.0),
            key_id: event.key_id.map(|id| id.0),
            status: status.into(),
            counts: EventCounts { rules: looked, matched, suppressed },
        }
    }
}
