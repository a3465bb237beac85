//! Every error is an `application/problem+json` (RFC 9457), and becomes one here alone.

mod code;
mod documented;
mod overflow;
mod translate;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use domain::fault::{Fault, FaultCode};
use domain::plan::OverPlan;
use poem::http::header::{self, HeaderValue};
use poem::{Response, error::ResponseError, http::StatusCode};
use poem_openapi::Object;
use serde::Serialize;
use services::accept::Refused;
use services::admin::AdminError;
use services::events::ReadError;
use services::sessions::LoginError;
use services::sessions::factor::FactorError;
use store::StoreError;

use crate::quota;

pub use code::Code;
pub use documented::{
    Acts, Bulk, Changes, Composes, Creates, Derives, Edits, Enters, Failure, Lists, Reads, Revises,
    Streams,
};
pub use overflow::Overflow;
pub use translate::{AN_ID, too_large, translate, unread};

/// The media type of problems.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong with a request.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Its kind.
    pub code: Code,
    /// What happened here, for people.
    pub detail: Cow<'static, str>,
    /// What is wrong with which field.
    pub faults: Vec<Fault>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The methods that would have been right.
    pub allow: Option<HeaderValue>,
    /// The limit that is reached, if it is another than that of requests, and in how many seconds it is whole again.
    pub limit: Option<(u32, u32)>,
}

impl Problem {
    /// A problem of that kind.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            faults: Vec::new(),
            retry_after: None,
            allow: None,
            limit: None,
        }
    }

    /// A request whose fields are wrong.
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail = match faults.as_slice() {
            [one] => format!("{}: {}", name(&one.field), one.message),
            many => format!("{} fields are wrong; see errors", many.len()),
        };
        Self { faults, ..Self::new(Code::InvalidRequest, detail) }
    }

    /// A parameter of the query, the path or a header that is wrong.
    pub fn parameter(
        field: impl Into<Cow<'static, str>>,
        code: FaultCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let fault = Fault::new(field, code, message);
        let detail = format!("{}: {}", fault.field, fault.message);
        Self { faults: vec![fault], ..Self::new(Code::InvalidParameter, detail) }
    }

    /// What is asked for is not there, or not for the one who asks: nobody can tell which.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what} in this project."))
    }

    /// The store is away.
    pub fn unavailable(retry_after: Duration) -> Self {
        let detail =
            "The service can't reach its store just now; send the request again after Retry-After.";
        Self::new(Code::Unavailable, detail).after(retry_after)
    }

    /// What the request needs was sealed with another key than this process has.
    pub fn wrong_key() -> Self {
        let detail = "The sealing key of this service (seal.key) is not the one that its store was sealed with. Its \
                      operator has to set the right one; nothing is lost.";
        Self::new(Code::WrongSealingKey, detail).after(WRONG_KEY)
    }

    /// The first request with this idempotency key is not answered yet.
    pub fn under_way() -> Self {
        let detail = "The first request with this idempotency key is still being worked on; send this one again after Retry-After.";
        Self::new(Code::IdempotencyInProgress, detail).after(RETRY)
    }

    /// Something of ours is broken; the log knows more.
    pub fn internal() -> Self {
        Self::new(Code::Internal, "")
    }

    /// With a time after which to try again.
    #[must_use]
    pub fn after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// With the limit that is reached, and when it is whole again.
    #[must_use]
    pub fn of_limit(self, limit: u64, reset: Duration) -> Self {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self { limit: Some((small(limit), small(seconds(reset)))), ..self }
    }

    /// The answer that tells it.
    pub fn response(self, request_id: &str) -> Response {
        let status = self.code.status();
        let body = serde_json::to_vec(&ProblemBody::of(&self, request_id)).unwrap_or_default();
        let mut response = Response::builder().status(status).content_type(MEDIA_TYPE).body(body);
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(after)));
        }
        if let Some((limit, reset)) = self.limit {
            quota::exhausted(headers, limit, reset);
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, allow);
        }
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        response
    }
}

const CHALLENGE: &str =
    "ApiKey realm=\"bellbuoy\", header=\"X-API-Key\", Bearer realm=\"bellbuoy\"";
/// When to come back if the store is away or too much is going on.
const RETRY: Duration = Duration::from_secs(1);
/// When to come back if the operator has to do something first.
const WRONG_KEY: Duration = Duration::from_secs(60);
/// When to come back if there was enough of something for now.
const ENOUGH: Duration = Duration::from_secs(600);

/// Whole seconds, rounded up, and never so few that a client would come back at once.
pub fn seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

