//! Webhook endpoints over the API: what is created is sent to and signed for, a secret that is rotated signs with the one
//! before it, and what is disabled, deleted, filtered or another project's is sent nothing. With every store and queue.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::Duration;

use bellbuoy_harness::app::Tenant;
use bellbuoy_harness::sink::{Hook, Reply, Sink};
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use reqwest::Method;
use serde_json::{Value, json};

on_pairs! {
    what_is_created_is_sent_to_and_its_secret_signs
    a_secret_that_was_rotated_signs_for_a_while
    a_repeated_request_is_given_the_same_secret
    what_is_disabled_or_deleted_is_sent_nothing
    a_filter_keeps_out_what_it_does_not_name
    a_change_of_an_old_state_is_refused
    projects_see_their_own_endpoints_alone
    urls_are_judged_when_they_are_saved
    a_test_answers_what_the_endpoint_answered
    attempts_are_listed
    what_is_done_is_written_down
}

/// An admin of a new tenant, whose only rule rings for payments.
async fn admin<'a>(app: &'a TestApp, slug: &str) -> (Tenant, Account<'a>) {
    let tenant = app.tenant(slug).await;
    let bo = Account::admin_of(app, &tenant, slug).await;
    (tenant, bo)
}

/// A new endpoint: its id and its secret.
async fn create(bo: &Account<'_>, name: &str, sink: &Sink) -> (String, String) {
    let new = json!({ "name": name, "url": sink.url() });
    let (status, made) = bo.post("/webhook-endpoints", &new).await;
    assert_eq!(status, 201, "{made}");
    let text =
        |pointer: &str| made.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned();
    (text("/endpoint/id"), text("/secret"))
}

