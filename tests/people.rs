//! Do people get in who may, and nobody else? Projects, logins, keys and accounts, from the front door, on every store.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::Duration;

use bellbuoy::roles::Roles;
use bellbuoy_harness::{Pair, TestApp, on_pairs};
use domain::id::ProjectId;
use reqwest::Method;
use serde_json::{Value, json};
use services::admin::Invitee;
use services::audit::Initiator;

on_pairs! {
    a_super_admin_makes_a_project_that_is_ready_to_be_used
    a_login_lasts_as_long_as_it_is_refreshed_and_no_longer
    a_refresh_token_that_is_used_twice_ends_its_session
    parallel_guesses_lock_an_account_exactly
    nobody_learns_who_has_an_account
    roles_say_who_may_what_and_changes_hold_at_once
    a_project_keeps_to_itself
    a_suspended_project_lets_nobody_in
    keys_are_made_replaced_and_taken_back
    the_last_admin_stays_one
    a_new_signing_key_ends_old_tokens_when_it_shall
}

const PASSWORD: &str = "correct horse battery";

/// A person's way to the API.
struct Session<'a> {
    app: &'a TestApp,
    access: String,
    refresh: String,
}

impl Session<'_> {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let bearer = ("authorization", format!("Bearer {}", self.access));
        call(self.app, method, path, &[bearer], body).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn act(&self, path: &str) -> (u16, Value) {
        self.call(Method::POST, path, None).await
    }
}

async fn call(
    app: &TestApp,
    method: Method,
    path: &str,
    headers: &[(&str, String)],
    body: Option<Value>,
) -> (u16, Value) {
    let mut request = app.http.request(method, format!("{}/api/v1{path}", app.base));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

async fn try_login(app: &TestApp, project: &str, email: &str, password: &str) -> (u16, Value) {
    let body = json!({ "project": project, "email": email, "password": password });
    call(app, Method::POST, "/auth/login", &[], Some(body)).await
}

async fn login<'a>(app: &'a TestApp, project: &str, email: &str) -> Session<'a> {
    let (status, tokens) = try_login(app, project, email, PASSWORD).await;
    assert_eq!(status, 200, "{tokens}");
    let text = |name: &str| tokens[name].as_str().expect("a token").to_owned();
    Session { app, access: text("access_token"), refresh: text("refresh_token") }
}

/// The product with cheap hashing, for the cost of Argon2 is not what is tried here.
async fn start(pair: Pair) -> TestApp {
    let app = TestApp::with(pair, Roles::all(), |config| {
        config.auth.hash_memory = config::ByteSize::kib(64);
        config.auth.hash_passes = 1;
    })
    .await;
    let root = Invitee {
        email: "root@example.com".to_owned(),
        full_name: "Root".to_owned(),
        password: Some(PASSWORD.to_owned()),
        roles: vec!["super_admin".to_owned()],
    };
    app.app.admin.create_user(ProjectId::PLATFORM, root, &Initiator::system()).await.expect("root");
    app
}

/// An account of a project with these roles.
async fn user(admin: &Session<'_>, email: &str, roles: &[&str]) -> String {
    let body =
        json!({ "email": email, "full_name": "Some One", "password": PASSWORD, "roles": roles });
    let (status, made) = admin.post("/users", body).await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().expect("an id").to_owned()
}

