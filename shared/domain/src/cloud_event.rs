//! CloudEvents 1.0: an event in the words of that standard, and what it is in ours.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::fault::{Fault, FaultCode};
use super::intake::{RawEvent, derived_key};
use super::members::{Members, raw};

/// What the headers of the binary mode begin with.
pub const HEADER_PREFIX: &str = "ce-";
/// The most characters of an id.
pub const MAX_ID: usize = 255;

/// A CloudEvent in our words.
#[derive(Clone, Debug)]
pub struct CloudEvent {
    /// The event, not judged yet.
    pub event: RawEvent,
    /// The hash of its source and id: two events that have the same are the same event.
    pub key: [u8; 32],
}

/// The attributes that mean something here, and what our own field for each is called.
const FIELDS: [(&str, &str); 4] = [
    ("occurred_at", "time"),
    ("payload", "data"),
    ("correlation_id", "correlationid"),
    ("idempotency_key", "Idempotency-Key"),
];

/// Reads an event of the structured mode: one JSON object with all of it.
///
/// # Errors
/// When it is no CloudEvent.
pub fn structured(members: &Members) -> Result<CloudEvent, Vec<Fault>> {
    let mut faults = Vec::new();
    if let Some(name) = members.twin() {
        let message = "the attribute is there twice; send it once";
        faults.push(Fault::new(name.to_owned(), FaultCode::Duplicate, message));
    }
    let mut attributes = Attributes::default();
    for (name, place) in attributes.all() {
        let Some(value) = members.get(name).filter(|value| value.get() != "null") else { continue };
        *place = serde_json::from_str(value.get()).ok();
        if place.is_none() {
            faults.push(Fault::new(name, FaultCode::WrongType, "it must be a text"));
        }
    }
    let (data, base64) = (members.get("data"), members.get("data_base64"));
    let payload = match (data, base64.filter(|value| value.get() != "null")) {
        (Some(_), Some(_)) => Err(Fault::new(
            "data_base64",
            FaultCode::Mismatch,
            "there is data, too; send one of the two",
        )),
        (Some(data), None) => Ok(payload_of(data)),
        (None, Some(base64)) => decoded(base64, attributes.datacontenttype.as_deref()),
        (None, None) => Ok(raw("{}".to_owned())),
    };
    attributes.into_event(payload, faults)
}

/// Reads an event of the binary mode: attributes in headers, of which these are those that begin with `ce-`, and the body
/// as the data.
///
/// # Errors
/// When it is no CloudEvent.
pub fn binary(
    headers: &[(&str, &[u8])],
    content_type: Option<&str>,
    body: &[u8],
) -> Result<CloudEvent, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut attributes = Attributes::default();
    for (name, place) in attributes.all() {
        let mut values = headers.iter().filter(|(header, _)| attribute_of(header) == Some(name));
        let Some((_, value)) = values.next() else { continue };
        if values.next().is_some() {
            let message = "the header is there twice; send it once";
            faults.push(Fault::new(name, FaultCode::Duplicate, message));
        }
        *place = percent_decoded(value);
        if place.is_none() {
            let message = "it must be ASCII, with all else in UTF-8 and percent-encoded";
            faults.push(Fault::new(name, FaultCode::Invalid, message));
        }
    }
    let payload = read_data(body, content_type);
    attributes.into_event(payload, faults)
}

/// Whether a header is an attribute of the binary mode, and of which name.
pub fn attribute_of(header: &str) -> Option<&str> {
    header.strip_prefix(HEADER_PREFIX)
}

/// All that an event of the binary mode says, in one text: what tells it from another one under the same idempotency key.
pub fn binary_text(headers: &[(&str, &[u8])], body: &[u8]) -> Vec<u8> {
    let mut attributes: Vec<_> = headers.to_vec();
    attributes.sort_unstable();
    let lines = attributes.iter().flat_map(|(name, value)| [name.as_bytes(), b":", value, b"\n"]);
    [lines.collect::<Vec<_>>().concat().as_slice(), b"\n", body].concat()
}

/// Faults of an event in the words of CloudEvents.
pub fn in_its_words(faults: Vec<Fault>) -> Vec<Fault> {
    let renamed = |fault: Fault| {
        let own = FIELDS.iter().find_map(|(ours, its)| {
            let rest = fault.field.strip_prefix(ours)?;
            let ends = rest.is_empty() || rest.starts_with(['.', '[']);
            ends.then(|| format!("{its}{rest}"))
        });
        let field = own.map_or(fault.field, Cow::Owned);
        Fault { field, ..fault }
    };
    faults.into_iter().map(renamed).collect()
}

#[derive(Default)]
struct Attributes {
    specversion: Option<String>,
    id: Option<String>,
    kind: Option<String>,
    source: Option<String>,
    subject: Option<String>,
    time: Option<String>,
    datacontenttype: Option<String>,
    correlationid: Option<String>,
}

