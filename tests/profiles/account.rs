//! Profiles and pictures.

use bellbuoy::roles::Roles;
use bellbuoy_harness::{Account, Pair, TestApp};
use bytes::Bytes;
use domain::id::ProjectId;
use files::key::FileKey;
use futures_util::stream;
use reqwest::Method;
use serde_json::{Value, json};

/// The product with cheap hashing, for the cost of Argon2 is not what is tried here.
pub async fn start(pair: Pair) -> TestApp {
    start_with(pair, Roles::all()).await
}

/// The same in these roles.
pub async fn start_with(pair: Pair, roles: Roles) -> TestApp {
    TestApp::with(pair, roles, |config| {
        config.auth.hash_memory = config::ByteSize::kib(64);
        config.auth.hash_passes = 1;
    })
    .await
}

/// Puts a file where it can be found.
pub async fn file(app: &TestApp, project: ProjectId, path: &str, text: &'static str) {
    let key = FileKey::new(project, path).expect("a key");
    let body = stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
    app.app.files.put(&key, "image/png", Box::pin(body)).await.expect("stored");
}

/// The fields that an answer names, and its status.
pub fn fields(status: u16, answer: &Value) -> (u16, Vec<&str>) {
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    (status, errors.iter().filter_map(|error| error["field"].as_str()).collect())
}

pub async fn a_profile_is_changed_field_by_field(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let change = json!({
        "username": "ada", "phone": "+43 (660) 123-4567", "first_name": "Ada", "last_name": " Admin ",
        "postcode": "1010", "bio": "Rings\nbells.", "locale": "de-AT", "timezone": "Europe/Vienna",
    });
    let (status, changed) = ada.patch("/me", &change).await;
    assert_eq!((status, &changed["username"]), (200, &json!("ada")), "{changed}");
    let whole = json!({
        "phone": "+436601234567", "first_name": "Ada", "last_name": "Admin", "postcode": "1010",
        "bio": "Rings\nbells.", "locale": "de-AT", "timezone": "Europe/Vienna",
    });
    assert_eq!(changed["profile"], whole);
    assert_eq!(ada.json("/me").await["user"], changed);
    assert_eq!(ada.json("/users?search=ad").await["items"][0], changed, "also by username");

    let (status, changed) = ada.patch("/me", &json!({ "bio": null, "full_name": "Ada B" })).await;
    assert_eq!((status, &changed["full_name"]), (200, &json!("Ada B")), "{changed}");
    assert_eq!(changed["profile"]["bio"], Value::Null);
    assert_eq!(changed["profile"]["phone"], "+436601234567", "what is left out stays");

    let bad = json!({
        "full_name": "", "username": "A", "phone": "0660", "first_name": "a\u{0}", "last_name": "",
        "postcode": "!", "bio": "\u{0}", "locale": "x", "timezone": "Mars",
    });
    let (status, told) = ada.patch("/me", &bad).await;
    let all = [
        "full_name",
        "username",
        "phone",
        "first_name",
        "last_name",
        "postcode",
        "bio",
        "locale",
        "timezone",
    ];
    assert_eq!(fields(status, &told), (400, all.to_vec()), "{told}");
    let (status, told) = ada.patch("/me", &json!({ "nickname": "x" })).await;
    assert_eq!(fields(status, &told), (400, vec!["nickname"]));

    // An admin changes others, and both stand in the log, sealed for whom it is about.
    let bo = ada.colleague("acme", "bo", &["viewer"]).await;
    let path = format!("/users/{}", bo.user);
    let (status, changed) = ada.patch(&path, &json!({ "postcode": "SW1A 1AA" })).await;
    assert_eq!((status, &changed["profile"]["postcode"]), (200, &json!("SW1A 1AA")), "{changed}");
    assert_eq!(bo.patch(&path, &json!({ "postcode": "1" })).await.0, 403);
    let log = ada.json("/audit?action=user.update").await;
    let last = &log["items"][0];
    assert_eq!(last["personal"]["after"], json!({ "postcode": "SW1A 1AA" }), "{last}");
    assert_eq!((&last["subject_id"], &last["after"]), (&json!(bo.user), &Value::Null));
    let rows = log["items"].as_array().map(Vec::len);
    ada.patch(&path, &json!({ "postcode": "SW1A 1AA" })).await;
    let again = ada.json("/audit?action=user.update").await;
    assert_eq!(again["items"].as_array().map(Vec::len), rows, "nothing was changed");
    app.stop().await;
}

pub async fn names_and_numbers_are_somebodys_alone(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let bo = ada.colleague("acme", "bo", &["viewer"]).await;
    let mine = json!({ "username": "ada", "phone": "+43 660 1234567" });
    assert_eq!(ada.patch("/me", &mine).await.0, 200);
    assert_eq!(ada.patch("/me", &mine).await.0, 200, "one's own is no clash");
    for (change, field) in [
        (json!({ "username": "ada" }), "username"),
        (json!({ "phone": "+43 (660) 12345-67" }), "phone"),
    ] {
        let (status, told) = bo.patch("/me", &change).await;
        assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");
        assert!(told["detail"].as_str().unwrap().starts_with(field), "{told}");
    }
    let other = Account::admin(&app, "other").await;
    assert_eq!(other.patch("/me", &mine).await.0, 200, "another project is another world");

    // What somebody leaves behind is free.
    let path = format!("/users/{}", bo.user);
    assert_eq!(bo.patch("/me", &json!({ "username": "bo" })).await.0, 200);
    assert_eq!(ada.delete(&path).await.0, 204);
    let next = ada.colleague("acme", "bo", &["viewer"]).await;
    assert_eq!(next.patch("/me", &json!({ "username": "bo" })).await.0, 200);
    let (_, again) = next.patch("/me", &json!({ "username": null })).await;
    assert_eq!(again["username"], Value::Null);
    app.stop().await;
}