async fn a_super_admin_makes_a_project_that_is_ready_to_be_used(pair: Pair) {
    let app = start(pair).await;
    let root = login(&app, "platform", "root@example.com").await;
    let new = json!({
        "slug": "acme", "name": "Acme", "description": "A shop",
        "admin": { "email": " Bo@Acme.example ", "full_name": "Bo Boss", "password": PASSWORD },
    });
    let (status, made) = root.post("/projects", new.clone()).await;
    assert_eq!(status, 201, "{made}");
    let key = made["api_key"].as_str().expect("a key").to_owned();
    let event = json!({ "type": "payment", "payload": {} });
    let (status, taken) =
        call(&app, Method::POST, "/events", &[("x-api-key", key)], Some(event)).await;
    assert_eq!(status, 202, "the first key works: {taken}");

    let bo = login(&app, "acme", "bo@acme.example").await;
    let (_, me) = bo.get("/me").await;
    assert_eq!(me["user"]["roles"], json!(["admin"]), "{me}");
    let (status, events) = bo.get("/events").await;
    assert_eq!((status, events["items"].as_array().map(Vec::len)), (200, Some(1)), "{events}");

    let (status, clash) = root.post("/projects", new.clone()).await;
    assert_eq!((status, &clash["code"]), (409, &json!("conflict")), "{clash}");
    let mut bad = new;
    bad["slug"] = json!("api");
    bad["admin"]["password"] = json!("password123");
    let (status, told) = root.post("/projects", bad).await;
    let fields: Vec<&str> = told["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|error| error["field"].as_str())
        .collect();
    assert_eq!((status, fields), (400, vec!["slug", "admin.password"]), "{told}");

    let (status, listed) = root.get("/projects").await;
    assert_eq!((status, listed["items"].as_array().map(Vec::len)), (200, Some(1)), "{listed}");
    let (status, told) = bo.get("/projects").await;
    assert_eq!((status, &told["code"]), (403, &json!("forbidden")));
    let id = made["project"]["id"].as_str().expect("an id");
    let change = json!({ "name": "Acme & Co" });
    let (status, changed) = bo.call(Method::PATCH, &format!("/projects/{id}"), Some(change)).await;
    assert_eq!((status, &changed["name"]), (200, &json!("Acme & Co")), "{changed}");
    let key = [("x-api-key", made["api_key"].as_str().expect("a key").to_owned())];
    assert_eq!(call(&app, Method::GET, "/events", &key, None).await.0, 200);
    let (status, _) = root.call(Method::DELETE, &format!("/projects/{id}"), None).await;
    assert_eq!(status, 204);
    assert_eq!(call(&app, Method::GET, "/events", &key, None).await.0, 403, "nor its key");
    assert_eq!(bo.get("/me").await.0, 401, "nor a token that is out");
    let body = json!({ "refresh_token": bo.refresh });
    assert_eq!(call(&app, Method::POST, "/auth/refresh", &[], Some(body)).await.0, 401);
    let (status, _) = try_login(&app, "acme", "bo@acme.example", PASSWORD).await;
    assert_eq!(status, 401, "an archived project is not there");
    app.stop().await;
}

async fn a_login_lasts_as_long_as_it_is_refreshed_and_no_longer(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let first = login(&app, "acme", "admin@acme.example").await;
    app.advance(Duration::from_secs(15 * 60));
    let (status, told) = first.get("/me").await;
    assert_eq!((status, &told["code"]), (401, &json!("expired_token")));
    let body = json!({ "refresh_token": first.refresh });
    let (status, tokens) = call(&app, Method::POST, "/auth/refresh", &[], Some(body)).await;
    assert_eq!(status, 200, "{tokens}");
    let text = |name: &str| tokens[name].as_str().expect("a token").to_owned();
    let second =
        Session { app: &app, access: text("access_token"), refresh: text("refresh_token") };
    assert_eq!(second.get("/me").await.0, 200);

    let other = login(&app, "acme", "admin@acme.example").await;
    let (_, sessions) = other.get("/auth/sessions").await;
    let sessions = sessions["items"].as_array().expect("sessions").clone();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    assert_eq!(sessions[0]["current"], true, "newest first");
    assert!(sessions[0]["address"].is_string(), "{sessions:?}");
    let theirs = sessions[1]["id"].as_str().expect("an id");
    let (status, _) = other.call(Method::DELETE, &format!("/auth/sessions/{theirs}"), None).await;
    assert_eq!(status, 204);
    assert_eq!(second.get("/me").await.0, 401, "ended from elsewhere");
    assert_eq!(other.act("/auth/logout").await.0, 204);
    assert_eq!(other.get("/me").await.0, 401);

    let idle = login(&app, "acme", "admin@acme.example").await;
    app.advance(Duration::from_secs(8 * 24 * 3600));
    let body = json!({ "refresh_token": idle.refresh });
    let (status, told) = call(&app, Method::POST, "/auth/refresh", &[], Some(body)).await;
    assert_eq!((status, &told["code"]), (401, &json!("invalid_token")), "it rested too long");
    app.stop().await;
}

async fn a_refresh_token_that_is_used_twice_ends_its_session(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let session = login(&app, "acme", "admin@acme.example").await;
    let refresh = async |token: &str| {
        let body = json!({ "refresh_token": token });
        call(&app, Method::POST, "/auth/refresh", &[], Some(body)).await
    };
    let (status, next) = refresh(&session.refresh).await;
    assert_eq!(status, 200, "{next}");
    let other = if session.refresh.ends_with('0') { '1' } else { '0' };
    let guess = format!("{}{other}", &session.refresh[..session.refresh.len() - 1]);
    assert_eq!(refresh(&guess).await.0, 401);
    assert_eq!(session.get("/me").await.0, 200, "a guess ends nothing");
    assert_eq!(refresh(&session.refresh).await.0, 401, "used up");
    assert_eq!(session.get("/me").await.0, 401, "and whoever has the other one is out");
    assert_eq!(refresh(next["refresh_token"].as_str().expect("a token")).await.0, 401);
    let nowhere = ProjectId::fresh(app.app.clock.now());
    let made_up = format!("bbr_{}_{}_{}", nowhere.0.simple(), nowhere.0.simple(), "0".repeat(64));
    assert_eq!(refresh(&made_up).await.0, 401);
    let (now, fresh) = (app.app.clock.now(), [7; 8]);
    let kept = app.app.store.subject_key(nowhere, uuid::Uuid::nil(), &fresh, now).await;
    assert_eq!(kept.expect("answers"), fresh, "a made-up project leaves no key behind");
    for bad in ["", "bbr_", "bbr_x_y_z", "é", &"a".repeat(199)] {
        assert_eq!(refresh(bad).await.0, 401, "{bad}");
    }
    app.stop().await;
}

async fn parallel_guesses_lock_an_account_exactly(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    // Among the wrong ones is the right one, late: it must come too late.
    let guesses = (0..60).map(|at| {
        let app = &app;
        async move {
            let wrong = format!("wrong guess {at}");
            try_login(app, "acme", "admin@acme.example", &wrong).await.0
        }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    let (status, told) = try_login(&app, "acme", "admin@acme.example", PASSWORD).await;
    assert_eq!((status, &told["code"]), (401, &json!("invalid_credentials")), "locked");
    app.advance(Duration::from_secs(15 * 60 + 1));
    login(&app, "acme", "admin@acme.example").await;
    for _ in 0..4 {
        assert_eq!(try_login(&app, "acme", "admin@acme.example", "x").await.0, 401);
    }
    login(&app, "acme", "admin@acme.example").await;
    assert_eq!(try_login(&app, "acme", "admin@acme.example", "x").await.0, 401);
    login(&app, "acme", "admin@acme.example").await;
    app.stop().await;
}

async fn nobody_learns_who_has_an_account(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let mut told = Vec::new();
    for (project, email) in [
        ("acme", "admin@acme.example"),
        ("acme", "nobody@acme.example"),
        ("platform", "admin@acme.example"),
        ("nowhere", "admin@acme.example"),
    ] {
        let (status, mut answer) = try_login(&app, project, email, "wrong horse battery").await;
        assert_eq!(status, 401, "{answer}");
        answer["request_id"] = Value::Null;
        told.push(answer);
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:#?}");
    let body = json!({ "email": "admin@acme.example", "password": PASSWORD });
    let (status, answer) = call(&app, Method::POST, "/auth/login", &[], Some(body.clone())).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("project")));
    let header = [("x-project", "acme".to_owned())];
    let (status, _) = call(&app, Method::POST, "/auth/login", &header, Some(body)).await;
    assert_eq!(status, 200, "the header names the project too");
    // Whichever of them exist: the answer must not tell.
    for (body, header) in
        [("platform", "acme"), ("nowhere", "acme"), ("acme", "nowhere"), ("nowhere", "neither")]
    {
        let both = json!({ "project": body, "email": "admin@acme.example", "password": PASSWORD });
        let header = [("x-project", header.to_owned())];
        let (status, answer) = call(&app, Method::POST, "/auth/login", &header, Some(both)).await;
        assert_eq!((status, &answer["code"]), (403, &json!("project_mismatch")), "{header:?}");
    }
    let twice = json!({ "project": "acme", "email": "admin@acme.example", "password": PASSWORD });
    let (status, _) = call(&app, Method::POST, "/auth/login", &header, Some(twice)).await;
    assert_eq!(status, 200, "the same name twice is one");
    app.stop().await;
}

async fn roles_say_who_may_what_and_changes_hold_at_once(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let admin = login(&app, "acme", "admin@acme.example").await;
    let id = user(&admin, "viv@acme.example", &["viewer"]).await;
    let viewer = login(&app, "acme", "viv@acme.example").await;
    assert_eq!(viewer.get("/events").await.0, 200);
    for path in ["/users", "/keys", "/projects"] {
        let (status, told) = viewer.get(path).await;
        assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "{path}");
    }
    let event = json!({ "type": "payment", "payload": {} });
    assert_eq!(viewer.post("/events", event).await.0, 403, "events come from programs");
    let (status, told) =
        viewer.post("/users", json!({ "email": "x@y.example", "full_name": "X" })).await;
    assert_eq!(status, 403, "{told}");

    let roles = json!({ "roles": ["admin", "viewer"] });
    let (status, set) = admin.call(Method::PUT, &format!("/users/{id}/roles"), Some(roles)).await;
    assert_eq!((status, &set["roles"]), (200, &json!(["admin", "viewer"])), "{set}");
    assert_eq!(viewer.get("/users").await.0, 200, "a token that is out follows");
    let unknown = json!({ "roles": ["chief"] });
    let (status, told) =
        admin.call(Method::PUT, &format!("/users/{id}/roles"), Some(unknown)).await;
    assert_eq!((status, &told["errors"][0]["field"]), (400, &json!("roles[0]")), "{told}");

    let hr =
        json!({ "name": "hr", "description": "", "permissions": ["users:manage", "events:read"] });
    let (status, told) = admin.post("/roles", hr).await;
    assert_eq!(status, 201, "{told}");
    user(&admin, "hr@acme.example", &["hr"]).await;
    let hr = login(&app, "acme", "hr@acme.example").await;
    let body = json!({ "email": "own@acme.example", "full_name": "O", "roles": ["admin"] });
    let (status, told) = hr.post("/users", body).await;
    assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "more than they have: {told}");
    let mine = hr.get("/me").await.1["user"]["id"].as_str().expect("an id").to_owned();
    let more = json!({ "roles": ["hr", "rule_manager"] });
    let (status, _) = hr.call(Method::PUT, &format!("/users/{mine}/roles"), Some(more)).await;
    assert_eq!(status, 403, "nor to themselves");

    assert_eq!(admin.act(&format!("/users/{id}/suspend")).await.0, 200);
    assert_eq!(viewer.get("/me").await.0, 401, "out at once");
    let (status, told) = try_login(&app, "acme", "viv@acme.example", PASSWORD).await;
    assert_eq!((status, &told["code"]), (403, &json!("account_suspended")));
    assert_eq!(admin.act(&format!("/users/{id}/reactivate")).await.0, 200);
    assert_eq!(viewer.get("/me").await.0, 401, "and for good");
    let body = json!({ "refresh_token": viewer.refresh });
    assert_eq!(call(&app, Method::POST, "/auth/refresh", &[], Some(body)).await.0, 401);
    let viewer = login(&app, "acme", "viv@acme.example").await;
    let elsewhere = login(&app, "acme", "viv@acme.example").await;
    let change = json!({ "old_password": PASSWORD, "new_password": "battery horse correct" });
    assert_eq!(viewer.post("/me/password", change).await.0, 204);
    assert_eq!((viewer.get("/me").await.0, elsewhere.get("/me").await.0), (200, 401));
    assert_eq!(try_login(&app, "acme", "viv@acme.example", PASSWORD).await.0, 401);
    let (_, found) = admin.get("/users?search=Viv@").await;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(admin.call(Method::DELETE, &format!("/users/{id}"), None).await.0, 204);
    assert_eq!(viewer.get("/me").await.0, 401);
    user(&admin, "viv@acme.example", &[]).await;
    app.stop().await;
}