async fn put(bo: &Account<'_>, id: &str, body: &Value) -> Value {
    let path = format!("/webhook-endpoints/{id}");
    let (status, text) = bo.send(Method::PUT, &path, Some(body)).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Posts without a body.
async fn act(bo: &Account<'_>, id: &str, what: &str) -> Value {
    let path = format!("/webhook-endpoints/{id}/{what}");
    let (status, text) = bo.send(Method::POST, &path, None).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// A change to what an endpoint takes.
fn taking(sink: &Sink, priorities: &[&str], rules: &[&str]) -> Value {
    json!({
        "name": "tickets", "url": sink.url(), "priorities": priorities, "rule_ids": rules,
    })
}

/// Rings once, in a group of its own.
async fn ring(app: &TestApp, tenant: &Tenant, group: &str) {
    app.event(tenant, "payment", &json!({ "group": group })).await;
    app.run_until_idle().await;
}

async fn rule(app: &TestApp, tenant: &Tenant) -> String {
    let rule = app.rule(tenant, "Payments", r#"event.type == "payment""#, None).await;
    rule.to_string()
}

/// Which of these secrets signed a message, with nobody else.
fn signed_by(hook: &Hook, secrets: &[&str]) -> bool {
    let header = |name: &str| hook.headers.get(name).cloned().expect("a header");
    let seconds: i64 = header("webhook-timestamp").parse().expect("seconds");
    let given = header("webhook-signature");
    let sign = |secret: &&str| {
        let verifier = standardwebhooks::Webhook::new(secret).expect("a secret");
        verifier.sign(&hook.id, seconds, &hook.body).expect("signs")
    };
    let wanted: Vec<String> = secrets.iter().map(sign).collect();
    given.split(' ').eq(wanted.iter().map(String::as_str))
}

async fn what_is_created_is_sent_to_and_its_secret_signs(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (tenant, bo) = admin(&app, "acme").await;
    rule(&app, &tenant).await;
    let sink = Sink::start().await;
    let (id, secret) = create(&bo, "tickets", &sink).await;
    let got = bo.json(&format!("/webhook-endpoints/{id}")).await;
    assert_eq!((&got["enabled"], got.get("secret")), (&json!(true), None), "{got}");
    ring(&app, &tenant, "a").await;
    assert_eq!((sink.count(), tenant.sink.count()), (1, 1));
    assert!(signed_by(&sink.hooks()[0], &[&secret]));
    // A key that may read sees the same, and nothing more.
    let (status, listed) = app.get("/api/v1/webhook-endpoints", &tenant).await;
    assert_eq!((status, listed["items"].as_array().map(Vec::len)), (200, Some(2)));
    assert!(!listed.to_string().contains("whsec_"), "{listed}");
    let again = json!({ "name": "tickets", "url": sink.url() });
    assert_eq!(bo.post("/webhook-endpoints", &again).await.0, 409);
    app.stop().await;
}

async fn a_secret_that_was_rotated_signs_for_a_while(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (tenant, bo) = admin(&app, "acme").await;
    rule(&app, &tenant).await;
    let sink = Sink::start().await;
    let (id, old) = create(&bo, "tickets", &sink).await;
    let path = format!("/webhook-endpoints/{id}/rotate-secret");
    let rotate = async |grace: u32| {
        let (status, made) = bo.post(&path, &json!({ "grace_seconds": grace })).await;
        assert_eq!(status, 201, "{made}");
        let holds = made["endpoint"].get("former_secret_until").is_some();
        assert_eq!(holds, grace > 0, "{made}");
        made["secret"].as_str().expect("a secret").to_owned()
    };
    let new = rotate(60).await;
    assert_ne!(new, old);
    ring(&app, &tenant, "a").await;
    assert!(signed_by(&sink.hooks()[0], &[&new, &old]), "{:?}", sink.hooks()[0].headers);
    app.advance(Duration::from_secs(61));
    ring(&app, &tenant, "b").await;
    assert!(signed_by(&sink.hooks()[1], &[&new]));
    // Without a grace, at once.
    let newest = rotate(0).await;
    ring(&app, &tenant, "c").await;
    assert!(signed_by(&sink.hooks()[2], &[&newest]));
    let (status, answer) = bo.post(&path, &json!({ "grace_seconds": 604_801 })).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("grace_seconds")));
    app.stop().await;
}

async fn a_repeated_request_is_given_the_same_secret(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (_, bo) = admin(&app, "acme").await;
    let sink = Sink::start().await;
    let post = async |path: &str, body: &Value| {
        let request = app.http.post(format!("{}/api/v1{path}", app.base)).bearer_auth(&bo.token);
        let request = request.header("idempotency-key", "k-1").json(body);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let new = json!({ "name": "tickets", "url": sink.url() });
    let first = post("/webhook-endpoints", &new).await;
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(post("/webhook-endpoints", &new).await, first);
    let id = first.1["endpoint"]["id"].as_str().expect("an id");
    let path = format!("/webhook-endpoints/{id}/rotate-secret");
    let rotated = post(&path, &json!({})).await;
    assert_eq!(rotated.0, 201, "{}", rotated.1);
    assert_ne!(rotated.1["secret"], first.1["secret"]);
    assert_eq!(post(&path, &json!({})).await, rotated);
    let (other, _) = create(&bo, "other", &sink).await;
    let other = post(&format!("/webhook-endpoints/{other}/rotate-secret"), &json!({})).await;
    assert_eq!((other.0, &other.1["code"]), (409, &json!("idempotency_conflict")));
    app.stop().await;
}

async fn what_is_disabled_or_deleted_is_sent_nothing(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (tenant, bo) = admin(&app, "acme").await;
    rule(&app, &tenant).await;
    let sink = Sink::start().await;
    let (id, _) = create(&bo, "tickets", &sink).await;
    let disabled = act(&bo, &id, "disable").await;
    assert_eq!(disabled["enabled"], json!(false));
    assert!(disabled["disabled_at"].is_string(), "{disabled}");
    ring(&app, &tenant, "a").await;
    assert_eq!((sink.count(), tenant.sink.count()), (0, 1));
    // What is left out of a change stays disabled.
    let said = json!({ "name": "tickets", "url": sink.url() });
    assert_eq!(put(&bo, &id, &said).await["enabled"], json!(false));
    assert_eq!(act(&bo, &id, "enable").await["enabled"], json!(true));
    ring(&app, &tenant, "b").await;
    assert_eq!((sink.count(), tenant.sink.count()), (1, 2));
    let path = format!("/webhook-endpoints/{id}");
    assert_eq!(bo.delete(&path).await.0, 204);
    assert_eq!(bo.delete(&path).await.0, 404);
    assert_eq!(bo.get(&path).await.0, 404);
    ring(&app, &tenant, "c").await;
    assert_eq!((sink.count(), tenant.sink.count()), (1, 3));
    // The name is free again.
    create(&bo, "tickets", &sink).await;
    app.stop().await;
}

async fn a_filter_keeps_out_what_it_does_not_name(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (tenant, bo) = admin(&app, "acme").await;
    let rule = rule(&app, &tenant).await;
    let other = app.rule(&tenant, "Refunds", r#"event.type == "refund""#, None).await.to_string();
    let sink = Sink::start().await;
    let (id, _) = create(&bo, "tickets", &sink).await;
    let said = |priorities: &[&str], rules: &[&str]| taking(&sink, priorities, rules);
    // The rule is of normal priority.
    let cases: [(&[&str], &[&str], bool); 5] = [
        (&["critical", "low"], &[], false),
        (&["normal"], &[], true),
        (&[], &[&other], false),
        (&["normal", "low"], &[&other, &rule], true),
        (&["low"], &[&rule], false),
    ];
    for (number, (priorities, rules, comes)) in cases.into_iter().enumerate() {
        put(&bo, &id, &said(priorities, rules)).await;
        let before = sink.count();
        ring(&app, &tenant, &format!("g{number}")).await;
        assert_eq!(sink.count() - before, usize::from(comes), "case {number}");
    }
    // Where no endpoint takes it, it does not ring.
    act(&bo, &tenant.endpoint.to_string(), "disable").await;
    let event = app.event(&tenant, "payment", &json!({ "group": "z" })).await;
    app.run_until_idle().await;
    let trace = app.trace(&tenant, &event).await;
    assert!(trace.to_string().contains("no_target"), "{trace}");
    let unknown = said(&[], &["0197a3f2-5c1e-7b4a-9d3f-2e8c6a1b0f47"]);
    let path = format!("/webhook-endpoints/{id}");
    let (status, text) = bo.send(Method::PUT, &path, Some(&unknown)).await;
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &answer["errors"][0]["field"]), (422, &json!("rule_ids[0]")), "{answer}");
    app.stop().await;
}

async fn a_change_of_an_old_state_is_refused(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (_, bo) = admin(&app, "acme").await;
    let sink = Sink::start().await;
    let (id, _) = create(&bo, "tickets", &sink).await;
    let url = format!("{}/api/v1/webhook-endpoints/{id}", app.base);
    let got = app.http.get(&url).bearer_auth(&bo.token).send().await.expect("an answer");
    let tag = got.headers()["etag"].to_str().expect("a tag").to_owned();
    let change = async |description: &str| {
        let body = json!({ "name": "tickets", "url": sink.url(), "description": description });
        let request = app.http.put(&url).bearer_auth(&bo.token).header("if-match", &tag);
        request.json(&body).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(change("one").await, 200);
    assert_eq!(change("two").await, 412);
    app.stop().await;
}

async fn projects_see_their_own_endpoints_alone(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (acme, bo) = admin(&app, "acme").await;
    let (globex, eve) = admin(&app, "globex").await;
    rule(&app, &acme).await;
    rule(&app, &globex).await;
    let sink = Sink::start().await;
    let (id, _) = create(&bo, "tickets", &sink).await;
    let path = format!("/webhook-endpoints/{id}");
    let said = json!({ "name": "mine", "url": sink.url() });
    assert_eq!(eve.get(&path).await.0, 404);
    assert_eq!(eve.send(Method::PUT, &path, Some(&said)).await.0, 404);
    assert_eq!(eve.delete(&path).await.0, 404);
    assert_eq!(eve.get(&format!("{path}/attempts")).await.0, 404);
    for what in ["enable", "disable", "test"] {
        let sent = eve.send(Method::POST, &format!("{path}/{what}"), None).await;
        assert_eq!(sent.0, 404, "{what}: {}", sent.1);
    }
    assert_eq!(eve.post(&format!("{path}/rotate-secret"), &json!({})).await.0, 404);
    let listed = eve.json("/webhook-endpoints").await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    // The same name is free there, and what rings there does not come here.
    create(&eve, "tickets", &Sink::start().await).await;
    ring(&app, &globex, "a").await;
    assert_eq!((sink.count(), acme.sink.count(), globex.sink.count()), (0, 0, 1));
    app.stop().await;
}

async fn urls_are_judged_when_they_are_saved(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (_, bo) = admin(&app, "acme").await;
    let long = format!("https://hooks.example.com/{}", "a".repeat(2048));
    for url in [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com/",
        "http://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/",
        "https://3232235777/",
        "https://ann:secret@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://hooks.exa\nmple.com/",
        long.as_str(),
    ] {
        let new = json!({ "name": "tickets", "url": url });
        let (status, answer) = bo.post("/webhook-endpoints", &new).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("url")), "{url}");
    }
    let new = json!({ "name": "tickets", "url": "https://hooks.example.com/ü?a=b" });
    assert_eq!(bo.post("/webhook-endpoints", &new).await.0, 201);
    app.stop().await;
}

