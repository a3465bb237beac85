//! Webhook endpoints over the API: what is wrong with them is told by field, and whoever may read sees no secret.

use serde_json::{Value, json};

use super::Scene;
use super::author::Author;

const PATH: &str = "/api/v1/webhook-endpoints";

fn new() -> Value {
    json!({ "name": "tickets", "url": "https://hooks.example.com/bellbuoy" })
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    for (change, field, code) in [
        (json!({ "name": " " }), "name", "empty"),
        (json!({ "name": "x".repeat(201) }), "name", "too_long"),
        (json!({ "name": "a\u{0}" }), "name", "nul_character"),
        (json!({ "name": 1 }), "name", "wrong_type"),
        (json!({ "url": "" }), "url", "empty"),
        (json!({ "url": "hooks.example.com" }), "url", "invalid"),
        (json!({ "url": "https://10.0.0.1/" }), "url", "invalid"),
        (json!({ "url": format!("https://example.com/{}", "x".repeat(2048)) }), "url", "too_long"),
        (json!({ "description": "x".repeat(501) }), "description", "too_long"),
        (json!({ "enabled": "yes" }), "enabled", "wrong_type"),
        (json!({ "more": 1 }), "more", "unknown_field"),
    ] {
        let mut body = new();
        for (key, value) in change.as_object().expect("an object") {
            body[key.as_str()] = value.clone();
        }
        let got = ada.post(PATH, &body).await;
        let found = got.json["errors"][0]["code"].as_str().unwrap_or_default();
        assert_eq!((got.status, got.field(), found), (400, field, code), "{}", got.text);
    }
    let listed = ada.get(PATH).await;
    assert_eq!(listed.json["items"], json!([]), "nothing of it was created");
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let made = ada.post(PATH, &new()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(made.json["secret"].as_str().is_some_and(|text| text.starts_with("whsec_")));
    let path = format!("{PATH}/{}", made.json["endpoint"]["id"].as_str().expect("an id"));
    let got = ada.get(&path).await;
    assert!(got.status == 200 && !got.text.contains("whsec_"), "{}", got.text);
    let tag = got.header("etag").to_owned();
    let changed = ada.put(&path, &tag, &json!({ "name": "pager", "url": new()["url"] })).await;
    assert_eq!((changed.status, &changed.json["name"]), (200, &json!("pager")), "{}", changed.text);
    let stale = ada.put(&path, &tag, &new()).await;
    assert_eq!((stale.status, stale.code()), (412, "precondition_failed"));
}
