//! Event types over the API: what is wrong with them is told by field, and who edits together is told so.

use poem::http::Method;
use serde_json::{Value, json};

use super::author::Author;
use super::{EVENTS, JSON, Scene, send};

const PATH: &str = "/api/v1/event-types";

fn new(name: &str) -> Value {
    json!({ "name": name, "mode": "reject", "schema": { "required": ["order"] } })
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    for (change, field, code) in [
        (json!({ "name": "two words" }), "name", "invalid"),
        (json!({ "name": "" }), "name", "invalid"),
        (json!({ "mode": "maybe" }), "mode", "invalid"),
        (json!({ "description": "x".repeat(501) }), "description", "too_long"),
        (json!({ "schema": "text" }), "schema", "wrong_type"),
        (json!({ "schema": { "type": "text" } }), "schema.type", "invalid"),
        (json!({ "schema": { "title": "x".repeat(70_000) } }), "schema", "too_large"),
        (json!({ "schema": { "$ref": "#" } }), "schema", "invalid"),
        (json!({ "example": { "other": 1 } }), "example.order", "required"),
        (json!({ "more": 1 }), "more", "unknown_field"),
    ] {
        let mut body = new("order.shipped");
        for (key, value) in change.as_object().expect("an object") {
            body[key.as_str()] = value.clone();
        }
        let got = ada.post(PATH, &body).await;
        let found = got.json["errors"][0]["code"].as_str().unwrap_or_default();
        assert_eq!((got.status, got.field(), found), (400, field, code), "{}", got.text);
    }
    // Nothing of it was created, and no name is too odd to be asked for.
    for name in ["order.shipped", "%00", "a%20b", "..%2f", "%ff"] {
        let got = ada.get(&format!("{PATH}/{name}")).await;
        assert!(matches!(got.status, 400 | 404), "{name}: {}", got.text);
    }
}

#[tokio::test]
async fn who_edits_together_is_told_so() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let made = ada.post(PATH, &new("order.shipped")).await;
    assert_eq!((made.status, &made.json["version"]), (201, &json!(1)), "{}", made.text);
    let path = format!("{PATH}/order.shipped");
    let got = ada.get(&path).await;
    let tag = got.header("etag").to_owned();
    let changed = ada.put(&path, &tag, &json!({ "mode": "warn" })).await;
    assert_eq!((changed.status, &changed.json["mode"]), (200, &json!("warn")), "{}", changed.text);
    let stale = ada.put(&path, &tag, &json!({ "mode": "off" })).await;
    assert_eq!((stale.status, stale.code()), (412, "precondition_failed"));
    let version = json!({ "schema": {} });
    let versions = format!("{path}/versions");
    let stale = ada.ask(Method::POST, &versions, &tag, Some(&version)).await;
    assert_eq!((stale.status, stale.code()), (412, "precondition_failed"));
    // Another one of the name is not the one that was read.
    let tag = changed.header("etag").to_owned();
    assert_eq!(ada.delete(&path).await.status, 204);
    assert_eq!(ada.post(PATH, &new("order.shipped")).await.status, 201);
    let got = ada.put(&path, &tag, &json!({ "mode": "off" })).await;
    assert_eq!(got.status, 412, "{}", got.text);
}

#[tokio::test]
async fn a_schema_comes_back_as_it_was_sent() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let schema = r#"{ "required" : ["order"],  "minProperties": 1.0 }"#;
    let body = format!("{{\"name\":\"order.shipped\",\"mode\":\"reject\",\"schema\":{schema}}}");
    let request = scene.client.post(PATH).header("authorization", format!("Bearer {}", ada.token));
    let made = send(request.content_type(JSON).body(body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let got = ada.get(&format!("{PATH}/order.shipped")).await;
    assert!(made.text.contains(schema) && got.text.contains(schema), "{}", got.text);
    let event = r#"{"type":"order.shipped","payload":{"a":1}}"#;
    let post = scene.client.post(EVENTS).header("x-api-key", &scene.callers.key);
    let refused = send(post.content_type(JSON).body(event)).await;
    assert_eq!((refused.status, refused.field()), (400, "payload.order"), "{}", refused.text);
}

#[tokio::test]
async fn a_key_reads_and_checks_and_changes_nothing() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    assert_eq!(ada.post(PATH, &new("order.shipped")).await.status, 201);
    let reader = &scene.callers.reader;
    let got = send(scene.client.get(PATH).header("x-api-key", reader)).await;
    assert_eq!((got.status, &got.json["items"][0]["name"]), (200, &json!("order.shipped")));
    let check = scene.client.post(format!("{PATH}/order.shipped/check"));
    let check = check.header("x-api-key", reader).body_json(&json!({ "payload": {} }));
    let got = send(check).await;
    assert_eq!((got.status, &got.json["fits"]), (200, &json!(false)), "{}", got.text);
    let create = scene.client.post(PATH).header("x-api-key", reader);
    let got = send(create.body_json(&new("order.lost"))).await;
    assert_eq!((got.status, got.code()), (403, "forbidden"), "{}", got.text);
    let eve = Author::with(&scene, "readers", &["events:read"]).await;
    assert_eq!(eve.get(PATH).await.status, 200);
    assert_eq!(eve.post(PATH, &new("order.lost")).await.status, 403);
}
