//! What the API asks of the rest of the product: little enough that its conventions can be tested without any engine.

mod repeats;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use domain::clock::Clock;
use domain::feature::Feature;
use domain::id::{EventId, KeyId, ProjectId};
use domain::intake::NewEvent;
use domain::trace::Trace;
use files::key::FileKey;
use files::link::{Link, LinkError};
use files::range::ByteRange;
use files::{Content, FileError, FileInfo};
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use runtime::app::App;
use services::accept::{Accepted, Refused};
use services::access::{AuthError, Principal};
use services::accounts::Accounts;
use services::admin::Admin;
use services::audit::Audit;
use services::events::{EventFilter, EventState, ReadError};
use services::login_throttle::LoginThrottle;
use services::rates::Standing;
use services::sessions::{BearerError, Person, Sessions};
use services::tenants::environment;
use telemetry::ops::Health;

use crate::problem::{Code, Problem};

pub use repeats::Repeats;

/// Everything that the API works with.
pub struct Api {
    /// How the API is served.
    pub http: HttpSettings,
    /// What is accepted.
    pub accept: AcceptSettings,
    /// What time it is.
    pub clock: Clock,
    /// Recognises keys and people.
    pub keys: Arc<dyn Authenticate>,
    /// What people and administrators do; only where the API is tried alone there is nobody.
    pub services: Option<Services>,
    /// Counts requests.
    pub limiter: Arc<dyn Limiter>,
    /// What projects set for themselves, and what is set for them.
    pub tenants: Arc<dyn Tenants>,
    /// The event pipeline.
    pub events: Arc<dyn Events>,
    /// Requests with many events that may be sent again.
    pub repeats: Arc<dyn Repeats>,
    /// Files, for those who have a link to one.
    pub files: Arc<dyn Files>,
    /// How this process and what it depends on are.
    pub health: Arc<Health>,
}

/// How the API is served.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// The largest body of a request without a valid key or login, in bytes.
    pub max_anonymous_body: usize,
    /// What bodies that are being read may take together, in bytes.
    pub body_memory: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long a request or an answer may take that is read or written piece by piece.
    pub stream_timeout: Duration,
    /// The least bytes a second at which such a one must move; 0 is none.
    pub stream_min_rate: u64,
    /// How long a client may take to send its headers.
    pub header_timeout: Duration,
    /// Connections served at once.
    pub max_connections: usize,
    /// Connections from one address at once; 0 is no limit.
    pub max_connections_per_address: usize,
    /// Origins whose pages may call the API; `*` for all.
    pub cors_origins: Vec<String>,
    /// Networks of the proxies in front of us.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether `/docs` and the OpenAPI document are served.
    pub docs_enabled: bool,
    /// Whether answers carry Strict-Transport-Security.
    pub hsts: bool,
    /// How long running requests may go on once we stop.
    pub shutdown_grace: Duration,
}

impl HttpSettings {
    /// What the configuration says.
    pub fn of(config: &Config) -> Self {
        let http = &config.http;
        Self {
            max_body: http.max_body.as_usize(),
            max_anonymous_body: http.max_anonymous_body.as_usize(),
            body_memory: http.body_memory.as_usize(),
            request_timeout: http.request_timeout,
            stream_timeout: http.stream_timeout,
            stream_min_rate: http.stream_min_rate.bytes(),
            header_timeout: http.header_timeout,
            max_connections: http.max_connections,
            max_connections_per_address: http.max_connections_per_address,
            cors_origins: http.cors_origins.clone(),
            trusted_proxies: http.trusted_proxies.clone(),
            docs_enabled: http.docs_enabled,
            hsts: http.sends_hsts(),
            shutdown_grace: http.shutdown_grace,
        }
    }
}

/// What is accepted.
#[derive(Clone, Copy, Debug)]
pub struct AcceptSettings {
    /// The most events of one batch.
    pub max_batch: usize,
    /// The largest payload of an event, in bytes.
    pub max_payload: usize,
}

