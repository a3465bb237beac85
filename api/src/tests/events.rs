//! Events, from the outside.

use crate::door::AcceptSettings;
use serde_json::{Value, json};

use super::stub::Stub;
use super::{Got, KEY, client, client_of, send};

const EVENTS: &str = "/api/v1/events";
const JSON: &str = "application/json";

macro_rules! post {
    ($client:expr, $path:expr, $type:expr, $body:expr) => {
        send($client.post($path).header("x-api-key", KEY).content_type($type).body($body)).await
    };
}

macro_rules! get {
    ($client:expr, $path:expr, $key:expr) => {
        send($client.get($path).header("x-api-key", $key)).await
    };
}

fn id(got: &Got) -> &str {
    got.json["id"].as_str().expect("an id")
}

#[tokio::test]
async fn a_payload_comes_back_byte_for_byte() {
    let client = client();
    let payload = r#"{"z":1.0E+2 , "a":[ 0.10, -0 ],"y":"\u00e4\/","n":12345678901234567890}"#;
    let body = format!(r#"{{"payload":{payload},"type":"order.paid"}}"#);
    let got = post!(client, EVENTS, JSON, body);
    assert_eq!(got.status, 202, "{}", got.text);
    assert_eq!(got.header("location"), format!("{EVENTS}/{}", id(&got)));
    assert_eq!(got.json["status_url"], got.header("location"));
    assert_eq!(got.header("idempotency-replay"), "");
    let seen = get!(client, got.header("location"), KEY);
    assert!(seen.text.contains(&format!("\"payload\":{payload},")), "{}", seen.text);
    assert_eq!(seen.json["status"], "processed");
    assert_eq!(seen.json["counts"], json!({"rules": 3, "matched": 1, "suppressed": 1}));
    let foreign = get!(client, got.header("location"), "other");
    assert_eq!((foreign.status, foreign.code()), (404, "not_found"));
    let trace = get!(client, format!("{}/trace", got.header("location")), KEY);
    assert_eq!(trace.json["rules"][0]["result"], "matched");
    assert!(trace.text.contains(r#"{"name":"payload.total","value":129.90}"#), "{}", trace.text);
}

#[tokio::test]
async fn the_same_again_is_the_same_answer() {
    let client = client();
    let body = r#"{"type":"a","payload":{}}"#;
    let first = client.post(EVENTS).header("x-api-key", KEY).header("idempotency-key", "k");
    let first = send(first.content_type(JSON).body(body)).await;
    let again = client.post(EVENTS).header("x-api-key", KEY).header("idempotency-key", "k");
    let again = send(again.content_type(JSON).body(format!(" {body}\n"))).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.text, again.text);
    assert_eq!(again.header("idempotency-replay"), "true");
    let other = r#"{"type":"a","payload":{},"idempotency_key":"k"}"#;
    let other = post!(client, EVENTS, JSON, other);
    assert_eq!((other.status, other.code()), (409, "idempotency_conflict"));
}

#[tokio::test]
async fn each_event_of_a_batch_has_its_own_result() {
    let client = client();
    let body = r#"{"events":[
        {"type":"a","payload":{},"idempotency_key":"k"},
        {"type":"a b","payload":[]},
        {"type":"a","payload":{},"idempotency_key":"k"},
        7,
        {"type":"away","payload":{}},
        {"type":"a","payload":{},"x":1}
    ]}"#;
    let got = post!(client, format!("{EVENTS}/batch"), JSON, body);
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
            "rejected unavailable ",
            "rejected invalid_request x",
        ]
    );
    assert_eq!(items[0]["id"], items[2]["id"]);
}

