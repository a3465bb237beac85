//! Roles through the API: nobody gives more than they have, and what is used stays.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::{Duration, Instant};

use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use domain::rule::RuleBody;
use serde_json::json;

on_pairs! {
    a_role_gives_what_it_says_at_once
    nobody_gives_more_than_they_have
    what_every_project_has_and_what_is_used_stays
    conditions_decide_what_somebody_sees_and_does
    what_is_taken_under_a_condition_is_taken
}

async fn a_role_gives_what_it_says_at_once(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let all = ada.json("/permissions").await;
    assert!(all["resources"].as_array().is_some_and(|all| all.contains(&json!("alerts"))), "{all}");
    let body = json!({
        "name": "clerk",
        "description": "Looks after people.",
        "permissions": ["users:read", "users:read"],
    });
    let (status, made) = ada.post("/roles", &body).await;
    assert_eq!((status, &made["permissions"]), (201, &json!(["users:read"])), "{made}");
    let path = format!("/roles/{}", made["id"].as_str().expect("an id"));
    assert_eq!(ada.json(&path).await, made);
    let list = ada.json("/roles").await;
    let names: Vec<&str> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["admin", "clerk", "member", "responder", "rule_manager", "viewer"]);

    let bo = ada.colleague("acme", "bo", &["clerk"]).await;
    assert_eq!(bo.get("/users").await.0, 200);
    assert_eq!(bo.get("/keys").await.0, 403);
    let change = json!({ "permissions": ["keys:read"] });
    let (status, changed) = ada.patch(&path, &change).await;
    assert_eq!((status, &changed["permissions"]), (200, &json!(["keys:read"])), "{changed}");
    assert_eq!(changed["description"], "Looks after people.");
    // The token that bo has follows; two seconds is the promise.
    let started = Instant::now();
    while bo.get("/keys").await.0 != 200 || bo.get("/users").await.0 != 403 {
        assert!(started.elapsed() < Duration::from_secs(20), "the token does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A parent gives as well, until it is taken away.
    let parent =
        ada.post("/roles", &json!({ "name": "base", "permissions": ["users:read"] })).await.1;
    let (status, child) = ada.patch(&path, &json!({ "parent_id": parent["id"] })).await;
    assert_eq!((status, &child["parent_id"]), (200, &parent["id"]), "{child}");
    assert_eq!(bo.get("/users").await.0, 200);
    let (status, alone) = ada.patch(&path, &json!({ "parent_id": null })).await;
    assert!(status == 200 && alone["parent_id"].is_null(), "{alone}");
    assert_eq!(bo.get("/users").await.0, 403);
    let told = ada.json("/audit?resource_type=role").await;
    let actions: Vec<&str> = told["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|one| one["action"].as_str())
        .collect();
    let wanted = ["role.update", "role.update", "role.create", "role.update", "role.create"];
    assert_eq!(actions, wanted);
    assert_eq!(told["items"][3]["before"]["permissions"], json!(["users:read"]));
    app.stop().await;
}

async fn nobody_gives_more_than_they_have(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let body = json!({ "name": "head", "permissions": ["roles:manage", "users:read"] });
    assert_eq!(ada.post("/roles", &body).await.0, 201);
    let strict = json!({ "name": "strict", "permissions": ["!keys:delete"] });
    let strict = ada.post("/roles", &strict).await.1;
    let bo = ada.colleague("acme", "bo", &["head"]).await;
    for (permissions, wanted) in [
        (json!(["users:read"]), 201),
        (json!(["users:read:own", "!audit:read"]), 201),
        (json!(["users:update"]), 403),
        (json!(["users:read", "keys:manage"]), 403),
    ] {
        let name = format!("r{}", permissions.to_string().len());
        let body = json!({ "name": name, "permissions": permissions });
        let (status, answer) = bo.post("/roles", &body).await;
        assert_eq!(status, wanted, "{permissions}: {answer}");
        if wanted == 403 {
            assert_eq!(answer["code"], "forbidden");
            let detail = answer["detail"].as_str().expect("a detail");
            assert!(detail.contains("keys:manage") || detail.contains("users:update"), "{detail}");
        }
    }
    let admin = ada.json("/roles").await["items"][0]["id"].clone();
    let (status, answer) = bo.post("/roles", &json!({ "name": "boss", "parent_id": admin })).await;
    assert_eq!(status, 403, "by way of a parent: {answer}");
    let path = format!("/roles/{}", strict["id"].as_str().expect("an id"));
    assert_eq!(bo.patch(&path, &json!({ "permissions": [] })).await.0, 403, "what was taken");
    assert_eq!(bo.patch(&path, &json!({ "description": "Takes." })).await.0, 200);
    let viewer = ada.colleague("acme", "vi", &["viewer"]).await;
    assert_eq!(viewer.get("/roles").await.0, 403);
    for (body, field) in [
        (json!({ "name": "Upper" }), "name"),
        (json!({ "name": "x", "permissions": ["users:look"] }), "permissions[0]"),
        (json!({ "name": "x", "parent_id": ada.user }), "parent_id"),
        (json!({ "name": "x", "rights": [] }), "rights"),
    ] {
        let (status, answer) = ada.post("/roles", &body).await;
        assert_eq!(
            (status, &answer["errors"][0]["field"]),
            (400, &json!(field)),
            "{body}: {answer}"
        );
    }
    assert_eq!(ada.post("/roles", &json!({ "name": "head" })).await.0, 409);
    app.stop().await;
}

async fn what_every_project_has_and_what_is_used_stays(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let viewer = ada.json("/roles").await["items"][4].clone();
    assert_eq!((&viewer["name"], &viewer["built_in"]), (&json!("viewer"), &json!(true)));
    let path = format!("/roles/{}", viewer["id"].as_str().expect("an id"));
    assert_eq!(ada.patch(&path, &json!({ "description": "Mine." })).await.0, 409);
    assert_eq!(ada.delete(&path).await.0, 409);

    let made = ada.post("/roles", &json!({ "name": "on_call" })).await.1;
    let path = format!("/roles/{}", made["id"].as_str().expect("an id"));
    ada.colleague("acme", "bo", &["on_call"]).await;
    let child = ada.post("/roles", &json!({ "name": "deputy", "parent_id": made["id"] })).await.1;
    let rule = RuleBody {
        target_roles: vec!["on_call".to_owned()],
        ..RuleBody::new("Payments", "event.type == \"payment\"")
    };
    let now = app.app.clock.now();
    services::onboarding::rule(&app.app.store, ada.project, rule, now).await.expect("a rule");
    let (status, answer) = ada.delete(&path).await;
    let detail = answer["detail"].as_str().expect("a detail");
    assert_eq!(status, 409);
    for part in ["people who have it: 1", "rules: Payments", "inherit from it: deputy"] {
        assert!(detail.contains(part), "{detail}");
    }
    let (status, answer) = ada.patch(&path, &json!({ "name": "on_duty" })).await;
    assert!(status == 409 && answer["detail"].to_string().contains("Payments"), "{answer}");
    let (status, answer) = ada.patch(&path, &json!({ "parent_id": child["id"] })).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("parent_id")), "{answer}");
    let child = format!("/roles/{}", child["id"].as_str().expect("an id"));
    assert_eq!(ada.delete(&child).await.0, 204);
    assert_eq!(ada.get(&child).await.0, 404);
    let other = Account::admin(&app, "other").await;
    assert_eq!(other.get(&path).await.0, 404);
    assert_eq!(other.delete(&path).await.0, 404);
    app.stop().await;
}

