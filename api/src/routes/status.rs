//! Pages beside the operations: the document, its reader, and our health.

use std::sync::Arc;

use crate::door::Api;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::id::sha256;
use poem::endpoint::make;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Endpoint, Request, Response, Route, get};
use telemetry::ops::{self, Detail};

/// Where the OpenAPI document is.
pub const DOCUMENT: &str = "/api/v1/openapi.json";
const DOCS: &str = "/docs";
const HEALTH: [&str; 3] = ["/live", "/ready", "/health"];

/// All of these pages.
pub const PAGES: [&str; 5] = [DOCUMENT, DOCS, HEALTH[0], HEALTH[1], HEALTH[2]];

/// A page of our own: what poem-openapi embeds weighs 1.6 to 3.1 MB and wants its scripts unchecked.
const PAGE: &str = include_str!("status/docs.html");

/// The pages.
pub fn pages(app: &Arc<Api>) -> Route {
    let route = HEALTH.iter().fold(Route::new(), |route, path| {
        let app = Arc::clone(app);
        // Anybody can ask on this port, so that errors are not told in words.
        let answer = make(move |request: Request| {
            let app = Arc::clone(&app);
            async move {
                let path = request.uri().path();
                let answer = ops::answer(&app.health, path, Detail::Public).await;
                answer.ok_or(poem::error::NotFoundError)
            }
        });
        route.at(path, get(answer))
    });
    if !app.http.docs_enabled {
        return route;
    }
    let document = Bytes::from(super::document());
    route
        .at(DOCUMENT, get(constant("application/json", document, None)))
        .at(DOCS, get(constant("text/html; charset=utf-8", PAGE.into(), Some(policy(PAGE)))))
}

fn constant(
    media_type: &'static str,
    body: Bytes,
    policy: Option<HeaderValue>,
) -> impl Endpoint<Output = Response> {
    make(move |_| {
        let mut response = Response::builder()
            .status(StatusCode::OK)
            .content_type(media_type)
            .header(header::CACHE_CONTROL, "no-cache")
            .body(body.clone());
        if let Some(policy) = policy.clone() {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        async move { poem::Result::<Response>::Ok(response) }
    })
}

/// Lets the page run its own script and style, by their hashes, and call this server; nothing else.
fn policy(page: &str) -> HeaderValue {
    let hash = |tag: &str| {
        let inside = page
            .split_once(&format!("<{tag}>"))
            .and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")))
            .map_or("", |(inside, _)| inside);
        format!("'sha256-{}'", STANDARD.encode(sha256(inside.as_bytes())))
    };
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    );
    HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}
