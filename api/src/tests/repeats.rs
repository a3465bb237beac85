//! Batches and imports under an idempotency key.

use poem::Body;
use serde_json::{Value, json};

use super::{Got, JSON, NDJSON, Scene, send};

const BATCH: &str = "/api/v1/events/batch";
const IMPORT: &str = "/api/v1/events/import";

async fn post(scene: &Scene, path: &str, key: &str, body: impl Into<Body>) -> Got {
    let media = if path == BATCH { JSON } else { NDJSON };
    let request = scene.post(path).content_type(media);
    send(request.header("idempotency-key", key).body(body)).await
}

fn event(number: usize) -> Value {
    json!({ "type": "a", "payload": { "n": number } })
}

fn counts(got: &Got) -> [u64; 4] {
    ["lines", "accepted", "replayed", "rejected"]
        .map(|name| got.json[name].as_u64().unwrap_or(u64::MAX))
}

#[tokio::test]
async fn a_batch_is_answered_once() {
    let scene = Scene::new().await;
    let own = json!({ "type": "a", "payload": {}, "idempotency_key": "own" });
    let body = json!({ "events": [event(1), event(1), own, { "type": "a b", "payload": {} }] });
    let body = body.to_string();
    let first = post(&scene, BATCH, "k", body.clone()).await;
    assert_eq!((first.status, first.header("idempotency-replay")), (202, ""), "{}", first.text);
    let statuses = |got: &Got| -> Vec<String> {
        let items = got.json["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["status"].as_str().unwrap_or_default().to_owned()).collect()
    };
    // Two events that say the same are two events: they stand in different places.
    assert_eq!(statuses(&first), ["accepted", "accepted", "accepted", "rejected"]);
    assert_ne!(first.json["items"][0]["id"], first.json["items"][1]["id"]);
    let again = post(&scene, BATCH, "k", format!(" {body}\n")).await;
    assert_eq!((again.status, again.header("idempotency-replay")), (202, "true"));
    assert_eq!(again.text, first.text);
    let other = post(&scene, BATCH, "k", json!({ "events": [event(2)] }).to_string()).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_conflict"));
    // Another key is another batch, and the event's own key is the event's own.
    let fresh = post(&scene, BATCH, "k2", body).await;
    assert_eq!(statuses(&fresh), ["accepted", "accepted", "replayed", "rejected"]);
    let got = post(&scene, BATCH, "a b", json!({ "events": [event(1)] }).to_string()).await;
    assert_eq!((got.status, got.field()), (400, "Idempotency-Key"), "{}", got.text);
}

#[tokio::test]
async fn a_batch_that_is_turned_away_may_come_again_under_its_key() {
    let scene = Scene::with(|config| config.limits.project_per_second = 1).await;
    let three = json!({ "events": [event(1), event(2), event(3)] }).to_string();
    // These are more than the two that the project may send at once: it has to wait for the next.
    assert_eq!(post(&scene, BATCH, "first", three.clone()).await.status, 202);
    for _ in 0..2 {
        let got = post(&scene, BATCH, "k", three.clone()).await;
        assert_eq!((got.status, got.code()), (429, "rate_limited"), "{}", got.text);
    }
    scene.lose_store().await;
    for _ in 0..2 {
        let got = post(&scene, BATCH, "k", three.clone()).await;
        assert_eq!((got.status, got.code()), (503, "unavailable"), "{}", got.text);
    }
}

#[tokio::test]
async fn an_import_is_answered_once() {
    let scene = Scene::new().await;
    let lines = |numbers: &[usize]| -> String {
        numbers.iter().map(|number| format!("{}\n", event(*number))).collect()
    };
    let body = lines(&[1, 2, 2]) + "nope\n";
    let first = post(&scene, IMPORT, "k", body.clone()).await;
    assert_eq!((first.status, counts(&first)), (200, [4, 3, 0, 1]), "{}", first.text);
    let again = post(&scene, IMPORT, "k", body.clone()).await;
    assert_eq!((again.status, again.header("idempotency-replay")), (200, "true"));
    assert_eq!(again.text, first.text);
    let longer = post(&scene, IMPORT, "k", body + &lines(&[9])).await;
    assert_eq!((longer.status, longer.code()), (409, "idempotency_conflict"), "{}", longer.text);
    let kept = send(scene.get("/api/v1/events?limit=200")).await;
    assert_eq!(kept.json["items"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn an_import_that_broke_off_goes_on_and_keeps_no_line_twice() {
    let scene = Scene::new().await;
    let lines = |kinds: &[&str]| -> String {
        let line = |kind: &&str| format!("{}\n", json!({ "type": kind, "payload": {} }));
        kinds.iter().map(line).collect()
    };
    let whole = lines(&["a", "b", "c", "d"]);
    let half = lines(&["a", "b"]);
    // The body breaks off after two lines; what has come by then is kept once nothing more comes for a moment.
    let pieces = futures_util::stream::unfold(0, move |step| {
        let half = half.clone();
        async move {
            match step {
                0 => Some((Ok(half), 1)),
                1 => {
                    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
                    Some((Err(std::io::Error::other("gone")), 2))
                }
                _ => None,
            }
        }
    });
    let got = post(&scene, IMPORT, "k", Body::from_bytes_stream(pieces)).await;
    assert_eq!((got.status, got.code()), (400, "bad_request"));
    let detail = got.json["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("2 events are kept"), "{detail}");
    let other = post(&scene, IMPORT, "k", lines(&["a", "x", "c", "d"])).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_conflict"), "{}", other.text);
    let detail = other.json["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("Line 2"), "{detail}");
    let got = post(&scene, IMPORT, "k", whole.clone()).await;
    // The lines behind the other one were kept by the attempt that had it; nothing is kept twice.
    assert_eq!((got.status, counts(&got)), (200, [4, 4, 0, 0]), "{}", got.text);
    let again = post(&scene, IMPORT, "k", whole).await;
    assert_eq!((again.header("idempotency-replay"), &again.text), ("true", &got.text));
    let kept = send(scene.get("/api/v1/events?limit=200")).await;
    assert_eq!(kept.json["items"].as_array().map(Vec::len), Some(4));
}
