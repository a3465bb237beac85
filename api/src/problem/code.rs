//! The closed list of problems. A code, once published, never changes its meaning.

use poem::http::StatusCode;
use poem_openapi::Enum;
use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $word:literal $status:ident $title:literal),+ $(,)?) => {
        /// The kind of a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
        #[oai(rename = "ProblemCode")]
        pub enum Code { $($(#[$doc])* #[oai(rename = $word)] $variant),+ }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The status that it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// Its name for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

codes! {
    /// The request can't be understood, in a way that no other code tells.
    BadRequest "bad_request" BAD_REQUEST "Bad request",
    /// The body is not JSON, or not UTF-8.
    MalformedJson "malformed_json" BAD_REQUEST "Malformed JSON",
    /// Fields of the body are missing, unknown or wrong.
    InvalidRequest "invalid_request" BAD_REQUEST "Invalid request",
    /// A parameter in the path, the query or a header is wrong.
    InvalidParameter "invalid_parameter" BAD_REQUEST "Invalid parameter",
    /// The request needs a key or a login and has none.
    Unauthenticated "unauthenticated" UNAUTHORIZED "Authentication is needed",
    /// The address or the password is wrong, or the account is locked.
    InvalidCredentials "invalid_credentials" UNAUTHORIZED "Wrong address or password",
    /// The password is right, and the account has a second factor: log in again with a code.
    SecondFactorRequired "second_factor_required" UNAUTHORIZED "A second factor is needed",
    /// The code of the second factor is wrong or was used before.
    InvalidCode "invalid_code" UNAUTHORIZED "Wrong code",
    /// The access or refresh token does not hold, or no longer.
    InvalidToken "invalid_token" UNAUTHORIZED "Invalid token",
    /// The access token has ended; refresh it.
    ExpiredToken "expired_token" UNAUTHORIZED "Expired token",
    /// There is no such key, or it was revoked.
    InvalidKey "invalid_key" UNAUTHORIZED "Invalid API key",
    /// The key has ended.
    ExpiredKey "expired_key" UNAUTHORIZED "Expired API key",
    /// The key may not do this.
    MissingScope "missing_scope" FORBIDDEN "Missing scope",
    /// Whoever is logged in may not do this.
    Forbidden "forbidden" FORBIDDEN "Not allowed",
    /// The account waits for an admin's approval.
    AccountPending "account_pending" FORBIDDEN "The account waits for approval",
    /// The account is suspended.
    AccountSuspended "account_suspended" FORBIDDEN "The account is suspended",
    /// Two parts of the request name different projects.
    ProjectMismatch "project_mismatch" FORBIDDEN "Two projects are named",
    /// The project is suspended or archived.
    ProjectSuspended "project_suspended" FORBIDDEN "The project is suspended",
    /// The project does not have this feature.
    FeatureDisabled "feature_disabled" FORBIDDEN "The feature is off",
    /// Pages of this origin may not call the API.
    OriginForbidden "origin_forbidden" FORBIDDEN "Origin not allowed",
    /// The link to a file was not signed here, or was changed since.
    InvalidSignature "invalid_signature" FORBIDDEN "Invalid signature",
    /// The link to a file has ended.
    ExpiredLink "expired_link" FORBIDDEN "Expired link",
    /// What is asked for is not there, or belongs to somebody else.
    NotFound "not_found" NOT_FOUND "Not found",
    /// There is no such path.
    RouteNotFound "route_not_found" NOT_FOUND "No such path",
    /// The path has other methods.
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "Method not allowed",
    /// The client sent too slowly, or took too long.
    TooSlow "too_slow" REQUEST_TIMEOUT "Too slow",
    /// It would clash with what is there.
    Conflict "conflict" CONFLICT "Conflict",
    /// The idempotency key was used for another body.
    IdempotencyConflict "idempotency_conflict" CONFLICT "Idempotency key used for another body",
    /// What the idempotency key came with is being done just now.
    IdempotencyInProgress "idempotency_in_progress" CONFLICT "The first request is under way",
    /// What the idempotency key came with was done, and the answer to it is lost.
    IdempotencyAnswerLost "idempotency_answer_lost" CONFLICT "Done, and the answer is lost",
    /// The project's plan allows no more of it.
    PlanLimit "plan_limit" CONFLICT "The plan's limit is reached",
    /// The schema does not take every payload that the one before took.
    IncompatibleSchema "incompatible_schema" CONFLICT "The schema is not compatible",
    /// What is to be changed is no longer what If-Match names.
    PreconditionFailed "precondition_failed" PRECONDITION_FAILED "Changed meanwhile",
    /// The body is too large.
    PayloadTooLarge "payload_too_large" PAYLOAD_TOO_LARGE "Body too large",
    /// The body is of a type, or encoded in a way, that is not read here.
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "Unsupported media type",
    /// Fields of the body name what is not there, or is not as it must be.
    UnknownReference "unknown_reference" UNPROCESSABLE_ENTITY "Names what is not there",
    /// The range that is asked for lies outside of the file.
    RangeNotSatisfiable "range_not_satisfiable" RANGE_NOT_SATISFIABLE "Range outside of the file",
    /// Too many requests.
    RateLimited "rate_limited" TOO_MANY_REQUESTS "Too many requests",
    /// The project's plan allows no more events in this minute.
    PlanRateLimited "plan_rate_limited" TOO_MANY_REQUESTS "The plan's events per minute are used up",
    /// Something of ours is broken.
    Internal "internal" INTERNAL_SERVER_ERROR "Internal error",
    /// The store is away.
    Unavailable "unavailable" SERVICE_UNAVAILABLE "Unavailable",
    /// The service has another sealing key than its store was sealed with; its operator must set the right one.
    WrongSealingKey "wrong_sealing_key" SERVICE_UNAVAILABLE "Wrong sealing key",
    /// The request took too long; it may or may not have been done.
    Timeout "timeout" SERVICE_UNAVAILABLE "Timeout",
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
