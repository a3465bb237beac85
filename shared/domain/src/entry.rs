//! Entries of the intakes: what a producer puts into a stream or a queue, as an event.

use super::adapter::{self, sns};
use super::cloud_event;
use super::fault::{Fault, FaultCode};
use super::id::ProjectId;
use super::intake::{Envelope, NewEvent, RawEvent, derived_key, validate};
use super::members::{Members, raw};
use super::names::words;

words! {
    /// A way for events into a project besides the API.
    Intake {
        /// A stream in Redis.
        RedisStream = 1 "redis_stream",
        /// A queue in SQS.
        Sqs = 2 "sqs",
    }
}

/// How many bytes an entry may have beside its payload.
pub const ENVELOPE: usize = 64 << 10;
/// How much of an entry that was rejected is kept.
pub const HEAD: usize = 64 << 10;
/// The most characters of the reason for which an entry was rejected.
pub const MAX_REASON: usize = 1000;
/// The most unknown fields of an entry that are told.
const TOLD: usize = 10;

/// The fields of an event.
const FIELDS: [&str; 7] =
    ["type", "payload", "source", "subject", "occurred_at", "idempotency_key", "correlation_id"];
/// The field of a stream's entry that has all of an event.
const WHOLE: &str = "event";

const UNKNOWN: &str = "there is no such field; an event has type and payload, and may have source, subject, occurred_at, \
    idempotency_key and correlation_id";

/// The stream of a project. It is named by the id, which never belongs to another project.
pub fn stream_name(prefix: &str, project: ProjectId) -> String {
    format!("{prefix}:{project}:events")
}

/// The queue of a project, unless its settings name another.
pub fn queue_name(prefix: &str, project: ProjectId) -> String {
    format!("{prefix}-intake-{project}")
}

/// How an entry came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Which way.
    pub intake: Intake,
    /// The hash of the key that its event has if it has none of its own.
    pub key: [u8; 32],
    /// The largest payload, in bytes.
    pub max_payload: usize,
}

impl Arrival {
    /// An entry with that id in a stream: the same wherever and however often it is read.
    pub fn of_stream(stream: &str, id: &str, max_payload: usize) -> Self {
        let intake = Intake::RedisStream;
        Self { intake, key: derived_key(intake.as_str(), &[stream, id]), max_payload }
    }

    /// A message with that id, which SQS gives to no other.
    pub fn of_message(id: &str, max_payload: usize) -> Self {
        let intake = Intake::Sqs;
        Self { intake, key: derived_key(intake.as_str(), &[id]), max_payload }
    }
}

/// The event of a text: as the API takes it, a CloudEvent in the structured mode, or, from a queue, a message of SNS.
///
/// # Errors
/// When it is none.
pub fn of_text(text: &[u8], arrival: Arrival) -> Result<NewEvent, Vec<Fault>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = utf8("", text)?;
    let members: Members = serde_json::from_str(text).map_err(|error| {
        let message = if error.is_data() {
            "it must be one JSON object, like {\"type\": \"order.paid\", \"payload\": {}}"
                .to_owned()
        } else {
            format!("it is not JSON: {error}")
        };
        vec![Fault::new("", FaultCode::MalformedJson, message)]
    })?;
    let has = |names: &[&str]| names.iter().all(|name| members.get(name).is_some());
    if has(&["specversion"]) {
        let event = cloud_event::structured(&members)?;
        // The source and id of a CloudEvent make a second sending the same event, whatever else of it has changed.
        let (given, max_payload) = (Some(event.key), arrival.max_payload);
        let envelope = Envelope { key: None, given, text: b"", max_payload };
        return validate(event.event, envelope).map_err(cloud_event::in_its_words);
    }
    if arrival.intake == Intake::Sqs && has(&["Type", "MessageId", "TopicArn"]) {
        return of_sns(&members, arrival.max_payload);
    }
    let event = plain(&members)?;
    judge(event, text.as_bytes(), arrival)
}

/// The event of a stream's entry: in the field `event` as a text, or with each of its own fields in one of the entry.
///
/// # Errors
/// When it is none.
pub fn of_fields(fields: &[(Vec<u8>, Vec<u8>)], arrival: Arrival) -> Result<NewEvent, Vec<Fault>> {
    let is_whole = |name: &[u8]| name == WHOLE.as_bytes();
    if let Some((_, text)) = fields.iter().find(|(name, _)| is_whole(name)) {
        if fields.len() > 1 {
            let message = "it has all of the event, so that it must be the only field of its entry";
            return Err(vec![Fault::new(WHOLE, FaultCode::Mismatch, message)]);
        }
        return of_text(text, arrival).map_err(|faults| faults.into_iter().map(within).collect());
    }
    let mut faults = unknown(fields.iter().map(|(name, _)| String::from_utf8_lossy(name)));
    let mut texts: [Option<&str>; FIELDS.len()] = [None; FIELDS.len()];
    for (field, place) in FIELDS.into_iter().zip(&mut texts) {
        let mut values = fields.iter().filter(|(name, _)| name == field.as_bytes());
        let Some((_, value)) = values.next() else { continue };
        if values.next().is_some() {
            let message = "the field is there twice; send it once";
            faults.push(Fault::new(field, FaultCode::Duplicate, message));
        }
        match utf8(field, value) {
            Ok(text) => *place = Some(text),
            Err(wrong) => faults.extend(wrong),
        }
    }
    let [kind, payload, rest @ ..] = texts;
    let [source, subject, occurred_at, idempotency_key, correlation_id] =
        rest.map(|text| text.map(str::to_owned));
    let payload = payload.map(|text| {
        serde_json::from_str(text).map_err(|error| {
            let message =
                format!("it is not JSON: {error}; it must be an object, like {{\"a\": 1}}");
            Fault::new("payload", FaultCode::MalformedJson, message)
        })
    });
    let payload = payload.transpose().unwrap_or_else(|fault| {
        faults.push(fault);
        Some(raw("{}".to_owned()))
    });
    let missing = [("type", kind.is_none()), ("payload", payload.is_none())];
    faults.extend(missing.into_iter().filter(|(_, is)| *is).map(|(name, _)| required(name)));
    let (Some(kind), Some(payload), []) = (kind, payload, &faults[..]) else { return Err(faults) };
    let kind = kind.to_owned();
    let event =
        RawEvent { kind, payload, source, subject, occurred_at, idempotency_key, correlation_id };
    judge(event, &text_of(fields), arrival)
}

