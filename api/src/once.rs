//! Requests that make something and may be sent again: under an idempotency key they make it once, and a repeat is given
//! the first answer.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use domain::fault::FaultCode;
use domain::intake::key_fault;
use domain::once::{Once, Operation};
use poem::http::{HeaderValue, StatusCode};
use poem::{IntoResponse, Request, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaResponses, Registry};
use poem_openapi::types::Type;
use runtime::app::App;
use serde::Serialize;
use services::admin::{Admin, Recalled};
use tracing::Instrument;

use crate::auth::{Caller, Needs};
use crate::problem::{Code, Problem};
use crate::wire::Made;

/// The header with an idempotency key.
pub const NAME: &str = "Idempotency-Key";
/// The header that says that an answer was given before.
pub const REPLAY: &str = "Idempotency-Replay";

/// The idempotency key in the header. poem passes over values that are not text, and a key that is passed over is an
/// event that comes twice.
///
/// # Errors
/// When it is there twice or is no text.
pub fn key_of(request: &Request) -> Result<Option<&str>, Problem> {
    let mut keys = request.headers().get_all(NAME).iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => key.to_str().map(Some).map_err(|_| {
            Problem::parameter(
                NAME,
                FaultCode::Invalid,
                "it must be 1 to 255 visible ASCII characters",
            )
        }),
        _ => Err(Problem::parameter(
            NAME,
            FaultCode::Duplicate,
            "the header is there twice; send it once",
        )),
    }
}

/// The refusal of a key that came with another body before.
pub fn other_body() -> Problem {
    let detail =
        "This idempotency key was used for another body; send another request with a new key.";
    Problem::new(Code::IdempotencyConflict, detail)
}

/// Something that was made by this request, or by the first one with its key.
#[derive(Debug)]
pub struct MadeOnce<T> {
    status: StatusCode,
    body: Vec<u8>,
    is_replay: bool,
    made: PhantomData<fn() -> T>,
}

impl<T: Serialize> MadeOnce<T> {
    fn fresh(made: &T) -> Result<Self, Problem> {
        let body = serde_json::to_vec(made).map_err(|error| {
            tracing::error!(%error, "an answer could not be written");
            Problem::internal()
        })?;
        Ok(Self { status: StatusCode::CREATED, body, is_replay: false, made: PhantomData })
    }

    fn recalled(recalled: Recalled) -> Result<Self, Problem> {
        match recalled {
            Recalled::Answer { status, body } => {
                let status = StatusCode::from_u16(status).map_err(|error| {
                    tracing::error!(%error, "a kept answer has no status");
                    Problem::internal()
                })?;
                Ok(Self { status, body, is_replay: true, made: PhantomData })
            }
            Recalled::OtherBody => Err(other_body()),
            Recalled::UnderWay => Err(Problem::under_way()),
            Recalled::Lost(id) => Err(Problem::new(
                Code::IdempotencyAnswerLost,
                format!(
                    "The first request with this idempotency key was done and created {id}; what was answered, and what \
                     was shown once in it, is lost. Read it by its id, or use a new key to create another one."
                ),
            )),
        }
    }
}

impl<T: Send> IntoResponse for MadeOnce<T> {
    fn into_response(self) -> Response {
        let response = Response::builder().status(self.status).content_type("application/json");
        let mut response = response.body(self.body);
        if self.is_replay {
            response.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
        }
        response
    }
}

impl<T: Type> ApiResponse for MadeOnce<T> {
    fn meta() -> MetaResponses {
        let mut meta = Made::<T>::meta();
        let words = "`true` when this is the answer to the first request with this key.";
        for response in &mut meta.responses {
            response.headers.push(MetaHeader {
                name: REPLAY.to_owned(),
                description: Some(words.to_owned()),
                required: false,
                deprecated: false,
                schema: bool::schema_ref(),
            });
        }
        meta
    }

    fn register(registry: &mut Registry) {
        Made::<T>::register(registry);
    }
}

/// Does what a request asks for, or answers as the first request with its key was answered. `what` is all that the request
/// says besides the operation; under one key it may say one thing. Without a key it is simply done.
///
/// # Errors
/// What the request fails with: that leaves no key, and may be tried again under it. A conflict when the key came with
/// something else, when the first request is under way, or when its answer is lost.
pub async fn once<N, T, F>(
    app: &Arc<App>,
    mut caller: Caller<N>,
    request: &Request,
    (operation, what): (Operation, &[u8]),
    audited: impl FnOnce(Arc<App>, Caller<N>) -> F + Send + 'static,
) -> Result<MadeOnce<T>, Problem>
where
    N: Needs,
    T: Serialize + Send + 'static,
    F: Future<Output = Result<T, Problem>> + Send + 'static,
{
    let app = Arc::clone(app);
    let Some(key) = key_of(request)? else {
        return MadeOnce::fresh(&audited(app, caller).await?);
    };
    if let Some(fault) = key_fault(NAME, key) {
        return Err(Problem::parameter(NAME, fault.code, fault.message));
    }
    let user = caller.user().ok_or_else(Problem::internal)?;
    let admin = app.admin.clone();
    let once = admin.once(caller.project, user, operation, (key, what));
    if let Some(recalled) = admin.recall(&once).await? {
        return MadeOnce::recalled(recalled);
    }
    caller.initiator.once = Some(once.clone());
    let done = run(admin, once, audited(app, caller)).in_current_span();
    // A client that goes away, or is sent away because it takes too long, comes back for the answer: what was begun is
    // brought to an end without it.
    tokio::spawn(done).await.map_err(|error| {
        tracing::error!(%error, "a request failed");
        Problem::internal()
    })?
}

/// Does it and keeps the answer. If it fails, it may be because another request with the key was faster.
async fn run<T: Serialize>(
    admin: Admin,
    once: Once,
    audited: impl Future<Output = Result<T, Problem>>,
) -> Result<MadeOnce<T>, Problem> {
    match audited.await {
        Ok(made) => {
            let made = MadeOnce::fresh(&made)?;
            let kept = admin.keep_answer(&once, made.status.as_u16(), &made.body).await;
            if let Err(error) = kept {
                let operation = once.operation.as_str();
                tracing::warn!(%error, operation, "an answer was not kept; a repeat will not be given it");
            }
            Ok(made)
        }
        Err(problem) => match admin.recall(&once).await {
            Ok(Some(recalled)) => MadeOnce::recalled(recalled),
            _ => Err(problem),
        },
    }
}
