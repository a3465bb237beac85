//! Is what people make made once, however often they ask for it under one key? From the front door, on every store.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::Duration;

use bellbuoy::roles::Roles;
use bellbuoy_harness::{Pair, TestApp, on_pairs};
use domain::id::{ProjectId, UserId};
use domain::once::Operation;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use services::admin::Invitee;
use services::audit::Initiator;
use store::sealed::Column;
use uuid::Uuid;

on_pairs! {
    everything_that_people_make_is_made_once
    a_key_belongs_to_one_caller_one_project_and_one_body
    a_refused_request_leaves_its_key_free
    of_twenty_at_once_one_makes_it
    a_deed_whose_answer_was_lost_is_not_done_again
    whoever_is_erased_stands_in_no_answer
}

const PASSWORD: &str = "correct horse battery";

/// What came back.
#[derive(Clone, Debug)]
struct Got {
    status: u16,
    replay: String,
    retry_after: String,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The status, and the code of the problem.
    fn problem(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// A person's way to the API.
struct Session<'a> {
    app: &'a TestApp,
    access: String,
    user: UserId,
}

impl Session<'_> {
    async fn send(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Got {
        let url = format!("{}/api/v1{path}", self.app.base);
        let mut request = self.app.http.request(method, url).bearer_auth(&self.access);
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("an answer");
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (replay, retry_after) = (header("idempotency-replay"), header("retry-after"));
        let status = response.status().as_u16();
        Got { status, replay, retry_after, text: response.text().await.expect("a body") }
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Got {
        self.send(Method::POST, path, key, Some(body)).await
    }

    async fn count(&self, path: &str) -> usize {
        let got = self.send(Method::GET, path, "", None).await;
        got.json()["items"].as_array().expect("a list").len()
    }
}

async fn login<'a>(app: &'a TestApp, project: &str, email: &str) -> Session<'a> {
    let url = format!("{}/api/v1/auth/login", app.base);
    let body = json!({ "project": project, "email": email, "password": PASSWORD });
    let response = app.http.post(url).json(&body).send().await.expect("an answer");
    let tokens: Value = response.json().await.expect("tokens");
    let access = tokens["access_token"].as_str().expect("a token").to_owned();
    let mut session = Session { app, access, user: UserId(Uuid::nil()) };
    let me = session.send(Method::GET, "/me", "", None).await.json();
    session.user = UserId(id(&me["user"]["id"]));
    session
}

fn id(value: &Value) -> Uuid {
    value.as_str().and_then(|text| text.parse().ok()).expect("an id")
}

/// The product with cheap hashing, for the cost of Argon2 is not what is tried here.
async fn start(pair: Pair) -> TestApp {
    TestApp::with(pair, Roles::all(), |config| {
        config.auth.hash_memory = config::ByteSize::kib(64);
        config.auth.hash_passes = 1;
    })
    .await
}

/// Somebody who administers a project.
async fn admin_of(app: &TestApp, project: ProjectId, email: &str, role: &str) {
    let new = Invitee {
        email: email.to_owned(),
        full_name: "Another Admin".to_owned(),
        password: Some(PASSWORD.to_owned()),
        roles: vec![role.to_owned()],
    };
    app.app.admin.create_user(project, new, &Initiator::system()).await.expect("an admin");
}

fn somebody(email: &str) -> Value {
    json!({ "email": email, "full_name": "Some One" })
}

/// Sends it, sends it again, and answers what was made.
async fn twice(who: &Session<'_>, path: &str, key: &str, body: Option<&Value>) -> Value {
    let first = who.send(Method::POST, path, key, body).await;
    assert_eq!((first.status, first.replay.as_str()), (201, ""), "{path}: {first:?}");
    let again = who.send(Method::POST, path, key, body).await;
    assert_eq!((again.status, again.replay.as_str()), (201, "true"), "{path}: {again:?}");
    assert_eq!(again.text, first.text, "{path}");
    first.json()
}

