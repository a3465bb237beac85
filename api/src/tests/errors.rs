//! Every kind of error: its status, its code and its field.

use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use config::ByteSize;
use domain::id::EventId;
use futures_util::stream;
use poem::Body;
use poem::http::Method;

use super::{EVENTS, Got, JSON, Scene, scene, send};
use crate::problem::Code;

const GOOD: &str = r#"{"type":"a","payload":{}}"#;

fn id(number: u128) -> String {
    format!("{EVENTS}/{}", uuid::Uuid::from_u128(number))
}

/// Asks, and looks at all that every problem has to say.
async fn refused(
    scene: &Scene,
    (method, path, key): (&str, &str, &str),
    (status, code, field): (u16, &str, &str),
) -> Got {
    let method: Method = method.parse().expect("a method");
    let mut request = scene.client.request(method.clone(), path);
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
    if matches!(status, 429 | 503) {
        assert!(got.header("retry-after").parse::<u64>().is_ok(), "{what}");
    }
    got
}

#[tokio::test]
async fn reading() {
    let scene = Scene::new().await;
    let callers = &scene.callers;
    let key = callers.key.as_str();
    scene.flood().await;
    for (method, path, key, status, code, field) in [
        ("GET", "/nope".to_owned(), key, 404, "route_not_found", ""),
        ("GET", "/api/v1/nope".to_owned(), key, 404, "route_not_found", ""),
        ("GET", "/api/v1/events/%ff".to_owned(), key, 400, "invalid_parameter", "id"),
        ("DELETE", EVENTS.to_owned(), key, 405, "method_not_allowed", ""),
        ("OPTIONS", EVENTS.to_owned(), key, 405, "method_not_allowed", ""),
        ("POST", "/live".to_owned(), key, 405, "method_not_allowed", ""),
        ("GET", EVENTS.to_owned(), &callers.flooding, 429, "rate_limited", ""),
        ("GET", EVENTS.to_owned(), "", 401, "unauthenticated", ""),
        ("GET", EVENTS.to_owned(), "bad", 401, "invalid_key", ""),
        ("GET", EVENTS.to_owned(), &callers.revoked, 401, "invalid_key", ""),
        ("GET", EVENTS.to_owned(), &callers.expired, 401, "expired_key", ""),
        ("GET", EVENTS.to_owned(), &callers.suspended, 403, "project_suspended", ""),
        ("POST", EVENTS.to_owned(), &callers.reader, 403, "missing_scope", ""),
        ("GET", id(1), key, 404, "not_found", ""),
        ("GET", format!("{}/trace", id(1)), key, 404, "not_found", ""),
        ("GET", format!("{EVENTS}/x"), key, 400, "invalid_parameter", "id"),
        ("GET", format!("{EVENTS}/x/trace"), key, 400, "invalid_parameter", "id"),
        ("GET", format!("{EVENTS}?limit=0"), key, 400, "invalid_parameter", "limit"),
        ("GET", format!("{EVENTS}?limit=201"), key, 400, "invalid_parameter", "limit"),
        ("GET", format!("{EVENTS}?limit=x"), key, 400, "invalid_parameter", "limit"),
        ("GET", format!("{EVENTS}?limit=5&limit=6"), key, 400, "invalid_parameter", "limit"),
        ("GET", format!("{EVENTS}?limt=5"), key, 400, "invalid_parameter", "limt"),
        ("GET", format!("{EVENTS}?cursor=AAAA"), key, 400, "invalid_parameter", "cursor"),
        ("GET", format!("{EVENTS}?from=today"), key, 400, "invalid_parameter", "from"),
        (
            "GET",
            format!("{EVENTS}?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"),
            key,
            400,
            "invalid_parameter",
            "to",
        ),
        ("GET", format!("{EVENTS}?type=a%20b"), key, 400, "invalid_parameter", "type"),
    ] {
        refused(&scene, (method, &path, key), (status, code, field)).await;
    }
    let got = send(scene.client.delete(EVENTS).header("x-api-key", key)).await;
    assert_eq!(got.header("allow"), "GET, HEAD, POST");
    let got = send(scene.client.post(EVENTS).header("x-api-key", &callers.reader)).await;
    assert_eq!(
        got.json["detail"],
        "This API key lacks the scope events:write; create one that has it."
    );
}

#[tokio::test]
async fn a_store_that_fails_is_told_without_its_words() {
    let scene = Scene::new().await;
    let key = scene.callers.key.as_str();
    scene.sql("ALTER TABLE events RENAME TO secret_events").await;
    let found = scene.app.events.get(scene.callers.acme, EventId::fresh(scene.app.clock.now()));
    let words = found.await.expect_err("no table").to_string();
    assert!(words.contains("no such table"), "{words}");
    for path in [id(1), format!("{}/trace", id(1)), EVENTS.to_owned()] {
        let got = refused(&scene, ("GET", &path, key), (500, "internal", "")).await;
        assert!(!got.text.contains("table") && !got.text.contains(&words), "{}", got.text);
    }
    scene.lose_store().await;
    refused(&scene, ("GET", &id(1), key), (503, "unavailable", "")).await;
    // Whose this key is nobody has asked before.
    refused(&scene, ("GET", EVENTS, &scene.callers.other), (503, "unavailable", "")).await;
}

