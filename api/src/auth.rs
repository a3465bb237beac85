//! Who calls. One middleware finds it out; what operations take as an argument only reads the result, for where several
//! security schemes each decide, the error of the last one wins (poem#870).

mod callers;
mod credentials;
mod needs;
mod right;

use std::sync::Arc;
use std::time::Duration;

use domain::fault::FaultCode;
use domain::id::ProjectId;
use poem::http::HeaderValue;
use poem::{Endpoint, Request, Response};
use runtime::app::App;
use services::access::{AuthError, Principal};
use services::sessions::BearerError;

use crate::context::RequestContext;
use crate::limits;
use crate::middleware::{Admitted, Bodies, note_project};
use crate::problem::{Code, Problem};
use credentials::Credentials;

pub use callers::{Anybody, Caller, Me};
pub use needs::*;
pub use right::{AGAIN, Right};

/// When to come back if the store could not tell whose key it is.
const RETRY: Duration = Duration::from_secs(1);

/// Finds out who calls and whether they may call so often, before `E`.
pub struct Authenticated<E> {
    app: Arc<App>,
    bodies: Bodies,
    inner: E,
}

impl<E> Authenticated<E> {
    /// Stands before `inner`.
    pub fn new(app: Arc<App>, inner: E) -> Self {
        let bodies = Bodies::new(&app.config.http);
        Self { app, bodies, inner }
    }

    async fn admit(&self, request: &Request, context: &RequestContext) -> Result<(), Problem> {
        let Credentials { key, other, token } = Credentials::of(request)?;
        let other = self.key(other.as_deref()).await;
        let key = match (self.key(key.as_deref()).await, &other) {
            // Whoever sends a wrong key beside a right one guesses at keys, too.
            (Some(Ok(_)), Some(Err(error))) => Some(Err(*error)),
            (key, _) => key,
        };
        let person = match token.as_deref() {
            Some(token) => Some(self.app.sessions.authenticate(token).await.map(Principal::Person)),
            None => None,
        };
        // Strangers, and those who guess at keys, are counted by their address.
        let who = match (&key, &person) {
            (Some(Ok(who)), _) => Some(who),
            (None, Some(Ok(who))) => Some(who),
            _ => None,
        };
        limits::take(&self.app.rates, who, context)?;
        let key = key.transpose().map_err(refusal)?;
        let person = person.transpose().map_err(bearer_refusal)?;
        if let (Some(key), Some(person)) = (&key, &person)
            && key.project() != person.project()
        {
            return Err(mismatch(
                "The API key and the access token belong to different projects; send one of them.",
            ));
        }
        if let (Some(key), Some(Ok(other))) = (&key, &other) {
            return Err(two_keys(key.project() == other.project()));
        }
        let Some(principal) = key.or(person) else { return Ok(()) };
        self.judge_project(request, principal.project()).await?;
        note_project(principal.project());
        context.note_principal(principal);
        Ok(())
    }

    async fn key(&self, key: Option<&str>) -> Option<Result<Principal, AuthError>> {
        Some(self.app.keys.authenticate(key?).await)
    }

    /// Refuses a request that says that it is about another project than its caller's.
    async fn judge_project(&self, request: &Request, own: ProjectId) -> Result<(), Problem> {
        let Some(named) = named_project(request)? else { return Ok(()) };
        let named = named.to_str().unwrap_or_default();
        if named.parse::<ProjectId>().is_ok_and(|id| id == own) {
            return Ok(());
        }
        if find_project(&self.app, named).await? == Some(own) {
            return Ok(());
        }
        Err(mismatch(
            "X-Project names another project than that of the API key or access token; leave it out.",
        ))
    }
}

const TWICE: &str = "The header X-Project was sent twice; send it once.";

fn mismatch(detail: &'static str) -> Problem {
    Problem::new(Code::ProjectMismatch, detail)
}

/// The refusal of two keys that both hold: whose scopes are meant can't be told.
fn two_keys(of_one_project: bool) -> Problem {
    if of_one_project {
        let message = "the header X-API-Key holds another key; send one of the two headers";
        return Problem::parameter("Authorization", FaultCode::Mismatch, message);
    }
    mismatch(
        "The API keys in X-API-Key and Authorization belong to different projects; send one of them.",
    )
}

/// The project that the header `X-Project` names.
///
/// # Errors
/// When it stands there twice: which of them is meant can't be told.
pub fn named_project(request: &Request) -> Result<Option<&HeaderValue>, Problem> {
    only(request, "x-project").map_err(|()| mismatch(TWICE))
}

/// The project of that id or slug, if there is one.
///
/// # Errors
/// When the store can't tell: as for a key that can't be looked up, whatever the reason.
pub async fn find_project(app: &App, text: &str) -> Result<Option<ProjectId>, Problem> {
    let found = app.admin.find_project(text).await;
    let found = found.map_err(|_| Problem::unavailable(RETRY))?;
    Ok(found.map(|project| project.id))
}

/// The one header of that name; two are two answers to one question.
pub fn only<'r>(request: &'r Request, name: &str) -> Result<Option<&'r HeaderValue>, ()> {
    let mut values = request.headers().get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(()),
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Authenticated<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let context = RequestContext::of(&request).ok_or_else(Problem::internal)?;
        let context = Arc::clone(context);
        self.admit(&request, &context).await?;
        let project = context.principal().map(Principal::project);
        let Admitted { request, reserved } = self.bodies.admit(request, project)?;
        let response = self.inner.call(request).await;
        // What the body takes is given back once nothing of it is needed any more.
        drop(reserved);
        response
    }
}

fn refusal(error: AuthError) -> Problem {
    match error {
        AuthError::Unknown => Problem::new(
            Code::InvalidKey,
            "This API key is unknown or was revoked. API keys begin with bb_ and are sent as X-API-Key; an access token is \
             sent as Authorization: Bearer.",
        ),
        AuthError::Expired => {
            Problem::new(Code::ExpiredKey, "This API key has expired; create a new one.")
        }
        AuthError::Suspended => Problem::new(
            Code::ProjectSuspended,
            "The project of this key is suspended; ask the operator.",
        ),
        AuthError::Unavailable => Problem::unavailable(RETRY),
    }
}

fn bearer_refusal(error: BearerError) -> Problem {
    match error {
        BearerError::Invalid => Problem::new(
            Code::InvalidToken,
            "The access token in the header Authorization is not valid, or no longer; refresh it, or log in.",
        ),
        BearerError::Expired => {
            Problem::new(Code::ExpiredToken, "The access token has expired; refresh it.")
        }
        BearerError::Suspended => {
            Problem::new(Code::ProjectSuspended, "The project is suspended; ask the operator.")
        }
        BearerError::Unavailable => Problem::unavailable(RETRY),
        BearerError::WrongKey => Problem::wrong_key(),
    }
}
