//! What is counted, and under which names.

use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use metrics_exporter_prometheus::PrometheusBuilder;
use poem::Body;
use poem::http::Method;

use super::{EVENTS, JSON, Scene, send};

#[tokio::test]
async fn requests_are_counted_by_pattern_and_never_by_path() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // The test runs on one thread, so that the recorder of this thread sees all of it.
    let _guard = metrics::set_default_local_recorder(&recorder);
    let scene = Scene::with(|config| config.http.request_timeout = Duration::from_secs(1)).await;
    let client = &scene.client;
    let events = EVENTS;
    for path in ["/secret-path", "/api/v1/secret-path", "/live"] {
        send(client.get(path)).await;
    }
    for id in 1..=3 {
        let path = format!("{events}/{}", uuid::Uuid::from_u128(id));
        send(scene.get(path)).await;
    }
    send(scene.get(format!("{events}/secret-path"))).await;
    type Piece = std::io::Result<Bytes>;
    let slow = Body::from_bytes_stream(stream::pending::<Piece>());
    let boom = Body::from_bytes_stream(stream::poll_fn(|_| -> Poll<Option<Piece>> {
        panic!("this request is meant to panic")
    }));
    for body in [r#"{"type":"a","payload":{}}"#.into(), slow, boom] {
        scene.write(events, JSON, body).await;
    }
    let key = scene.callers.key.as_str();
    send(client.delete(events).header("x-api-key", key)).await;
    let odd = Method::from_bytes(b"SECRET").expect("a method");
    send(client.request(odd, events).header("x-api-key", key)).await;

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
