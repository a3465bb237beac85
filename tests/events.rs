//! Events after their acceptance: found again, replayed, deleted, and why somebody was not notified. With every store and
//! queue.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::Duration;

use bellbuoy_harness::app::Tenant;
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use domain::rule::RuleBody;
use serde_json::{Value, json};
use services::onboarding;

on_pairs! {
    events_are_found_by_what_they_say_and_what_became_of_them
    an_event_is_replayed_under_the_rules_of_today
    all_that_match_are_replayed_once_each
    all_that_match_are_deleted
    it_is_told_why_a_user_was_not_notified
}

async fn rule(app: &TestApp, tenant: &Tenant, name: &str, condition: &str) -> String {
    let body =
        RuleBody { target_roles: vec!["on_call".to_owned()], ..RuleBody::new(name, condition) };
    let now = app.app.clock.now();
    let made = onboarding::rule(&app.app.store, tenant.project, body, now).await.expect("a rule");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    made.to_string()
}

async fn orders(app: &TestApp, tenant: &Tenant, ids: &[&str]) -> Vec<String> {
    let mut made = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        let payload = json!({ "order": { "id": id, "total": at }, "note": format!("Café {id}") });
        made.push(app.event(tenant, "order.paid", &payload).await);
    }
    app.run_until_idle().await;
    made
}

