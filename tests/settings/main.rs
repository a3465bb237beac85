//! What projects set for themselves and what is set for them, from the front door, on every store: settings and their
//! secrets here; plans and features, and the rotation of the sealing key, in files of their own.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

mod plans;
mod sealing;

use std::time::Duration;

use bellbuoy::roles::Roles;
use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use config::Config;
use domain::attempt::AttemptKind;
use domain::id::ProjectId;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use services::admin::Invitee;
use services::audit::Initiator;
use services::reseal::setting_row;

on_pairs! {
    settings_are_set_as_a_whole_and_their_secrets_never_come_out
    of_those_who_edit_at_once_one_is_first
    pages_of_a_project_may_call_for_it_and_for_no_other
    attempts_to_come_in_are_counted_exactly
    a_project_may_demand_more_of_passwords_and_requests
}

async fn start(pair: Pair, change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::with(pair, Roles::all(), |config| {
        config.auth.hash_memory = config::ByteSize::kib(64);
        config.auth.hash_passes = 1;
        change(config);
    })
    .await;
    let root = Invitee {
        email: "root@example.com".to_owned(),
        full_name: "Root".to_owned(),
        password: Some(PASSWORD.to_owned()),
        roles: vec!["super_admin".to_owned()],
    };
    let made = app.app.admin.create_user(ProjectId::PLATFORM, root, &Initiator::system()).await;
    made.expect("root");
    app
}

