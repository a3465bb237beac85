//! Who calls. One middleware finds it out; what operations take as an argument only reads the result, for where several
//! security schemes each decide, the error of the last one wins (poem#870).

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::door::Api;
use poem::{Endpoint, PathPattern, Request, RequestBody, Response};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use shared::access::{AuthError, Principal};
use shared::domain::fault::FaultCode;
use shared::domain::key::Scope;
use shared::id::{KeyId, ProjectId};

use crate::context::RequestContext;
use crate::limits;
use crate::middleware::note_project;
use crate::problem::{Code, Problem};

/// When to come back if the store could not tell whose key it is.
const RETRY: Duration = Duration::from_secs(1);

/// Finds out who calls and whether they may call so often, before `E`.
pub struct Doorman<E> {
    app: Arc<Api>,
    inner: E,
}

impl<E> Doorman<E> {
    /// Stands before `inner`.
    pub const fn new(app: Arc<Api>, inner: E) -> Self {
        Self { app, inner }
    }

    async fn admit(&self, request: &Request, context: &RequestContext) -> Result<(), Problem> {
        let mut keys = request.headers().get_all("x-api-key").iter();
        let found = match (keys.next(), keys.next()) {
            (None, _) => Ok(None),
            (Some(key), None) => match key.to_str() {
                Ok(key) => self.app.keys.authenticate(key).await.map(Some),
                Err(_) => Err(AuthError::Unknown),
            },
            // Two keys are two answers to the question who it is.
            (Some(_), Some(_)) => Err(AuthError::Unknown),
        };
        // Strangers, and those who guess at keys, are counted by their address.
        let who = found.as_ref().ok().and_then(Option::as_ref);
        limits::take(&*self.app.limiter, who, context)?;
        if let Some(principal) = found.map_err(refusal)? {
            note_project(principal.project());
            context.note_principal(principal);
        }
        Ok(())
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Doorman<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let context = RequestContext::of(&request).ok_or_else(Problem::internal)?;
        self.admit(&request, context).await?;
        self.inner.call(request).await
    }
}

fn refusal(error: AuthError) -> Problem {
    match error {
        AuthError::Unknown => Problem::new(
            Code::InvalidKey,
            "The header X-API-Key holds no key of ours, or one that was revoked.",
        ),
        AuthError::Expired => Problem::new(Code::ExpiredKey, "This key has ended; make a new one."),
        AuthError::Suspended => Problem::new(
            Code::ProjectSuspended,
            "The project of this key is suspended; ask the operator.",
        ),
        AuthError::Unavailable => Problem::unavailable(RETRY),
    }
}

/// The answer to a request that needs a key and has none.
pub fn unauthenticated() -> Problem {
    Problem::new(Code::Unauthenticated, "Send an API key in the header X-API-Key.")
}

/// What an operation demands of its caller.
pub trait Needs: Send + Sync + 'static {
    /// The scope that the key must have.
    const SCOPE: Scope;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident: $scope:ident;)+) => { $(
        $(#[$doc])*
        pub struct $name;
        impl Needs for $name {
            const SCOPE: Scope = Scope::$scope;
        }
    )+ };
}

needs! {
    /// May send events.
    EventsWrite: EventsWrite;
    /// May read.
    Read: Read;
}

/// The holder of a key who may do what `N` demands. It stands first among the arguments of an operation, so that nothing
/// of a request is read before it is sure who sent it.
pub struct Caller<N> {
    /// The project of the key.
    pub project: ProjectId,
    /// The key.
    pub key: KeyId,
    needs: PhantomData<fn() -> N>,
}

const SCHEME: &str = "api_key";

impl<'a, N: Needs> ApiExtractor<'a> for Caller<N> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "apiKey",
            description: Some(
                "A key of a project, `bb_…`. What it may do are its scopes; each operation names \
                 the one that it needs.",
            ),
            name: Some("X-API-Key"),
            key_in: Some("header"),
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let context = RequestContext::of(request).ok_or_else(Problem::internal)?;
        context.note_route(request.data::<PathPattern>());
        let Principal::Key { project, key_id, scopes } =
            context.principal().ok_or_else(unauthenticated)?;
        if !scopes.contains(&N::SCOPE) {
            let detail = format!("This key lacks the scope {}.", N::SCOPE);
            return Err(Problem::new(Code::MissingScope, detail).into());
        }
        judge_query(request, context)?;
        Ok(Self { project: *project, key: *key_id, needs: PhantomData })
    }
}

/// Refuses parameters that the operation does not have or that stand there twice: a filter with a slip of the pen would
/// otherwise be no filter.
fn judge_query(request: &Request, context: &RequestContext) -> Result<(), Problem> {
    let Some(query) = request.uri().query().filter(|query| !query.is_empty()) else {
        return Ok(());
    };
    let Some(route) = context.route() else { return Ok(()) };
    let known = route.query(request.method());
    let mut seen: Vec<&str> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let Some(name) = known.iter().find(|one| *one == name) else {
            let name: String = name.chars().take(100).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("there is no such parameter; there are: {known}");
            return Err(Problem::parameter(name, FaultCode::Unknown, message));
        };
        if seen.contains(&name.as_str()) {
            let message = "once is enough";
            return Err(Problem::parameter(name.clone(), FaultCode::Duplicate, message));
        }
        seen.push(name);
    }
    Ok(())
}