fn name(field: &str) -> &str {
    if field.is_empty() { "body" } else { field }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.code.status()
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable { retry_after } => Self::unavailable(retry_after),
            ReadError::Failed(why) => {
                tracing::error!(error = why, "a request failed");
                Self::internal()
            }
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Invalid(faults) => Self::invalid(faults),
            AdminError::Unknown(faults) => {
                Self { code: Code::UnknownReference, ..Self::invalid(faults) }
            }
            AdminError::NotFound(what) => Self::not_found(what),
            AdminError::Conflict(why) => Self::new(Code::Conflict, why),
            AdminError::Forbidden(why) => Self::new(Code::Forbidden, why),
            AdminError::OverPlan(over) => {
                let OverPlan { limit, most, now } = over;
                let detail = format!(
                    "The project's plan allows {most} {limit}, and there are {now}; delete some, or ask the operator for another plan."
                );
                let message = format!("at most {most}; there are {now}");
                let fault = Fault::new(format!("limits.{limit}"), FaultCode::TooLarge, message);
                Self { faults: vec![fault], ..Self::new(Code::PlanLimit, detail) }
            }
            AdminError::Incompatible(faults) => {
                let detail = "The schema does not surely take every payload that the latest version takes; errors say where. \
                              Send \"compatibility\": \"none\" to add it all the same.";
                Self { faults, ..Self::new(Code::IncompatibleSchema, detail) }
            }
            AdminError::Stale => Self::new(
                Code::PreconditionFailed,
                "It was changed since you read it; read it again, and send your change with the new ETag.",
            ),
            AdminError::Busy => Self::new(
                Code::RateLimited,
                "Too many logins at once; try again after Retry-After.",
            )
            .after(RETRY),
            AdminError::Enough(why) => Self::new(Code::RateLimited, why).after(ENOUGH),
            AdminError::Store(StoreError::Repeated) => Self::under_way(),
            AdminError::Store(error @ StoreError::WrongKey(_)) => {
                tracing::error!(%error, "a request failed");
                Self::wrong_key()
            }
            AdminError::Store(error) if error.is_passing() => Self::unavailable(RETRY),
            AdminError::Store(error) => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Refused => Self::new(
                Code::InvalidCredentials,
                "The project, the address or the password is wrong; after some failures the account is locked for a while.",
            ),
            LoginError::Pending => Self::new(
                Code::AccountPending,
                "The account waits for approval by an admin of the project.",
            ),
            LoginError::Suspended => Self::new(
                Code::AccountSuspended,
                "The account is suspended; ask an admin of the project.",
            ),
            LoginError::CodeMissing => Self::new(
                Code::SecondFactorRequired,
                "The account has a second factor: log in again with a code of your app, or a backup code, in the field code.",
            ),
            LoginError::CodeRefused => Self::new(
                Code::InvalidCode,
                "The field code holds a wrong code, or one that was used; after some failures the account is locked for a while.",
            ),
            LoginError::ProjectSuspended => {
                Self::new(Code::ProjectSuspended, "The project is suspended; ask the operator.")
            }
            LoginError::Busy => AdminError::Busy.into(),
            LoginError::Store(error) => AdminError::from(error).into(),
        }
    }
}

impl From<FactorError> for Problem {
    fn from(error: FactorError) -> Self {
        let wrong =
            |field, right| Self::invalid(vec![Fault::new(field, FaultCode::Invalid, right)]);
        match error {
            FactorError::Password => wrong(
                "password",
                "it is not your password; after some failures the account is locked for a while",
            ),
            FactorError::Code => wrong(
                "code",
                "wrong or used; send the code that your app shows now, or a backup code that was not used",
            ),
            FactorError::Conflict(why) => Self::new(Code::Conflict, why),
            FactorError::Busy => AdminError::Busy.into(),
            FactorError::Store(error) => AdminError::from(error).into(),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Conflict => Self::new(
                Code::IdempotencyConflict,
                "This idempotency key was used for another body; send a new event with a new key.",
            ),
            Refused::Invalid(faults) => Self::invalid(faults),
            Refused::Unavailable { retry_after } => Self::unavailable(retry_after),
            Refused::OverPlan { limit, retry_after, reset } => {
                let detail = format!(
                    "The project's plan allows {limit} events per minute; send again after Retry-After."
                );
                Self::new(Code::PlanRateLimited, detail).after(retry_after).of_limit(limit, reset)
            }
            Refused::TooManyRequests { retry_after } => Self::new(
                Code::RateLimited,
                "Too many events are sent; send again after Retry-After.",
            )
            .after(retry_after),
        }
    }
}

/// What went wrong (RFC 9457).
#[derive(Clone, Debug, Object, Serialize)]
#[oai(rename = "Problem")]
pub struct ProblemBody {
    /// Names the kind of problem; `urn:bellbuoy:problem:` and the code.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem, for people.
    title: String,
    /// The status of the answer.
    status: u16,
    /// The kind of problem, for programs: it never changes its meaning.
    code: Code,
    /// What happened here, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Names this request in our logs.
    request_id: String,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    errors: Vec<FieldError>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Object, Serialize)]
pub struct FieldError {
    /// The path of the field, like `events[3].type`; empty for the whole body.
    pub field: String,
    /// The kind of mistake, for programs.
    pub code: String,
    /// What is wrong and what would be right, for people.
    pub message: String,
}

impl From<&Fault> for FieldError {
    fn from(fault: &Fault) -> Self {
        Self {
            field: fault.field.to_string(),
            code: fault.code.as_str().to_owned(),
            message: fault.message.to_string(),
        }
    }
}

impl ProblemBody {
    fn of(problem: &Problem, request_id: &str) -> Self {
        let code = problem.code;
        Self {
            kind: format!("urn:bellbuoy:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            code,
            detail: (!problem.detail.is_empty()).then(|| problem.detail.to_string()),
            request_id: request_id.to_owned(),
            errors: problem.faults.iter().map(FieldError::from).collect(),
        }
    }
}

/// The answer to a request that needs a key or a login and has none.
pub fn unauthenticated() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "Send an API key in the header X-API-Key, or an API key or access token in Authorization: Bearer.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_come_back_too_soon() {
        for (millis, whole) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (1500, 2), (2000, 2)] {
            assert_eq!(seconds(Duration::from_millis(millis)), whole, "{millis}");
        }
        let problem = Problem::unavailable(Duration::from_millis(1500));
        let response = problem.response("a-request");
        assert_eq!(response.header(header::RETRY_AFTER), Some("2"));
    }
}