async fn a_project_keeps_to_itself(pair: Pair) {
    let app = start(pair).await;
    let acme = app.administered("acme", PASSWORD).await;
    app.administered("other", PASSWORD).await;
    let mine = login(&app, "acme", "admin@acme.example").await;
    let theirs = login(&app, "other", "admin@other.example").await;
    let id = user(&mine, "viv@acme.example", &["viewer"]).await;
    let (_, made) = mine.post("/keys", json!({ "name": "k", "scopes": ["events:write"] })).await;
    let key = made["key"]["id"].as_str().expect("an id");
    for (method, path) in [
        (Method::GET, format!("/users/{id}")),
        (Method::PATCH, format!("/users/{id}")),
        (Method::PUT, format!("/users/{id}/roles")),
        (Method::POST, format!("/users/{id}/suspend")),
        (Method::DELETE, format!("/users/{id}")),
        (Method::DELETE, format!("/keys/{key}")),
        (Method::POST, format!("/keys/{key}/regenerate")),
        (Method::GET, format!("/projects/{acme}")),
        (Method::PATCH, format!("/projects/{acme}")),
    ] {
        let body = match method {
            Method::PATCH => Some(json!({})),
            Method::PUT => Some(json!({ "roles": [] })),
            _ => None,
        };
        let (status, told) = theirs.call(method.clone(), &path, body).await;
        assert_eq!((status, &told["code"]), (404, &json!("not_found")), "{method} {path}: {told}");
    }
    for path in [format!("/projects/{acme}/suspend"), format!("/projects/{acme}/reactivate")] {
        assert_eq!(mine.act(&path).await.0, 403, "{path}: not even of one's own");
    }
    let headers =
        [("authorization", format!("Bearer {}", theirs.access)), ("x-project", "acme".to_owned())];
    let (status, told) = call(&app, Method::GET, "/me", &headers, None).await;
    assert_eq!((status, &told["code"]), (403, &json!("project_mismatch")), "{told}");
    let key = made["api_key"].as_str().expect("a key").to_owned();
    let headers = [("authorization", format!("Bearer {}", theirs.access)), ("x-api-key", key)];
    let (status, told) = call(&app, Method::GET, "/me", &headers, None).await;
    assert_eq!((status, &told["code"]), (403, &json!("project_mismatch")), "{told}");
    let (_, users) = theirs.get("/users").await;
    assert!(!users.to_string().contains("acme"), "{users}");
    app.stop().await;
}

