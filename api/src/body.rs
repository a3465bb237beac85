//! JSON bodies of requests: read once from their bytes, and told apart to the field when they are wrong.

mod explain;

use bytes::Bytes;
use poem::{Request, RequestBody};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;

use crate::problem::{Code, Problem, unread};

/// A JSON body of the type `T`, which refuses unknown fields.
pub struct Body<T> {
    /// What it says.
    pub value: T,
    /// How it says it, byte for byte.
    pub bytes: Bytes,
}

impl<T: Type> Payload for Body<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn check_content_type(content_type: &str) -> bool {
        is_json(content_type)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: DeserializeOwned + Send> ParsePayload for Body<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(_request: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let body = body.take().map_err(|error| unread(&error))?;
        let bytes = body.into_bytes().await.map_err(|error| unread(&error))?;
        let value = parse(&bytes)?;
        Ok(Self { value, bytes })
    }
}

impl<'a, T: Type + DeserializeOwned + Send> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let schema = <Self as Payload>::schema_ref();
        let content = vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        judge_media_type(request, is_json, "application/json")?;
        <Self as ParsePayload>::from_request(request, body).await
    }
}

/// A JSON body that may be left out.
pub struct MaybeBody<T>(pub Option<T>);

impl<'a, T: Type + DeserializeOwned + Send> ApiExtractor<'a> for MaybeBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Body<T> as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let meta = <Body<T> as ApiExtractor<'_>>::request_meta()?;
        Some(MetaRequest { required: false, ..meta })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let body = body.take().map_err(|error| unread(&error))?;
        let bytes = body.into_bytes().await.map_err(|error| unread(&error))?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        judge_media_type(request, is_json, "application/json")?;
        Ok(Self(Some(parse(&bytes)?)))
    }
}

/// Refuses a request whose body is of another type.
///
/// # Errors
/// When it is.
pub fn judge_media_type(
    request: &Request,
    fits: fn(&str) -> bool,
    wanted: &str,
) -> Result<(), Problem> {
    match request.content_type() {
        Some(given) if fits(given) => Ok(()),
        given => {
            let given: String = given.unwrap_or("Nothing").chars().take(100).collect();
            let detail = format!("{given} is not read here; send Content-Type: {wanted}.");
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
    }
}

fn is_json(media_type: &str) -> bool {
    is_utf8_of(media_type, "application/json")
}

/// Whether `media_type` is `essence`, with no charset but UTF-8.
pub fn is_utf8_of(media_type: &str, essence: &str) -> bool {
    let mut parts = media_type.split(';');
    let is_it = parts.next().is_some_and(|one| one.trim().eq_ignore_ascii_case(essence));
    is_it
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// Reads a body.
///
/// # Errors
/// When it is not UTF-8, not JSON or not a `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::new(Code::MalformedJson, "The body is not UTF-8."))?;
    parse_text(text)
}

/// Reads a JSON object.
///
/// # Errors
/// When it is not JSON or not a `T`.
pub fn parse_text<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let read = serde_json::from_str(text);
    // serde takes an array for a struct, field by field in order; nobody means that.
    if read.is_ok() && !text.trim_ascii_start().starts_with('{') {
        return Err(explain::no_object());
    }
    read.map_err(|error| explain::problem::<T>(text, &error))
}
