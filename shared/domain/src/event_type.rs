//! Event types: what a project says that its events are like. The catalogue is optional: an event of a type that is not in
//! it is taken as it is.

mod check;
mod compatibility;
mod expand;
mod keywords;
mod schema;

use serde_json::{Value, json};

use super::fault::{Fault, FaultCode, nul_faults};
use super::intake::is_event_type;
use super::names::words;
use crate::id::{EventTypeId, UserId, sha256};
use crate::time::Time;

pub use check::{Checker, TOLD};
pub use compatibility::{Compatibility, Finding, compare, compatibility};
pub use schema::Schema;

/// The most event types of a project.
pub const MAX_TYPES: i64 = 1000;
/// The most versions of an event type.
pub const MAX_VERSIONS: i64 = 100;
/// The most bytes of a schema, and of an example.
pub const MAX_SCHEMA: usize = 64 << 10;
/// How deeply a schema may be nested; the schema itself counts as one.
pub const MAX_DEPTH: usize = 64;
/// The most characters of a description.
pub const MAX_DESCRIPTION: usize = 500;

words! {
    /// What becomes of an event whose payload does not fit the schema of its type.
    SchemaMode {
        /// Payloads are not checked.
        Off = 0 "off",
        /// It is accepted, and the answer says what does not fit.
        Warn = 1 "warn",
        /// It is refused.
        Reject = 2 "reject",
    }
}

/// What is said of an event type, besides its schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTypeBody {
    /// What such an event means.
    pub description: String,
    /// What becomes of an event whose payload does not fit.
    pub mode: SchemaMode,
}

impl EventTypeBody {
    /// Everything that is wrong with it.
    pub fn faults(&self) -> Vec<Fault> {
        let mut found = nul_faults(&json!({ "description": self.description }));
        if self.description.chars().count() > MAX_DESCRIPTION {
            let right = format!("at most {MAX_DESCRIPTION} characters");
            found.push(Fault::new("description", FaultCode::TooLong, right));
        }
        found
    }
}

/// What is wrong with the name of an event type.
pub fn name_fault(name: &str) -> Option<Fault> {
    let right = "it must be a type of event: words of A-Z, a-z, 0-9, _ and -, with dots between them, like order.paid, of at \
                 most 128 characters";
    (!is_event_type(name)).then(|| Fault::new("name", FaultCode::Invalid, right))
}

/// An event type as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// Its id.
    pub id: EventTypeId,
    /// The type of the events.
    pub name: String,
    /// What is said of it.
    pub body: EventTypeBody,
    /// The number of its latest version.
    pub version: i64,
    /// Counted up with each change, those that make no version among them.
    pub revision: i64,
    /// Since when it is deprecated.
    pub deprecated_at: Option<Time>,
    /// The user who created it.
    pub created_by: Option<UserId>,
    /// When it was created.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl EventType {
    /// What tells one state of it from another, and from one of the same name that was deleted.
    pub fn tag(&self) -> String {
        format!("{}-{}", self.id, self.revision)
    }

    /// What the audit log says of it.
    pub fn told(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.body.description,
            "mode": self.body.mode,
            "version": self.version,
            "deprecated_at": self.deprecated_at.map(Time::rfc3339),
        })
    }
}

/// A schema that is to be kept, with an example that fits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSchema {
    /// The JSON Schema, byte for byte as it came.
    pub schema: String,
    /// An example of a payload, byte for byte as it came.
    pub example: Option<String>,
}

impl NewSchema {
    /// What tells its schema from others, for the audit log, which does not repeat it.
    pub fn fingerprint(&self) -> String {
        hex::encode(sha256(self.schema.as_bytes()))
    }

    /// The schema, if nothing is wrong with it and the example.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub fn judge(&self) -> Result<Schema, Vec<Fault>> {
        let schema = Schema::read(&self.schema)?;
        let checker = schema.compile()?;
        if let Some(example) = &self.example {
            let example = schema::object("example", example, MAX_SCHEMA)?;
            let faults = checker.violations("example", &example);
            if !faults.is_empty() {
                return Err(faults);
            }
        }
        Ok(schema)
    }
}

/// A version of an event type. It is never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTypeVersion {
    /// Its number, counted from 1.
    pub version: i64,
    /// What it says.
    pub says: NewSchema,
    /// The user who created it.
    pub created_by: Option<UserId>,
    /// When it was created.
    pub created_at: Time,
}

/// The payload of an event, read from its text.
///
/// # Errors
/// When it is no JSON object that could be accepted.
pub fn payload(text: &str, max_bytes: usize) -> Result<Value, Vec<Fault>> {
    schema::object("payload", text, max_bytes)
}

#[cfg(test)]
mod tests;
