//! Batches and imports under an idempotency key.

use serde_json::{Value, json};

use super::stub::Stub;
use super::{Got, KEY, client_of, send};

const BATCH: &str = "/api/v1/events/batch";
const IMPORT: &str = "/api/v1/events/import";

macro_rules! post {
    ($client:expr, $path:expr, $key:expr, $body:expr) => {{
        let media = if $path == BATCH { "application/json" } else { "application/x-ndjson" };
        let request = $client.post($path).header("x-api-key", KEY).content_type(media);
        send(request.header("idempotency-key", $key).body($body)).await
    }};
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
    let client = client_of(Stub::default());
    let own = json!({ "type": "a", "payload": {}, "idempotency_key": "own" });
    let body = json!({ "events": [event(1), event(1), own, { "type": "a b", "payload": {} }] });
    let body = body.to_string();
    let first = post!(client, BATCH, "k", body.clone());
    assert_eq!((first.status, first.header("idempotency-replay")), (202, ""), "{}", first.text);
    let statuses = |got: &Got| -> Vec<String> {
        let items = got.json["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["status"].as_str().unwrap_or_default().to_owned()).collect()
    };
    // Two events that say the same are two events: they stand in different places.
    assert_eq!(statuses(&first), ["accepted", "accepted", "accepted", "rejected"]);
    assert_ne!(first.json["items"][0]["id"], first.json["items"][1]["id"]);
    let again = post!(client, BATCH, "k", format!(" {body}\n"));
    assert_eq!((again.status, again.header("idempotency-replay")), (202, "true"));
    assert_eq!(again.text, first.text);
    let other = post!(client, BATCH, "k", json!({ "events": [event(2)] }).to_string());
    assert_eq!((other.status, other.code()), (409, "idempotency_conflict"));
    // Another key is another batch, and the event's own key is the event's own.
    let fresh = post!(client, BATCH, "k2", body);
    assert_eq!(statuses(&fresh), ["accepted", "accepted", "replayed", "rejected"]);
    let away = json!({ "events": [{ "type": "away", "payload": {} }] }).to_string();
    for _ in 0..2 {
        let got = post!(client, BATCH, "k3", away.clone());
        assert_eq!((got.status, got.code()), (503, "unavailable"));
    }
    let got = post!(client, BATCH, "a b", json!({ "events": [event(1)] }).to_string());
    assert_eq!((got.status, got.field()), (400, "Idempotency-Key"), "{}", got.text);
}

#[tokio::test]
async fn an_import_is_answered_once() {
    let client = client_of(Stub::default());
    let lines = |numbers: &[usize]| -> String {
        numbers.iter().map(|number| format!("{}\n", event(*number))).collect()
    };
    let body = lines(&[1, 2, 2]) + "nope\n";
    let first = post!(client, IMPORT, "k", body.clone());
    assert_eq!((first.status, counts(&first)), (200, [4, 3, 0, 1]), "{}", first.text);
    let again = post!(client, IMPORT, "k", body.clone());
    assert_eq!((again.status, again.header("idempotency-replay")), (200, "true"));
    assert_eq!(again.text, first.text);
    let longer = post!(client, IMPORT, "k", body + &lines(&[9]));
    assert_eq!((longer.status, longer.code()), (409, "idempotency_conflict"), "{}", longer.text);
    let kept = send(client.get("/api/v1/events?limit=200").header("x-api-key", KEY)).await;
    assert_eq!(kept.json["items"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn an_import_that_broke_off_goes_on_and_keeps_no_line_twice() {
    let client = client_of(Stub::default());
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
    let got = post!(client, IMPORT, "k", poem::Body::from_bytes_stream(pieces));
    assert_eq!((got.status, got.code()), (400, "bad_request"));
    let detail = got.json["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("2 events are kept"), "{detail}");
    let other = post!(client, IMPORT, "k", lines(&["a", "x", "c", "d"]));
    assert_eq!((other.status, other.code()), (409, "idempotency_conflict"), "{}", other.text);
    let detail = other.json["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("Line 2"), "{detail}");
    let got = post!(client, IMPORT, "k", whole.clone());
    // The lines behind the other one were kept by the attempt that had it; nothing is kept twice.
    assert_eq!((got.status, counts(&got)), (200, [4, 4, 0, 0]), "{}", got.text);
    let again = post!(client, IMPORT, "k", whole);
    assert_eq!((again.header("idempotency-replay"), &again.text), ("true", &got.text));
    let kept = send(client.get("/api/v1/events?limit=200").header("x-api-key", KEY)).await;
    assert_eq!(kept.json["items"].as_array().map(Vec::len), Some(4));
}
