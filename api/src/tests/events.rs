//! Events, from the outside.

use std::sync::Arc;

use config::ByteSize;
use futures_util::{StreamExt, stream};
use poem::Body;
use serde_json::{Value, json};

use super::{EVENTS, Got, JSON, NDJSON, Scene, scene, send};

const IMPORT: &str = "/api/v1/events/import";
const BATCH: &str = "/api/v1/events/batch";

fn id(got: &Got) -> &str {
    got.json["id"].as_str().expect("an id")
}

#[tokio::test]
async fn a_payload_comes_back_byte_for_byte() {
    let scene = Scene::new().await;
    let payload = r#"{"z":1.0E+2 , "a":[ 0.10, -0 ],"y":"\u00e4\/","n":12345678901234567890}"#;
    let body = format!(r#"{{"payload":{payload},"type":"order.paid"}}"#);
    let got = scene.write(EVENTS, JSON, body).await;
    assert_eq!(got.status, 202, "{}", got.text);
    assert_eq!(got.header("location"), format!("{EVENTS}/{}", id(&got)));
    assert_eq!(got.json["status_url"], got.header("location"));
    assert_eq!(got.header("idempotency-replay"), "");
    let seen = send(scene.get(got.header("location"))).await;
    assert!(seen.text.contains(&format!("\"payload\":{payload},")), "{}", seen.text);
    assert_eq!(seen.json["status"], "accepted");
    assert_eq!(seen.json["counts"], json!({"rules": 0, "matched": 0, "suppressed": 0}));
    assert_eq!(seen.json["key_id"], json!(scene.callers.key_id.0));
    let foreign = scene.read(got.header("location"), &scene.callers.other).await;
    assert_eq!((foreign.status, foreign.code()), (404, "not_found"));
    let trace = send(scene.get(format!("{}/trace", got.header("location")))).await;
    assert_eq!((trace.status, &trace.json["event"]), (200, &seen.json), "{}", trace.text);
    assert_eq!(trace.json["received"]["key_id"], seen.json["key_id"]);
    assert_eq!((&trace.json["rules"], trace.json.get("evaluation")), (&json!([]), None));
}

#[tokio::test]
async fn the_same_again_is_the_same_answer() {
    let scene = Scene::new().await;
    let body = r#"{"type":"a","payload":{}}"#;
    let first = scene.post(EVENTS).header("idempotency-key", "k");
    let first = send(first.content_type(JSON).body(body)).await;
    let again = scene.post(EVENTS).header("idempotency-key", "k");
    let again = send(again.content_type(JSON).body(format!(" {body}\n"))).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.text, again.text);
    assert_eq!(again.header("idempotency-replay"), "true");
    let other = r#"{"type":"a","payload":{},"idempotency_key":"k"}"#;
    let other = scene.write(EVENTS, JSON, other).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_conflict"));
}

#[tokio::test]
async fn each_event_of_a_batch_has_its_own_result() {
    let scene = Scene::new().await;
    scene.refuse_events_of("odd").await;
    let body = r#"{"events":[
        {"type":"a","payload":{},"idempotency_key":"k"},
        {"type":"a b","payload":[]},
        {"type":"a","payload":{},"idempotency_key":"k"},
        7,
        {"type":"odd","payload":{}},
        {"type":"a","payload":{},"x":1}
    ]}"#;
    let got = scene.write(BATCH, JSON, body).await;
    assert!(!got.text.contains(scene::WORDS), "{}", got.text);
    assert_eq!(got.status, 202, "{}", got.text);
    let items = got.json["items"].as_array().expect("items");
    let words: Vec<_> = items
        .iter()
        .map(|item| {
            let fields: Vec<_> = item["errors"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|error| error["field"].as_str().unwrap_or_default())
                .collect();
            let code = item["code"].as_str().unwrap_or("-");
            format!("{} {code} {}", item["status"].as_str().unwrap_or_default(), fields.join(","))
        })
        .collect();
    assert_eq!(
        words,
        [
            "accepted - ",
            "rejected invalid_request type,payload",
            "replayed - ",
            "rejected invalid_request ",
            "rejected invalid_request ",
            "rejected invalid_request x",
        ]
    );
    assert_eq!(items[0]["id"], items[2]["id"]);
}