async fn a_suspended_project_lets_nobody_in(pair: Pair) {
    let app = start(pair).await;
    let id = app.administered("acme", PASSWORD).await;
    let root = login(&app, "platform", "root@example.com").await;
    let admin = login(&app, "acme", "admin@acme.example").await;
    let (_, made) = admin.post("/keys", json!({ "name": "k", "scopes": ["read"] })).await;
    let key = [("x-api-key", made["api_key"].as_str().expect("a key").to_owned())];
    assert_eq!(call(&app, Method::GET, "/events", &key, None).await.0, 200);
    let (status, told) = root.act(&format!("/projects/{id}/suspend")).await;
    assert_eq!((status, &told["status"]), (200, &json!("suspended")));
    for (status, told) in [
        call(&app, Method::GET, "/events", &key, None).await,
        admin.get("/me").await,
        try_login(&app, "acme", "admin@acme.example", PASSWORD).await,
    ] {
        assert_eq!((status, &told["code"]), (403, &json!("project_suspended")), "{told}");
    }
    let refresh = json!({ "refresh_token": admin.refresh });
    for _ in 0..3 {
        let body = Some(refresh.clone());
        let (status, told) = call(&app, Method::POST, "/auth/refresh", &[], body).await;
        assert_eq!((status, &told["code"]), (403, &json!("project_suspended")), "{told}");
    }
    for _ in 0..6 {
        let (status, told) = try_login(&app, "acme", "admin@acme.example", PASSWORD).await;
        assert_eq!((status, &told["code"]), (403, &json!("project_suspended")), "no failure");
    }
    assert_eq!(root.act(&format!("/projects/{id}/reactivate")).await.0, 200);
    assert_eq!(call(&app, Method::GET, "/events", &key, None).await.0, 200, "keys are back");
    let (status, told) = admin.get("/me").await;
    assert_eq!((status, &told["code"]), (401, &json!("invalid_token")), "logins are not");
    let (status, told) = call(&app, Method::POST, "/auth/refresh", &[], Some(refresh)).await;
    assert_eq!((status, &told["code"]), (401, &json!("invalid_token")), "{told}");
    let again = login(&app, "acme", "admin@acme.example").await;
    let (_, sessions) = again.get("/auth/sessions").await;
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(1), "{sessions}");
    app.stop().await;
}

