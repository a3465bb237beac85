//! Requests with many events under an idempotency key: the answer is kept, and a repeat is given it. Were the request to
//! break off, each event in it has a key that follows from the request's, so that a repeat keeps none of them twice.

use std::marker::PhantomData;
use std::sync::Arc;

use domain::id::ProjectId;
use domain::intake::key_fault;
use domain::once::{Operation, RequestKey};
use poem::http::{HeaderValue, StatusCode};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use runtime::app::App;
use serde::Serialize;
use services::admin::{Held, Repeat};

use crate::once::{NAME, REPLAY, other_body};
use crate::problem::{Code, Problem};
use crate::wire::Answer;

/// An answer that may be one that was given before.
#[derive(Debug)]
pub struct Repeatable<T, const STATUS: u16> {
    /// The body, as it is sent and kept.
    pub body: Vec<u8>,
    is_replay: bool,
    what: PhantomData<fn() -> T>,
}

impl<T: Serialize, const STATUS: u16> Repeatable<T, STATUS> {
    /// The first answer.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn fresh(what: &T) -> Result<Self, Problem> {
        let body = serde_json::to_vec(what).map_err(|error| {
            tracing::error!(%error, "an answer could not be written");
            Problem::internal()
        })?;
        Ok(Self { body, is_replay: false, what: PhantomData })
    }

    /// The answer that was kept.
    pub const fn replayed(body: Vec<u8>) -> Self {
        Self { body, is_replay: true, what: PhantomData }
    }
}

impl<T: Send, const STATUS: u16> IntoResponse for Repeatable<T, STATUS> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK);
        let response = Response::builder().status(status).content_type("application/json");
        let mut response = response.body(self.body);
        if self.is_replay {
            response.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
        }
        response
    }
}

impl<T: Type + Serialize, const STATUS: u16> ApiResponse for Repeatable<T, STATUS> {
    fn meta() -> MetaResponses {
        let words = "`true` when this is the answer to the first request with this key.";
        let replay = MetaHeader {
            name: REPLAY.to_owned(),
            description: Some(words.to_owned()),
            required: false,
            deprecated: false,
            schema: bool::schema_ref(),
        };
        let content_type = Answer::<T>::CONTENT_TYPE;
        let response = MetaResponse {
            description: "What became of the events.",
            status: Some(STATUS),
            status_range: None,
            content: vec![MetaMediaType { content_type, schema: T::schema_ref() }],
            headers: vec![replay],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// A request that is worked on; one that is dropped before its end is given back.
pub struct Working {
    app: Arc<App>,
    held: Option<Held>,
}

/// What came of a request with a key.
pub enum Start {
    /// It is ours to do.
    Ours(Working),
    /// It was done, with a body of this hash, and this was answered.
    Done([u8; 32], Vec<u8>),
}

/// Begins a request under the key `text`. `body` is the hash of its body, if that is known before it is done.
///
/// # Errors
/// When the key is no key, came with another body, or its request is under way.
pub async fn begin(
    app: &Arc<App>,
    (project, operation, text): (ProjectId, Operation, &str),
    body: Option<[u8; 32]>,
) -> Result<Start, Problem> {
    if let Some(fault) = key_fault(NAME, text) {
        return Err(Problem::parameter(NAME, fault.code, fault.message));
    }
    let key = RequestKey::new(project, operation, text);
    match app.admin.begin_request(key, body).await? {
        Repeat::Ours(held) => Ok(Start::Ours(Working { app: Arc::clone(app), held: Some(held) })),
        Repeat::Done { body, answer } => Ok(Start::Done(body, answer)),
        Repeat::OtherBody => Err(other_body()),
        Repeat::UnderWay => Err(Problem::under_way()),
        Repeat::Lost => Err(Problem::new(
            Code::IdempotencyAnswerLost,
            "The first request with this idempotency key was done, and its answer can't be read any more.",
        )),
    }
}

impl Working {
    /// The key that the event in this place has, unless it has one of its own.
    pub fn of_event(&self, place: u64) -> Option<[u8; 32]> {
        self.held.as_ref().map(|held| held.key.of_event(place))
    }

    /// Says that it is still worked on.
    ///
    /// # Errors
    /// When another request with its key has taken it over, as if this one had died.
    pub async fn hold(&mut self) -> Result<(), Problem> {
        let Some(held) = &mut self.held else { return Ok(()) };
        match self.app.admin.hold_request(held).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.held = None;
                Err(Problem::under_way())
            }
            Err(error) => {
                // Should the store stay away, nothing more is accepted either.
                tracing::debug!(%error, "a request with a key could not say that it is worked on");
                Ok(())
            }
        }
    }

    /// Keeps what is answered. If that fails, a repeat does it again, and keeps no event twice.
    pub async fn finish(mut self, body: [u8; 32], answer: &[u8]) {
        let Some(held) = self.held.take() else { return };
        if let Err(error) = self.app.admin.finish_request(&held, body, answer).await {
            let operation = held.key.operation.as_str();
            tracing::warn!(%error, operation, "an answer was not kept; a repeat will not be given it");
        }
    }

    /// Gives it back, so that a repeat may go on at once.
    pub async fn give_up(mut self) {
        let Some(held) = self.held.take() else { return };
        give_up(&self.app, &held).await;
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let (Some(held), Ok(runtime)) = (self.held.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let app = Arc::clone(&self.app);
        runtime.spawn(async move { give_up(&app, &held).await });
    }
}

async fn give_up(app: &App, held: &Held) {
    if let Err(error) = app.admin.give_up_request(held).await {
        tracing::debug!(%error, "a request with a key was not given back; its lease will end");
    }
}
