//! Keys in either header, projects by either name, and a list of people for somebody who may see one.

use bellbuoy_harness::account::{Account, PASSWORD};
use bellbuoy_harness::{Caller, Front, Pair, TestApp, on_pairs};
use domain::id::ProjectId;
use domain::permission::SUPER_ADMIN;
use reqwest::Method;
use serde_json::json;
use services::admin::Invitee;
use services::audit::Initiator;

on_pairs! {
    a_key_holds_in_either_header
    a_project_is_found_by_its_id_and_its_slug
    whoever_may_see_their_own_account_lists_it
}

async fn a_key_holds_in_either_header(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (one, other) = (app.tenant("one").await, app.tenant("other").await);
    let front = Front::new(&app.base);
    let event = json!({ "type": "order.paid", "payload": { "total": 7 } });
    let key = one.key.text();
    let as_key = Caller::key(&key);
    let as_bearer = Caller::token(&key);
    let taken = front.post(&as_bearer, "/api/v1/events", &event).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    let id = taken.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/events/{id}");
    // It is the same key: it sees what it sent, and may neither more nor less.
    for caller in [&as_key, &as_bearer] {
        assert_eq!(front.get(caller, &path).await.json()["id"], json!(id));
    }
    for path in ["/api/v1/users", "/api/v1/me", "/api/v1/keys"] {
        let (with, without) = (front.get(&as_bearer, path).await, front.get(&as_key, path).await);
        assert_eq!((with.status, with.code()), (403, without.code()), "{path}: {with:?}");
    }
    let both = as_key.with("authorization", &format!("Bearer {key}"));
    assert_eq!(front.post(&both, "/api/v1/events", &event).await.status, 202);
    let foreign = other.key.text();
    let mixed = as_key.with("authorization", &format!("Bearer {foreign}"));
    let refused = front.post(&mixed, "/api/v1/events", &event).await;
    assert_eq!((refused.status, refused.code()), (403, "project_mismatch".to_owned()));
    assert_eq!(front.get(&Caller::token(&foreign), &path).await.status, 404);
    let broken = Caller::token(&key[..key.len() - 1]);
    let refused = front.post(&broken, "/api/v1/events", &event).await;
    assert_eq!((refused.status, refused.code()), (401, "invalid_key".to_owned()));
    app.stop().await;
}

async fn a_project_is_found_by_its_id_and_its_slug(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    Account::admin(&app, "other").await;
    let (by_slug, by_id) =
        (ada.json("/projects/acme").await, ada.json(&format!("/projects/{}", ada.project)).await);
    assert_eq!(by_slug, by_id);
    for path in ["plan", "features", "settings", "stats"] {
        ada.json(&format!("/projects/acme/{path}")).await;
    }
    // Another one's slug answers as one of nobody.
    let (foreign, nobodys) = (ada.get("/projects/other").await, ada.get("/projects/nobody").await);
    assert_eq!((foreign.0, nobodys.0), (404, 404), "{foreign:?} {nobodys:?}");
    let (status, text) = ada.get("/projects/a%20b").await;
    assert!(status == 400 && text.contains("its slug, like acme"), "{text}");
    let root = Invitee {
        email: "root@example.com".to_owned(),
        full_name: "Root".to_owned(),
        password: Some(PASSWORD.to_owned()),
        roles: vec![SUPER_ADMIN.to_owned()],
    };
    let made = app.app.admin.create_user(ProjectId::PLATFORM, root, &Initiator::system()).await;
    made.expect("a super admin");
    let root = Account::log_in(&app, "platform", "root@example.com").await;
    let plan = json!({ "plan": "gold", "limits": { "users": 10 } });
    let (status, text) = root.send(Method::PUT, "/projects/acme/plan", Some(&plan)).await;
    assert_eq!(status, 200, "{text}");
    let (status, suspended) = root.post("/projects/other/suspend", &json!({})).await;
    assert_eq!((status, &suspended["status"]), (200, &json!("suspended")), "{suspended}");
    assert_eq!(root.delete("/projects/other").await.0, 204);
    assert_eq!(root.get("/projects/other").await.0, 404, "an archived project frees its slug");
    app.stop().await;
}

async fn whoever_may_see_their_own_account_lists_it(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let role =
        json!({ "name": "self_reader", "permissions": ["users:read:own", "roles:read:own"] });
    let (status, made) = ada.post("/roles", &role).await;
    assert_eq!(status, 201, "{made}");
    let eve = ada.colleague("acme", "eve", &["self_reader"]).await;
    for path in ["/users", "/users?status=active", "/users?search=eve", "/users?limit=1"] {
        let listed = eve.json(path).await;
        let ids: Vec<&str> = listed["items"]
            .as_array()
            .expect("a list")
            .iter()
            .flat_map(|one| one["id"].as_str())
            .collect();
        assert_eq!(ids, [eve.user.as_str()], "{path}: {listed}");
        assert!(listed.get("next_cursor").is_none(), "{path}: {listed}");
    }
    for path in ["/users?search=admin", "/users?status=pending"] {
        assert_eq!(eve.json(path).await["items"], json!([]), "{path}");
    }
    assert_eq!(ada.json("/users").await["items"].as_array().map(Vec::len), Some(2));
    // What is nobody's own says so.
    for path in ["/auth/invitations", "/roles", "/permissions"] {
        let (status, text) = eve.get(path).await;
        assert!(status == 403 && text.contains("for the whole project"), "{path}: {text}");
    }
    app.stop().await;
}