#[tokio::test]
async fn a_batch_has_a_size_and_can_be_turned_away_as_a_whole() {
    let accept = AcceptSettings { max_batch: 2, ..Default::default() };
    let client = client_of(Stub { accept, ..Default::default() });
    let batch = format!("{EVENTS}/batch");
    for (body, status, code, field) in [
        (r#"{"events":[]}"#.to_owned(), 400, "invalid_request", "events"),
        (r#"{"events":[1,2,3]}"#.to_owned(), 400, "invalid_request", "events"),
        (r#"{"events":7}"#.to_owned(), 400, "invalid_request", "events"),
        (r#"{}"#.to_owned(), 400, "invalid_request", "events"),
        (r#"{"events":[],"x":1}"#.to_owned(), 400, "invalid_request", "x"),
        (r#"{"events":[{"type":"away","payload":{}}]}"#.to_owned(), 503, "unavailable", ""),
        (r#"{"events":[{"type":"limit","payload":{}}]}"#.to_owned(), 429, "rate_limited", ""),
    ] {
        let got = post!(client, &batch, JSON, body.clone());
        assert_eq!((got.status, got.code(), got.field()), (status, code, field), "{body}");
    }
}

#[tokio::test]
async fn lines_are_imported() {
    let accept = AcceptSettings { max_batch: 3, max_payload: 1000 };
    let client = client_of(Stub { accept, ..Default::default() });
    let import = format!("{EVENTS}/import");
    let mut text = String::new();
    for number in 1..=10 {
        text += &format!("{{\"type\":\"a\",\"payload\":{{\"n\":{number}}}}}\r\n");
    }
    text += "\n{\"type\":\"a b\",\"payload\":{}}\nnope\n";
    text += &format!("{}\n", "x".repeat(100_000));
    text += "{\"type\":\"a\",\"payload\":{},\"idempotency_key\":\"k\"}\n";
    text += "{\"type\":\"a\",\"payload\":{},\"idempotency_key\":\"k\"}";
    let pieces: Vec<_> = text.as_bytes().chunks(11).map(<[u8]>::to_vec).collect();
    let pieces = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let got = post!(client, &import, "application/x-ndjson", poem::Body::from_bytes_stream(pieces));
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
    let got = post!(client, &import, JSON, "{}");
    assert_eq!((got.status, got.code()), (415, "unsupported_media_type"));
}

#[tokio::test]
async fn lines_that_are_wrong_are_told_with_one_place() {
    let accept = AcceptSettings { max_payload: 1000, ..Default::default() };
    let client = client_of(Stub { accept, ..Default::default() });
    let good = "{\"type\":\"a\",\"payload\":{}}";
    let text = format!("\u{feff}{good}\n{good}\n\nnope\n{{\"type\":\n{}\n", "x".repeat(100_000));
    let got = post!(client, format!("{EVENTS}/import"), "application/x-ndjson", text);
    assert_eq!((got.json["accepted"].as_u64(), got.json["rejected"].as_u64()), (Some(2), Some(3)));
    let told: Vec<String> = got.json["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|one| format!("{} {}", one["line"], one["detail"].as_str().unwrap_or_default()))
        .collect();
    assert!(told[0].starts_with("4 ") && told[0].ends_with("at column 2."), "{told:?}");
    assert!(told[1].starts_with("5 ") && told[1].ends_with("at column 8."), "{told:?}");
    assert_eq!(told[2], "6 The line has more than 17384 bytes.");
    assert!(!told.concat().contains("at line"), "{told:?}");
}

#[tokio::test]
async fn an_import_that_breaks_off_says_what_is_kept() {
    let accept = AcceptSettings { max_batch: 2, ..Default::default() };
    let client = client_of(Stub { accept, ..Default::default() });
    let good = "{\"type\":\"a\",\"payload\":{}}\n";
    let away = "{\"type\":\"away\",\"payload\":{}}\n";
    let text = [good, good, away, away, good].concat();
    let got = post!(client, format!("{EVENTS}/import"), "application/x-ndjson", text);
    assert_eq!((got.status, got.code()), (503, "unavailable"));
    assert!(got.json["detail"].as_str().unwrap_or_default().contains("2 events are kept"));
}

#[tokio::test]
async fn only_the_first_errors_are_told() {
    let text = "nope\n".repeat(250);
    let got = post!(client(), format!("{EVENTS}/import"), "application/x-ndjson", text);
    assert_eq!((got.json["rejected"].as_u64(), got.status), (Some(250), 200));
    assert_eq!(got.json["errors"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let client = client();
    for number in 0..5 {
        let kind = if number % 2 == 0 { "even" } else { "odd" };
        let body = json!({"type": kind, "payload": {"n": number}}).to_string();
        assert_eq!(post!(client, EVENTS, JSON, body).status, 202);
    }
    let numbers = |got: &Got| -> Vec<u64> {
        let items = got.json["items"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|item: &Value| item["payload"]["n"].as_u64()).collect()
    };
    let first = get!(client, format!("{EVENTS}?limit=2"), KEY);
    assert_eq!(numbers(&first), [4, 3]);
    let cursor = first.json["next_cursor"].as_str().expect("more");
    let second = get!(client, format!("{EVENTS}?limit=2&cursor={cursor}"), KEY);
    assert_eq!(numbers(&second), [2, 1]);
    let cursor = second.json["next_cursor"].as_str().expect("more");
    let last = get!(client, format!("{EVENTS}?limit=2&cursor={cursor}"), KEY);
    assert_eq!((numbers(&last), last.json.get("next_cursor")), (vec![0], None));
    for path in [format!("{EVENTS}?cursor={cursor}&type=odd"), format!("{EVENTS}?cursor={cursor}x")]
    {
        let got = get!(client, path, KEY);
        assert_eq!((got.status, got.field()), (400, "cursor"));
    }
    let foreign = get!(client, format!("{EVENTS}?cursor={cursor}"), "other");
    assert_eq!((foreign.status, foreign.field()), (400, "cursor"));
    assert_eq!(numbers(&get!(client, format!("{EVENTS}?type=odd"), KEY)), [3, 1]);
    assert_eq!(numbers(&get!(client, EVENTS, "other")), [0_u64; 0]);
}
