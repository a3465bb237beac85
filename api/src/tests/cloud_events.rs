//! CloudEvents, from the outside.

use serde_json::{Value, json};

use super::{EVENTS, Got, JSON, Scene, send};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "/api/v1/events/batch";
const BATCH_TYPE: &str = "application/cloudevents-batch+json; charset=utf-8";

fn event(more: &Value) -> Value {
    let mut event = json!({
        "specversion": "1.0", "id": "a-1", "type": "com.example.paid", "source": "/shop", "subject": "order 7",
        "time": "2026-01-31T09:30:00Z", "correlationid": "c-1", "partitionkey": "p",
    });
    event.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    event
}

async fn kept(scene: &Scene, got: &Got) -> Got {
    assert_eq!(got.status, 202, "{}", got.text);
    send(scene.get(format!("{EVENTS}/{}", got.json["id"].as_str().expect("an id")))).await
}

#[tokio::test]
async fn the_structured_mode() {
    let scene = Scene::new().await;
    let text = r#"{"data":{"z":1.0E+2 ,"a":"\u00e4"},"specversion":"1.0","id":"a-1","type":"com.example.paid",
        "source":"/shop","subject":"order 7","time":"2026-01-31T09:30:00Z","correlationid":"c-1","x":1}"#;
    let got = scene.write(EVENTS, STRUCTURED, text).await;
    let seen = kept(&scene, &got).await;
    assert!(seen.text.contains(r#""payload":{"z":1.0E+2 ,"a":"\u00e4"},"#), "{}", seen.text);
    for (field, value) in [
        ("type", "com.example.paid"),
        ("source", "/shop"),
        ("subject", "order 7"),
        ("occurred_at", "2026-01-31T09:30:00.000Z"),
        ("correlation_id", "c-1"),
    ] {
        assert_eq!(seen.json[field], value, "{field}");
    }
    assert_eq!(seen.json.get("idempotency_key"), None);
    let trace = send(scene.get(format!("{}/trace", got.header("location")))).await;
    assert_eq!(trace.json["event"], seen.json);
    let found = send(scene.get(format!("{EVENTS}?subject=order%207"))).await;
    assert_eq!(found.json["items"][0]["id"], seen.json["id"]);
    let found = send(scene.get(format!("{EVENTS}?subject=order"))).await;
    assert_eq!(found.json["items"], json!([]));
}

#[tokio::test]
async fn a_source_and_an_id_are_one_event_in_every_mode() {
    let scene = Scene::new().await;
    let first =
        scene.write(EVENTS, STRUCTURED, event(&json!({"data": {"a": 1}})).to_string()).await;
    assert_eq!((first.status, first.header("idempotency-replay")), (202, ""));
    let changed = event(&json!({"data": {"a": 2}, "traceparent": "00-x"})).to_string();
    let again = scene.write(EVENTS, STRUCTURED, changed).await;
    assert_eq!((again.header("idempotency-replay"), &again.text), ("true", &first.text));
    let binary = |id: &'static str| {
        let request = scene.post(EVENTS).content_type("text/plain").header("ce-specversion", "1.0");
        let request = request.header("ce-id", id).header("ce-type", "com.example.paid");
        send(
            request.header("ce-source", "/shop").header("ce-subject", "M%C3%BCnchen").body("hello"),
        )
    };
    assert_eq!(binary("a-1").await.json["id"], first.json["id"]);
    let other = binary("a-2").await;
    let seen = kept(&scene, &other).await;
    assert_eq!(
        (&seen.json["payload"], &seen.json["subject"]),
        (&json!({"data": "hello"}), &json!("München"))
    );
    let events: Vec<Value> =
        ["a-1", "a-3", ""].iter().map(|id| event(&json!({"id": id}))).collect();
    let batch = json!([events[0], events[1], events[2], 7, {"specversion": "0.3"}]);
    let got = scene.write(BATCH, BATCH_TYPE, batch.to_string()).await;
    assert_eq!(got.status, 202, "{}", got.text);
    let items = got.json["items"].as_array().expect("items");
    let words: Vec<String> = items
        .iter()
        .map(|item| format!("{} {}", item["status"], item["errors"][0]["field"]))
        .collect();
    assert_eq!(
        words,
        [
            "\"replayed\" null",
            "\"accepted\" null",
            "\"rejected\" \"id\"",
            "\"rejected\" \"\"",
            "\"rejected\" \"specversion\"",
        ]
    );
    assert_eq!(items[0]["id"], first.json["id"]);
}

