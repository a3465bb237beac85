//! The operations port of every role: `/live`, `/ready`, `/health` and `/metrics`. It has no login.

mod bounded;
mod health;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use poem::http::{Method, StatusCode, header};
use poem::listener::{Acceptor, TcpAcceptor};
use poem::{Endpoint, Request, Response, Server};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use health::{Check, Health, Report, Standing};

use crate::process;
use bounded::Bounded;

/// How often histograms are emptied into their buckets when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long a scrape that is under way may go on once we stop.
const GRACE: Duration = Duration::from_secs(2);
/// Connections at once: probes and scrapers are few.
const CONNECTIONS: usize = 64;

/// Serves the operations port until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    health: Arc<Health>,
    metrics: PrometheusHandle,
    listener: TcpListener,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let acceptor = TcpAcceptor::from_tokio(listener)?;
    let addresses: Vec<String> = acceptor.local_addr().iter().map(ToString::to_string).collect();
    tracing::info!(address = addresses.join(", "), "the operations port listens");
    let upkeep = {
        let (metrics, stop) = (metrics.clone(), stop.clone());
        // Samples pile up in memory until they are sorted into buckets, and a scrape may never come.
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                metrics.run_upkeep();
            }
        }))
    };
    let acceptor = Bounded::new(acceptor, CONNECTIONS);
    let server = Server::new_with_acceptor(acceptor).idle_timeout(Duration::from_secs(75));
    let done = server
        .run_with_graceful_shutdown(endpoint(health, metrics), stop.cancelled(), Some(GRACE))
        .await;
    upkeep.abort();
    done
}

/// The operations port, without a socket.
pub fn endpoint(health: Arc<Health>, metrics: PrometheusHandle) -> impl Endpoint {
    poem::endpoint::make(move |mut request: Request| {
        let (health, metrics) = (Arc::clone(&health), metrics.clone());
        async move {
            let has_body = !request.take_body().is_empty();
            let answer = page_of(&request, &health, &metrics).await;
            // No body is read here, and a connection can't go on behind one that was not.
            poem::Result::<Response>::Ok(match has_body {
                true => with(answer, header::CONNECTION, "close"),
                false => answer,
            })
        }
    })
}

async fn page_of(request: &Request, health: &Health, metrics: &PrometheusHandle) -> Response {
    let path = request.uri().path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let words = "Only GET and HEAD are answered here.";
        let refusal = refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", words);
        return with(refusal, header::ALLOW, "GET, HEAD");
    }
    match path {
        "/metrics" => scrape(metrics),
        _ => match answer(health, path, Detail::Full).await {
            Some(answer) => answer,
            None => refusal(StatusCode::NOT_FOUND, "route_not_found", "no such page"),
        },
    }
}

/// How much an answer about our health tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All that we know, for those who operate us.
    Full,
    /// No places and no words of errors, which name hosts and users: anybody may read this.
    Public,
}

/// Answers `/live`, `/ready` and `/health`; `None` for any other path.
pub async fn answer(health: &Health, path: &str, detail: Detail) -> Option<Response> {
    match path {
        "/live" => Some(page(StatusCode::OK, &json!({"status": "live"}))),
        "/ready" => Some(ready(health).await),
        "/health" => Some(full(&*health.report().await, detail)),
        _ => None,
    }
}

async fn ready(health: &Health) -> Response {
    if health.is_draining() {
        return away("draining", "This process is stopping and takes nothing new.");
    }
    let report = health.report().await;
    let missing: Vec<&str> = report.missing().collect();
    if missing.is_empty() {
        return page(StatusCode::OK, &json!({"status": "ready"}));
    }
    away("not_ready", &format!("Not ready: {}.", missing.join(", ")))
}

fn full(report: &Report, detail: Detail) -> Response {
    let is_well = report.missing().next().is_none();
    let checks: serde_json::Map<_, _> = report
        .standings
        .iter()
        .map(|one| {
            let mut value = json!({
                "ok": one.error.is_none(),
                "needed": one.needed,
                "latency_ms": (one.latency.as_secs_f64() * 1e6).round() / 1e3,
            });
            if let (Detail::Full, Some(place)) = (detail, &one.place) {
                value["at"] = json!(place);
            }
            if let (Detail::Full, Some((at, words))) = (detail, &one.last_error) {
                value["last_error"] = json!({"at": at.rfc3339(), "message": words});
            }
            (one.name.to_owned(), value)
        })
        .collect();
    let (status, word) = match (is_well, report.draining) {
        (_, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
        (true, _) => (StatusCode::OK, "ok"),
    };
    page(status, &json!({"status": word, "checks": checks}))
}

fn scrape(metrics: &PrometheusHandle) -> Response {
    process::refresh();
    let answer = Response::builder()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(metrics.render());
    with(answer, header::CACHE_CONTROL, "no-store")
}

fn away(code: &str, detail: &str) -> Response {
    with(refusal(StatusCode::SERVICE_UNAVAILABLE, code, detail), header::RETRY_AFTER, "1")
}

fn refusal(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({
        "type": format!("urn:bellbuoy:problem:{code}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    page(status, &body).set_content_type("application/problem+json")
}

fn page(status: StatusCode, body: &serde_json::Value) -> Response {
    let answer =
        Response::builder().status(status).content_type("application/json").body(body.to_string());
    with(answer, header::CACHE_CONTROL, "no-store")
}

fn with(mut answer: Response, name: header::HeaderName, value: &'static str) -> Response {
    answer.headers_mut().insert(name, header::HeaderValue::from_static(value));
    answer
}

#[cfg(test)]
mod tests;
