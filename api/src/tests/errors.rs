//! Every kind of error: its status, its code and its field.

use std::time::Duration;

use crate::door::HttpSettings;
use poem::Body;
use poem::http::Method;
use serde_json::json;

use super::stub::Stub;
use super::{KEY, client, client_of, send};
use crate::problem::Code;

const EVENTS: &str = "/api/v1/events";
const GOOD: &str = r#"{"type":"a","payload":{}}"#;

fn id(number: u128) -> String {
    format!("{EVENTS}/{}", uuid::Uuid::from_u128(number))
}

#[tokio::test]
async fn reading() {
    let client = client();
    for (method, path, key, status, code, field) in [
        ("GET", "/nope".to_owned(), KEY, 404, "route_not_found", ""),
        ("GET", "/api/v1/nope".to_owned(), KEY, 404, "route_not_found", ""),
        ("GET", "/api/v1/events/%ff".to_owned(), KEY, 400, "invalid_parameter", "id"),
        ("DELETE", EVENTS.to_owned(), KEY, 405, "method_not_allowed", ""),
        ("OPTIONS", EVENTS.to_owned(), KEY, 405, "method_not_allowed", ""),
        ("POST", "/live".to_owned(), KEY, 405, "method_not_allowed", ""),
        ("GET", EVENTS.to_owned(), "", 401, "unauthenticated", ""),
        ("GET", EVENTS.to_owned(), "bad", 401, "invalid_key", ""),
        ("GET", EVENTS.to_owned(), "expired", 401, "expired_key", ""),
        ("GET", EVENTS.to_owned(), "suspended", 403, "project_suspended", ""),
        ("GET", EVENTS.to_owned(), "away", 503, "unavailable", ""),
        ("GET", EVENTS.to_owned(), "flood", 429, "rate_limited", ""),
        ("POST", EVENTS.to_owned(), "reader", 403, "missing_scope", ""),
        ("GET", id(1), KEY, 404, "not_found", ""),
        ("GET", format!("{}/trace", id(1)), KEY, 404, "not_found", ""),
        ("GET", id(503), KEY, 503, "unavailable", ""),
        ("GET", id(500), KEY, 500, "internal", ""),
        ("GET", format!("{EVENTS}/x"), KEY, 400, "invalid_parameter", "id"),
        ("GET", format!("{EVENTS}/x/trace"), KEY, 400, "invalid_parameter", "id"),
        ("GET", format!("{EVENTS}?limit=0"), KEY, 400, "invalid_parameter", "limit"),
        ("GET", format!("{EVENTS}?limit=201"), KEY, 400, "invalid_parameter", "limit"),
        ("GET", format!("{EVENTS}?limit=x"), KEY, 400, "invalid_parameter", "limit"),
        ("GET", format!("{EVENTS}?limit=5&limit=6"), KEY, 400, "invalid_parameter", "limit"),
        ("GET", format!("{EVENTS}?limt=5"), KEY, 400, "invalid_parameter", "limt"),
        ("GET", format!("{EVENTS}?cursor=AAAA"), KEY, 400, "invalid_parameter", "cursor"),
        ("GET", format!("{EVENTS}?from=today"), KEY, 400, "invalid_parameter", "from"),
        (
            "GET",
            format!("{EVENTS}?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"),
            KEY,
            400,
            "invalid_parameter",
            "to",
        ),
        ("GET", format!("{EVENTS}?type=a%20b"), KEY, 400, "invalid_parameter", "type"),
    ] {
        let method: Method = method.parse().expect("a method");
        let mut request = client.request(method.clone(), path.as_str());
        if !key.is_empty() {
            request = request.header("x-api-key", key);
        }
        let got = send(request).await;
        let what = format!("{method} {path} {key}: {}", got.text);
        assert_eq!((got.status, got.code(), got.field()), (status, code, field), "{what}");
        assert_eq!(got.header("content-type"), "application/problem+json", "{what}");
        assert_eq!(got.json["type"], format!("urn:bellbuoy:problem:{code}"), "{what}");
        assert_eq!(got.json["status"], status, "{what}");
        assert_eq!(got.json["request_id"], got.header("x-request-id"), "{what}");
        assert_eq!(got.header("www-authenticate").is_empty(), status != 401, "{what}");
        assert!(!got.text.contains("secret words"), "{what}");
        if matches!(status, 429 | 503) {
            assert!(got.header("retry-after").parse::<u64>().is_ok(), "{what}");
        }
    }
    let got = send(client.delete(EVENTS).header("x-api-key", KEY)).await;
    assert_eq!(got.header("allow"), "GET, HEAD, POST");
    let got = send(client.post(EVENTS).header("x-api-key", "reader")).await;
    assert_eq!(
        got.json["detail"],
        "This API key lacks the scope events:write; create one that has it."
    );
}