async fn keys_are_made_replaced_and_taken_back(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let admin = login(&app, "acme", "admin@acme.example").await;
    let ends = "2026-03-01T13:00:00Z";
    let new = json!({ "name": "checkout", "scopes": ["read", "read"], "expires_at": ends });
    let (status, made) = admin.post("/keys", new).await;
    assert_eq!((status, &made["key"]["scopes"]), (201, &json!(["read"])), "{made}");
    let text = |made: &Value| [("x-api-key", made["api_key"].as_str().expect("a key").to_owned())];
    assert_eq!(call(&app, Method::GET, "/events", &text(&made), None).await.0, 200);
    let event = json!({ "type": "payment", "payload": {} });
    let (status, told) = call(&app, Method::POST, "/events", &text(&made), Some(event)).await;
    assert_eq!((status, &told["code"]), (403, &json!("missing_scope")));

    let id = made["key"]["id"].as_str().expect("an id");
    let (status, next) = admin.act(&format!("/keys/{id}/regenerate")).await;
    assert_eq!((status, &next["key"]["name"]), (201, &json!("checkout")), "{next}");
    assert_eq!(call(&app, Method::GET, "/events", &text(&made), None).await.0, 401, "at once");
    assert_eq!(call(&app, Method::GET, "/events", &text(&next), None).await.0, 200);
    assert_eq!(admin.act(&format!("/keys/{id}/regenerate")).await.0, 404, "it was replaced");
    app.advance(Duration::from_secs(3600));
    let admin = login(&app, "acme", "admin@acme.example").await;
    let (status, told) = call(&app, Method::GET, "/events", &text(&next), None).await;
    assert_eq!((status, &told["code"]), (401, &json!("expired_key")));

    let (_, lasting) = admin.post("/keys", json!({ "name": "k", "scopes": ["read"] })).await;
    let id = lasting["key"]["id"].as_str().expect("an id");
    assert_eq!(admin.call(Method::DELETE, &format!("/keys/{id}"), None).await.0, 204);
    assert_eq!(call(&app, Method::GET, "/events", &text(&lasting), None).await.0, 401);
    let (_, keys) = admin.get("/keys").await;
    let keys = keys["items"].as_array().expect("keys");
    assert_eq!(keys.len(), 4, "the first of the project, and those of above: {keys:?}");
    assert_eq!(keys.iter().filter(|key| key["revoked_at"].is_string()).count(), 2);
    let listed = Value::from(keys.clone()).to_string();
    assert!(!listed.contains(&lasting["api_key"].as_str().expect("a key")[20..]), "no secrets");
    for (bad, field) in [
        (json!({ "name": "", "scopes": ["read"] }), "name"),
        (json!({ "name": "k", "scopes": [] }), "scopes"),
        (json!({ "name": "k", "scopes": ["all"] }), "scopes[0]"),
        (json!({ "name": "k", "scopes": ["read"], "expires_at": "soon" }), "expires_at"),
        (json!({ "name": "k", "scopes": ["read"], "expires_at": ends }), "expires_at"),
    ] {
        let (status, told) = admin.post("/keys", bad).await;
        assert_eq!((status, &told["errors"][0]["field"]), (400, &json!(field)), "{told}");
    }
    app.stop().await;
}

