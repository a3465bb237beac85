//! Invitations: made by who may, replaced, taken back, accepted.

use bellbuoy_harness::{Account, Pair, on_pairs};
use serde_json::{Value, json};

use crate::scene::*;

on_pairs! {
    whoever_is_invited_makes_their_account
    an_invitation_gives_no_more_than_its_maker_has
    an_invitation_ends
}

async fn accept(app: &bellbuoy_harness::TestApp, token: &str) -> (u16, Value) {
    let body = json!({ "token": token, "password": OTHER, "full_name": "Ines" });
    post(app, "/auth/invitations/accept", body).await
}

async fn whoever_is_invited_makes_their_account(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let email = "ines@example.com";
    let new = json!({ "email": " Ines@Example.com", "roles": ["viewer", "viewer"], "good_for_hours": 48 });
    let (status, made) = admin.post("/auth/invitations", &new).await;
    assert_eq!((status, &made["roles"]), (201, &json!(["viewer"])), "{made}");
    assert_eq!(made["expires_at"], "2026-03-03T12:00:00.000Z");
    assert!(!made.to_string().contains("bbi_"), "the token is mailed alone: {made}");
    let first = last(&app, email).await.token();
    let (status, again) = admin.post("/auth/invitations", &new).await;
    assert_eq!(status, 201, "{again}");
    let listed = admin.json("/auth/invitations").await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "the second replaces the first");
    let token = last(&app, email).await.token();

    let (status, told) = accept(&app, &first).await;
    assert_eq!((status, fields(&told)), (400, vec!["token"]), "{told}");
    let nameless = json!({ "token": token, "password": "short" });
    let (status, told) = post(&app, "/auth/invitations/accept", nameless).await;
    assert_eq!((status, fields(&told)), (400, vec!["full_name", "password"]), "{told}");
    let (status, user) = accept(&app, &token).await;
    assert_eq!(
        (status, &user["status"], &user["roles"]),
        (201, &json!("active"), &json!(["viewer"]))
    );
    assert!(user["email_verified_at"].is_string() && user["last_login_at"].is_null(), "{user}");
    assert_eq!(accept(&app, &token).await.0, 400, "good once");
    assert_eq!(login(&app, email, OTHER).await.0, 200);
    assert_eq!(admin.json("/auth/invitations").await["items"], json!([]));
    let (status, told) = admin.post("/auth/invitations", &new).await;
    assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");
    let log = admin.json("/audit").await.to_string();
    assert!(log.contains("invitation.create") && log.contains("invitation.accept"), "{log}");
    app.stop().await;
}

async fn an_invitation_gives_no_more_than_its_maker_has(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    for (name, permissions) in
        [("clerk", json!(["users:create"])), ("hr", json!(["users:manage", "events:read"]))]
    {
        let role = json!({ "name": name, "permissions": permissions });
        assert_eq!(admin.post("/roles", &role).await.0, 201);
    }
    let clerk = admin.colleague("acme", "carl", &["clerk"]).await;
    let hr = admin.colleague("acme", "hanna", &["hr"]).await;
    let viewer = admin.colleague("acme", "viv", &["viewer"]).await;
    let invite = |roles: &[&str]| json!({ "email": "ines@example.com", "roles": roles });
    for (who, roles, wanted) in [
        (&viewer, &[][..], 403),
        (&clerk, &[], 201),
        (&clerk, &["hr"], 403),
        (&hr, &["hr"], 201),
        (&hr, &["admin"], 403),
        (&hr, &["chief"], 400),
    ] {
        let (status, told) = who.post("/auth/invitations", &invite(roles)).await;
        assert_eq!(status, wanted, "{roles:?} {told}");
    }
    assert_eq!(viewer.get("/auth/invitations").await.0, 403);

    let role = json!({ "name": "passing", "permissions": ["events:read"] });
    let (_, made) = admin.post("/roles", &role).await;
    let (status, told) = admin.post("/auth/invitations", &invite(&["passing"])).await;
    assert_eq!(status, 201, "{told}");
    let token = last(&app, "ines@example.com").await.token();
    let role = made["id"].as_str().expect("an id");
    assert_eq!(admin.delete(&format!("/roles/{role}")).await.0, 204);
    let (status, told) = accept(&app, &token).await;
    assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");
    assert!(told["detail"].as_str().is_some_and(|text| text.contains("passing")), "{told}");
    app.stop().await;
}

async fn an_invitation_ends(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let other = Account::admin(&app, "other").await;
    let new = json!({ "email": "ines@example.com", "full_name": "Ines" });
    let (_, made) = admin.post("/auth/invitations", &new).await;
    let token = last(&app, "ines@example.com").await.token();
    let path = format!("/auth/invitations/{}", made["id"].as_str().expect("an id"));
    assert_eq!(other.delete(&path).await.0, 404, "of another project");
    assert_eq!(other.json("/auth/invitations").await["items"], json!([]));
    assert_eq!(admin.delete(&path).await.0, 204);
    assert_eq!(admin.delete(&path).await.0, 404);
    assert_eq!(accept(&app, &token).await.0, 400, "taken back");

    for bad in [
        json!({ "email": "ines" }),
        json!({ "email": "ines@example.com", "good_for_hours": 0 }),
        json!({ "email": "ines@example.com", "good_for_hours": 721 }),
        json!({ "email": "ines@example.com", "full_name": "a\u{0}b" }),
    ] {
        let (status, told) = admin.post("/auth/invitations", &bad).await;
        assert_eq!(status, 400, "{told}");
    }
    for sent in 1..5 {
        assert_eq!(admin.post("/auth/invitations", &new).await.0, 201, "{sent}");
    }
    let (status, told) = admin.post("/auth/invitations", &new).await;
    assert_eq!((status, &told["code"]), (429, &json!("rate_limited")), "{told}");
    let token = last(&app, "ines@example.com").await.token();
    app.advance(std::time::Duration::from_secs(7 * 86_400));
    assert_eq!(accept(&app, &token).await.0, 400, "too late");
    app.stop().await;
}