#[tokio::test]
async fn bodies() {
    let client = client();
    let json = "application/json";
    for (media_type, body, status, code, field) in [
        (json, "", 400, "malformed_json", ""),
        (json, "{", 400, "malformed_json", ""),
        (json, "{\"type\":\"a\",\"payload\":{}} x", 400, "malformed_json", ""),
        (json, "{\"type\":\"a\",\"payload\":{,}}", 400, "malformed_json", ""),
        (json, "{}", 400, "invalid_request", "type"),
        (json, "[]", 400, "invalid_request", ""),
        (json, r#"["a",{},null,null,null,null]"#, 400, "invalid_request", ""),
        (json, r#"{"type":"a"}"#, 400, "invalid_request", "payload"),
        (json, r#"{"type":1,"payload":{}}"#, 400, "invalid_request", "type"),
        (json, r#"{"type":"a","payload":{},"x":1}"#, 400, "invalid_request", "x"),
        (json, r#"{"type":"a","type":"b","payload":{}}"#, 400, "invalid_request", "type"),
        (json, r#"{"type":"a","payload":{"a":1e999}}"#, 400, "invalid_request", "payload"),
        (json, r#"{"type":"a","payload":{"a":"\u0000"}}"#, 400, "invalid_request", "payload"),
        (
            json,
            r#"{"type":"a","payload":{"b":{"a":1,"a":2}}}"#,
            400,
            "invalid_request",
            "payload.b",
        ),
        (json, r#"{"type":"schema","payload":{}}"#, 400, "invalid_request", "payload.a"),
        (json, r#"{"type":"boom","payload":{}}"#, 500, "internal", ""),
        (json, r#"{"type":"away","payload":{}}"#, 503, "unavailable", ""),
        (json, r#"{"type":"limit","payload":{}}"#, 429, "rate_limited", ""),
        ("", GOOD, 415, "unsupported_media_type", ""),
        ("text/plain", GOOD, 415, "unsupported_media_type", ""),
        ("application/json; charset=latin1", GOOD, 415, "unsupported_media_type", ""),
        ("application/problem+json", GOOD, 415, "unsupported_media_type", ""),
        ("APPLICATION/JSON;Charset=\"UTF-8\"", GOOD, 202, "", ""),
        ("application/json; charset=utf-8; x=y", GOOD, 202, "", ""),
    ] {
        let mut request = client.post(EVENTS).header("x-api-key", KEY).body(body);
        if !media_type.is_empty() {
            request = request.content_type(media_type);
        }
        let got = send(request).await;
        let what = format!("{media_type} {body}: {}", got.text);
        assert_eq!((got.status, got.code(), got.field()), (status, code, field), "{what}");
        assert!(!got.text.contains("boom"), "{what}");
    }
    let request = client.post(EVENTS).header("x-api-key", KEY).content_type(json);
    let got = send(request.body(b"{\"type\":\"a\",\"payload\":{\"a\":\"\xff\"}}".to_vec())).await;
    assert_eq!((got.status, got.code()), (400, "malformed_json"));
}

#[tokio::test]
async fn what_is_packed_is_not_read() {
    let client = client();
    for (encodings, status) in [
        (&["gzip"][..], 415),
        (&["deflate"], 415),
        (&["identity, br"], 415),
        (&["identity", "gzip"], 415),
        (&["Identity"], 202),
        (&[""], 202),
    ] {
        let mut request = client.post(EVENTS).header("x-api-key", KEY);
        for encoding in encodings {
            request = request.header("content-encoding", *encoding);
        }
        let got = send(request.content_type("application/json").body(GOOD)).await;
        assert_eq!(got.status, status, "{encodings:?}: {}", got.text);
        if status == 415 {
            assert_eq!(got.code(), "unsupported_media_type");
            assert_eq!(got.header("accept-encoding"), "identity");
            let detail = got.json["detail"].as_str().unwrap_or_default();
            assert!(detail.contains("Content-Encoding"), "{detail}");
        }
    }
}

#[tokio::test]
async fn strangers_send_little_and_all_together_no_more_than_fits() {
    let large =
        |kib: usize| format!(r#"{{"type":"a","payload":{{"a":"{}"}}}}"#, "x".repeat(kib << 10));
    let client = client();
    let post = |path: &str| client.post(path).content_type("application/json");
    let got = send(post("/api/v1/auth/refresh").body(large(17))).await;
    assert_eq!((got.status, got.code()), (413, "payload_too_large"), "{}", got.text);
    assert!(got.json["detail"].as_str().unwrap_or_default().contains("16384"), "{}", got.text);
    let pieces = [large(9), large(9)].map(Ok::<_, std::io::Error>);
    let pieces = futures_util::stream::iter(pieces);
    let got = send(post("/api/v1/auth/refresh").body(Body::from_bytes_stream(pieces))).await;
    assert_eq!((got.status, got.code()), (413, "payload_too_large"), "{}", got.text);
    // Whoever needs a key is told so, however much they send.
    let got = send(post(EVENTS).body(large(17))).await;
    assert_eq!((got.status, got.code()), (401, "unauthenticated"), "{}", got.text);
    let got = send(post(EVENTS).header("x-api-key", KEY).body(large(17))).await;
    assert_eq!(got.status, 202, "{}", got.text);

    let http = HttpSettings { body_memory: 64 << 10, ..Default::default() };
    let client = client_of(Stub::http(http));
    for (kib, status) in [(40, 202), (60, 429), (40, 202)] {
        let post = client.post(EVENTS).content_type("application/json");
        let body = futures_util::stream::iter([Ok::<_, std::io::Error>(large(kib))]);
        let request = post.header("x-api-key", KEY).body(Body::from_bytes_stream(body));
        let got = send(request).await;
        assert_eq!(got.status, status, "{kib} KiB: {}", got.text);
        assert_eq!(got.header("retry-after").is_empty(), status == 202);
    }
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off_and_counted_where_it_belongs() {
    let http = HttpSettings { request_timeout: Duration::from_millis(30), ..Default::default() };
    let client = client_of(Stub::http(http));
    let request = client.post(EVENTS).header("x-api-key", KEY);
    let got = send(request.body_json(&json!({"type": "slow", "payload": {}}))).await;
    assert_eq!((got.status, got.code()), (503, "timeout"));
    assert_eq!(got.header("retry-after"), "1");
}

#[tokio::test]
async fn two_keys_are_none_and_two_idempotency_keys_are_a_mistake() {
    let client = client();
    let got = send(client.get(EVENTS).header("x-api-key", KEY).header("x-api-key", KEY)).await;
    assert_eq!((got.status, got.code()), (401, "invalid_key"));
    let post = || client.post(EVENTS).header("x-api-key", KEY).content_type("application/json");
    let twice = post().header("idempotency-key", "a").header("idempotency-key", "b");
    let got = send(twice.body(GOOD)).await;
    assert_eq!(
        (got.status, got.code(), got.field()),
        (400, "invalid_parameter", "Idempotency-Key")
    );
    let odd = poem::http::HeaderValue::from_bytes(b"k\xe4y").expect("a header");
    let got = send(post().header("idempotency-key", odd).body(GOOD)).await;
    assert_eq!((got.status, got.field()), (400, "Idempotency-Key"), "{}", got.text);
    let got = send(post().header("idempotency-key", "a b").body(GOOD)).await;
    assert_eq!((got.status, got.field()), (400, "idempotency_key"), "{}", got.text);
}

#[tokio::test]
async fn messages_say_what_would_be_right() {
    let client = client();
    for (path, told) in [
        (format!("{EVENTS}/acme"), "it must be an id, as lists show them, like 01a1f78a-"),
        (format!("{EVENTS}?limit=x"), "it must be a whole number"),
        (format!("{EVENTS}?limit=201"), "it must be at most 200"),
        (format!("{EVENTS}?limit=5&limit=6"), "this parameter is there twice"),
        (format!("{EVENTS}?from=today"), "like 2026-01-31T09:30:00Z"),
        ("/api/v1/projects?status=gone".to_owned(), "API key"),
        ("/nope".to_owned(), "/docs lists them"),
    ] {
        let got = send(client.get(path.as_str()).header("x-api-key", KEY)).await;
        assert!(got.text.contains(told), "{path}: {}", got.text);
    }
    assert_eq!(crate::routes::words_of("UserStatus"), Some("pending, active, suspended"));
    for (media_type, body, status, told) in [
        ("", GOOD, 415, "does not say what its body is; send Content-Type: application/json"),
        (
            "text/plain",
            GOOD,
            415,
            "text/plain are not read here; send Content-Type: application/json",
        ),
        ("application/json", "\u{feff}{\"type\":\"a\",\"payload\":{}}", 202, "status_url"),
        ("application/json", "\u{feff}", 400, "The body is empty"),
        ("application/json", "{\"type\":\"a\",\n nope}", 400, "at line 2 column 2."),
    ] {
        let mut request = client.post(EVENTS).header("x-api-key", KEY).body(body);
        if !media_type.is_empty() {
            request = request.content_type(media_type);
        }
        let got = send(request).await;
        assert!(
            got.status == status && got.text.contains(told),
            "{media_type} {body}: {}",
            got.text
        );
    }
    let wide: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = [b"\xff\xfe".to_vec(), wide].concat();
    let request = client.post(EVENTS).header("x-api-key", KEY).content_type("application/json");
    let got = send(request.body(wide)).await;
    assert!(got.text.contains("begins as UTF-16 does"), "{}", got.text);
}

#[tokio::test]
async fn a_key_is_taken_from_either_header() {
    let client = client();
    for (key, bearer, status, code, field) in [
        ("", "Bearer bb_good", 200, "", ""),
        ("", "bearer bb_good", 200, "", ""),
        ("bb_good", "Bearer bb_good", 200, "", ""),
        ("good", "Bearer bb_good", 400, "invalid_parameter", "Authorization"),
        ("", "Bearer bb_nobody", 401, "invalid_key", ""),
        ("", "bb_good", 401, "invalid_token", ""),
        ("", "Basic bb_good", 401, "invalid_token", ""),
        ("", "Bearer good", 401, "invalid_token", ""),
    ] {
        let mut request = client.get(EVENTS).header("authorization", bearer);
        if !key.is_empty() {
            request = request.header("x-api-key", key);
        }
        let got = send(request).await;
        let what = format!("{key} {bearer}: {}", got.text);
        assert_eq!((got.status, got.code(), got.field()), (status, code, field), "{what}");
    }
    let post = client.post(EVENTS).header("authorization", "Bearer bb_reader");
    let got = send(post.content_type("application/json").body(GOOD)).await;
    assert_eq!((got.status, got.code()), (403, "missing_scope"));
    let got = send(client.get("/api/v1/me").header("authorization", "Bearer bb_good")).await;
    assert_eq!((got.status, got.code()), (403, "forbidden"));
}

#[test]
fn codes_are_a_closed_list_without_twins() {
    let mut words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let count = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), count);
}