async fn the_last_admin_stays_one(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let admin = login(&app, "acme", "admin@acme.example").await;
    let (_, me) = admin.get("/me").await;
    let id = me["user"]["id"].as_str().expect("an id").to_owned();
    let none = Some(json!({ "roles": ["viewer"] }));
    for (status, told) in [
        admin.call(Method::PUT, &format!("/users/{id}/roles"), none.clone()).await,
        admin.act(&format!("/users/{id}/suspend")).await,
        admin.call(Method::DELETE, &format!("/users/{id}"), None).await,
    ] {
        assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");
    }
    assert_eq!(admin.get("/users").await.0, 200, "nothing was changed");
    user(&admin, "second@acme.example", &["admin"]).await;
    let (status, _) = admin.call(Method::PUT, &format!("/users/{id}/roles"), none).await;
    assert_eq!(status, 200, "there is another one now");
    app.stop().await;
}

async fn a_new_signing_key_ends_old_tokens_when_it_shall(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let before = login(&app, "acme", "admin@acme.example").await;
    app.app.admin.rotate_signing_key(false).await.expect("a key");
    let after = login(&app, "acme", "admin@acme.example").await;
    assert_eq!((before.get("/me").await.0, after.get("/me").await.0), (200, 200));
    app.advance(Duration::from_secs(16 * 60));
    app.app.admin.rotate_signing_key(false).await.expect("a key");
    let kept = app.app.store.signing_keys().await.expect("keys").len();
    assert_eq!(kept, 2, "the first has nothing left to prove");

    let old = login(&app, "acme", "admin@acme.example").await;
    app.app.admin.rotate_signing_key(true).await.expect("a key");
    let new = login(&app, "acme", "admin@acme.example").await;
    assert_eq!(new.get("/me").await.0, 200);
    assert_eq!(old.get("/me").await.0, 401);
    let body = json!({ "refresh_token": old.refresh });
    assert_eq!(call(&app, Method::POST, "/auth/refresh", &[], Some(body)).await.0, 200);
    app.stop().await;
}