/// Sends a request below `/api/v1` with these headers.
async fn send(
    app: &TestApp,
    who: Option<&Account<'_>>,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Response {
    let mut request = app.http.request(method, format!("{}/api/v1{path}", app.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(who) = who {
        request = request.bearer_auth(&who.token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.expect("an answer")
}

async fn put(
    app: &TestApp,
    who: &Account<'_>,
    path: &str,
    if_match: Option<&str>,
    body: Value,
) -> (u16, Value) {
    let headers: Vec<(&str, &str)> = if_match.map(|tag| ("if-match", tag)).into_iter().collect();
    let answer = send(app, Some(who), Method::PUT, path, &headers, Some(body)).await;
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map_or("", |value| value.to_str().expect("text")).to_owned()
}

fn settings_of(account: &Account<'_>) -> String {
    format!("/projects/{}/settings", account.project)
}

fn smtp(host: &str, password: Option<Value>) -> Value {
    let mut account = json!({ "host": host, "port": 587, "tls": "starttls", "username": "acme" });
    if let Some(password) = password {
        account["password"] = password;
    }
    json!({ "email": { "from": "alerts@acme.example", "first": { "smtp": account } } })
}

const SECRET: &str = "canary-of-a-password-1234";

async fn settings_are_set_as_a_whole_and_their_secrets_never_come_out(pair: Pair) {
    let app = start(pair, |_| {}).await;
    let ada = Account::admin(&app, "acme").await;
    let path = settings_of(&ada);
    let first = send(&app, Some(&ada), Method::GET, &path, &[], None).await;
    let tag = header(&first, "etag");
    assert_eq!((first.status().as_u16(), tag.as_str()), (200, "\"settings-0\""));

    let (status, told) = put(&app, &ada, &path, None, json!({
        "cors_origins": ["nonsense"], "password": { "min_length": 8 },
        "quiet_hours": { "from": "22:00", "to": "07:00", "timezone": "Mars/Olympus", "breaks_through": "high" },
    }))
    .await;
    let fields: Vec<&str> = told["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|error| error["field"].as_str())
        .collect();
    let wanted = vec!["quiet_hours.timezone", "cors_origins[0]", "password.min_length"];
    assert_eq!((status, fields), (400, wanted), "{told}");
    for (bad, field) in [
        (json!({ "colour": "blue" }), "colour"),
        (
            json!({ "email": { "from": "a@b.example", "first": { "smtp": { "host": 1 } } } }),
            "email.first.smtp.host",
        ),
        (json!({ "registration": "closed" }), "registration"),
        (smtp("mail.acme.example", Some(json!(7))), "email.first.smtp.password"),
    ] {
        let (status, told) = put(&app, &ada, &path, None, bad).await;
        assert_eq!((status, &told["errors"][0]["field"]), (400, &json!(field)), "{told}");
    }

    let wanted = smtp("mail.acme.example", Some(json!(SECRET)));
    let (status, set) = put(&app, &ada, &path, Some(&tag), wanted.clone()).await;
    let shown = &set["email"]["first"]["smtp"]["password"];
    assert_eq!((status, shown), (200, &json!({ "set": true, "last4": "1234" })), "{set}");
    let (status, told) = put(&app, &ada, &path, Some(&tag), wanted).await;
    assert_eq!((status, &told["code"]), (412, &json!("precondition_failed")), "{told}");
    let (status, told) = put(&app, &ada, &path, Some("settings-1"), json!({})).await;
    assert_eq!((status, &told["errors"][0]["field"]), (400, &json!("If-Match")), "{told}");

    // It is sealed for its project and field, and stays when it is left out or sent back as it was read.
    let opened = |sealed: &[(String, Vec<u8>)]| -> Vec<String> {
        let open = |(field, bytes): &(String, Vec<u8>)| {
            let plain = app.app.sealer.open_sealed(ada.project, &setting_row(field), bytes);
            String::from_utf8(plain.expect("opens")).expect("text")
        };
        sealed.iter().map(open).collect()
    };
    for same in [set.clone(), smtp("mail.acme.example", None)] {
        let (status, set) = put(&app, &ada, &path, Some("*"), same).await;
        assert_eq!(
            (status, &set["email"]["first"]["smtp"]["password"]["last4"]),
            (200, &json!("1234"))
        );
        let kept = app.app.store.settings(ada.project).await.expect("settings");
        assert_eq!(opened(&kept.secrets), [SECRET]);
    }
    let (status, told) = put(&app, &ada, &path, None, smtp("evil.example", None)).await;
    let field = json!("email.first.smtp.password");
    assert_eq!((status, &told["errors"][0]["field"]), (400, &field), "{told}");
    let (_, set) = put(&app, &ada, &path, None, smtp("mail.acme.example", Some(Value::Null))).await;
    assert_eq!(set["email"]["first"]["smtp"]["password"], json!({ "set": false }), "{set}");
    let kept = app.app.store.settings(ada.project).await.expect("settings");
    assert_eq!((kept.version, kept.secrets.len()), (4, 0));
    let log = ada.json("/audit?action=project.settings").await;
    assert_eq!(log["items"].as_array().map(Vec::len), Some(4), "{log}");
    assert!(!log.to_string().contains("canary") && log.to_string().contains("mail.acme.example"));

    let other = Account::admin(&app, "other").await;
    assert_eq!(other.get(&path).await.0, 404);
    assert_eq!(put(&app, &other, &path, None, json!({})).await.0, 404);
    let viewer = ada.colleague("acme", "vic", &["viewer"]).await;
    assert_eq!(viewer.get(&path).await.0, 403);
    assert_eq!(put(&app, &viewer, &path, None, json!({})).await.0, 403);
    let stats = ada.json(&format!("/projects/{}/stats", ada.project)).await;
    assert_eq!((&stats["users"]["active"], &stats["keys"]), (&json!(2), &json!(1)), "{stats}");
    assert_eq!(stats["usage"][0], json!({ "limit": "users", "used": 2 }), "{stats}");
    app.stop().await;
}

async fn of_those_who_edit_at_once_one_is_first(pair: Pair) {
    let app = start(pair, |_| {}).await;
    let ada = Account::admin(&app, "acme").await;
    let path = settings_of(&ada);
    let body = |at: usize| json!({ "extras": { "by": at.to_string() } });
    let demanding = (0..6).map(|at| put(&app, &ada, &path, Some("\"settings-0\""), body(at)));
    let answers = futures(demanding).await;
    let mut all: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    all.sort_unstable();
    assert_eq!(all, [200, 412, 412, 412, 412, 412]);
    let patient = (0..4).map(|at| put(&app, &ada, &path, None, body(at)));
    let answers = futures(patient).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let kept = app.app.store.settings(ada.project).await.expect("settings");
    assert_eq!(kept.version, 5);

    let made = ada.post("/roles", &json!({ "name": "on_call" })).await.1;
    let path = format!("/roles/{}", made["id"].as_str().expect("an id"));
    let read = send(&app, Some(&ada), Method::GET, &path, &[], None).await;
    let tag = header(&read, "etag");
    let change = |at: usize| {
        let body = json!({ "description": format!("by {at}") });
        let (app, ada, path, tag) = (&app, &ada, &path, &tag);
        async move {
            let headers = [("if-match", tag.as_str())];
            let answer = send(app, Some(ada), Method::PATCH, path, &headers, Some(body)).await;
            (answer.status().as_u16(), Value::Null)
        }
    };
    let answers = futures((0..4).map(change)).await;
    let mut all: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    all.sort_unstable();
    assert_eq!(all, [200, 412, 412, 412]);
    let read = send(&app, Some(&ada), Method::GET, &path, &[], None).await;
    assert_ne!(header(&read, "etag"), tag);
    assert_eq!(ada.patch(&path, &json!({ "description": "again" })).await.0, 200);
    app.stop().await;
}

/// All of these at once, in order.
async fn futures<F: Future<Output = (u16, Value)>>(
    all: impl Iterator<Item = F>,
) -> Vec<(u16, Value)> {
    futures_util::future::join_all(all).await
}

async fn pages_of_a_project_may_call_for_it_and_for_no_other(pair: Pair) {
    const PAGE: &str = "https://app.acme.example";
    let app = start(pair, |_| {}).await;
    let ada = Account::admin(&app, "acme").await;
    let other = Account::admin(&app, "other").await;
    let asks = [("origin", PAGE), ("access-control-request-method", "PUT")];
    let from = [("origin", PAGE)];
    let preflight = send(&app, None, Method::OPTIONS, "/me", &asks, None).await;
    assert_eq!(preflight.status().as_u16(), 403, "nobody named it");
    let set = json!({ "cors_origins": [PAGE] });
    assert_eq!(put(&app, &ada, &settings_of(&ada), None, set).await.0, 200);
    let preflight = send(&app, None, Method::OPTIONS, "/me", &asks, None).await;
    assert_eq!(preflight.status().as_u16(), 204);
    for (who, seen) in [(&ada, PAGE), (&other, "")] {
        let answer = send(&app, Some(who), Method::GET, "/me", &from, None).await;
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(header(&answer, "access-control-allow-origin"), seen);
    }
    for (slug, seen) in [("acme", PAGE), ("other", "")] {
        let body = json!({ "project": slug, "email": "x@example.com", "password": "wrong" });
        let answer = send(&app, None, Method::POST, "/auth/login", &from, Some(body)).await;
        assert_eq!(answer.status().as_u16(), 401);
        assert_eq!(header(&answer, "access-control-allow-origin"), seen, "{slug}");
    }
    assert_eq!(put(&app, &ada, &settings_of(&ada), None, json!({})).await.0, 200);
    let answer = send(&app, Some(&ada), Method::GET, "/me", &from, None).await;
    assert_eq!(header(&answer, "access-control-allow-origin"), "", "no longer");
    app.stop().await;
}

async fn attempts_to_come_in_are_counted_exactly(pair: Pair) {
    let app = start(pair, |config| {
        config.limits.login_per_minute = 6;
        config.limits.refresh_per_minute = 2;
    })
    .await;
    let mut ada = Account::admin(&app, "acme").await;
    Account::admin(&app, "other").await;
    app.advance(Duration::from_secs(60));
    let wrong = |slug: &'static str| {
        let app = &app;
        async move {
            let body = json!({ "project": slug, "email": "x@example.com", "password": "wrong" });
            let answer = send(app, None, Method::POST, "/auth/login", &[], Some(body)).await;
            let after = header(&answer, "retry-after");
            let limit = header(&answer, "ratelimit-limit");
            (answer.status().as_u16(), json!([after, limit]))
        }
    };
    let answers = futures((0..20).map(|_| wrong("acme"))).await;
    let tried = answers.iter().filter(|(status, _)| *status == 401).count();
    assert_eq!(tried, 6, "{answers:?}");
    for (status, told) in answers.iter().filter(|(status, _)| *status != 401) {
        assert_eq!((*status, told), (429, &json!(["60", "6"])));
    }
    assert_eq!(wrong("other").await.0, 401, "each project has its own");
    app.advance(Duration::from_secs(60));
    assert_eq!(wrong("acme").await.0, 401, "the window has ended");
    let refresh = || async {
        let body = json!({ "refresh_token": "bbr_nothing" });
        let answer = send(&app, None, Method::POST, "/auth/refresh", &[], Some(body)).await;
        answer.status().as_u16()
    };
    assert_eq!([refresh().await, refresh().await, refresh().await], [401, 401, 429]);

    app.advance(Duration::from_secs(60));
    let tighter = json!({ "rate_limits": { "logins_per_minute": 2 } });
    ada.token = again(&app, "acme").await;
    assert_eq!(put(&app, &ada, &settings_of(&ada), None, tighter).await.0, 200);
    assert_eq!([wrong("acme").await.0, wrong("acme").await.0], [401, 429], "the login was one");
    let wider = json!({ "rate_limits": { "logins_per_minute": 7 } });
    let (status, told) = put(&app, &ada, &settings_of(&ada), None, wider).await;
    let field = json!("rate_limits.logins_per_minute");
    assert_eq!((status, &told["errors"][0]["field"]), (400, &field), "{told}");

    let store = &app.app.store;
    let now = app.app.clock.now();
    assert_eq!(
        store.forget_attempts(now.minus(Duration::from_secs(600)), 10).await.expect("answers"),
        0
    );
    let later = now.plus(Duration::from_secs(1));
    assert!(store.forget_attempts(later, 10).await.expect("answers") >= 2);
    let known = store.attempts(ada.project, AttemptKind::Login, [0; 32]).await.expect("answers");
    assert_eq!(known, None);
    assert_eq!(wrong("acme").await.0, 401, "what is forgotten begins anew");
    app.stop().await;
}

async fn again(app: &TestApp, slug: &str) -> String {
    Account::log_in(app, slug, &format!("admin@{slug}.example.com")).await.token
}

async fn a_project_may_demand_more_of_passwords_and_requests(pair: Pair) {
    let app = start(pair, |_| {}).await;
    let ada = Account::admin(&app, "acme").await;
    let other = Account::admin(&app, "other").await;
    let set = json!({ "password": { "min_length": 30 } });
    assert_eq!(put(&app, &ada, &settings_of(&ada), None, set).await.0, 200);
    let body =
        json!({ "email": "u@example.com", "full_name": "U", "password": PASSWORD, "roles": [] });
    let (status, told) = ada.post("/users", &body).await;
    assert_eq!((status, &told["errors"][0]["field"]), (400, &json!("password")), "{told}");
    assert_eq!(other.post("/users", &body).await.0, 201);

    let set = json!({ "rate_limits": { "requests_per_second": 1 } });
    assert_eq!(put(&app, &other, &settings_of(&other), None, set).await.0, 200);
    let mut denied = None;
    for _ in 0..20 {
        let answer = send(&app, Some(&other), Method::GET, "/me", &[], None).await;
        if answer.status().as_u16() == 429 {
            denied = Some((header(&answer, "ratelimit-limit"), header(&answer, "retry-after")));
            break;
        }
    }
    let (limit, after) = denied.expect("the project's own limit");
    assert_eq!(
        (limit.as_str(), after.is_empty()),
        ("2", false),
        "a second's worth may be saved up"
    );
    assert_eq!(ada.get("/me").await.0, 200);
    app.stop().await;
}