#[tokio::test]
async fn bodies() {
    let scene = Scene::new().await;
    // A refusal of the store is that of one event.
    scene.refuse_events_of("odd").await;
    let json = JSON;
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
        (json, r#"{"type":"odd","payload":{}}"#, 400, "invalid_request", ""),
        ("", GOOD, 415, "unsupported_media_type", ""),
        ("text/plain", GOOD, 415, "unsupported_media_type", ""),
        ("application/json; charset=latin1", GOOD, 415, "unsupported_media_type", ""),
        ("application/problem+json", GOOD, 415, "unsupported_media_type", ""),
        ("APPLICATION/JSON;Charset=\"UTF-8\"", GOOD, 202, "", ""),
        ("application/json; charset=utf-8; x=y", GOOD, 202, "", ""),
    ] {
        let mut request = scene.post(EVENTS).body(body);
        if !media_type.is_empty() {
            request = request.content_type(media_type);
        }
        let got = send(request).await;
        let what = format!("{media_type} {body}: {}", got.text);
        assert_eq!((got.status, got.code(), got.field()), (status, code, field), "{what}");
        assert!(!got.text.contains(scene::WORDS), "{what}");
    }
    let text = b"{\"type\":\"a\",\"payload\":{\"a\":\"\xff\"}}".to_vec();
    let got = scene.write(EVENTS, json, text).await;
    assert_eq!((got.status, got.code()), (400, "malformed_json"));
}

#[tokio::test]
async fn a_request_that_panics_is_answered_and_tells_nothing() {
    let scene = Scene::new().await;
    let panicking = stream::poll_fn(|_| -> Poll<Option<std::io::Result<Bytes>>> { panic!("boom") });
    let got = scene.write(EVENTS, JSON, Body::from_bytes_stream(panicking)).await;
    assert_eq!((got.status, got.code()), (500, "internal"), "{}", got.text);
    assert!(!got.text.contains("boom"), "{}", got.text);
    assert_eq!(scene.write(EVENTS, JSON, GOOD).await.status, 202);
}

#[tokio::test]
async fn an_event_is_turned_away_when_there_are_too_many_or_the_store_is_away() {
    let scene = Scene::new().await;
    let metered = || {
        let request = scene.client.post(EVENTS).header("x-api-key", &scene.callers.metered);
        send(request.content_type(JSON).body(GOOD))
    };
    let mut got = metered().await;
    assert_eq!(got.status, 202, "{}", got.text);
    for _ in 0..10 {
        got = metered().await;
        if got.status != 202 {
            break;
        }
    }
    assert_eq!((got.status, got.code(), got.field()), (429, "rate_limited", ""), "{}", got.text);
    assert!(got.header("retry-after").parse::<u64>().is_ok());
    // The product knows this key, and finds no store when it is to keep the event.
    assert_eq!(scene.write(EVENTS, JSON, GOOD).await.status, 202);
    scene.lose_store().await;
    let got = scene.write(EVENTS, JSON, GOOD).await;
    assert_eq!((got.status, got.code()), (503, "unavailable"), "{}", got.text);
}

#[tokio::test]
async fn what_is_packed_is_not_read() {
    let scene = Scene::new().await;
    for (encodings, status) in [
        (&["gzip"][..], 415),
        (&["deflate"], 415),
        (&["identity, br"], 415),
        (&["identity", "gzip"], 415),
        (&["Identity"], 202),
        (&[""], 202),
    ] {
        let mut request = scene.post(EVENTS);
        for encoding in encodings {
            request = request.header("content-encoding", *encoding);
        }
        let got = send(request.content_type("application/json").body(GOOD)).await;
        assert_eq!(got.status, status, "{encodings:?}: {}", got.text);
        if status == 415 {
            assert_eq!(got.code(), "unsupported_media_type");
            assert_eq!(got.header("accept-encoding"), "identity");
            assert!(got.detail().contains("Content-Encoding"), "{}", got.detail());
        }
    }
}

