//! What is counted, and under which names.

use std::time::Duration;

use crate::door::HttpSettings;
use metrics_exporter_prometheus::PrometheusBuilder;
use poem::http::Method;
use serde_json::json;

use super::stub::Stub;
use super::{KEY, client_of, send};

#[tokio::test]
async fn requests_are_counted_by_pattern_and_never_by_path() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // The test runs on one thread, so that the recorder of this thread sees all of it.
    let _guard = metrics::set_default_local_recorder(&recorder);
    let http = HttpSettings { request_timeout: Duration::from_millis(30), ..Default::default() };
    let client = client_of(Stub::http(http));
    let events = "/api/v1/events";
    for path in ["/secret-path", "/api/v1/secret-path", "/live"] {
        send(client.get(path)).await;
    }
    for id in 1..=3 {
        let path = format!("{events}/{}", uuid::Uuid::from_u128(id));
        send(client.get(path).header("x-api-key", KEY)).await;
    }
    send(client.get(format!("{events}/secret-path")).header("x-api-key", KEY)).await;
    for kind in ["a", "slow", "boom"] {
        let body = json!({"type": kind, "payload": {}});
        send(client.post(events).header("x-api-key", KEY).body_json(&body)).await;
    }
    send(client.delete(events).header("x-api-key", KEY)).await;
    let odd = Method::from_bytes(b"SECRET").expect("a method");
    send(client.request(odd, events).header("x-api-key", KEY)).await;

    let text = handle.render();
    assert!(!text.contains("secret") && !text.contains("SECRET"), "{text}");
    for (route, method, status, count) in [
        ("unmatched", "GET", 404, 2),
        ("/live", "GET", 200, 1),
        ("/api/v1/events/{id}", "GET", 404, 3),
        ("/api/v1/events/{id}", "GET", 400, 1),
        (events, "POST", 202, 1),
        (events, "POST", 503, 1),
        (events, "POST", 500, 1),
        (events, "DELETE", 405, 1),
        (events, "other", 405, 1),
    ] {
        let line = format!(
            "bellbuoy_http_requests_total{{route=\"{route}\",method=\"{method}\",\
             status=\"{status}\"}} {count}"
        );
        assert!(text.contains(&line), "{line} in:\n{text}");
    }
}
