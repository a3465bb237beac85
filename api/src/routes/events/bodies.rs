//! What events come in: plain JSON, or CloudEvents in any of the modes that HTTP has for them.

use bytes::Bytes;
use domain::cloud_event::{self, CloudEvent, attribute_of};
use domain::fault::{Fault, FaultCode};
use domain::intake::{self, Envelope};
use domain::members::Members;
use poem::http::HeaderName;
use poem::{Request, RequestBody};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::value::RawValue;

use super::judged::{Judged, judge_plain};
use super::wire::{Batch, CloudEvent as Documented, NewEvent};
use crate::body::{self, Body, cause, is_utf8_of, judge_media_type, utf8};
use crate::problem::{Code, Problem};

const JSON: &str = "application/json";
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// One of these headers is there in every event of the binary mode.
const REQUIRED_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("ce-specversion"),
    HeaderName::from_static("ce-id"),
    HeaderName::from_static("ce-type"),
    HeaderName::from_static("ce-source"),
];

/// The body with one event.
pub enum OneEvent {
    /// In our own words.
    Plain(Body<NewEvent>),
    /// As a CloudEvent, with the text that tells it from another one.
    Cloud(Box<CloudEvent>, Vec<u8>),
}

impl OneEvent {
    /// Judges it; `key` is what the header says.
    ///
    /// # Errors
    /// When something is wrong with it.
    pub fn judge(self, key: Option<&str>, max_payload: usize) -> Result<intake::NewEvent, Problem> {
        let (event, text) = match self {
            Self::Plain(Body { value, bytes }) => {
                let envelope = Envelope { key, given: None, text: &bytes, max_payload };
                return intake::validate(value.into(), envelope).map_err(Problem::invalid);
            }
            Self::Cloud(event, text) => (event, text),
        };
        match key {
            Some(_) => {
                let envelope = Envelope { key, given: None, text: &text, max_payload };
                judge_cloud(*event, envelope)
            }
            None => judge_by_its_id(*event, max_payload),
        }
    }
}

/// Whoever sends a source and id again sends the same event, whatever else of it has changed: so its text is none.
fn judge_by_its_id(event: CloudEvent, max_payload: usize) -> Result<intake::NewEvent, Problem> {
    let envelope = Envelope { key: None, given: Some(event.key), text: b"", max_payload };
    judge_cloud(event, envelope)
}

fn judge_cloud(event: CloudEvent, envelope: Envelope<'_>) -> Result<intake::NewEvent, Problem> {
    let judged = intake::validate(event.event, envelope);
    judged.map_err(|faults| Problem::invalid(cloud_event::in_its_words(faults)))
}

fn media_type(content_type: &'static str, schema: MetaSchemaRef) -> MetaMediaType {
    MetaMediaType { content_type, schema }
}

impl<'a> ApiExtractor<'a> for OneEvent {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Body<NewEvent> as Payload>::register(registry);
        Documented::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![
            media_type(JSON, NewEvent::schema_ref()),
            media_type(STRUCTURED, Documented::schema_ref()),
        ];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if request.content_type().is_some_and(|given| is_utf8_of(given, STRUCTURED)) {
            let bytes = body::read(body).await?;
            let members: Members = body::parse(&bytes)?;
            let event = cloud_event::structured(&members).map_err(Problem::invalid)?;
            return Ok(Self::Cloud(Box::new(event), bytes.to_vec()));
        }
        let is_binary = REQUIRED_HEADERS.iter().any(|name| request.headers().contains_key(name));
        // What is said to be in another mode is not in this one.
        let is_other = request.content_type().is_some_and(|given| {
            given.trim_start().to_ascii_lowercase().starts_with("application/cloudevents")
        });
        if is_binary && !is_other {
            let bytes = body.take()?.into_bytes().await;
            let bytes = bytes.map_err(|error| crate::problem::unread(&error))?;
            let headers = request.headers().iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
            let headers: Vec<_> =
                headers.filter(|(name, _)| attribute_of(name).is_some()).collect();
            let event = cloud_event::binary(&headers, request.content_type(), &bytes)
                .map_err(Problem::invalid)?;
            return Ok(Self::Cloud(Box::new(event), cloud_event::binary_text(&headers, &bytes)));
        }
        let fits = |given: &str| is_utf8_of(given, JSON);
        judge_media_type(request, fits, "application/json, or application/cloudevents+json")?;
        Ok(Self::Plain(Body::from_request(request, body, options).await?))
    }
}

