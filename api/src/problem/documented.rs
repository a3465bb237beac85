//! Problems as the answers of an operation: which of them the OpenAPI document lists.

use std::marker::PhantomData;

use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use services::admin::AdminError;
use services::events::ReadError;
use store::StoreError;

use super::{MEDIA_TYPE, Problem, ProblemBody};

/// What an operation of the kind `K` may fail with.
#[derive(Debug)]
pub struct Failure<K>(Problem, PhantomData<fn() -> K>);

/// A kind of operation: the statuses of its problems.
pub trait Kind: 'static {
    /// The statuses, in order.
    const STATUSES: &'static [u16];
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $($status:literal)+;)+) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl Kind for $name {
            const STATUSES: &'static [u16] = &[$($status),+];
        }
    )+ };
}

kinds! {
    /// Makes something from a JSON body.
    Creates: 400 401 403 409 413 415 429 500 503;
    /// Takes many things, each with a result of its own.
    Bulk: 400 401 403 409 413 415 429 500 503;
    /// The same, piece by piece.
    Streams: 400 401 403 408 409 413 415 429 500 503;
    /// Reads one thing.
    Reads: 400 401 403 404 429 500 503;
    /// Reads a list.
    Lists: 400 401 403 429 500 503;
    /// Changes one thing, by a JSON body.
    Changes: 400 401 403 404 409 413 415 429 500 503;
    /// Changes one thing that people edit together, by a JSON body.
    Edits: 400 401 403 404 409 412 413 415 429 500 503;
    /// Makes something that names other things, by a JSON body.
    Composes: 400 401 403 409 413 415 422 429 500 503;
    /// Changes one thing that people edit together and that names other things, by a JSON body.
    Revises: 400 401 403 404 409 412 413 415 422 429 500 503;
    /// Makes something of what is there and names other things, by a JSON body.
    Derives: 400 401 403 404 409 413 415 422 429 500 503;
    /// Does something with one thing, without a body.
    Acts: 400 401 403 404 409 429 500 503;
    /// Lets somebody in, by a JSON body.
    Enters: 400 401 403 413 415 429 500 503;
}

impl<K> From<Problem> for Failure<K> {
    fn from(problem: Problem) -> Self {
        Self(problem, PhantomData)
    }
}

impl<K> From<ReadError> for Failure<K> {
    fn from(error: ReadError) -> Self {
        Problem::from(error).into()
    }
}

impl<K> From<AdminError> for Failure<K> {
    fn from(error: AdminError) -> Self {
        Problem::from(error).into()
    }
}

impl<K> From<StoreError> for Failure<K> {
    fn from(error: StoreError) -> Self {
        Problem::from(AdminError::from(error)).into()
    }
}

impl<K> From<Failure<K>> for poem::Error {
    fn from(failure: Failure<K>) -> Self {
        failure.0.into()
    }
}

impl<K: Kind> ApiResponse for Failure<K> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: K::STATUSES.iter().map(|status| response(*status)).collect() }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

fn response(status: u16) -> MetaResponse {
    let header = |name: &str, description: &str| MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: false,
        schema: String::schema_ref(),
    };
    let (description, headers) = match status {
        400 => ("The request is wrong; `errors` names the fields.", vec![]),
        401 => (
            "No key or token, or one that does not hold.",
            vec![header("WWW-Authenticate", "How to authenticate.")],
        ),
        403 => (
            "The key lacks the scope or the person the permission, or the project is suspended.",
            vec![],
        ),
        404 => ("There is no such thing in this project.", vec![]),
        408 => ("It came too slowly or took too long; what was kept stays so.", vec![]),
        409 => (
            "It would clash with what is there, the idempotency key was used for another body or its first request is under way, or the plan allows no more.",
            vec![header("Retry-After", "Seconds to wait.")],
        ),
        412 => ("It is no longer what If-Match names; read it again.", vec![]),
        413 => ("The body is too large.", vec![]),
        415 => ("The body is of a type, or encoded in a way, that is not read here.", vec![]),
        422 => ("The body names what is not there; `errors` names the fields.", vec![]),
        429 => ("Too many requests.", vec![header("Retry-After", "Seconds to wait.")]),
        500 => ("Something of ours is broken.", vec![]),
        503 => (
            "The service can't answer just now; try again.",
            vec![header("Retry-After", "Seconds to wait.")],
        ),
        _ => ("A problem.", vec![]),
    };
    let schema = ProblemBody::schema_ref();
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType { content_type: MEDIA_TYPE, schema }],
        headers,
    }
}