impl AcceptSettings {
    /// What the configuration says.
    pub fn of(config: &Config) -> Self {
        Self {
            max_batch: config.accept.max_batch,
            max_payload: config.accept.max_payload.as_usize(),
        }
    }
}

/// Recognises people and programs.
pub trait Authenticate: Send + Sync + 'static {
    /// Whose key this is.
    fn authenticate<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Principal, AuthError>>;

    /// Who holds this access token.
    fn bearer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, BearerError>>;

    /// The same person as they stand now, while something that takes long is done for them.
    fn again<'a>(&'a self, person: &'a Person) -> BoxFuture<'a, Result<Principal, BearerError>>;

    /// The project of that id or slug.
    fn project<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Option<ProjectId>, AuthError>>;
}

/// What people and administrators do.
#[derive(Clone)]
pub struct Services {
    /// Logging in and out.
    pub sessions: Arc<Sessions>,
    /// Projects, keys, people.
    pub admin: Admin,
    /// What is held on people.
    pub accounts: Accounts,
    /// Reads what is sealed per person.
    pub audit: Audit,
    /// Counts attempts to come in.
    pub login_throttle: LoginThrottle,
    /// Under which subdomains projects are found.
    pub base_domain: Option<String>,
}

/// Counts requests. It never waits and never fails: what it knows is in this process.
pub trait Limiter: Send + Sync + 'static {
    /// Takes one request of `principal`, or of a stranger, from `address`; nothing when it falls under no limit.
    fn check(&self, principal: Option<&Principal>, address: IpAddr) -> Option<Standing>;
}

/// What projects set for themselves, and what is set for them: known in this process, so that nothing waits for it.
pub trait Tenants: Send + Sync + 'static {
    /// Whether pages of that origin may call the API for a project, or for any when none is named.
    fn has_origin(&self, project: Option<ProjectId>, origin: &str) -> bool;

    /// Whether a project has a feature.
    fn has(&self, project: ProjectId, feature: Feature) -> bool;
}

/// The event pipeline, as the API sees it. Every question is about one project.
pub trait Events: Send + Sync + 'static {
    /// Keeps events; one answer for each, in order. They are committed when it answers.
    fn accept(
        &self,
        project: ProjectId,
        key: KeyId,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Vec<Result<Accepted, Refused>>>;

    /// One event.
    fn get(
        &self,
        project: ProjectId,
        id: EventId,
    ) -> BoxFuture<'_, Result<Option<EventState>, ReadError>>;

    /// At most `limit` events older than `after`, newest first.
    fn list(
        &self,
        project: ProjectId,
        filter: EventFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<EventState>, ReadError>>;

    /// What became of an event.
    fn trace(
        &self,
        project: ProjectId,
        id: EventId,
    ) -> BoxFuture<'_, Result<Option<Trace>, ReadError>>;
}

/// Files, for those who have a link to one.
pub trait Files: Send + Sync + 'static {
    /// What a link says, if it is good: `path` is what follows `/files/`.
    fn open_link(&self, path: &str, query: &str) -> Result<Link, LinkError>;

    /// What is known of a file.
    fn head<'a>(&'a self, key: &'a FileKey) -> BoxFuture<'a, Result<FileInfo, FileError>>;

    /// A file, or a part of one.
    fn get<'a>(
        &'a self,
        key: &'a FileKey,
        range: Option<ByteRange>,
    ) -> BoxFuture<'a, Result<Content, FileError>>;
}

/// The product behind those traits.
struct Product(Arc<App>);

impl Api {
    /// The API of the whole product.
    pub fn of(app: &Arc<App>) -> Self {
        let product = || Arc::new(Product(Arc::clone(app)));
        Self {
            http: HttpSettings::of(&app.config),
            accept: AcceptSettings::of(&app.config),
            clock: app.clock.clone(),
            keys: product(),
            services: Some(Services {
                sessions: Arc::clone(&app.sessions),
                admin: app.admin.clone(),
                accounts: app.accounts.clone(),
                audit: app.audit.clone(),
                login_throttle: app.login_throttle.clone(),
                base_domain: app.config.auth.base_domain.clone(),
            }),
            limiter: product(),
            tenants: product(),
            events: product(),
            repeats: product(),
            files: product(),
            health: Arc::clone(&app.health),
        }
    }
}

