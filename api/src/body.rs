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

pub use explain::cause;

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
        let bytes = read(body).await?;
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
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        judge_media_type(request, is_json, "application/json")?;
        Ok(Self(Some(parse(&bytes)?)))
    }
}

/// The mark with which some programs begin a text in UTF-8. It says nothing, and is passed over.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// All of a body, without a byte order mark.
///
/// # Errors
/// When it breaks off or is too large.
pub async fn read(body: &mut RequestBody) -> Result<Bytes, Problem> {
    let body = body.take().map_err(|error| unread(&error))?;
    let bytes = body.into_bytes().await.map_err(|error| unread(&error))?;
    let marked = bytes.starts_with(BYTE_ORDER_MARK);
    Ok(if marked { bytes.slice(BYTE_ORDER_MARK.len()..) } else { bytes })
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
        Some(given) => {
            let given: String = given.chars().take(100).collect();
            let detail = format!(
                "Bodies of the type {given} are not read here; send Content-Type: {wanted}, in UTF-8."
            );
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
        None => {
            let detail =
                format!("The request does not say what its body is; send Content-Type: {wanted}.");
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
    parse_text(utf8("body", bytes)?)
}

/// The text of a body, or of a line of one.
///
/// # Errors
/// When it is not UTF-8.
pub fn utf8<'b>(what: &str, bytes: &'b [u8]) -> Result<&'b str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        let seen = match utf16 {
            true => "it begins as UTF-16 does".to_owned(),
            false => format!("its byte {} can't be there", error.valid_up_to() + 1),
        };
        Problem::new(
            Code::MalformedJson,
            format!("The {what} is not UTF-8: {seen}. Send it as UTF-8."),
        )
    })
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
