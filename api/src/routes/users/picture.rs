//! Pictures of accounts, as they are answered.

use domain::user::User;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Request, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use runtime::app::App;

use crate::problem::Problem;
use crate::routes::files::{POLICY, matches};

/// What a picture can be; anything else is only saved.
const TYPES: [&str; 5] =
    ["image/png", "image/jpeg", "image/gif", "image/webp", "application/octet-stream"];

/// It may be kept, but is asked for again each time: who may see it changes, and so does the picture.
const KEEP: HeaderValue = HeaderValue::from_static("private, no-cache");

/// A picture, or that it is still the same.
pub struct PictureAnswer(Response);

impl IntoResponse for PictureAnswer {
    fn into_response(self) -> Response {
        self.0
    }
}

/// Answers with the picture of an account.
///
/// # Errors
/// When it has none, or it can't be read just now.
pub async fn answer(app: &App, request: &Request, user: &User) -> Result<PictureAnswer, Problem> {
    let picture = app.accounts.picture(user).await.map_err(Problem::from)?;
    let etag = picture.content.info.etag.as_str();
    let response = Response::builder()
        .header(header::ETAG, etag)
        .header(header::CACHE_CONTROL, KEEP)
        .header(header::CONTENT_SECURITY_POLICY, POLICY);
    if request.header("if-none-match").is_some_and(|tags| matches(tags, etag)) {
        return Ok(PictureAnswer(response.status(StatusCode::NOT_MODIFIED).body(())));
    }
    let disposition = if picture.media_type.is_some() { "inline" } else { "attachment" };
    let response = response
        .content_type(picture.media_type.unwrap_or("application/octet-stream"))
        .header(header::CONTENT_DISPOSITION, disposition)
        .header(header::CONTENT_LENGTH, picture.content.span.length)
        .body(Body::from_bytes_stream(picture.content.body));
    Ok(PictureAnswer(response))
}

impl ApiResponse for PictureAnswer {
    fn meta() -> MetaResponses {
        let bytes =
            || MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")));
        let media = |content_type| MetaMediaType { content_type, schema: bytes() };
        let etag = || MetaHeader {
            name: "ETag".to_owned(),
            description: Some("Changes whenever the picture does; for If-None-Match.".to_owned()),
            required: false,
            deprecated: false,
            schema: String::schema_ref(),
        };
        let response = |status, description, content| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content,
            headers: vec![etag()],
        };
        let there = response(200, "The picture.", TYPES.map(media).into());
        let same = response(304, "It is still the one that If-None-Match names.", vec![]);
        MetaResponses { responses: vec![there, same] }
    }

    fn register(_registry: &mut Registry) {}
}
