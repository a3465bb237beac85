//! Silences that name what is not there, in a preview as when they are created.

use serde_json::json;

use super::Scene;
use super::author::Author;

#[tokio::test]
async fn a_silence_that_names_what_is_not_there_is_refused() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let eve = Author::admin(&scene, "globex").await;
    let theirs = eve.rule("Theirs").await["id"].clone();
    let mine = ada.rule("Mine").await["id"].clone();
    for path in ["/api/v1/silences", "/api/v1/silences/preview"] {
        for (name, value, field) in [
            ("alert_id", json!(uuid::Uuid::now_v7()), "alert_id"),
            ("rule_ids", json!([mine, uuid::Uuid::now_v7()]), "rule_ids[1]"),
            ("rule_ids", json!([theirs]), "rule_ids[0]"),
        ] {
            let mut body = json!({ "reason": "The database is moved.", "seconds": 60 });
            body[name] = value;
            let got = ada.post(path, &body).await;
            assert_eq!((got.status, got.field()), (400, field), "{path}: {}", got.text);
        }
    }
    let body = json!({ "reason": "The database is moved.", "seconds": 60, "rule_ids": [mine] });
    let got = ada.post("/api/v1/silences/preview", &body).await;
    assert_eq!((got.status, &got.json["alerts"]), (200, &json!([])), "{}", got.text);
}