/// The body with many events.
pub enum ManyEvents {
    /// In our own words.
    Plain(Body<Batch>),
    /// As a list of CloudEvents.
    Cloud(Vec<Box<RawValue>>, Bytes),
}

impl ManyEvents {
    /// How it says it, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(body) => &body.bytes,
            Self::Cloud(_, bytes) => bytes,
        }
    }

    /// Refuses too many events, and none at all.
    ///
    /// # Errors
    /// When there are not 1 to `max`.
    pub fn judge_size(&self, max: usize) -> Result<(), Problem> {
        let (field, count) = match self {
            Self::Plain(body) => ("events", body.value.events.len()),
            Self::Cloud(events, _) => ("", events.len()),
        };
        if (1..=max).contains(&count) {
            return Ok(());
        }
        let code = if count == 0 { FaultCode::Empty } else { FaultCode::TooLong };
        let message = format!("it must have 1 to {max} events, and has {count}");
        Err(Problem::invalid(vec![Fault::new(field, code, message)]))
    }

    /// Judges each event; `given` is the key that the event in a place has if it has none of its own.
    pub fn judge(self, max_payload: usize, given: impl Fn(u64) -> Option<[u8; 32]>) -> Vec<Judged> {
        match self {
            Self::Plain(body) => {
                let events = (0_u64..).zip(&body.value.events);
                let judged = |(place, raw): (u64, &_)| judge_plain(raw, max_payload, given(place));
                events.map(|(place, raw)| judged((place, &raw.0))).collect()
            }
            Self::Cloud(events, _) => {
                events.iter().map(|raw| read_cloud(raw, max_payload)).map(Judged::from).collect()
            }
        }
    }
}

fn read_cloud(text: &RawValue, max_payload: usize) -> Result<intake::NewEvent, Problem> {
    let members: Members = body::parse_text(text.get())?;
    let event = cloud_event::structured(&members).map_err(Problem::invalid)?;
    judge_by_its_id(event, max_payload)
}

impl<'a> ApiExtractor<'a> for ManyEvents {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Body<Batch> as Payload>::register(registry);
        Documented::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let list = MetaSchema {
            items: Some(Box::new(Documented::schema_ref())),
            min_items: Some(1),
            max_items: Some(1000),
            ..MetaSchema::new("array")
        };
        let content = vec![
            media_type(JSON, Batch::schema_ref()),
            media_type(BATCH, MetaSchemaRef::Inline(Box::new(list))),
        ];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if request.content_type().is_some_and(|given| is_utf8_of(given, BATCH)) {
            let bytes = body::read(body).await?;
            let events = list(&bytes)?;
            return Ok(Self::Cloud(events, bytes));
        }
        let fits = |given: &str| is_utf8_of(given, JSON);
        judge_media_type(request, fits, "application/json, or application/cloudevents-batch+json")?;
        Ok(Self::Plain(Body::from_request(request, body, options).await?))
    }
}

/// Reads a list, and what is in it later, so that an event that is wrong does not spoil its neighbours.
fn list(bytes: &[u8]) -> Result<Vec<Box<RawValue>>, Problem> {
    serde_json::from_str(utf8("body", bytes)?).map_err(|error| {
        if error.is_data() {
            let message = "it must be a list of CloudEvents, like [{\"specversion\": \"1.0\", …}]";
            return Problem::invalid(vec![Fault::new("", FaultCode::WrongType, message)]);
        }
        let (cause, line, column) = (cause(&error), error.line(), error.column());
        let detail = format!("The body is not JSON: {cause} at line {line} column {column}.");
        Problem::new(Code::MalformedJson, detail)
    })
}