async fn a_test_answers_what_the_endpoint_answered(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (_, bo) = admin(&app, "acme").await;
    let sink = Sink::start().await;
    let (id, secret) = create(&bo, "tickets", &sink).await;
    act(&bo, &id, "disable").await;
    sink.answer(|_, _| Reply { body: "a teapot".to_owned(), ..Reply::status(418) });
    let tested = act(&bo, &id, "test").await;
    assert_eq!((&tested["delivered"], &tested["status_code"]), (&json!(false), &json!(418)));
    assert_eq!(tested["answer"], "a teapot");
    let hook = sink.hooks().remove(0);
    assert_eq!((&hook.json()["type"], &tested["message_id"]), (&json!("test"), &json!(hook.id)));
    assert!(signed_by(&hook, &[&secret]));
    // A redirect is told and not followed.
    let other = Sink::start().await;
    let location = other.url();
    sink.answer(move |_, _| Reply {
        header: Some(("location", location.clone())),
        ..Reply::status(302)
    });
    assert_eq!(act(&bo, &id, "test").await["status_code"], json!(302));
    assert_eq!((sink.count(), other.count()), (2, 0));
    sink.answer(|_, _| Reply::status(204));
    assert_eq!(act(&bo, &id, "test").await["delivered"], json!(true));
    // Nothing listens there.
    put(&bo, &id, &json!({ "name": "tickets", "url": "http://127.0.0.1:1/" })).await;
    let tested = act(&bo, &id, "test").await;
    assert_eq!((tested.get("status_code"), tested["error"].is_string()), (None, true), "{tested}");
    app.stop().await;
}

