//! Which pages in browsers may call the API: those that the platform names, and for a project those that it names itself.
//! Keys stand in headers, never in cookies, so that `*` gives nothing away.
//!
//! A browser that asks before it sends has no key to send yet, so that it may ask from any page that anybody named. Who
//! may see the answer is decided when it is known whose it is: pages of the caller's own project.

use std::sync::Arc;

use poem::http::header::{self, HeaderName};
use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Request, Response};

use domain::feature::Environment;
use domain::id::ProjectId;
use runtime::app::App;
use services::epochs::Epochs;
use services::tenants::environment;

use crate::problem::{Code, Problem};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const TAKEN: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-API-Key, \
     X-Project, X-Request-Id, Traceparent, Tracestate",
);
const SHOWN: HeaderValue = HeaderValue::from_static(
    "Deprecation, ETag, Idempotency-Replay, Location, RateLimit-Limit, RateLimit-Remaining, \
     RateLimit-Reset, Retry-After, Sunset, Traceparent, X-Request-Id",
);
const VARY: HeaderValue = HeaderValue::from_static("Origin");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The origins that may.
pub struct Cors {
    origins: Vec<String>,
    any: bool,
    epochs: Arc<Epochs>,
    environment: Environment,
}

impl Cors {
    /// Those of the settings may, `*` for all, and those of projects.
    pub fn new(app: &App) -> Self {
        let origins = app.config.http.cors_origins.clone();
        let any = origins.iter().any(|origin| origin == "*");
        let environment = environment(app.config.profile);
        Self { any, origins, epochs: Arc::clone(&app.epochs), environment }
    }

    /// What tells a page of that origin that it may see an answer about a project; about none, when it is nobody's.
    fn allowed(&self, origin: &HeaderValue, project: Option<ProjectId>) -> Option<HeaderValue> {
        if self.any {
            return Some(ANY);
        }
        let known = self.origins.iter().any(|one| one.as_bytes() == origin.as_bytes());
        let own = || {
            let tenants = &self.epochs.tenants;
            origin.to_str().is_ok_and(|text| tenants.has_origin(project, text, self.environment))
        };
        (known || own()).then(|| origin.clone())
    }

    /// Answers a browser that asks before it sends.
    pub fn preflight(
        &self,
        request: &Request,
        origin: Option<&HeaderValue>,
    ) -> Option<Result<Response, Problem>> {
        let asks = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let origin = origin.filter(|_| asks)?;
        if self.allowed(origin, None).is_none() {
            let detail = "Pages of this origin may not call the API; the operator can allow it, or an \
                          admin of the project.";
            return Some(Err(Problem::new(Code::OriginForbidden, detail)));
        }
        let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, TAKEN);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(Ok(response))
    }

    /// Lets the page see an answer about a project, if it may.
    pub fn dress(
        &self,
        response: &mut Response,
        origin: Option<HeaderValue>,
        project: Option<ProjectId>,
    ) {
        let allowed = origin.and_then(|origin| self.allowed(&origin, project));
        let headers = response.headers_mut();
        // Answers differ by origin: no cache may mix them up, even when there was none.
        if !self.any {
            headers.append(header::VARY, VARY);
        }
        if let Some(origin) = allowed {
            const EXPOSE: HeaderName = header::ACCESS_CONTROL_EXPOSE_HEADERS;
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(EXPOSE, SHOWN);
        }
    }
}
