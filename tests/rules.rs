//! Rules through the API, from their creation to what rings: a change holds for the next event, a rule that is off never
//! rings, one that is in its shadow is recorded and tells nobody, and of two who change it at once one wins.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::Duration;

use bellbuoy_harness::app::Tenant;
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use domain::permission::ADMIN;
use reqwest::Method;
use serde_json::{Value, json};
use services::admin::Invitee;
use services::audit::Initiator;

on_pairs! {
    a_rule_rings_from_its_answer_on
    a_rule_in_its_shadow_is_recorded_and_tells_nobody
    of_two_who_change_a_rule_at_once_one_wins
    a_rule_that_waits_is_watched_before_any_event_comes
}

const PASSWORD: &str = bellbuoy_harness::account::PASSWORD;

/// An admin of a tenant, logged in.
async fn admin<'a>(app: &'a TestApp, tenant: &Tenant, slug: &str) -> Account<'a> {
    let email = format!("boss@{slug}.example.com");
    let new = Invitee {
        email: email.clone(),
        full_name: "Bo Boss".to_owned(),
        password: Some(PASSWORD.to_owned()),
        roles: vec![ADMIN.to_owned()],
    };
    app.app.admin.create_user(tenant.project, new, &Initiator::system()).await.expect("an admin");
    Account::log_in(app, slug, &email).await
}

fn rule(condition: &str) -> Value {
    json!({ "name": "Payments", "condition": condition, "priority": "high", "target_roles": ["on_call"] })
}

fn path(rule: &Value) -> String {
    format!("/rules/{}", rule["id"].as_str().expect("an id"))
}

async fn put(author: &Account<'_>, path: &str, body: &Value) -> Value {
    let (status, text) = author.send(Method::PUT, path, Some(body)).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

async fn set_mode(author: &Account<'_>, path: &str, mode: &str) {
    let (status, answer) = author.post(&format!("{path}/mode"), &json!({ "mode": mode })).await;
    assert_eq!((status, &answer["mode"]), (200, &json!(mode)), "{answer}");
}

/// How often a payment of that amount rings at once.
async fn rings(app: &TestApp, tenant: &Tenant, amount: u32) -> usize {
    let before = tenant.sink.count();
    app.event(tenant, "payment", &json!({ "amount": amount })).await;
    app.run_until_idle().await;
    tenant.sink.count() - before
}

async fn a_rule_rings_from_its_answer_on(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    assert_eq!(rings(&app, &tenant, 2000).await, 0);
    let mut body = rule("event.payload.amount > 1000");
    // Each event is an alert of its own, so that none waits for the one before.
    body["group_by"] = json!(["event.id"]);
    let (status, made) = bo.post("/rules", &body).await;
    assert_eq!(status, 201, "{made}");
    let place = path(&made);
    assert_eq!([rings(&app, &tenant, 2000).await, rings(&app, &tenant, 200).await], [1, 0]);
    body["condition"] = json!("event.payload.amount > 100");
    assert_eq!(put(&bo, &place, &body).await["version"], 2);
    assert_eq!(rings(&app, &tenant, 200).await, 1);
    set_mode(&bo, &place, "off").await;
    assert_eq!(rings(&app, &tenant, 2000).await, 0);
    set_mode(&bo, &place, "live").await;
    assert_eq!(rings(&app, &tenant, 2000).await, 1);
    let (status, restored) = bo.post(&format!("{place}/restore"), &json!({ "version": 1 })).await;
    assert_eq!((status, &restored["version"]), (200, &json!(5)), "{restored}");
    assert_eq!([rings(&app, &tenant, 2000).await, rings(&app, &tenant, 200).await], [1, 0]);
    assert_eq!(bo.delete(&place).await.0, 204);
    assert_eq!(rings(&app, &tenant, 2000).await, 0);
    // The role is free again, but for those who have it.
    let roles = bo.json("/roles").await;
    let on_call = roles["items"].as_array().expect("items").iter();
    let on_call = on_call.clone().find(|one| one["name"] == "on_call").expect("the role");
    let role = format!("/roles/{}", on_call["id"].as_str().expect("an id"));
    let (status, answer) = bo.delete(&role).await;
    assert_eq!((status, answer["detail"].to_string().contains("rules")), (409, false), "{answer}");
    app.stop().await;
}

async fn a_rule_in_its_shadow_is_recorded_and_tells_nobody(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    let mut body = rule("event.payload.amount > 1000");
    body["mode"] = json!("shadow");
    let (status, made) = bo.post("/rules", &body).await;
    assert_eq!(status, 201, "{made}");
    let event = app.event(&tenant, "payment", &json!({ "amount": 2000 })).await;
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 0);
    let trace = app.trace(&tenant, &event).await;
    let found = &trace["rules"][0];
    assert_eq!((&found["id"], &found["result"]), (&made["id"], &json!("matched")), "{trace}");
    assert_eq!(
        (&found["outcome"], &found["reason"]),
        (&json!("suppressed"), &json!("shadow")),
        "{trace}"
    );
    app.stop().await;
}

async fn of_two_who_change_a_rule_at_once_one_wins(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    let (_, made) = bo.post("/rules", &rule("true")).await;
    let place = path(&made);
    for round in 1..=5 {
        let change = async |name: &str| {
            let mut body = rule("true");
            body["name"] = json!(format!("{name} {round}"));
            let url = format!("{}/api/v1{place}", app.base);
            let request = app.http.put(url).bearer_auth(&bo.token).json(&body);
            let request = request.header("if-match", format!("\"{round}\""));
            request.send().await.expect("an answer").status().as_u16()
        };
        let (one, other) = tokio::join!(change("One"), change("Other"));
        let mut statuses = [one, other];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "round {round}");
    }
    let versions = bo.json(&format!("{place}/versions")).await;
    assert_eq!(versions["items"].as_array().map(Vec::len), Some(6));
    app.stop().await;
}

async fn a_rule_that_waits_is_watched_before_any_event_comes(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    let mut body = rule("event.type == \"backup.done\"");
    (body["kind"], body["absence"]) = (json!("absence"), json!({ "seconds": 60 }));
    let (status, made) = bo.post("/rules", &body).await;
    assert_eq!(status, 201, "{made}");
    app.run_for(Duration::from_secs(50)).await;
    assert_eq!(tenant.sink.count(), 0);
    app.run_for(Duration::from_secs(20)).await;
    assert_eq!(tenant.sink.count(), 1, "none came within a minute");
    // Switched off and on again, it waits anew.
    set_mode(&bo, &path(&made), "off").await;
    app.run_for(Duration::from_secs(120)).await;
    assert_eq!(tenant.sink.count(), 1);
    app.stop().await;
}