#[tokio::test]
async fn a_batch_has_a_size_and_can_be_turned_away_as_a_whole() {
    let scene = Scene::with(|config| config.accept.max_batch = 2).await;
    for (body, status, code, field) in [
        (r#"{"events":[]}"#.to_owned(), 400, "invalid_request", "events"),
        (r#"{"events":[1,2,3]}"#.to_owned(), 400, "invalid_request", "events"),
        (r#"{"events":7}"#.to_owned(), 400, "invalid_request", "events"),
        (r#"{}"#.to_owned(), 400, "invalid_request", "events"),
        (r#"{"events":[],"x":1}"#.to_owned(), 400, "invalid_request", "x"),
    ] {
        let got = scene.write(BATCH, JSON, body.clone()).await;
        assert_eq!((got.status, got.code(), got.field()), (status, code, field), "{body}");
    }
    let good = r#"{"events":[{"type":"a","payload":{}},{"type":"a","payload":{}}]}"#;
    let mut refused = None;
    for _ in 0..10 {
        let post = scene.client.post(BATCH).header("x-api-key", &scene.callers.metered);
        let got = send(post.content_type(JSON).body(good)).await;
        if got.status != 202 {
            refused = Some((got.status, got.code().to_owned(), got.field().to_owned()));
            break;
        }
    }
    assert_eq!(refused, Some((429, "rate_limited".to_owned(), String::new())));
    scene.lose_store().await;
    let got = scene.write(BATCH, JSON, good).await;
    assert_eq!((got.status, got.code(), got.field()), (503, "unavailable", ""), "{}", got.text);
}

#[tokio::test]
async fn lines_are_imported() {
    let scene = Scene::with(|config| {
        config.accept.max_batch = 3;
        config.accept.max_payload = ByteSize::kib(1);
    })
    .await;
    let mut text = String::new();
    for number in 1..=10 {
        text += &format!("{{\"type\":\"a\",\"payload\":{{\"n\":{number}}}}}\r\n");
    }
    text += "\n{\"type\":\"a b\",\"payload\":{}}\nnope\n";
    text += &format!("{}\n", "x".repeat(100_000));
    text += "{\"type\":\"a\",\"payload\":{},\"idempotency_key\":\"k\"}\n";
    text += "{\"type\":\"a\",\"payload\":{},\"idempotency_key\":\"k\"}";
    let pieces: Vec<_> = text.as_bytes().chunks(11).map(<[u8]>::to_vec).collect();
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let got = scene.write(IMPORT, NDJSON, Body::from_bytes_stream(pieces)).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let counts = ["lines", "accepted", "replayed", "rejected"].map(|name| got.json[name].as_u64());
    assert_eq!(counts, [15, 11, 1, 3].map(Some), "{}", got.text);
    let errors: Vec<_> = got.json["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| format!("{} {}", error["line"], error["code"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(errors, ["12 invalid_request", "13 malformed_json", "14 payload_too_large"]);
    let got = scene.write(IMPORT, JSON, "{}").await;
    assert_eq!((got.status, got.code()), (415, "unsupported_media_type"));
}

#[tokio::test]
async fn lines_that_are_wrong_are_told_with_one_place() {
    let scene = Scene::with(|config| config.accept.max_payload = ByteSize::kib(1)).await;
    let good = "{\"type\":\"a\",\"payload\":{}}";
    let text = format!("\u{feff}{good}\n{good}\n\nnope\n{{\"type\":\n{}\n", "x".repeat(100_000));
    let got = scene.write(IMPORT, NDJSON, text).await;
    assert_eq!((got.json["accepted"].as_u64(), got.json["rejected"].as_u64()), (Some(2), Some(3)));
    let told: Vec<String> = got.json["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|one| format!("{} {}", one["line"], one["detail"].as_str().unwrap_or_default()))
        .collect();
    assert!(told[0].starts_with("4 ") && told[0].ends_with("at column 2."), "{told:?}");
    assert!(told[1].starts_with("5 ") && told[1].ends_with("at column 8."), "{told:?}");
    assert_eq!(told[2], "6 The line has more than 17408 bytes.");
    assert!(!told.concat().contains("at line"), "{told:?}");
}

#[tokio::test]
async fn an_import_that_breaks_off_says_what_is_kept() {
    let scene = Scene::with(|config| config.accept.max_batch = 2).await;
    let good = "{\"type\":\"a\",\"payload\":{}}\n";
    // Two lines are a chunk. When the next two come, the store is away.
    let app = Arc::clone(&scene.app);
    let rest = async move {
        app.store.close().await;
        Ok([good, good, good].concat())
    };
    let first = stream::iter([Ok::<_, std::io::Error>([good, good].concat())]);
    let body = Body::from_bytes_stream(first.chain(stream::once(rest)));
    let got = scene.write(IMPORT, NDJSON, body).await;
    assert_eq!((got.status, got.code()), (503, "unavailable"));
    assert!(got.detail().contains("2 events are kept"), "{}", got.detail());
}

#[tokio::test]
async fn only_the_first_errors_are_told() {
    let text = "nope\n".repeat(250);
    let got = Scene::new().await.write(IMPORT, NDJSON, text).await;
    assert_eq!((got.json["rejected"].as_u64(), got.status), (Some(250), 200));
    assert_eq!(got.json["errors"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let scene = Scene::new().await;
    for number in 0..5 {
        let kind = if number % 2 == 0 { "even" } else { "odd" };
        let body = json!({"type": kind, "payload": {"n": number}}).to_string();
        assert_eq!(scene.write(EVENTS, JSON, body).await.status, 202);
    }
    let numbers = |got: &Got| -> Vec<u64> {
        let items = got.json["items"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|item: &Value| item["payload"]["n"].as_u64()).collect()
    };
    let first = send(scene.get(format!("{EVENTS}?limit=2"))).await;
    assert_eq!(numbers(&first), [4, 3]);
    let cursor = first.json["next_cursor"].as_str().expect("more");
    let second = send(scene.get(format!("{EVENTS}?limit=2&cursor={cursor}"))).await;
    assert_eq!(numbers(&second), [2, 1]);
    let cursor = second.json["next_cursor"].as_str().expect("more");
    let last = send(scene.get(format!("{EVENTS}?limit=2&cursor={cursor}"))).await;
    assert_eq!((numbers(&last), last.json.get("next_cursor")), (vec![0], None));
    for path in [format!("{EVENTS}?cursor={cursor}&type=odd"), format!("{EVENTS}?cursor={cursor}x")]
    {
        let got = send(scene.get(path)).await;
        assert_eq!((got.status, got.field()), (400, "cursor"));
    }
    let foreign = scene.read(format!("{EVENTS}?cursor={cursor}"), &scene.callers.other).await;
    assert_eq!((foreign.status, foreign.field()), (400, "cursor"));
    assert_eq!(numbers(&send(scene.get(format!("{EVENTS}?type=odd"))).await), [3, 1]);
    assert_eq!(numbers(&scene.read(EVENTS, &scene.callers.other).await), [0_u64; 0]);
}
