//! Event types as they look on the wire.

use domain::event_type::{self as known, EventTypeBody, NewSchema};
use domain::id::UserId;
use domain::time::Time;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use services::admin::{Checked, NewVersion};
use uuid::Uuid;

use crate::etag::Tagged;
use crate::problem::FieldError;
use crate::wire::{RawJson, Stamp, mirrored, raw};

const SCHEMA: &str = r#"{"type":"object","required":["order"],"properties":{"order":{"type":"object","required":["id"],"properties":{"id":{"type":"string","maxLength":40}}}}}"#;
const EXAMPLE: &str = r#"{"order":{"id":"A-17"}}"#;

mirrored! {
    /// What becomes of an event whose payload does not fit the schema.
    SchemaModeWord of domain::event_type::SchemaMode, rename "snake_case" {
        /// Payloads are not checked.
        Off,
        /// It is accepted, and the answer says what does not fit.
        Warn,
        /// It is refused.
        Reject,
    }
}

mirrored! {
    /// What the comparison of two schemas came to.
    CompatibilityWord of domain::event_type::Compatibility, rename "snake_case" {
        /// Every payload that fitted the latest version fits.
        Compatible,
        /// Some payload that fitted the latest version does not fit.
        Incompatible,
        /// Nothing was found that asks more, and not everything can be decided.
        Undecided,
    }
}

/// Whether an event type is to be used.
#[derive(Clone, Copy, Debug, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum EventTypeState {
    /// It is.
    Active,
    /// It is deprecated.
    Deprecated,
}

/// What a version must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum CompatibilityDemand {
    /// It takes every payload that the latest version takes.
    #[default]
    Backward,
    /// Anything.
    None,
}

const fn warn() -> SchemaModeWord {
    SchemaModeWord::Warn
}

/// An event type that is to be created.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct NewEventType {
    /// The type of the events: words with dots between them.
    #[oai(validator(max_length = 128, pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"))]
    name: String,
    /// What such an event means.
    #[serde(default)]
    #[oai(default, validator(max_length = 500))]
    description: String,
    /// What becomes of an event whose payload does not fit.
    #[serde(default = "warn")]
    #[oai(default = "warn")]
    mode: SchemaModeWord,
    /// The JSON Schema of payloads, at most 64 KiB. It is kept byte for byte.
    schema: RawJson,
    /// An example of a payload, which must fit the schema; at most 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<RawJson>,
}

impl Example for NewEventType {
    fn example() -> Self {
        Self {
            name: "order.failed".to_owned(),
            description: "An order could not be charged.".to_owned(),
            mode: SchemaModeWord::Warn,
            schema: RawJson(raw(SCHEMA.to_owned())),
            example: Some(RawJson(raw(EXAMPLE.to_owned()))),
        }
    }
}

impl NewEventType {
    /// Its name, what is said of it, and its first version.
    pub fn read(self) -> (String, EventTypeBody, NewSchema) {
        let Self { name, description, mode, schema, example } = self;
        (name, EventTypeBody { description, mode: mode.into() }, says(schema, example))
    }
}

fn says(schema: RawJson, example: Option<RawJson>) -> NewSchema {
    NewSchema { schema: text(schema), example: example.map(text) }
}

fn text(json: RawJson) -> String {
    json.0.get().to_owned()
}

/// What is to be said of an event type.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct EventTypeChange {
    /// What such an event means.
    #[serde(default)]
    #[oai(default, validator(max_length = 500))]
    description: String,
    /// What becomes of an event whose payload does not fit.
    #[serde(default = "warn")]
    #[oai(default = "warn")]
    mode: SchemaModeWord,
    /// Whether it is deprecated.
    #[serde(default)]
    #[oai(default)]
    pub deprecated: bool,
}

impl Example for EventTypeChange {
    fn example() -> Self {
        Self {
            description: "An order could not be charged.".to_owned(),
            mode: SchemaModeWord::Reject,
            deprecated: false,
        }
    }
}

impl From<EventTypeChange> for EventTypeBody {
    fn from(change: EventTypeChange) -> Self {
        Self { description: change.description, mode: change.mode.into() }
    }
}

/// A version that is to be added.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct NewEventTypeVersion {
    /// The JSON Schema of payloads, at most 64 KiB. It is kept byte for byte.
    schema: RawJson,
    /// An example of a payload, which must fit the schema; at most 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<RawJson>,
    /// What it must be.
    #[serde(default)]
    #[oai(default)]
    compatibility: CompatibilityDemand,
}

impl Example for NewEventTypeVersion {
    fn example() -> Self {
        Self {
            schema: RawJson(raw(SCHEMA.to_owned())),
            example: Some(RawJson(raw(EXAMPLE.to_owned()))),
            compatibility: CompatibilityDemand::Backward,
        }
    }
}

impl From<NewEventTypeVersion> for NewVersion {
    fn from(new: NewEventTypeVersion) -> Self {
        let must_be_compatible = new.compatibility == CompatibilityDemand::Backward;
        Self { says: says(new.schema, new.example), must_be_compatible }
    }
}

/// An event type, in short.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EventTypeSummary {
    /// Its id.
    id: Uuid,
    /// The type of the events.
    name: String,
    /// What such an event means.
    description: String,
    /// What becomes of an event whose payload does not fit.
    mode: SchemaModeWord,
    /// The number of its latest version.
    version: i64,
    /// Since when it is deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_at: Option<Stamp>,
    /// The user who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    /// When it was created.
    created_at: Stamp,
    /// When it was last changed.
    updated_at: Stamp,
}

