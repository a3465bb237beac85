//! What the platform sets for projects: plans, which hold exactly, and features.

use bellbuoy_harness::{Account, Pair, on_pairs};
use domain::rule::RuleBody;
use reqwest::Method;
use serde_json::{Value, json};
use services::onboarding::{self, OnboardingError};
use store::StoreError;

use crate::{futures, header, put, send, start};

on_pairs! {
    a_plan_holds_exactly
    events_beyond_the_plan_are_turned_away
    features_are_switched_by_the_platform_alone
}

async fn a_plan_holds_exactly(pair: Pair) {
    let app = start(pair, |config| config.plan.rules = 3).await;
    let root = Account::log_in(&app, "platform", "root@example.com").await;
    let ada = Account::admin(&app, "acme").await;
    let path = format!("/projects/{}/plan", ada.project);
    let plan = json!({ "plan": "small", "limits": { "users": 4 } });
    assert_eq!(put(&app, &ada, &path, None, plan.clone()).await.0, 403);
    let bad = json!({ "plan": "a b" });
    let (status, told) = put(&app, &root, &path, None, bad).await;
    assert_eq!((status, &told["errors"][0]["field"]), (400, &json!("plan")), "{told}");
    let (status, set) = put(&app, &root, &path, None, plan).await;
    assert_eq!((status, &set["limits"]["users"]), (200, &json!(4)), "{set}");
    assert_eq!((&set["limits"]["rules"], &set["own_limits"]), (&json!(3), &json!({ "users": 4 })));
    assert_eq!(ada.json(&path).await, set);
    let log = ada.json("/audit?action=project.plan").await;
    assert_eq!(log["items"][0]["after"]["limits"], json!({ "users": 4 }), "{log}");

    let users = (0..8).map(|at| {
        let ada = &ada;
        async move {
            let email = format!("u{at}@example.com");
            ada.post("/users", &json!({ "email": email, "full_name": "U", "roles": [] })).await
        }
    });
    let answers = futures(users).await;
    let made = answers.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(made, 3, "the admin is the fourth: {answers:?}");
    for (_, told) in answers.iter().filter(|(status, _)| *status != 201) {
        assert_eq!((&told["status"], &told["code"]), (&json!(409), &json!("plan_limit")), "{told}");
        assert_eq!(told["errors"][0]["field"], "limits.users");
        assert!(told["detail"].as_str().is_some_and(|text| text.contains('4')), "{told}");
    }

    let rules = (0..6).map(|at| {
        let body = RuleBody::new(format!("rule {at}"), "event.type == \"a\"");
        onboarding::rule(&app.app.store, ada.project, body, app.app.clock.now())
    });
    let answers = futures_util::future::join_all(rules).await;
    assert_eq!(answers.iter().filter(|one| one.is_ok()).count(), 3);
    let over = |one: &Result<_, OnboardingError>| matches!(one, Err(OnboardingError::Store(StoreError::OverPlan(over))) if over.most == 3);
    assert_eq!(answers.iter().filter(|one| over(one)).count(), 3);
    // What is there stays when less is allowed, and another project has its own.
    let less = json!({ "limits": { "users": 1 } });
    assert_eq!(put(&app, &root, &path, None, less).await.0, 200);
    assert_eq!(ada.json("/users").await["items"].as_array().map(Vec::len), Some(4));
    let other = Account::admin(&app, "other").await;
    other.colleague("other", "bo", &["viewer"]).await;
    app.stop().await;
}

async fn events_beyond_the_plan_are_turned_away(pair: Pair) {
    let app = start(pair, |_| {}).await;
    let root = Account::log_in(&app, "platform", "root@example.com").await;
    let tenant = app.tenant("acme").await;
    let path = format!("/projects/{}/plan", tenant.project);
    let plan = json!({ "limits": { "events_per_minute": 3 } });
    assert_eq!(put(&app, &root, &path, None, plan).await.0, 200);
    for at in 0..3 {
        app.event(&tenant, "a", &json!({ "at": at })).await;
    }
    let key = tenant.key.text();
    let body = json!({ "type": "a", "payload": {} });
    let headers = [("x-api-key", key.as_str())];
    let answer = send(&app, None, Method::POST, "/events", &headers, Some(body)).await;
    assert_eq!(answer.status().as_u16(), 429);
    assert_eq!(header(&answer, "ratelimit-limit"), "3");
    assert_eq!(header(&answer, "ratelimit-remaining"), "0");
    assert!(header(&answer, "retry-after").parse::<u64>().expect("seconds") >= 1);
    let told: Value = answer.json().await.expect("JSON");
    assert_eq!(told["code"], "plan_rate_limited", "{told}");
    let other = app.tenant("other").await;
    app.event(&other, "a", &json!({})).await;
    app.stop().await;
}

async fn features_are_switched_by_the_platform_alone(pair: Pair) {
    let app = start(pair, |_| {}).await;
    let root = Account::log_in(&app, "platform", "root@example.com").await;
    let ada = Account::admin(&app, "acme").await;
    let path = format!("/projects/{}/features", ada.project);
    let off = json!({ "features": { "custom_roles": false, "audit_export": false } });
    assert_eq!(put(&app, &ada, &path, None, off.clone()).await.0, 403);
    let (status, told) =
        put(&app, &root, &path, None, json!({ "features": { "flying": true } })).await;
    assert_eq!((status, &told["errors"][0]["field"]), (400, &json!("features.flying")), "{told}");
    assert_eq!(put(&app, &root, &path, None, off).await.0, 200);
    let shown = ada.json(&path).await;
    let of = |shown: &Value, name: &str| {
        let items = shown["items"].as_array().expect("items").clone();
        let found = items.into_iter().find(|one| one["name"] == name).expect("a feature");
        (found["on"] == true, found["switched"] == true)
    };
    assert_eq!(of(&shown, "custom_roles"), (false, true), "{shown}");
    assert_eq!(of(&shown, "event_import"), (true, false), "{shown}");
    let (status, told) = ada.post("/roles", &json!({ "name": "on_call" })).await;
    assert_eq!((status, &told["code"]), (403, &json!("feature_disabled")), "{told}");
    assert_eq!(ada.get("/audit/export").await.0, 403);
    let (status, _) = put(&app, &root, &path, None, json!({ "features": {} })).await;
    assert_eq!(status, 200);
    assert_eq!(ada.post("/roles", &json!({ "name": "on_call" })).await.0, 201);
    let log = ada.json("/audit?action=project.features").await;
    assert_eq!(log["items"].as_array().map(Vec::len), Some(2), "{log}");
    app.stop().await;
}
