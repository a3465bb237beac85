//! Pages beside the operations: the document, its reader, and our health.

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::id::sha256;
use poem::endpoint::make;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Endpoint, Request, Response, Route, get};
use runtime::app::App;
use telemetry::ops::{self, Detail};

/// Where the OpenAPI document is.
pub const DOCUMENT: &str = "/api/v1/openapi.json";
/// Its text, which is the same for as long as the process runs.
static DOCUMENT_TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(super::document()));
const DOCS: &str = "/docs";
const HEALTH: [&str; 3] = ["/live", "/ready", "/health"];

/// All of these pages.
pub const PAGES: [&str; 7] = [DOCUMENT, DOCS, SCRIPT, STYLE, HEALTH[0], HEALTH[1], HEALTH[2]];

/// Swagger UI with our settings. Its files come from here and from nowhere else.
const PAGE: &str = include_str!("status/docs/page.html");
const SCRIPT: &str = "/docs/swagger-ui-bundle.js";
const SCRIPT_PACKED: &[u8] = include_bytes!("status/docs/swagger-ui-bundle.js.gz");
const STYLE: &str = "/docs/swagger-ui.css";
const STYLE_PACKED: &[u8] = include_bytes!("status/docs/swagger-ui.css.gz");

/// The pages.
pub fn pages(app: &Arc<App>) -> Route {
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
    if !app.config.http.docs_enabled {
        return route;
    }
    let document = DOCUMENT_TEXT.clone();
    route
        .at(DOCUMENT, get(constant("application/json", document, None)))
        .at(DOCS, get(constant("text/html; charset=utf-8", PAGE.into(), Some(policy(PAGE)))))
        .at(SCRIPT, get(packed("text/javascript; charset=utf-8", SCRIPT_PACKED)))
        .at(STYLE, get(packed("text/css; charset=utf-8", STYLE_PACKED)))
}

/// A file that is packed with gzip, which every browser reads. It changes with the version of the product alone.
fn packed(media_type: &'static str, file: &'static [u8]) -> impl Endpoint<Output = Response> {
    make(move |_| async move {
        let response = Response::builder()
            .content_type(media_type)
            .header(header::CONTENT_ENCODING, "gzip")
            .header(header::CACHE_CONTROL, "public, max-age=3600")
            .body(Bytes::from_static(file));
        poem::Result::<Response>::Ok(response)
    })
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

/// Lets the page run its own script by its hash, load its files from here and call this server; nothing else. Swagger UI
/// sets styles as it goes, which no hash can name.
fn policy(page: &str) -> HeaderValue {
    let inside = page
        .split_once("<script>")
        .and_then(|(_, rest)| rest.split_once("</script>"))
        .map_or("", |(inside, _)| inside);
    let hash = STANDARD.encode(sha256(inside.as_bytes()));
    let policy = format!(
        "default-src 'none'; script-src 'self' 'sha256-{hash}'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}