#[tokio::test]
async fn an_idempotency_key_goes_before_source_and_id() {
    let scene = Scene::new().await;
    let keyed = |key: &'static str, body: Value| {
        let request = scene.post(EVENTS).header("idempotency-key", key).content_type(STRUCTURED);
        send(request.body(body.to_string()))
    };
    let first = keyed("k", event(&json!({}))).await;
    let other = keyed("l", event(&json!({}))).await;
    assert_eq!((first.status, other.status), (202, 202));
    assert_ne!(first.json["id"], other.json["id"]);
    let again = keyed("k", event(&json!({}))).await;
    assert_eq!((again.header("idempotency-replay"), &again.text), ("true", &first.text));
    let conflict = keyed("k", event(&json!({"id": "a-2"}))).await;
    assert_eq!((conflict.status, conflict.code()), (409, "idempotency_conflict"));
    let bad = keyed("a b", event(&json!({}))).await;
    assert_eq!((bad.status, bad.field()), (400, "Idempotency-Key"));
    // In the binary mode, the headers are a part of what is sent.
    let binary = |id: &'static str| {
        let request = scene.post(EVENTS).header("idempotency-key", "b").header("ce-id", id);
        let request = request.header("ce-specversion", "1.0").header("ce-source", "/shop");
        send(request.header("ce-type", "a").content_type(JSON).body("{}"))
    };
    assert_eq!(binary("1").await.status, 202);
    assert_eq!(binary("1").await.header("idempotency-replay"), "true");
    assert_eq!(binary("2").await.code(), "idempotency_conflict");
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_words_of_cloud_events() {
    let scene = Scene::new().await;
    for (media_type, body, status, code, field) in [
        (STRUCTURED, "{}".to_owned(), 400, "invalid_request", "specversion"),
        (
            STRUCTURED,
            event(&json!({"specversion": "0.3"})).to_string(),
            400,
            "invalid_request",
            "specversion",
        ),
        (STRUCTURED, event(&json!({"time": "soon"})).to_string(), 400, "invalid_request", "time"),
        (STRUCTURED, event(&json!({"type": "a b"})).to_string(), 400, "invalid_request", "type"),
        (
            STRUCTURED,
            event(&json!({"data": {"a": "\u{0}"}})).to_string(),
            400,
            "invalid_request",
            "data",
        ),
        (STRUCTURED, "[]".to_owned(), 400, "invalid_request", ""),
        (STRUCTURED, "{".to_owned(), 400, "malformed_json", ""),
        (BATCH_TYPE, "[]".to_owned(), 415, "unsupported_media_type", ""),
        ("application/cloudevents+avro", "{}".to_owned(), 415, "unsupported_media_type", ""),
        ("text/plain", "{}".to_owned(), 415, "unsupported_media_type", ""),
    ] {
        let got = scene.write(EVENTS, media_type, body.clone()).await;
        assert_eq!(
            (got.status, got.code(), got.field()),
            (status, code, field),
            "{media_type} {body}"
        );
    }
    for (media_type, body, status, code) in [
        (BATCH_TYPE, "[]", 400, "invalid_request"),
        (BATCH_TYPE, "{}", 400, "invalid_request"),
        (BATCH_TYPE, "[", 400, "malformed_json"),
        (STRUCTURED, "{}", 415, "unsupported_media_type"),
    ] {
        let got = scene.write(BATCH, media_type, body).await;
        assert_eq!((got.status, got.code()), (status, code), "{media_type} {body}");
    }
    let binary = scene.post(EVENTS).header("ce-id", "1").content_type(JSON).body("{");
    let got = send(binary).await;
    let fields: Vec<&str> = got.json["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|error| error["field"].as_str())
        .collect();
    assert_eq!((got.status, fields), (400, vec!["specversion", "type", "source", "data"]));
    let reader = scene.client.post(EVENTS).header("x-api-key", &scene.callers.reader);
    let got = send(reader.content_type(STRUCTURED).body(event(&json!({})).to_string())).await;
    assert_eq!((got.status, got.code()), (403, "missing_scope"));
}