async fn conditions_decide_what_somebody_sees_and_does(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let known = ada.json("/permissions").await;
    assert_eq!(known["conditions"]["user"], json!(["id"]), "{known}");
    let text = "users:read if contains(resource.roles, \"guest\") || resource.id == user.id";
    for (permission, told) in [
        ("users:read if resource.mail == \"x\"", "resource.mail is not known"),
        // Whoever may give or rename an empty role could switch such a condition.
        ("!users:delete if contains(user.roles, \"x\")", "user.roles is not known"),
        ("users:read if event.type == \"x\"", "names are resource."),
        ("users:read if resource.email ==", "column 18"),
        ("users:read if resource.email == \"\u{0}\"", "no control characters"),
    ] {
        let (status, answer) =
            ada.post("/roles", &json!({ "name": "bad", "permissions": [permission] })).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("permissions[0]")));
        assert!(
            answer["errors"][0]["message"].as_str().unwrap_or_default().contains(told),
            "{answer}"
        );
    }
    // A guest may do nothing, and so no more than the users who act on them.
    assert_eq!(ada.post("/roles", &json!({ "name": "guest" })).await.0, 201);
    let body = json!({ "name": "lead", "permissions": [
        text,
        "users:update if resource.status == \"active\" && contains(resource.roles, \"guest\")",
        "keys:read if starts_with(resource.name, \"shop\")",
        "keys:delete if starts_with(resource.name, \"shop-old\")",
        "roles:read if resource.built_in == false",
        "events:read if resource.source == \"shop\"",
    ] });
    let (status, made) = ada.post("/roles", &body).await;
    assert_eq!(status, 201, "{made}");
    assert!(made["permissions"].as_array().is_some_and(|all| all.contains(&json!(text))), "{made}");

    let lee = ada.colleague("acme", "lee", &["lead"]).await;
    let vi = ada.colleague("acme", "vi", &["guest"]).await;
    let names = async |path: &str, name: &str| -> Vec<String> {
        let list = lee.json(path).await;
        let items = list["items"].as_array().expect("items").clone();
        items.iter().map(|one| one[name].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(names("/users", "full_name").await, ["vi", "lee"], "short of the admin");
    assert_eq!(names("/roles", "name").await, ["guest", "lead"]);
    // Neither does a page tell that the admin fits a search, be it ever so short.
    let found = lee.json("/users?limit=1&search=admin").await;
    assert_eq!(found, json!({ "items": [] }), "{found}");
    let found = lee.json("/users?limit=2").await;
    assert!(found["next_cursor"].is_null(), "nobody else is seen: {found}");
    let (ada_path, vi_path) = (format!("/users/{}", ada.user), format!("/users/{}", vi.user));
    assert_eq!((lee.get(&ada_path).await.0, lee.get(&vi_path).await.0), (404, 200));
    let change = json!({ "full_name": "Vi" });
    assert_eq!(lee.patch(&ada_path, &change).await.0, 404, "not even that it is there");
    assert_eq!(lee.patch(&vi_path, &change).await.0, 200);
    let lee_path = format!("/users/{}", lee.user);
    let (status, told) = lee.patch(&lee_path, &change).await;
    assert_eq!(
        (status, &told["code"]),
        (403, &json!("forbidden")),
        "seen, and not changed: {told}"
    );
    let suspended = format!("{vi_path}/suspend");
    assert_eq!(ada.post(&suspended, &json!(null)).await.0, 200);
    assert_eq!(lee.patch(&vi_path, &change).await.0, 403, "the account is another one now");
    assert_eq!(
        lee.post("/users", &json!({ "email": "x@y.example", "full_name": "X" })).await.0,
        403
    );

    for (name, source) in [("shop-old", "shop"), ("shop-new", "other"), ("till", "till")] {
        let key = json!({ "name": name, "scopes": ["events:write"] });
        let (_, made) = ada.post("/keys", &key).await;
        let event = json!({ "type": "order.paid", "source": source, "payload": {} });
        let sent = app.http.post(format!("{}/api/v1/events", app.base)).json(&event);
        let key = made["api_key"].as_str().expect("a key");
        assert_eq!(sent.header("x-api-key", key).send().await.expect("an answer").status(), 202);
    }
    assert_eq!(names("/keys", "name").await, ["shop-new", "shop-old"]);
    let keys = ada.json("/keys").await;
    let path = |at: usize| format!("/keys/{}", keys["items"][at]["id"].as_str().expect("an id"));
    let gone =
        [lee.delete(&path(0)).await.0, lee.delete(&path(1)).await.0, lee.delete(&path(2)).await.0];
    assert_eq!(gone, [404, 403, 204], "one unseen, one seen, one theirs to delete");
    assert_eq!(names("/events", "source").await, ["shop"]);
    let events = ada.json("/events").await;
    for (at, wanted) in [(0, 404), (1, 404), (2, 200)] {
        let path = format!("/events/{}", events["items"][at]["id"].as_str().expect("an id"));
        assert_eq!(lee.get(&path).await.0, wanted);
        assert_eq!(lee.get(&format!("{path}/trace")).await.0, wanted);
    }
    app.stop().await;
}

async fn what_is_taken_under_a_condition_is_taken(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let body = json!({ "name": "clerk", "permissions": [
        "users:manage", "roles:manage", "rules:read if resource.priority == \"low\"",
        "!users:delete if contains(resource.roles, \"admin\")",
        "!users:create if resource.status == \"pending\"",
    ] });
    let (status, made) = ada.post("/roles", &body).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(ada.post("/roles", &json!({ "name": "guest" })).await.0, 201);
    let clerk = ada.colleague("acme", "clerk", &["clerk"]).await;
    let vi = ada.colleague("acme", "vi", &["guest"]).await;
    let second = ada.colleague("acme", "second", &["admin"]).await;
    assert_eq!(clerk.delete(&format!("/users/{}", second.user)).await.0, 403);
    assert_eq!(clerk.delete(&format!("/users/{}", vi.user)).await.0, 204);
    let new = json!({ "email": "x@y.example", "full_name": "X" });
    assert_eq!(clerk.post("/users", &new).await.0, 403, "nothing to look at: it is taken");

    // Under the same condition, or where it is theirs always, it can be given; and no other way.
    for (at, (permission, wanted)) in [
        ("users:update", 201),
        ("users:update if resource.status == \"active\"", 201),
        ("rules:read if resource.priority == \"low\"", 201),
        ("rules:read", 403),
        ("rules:read if resource.priority == \"high\"", 403),
        ("users:delete", 403),
        ("users:manage", 403),
        ("!users:read if resource.status == \"active\"", 201),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ "name": format!("role-{at}"), "permissions": [permission] });
        let (status, answer) = clerk.post("/roles", &body).await;
        assert_eq!(status, wanted, "{permission}: {answer}");
    }
    let path = format!("/roles/{}", made["id"].as_str().expect("an id"));
    assert_eq!(clerk.patch(&path, &json!({ "permissions": ["users:read"] })).await.0, 403, "back");
    app.stop().await;
}