async fn attempts_are_listed(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (tenant, bo) = admin(&app, "acme").await;
    rule(&app, &tenant).await;
    let sink = Sink::start().await;
    let (id, _) = create(&bo, "tickets", &sink).await;
    ring(&app, &tenant, "a").await;
    app.advance(Duration::from_secs(1));
    sink.answer(|_, _| Reply { body: "gone".to_owned(), ..Reply::status(410) });
    ring(&app, &tenant, "b").await;
    let path = format!("/webhook-endpoints/{id}/attempts");
    let listed = bo.json(&path).await;
    let states: Vec<&Value> =
        listed["items"].as_array().expect("items").iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["dead", "delivered"], "{listed}");
    let dead = &listed["items"][0];
    assert_eq!(
        (&dead["reason"], &dead["attempts"][0]["detail"]),
        (&json!("target_gone"), &json!("gone"))
    );
    assert_eq!(dead["attempts"][0]["status_code"], json!(410));
    assert_eq!(dead["message_id"], json!(sink.hooks()[1].id));
    let delivered = bo.json(&format!("{path}?state=delivered")).await;
    assert_eq!(delivered["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(delivered["items"][0]["id"], listed["items"][1]["id"]);
    let first = bo.json(&format!("{path}?limit=1")).await;
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let second = bo.json(&format!("{path}?limit=1&cursor={cursor}")).await;
    assert_eq!(second["items"][0]["id"], listed["items"][1]["id"]);
    app.stop().await;
}

async fn what_is_done_is_written_down(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (_, bo) = admin(&app, "acme").await;
    let sink = Sink::start().await;
    let (id, secret) = create(&bo, "tickets", &sink).await;
    put(&bo, &id, &json!({ "name": "pager", "url": sink.url() })).await;
    // What changes nothing is no change.
    put(&bo, &id, &json!({ "name": "pager", "url": sink.url() })).await;
    act(&bo, &id, "disable").await;
    act(&bo, &id, "enable").await;
    act(&bo, &id, "test").await;
    bo.post(&format!("/webhook-endpoints/{id}/rotate-secret"), &json!({})).await;
    assert_eq!(bo.delete(&format!("/webhook-endpoints/{id}")).await.0, 204);
    let audit = bo.json("/audit?resource_type=endpoint").await;
    let actions: Vec<&Value> =
        audit["items"].as_array().expect("items").iter().map(|one| &one["action"]).collect();
    assert_eq!(
        actions,
        [
            "endpoint.delete",
            "endpoint.rotate_secret",
            "endpoint.test",
            "endpoint.enable",
            "endpoint.disable",
            "endpoint.update",
            "endpoint.create"
        ]
    );
    assert!(!audit.to_string().contains(&secret) && !audit.to_string().contains("/hook"));
    app.stop().await;
}