/// The fault of an entry of so many bytes.
pub fn too_large(bytes: usize, max_payload: usize) -> Fault {
    let most = max_payload + ENVELOPE;
    let message = format!("the entry has {bytes} bytes, and may have {most}; send less");
    Fault::new("", FaultCode::TooLarge, message)
}

/// What is kept of a stream's entry that was rejected: its event as it was written, or its fields.
pub fn body_of(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    if let [(name, text)] = fields
        && name == WHOLE.as_bytes()
    {
        return text.clone();
    }
    let mut object = Members::default();
    for (name, value) in fields {
        let value = serde_json::Value::from(String::from_utf8_lossy(value));
        object.0.push((String::from_utf8_lossy(name).into_owned(), raw(value.to_string())));
    }
    object.object_text().get().as_bytes().to_vec()
}

/// Why an entry was rejected, in one text.
pub fn reason(faults: &[Fault]) -> String {
    let told = |fault: &Fault| match fault.field.as_ref() {
        "" => fault.message.to_string(),
        field => format!("{field}: {}", fault.message),
    };
    let text = faults.iter().map(told).collect::<Vec<_>>().join("; ");
    // Names of fields come from producers, and this character can't be stored.
    text.chars().filter(|c| *c != '\0').take(MAX_REASON).collect()
}

fn judge(event: RawEvent, text: &[u8], arrival: Arrival) -> Result<NewEvent, Vec<Fault>> {
    let Arrival { key, max_payload, .. } = arrival;
    validate(event, Envelope { key: None, given: Some(key), text, max_payload })
}

fn of_sns(members: &Members, max_payload: usize) -> Result<NewEvent, Vec<Fault>> {
    // Whoever may send to the queue may send any event: its signature would prove nothing more.
    let message = sns::message(members)?;
    if message.kind != sns::Kind::Notification {
        let right =
            "only a Notification is taken from a queue; SNS asks queues for no confirmation";
        return Err(vec![Fault::new("Type", FaultCode::Invalid, right)]);
    }
    adapter::judge(sns::event(&message), max_payload)
}

fn plain(members: &Members) -> Result<RawEvent, Vec<Fault>> {
    let mut faults = unknown(members.0.iter().map(|(name, _)| name.as_str().into()));
    if let Some(name) = members.twin() {
        let message = "the field is there twice; send it once";
        faults.push(Fault::new(name.to_owned(), FaultCode::Duplicate, message));
    }
    let given = |name: &str| members.get(name).filter(|value| value.get() != "null");
    let [kind, source, subject, occurred_at, idempotency_key, correlation_id] =
        ["type", "source", "subject", "occurred_at", "idempotency_key", "correlation_id"].map(
            |name| {
                let text = serde_json::from_str::<String>(given(name)?.get()).ok();
                if text.is_none() {
                    faults.push(Fault::new(name, FaultCode::WrongType, "it must be a text"));
                }
                text
            },
        );
    let payload = members.get("payload");
    let missing = [("type", given("type").is_none()), ("payload", payload.is_none())];
    faults.extend(missing.into_iter().filter(|(_, is)| *is).map(|(name, _)| required(name)));
    let (Some(kind), Some(payload), []) = (kind, payload, &faults[..]) else { return Err(faults) };
    let payload = payload.to_owned();
    Ok(RawEvent { kind, payload, source, subject, occurred_at, idempotency_key, correlation_id })
}

fn unknown<'a>(names: impl Iterator<Item = std::borrow::Cow<'a, str>>) -> Vec<Fault> {
    let strange = names.filter(|name| !FIELDS.contains(&name.as_ref()));
    let shown = strange.map(|name| name.chars().take(100).collect::<String>());
    shown.take(TOLD).map(|name| Fault::new(name, FaultCode::Unknown, UNKNOWN)).collect()
}

fn required(field: &'static str) -> Fault {
    Fault::new(field, FaultCode::Required, "this field is required")
}

fn utf8<'t>(field: &'static str, bytes: &'t [u8]) -> Result<&'t str, Vec<Fault>> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to() + 1;
        let message = format!("it is not UTF-8: its byte {at} can't be there; send it as UTF-8");
        vec![Fault::new(field, FaultCode::MalformedJson, message)]
    })
}

/// A fault of an event that stands in the field `event`.
fn within(fault: Fault) -> Fault {
    let field = match fault.field.as_ref() {
        "" => WHOLE.to_owned(),
        field => format!("{WHOLE}.{field}"),
    };
    Fault { field: field.into(), ..fault }
}

/// All that an entry's fields say, in one text: what tells it from another one under the same key.
fn text_of(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_unstable();
    let mut text = Vec::new();
    for (name, value) in sorted {
        // With its length before it, no part runs into the next.
        for part in [name, value] {
            text.extend_from_slice(format!("{}:", part.len()).as_bytes());
            text.extend_from_slice(part);
        }
    }
    text
}

#[cfg(test)]
mod tests;
