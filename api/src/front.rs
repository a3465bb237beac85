//! What happens to every request, in one visible order.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::clock::Clock;
use futures_util::FutureExt;
use poem::http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use poem::http::{Method, StatusCode};
use poem::{Endpoint, PathPattern, Request, Response};
use runtime::app::App;
use telemetry::context;
use tracing::Instrument;
use tracing::field::Empty;

use crate::catalog::{Catalog, Route, is_stream};
use crate::context::RequestContext;
use crate::middleware::{Cors, Proxies, headers, request_id};
use crate::problem::{Code, Problem, translate};
use crate::routes;

/// When to come back after a timeout.
const RETRY: Duration = Duration::from_secs(1);

/// Everything around the routes.
pub struct Front<E> {
    inner: E,
    catalog: Arc<Catalog>,
    clock: Clock,
    proxies: Proxies,
    cors: Cors,
    timeout: Duration,
    hsts: bool,
}

impl<E: Endpoint<Output = Response>> Front<E> {
    /// Puts the door before `inner`.
    pub fn new(app: &App, inner: E) -> Self {
        let http = &app.config.http;
        Self {
            inner,
            catalog: Arc::new(routes::catalog()),
            clock: app.clock.clone(),
            proxies: Proxies::new(http.trusted_proxies.clone()),
            cors: Cors::new(app),
            timeout: http.request_timeout,
            hsts: http.sends_hsts(),
        }
    }

    /// Lets the request through to the routes; whatever happens there becomes an answer.
    async fn pass(&self, request: Request, context: &RequestContext) -> Response {
        let is_stream = is_stream(request.uri().path());
        // A panic of one request is that request's; nothing that it leaves behind is looked at again.
        let work = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let done = if is_stream {
            // An import takes as long as its body does, and has limits of its own.
            Ok(work.await)
        } else {
            tokio::time::timeout(self.timeout, work).await
        };
        match done {
            Ok(Ok(Ok(response))) => {
                context.note_route(response.data::<PathPattern>());
                response
            }
            Ok(Ok(Err(error))) => Self::refuse(error, context),
            Ok(Err(panic)) => {
                tracing::error!(panic = words(&*panic), "a request panicked");
                Problem::internal().response(context.id())
            }
            Err(_) => {
                let detail = "The request took too long. It may or may not have been done: send it \
                              again with the same idempotency key.";
                Problem::new(Code::Timeout, detail).after(RETRY).response(context.id())
            }
        }
    }

    fn refuse(error: poem::Error, context: &RequestContext) -> Response {
        let route = context.note_route(error.data::<PathPattern>());
        if error.is_from_response() {
            return error.into_response();
        }
        translate(error, route.map(|route| &**route), routes::words_of).response(context.id())
    }

    fn record(&self, method: &Method, status: StatusCode, context: &RequestContext, from: Instant) {
        let took = from.elapsed();
        let route: &Route = context.route().map_or(self.catalog.unmatched(), |route| route);
        route.observe(method, status, took);
        let ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        let status = status.as_u16();
        match context.principal() {
            Some(who) => tracing::info!(
                %method, route = &*route.label, status, ms, project = %who.project(), "answered"
            ),
            None if route.is_page => {
                tracing::debug!(%method, route = &*route.label, status, ms, "answered");
            }
            None => tracing::info!(%method, route = &*route.label, status, ms, "answered"),
        }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Front<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let request_id = request_id::take_or_make(request.headers(), &self.clock);
        // At the level of errors, so that no filter of logs takes the trace out of a request.
        let span = tracing::error_span!(
            "http",
            request_id = request_id.to_str().unwrap_or_default(),
            project = Empty
        );
        let parent = request.header("traceparent");
        let place = headers::value(&context::begin(&span, parent).bytes());
        let address = self.proxies.client(&request);
        let catalog = Arc::clone(&self.catalog);
        let context = Arc::new(RequestContext::new(request_id, place, address, catalog));
        let method = request.method().clone();
        let is_intake = request.uri().path().starts_with(routes::INTAKE);
        let origin = request.headers().get(ORIGIN).cloned();

        let mut response = match self.cors.preflight(&request, origin.as_ref()) {
            Some(Ok(response)) => response,
            Some(Err(problem)) => problem.response(context.id()),
            None if let Some(name) = sent_twice(&request) => {
                let detail = format!("The header {name} was sent twice; send it once.");
                Problem::new(Code::BadRequest, detail).response(context.id())
            }
            None => {
                request.set_data(Arc::clone(&context));
                self.pass(request, &context).instrument(span.clone()).await
            }
        };
        if response.status() == StatusCode::UNAUTHORIZED && is_intake {
            response.headers_mut().append(WWW_AUTHENTICATE, headers::BASIC);
        }
        headers::dress(&mut response, &context, self.hsts);
        self.cors.dress(&mut response, origin, context.project());
        span.in_scope(|| self.record(&method, response.status(), &context, started));
        Ok(response)
    }
}

/// A header that says where a request goes or what it holds, and stands there twice: somebody in front of us may have
/// read the other one.
fn sent_twice(request: &Request) -> Option<HeaderName> {
    let twice = |name: &HeaderName| request.headers().get_all(name).iter().count() > 1;
    [HOST, CONTENT_TYPE].into_iter().find(twice)
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
