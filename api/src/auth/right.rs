//! The right to something that takes long. It was looked at when it began; whoever loses it meanwhile must not go on until
//! they choose to stop.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::feature::Feature;
use futures_util::{Stream, StreamExt, stream};
use poem::{Body, Request};
use runtime::app::App;
use services::access::{AuthError, Principal};
use services::sessions::BearerError;
use tokio::time::Instant;

use super::callers::demand;
use super::credentials::Credentials;
use super::{Caller, Me, Needs, bearer_refusal, refusal};
use crate::features;
use crate::problem::{Code, Problem};

/// How often a right is looked at again.
pub const AGAIN: Duration = Duration::from_secs(1);

/// Somebody's right to what takes long.
#[derive(Clone)]
pub struct Right {
    app: Arc<App>,
    who: Principal,
    /// The text of their API key, if they came with one.
    key: Option<String>,
    demand: fn(&Principal) -> Result<(), Problem>,
    /// What the project must have as well.
    feature: Option<Feature>,
    /// How long it may take.
    limit: Duration,
    ends: Instant,
}

impl Right {
    /// The right of a caller to do what their request asks for.
    pub fn of<N: Needs>(app: &Arc<App>, request: &Request, caller: &Caller<N>) -> Self {
        Self::new(app, request, caller.who.clone(), demand::<N>)
    }

    /// The right of somebody to what is their own.
    pub fn of_me(app: &Arc<App>, request: &Request, me: &Me) -> Self {
        Self::new(app, request, Principal::Person(me.person.clone()), |_| Ok(()))
    }

    /// The right of `who` to what this demands.
    pub fn new(
        app: &Arc<App>,
        request: &Request,
        who: Principal,
        demand: fn(&Principal) -> Result<(), Problem>,
    ) -> Self {
        let limit = app.config.http.stream_timeout;
        // Read before without a fault, or there were no caller.
        let key = Credentials::of(request).ok().and_then(|sent| sent.key.map(Cow::into_owned));
        let ends = Instant::now() + limit;
        Self { app: Arc::clone(app), who, key, demand, feature: None, limit, ends }
    }

    /// The same, as long as the project has a feature.
    pub fn with(self, feature: Feature) -> Self {
        Self { feature: Some(feature), ..self }
    }

    /// Looks at it again. While the store is away nobody knows better than before, and nothing is given or taken either.
    ///
    /// # Errors
    /// When it is gone, or its time is over.
    pub async fn check(&self) -> Result<(), Problem> {
        if Instant::now() >= self.ends {
            let detail = format!("It took longer than {} s.", self.limit.as_secs());
            return Err(Problem::new(Code::TooSlow, detail));
        }
        let now = match (&self.who, &self.key) {
            (Principal::Person(person), _) => match self.app.sessions.again(person).await {
                Err(BearerError::Unavailable) => return Ok(()),
                found => Principal::Person(found.map_err(bearer_refusal)?),
            },
            (Principal::Key { .. }, Some(key)) => match self.app.keys.authenticate(key).await {
                Err(AuthError::Unavailable) => return Ok(()),
                found => found.map_err(refusal)?,
            },
            (Principal::Key { .. }, None) => return Err(refusal(AuthError::Unknown)),
        };
        if let Some(feature) = self.feature {
            features::demand(&self.app, now.project(), feature)?;
        }
        (self.demand)(&now)
    }

    /// The body of an answer that breaks off when the right is gone. An answer that has begun can't become a problem.
    pub fn guard<S>(self, pieces: S) -> Body
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let next = Instant::now() + AGAIN;
        let guarded = stream::try_unfold((Box::pin(pieces), self, next), |state| async move {
            let (mut pieces, right, mut next) = state;
            if Instant::now() >= next {
                if let Err(problem) = right.check().await {
                    let code = problem.code.as_str();
                    tracing::info!(code, project = %right.who.project(), "an answer was broken off");
                    return Err(io::Error::other(problem));
                }
                next = Instant::now() + AGAIN;
            }
            let piece = pieces.next().await.transpose()?;
            Ok(piece.map(|piece| (piece, (pieces, right, next))))
        });
        Body::from_bytes_stream(guarded)
    }
}
