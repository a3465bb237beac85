//! Turns poem's own errors into ours.

use std::time::Duration;

use domain::fault::FaultCode;
use poem::error::{MethodNotAllowedError, NotFoundError, ParsePathError as BadPath, ReadBodyError};
use poem::http::StatusCode;
use poem_openapi::error::{
    AuthorizationError, ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError,
};

use super::{Code, Overflow, Problem, unauthenticated};
use crate::catalog::Route;

/// When to come back if there is no memory for a body.
const CROWDED: Duration = Duration::from_secs(1);

/// The words of an enumeration, by its name in the document.
pub type WordsOf = fn(&str) -> Option<&'static str>;

/// What `error` is; `route` is where it happened, if it got that far.
pub fn translate(error: poem::Error, route: Option<&Route>, words_of: WordsOf) -> Problem {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone();
    }
    if error.is::<NotFoundError>() {
        return Problem::new(
            Code::RouteNotFound,
            "There is nothing at this path; the operations are under /api/v1, and /docs lists them.",
        );
    }
    if error.is::<MethodNotAllowedError>() {
        let problem = Problem::new(
            Code::MethodNotAllowed,
            "This path does not take this method; the header Allow names those that it takes.",
        );
        return Problem { allow: route.map(|route| route.allow.clone()), ..problem };
    }
    if error.is::<BadPath>() {
        return Problem::new(Code::BadRequest, "The path is not properly percent-encoded UTF-8.");
    }
    if let Some(problem) = parameter(&error, route, words_of) {
        return problem;
    }
    if let Some(content) = error.downcast_ref::<ContentTypeError>() {
        return media_type(content);
    }
    if let Some(body) = error.downcast_ref::<ReadBodyError>() {
        return unread(body);
    }
    if let Some(body) = error.downcast_ref::<ParseRequestPayloadError>() {
        return Problem::new(Code::BadRequest, body.reason.clone());
    }
    if error.is::<AuthorizationError>() {
        return unauthenticated();
    }
    other(&error)
}

fn parameter(error: &poem::Error, route: Option<&Route>, words_of: WordsOf) -> Option<Problem> {
    if let Some(bad) = error.downcast_ref::<ParseParamError>() {
        return Some(Problem::parameter(
            bad.name,
            FaultCode::Invalid,
            plain(&bad.reason, words_of),
        ));
    }
    let bad = error.downcast_ref::<ParsePathError>()?;
    // poem calls them param0, param1, …; people know them by their names in the documentation.
    let number = bad.name.strip_prefix("param").and_then(|n| n.parse::<usize>().ok());
    let name = number.and_then(|n| route?.params.get(n)).map_or(bad.name, String::as_str);
    Some(Problem::parameter(name.to_owned(), FaultCode::Invalid, plain(&bad.reason, words_of)))
}

/// What an id of a thing looks like, for whoever sent something else.
pub const AN_ID: &str =
    "it must be an id, as lists show them, like 01a1f78a-395f-72e5-8000-0ecc6bc1349c";

/// poem's reasons begin with the Rust type that could not be read; what follows the colon is for people, but for the
/// types that poem knows itself, whose words are for programmers.
fn plain(reason: &str, words_of: WordsOf) -> String {
    if reason.ends_with("expects an input value.") {
        return "a value is needed here, in UTF-8".to_owned();
    }
    if reason.starts_with("failed to parse \"string_uuid\"") {
        return AN_ID.to_owned();
    }
    if reason.starts_with("failed to parse \"integer") {
        return "it must be a whole number".to_owned();
    }
    if let Some(words) = enumeration(reason, words_of) {
        return format!("it must be one of {words}");
    }
    let rest = reason.strip_prefix("failed to parse ").and_then(|rest| rest.split_once(": "));
    let rest = rest.map_or(reason, |(_, rest)| rest);
    let rest = rest.split_once(" (occurred while").map_or(rest, |(rest, _)| rest);
    bound(rest).unwrap_or_else(|| rest.to_owned())
}

/// The words of the enumeration that a value is none of.
fn enumeration(reason: &str, words_of: WordsOf) -> Option<&'static str> {
    let rest = reason.strip_prefix("Expected input type \"").or_else(|| {
        let of_parameter = reason.contains("Expect a valid enumeration value.");
        reason.strip_prefix("failed to parse \"").filter(|_| of_parameter)
    });
    let (name, _) = rest?.split_once('"')?;
    words_of(name)
}

/// What a bound that was broken would have: poem names it like a function call.
fn bound(reason: &str) -> Option<String> {
    let call = reason.strip_prefix("verification failed. ")?;
    let (name, rest) = call.split_once('(')?;
    let number = rest.split([',', ')']).next()?;
    Some(match name {
        "maximum" => format!("it must be at most {number}"),
        "minimum" => format!("it must be at least {number}"),
        "maxLength" => format!("it must have at most {number} characters"),
        "minLength" => format!("it must have at least {number} characters"),
        _ => return None,
    })
}

fn media_type(error: &ContentTypeError) -> Problem {
    let detail = match error {
        ContentTypeError::NotSupported { content_type } => {
            let shown: String = content_type.chars().take(100).collect();
            format!("Bodies of the type {shown} are not read here.")
        }
        ContentTypeError::ExpectContentType => {
            "The request does not say what its body is; send Content-Type, like application/json."
                .to_owned()
        }
    };
    Problem::new(Code::UnsupportedMediaType, detail)
}

/// Why a body could not be read.
pub fn unread(error: &ReadBodyError) -> Problem {
    match error {
        ReadBodyError::PayloadTooLarge => too_large(None),
        ReadBodyError::Io(error) => match Overflow::within(error) {
            Some(Overflow::Large(limit)) => too_large(Some(*limit)),
            Some(Overflow::Anonymous(limit)) => Problem::new(
                Code::PayloadTooLarge,
                format!("Without a valid key or login a body has at most {limit} bytes."),
            ),
            Some(Overflow::Crowded) => {
                let detail = "Too many large bodies are being read at once; send it again, or in smaller parts.";
                Problem::new(Code::RateLimited, detail).after(CROWDED)
            }
            None => {
                Problem::new(Code::BadRequest, "The body ended before it was whole; send it again.")
            }
        },
        ReadBodyError::Utf8(_) => {
            Problem::new(Code::MalformedJson, "The body is not UTF-8; send it as UTF-8.")
        }
        ReadBodyError::BodyHasBeenTaken => {
            tracing::error!("a body was read twice");
            Problem::internal()
        }
    }
}

/// A body of more than `limit` bytes.
pub fn too_large(limit: Option<usize>) -> Problem {
    let detail = match limit {
        Some(limit) => {
            format!("The body has more than {limit} bytes, which is the most that is read here.")
        }
        None => "The body is too large.".to_owned(),
    };
    Problem::new(Code::PayloadTooLarge, detail)
}

fn other(error: &poem::Error) -> Problem {
    let status = error.status();
    let code = match status {
        StatusCode::NOT_FOUND => Code::RouteNotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        status if status.is_client_error() => Code::BadRequest,
        _ => {
            tracing::error!(%error, "a request failed");
            return Problem::internal();
        }
    };
    Problem::new(code, error.to_string())
}
