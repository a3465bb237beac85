//! What an event must be like. One function judges all that come in, by whichever way.

pub(crate) mod scan;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::event::Event;
use super::fault::{Fault, FaultCode};
use crate::id::{EventId, sha256};
use crate::time::Time;

/// The most characters of an event type.
pub const MAX_TYPE: usize = 128;
/// The most characters of a source.
pub const MAX_SOURCE: usize = 200;
/// The most characters of a subject.
pub const MAX_SUBJECT: usize = 256;
/// The most characters of a correlation id.
pub const MAX_CORRELATION: usize = 200;
/// The most characters of an idempotency key.
pub const MAX_KEY: usize = 255;
/// How deeply a payload may be nested; the payload itself counts as one.
pub const MAX_DEPTH: usize = 64;

/// An event as it came: the types are right, and nothing else is sure yet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEvent {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its payload, byte for byte.
    pub payload: Box<RawValue>,
    /// Where it comes from.
    #[serde(default)]
    pub source: Option<String>,
    /// What of its source it is about.
    #[serde(default)]
    pub subject: Option<String>,
    /// When it happened.
    #[serde(default)]
    pub occurred_at: Option<String>,
    /// What makes a second sending the same event.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// What ties it to other events and requests.
    #[serde(default)]
    pub correlation_id: Option<String>,
}

/// An event that may be accepted.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its type.
    pub kind: String,
    /// Its payload: a JSON object, byte for byte as it came.
    pub payload: Box<RawValue>,
    /// Where it comes from; empty when it does not say.
    pub source: String,
    /// What of its source it is about.
    pub subject: Option<String>,
    /// When it happened.
    pub occurred_at: Option<Time>,
    /// What makes a second sending the same event.
    pub idempotency: Option<Idempotency>,
    /// What ties it to other events and requests.
    pub correlation_id: Option<String>,
    /// The event that it repeats.
    pub replay_of: Option<EventId>,
}

impl NewEvent {
    /// An event once more, as a new one. `key` makes a second replay for the same purpose the same event.
    pub fn replay(event: Event, key: Option<[u8; 32]>) -> Self {
        let body = sha256(event.payload.get().as_bytes());
        Self {
            kind: event.kind,
            payload: event.payload,
            source: event.source,
            subject: event.subject,
            occurred_at: event.occurred_at,
            idempotency: key.map(|hash| Idempotency { key: None, hash, body }),
            correlation_id: event.correlation_id,
            replay_of: Some(event.id),
        }
    }
}

/// What tells a repeated event from a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, if it is the event's own and not that of the request which it came in.
    pub key: Option<String>,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// SHA-256 of the event's own text, without the blanks around it.
    pub body: [u8; 32],
}

/// How an event came.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The key that stands beside the event: the `Idempotency-Key` header, or what a stream gives.
    pub key: Option<&'a str>,
    /// The hash of the key that an event without one gets from the request which it stands in.
    pub given: Option<[u8; 32]>,
    /// The event's own text, from which a second body under the same key is told.
    pub text: &'a [u8],
    /// The largest payload, in bytes.
    pub max_payload: usize,
}

/// The hash of the key of an event whose sender gives it none, from what tells it from others in the sender's own words.
/// No key that a client can choose has the character U+0000, so that none has this hash.
pub fn derived_key(way: &str, parts: &[&str]) -> [u8; 32] {
    let mut text = format!("\0{way}");
    for part in parts {
        // With its length before it, no part runs into the next.
        text.push_str(&format!("\0{}:{part}", part.len()));
    }
    sha256(text.as_bytes())
}

