//! Runs, from the request to their end: what a backtest says, what a bulk action changes, and what becomes of one whose
//! worker dies or whose author aborts it. With every store and queue.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::Duration;

use bellbuoy_harness::app::Tenant;
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use serde_json::{Value, json};

on_pairs! {
    a_backtest_says_what_would_have_rung
    a_bulk_action_changes_all_that_match
    a_run_whose_worker_died_is_gone_on_with
    an_aborted_run_stays_so
    what_is_wrong_with_a_run_is_said_at_once
}

fn rule(condition: &str) -> Value {
    json!({
        "name": "Payments", "condition": condition, "priority": "high", "target_roles": ["on_call"],
        "suppression": { "count": 1, "seconds": 3600, "over": "drop" },
    })
}

async fn create(author: &Account<'_>, path: &str, body: &Value) -> Value {
    let (status, made) = author.post(path, body).await;
    assert_eq!((status, &made["state"]), (201, &json!("queued")), "{made}");
    made
}

/// The run once it is over.
async fn over(app: &TestApp, author: &Account<'_>, path: &str) -> Value {
    for _ in 0..60 {
        app.run_for(Duration::from_secs(5)).await;
        let run = author.json(path).await;
        if !matches!(run["state"].as_str(), Some("queued" | "running")) {
            return run;
        }
    }
    panic!("{path} does not end");
}

fn place(path: &str, made: &Value) -> String {
    format!("{path}/{}", made["id"].as_str().expect("an id"))
}

async fn a_backtest_says_what_would_have_rung(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    let from = app.app.clock.now().rfc3339();
    for amount in [500, 1500, 2500, 10] {
        app.event(&tenant, "payment", &json!({ "amount": amount })).await;
    }
    app.run_for(Duration::from_secs(5)).await;
    let before = tenant.sink.count();
    let body = json!({ "rule": rule("event.type == \"payment\" && event.payload.amount > 100"), "from": from });
    let made = create(&bo, "/backtests", &body).await;
    assert_eq!(made["total"], 4, "{made}");
    let done = over(&app, &bo, &place("/backtests", &made)).await;
    let result = &done["result"];
    assert_eq!((&done["state"], &done["done"]), (&json!("done"), &json!(4)), "{done}");
    assert_eq!(
        (&result["events"], &result["matches"], &result["rings"], &result["alerts"]),
        (&json!(4), &json!(3), &json!(1), &json!(1)),
        "{result}"
    );
    assert_eq!(result["suppressed"], json!([{ "reason": "window_full", "count": 2 }]));
    assert_eq!(result["recipient_count"], 1);
    assert_eq!(result["samples"].as_array().map(Vec::len), Some(3));
    let hours = result["hours"].as_array().expect("hours");
    let sum = |name: &str| hours.iter().filter_map(|hour| hour[name].as_u64()).sum::<u64>();
    assert_eq!((sum("matches"), sum("rings")), (3, 1));
    // No user hears of it, and a list leaves results out.
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), before);
    let list = bo.json("/backtests").await;
    assert_eq!((&list["items"][0]["id"], list["items"][0].get("result")), (&made["id"], None));
    app.stop().await;
}

/// Opens an alert of a host each, and answers how many are open.
async fn open(app: &TestApp, tenant: &Tenant, bo: &Account<'_>, hosts: &[&str]) {
    let mut body = rule("event.type == \"disk\"");
    body["group_by"] = json!(["event.payload.host"]);
    assert_eq!(bo.post("/rules", &body).await.0, 201);
    for host in hosts {
        app.event(tenant, "disk", &json!({ "host": host })).await;
        app.run_for(Duration::from_secs(5)).await;
    }
    assert_eq!(
        bo.json("/alerts?state=open").await["items"].as_array().map(Vec::len),
        Some(hosts.len())
    );
}