impl From<known::EventType> for EventTypeSummary {
    fn from(one: known::EventType) -> Self {
        Self {
            id: one.id.0,
            name: one.name,
            description: one.body.description,
            mode: one.body.mode.into(),
            version: one.version,
            deprecated_at: one.deprecated_at.map(Stamp),
            created_by: one.created_by.map(|user| user.0),
            created_at: Stamp(one.created_at),
            updated_at: Stamp(one.updated_at),
        }
    }
}

/// A page of event types.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EventTypePage {
    /// Newest first.
    pub items: Vec<EventTypeSummary>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// An event type, with its latest version.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EventType {
    /// Its id.
    id: Uuid,
    /// The type of the events.
    name: String,
    /// What such an event means.
    description: String,
    /// What becomes of an event whose payload does not fit.
    mode: SchemaModeWord,
    /// The number of its latest version.
    version: i64,
    /// The JSON Schema of that version, byte for byte as it came.
    schema: RawJson,
    /// The example of that version, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<RawJson>,
    /// Since when it is deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_at: Option<Stamp>,
    /// The user who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    /// When it was created.
    created_at: Stamp,
    /// When it was last changed.
    updated_at: Stamp,
}

impl From<(known::EventType, known::EventTypeVersion)> for EventType {
    fn from((one, latest): (known::EventType, known::EventTypeVersion)) -> Self {
        let NewSchema { schema, example } = latest.says;
        Self {
            id: one.id.0,
            name: one.name,
            description: one.body.description,
            mode: one.body.mode.into(),
            version: latest.version,
            schema: RawJson(raw(schema)),
            example: example.map(|text| RawJson(raw(text))),
            deprecated_at: one.deprecated_at.map(Stamp),
            created_by: one.created_by.map(|user| user.0),
            created_at: Stamp(one.created_at),
            updated_at: Stamp(one.updated_at),
        }
    }
}

/// An event type with its tag.
pub fn tagged(found: (known::EventType, known::EventTypeVersion)) -> Tagged<EventType> {
    let tag = found.0.tag();
    Tagged(found.into(), tag)
}

/// A version of an event type, in short.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EventTypeVersionSummary {
    /// Its number, counted from 1.
    version: i64,
    /// The user who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    /// When it was created.
    created_at: Stamp,
}

impl From<(i64, Option<UserId>, Time)> for EventTypeVersionSummary {
    fn from((version, created_by, created_at): (i64, Option<UserId>, Time)) -> Self {
        let created_by = created_by.map(|user| user.0);
        Self { version, created_by, created_at: Stamp(created_at) }
    }
}

/// A page of versions.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EventTypeVersionPage {
    /// Newest first.
    pub items: Vec<EventTypeVersionSummary>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A version of an event type.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EventTypeVersion {
    /// Its number, counted from 1.
    version: i64,
    /// The JSON Schema, byte for byte as it came.
    schema: RawJson,
    /// An example of a payload, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<RawJson>,
    /// The user who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    /// When it was created.
    created_at: Stamp,
}

impl From<known::EventTypeVersion> for EventTypeVersion {
    fn from(one: known::EventTypeVersion) -> Self {
        let NewSchema { schema, example } = one.says;
        Self {
            version: one.version,
            schema: RawJson(raw(schema)),
            example: example.map(|text| RawJson(raw(text))),
            created_by: one.created_by.map(|user| user.0),
            created_at: Stamp(one.created_at),
        }
    }
}

/// What is to be checked: a schema, a payload, or both.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct EventTypeCheck {
    /// A schema that is to be compared with the latest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<RawJson>,
    /// A payload that is to be held to the latest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<RawJson>,
}

impl Example for EventTypeCheck {
    fn example() -> Self {
        Self {
            schema: Some(RawJson(raw(SCHEMA.to_owned()))),
            payload: Some(RawJson(raw(EXAMPLE.to_owned()))),
        }
    }
}

impl EventTypeCheck {
    /// The texts of the schema and of the payload.
    pub fn read(self) -> (Option<String>, Option<String>) {
        (self.schema.map(text), self.payload.map(text))
    }
}

/// Something that a schema asks and the latest version does not, or that can't be decided.
#[derive(Clone, Debug, Object, Serialize)]
pub struct SchemaFinding {
    /// Where in the schema: a JSON pointer, by way of what `$ref` names.
    pointer: String,
    /// Whether it is decided that a payload which fitted does not fit.
    decided: bool,
    /// What is asked, and what would be right, for people.
    message: String,
}

impl From<known::Finding> for SchemaFinding {
    fn from(one: known::Finding) -> Self {
        Self { pointer: one.pointer, decided: one.decided, message: one.message }
    }
}

/// What a check came to.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EventTypeCheckResult {
    /// The number of the version that it was made against.
    version: i64,
    /// What the comparison came to, if a schema was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    compatibility: Option<CompatibilityWord>,
    /// What was found in the schema.
    findings: Vec<SchemaFinding>,
    /// Whether the payload fits, if one was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    fits: Option<bool>,
    /// What of the payload does not fit: the first ten.
    errors: Vec<FieldError>,
}

impl From<Checked> for EventTypeCheckResult {
    fn from(checked: Checked) -> Self {
        let (compatibility, findings) = checked.schema.unzip();
        let fits = checked.payload.as_ref().map(Vec::is_empty);
        let errors = checked.payload.unwrap_or_default();
        Self {
            version: checked.version,
            compatibility: compatibility.map(Into::into),
            findings: findings.into_iter().flatten().map(SchemaFinding::from).collect(),
            fits,
            errors: errors.iter().map(FieldError::from).collect(),
        }
    }
}