async fn everything_that_people_make_is_made_once(pair: Pair) {
    let app = start(pair).await;
    admin_of(&app, ProjectId::PLATFORM, "root@example.com", "super_admin").await;
    app.administered("acme", PASSWORD).await;
    let ana = login(&app, "acme", "admin@acme.example").await;

    twice(&ana, "/users", "k-1", Some(&somebody("one@acme.example"))).await;
    assert_eq!(ana.count("/users").await, 2);

    // The same key means another thing for another operation. What is shown once is shown again.
    let key = json!({ "name": "checkout", "scopes": ["events:write"] });
    let made = twice(&ana, "/keys", "k-1", Some(&key)).await;
    assert!(made["api_key"].as_str().expect("a key").starts_with("bb_"), "{made}");
    assert_eq!(ana.count("/keys").await, 2);

    // The old key is gone by the time of the repeat, which is answered all the same.
    let old = made["key"]["id"].as_str().expect("an id");
    let path = format!("/keys/{old}/regenerate");
    let newer = twice(&ana, &path, "k-1", None).await;
    assert_eq!(ana.count("/keys").await, 3);
    let newer = newer["key"]["id"].as_str().expect("an id");
    let other = ana.send(Method::POST, &format!("/keys/{newer}/regenerate"), "k-1", None).await;
    assert_eq!(other.problem(), (409, "idempotency_conflict".to_owned()), "{other:?}");

    let role = json!({ "name": "night-watch", "description": "", "permissions": ["events:read"] });
    let roles = ana.count("/roles").await;
    twice(&ana, "/roles", "k-1", Some(&role)).await;
    assert_eq!(ana.count("/roles").await, roles + 1);

    // Without the key the address would be mailed again.
    let invitation = json!({ "email": "two@acme.example" });
    twice(&ana, "/auth/invitations", "k-1", Some(&invitation)).await;
    assert_eq!(ana.count("/auth/invitations").await, 1);

    let root = login(&app, "platform", "root@example.com").await;
    let new = json!({
        "slug": "shop", "name": "Shop",
        "admin": { "email": "bo@shop.example", "full_name": "Bo Boss", "password": PASSWORD },
    });
    let made = twice(&root, "/projects", "k-1", Some(&new)).await;
    assert!(made["api_key"].as_str().expect("a key").starts_with("bb_"), "{made}");

    // Whoever rotates the sealing key meets each answer once, however few are read at a time.
    let (mut after, mut met) = (None, Vec::new());
    while let [one] = &app.app.store.sealed(Column::OnceAnswers, after, 1).await.expect("reads")[..]
    {
        met.push(one.place.clone());
        after = Some(one.place.clone());
        assert!(met.len() <= 6, "{met:?}");
    }
    assert!(met.len() == 6 && met.is_sorted(), "{met:?}");
    app.stop().await;
}

async fn a_key_belongs_to_one_caller_one_project_and_one_body(pair: Pair) {
    let app = start(pair).await;
    let acme = app.administered("acme", PASSWORD).await;
    app.administered("other", PASSWORD).await;
    admin_of(&app, acme, "ben@acme.example", "admin").await;
    let ana = login(&app, "acme", "admin@acme.example").await;
    let ben = login(&app, "acme", "ben@acme.example").await;
    let eve = login(&app, "other", "admin@other.example").await;

    let key = json!({ "name": "checkout", "scopes": ["read"] });
    let mut texts = Vec::new();
    for who in [&ana, &ben, &eve] {
        texts.push(twice(who, "/keys", "k-1", Some(&key)).await["api_key"].to_string());
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 3, "each has a key of their own");

    let other = json!({ "name": "checkout", "scopes": ["events:write"] });
    let got = ana.post("/keys", "k-1", &other).await;
    assert_eq!(got.problem(), (409, "idempotency_conflict".to_owned()), "{got:?}");
    assert_eq!(ana.post("/keys", "k-2", &other).await.status, 201);

    for wrong in ["with blank", &"k".repeat(256)] {
        let got = ana.post("/keys", wrong, &key).await;
        assert_eq!(got.problem(), (400, "invalid_parameter".to_owned()), "{wrong}: {got:?}");
    }

    // A key is remembered for a day; then it is free, whether it was forgotten yet or not.
    app.clock.advance(Duration::from_secs(25 * 3600));
    let ana = login(&app, "acme", "admin@acme.example").await;
    let got = ana.post("/keys", "k-1", &other).await;
    assert_eq!((got.status, got.replay.as_str()), (201, ""), "{got:?}");
    app.stop().await;
}