pub async fn two_changes_at_once_both_stay(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let changes = [
        json!({ "first_name": "Ada" }),
        json!({ "last_name": "Admin" }),
        json!({ "postcode": "1010" }),
        json!({ "phone": "+436601234567" }),
    ];
    let sent = changes.iter().map(|change| ada.patch("/me", change));
    for (status, told) in futures_util::future::join_all(sent).await {
        assert_eq!(status, 200, "{told}");
    }
    let whole = json!({
        "first_name": "Ada", "last_name": "Admin", "postcode": "1010", "phone": "+436601234567",
    });
    assert_eq!(ada.json("/me").await["user"]["profile"], whole);
    app.stop().await;
}

pub async fn a_picture_is_ones_own_file(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let bo = ada.colleague("acme", "bo", &["viewer"]).await;
    let mine = format!("avatars/{}/face.png", ada.user);
    file(&app, ada.project, &mine, "a face").await;
    file(&app, ada.project, "reports/secret.png", "a secret").await;
    let put = async |who: &Account<'_>, path: &str| {
        let (status, text) =
            who.send(Method::PUT, "/me/avatar", Some(&json!({ "file": path }))).await;
        (status, serde_json::from_str::<Value>(&text).unwrap_or_default())
    };
    let (status, changed) = put(&ada, &mine).await;
    assert_eq!((status, &changed["profile"]["avatar"]), (200, &json!(mine)), "{changed}");
    let gone = format!("avatars/{}/nothing.png", ada.user);
    let out = format!("avatars/{}/../../reports/secret.png", ada.user);
    for (who, path) in [
        (&bo, mine.as_str()),
        (&ada, "reports/secret.png"),
        (&ada, &gone),
        (&ada, &out),
        (&ada, "a\u{0}"),
        (&ada, ""),
    ] {
        let (status, told) = put(who, path).await;
        assert_eq!(fields(status, &told), (400, vec!["file"]), "{path}: {told}");
    }
    assert_eq!(ada.delete("/me/avatar").await.0, 204);
    assert_eq!(ada.json("/me").await["user"]["profile"]["avatar"], Value::Null);
    app.stop().await;
}

pub async fn a_picture_is_shown_to_who_may_see_its_account(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let bo = ada.colleague("acme", "bo", &["member"]).await;
    let stranger = Account::admin(&app, "other").await;
    let get = async |who: &Account<'_>, path: &str, tag: Option<&str>| {
        let request = app.http.get(format!("{}/api/v1{path}", app.base)).bearer_auth(&who.token);
        let request = match tag {
            Some(tag) => request.header("if-none-match", tag),
            None => request,
        };
        request.send().await.expect("an answer")
    };
    let hers = format!("/users/{}/avatar", ada.user);
    for path in ["/me/avatar", hers.as_str()] {
        assert_eq!(get(&ada, path, None).await.status(), 404, "{path}: none yet");
    }
    let (gif, odd) = ("GIF89a and so on", "<script>alert(1)</script>");
    for (name, text, kind, shown) in [
        ("face.png", gif, "image/gif", "inline"),
        ("face.gif", odd, "application/octet-stream", "attachment"),
    ] {
        let file_path = format!("avatars/{}/{name}", ada.user);
        file(&app, ada.project, &file_path, text).await;
        let body = json!({ "file": file_path });
        assert_eq!(ada.send(Method::PUT, "/me/avatar", Some(&body)).await.0, 200);
        for path in ["/me/avatar", hers.as_str()] {
            let answer = get(&ada, path, None).await;
            assert_eq!(answer.status(), 200, "{path}");
            let headers = answer.headers().clone();
            let header = |name: &str| headers[name].to_str().expect("a text").to_owned();
            assert_eq!(
                (header("content-type"), header("content-disposition")),
                (kind.into(), shown.into())
            );
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert!(header("content-security-policy").contains("sandbox"), "{headers:?}");
            assert_eq!(header("cache-control"), "private, no-cache");
            assert_eq!(answer.text().await.expect("a text"), text);
            let same = get(&ada, path, Some(&header("etag"))).await;
            assert_eq!(same.status(), 304, "{path}");
        }
    }
    assert_eq!(get(&bo, &hers, None).await.status(), 403, "it needs users:read");
    assert_eq!(get(&stranger, &hers, None).await.status(), 404, "of another project");
    let key = FileKey::new(ada.project, &format!("avatars/{}/face.gif", ada.user)).expect("a key");
    app.app.files.delete(&key).await.expect("gone");
    assert_eq!(get(&ada, &hers, None).await.status(), 404, "the file is gone");
    app.stop().await;
}
