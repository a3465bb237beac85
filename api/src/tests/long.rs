//! What takes long: imports and answers that go on piece by piece.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use domain::feature::Feature;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use poem::{Body, Request};
use serde_json::json;
use services::audit::Initiator;

use super::{Got, NDJSON, Scene};
use crate::auth::Right;

const IMPORT: &str = "/api/v1/events/import";
const LINE: &str = "{\"type\":\"a\",\"payload\":{}}\n";

/// An import of three lines that never ends; something happens before the first of them is read.
async fn endless(scene: &Scene, first: impl Future<Output = ()> + Send + 'static) -> Got {
    let lines = || stream::iter([LINE, LINE, LINE].map(Ok::<_, std::io::Error>));
    let lines = stream::once(first).flat_map(move |()| lines().chain(stream::pending()));
    scene.write(IMPORT, NDJSON, Body::from_bytes_stream(lines)).await
}

/// Takes the first key back.
async fn revoke(scene: &Scene) {
    let (acme, key) = (scene.callers.acme, scene.callers.key_id);
    scene.app.admin.revoke_key(acme, key, &Initiator::system()).await.expect("revoked");
}

/// The right of a key as it is now, for whatever its holder asks for.
async fn right(scene: &Scene, key: &str) -> Right {
    let request = Request::builder().header("x-api-key", key).finish();
    let who = scene.app.keys.authenticate(key).await.expect("a good key");
    Right::new(&scene.app, &request, who, |_| Ok(()))
}

#[tokio::test]
async fn an_import_ends_when_its_right_or_its_time_does() {
    type Change = fn(&mut config::Config);
    let short: Change = |config| config.http.stream_timeout = Duration::ZERO;
    let silent: Change = |config| config.http.request_timeout = Duration::from_millis(1);
    // What is sent by a caller who lost the right to it meanwhile is not kept.
    let all = [
        (None, "key", 401, "invalid_key", "0 events are kept"),
        (None, "project", 403, "project_suspended", "0 events are kept"),
        (Some(short), "", 408, "too_slow", "3 events are kept"),
        (Some(silent), "", 408, "too_slow", "3 events are kept"),
    ];
    // Each takes a second, all of them together no longer.
    join_all(all.map(async |(change, loss, status, code, kept)| {
        let scene = Scene::with(change.unwrap_or(|_| {})).await;
        let (admin, callers) = (scene.app.admin.clone(), scene.callers.clone());
        let lose = async move {
            let (acme, initiator) = (callers.acme, Initiator::system());
            let lost = match loss {
                "key" => admin.revoke_key(acme, callers.key_id, &initiator).await,
                "project" => admin.set_project_works(acme, false, &initiator).await.map(drop),
                _ => Ok(()),
            };
            lost.expect("lost");
        };
        let got = endless(&scene, lose).await;
        assert_eq!((got.status, got.code()), (status, code), "{}", got.text);
        let detail = got.detail();
        assert!(detail.contains(kept) && detail.contains("line 4"), "{detail}");
    }))
    .await;
}

#[tokio::test]
async fn a_right_is_gone_with_the_feature_that_it_needs() {
    let scene = Scene::new().await;
    let (admin, globex) = (&scene.app.admin, scene.callers.globex);
    let off = [(Feature::EventImport, false)].into();
    admin.set_features(globex, off, &Initiator::system()).await.expect("switched off");
    let refusal = Some("feature_disabled");
    for (key, refused) in [(&scene.callers.key, None), (&scene.callers.other, refusal)] {
        let right = right(&scene, key).await;
        assert!(right.check().await.is_ok(), "{key}");
        let told = right.with(Feature::EventImport).check().await.err();
        assert_eq!(told.map(|problem| problem.code.as_str()), refused, "{key}");
    }
}

#[tokio::test]
async fn an_answer_breaks_off_when_its_right_or_its_time_ends() {
    let short = Scene::with(|config| config.http.stream_timeout = Duration::ZERO).await;
    let all = [(Scene::new().await, true), (short, false)];
    join_all(all.map(async |(scene, is_revoked)| {
        let right = right(&scene, &scene.callers.key).await;
        if is_revoked {
            revoke(&scene).await;
        }
        let ticks = tokio::time::interval(Duration::from_millis(50));
        let endless = stream::unfold(ticks, |mut ticks| async move {
            ticks.tick().await;
            Some((Ok(Bytes::from_static(b"x")), ticks))
        });
        let all = right.guard(endless).into_bytes();
        let read = tokio::time::timeout(Duration::from_secs(20), all).await;
        read.expect("an end").expect_err("broken off");
    }))
    .await;
}

#[tokio::test]
async fn errors_tell_little_of_what_was_sent() {
    let line = json!({ "type": "a", "payload": {}, "x".repeat(100_000): 1 });
    let got = Scene::new().await.write(IMPORT, NDJSON, line.to_string()).await;
    assert_eq!(got.json["rejected"], 1);
    assert!(got.text.len() < 2_000, "{}", got.text.len());
}
