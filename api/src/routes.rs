//! The list of all routes. A new one is a function in `routes/<noun>.rs`; a new noun is a line in `Apis`.

mod accounts;
mod alerts;
mod audit;
mod auth;
mod backtests;
mod bulk_actions;
mod document;
mod event_types;
pub mod events;
mod files;
mod intake;
mod invitations;
mod keys;
mod me;
mod plans;
mod projects;
mod roles;
mod rules;
mod second_factor;
mod settings;
mod silences;
pub mod status;
mod users;
mod webhook_endpoints;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use poem::endpoint::BoxEndpoint;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Request, Response};
use poem_openapi::registry::{MetaSchema, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ContactObject, ExtraHeader, LicenseObject, OpenApi, OpenApiService, Tags};
use runtime::app::App;
use serde_json::Value;

use crate::auth::Authenticated;
use crate::catalog::Catalog;

/// Where the paths of adapters begin.
pub const INTAKE: &str = "/api/v1/intake/";

/// All operations of the document.
type Apis = (Alerting, Administration);

/// Events and what comes of them. A tuple has no more than sixteen places.
type Alerting = (
    events::Operations,
    event_types::Operations,
    intake::Operations,
    rules::Operations,
    backtests::Operations,
    alerts::Operations,
    bulk_actions::Operations,
    silences::Operations,
    webhook_endpoints::Operations,
);

/// Projects, users, and what they may do.
type Administration = (
    auth::Operations,
    me::Operations,
    projects::Operations,
    keys::Operations,
    users::Operations,
    users::logins::Operations,
    roles::Operations,
    audit::Operations,
    settings::Operations,
    plans::Operations,
    accounts::Operations,
    invitations::Operations,
    second_factor::Operations,
);

fn apis(app: &Arc<App>) -> Apis {
    (
        (
            events::Operations::new(Arc::clone(app)),
            event_types::Operations::new(Arc::clone(app)),
            intake::Operations::new(Arc::clone(app)),
            rules::Operations::new(Arc::clone(app)),
            backtests::Operations::new(Arc::clone(app)),
            alerts::Operations::new(Arc::clone(app)),
            bulk_actions::Operations::new(Arc::clone(app)),
            silences::Operations::new(Arc::clone(app)),
            webhook_endpoints::Operations::new(Arc::clone(app)),
        ),
        (
            auth::Operations::new(Arc::clone(app)),
            me::Operations::new(Arc::clone(app)),
            projects::Operations::new(Arc::clone(app)),
            keys::Operations::new(Arc::clone(app)),
            users::Operations::new(Arc::clone(app)),
            users::logins::Operations::new(Arc::clone(app)),
            roles::Operations::new(Arc::clone(app)),
            audit::Operations::new(Arc::clone(app)),
            settings::Operations::new(Arc::clone(app)),
            plans::Operations::new(Arc::clone(app)),
            accounts::Operations::new(Arc::clone(app)),
            invitations::Operations::new(Arc::clone(app)),
            second_factor::Operations::new(Arc::clone(app)),
        ),
    )
}

/// What the operations are sorted by.
#[derive(Tags)]
pub enum Tag {
    /// What producers tell us, and what became of it.
    Events,
    /// Logging in and out.
    Auth,
    /// One's own account.
    Me,
    /// Tenants.
    Projects,
    /// API keys.
    Keys,
    /// People of a project.
    Users,
    /// What people may do.
    Roles,
    /// What is open, and what is not to ring.
    Alerts,
    /// Which events make an alert, for whom.
    Rules,
    /// Where notifications are sent.
    Webhooks,
    /// Who did what.
    Audit,
}

/// All routes, by their pattern.
pub fn catalog() -> Catalog {
    let pages: Vec<&str> = status::PAGES.into_iter().chain([files::PATTERN]).collect();
    Catalog::new(&Apis::meta(), &pages)
}

/// The words of the enumerations, by their names in the document.
static ENUMERATIONS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut registry = Registry::new();
    <Described as OpenApi>::register(&mut registry);
    let words = |(name, schema): (String, MetaSchema)| {
        let words: Vec<&str> = schema.enum_items.iter().filter_map(Value::as_str).collect();
        (!words.is_empty()).then(|| (name, words.join(", ")))
    };
    registry.schemas.into_iter().filter_map(words).collect()
});

/// The words of an enumeration, by its name in the document.
pub fn words_of(name: &str) -> Option<&'static str> {
    ENUMERATIONS.get(name).map(String::as_str)
}

/// The OpenAPI document.
pub fn document() -> String {
    document::complete(&service(Described).spec())
}

/// The routes behind the front door.
pub fn endpoint(app: &Arc<App>) -> impl Endpoint<Output = Response> + use<> {
    let api = service(apis(app)).into_endpoint();
    Switch {
        api: Authenticated::new(Arc::clone(app), api).boxed(),
        pages: files::add(app, status::pages(app)).boxed(),
    }
}

/// Operations here, pages there. Nesting one route in another would parse and build the address of each request anew.
struct Switch {
    api: BoxEndpoint<'static>,
    pages: BoxEndpoint<'static>,
}

impl Endpoint for Switch {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let path = request.uri().path();
        if path.starts_with("/api/") && path != status::DOCUMENT {
            self.api.call(request).await
        } else {
            self.pages.call(request).await
        }
    }
}

fn service<A: OpenApi>(api: A) -> OpenApiService<A, ()> {
    let header = |name: &str, words: &str| ExtraHeader::new(name).description(words);
    OpenApiService::new(api, "Bellbuoy", env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .license(LicenseObject::new("MIT OR Apache-2.0"))
        .contact(ContactObject::new().name("The operator of this service"))
        .server("/")
        .extra_response_header::<Option<String>, _>(header("X-Request-Id", "Names the request."))
        .extra_response_header::<Option<String>, _>(header("Traceparent", "W3C trace context."))
        .extra_response_header::<Option<u32>, _>(header("RateLimit-Limit", "Requests at once."))
        .extra_response_header::<Option<u32>, _>(header("RateLimit-Remaining", "What is left."))
        .extra_response_header::<Option<u32>, _>(header("RateLimit-Reset", "Seconds until full."))
}

const DESCRIPTION: &str = "Alerts and notifications for many projects.\n\n\
    Times are RFC 3339 in UTC, ids are UUIDs, names are snake_case; what is not known is left out. \
    Unknown fields and parameters are refused. Every error is an application/problem+json with a \
    stable `code`. Requests may carry `X-Request-Id` and `traceparent`; both come back.";

/// The operations without anything behind them, for the document alone.
struct Described;

impl OpenApi for Described {
    fn meta() -> Vec<poem_openapi::registry::MetaApi> {
        Apis::meta()
    }

    fn register(registry: &mut Registry) {
        <Apis as OpenApi>::register(registry);
        // The codes are worth naming even where no operation mentions them.
        crate::problem::Code::register(registry);
    }

    fn add_routes(
        self,
        _table: &mut std::collections::HashMap<
            String,
            std::collections::HashMap<poem::http::Method, BoxEndpoint<'static>>,
        >,
    ) {
    }
}