impl Authenticate for Product {
    fn authenticate<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Principal, AuthError>> {
        Box::pin(self.0.keys.authenticate(key))
    }

    fn bearer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, BearerError>> {
        Box::pin(async move { self.0.sessions.authenticate(token).await.map(Principal::Person) })
    }

    fn again<'a>(&'a self, person: &'a Person) -> BoxFuture<'a, Result<Principal, BearerError>> {
        Box::pin(async move { self.0.sessions.again(person).await.map(Principal::Person) })
    }

    fn project<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Option<ProjectId>, AuthError>> {
        Box::pin(async move {
            let found = self.0.admin.find_project(text).await;
            let found = found.map_err(|_| AuthError::Unavailable)?;
            Ok(found.map(|project| project.id))
        })
    }
}

impl Api {
    /// What people and administrators do.
    ///
    /// # Errors
    /// When there is nobody.
    pub fn services(&self) -> Result<&Services, Problem> {
        self.services.as_ref().ok_or_else(Problem::internal)
    }
}

impl Api {
    /// Refuses what a project does not have.
    ///
    /// # Errors
    /// When it does not.
    pub fn demand(&self, project: ProjectId, feature: Feature) -> Result<(), Problem> {
        if self.tenants.has(project, feature) {
            return Ok(());
        }
        Err(lacking(feature))
    }
}

/// The answer to those who lack a feature.
pub fn lacking(feature: Feature) -> Problem {
    let detail = format!("The project does not have the feature {feature}; ask the operator.");
    Problem::new(Code::FeatureDisabled, detail)
}

impl Tenants for Product {
    fn has_origin(&self, project: Option<ProjectId>, origin: &str) -> bool {
        let environment = environment(self.0.config.profile);
        self.0.epochs.tenants.has_origin(project, origin, environment)
    }

    fn has(&self, project: ProjectId, feature: Feature) -> bool {
        self.0.admin.feature(project, feature)
    }
}

impl Limiter for Product {
    fn check(&self, principal: Option<&Principal>, address: IpAddr) -> Option<Standing> {
        self.0.rates.take_request(principal, address)
    }
}

impl Events for Product {
    fn accept(
        &self,
        project: ProjectId,
        key: KeyId,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Vec<Result<Accepted, Refused>>> {
        Box::pin(self.0.events.accept(project, key, events))
    }

    fn get(
        &self,
        project: ProjectId,
        id: EventId,
    ) -> BoxFuture<'_, Result<Option<EventState>, ReadError>> {
        Box::pin(self.0.events.get(project, id))
    }

    fn list(
        &self,
        project: ProjectId,
        filter: EventFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<EventState>, ReadError>> {
        Box::pin(self.0.events.list(project, filter, after, limit))
    }

    fn trace(
        &self,
        project: ProjectId,
        id: EventId,
    ) -> BoxFuture<'_, Result<Option<Trace>, ReadError>> {
        Box::pin(self.0.events.trace(project, id))
    }
}

impl Files for Product {
    fn open_link(&self, path: &str, query: &str) -> Result<Link, LinkError> {
        self.0.files.open_link(path, query, self.0.clock.now())
    }

    fn head<'a>(&'a self, key: &'a FileKey) -> BoxFuture<'a, Result<FileInfo, FileError>> {
        Box::pin(self.0.files.head(key))
    }

    fn get<'a>(
        &'a self,
        key: &'a FileKey,
        range: Option<ByteRange>,
    ) -> BoxFuture<'a, Result<Content, FileError>> {
        Box::pin(self.0.files.get(key, range))
    }
}