async fn found(bo: &Account<'_>, query: &str) -> Vec<String> {
    let page = bo.json(&format!("/events?{query}")).await;
    let items = page["items"].as_array().unwrap_or_else(|| panic!("{query}: {page}"));
    items.iter().rev().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

async fn over(app: &TestApp, bo: &Account<'_>, body: &Value) -> Value {
    // What was received in the same moment is not from before.
    app.run_for(Duration::from_secs(5)).await;
    let (status, made) = bo.post("/bulk-actions", body).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/bulk-actions/{}", made["id"].as_str().expect("an id"));
    for _ in 0..60 {
        app.run_for(Duration::from_secs(5)).await;
        let run = bo.json(&path).await;
        if run["state"] == "done" {
            return run;
        }
    }
    panic!("{path} does not end");
}

async fn events_are_found_by_what_they_say_and_what_became_of_them(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    let rule = rule(&app, &tenant, "Big", "event.payload.order.total > 1").await;
    let all = orders(&app, &tenant, &["A-1", "A-2", "B-3"]).await;
    let those = |places: &[usize]| places.iter().map(|at| all[*at].clone()).collect::<Vec<_>>();
    for (query, wanted) in [
        ("type=order.paid", those(&[0, 1, 2])),
        ("payload.order.id=A-2", those(&[1])),
        ("payload=order.id=A-2", those(&[1])),
        ("payload.order.id=A-2&payload.order.total=1", those(&[1])),
        ("payload.order.id=A-2&payload.order.total=2", vec![]),
        ("payload.order.total=0.0", those(&[0])),
        ("q=CAF%C3%89", those(&[0, 1, 2])),
        ("q=b-3", those(&[2])),
        ("q=nowhere", vec![]),
        ("status=processed", those(&[0, 1, 2])),
        ("status=failed", vec![]),
        ("status=accepted", vec![]),
        (&format!("rule_id={rule}"), those(&[2])),
        (&format!("rule_id={rule}&q=a-1"), vec![]),
    ] {
        assert_eq!(found(&bo, query).await, wanted, "{query}");
    }
    // A page and the next one.
    let page = bo.json("/events?payload.note=Caf%C3%A9%20A-1&limit=1").await;
    assert_eq!(page["items"][0]["id"], json!(all[0]), "{page}");
    let page = bo.json("/events?q=caf%C3%A9&limit=2").await;
    let cursor = page["next_cursor"].as_str().expect("a next page");
    assert_eq!(found(&bo, &format!("q=caf%C3%A9&limit=2&cursor={cursor}")).await, those(&[0]));
    for (query, field) in [
        ("payload.a..b=1", "payload"),
        ("payload=order", "payload"),
        ("status=gone", "status"),
        ("rule_id=x", "rule_id"),
        ("q=", "q"),
        ("payload.a=1&payload.a=2", "payload.a"),
        ("payloads=1", "payloads"),
    ] {
        let (status, answer) = bo.get(&format!("/events?{query}")).await;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(
            (status, &answer["errors"][0]["field"]),
            (400, &json!(field)),
            "{query}: {answer}"
        );
    }
    app.stop().await;
}

async fn an_event_is_replayed_under_the_rules_of_today(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    let all = orders(&app, &tenant, &["A-1"]).await;
    let before = tenant.sink.count();
    rule(&app, &tenant, "Late", "event.type == \"order.paid\"").await;
    let (status, replayed) = bo.post(&format!("/events/{}/replay", all[0]), &json!({})).await;
    assert_eq!(status, 202, "{replayed}");
    app.run_until_idle().await;
    let event = bo.json(&format!("/events/{}", replayed["id"].as_str().expect("an id"))).await;
    assert_eq!((&event["replay_of"], &event["type"]), (&json!(all[0]), &json!("order.paid")));
    assert_eq!(event["payload"]["order"]["id"], "A-1");
    assert_eq!(tenant.sink.count(), before + 1, "the rule of today rings");
    let log = bo.json("/audit?action=event.replay").await;
    assert_eq!(log["items"][0]["resource_id"], json!(all[0]), "{log}");
    // What is not there, and who may not.
    let (status, answer) =
        bo.post(&format!("/events/{}/replay", uuid::Uuid::nil()), &json!({})).await;
    assert_eq!(status, 404, "{answer}");
    let cy = bo.colleague("acme", "cy", &["viewer"]).await;
    assert_eq!(cy.post(&format!("/events/{}/replay", all[0]), &json!({})).await.0, 403);
    app.stop().await;
}

async fn all_that_match_are_replayed_once_each(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    orders(&app, &tenant, &["A-1", "A-2", "B-3"]).await;
    let events = json!({ "type": "order.paid", "q": "a-" });
    let done = over(&app, &bo, &json!({ "action": "replay", "events": events })).await;
    assert_eq!((&done["changed"], &done["failed"]), (&json!(2), &json!(0)), "{done}");
    app.run_until_idle().await;
    assert_eq!(found(&bo, "type=order.paid").await.len(), 5);
    // Again, with those that were replayed: what the replay itself makes is none of its business.
    let done = over(&app, &bo, &json!({ "action": "replay", "events": events })).await;
    assert_eq!(done["changed"], json!(4), "{done}");
    assert_eq!(found(&bo, "type=order.paid").await.len(), 9);
    app.stop().await;
}

async fn all_that_match_are_deleted(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let other = app.tenant("other").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    rule(&app, &tenant, "Orders", "event.type == \"order.paid\"").await;
    let all = orders(&app, &tenant, &["A-1", "A-2", "B-3"]).await;
    let theirs = orders(&app, &other, &["A-1"]).await;
    let events = json!({ "payload": { "order.id": "A-2" } });
    let done = over(&app, &bo, &json!({ "action": "delete", "events": events })).await;
    assert_eq!((&done["changed"], &done["failed"]), (&json!(1), &json!(0)), "{done}");
    assert_eq!(found(&bo, "").await, [all[0].clone(), all[2].clone()]);
    assert_eq!(bo.get(&format!("/events/{}", all[1])).await.0, 404);
    assert_eq!(bo.get(&format!("/events/{}/trace", all[1])).await.0, 404);
    // The alert that it belongs to stays, and what others have is theirs.
    assert_eq!(bo.json("/alerts").await["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(app.get(&format!("/api/v1/events/{}", theirs[0]), &other).await.0, 200);
    // Who may not, and what is wrong.
    let cy = bo.colleague("acme", "cy", &["viewer"]).await;
    let body = json!({ "action": "delete", "events": events });
    assert_eq!(cy.post("/bulk-actions", &body).await.0, 403);
    assert_eq!(cy.json("/bulk-actions").await["items"].as_array().map(Vec::len), Some(1));
    for (body, field) in [
        (json!({ "action": "delete" }), "events"),
        (json!({ "action": "delete", "events": {} }), "events"),
        (json!({ "action": "delete", "alerts": { "q": "x" }, "events": { "q": "x" } }), "alerts"),
        (json!({ "action": "replay", "events": { "type": "a b" } }), "events.type"),
        (json!({ "action": "replay", "events": { "payload": { "a..b": "1" } } }), "events.payload"),
        (json!({ "action": "resolve", "events": { "q": "x" } }), "alerts"),
    ] {
        let (status, told) = bo.post("/bulk-actions", &body).await;
        assert_eq!((status, &told["errors"][0]["field"]), (400, &json!(field)), "{told}");
    }
    app.stop().await;
}

async fn it_is_told_why_a_user_was_not_notified(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = Account::admin_of(&app, &tenant, "acme").await;
    rule(&app, &tenant, "Big", "event.payload.order.total > 0").await;
    let all = orders(&app, &tenant, &["A-1", "A-2"]).await;
    let why = async |event: &str, user: &str| {
        bo.json(&format!("/events/{event}/why-not?user={user}")).await
    };
    let trace = app.trace(&tenant, &all[1]).await;
    let recipient = &trace["rules"][0]["notification"]["recipients"][0];
    let ada = recipient["user_id"].as_str().or(recipient["id"].as_str()).expect("a recipient");
    let told = why(&all[0], ada).await;
    assert_eq!((&told["notified"], &told["rules"][0]["fate"]), (&json!(false), &json!("no_match")));
    assert_eq!(
        told["answer"],
        "Rule \"Big\": its condition does not hold: event.payload.order.total > 0 is false, with event.payload.order.total = 0.",
    );
    let told = why(&all[1], ada).await;
    assert_eq!((&told["notified"], &told["rules"][0]["fate"]), (&json!(true), &json!("notified")));
    // Of oneself it can be asked by whoever may read events, and of others by whoever may read users.
    let cy = bo.colleague("acme", "cy", &["viewer"]).await;
    let told = cy.json(&format!("/events/{}/why-not", all[1])).await;
    assert_eq!(
        (&told["user_id"], &told["rules"][0]["fate"]),
        (&json!(cy.user), &json!("not_recipient"))
    );
    let (status, answer) = app.get(&format!("/api/v1/events/{}/why-not", all[1]), &tenant).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("user")), "{answer}");
    let stranger = uuid::Uuid::nil();
    assert_eq!(bo.get(&format!("/events/{}/why-not?user={stranger}", all[1])).await.0, 404);
    // No rule is about it.
    let other = app.event(&tenant, "other", &json!({})).await;
    app.run_until_idle().await;
    let told = why(&other, ada).await;
    assert_eq!(told["notified"], json!(false), "{told}");
    app.stop().await;
}
