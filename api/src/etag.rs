//! What people edit together carries an ETag, and a change may say by If-Match which state it is a change of.

use domain::fault::FaultCode;
use domain::precondition::Precondition;
use poem::http::HeaderValue;
use poem::http::header::ETAG;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaResponses, Registry};
use poem_openapi::types::Type;
use serde::Serialize;

use crate::problem::Problem;
use crate::wire::Answer;

/// More tags than anybody means.
const MOST: usize = 20;

/// Reads the header If-Match: tags with commas between them, or `*` for whatever is there.
///
/// # Errors
/// When it is neither.
pub fn if_match(header: Option<&str>) -> Result<Precondition, Problem> {
    let Some(text) = header else { return Ok(Precondition::None) };
    if text.trim() == "*" {
        return Ok(Precondition::None);
    }
    let tag = |one: &str| {
        let one = one.trim();
        // A weak tag never matches here (RFC 9110), but it is one.
        if one.strip_prefix("W/").is_some_and(is_quoted) {
            return Some(None);
        }
        is_quoted(one).then(|| Some(one[1..one.len() - 1].to_owned()))
    };
    let tags: Option<Vec<Option<String>>> = text.split(',').map(tag).collect();
    match tags {
        Some(tags) if tags.len() <= MOST => {
            Ok(Precondition::Tags(tags.into_iter().flatten().collect()))
        }
        _ => {
            let right = "it must be an ETag in quotes as an answer gave it, several with commas between them, or *";
            Err(Problem::parameter("If-Match", FaultCode::Invalid, right))
        }
    }
}

fn is_quoted(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|b| b.is_ascii_graphic() && b != b'"'))
}

/// A JSON answer with its tag.
#[derive(Debug)]
pub struct Tagged<T>(pub T, pub String);

impl<T: Serialize + Send> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = Answer(self.0).into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.1)) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

impl<T: Type> ApiResponse for Tagged<T> {
    fn meta() -> MetaResponses {
        let mut meta = Answer::<T>::meta();
        for response in &mut meta.responses {
            response.headers.push(MetaHeader {
                name: "ETag".to_owned(),
                description: Some(
                    "Names this state; send it as If-Match with a change.".to_owned(),
                ),
                required: false,
                deprecated: false,
                schema: String::schema_ref(),
            });
        }
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let tags = |all: &[&str]| Precondition::Tags(all.iter().map(ToString::to_string).collect());
        for (header, wanted) in [
            (None, Some(Precondition::None)),
            (Some("*"), Some(Precondition::None)),
            (Some("\"a-1\""), Some(tags(&["a-1"]))),
            (Some("\"a\", \"b\""), Some(tags(&["a", "b"]))),
            (Some("W/\"a\""), Some(tags(&[]))),
            (Some("\"\""), Some(tags(&[""]))),
            (Some("a"), None),
            (Some(""), None),
            (Some("\"a\","), None),
            (Some("\""), None),
        ] {
            assert_eq!(if_match(header).ok(), wanted, "{header:?}");
        }
    }
}