async fn a_refused_request_leaves_its_key_free(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let ana = login(&app, "acme", "admin@acme.example").await;
    let taken = ana.post("/users", "k-1", &somebody("admin@acme.example")).await;
    assert_eq!(taken.problem(), (409, "conflict".to_owned()), "{taken:?}");
    let mut wrong = somebody("one@acme.example");
    wrong["roles"] = json!(["nobody"]);
    let got = ana.post("/users", "k-1", &wrong).await;
    assert_eq!(got.status, 400, "{got:?}");
    twice(&ana, "/users", "k-1", Some(&somebody("one@acme.example"))).await;
    app.stop().await;
}

async fn of_twenty_at_once_one_makes_it(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let ana = login(&app, "acme", "admin@acme.example").await;
    let key = json!({ "name": "checkout", "scopes": ["read"] });
    let invitation = json!({ "email": "two@acme.example" });
    for (path, body, before) in [("/keys", &key, 1), ("/auth/invitations", &invitation, 0)] {
        let all = join_all((0..20).map(|_| ana.post(path, "k-1", body))).await;
        let fresh = all.iter().filter(|got| got.status == 201 && got.replay.is_empty()).count();
        assert_eq!(fresh, 1, "{path}: {all:?}");
        for got in all.iter().filter(|got| got.status != 201) {
            let code = got.problem();
            assert_eq!(code, (409, "idempotency_in_progress".to_owned()), "{path}: {got:?}");
            assert_eq!(got.retry_after, "1", "{path}");
        }
        assert_eq!(ana.count(path).await, before + 1, "{path}");
        let again = ana.post(path, "k-1", body).await;
        assert_eq!((again.status, again.replay.as_str()), (201, "true"), "{path}: {again:?}");
    }
    app.stop().await;
}

async fn a_deed_whose_answer_was_lost_is_not_done_again(pair: Pair) {
    let app = start(pair).await;
    let acme = app.administered("acme", PASSWORD).await;
    let ana = login(&app, "acme", "admin@acme.example").await;
    let body = somebody("one@acme.example");
    let text = serde_json::to_string(&body).expect("a body");
    // As if the process had died between the request and the answer.
    let admin = &app.app.admin;
    let once = admin.once(acme, ana.user, Operation::CreateUser, ("k-1", text.as_bytes()));
    let initiator = Initiator { once: Some(once), ..Initiator::system() };
    let new = Invitee {
        email: "one@acme.example".to_owned(),
        full_name: "Some One".to_owned(),
        password: None,
        roles: Vec::new(),
    };
    let (made, _) = admin.create_user(acme, new, &initiator).await.expect("an account");

    let got = ana.post("/users", "k-1", &body).await;
    assert_eq!(got.problem(), (409, "idempotency_in_progress".to_owned()), "{got:?}");
    assert_eq!(got.retry_after, "1");
    app.clock.advance(Duration::from_secs(11));
    let got = ana.post("/users", "k-1", &body).await;
    assert_eq!(got.problem(), (409, "idempotency_answer_lost".to_owned()), "{got:?}");
    let detail = got.json()["detail"].to_string();
    assert!(detail.contains(&made.id.to_string()), "{detail}");
    assert_eq!(ana.count("/users").await, 2);
    app.stop().await;
}

async fn whoever_is_erased_stands_in_no_answer(pair: Pair) {
    let app = start(pair).await;
    app.administered("acme", PASSWORD).await;
    let ana = login(&app, "acme", "admin@acme.example").await;
    let (one, two) = (somebody("one@acme.example"), somebody("two@acme.example"));
    let made = twice(&ana, "/users", "k-1", Some(&one)).await;
    twice(&ana, "/users", "k-2", Some(&two)).await;
    let invitation = json!({ "email": "three@acme.example" });
    twice(&ana, "/auth/invitations", "k-3", Some(&invitation)).await;

    let path = format!("/users/{}/erase", id(&made["id"]));
    assert_eq!(ana.send(Method::POST, &path, "", None).await.status, 204);
    app.clock.advance(Duration::from_secs(11));
    for (path, key, body) in [("/users", "k-1", &one), ("/auth/invitations", "k-3", &invitation)] {
        let got = ana.post(path, key, body).await;
        assert_eq!(got.problem(), (409, "idempotency_answer_lost".to_owned()), "{path}: {got:?}");
    }
    let other = ana.post("/users", "k-2", &two).await;
    assert_eq!((other.status, other.replay.as_str()), (201, "true"), "{other:?}");
    app.stop().await;
}