async fn a_bulk_action_changes_all_that_match(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    open(&app, &tenant, &bo, &["a", "b", "c"]).await;
    let act = |action: &str| json!({ "action": action, "alerts": { "q": "payments" } });
    for (action, changed, state) in [
        ("acknowledge", 3, "acknowledged"),
        ("unacknowledge", 3, "open"),
        ("resolve", 3, "resolved"),
    ] {
        let made = create(&bo, "/bulk-actions", &act(action)).await;
        assert_eq!(made["total"], changed, "{made}");
        let done = over(&app, &bo, &place("/bulk-actions", &made)).await;
        assert_eq!(
            (&done["state"], &done["done"], &done["changed"], &done["failed"]),
            (&json!("done"), &json!(changed), &json!(changed), &json!(0)),
            "{done}"
        );
        let found = bo.json(&format!("/alerts?state={state}")).await;
        assert_eq!(found["items"].as_array().map(Vec::len), Some(3), "{found}");
    }
    // Each has its own row, by the one who asked.
    let log = bo.json("/audit?action=alert.resolve").await;
    let rows = log["items"].as_array().expect("items");
    assert_eq!(rows.len(), 3, "{log}");
    assert!(rows.iter().all(|row| row["actor"]["id"] == json!(bo.user)), "{log}");
    // Nothing is left to do.
    let made = create(&bo, "/bulk-actions", &act("resolve")).await;
    let done = over(&app, &bo, &place("/bulk-actions", &made)).await;
    assert_eq!((&done["state"], &done["changed"]), (&json!("done"), &json!(0)), "{done}");
    app.stop().await;
}

async fn a_run_whose_worker_died_is_gone_on_with(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    open(&app, &tenant, &bo, &["a", "b"]).await;
    let body = json!({ "action": "resolve", "alerts": { "priority": "high" } });
    let (store, now) = (&app.app.store, app.app.clock.now());
    let made = create(&bo, "/bulk-actions", &body).await;
    let id = made["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    // Somebody takes it and is never heard of again; of two who come for it one has it.
    let until = now.plus(Duration::from_secs(60));
    let claims = [1, 2].map(uuid::Uuid::from_u128);
    let mut begun = Vec::new();
    for claim in claims {
        begun.push(store.begin_run(tenant.project, id, claim, now, until).await.expect("answers"));
    }
    // A worker of the app may have been faster than both.
    assert!(begun.iter().flatten().count() <= 1);
    let done = over(&app, &bo, &place("/bulk-actions", &made)).await;
    assert_eq!((&done["state"], &done["changed"]), (&json!("done"), &json!(2)), "{done}");
    let log = bo.json("/audit?action=alert.resolve").await;
    assert_eq!(log["items"].as_array().map(Vec::len), Some(2), "once each: {log}");
    app.stop().await;
}

async fn an_aborted_run_stays_so(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    let from = app.app.clock.now().rfc3339();
    app.run_for(Duration::from_secs(5)).await;
    let body = json!({ "rule": rule("event.type == \"payment\""), "from": from });
    let made = create(&bo, "/backtests", &body).await;
    let path = place("/backtests", &made);
    let (status, aborted) = bo.post(&format!("{path}/abort"), &json!({})).await;
    // It may have been over by then.
    if status == 200 {
        assert_eq!(aborted["state"], "aborted", "{aborted}");
    } else {
        assert_eq!(status, 409, "{aborted}");
    }
    let state = bo.json(&path).await["state"].clone();
    app.run_for(Duration::from_secs(120)).await;
    assert_eq!(bo.json(&path).await["state"], state);
    assert_eq!(bo.post(&format!("{path}/abort"), &json!({})).await.0, 409);
    app.stop().await;
}

async fn what_is_wrong_with_a_run_is_said_at_once(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    let now = app.app.clock.now();
    let from = now.minus(Duration::from_secs(3600)).rfc3339();
    let long = now.minus(Duration::from_secs(100 * 86_400)).rfc3339();
    let draft = rule("event.type == \"payment\"");
    let mut unknown = draft.clone();
    unknown["target_roles"] = json!(["nobody"]);
    for (path, body, status, field) in [
        ("/backtests", json!({ "from": from }), 400, "rule"),
        ("/backtests", json!({ "rule": draft, "from": long }), 400, "from"),
        ("/backtests", json!({ "rule": draft, "from": from, "to": from }), 400, "to"),
        ("/backtests", json!({ "rule": rule("event.type =="), "from": from }), 400, "condition"),
        ("/backtests", json!({ "rule": unknown, "from": from }), 422, "target_roles[0]"),
        ("/bulk-actions", json!({ "action": "resolve", "alerts": {} }), 400, "alerts"),
        (
            "/bulk-actions",
            json!({ "action": "resolve", "until": from, "alerts": { "q": "x" } }),
            400,
            "until",
        ),
        (
            "/bulk-actions",
            json!({ "action": "resolve", "alerts": { "state": "resolved" } }),
            400,
            "alerts.state",
        ),
    ] {
        let (got, told) = bo.post(path, &body).await;
        assert_eq!((got, &told["errors"][0]["field"]), (status, &json!(field)), "{told}");
    }
    app.stop().await;
}