#[tokio::test]
async fn strangers_send_little_and_all_together_no_more_than_fits() {
    let large =
        |kib: usize| format!(r#"{{"type":"a","payload":{{"a":"{}"}}}}"#, "x".repeat(kib << 10));
    let scene = Scene::new().await;
    let post = |path: &str| scene.client.post(path).content_type(JSON);
    let got = send(post("/api/v1/auth/refresh").body(large(17))).await;
    assert_eq!((got.status, got.code()), (413, "payload_too_large"), "{}", got.text);
    assert!(got.detail().contains("16384"), "{}", got.text);
    let pieces = [large(9), large(9)].map(Ok::<_, std::io::Error>);
    let pieces = stream::iter(pieces);
    let got = send(post("/api/v1/auth/refresh").body(Body::from_bytes_stream(pieces))).await;
    assert_eq!((got.status, got.code()), (413, "payload_too_large"), "{}", got.text);
    // Whoever needs a key is told so, however much they send.
    let got = send(post(EVENTS).body(large(17))).await;
    assert_eq!((got.status, got.code()), (401, "unauthenticated"), "{}", got.text);
    let got = scene.write(EVENTS, JSON, large(17)).await;
    assert_eq!(got.status, 202, "{}", got.text);

    let scene = Scene::with(|config| config.http.body_memory = ByteSize::kib(64)).await;
    for (kib, status) in [(40, 202), (60, 429), (40, 202)] {
        let body = stream::iter([Ok::<_, std::io::Error>(large(kib))]);
        let got = scene.write(EVENTS, JSON, Body::from_bytes_stream(body)).await;
        assert_eq!(got.status, status, "{kib} KiB: {}", got.text);
        assert_eq!(got.header("retry-after").is_empty(), status == 202);
    }
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off_and_counted_where_it_belongs() {
    let short = Duration::from_millis(30);
    let scene = Scene::with(|config| config.http.request_timeout = short).await;
    let _writes = scene.hold_writes().await;
    let got = scene.write(EVENTS, JSON, GOOD).await;
    assert_eq!((got.status, got.code()), (503, "timeout"));
    assert_eq!(got.header("retry-after"), "1");
}

#[tokio::test]
async fn two_keys_are_none_and_two_idempotency_keys_are_a_mistake() {
    let scene = Scene::new().await;
    let got = send(scene.get(EVENTS).header("x-api-key", &scene.callers.key)).await;
    assert_eq!((got.status, got.code()), (401, "invalid_key"));
    let post = || scene.post(EVENTS).content_type(JSON);
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
    let scene = Scene::new().await;
    for (path, told) in [
        (format!("{EVENTS}/acme"), "it must be an id, as lists show them, like 01a1f78a-"),
        (format!("{EVENTS}?limit=x"), "it must be a whole number"),
        (format!("{EVENTS}?limit=201"), "it must be at most 200"),
        (format!("{EVENTS}?limit=5&limit=6"), "this parameter is there twice"),
        (format!("{EVENTS}?from=today"), "like 2026-01-31T09:30:00Z"),
        ("/api/v1/projects?status=gone".to_owned(), "API key"),
        ("/nope".to_owned(), "/docs lists them"),
    ] {
        let got = send(scene.get(path.as_str())).await;
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
        let mut request = scene.post(EVENTS).body(body);
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
    let got = scene.write(EVENTS, JSON, wide).await;
    assert!(got.text.contains("begins as UTF-16 does"), "{}", got.text);
}

#[tokio::test]
async fn a_key_is_taken_from_either_header() {
    let scene = Scene::new().await;
    let key = scene.callers.key.as_str();
    let (bearer, lower) = (format!("Bearer {key}"), format!("bearer {key}"));
    let basic = format!("Basic {key}");
    // What SNS makes of a user and a password in an address.
    let password = |password: &str| format!("Basic {}", STANDARD.encode(format!("sns:{password}")));
    let (by_password, no_key) = (password(key), password("secret"));
    for (key, bearer, status, code, field) in [
        ("", bearer.as_str(), 200, "", ""),
        ("", &lower, 200, "", ""),
        (key, &bearer, 200, "", ""),
        ("", &by_password, 200, "", ""),
        ("", &no_key, 401, "invalid_token", ""),
        ("", &password("bb_nobody"), 401, "invalid_key", ""),
        (&scene.callers.other, &bearer, 403, "project_mismatch", ""),
        (&scene.callers.reader, &bearer, 400, "invalid_parameter", "Authorization"),
        ("good", &bearer, 401, "invalid_key", ""),
        (key, "Bearer bb_nobody", 401, "invalid_key", ""),
        ("", "Bearer bb_nobody", 401, "invalid_key", ""),
        ("", key, 401, "invalid_token", ""),
        ("", &basic, 401, "invalid_token", ""),
        ("", "Bearer good", 401, "invalid_token", ""),
    ] {
        let mut request = scene.client.get(EVENTS).header("authorization", bearer);
        if !key.is_empty() {
            request = request.header("x-api-key", key);
        }
        let got = send(request).await;
        let what = format!("{key} {bearer}: {}", got.text);
        assert_eq!((got.status, got.code(), got.field()), (status, code, field), "{what}");
    }
    let reader = format!("Bearer {}", scene.callers.reader);
    let post = scene.client.post(EVENTS).header("authorization", reader);
    let got = send(post.content_type(JSON).body(GOOD)).await;
    assert_eq!((got.status, got.code()), (403, "missing_scope"));
    let got = send(scene.client.get("/api/v1/me").header("authorization", bearer)).await;
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