/// Judges an event; answers all that is wrong with it, not only the first thing.
///
/// # Errors
/// When something is wrong with it.
pub fn validate(raw: RawEvent, envelope: Envelope<'_>) -> Result<NewEvent, Vec<Fault>> {
    let mut faults = Vec::new();
    judge_type(&raw.kind, &mut faults);
    scan::payload(raw.payload.get(), envelope.max_payload, MAX_DEPTH, &mut faults);
    judge_text("source", raw.source.as_deref(), MAX_SOURCE, &mut faults);
    judge_text("subject", raw.subject.as_deref(), MAX_SUBJECT, &mut faults);
    judge_text("correlation_id", raw.correlation_id.as_deref(), MAX_CORRELATION, &mut faults);
    let occurred_at = judge_time(raw.occurred_at.as_deref(), &mut faults);
    let key = judge_key(raw.idempotency_key, envelope.key, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let hash = key.as_ref().map(|key| sha256(key.as_bytes())).or(envelope.given);
    // Most events have no key, and hashing would then be for nothing.
    let idempotency =
        hash.map(|hash| Idempotency { key, hash, body: sha256(envelope.text.trim_ascii()) });
    Ok(NewEvent {
        kind: raw.kind,
        payload: raw.payload,
        source: raw.source.unwrap_or_default(),
        // An empty text says nothing, and a condition should see nothing there.
        subject: raw.subject.filter(|text| !text.is_empty()),
        occurred_at,
        idempotency,
        correlation_id: raw.correlation_id,
        replay_of: None,
    })
}

/// Whether `text` can be the type of an event.
pub fn is_event_type(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    text.len() <= MAX_TYPE && text.split('.').all(word)
}

fn judge_type(kind: &str, faults: &mut Vec<Fault>) {
    if kind.is_empty() {
        faults.push(Fault::new(
            "type",
            FaultCode::Empty,
            "it is empty; name the type, like order.paid",
        ));
    } else if kind.chars().count() > MAX_TYPE {
        faults.push(Fault::new("type", FaultCode::TooLong, "it must have at most 128 characters"));
    } else if !is_event_type(kind) {
        faults.push(Fault::new(
            "type",
            FaultCode::Invalid,
            "it must be words of the characters A-Z, a-z, 0-9, _ and -, with dots between them, \
             like order.paid",
        ));
    }
}

fn judge_text(field: &'static str, text: Option<&str>, max: usize, faults: &mut Vec<Fault>) {
    let Some(text) = text else { return };
    // Only a text of more bytes can have more characters, so that most are never counted.
    if text.len() > max && text.chars().count() > max {
        faults.push(Fault::new(
            field,
            FaultCode::TooLong,
            format!("it must have at most {max} characters"),
        ));
    }
    if text.contains('\0') {
        faults.push(Fault::new(field, FaultCode::NulCharacter, NUL));
    }
}

const NUL: &str = "the character U+0000 can't be stored; leave it out";

fn judge_time(text: Option<&str>, faults: &mut Vec<Fault>) -> Option<Time> {
    let text = text?;
    let time = Time::parse(text);
    if time.is_none() {
        faults.push(Fault::new(
            "occurred_at",
            FaultCode::Invalid,
            "it must be a time as RFC 3339 with its offset, like 2026-01-31T09:30:00Z",
        ));
    }
    time
}

fn judge_key(own: Option<String>, beside: Option<&str>, faults: &mut Vec<Fault>) -> Option<String> {
    if let (Some(own), Some(beside)) = (&own, beside)
        && own != beside
    {
        faults.push(Fault::new(
            "idempotency_key",
            FaultCode::Mismatch,
            "the header Idempotency-Key says something else; send one of them, or twice the same",
        ));
    }
    let key = own.or_else(|| beside.map(str::to_owned))?;
    if let Some(fault) = key_fault("idempotency_key", &key) {
        faults.push(fault);
    }
    Some(key)
}

/// What is wrong with an idempotency key that stands in this field or header.
pub fn key_fault(field: &'static str, key: &str) -> Option<Fault> {
    if key.is_empty() {
        Some(Fault::new(
            field,
            FaultCode::Empty,
            "it is empty; send 1 to 255 visible characters, or leave it out",
        ))
    } else if key.len() > MAX_KEY {
        Some(Fault::new(field, FaultCode::TooLong, "it must have at most 255 characters"))
    } else if !key.bytes().all(|b| b.is_ascii_graphic()) {
        Some(Fault::new(
            field,
            FaultCode::Invalid,
            "it must be of visible ASCII characters alone: no blanks, no control characters",
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
