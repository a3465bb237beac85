//! Event types: payloads are held to their schemas by every way in and from the answer to a change on, versions are compared
//! with those before them, and nothing of it concerns another project. With every store and queue.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::app::Tenant;
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use domain::permission::ADMIN;
use reqwest::Method;
use serde_json::{Value, json};
use services::admin::Invitee;
use services::audit::Initiator;

on_pairs! {
    a_payload_is_held_to_its_schema_by_every_way_in
    a_change_holds_from_its_answer_on
    a_version_takes_what_the_one_before_took
    a_check_keeps_nothing
    a_type_is_deprecated_and_deleted
    projects_have_catalogues_of_their_own
    of_many_versions_at_once_each_follows_another
}

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

fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["order"],
        "properties": { "order": {
            "type": "object",
            "required": ["id"],
            "properties": { "id": { "type": "string" } },
        } },
    })
}

async fn create(bo: &Account<'_>, name: &str, mode: &str) -> Value {
    let new = json!({ "name": name, "mode": mode, "schema": schema() });
    let (status, made) = bo.post("/event-types", &new).await;
    assert_eq!((status, &made["version"]), (201, &json!(1)), "{made}");
    made
}

async fn put(bo: &Account<'_>, name: &str, body: &Value) -> Value {
    let path = format!("/event-types/{name}");
    let (status, text) = bo.send(Method::PUT, &path, Some(body)).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

fn shipped(payload: &Value) -> Value {
    json!({ "type": "order.shipped", "payload": payload })
}

/// The fields of faults or warnings, in order.
fn fields(answer: &Value, list: &str) -> Vec<String> {
    let all = answer[list].as_array().cloned().unwrap_or_default();
    let mut fields: Vec<String> =
        all.iter().map(|one| one["field"].as_str().expect("a field").to_owned()).collect();
    fields.sort();
    fields
}

async fn a_payload_is_held_to_its_schema_by_every_way_in(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    create(&bo, "order.shipped", "reject").await;
    let good = shipped(&json!({ "order": { "id": "A-1" } }));
    let bad = shipped(&json!({ "order": { "id": 1 }, "more": 2 }));
    let wrong = ["payload.more", "payload.order.id"];

    let (status, answer) = app.send(&tenant, &good).await;
    assert_eq!((status, answer.get("warnings")), (202, None), "{answer}");
    let (status, answer) = app.send(&tenant, &bad).await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid_request")), "{answer}");
    assert_eq!(fields(&answer, "errors"), wrong);
    // What is not in the catalogue is taken as it is.
    let other = json!({ "type": "order.lost", "payload": { "more": 2 } });
    assert_eq!(app.send(&tenant, &other).await.0, 202);

    let batch = json!({ "events": [good, bad, other] });
    let (status, answer) = app.post("/api/v1/events/batch", &tenant, &batch).await;
    let items = answer["items"].as_array().expect("items");
    let statuses: Vec<&Value> = items.iter().map(|one| &one["status"]).collect();
    assert_eq!(
        (status, statuses.as_slice()),
        (202, &[&json!("accepted"), &json!("rejected"), &json!("accepted")][..])
    );
    assert_eq!(fields(&items[1], "errors"), wrong);

    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.shipped", "data": bad["payload"],
    });
    let request = app.http.post(format!("{}/api/v1/events", app.base)).body(event.to_string());
    let request = request.header("x-api-key", tenant.key.text());
    let request = request.header("content-type", "application/cloudevents+json");
    assert_eq!(request.send().await.expect("an answer").status(), 400);

    let lines = format!("{good}\n{bad}\n");
    let request = app.http.post(format!("{}/api/v1/events/import", app.base)).body(lines);
    let request = request.header("x-api-key", tenant.key.text());
    let request = request.header("content-type", "application/x-ndjson");
    let report: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!((&report["accepted"], &report["rejected"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(fields(&report["errors"][0], "errors"), wrong);

    put(&bo, "order.shipped", &json!({ "mode": "warn" })).await;
    let (status, answer) = app.send(&tenant, &bad).await;
    assert_eq!((status, fields(&answer, "warnings")), (202, wrong.map(str::to_owned).to_vec()));
    let id = answer["id"].as_str().expect("an id");
    let (_, kept) = app.get(&format!("/api/v1/events/{id}"), &tenant).await;
    assert_eq!(kept["payload"], bad["payload"]);
    app.stop().await;
}

async fn a_change_holds_from_its_answer_on(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    let bad = shipped(&json!({}));
    // A catalogue that was read before it had the type.
    assert_eq!(app.send(&tenant, &bad).await.0, 202);
    create(&bo, "order.shipped", "reject").await;
    assert_eq!(app.send(&tenant, &bad).await.0, 400);
    put(&bo, "order.shipped", &json!({ "mode": "off" })).await;
    let (status, answer) = app.send(&tenant, &bad).await;
    assert_eq!((status, answer.get("warnings")), (202, None));
    put(&bo, "order.shipped", &json!({ "mode": "reject" })).await;
    assert_eq!(app.send(&tenant, &bad).await.0, 400);
    let open = json!({ "schema": { "type": "object" } });
    let (status, made) = bo.post("/event-types/order.shipped/versions", &open).await;
    assert_eq!((status, &made["version"]), (200, &json!(2)), "{made}");
    assert_eq!(app.send(&tenant, &bad).await.0, 202);
    // And after a start.
    let app = app.restart(bellbuoy::roles::Roles::all()).await;
    assert_eq!(app.send(&tenant, &bad).await.0, 202);
    app.stop().await;
}

async fn a_version_takes_what_the_one_before_took(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    create(&bo, "order.shipped", "warn").await;
    let versions = "/event-types/order.shipped/versions";
    let mut narrow = schema();
    narrow["required"] = json!(["order", "carrier"]);
    let (status, answer) = bo.post(versions, &json!({ "schema": narrow })).await;
    assert_eq!((status, &answer["code"]), (409, &json!("incompatible_schema")), "{answer}");
    let told = answer["errors"][0]["message"].as_str().expect("a message");
    assert!(told.starts_with("#/required: "), "{told}");
    // The same again is no other version, byte for byte as it came.
    let (status, same) = bo.post(versions, &json!({ "schema": schema() })).await;
    assert_eq!((status, &same["version"]), (200, &json!(1)), "{same}");
    let mut wide = schema();
    wide["properties"]["carrier"] = json!({ "type": "string" });
    let (status, made) = bo.post(versions, &json!({ "schema": wide })).await;
    assert_eq!((status, &made["version"], &made["schema"]), (200, &json!(2), &wide), "{made}");
    let forced = json!({ "schema": narrow, "compatibility": "none" });
    let (status, made) = bo.post(versions, &forced).await;
    assert_eq!((status, &made["version"]), (200, &json!(3)), "{made}");
    let listed = bo.json(versions).await;
    let numbers: Vec<i64> = listed["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|one| one["version"].as_i64().expect("a number"))
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(bo.json(&format!("{versions}/2")).await["schema"], wide);
    assert_eq!(bo.get(&format!("{versions}/4")).await.0, 404);
    for (body, field) in [
        (json!({ "schema": { "type": "text" } }), "schema.type"),
        (json!({ "schema": { "$ref": "https://example.com" } }), "schema"),
        (json!({ "schema": schema(), "example": {} }), "example.order"),
        (json!({ "schema": [] }), "schema"),
        (json!({}), "schema"),
    ] {
        let (status, answer) = bo.post(versions, &body).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{answer}");
    }
    let audit = bo.json("/audit?resource_type=event_type").await;
    let actions: Vec<&Value> =
        audit["items"].as_array().expect("items").iter().map(|one| &one["action"]).collect();
    assert_eq!(actions, ["event_type.version", "event_type.version", "event_type.create"]);
    app.stop().await;
}

async fn a_check_keeps_nothing(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    create(&bo, "order.shipped", "reject").await;
    let path = "/api/v1/event-types/order.shipped/check";
    let mut narrow = schema();
    narrow["maxProperties"] = json!(1);
    let body = json!({ "schema": narrow, "payload": {} });
    let (status, answer) = app.post(path, &tenant, &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["compatibility"], &answer["fits"]),
        (&json!("incompatible"), &json!(false))
    );
    assert_eq!(answer["findings"][0]["pointer"], "#/maxProperties");
    assert_eq!(fields(&answer, "errors"), ["payload.order"]);
    let (_, answer) =
        app.post(path, &tenant, &json!({ "schema": { "not": { "type": "null" } } })).await;
    assert_eq!(
        (&answer["compatibility"], answer.get("fits")),
        (&json!("undecided"), None),
        "{answer}"
    );
    let (_, answer) =
        app.post(path, &tenant, &json!({ "payload": { "order": { "id": "A" } } })).await;
    assert_eq!((answer.get("compatibility"), &answer["fits"]), (None, &json!(true)), "{answer}");
    assert_eq!(app.post(path, &tenant, &json!({})).await.0, 400);
    assert_eq!(bo.json("/event-types/order.shipped").await["version"], 1);
    app.stop().await;
}

async fn a_type_is_deprecated_and_deleted(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    create(&bo, "order.shipped", "reject").await;
    let (status, again) =
        bo.post("/event-types", &json!({ "name": "order.shipped", "schema": {} })).await;
    assert_eq!(status, 409, "{again}");
    let good = shipped(&json!({ "order": { "id": "A-1" } }));
    let (status, text) = bo.send(Method::POST, "/event-types/order.shipped/deprecate", None).await;
    assert_eq!(status, 200, "{text}");
    let (status, answer) = app.send(&tenant, &good).await;
    assert_eq!((status, &answer["warnings"][0]["code"]), (202, &json!("deprecated")), "{answer}");
    assert_eq!(bo.json("/event-types?state=active").await["items"], json!([]));
    put(&bo, "order.shipped", &json!({ "mode": "reject" })).await;
    let (_, answer) = app.send(&tenant, &good).await;
    assert_eq!(answer.get("warnings"), None, "{answer}");
    assert_eq!(bo.delete("/event-types/order.shipped").await.0, 204);
    assert_eq!(app.send(&tenant, &shipped(&json!({}))).await.0, 202);
    assert_eq!(bo.get("/event-types/order.shipped").await.0, 404);
    // The name is free again, and nothing of the old one is left.
    let made = create(&bo, "order.shipped", "warn").await;
    assert_eq!(made.get("deprecated_at"), None);
    app.stop().await;
}

async fn projects_have_catalogues_of_their_own(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let bo = admin(&app, &acme, "acme").await;
    let eve = admin(&app, &globex, "globex").await;
    create(&bo, "order.shipped", "reject").await;
    assert_eq!(app.send(&acme, &shipped(&json!({}))).await.0, 400);
    assert_eq!(app.send(&globex, &shipped(&json!({}))).await.0, 202);
    assert_eq!(eve.get("/event-types/order.shipped").await.0, 404);
    assert_eq!(eve.delete("/event-types/order.shipped").await.0, 404);
    assert_eq!(eve.json("/event-types").await["items"], json!([]));
    create(&eve, "order.shipped", "off").await;
    assert_eq!(eve.delete("/event-types/order.shipped").await.0, 204);
    assert_eq!(app.send(&acme, &shipped(&json!({}))).await.0, 400);
    app.stop().await;
}

async fn of_many_versions_at_once_each_follows_another(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let bo = admin(&app, &tenant, "acme").await;
    create(&bo, "order.shipped", "warn").await;
    let add = async |number: usize| {
        let mut one = schema();
        one["properties"][format!("n{number}")] = json!({ "type": "string" });
        let body = json!({ "schema": one, "compatibility": "none" });
        bo.post("/event-types/order.shipped/versions", &body).await.0
    };
    let statuses = futures_util::future::join_all((0..4).map(add)).await;
    let added = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 409)) && added > 0, "{statuses:?}");
    let version = bo.json("/event-types/order.shipped").await["version"].as_u64();
    assert_eq!(version, Some(1 + added as u64));
    app.stop().await;
}