impl Attributes {
    fn all(&mut self) -> [(&'static str, &mut Option<String>); 8] {
        [
            ("specversion", &mut self.specversion),
            ("id", &mut self.id),
            ("type", &mut self.kind),
            ("source", &mut self.source),
            ("subject", &mut self.subject),
            ("time", &mut self.time),
            ("datacontenttype", &mut self.datacontenttype),
            ("correlationid", &mut self.correlationid),
        ]
    }

    fn into_event(
        mut self,
        payload: Result<Box<RawValue>, Fault>,
        mut faults: Vec<Fault>,
    ) -> Result<CloudEvent, Vec<Fault>> {
        self.judge(&mut faults);
        match (self.kind, self.source, self.id, payload) {
            (Some(kind), Some(source), Some(id), Ok(payload)) if faults.is_empty() => {
                let key = derived_key("cloudevent", &[&source, &id]);
                let event = RawEvent {
                    kind,
                    payload,
                    source: Some(source),
                    subject: self.subject,
                    occurred_at: self.time,
                    idempotency_key: None,
                    correlation_id: self.correlationid,
                };
                Ok(CloudEvent { event, key })
            }
            (_, _, _, payload) => {
                faults.extend(payload.err());
                Err(faults)
            }
        }
    }

    fn judge(&mut self, faults: &mut Vec<Fault>) {
        let told: Vec<_> = faults.iter().map(|fault| fault.field.clone()).collect();
        let required = ["specversion", "id", "type", "source"];
        for (name, value) in self.all() {
            let is_required = required.contains(&name);
            let fault = match value.as_deref() {
                None if is_required && !told.iter().any(|one| one == name) => {
                    let message = "a CloudEvent must have this attribute";
                    Some((FaultCode::Required, message.to_owned()))
                }
                Some("") => Some((FaultCode::Empty, "it must not be empty".to_owned())),
                Some(version) if name == "specversion" && version != "1.0" => {
                    Some((FaultCode::Invalid, "it must be 1.0".to_owned()))
                }
                Some(id) if name == "id" && id.chars().count() > MAX_ID => {
                    let message = format!("it must have at most {MAX_ID} characters");
                    Some((FaultCode::TooLong, message))
                }
                Some(id) if name == "id" && id.contains('\0') => {
                    let message = "the character U+0000 can't be stored; leave it out";
                    Some((FaultCode::NulCharacter, message.to_owned()))
                }
                _ => None,
            };
            faults.extend(fault.map(|(code, message)| Fault::new(name, code, message)));
        }
    }
}

/// JSON data as a payload, which must be an object.
fn payload_of(data: &RawValue) -> Box<RawValue> {
    match data.get().starts_with('{') {
        true => data.to_owned(),
        false => raw(format!("{{\"data\":{}}}", data.get())),
    }
}

/// Data that stands in `data_base64`: as it is, or read if it is said to be JSON.
fn decoded(base64: &RawValue, content_type: Option<&str>) -> Result<Box<RawValue>, Fault> {
    let invalid = || {
        let message = "it must be a text in base64, with its padding";
        Fault::new("data_base64", FaultCode::Invalid, message)
    };
    let text: String = serde_json::from_str(base64.get()).map_err(|_| invalid())?;
    let bytes = STANDARD.decode(&text).map_err(|_| invalid())?;
    match content_type.is_some_and(is_json) {
        true => read_json(&bytes),
        false => Ok(in_base64(&bytes)),
    }
}

/// The body of the binary mode.
fn read_data(body: &[u8], content_type: Option<&str>) -> Result<Box<RawValue>, Fault> {
    match content_type {
        _ if body.is_empty() => Ok(raw("{}".to_owned())),
        Some(given) if is_json(given) => read_json(body),
        // A text comes as it does in the structured mode.
        Some(given) if essence(given).starts_with("text/") => match std::str::from_utf8(body) {
            Ok(text) => Ok(raw(format!("{{\"data\":{}}}", serde_json::Value::from(text)))),
            Err(_) => Ok(in_base64(body)),
        },
        // The SDK for Python says no media type of the JSON that it sends.
        None => Ok(read_json(body).unwrap_or_else(|_| in_base64(body))),
        Some(_) => Ok(in_base64(body)),
    }
}

fn read_json(bytes: &[u8]) -> Result<Box<RawValue>, Fault> {
    let fault = |message: String| Fault::new("data", FaultCode::MalformedJson, message);
    let text = std::str::from_utf8(bytes).map_err(|_| fault("it is not UTF-8".to_owned()))?;
    let data: &RawValue = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| fault(format!("it is no JSON, as its media type says: {error}")))?;
    Ok(payload_of(data))
}

fn in_base64(bytes: &[u8]) -> Box<RawValue> {
    raw(format!("{{\"data_base64\":\"{}\"}}", STANDARD.encode(bytes)))
}

/// Whether a media type is JSON.
fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    essence.ends_with("+json") || matches!(essence.as_str(), "application/json" | "text/json")
}

fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A header as the binary mode writes it: printable ASCII, all else in percent-encoded UTF-8, and perhaps in quotes.
fn percent_decoded(value: &[u8]) -> Option<String> {
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = unquoted.unwrap_or(value);
    while let Some((first, after)) = rest.split_first() {
        if let (b'\\', Some(_), Some((escaped, after))) = (first, unquoted, after.split_first()) {
            bytes.push(*escaped);
            rest = after;
            continue;
        }
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(hex_byte);
        rest = if hex.is_some() { after.get(2..).unwrap_or_default() } else { after };
        bytes.push(hex.unwrap_or(*first));
    }
    String::from_utf8(bytes).ok()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    // The parser would take a sign, too.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests;
