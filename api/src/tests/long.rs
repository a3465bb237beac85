//! What takes long: imports and answers that go on piece by piece.

use std::time::Duration;

use crate::auth::Right;
use crate::door::HttpSettings;
use bytes::Bytes;
use domain::feature::Feature;
use domain::id::{KeyId, ProjectId};
use futures_util::{StreamExt, stream};
use poem::{Body, Request};
use serde_json::json;
use services::access::Principal;
use uuid::Uuid;

use super::stub::Stub;
use super::{Got, KEY, client_of, send};

const IMPORT: &str = "/api/v1/events/import";
const LINE: &str = "{\"type\":\"a\",\"payload\":{}}\n";

/// An import of three lines that never ends.
async fn endless(http: HttpSettings, key: &str) -> Got {
    let client = client_of(Stub::http(http));
    let lines = stream::iter([LINE, LINE, LINE].map(Ok::<_, std::io::Error>));
    let body = Body::from_bytes_stream(lines.chain(stream::pending()));
    let request = client.post(IMPORT).header("x-api-key", key).content_type("application/x-ndjson");
    send(request.body(body)).await
}

#[tokio::test]
async fn an_import_ends_when_its_right_or_its_time_does() {
    let short = HttpSettings { stream_timeout: Duration::ZERO, ..Default::default() };
    let silent = HttpSettings { request_timeout: Duration::from_millis(1), ..Default::default() };
    for (http, key, status, code, kept) in [
        // What is sent by somebody who lost the right to it meanwhile is not kept.
        (HttpSettings::default(), "leaving", 401, "invalid_key", "0 events are kept"),
        (HttpSettings::default(), "suspending", 403, "project_suspended", "0 events are kept"),
        (short, KEY, 408, "too_slow", "3 events are kept"),
        (silent, KEY, 408, "too_slow", "3 events are kept"),
    ] {
        let got = endless(http, key).await;
        assert_eq!((got.status, got.code()), (status, code), "{}", got.text);
        let detail = got.json["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(kept) && detail.contains("line 4"), "{detail}");
    }
}

#[tokio::test]
async fn a_right_is_gone_with_the_feature_that_it_needs() {
    let app = Stub::default().app();
    for (key, number, refused) in [(KEY, 1, None), ("other", 2, Some("feature_disabled"))] {
        let request = Request::builder().header("x-api-key", key).finish();
        let (project, key_id) = (ProjectId(Uuid::from_u128(number)), KeyId(Uuid::from_u128(5)));
        let who = Principal::Key { project, key_id, scopes: [].into() };
        let right = Right::new(&app, &request, who, |_| Ok(()));
        assert!(right.check().await.is_ok(), "{key}");
        let told = right.with(Feature::EventImport).check().await.err();
        assert_eq!(told.map(|problem| problem.code.as_str()), refused, "{key}");
    }
}

#[tokio::test]
async fn an_answer_breaks_off_when_its_right_or_its_time_ends() {
    let short = HttpSettings { stream_timeout: Duration::ZERO, ..Default::default() };
    for (http, key) in [(HttpSettings::default(), "leaving"), (short, KEY)] {
        let app = Stub::http(http).app();
        let request = Request::builder().header("x-api-key", key).finish();
        // It came in with the key, which is revoked after that.
        app.keys.authenticate(key).await.expect("a good key");
        let (project, key_id) = (ProjectId(Uuid::from_u128(1)), KeyId(Uuid::from_u128(5)));
        let who = Principal::Key { project, key_id, scopes: [].into() };
        let right = Right::new(&app, &request, who, |_| Ok(()));
        let ticks = tokio::time::interval(Duration::from_millis(50));
        let endless = stream::unfold(ticks, |mut ticks| async move {
            ticks.tick().await;
            Some((Ok(Bytes::from_static(b"x")), ticks))
        });
        let all = right.guard(endless).into_bytes();
        let read = tokio::time::timeout(Duration::from_secs(20), all).await;
        read.expect("an end").expect_err("broken off");
    }
}

#[tokio::test]
async fn errors_tell_little_of_what_was_sent() {
    let line = json!({ "type": "a", "payload": {}, "x".repeat(100_000): 1 });
    let client = client_of(Stub::default());
    let request = client.post(IMPORT).header("x-api-key", KEY).content_type("application/x-ndjson");
    let got = send(request.body(line.to_string())).await;
    assert_eq!(got.json["rejected"], 1);
    assert!(got.text.len() < 2_000, "{}", got.text.len());
}
