//! Rules: created, changed, switched, compared, restored, deleted and tried; and every way in which that is refused.

use domain::precondition::Precondition;
use domain::rule::Suppression;
use domain::settings::Settings;
use poem::http::Method;
use serde_json::{Value, json};
use services::audit::Initiator;

use super::author::{Author, RULES, rule};
use super::{EVENTS, Scene, send};

fn with(name: &str, field: &str, value: Value) -> Value {
    let mut rule = rule(name);
    rule[field] = value;
    rule
}

fn path(rule: &Value) -> String {
    format!("{RULES}/{}", rule["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn a_rule_is_created_read_and_listed() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let whole = json!({
        "mode": "shadow",
        "name": "Nightly backup",
        "description": "The backup did not come.",
        "kind": "absence",
        "condition": "event.type == \"backup.done\"",
        "absence": { "cron": "30 5 * * *", "timezone": "Europe/Vienna" },
        "notify_resolved": false,
        "priority": "critical",
        "target_roles": ["responder"],
        "target_users": [ada.user],
        "target_path": "event.payload.owner",
        "group_by": ["event.payload.host"],
        "suppression": { "count": 2, "seconds": 60, "over": "digest" },
        "inhibited_by": [],
        "active_hours": { "timezone": "Europe/Vienna", "days": ["mon", "sun"], "from": "08:00", "to": "18:00" },
        "action": { "label": "Look", "url": "https://example.com/look" },
    });
    let got = ada.post(RULES, &whole).await;
    assert_eq!(got.status, 201, "{}", got.text);
    for (field, value) in whole.as_object().expect("an object") {
        assert_eq!(got.json[field], *value, "{field}");
    }
    assert_eq!((&got.json["version"], &got.json["created_by"]), (&json!(1), &json!(ada.user)));
    let backup = got.json;
    let read = ada.get(&path(&backup)).await;
    assert_eq!((&read.json, read.header("etag")), (&backup, "\"1\""));
    // What is left out is as the page says.
    let plain = ada.rule("Plain").await;
    for (field, value) in [
        ("mode", json!("live")),
        ("kind", json!("match")),
        ("notify_resolved", json!(true)),
        ("target_users", json!([])),
        ("suppression", Value::Null),
    ] {
        assert_eq!(plain[field], value, "{field}");
    }
    // A key that may read sees them as well, and one of another project does not.
    assert_eq!(scene.read(path(&plain), &scene.callers.reader).await.json, plain);
    assert_eq!(scene.read(path(&plain), &scene.callers.other).await.status, 404);
    for (query, wanted) in [
        ("", &["Plain", "Nightly backup"][..]),
        ("?mode=shadow", &["Nightly backup"]),
        ("?mode=off", &[]),
        ("?kind=match", &["Plain"]),
        ("?priority=critical", &["Nightly backup"]),
        ("?q=BACK", &["Nightly backup"]),
        ("?event_type=payment.failed", &["Plain"]),
        ("?event_type=order.paid", &[]),
        ("?mode=live&priority=high", &["Plain"]),
    ] {
        let got = ada.get(&format!("{RULES}{query}")).await;
        let items = got.json["items"].as_array().expect(query);
        let names: Vec<&str> = items.iter().filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(names, wanted, "{query}");
    }
    let first = ada.get(&format!("{RULES}?limit=1")).await.json;
    let cursor = first["next_cursor"].as_str().expect("another page");
    let second = ada.get(&format!("{RULES}?limit=1&cursor={cursor}")).await.json;
    assert_eq!(second["items"][0], backup);
    assert!(second["next_cursor"].is_null());
    let got = ada.get(&format!("{RULES}?limit=1&q=a&cursor={cursor}")).await;
    assert_eq!((got.status, got.field()), (400, "cursor"));
    let got = ada.get(&format!("{RULES}?mode=on")).await;
    assert_eq!((got.status, got.field()), (400, "mode"));
    assert!(got.detail().contains("off, live, shadow"), "{}", got.text);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let group = with("Site", "group_by", json!(["event.payload.site"]));
    let site = ada.post(RULES, &group).await.json;
    let stranger = uuid::Uuid::now_v7().to_string();
    for (field, value, status, code, at, told) in [
        ("name", json!(""), 400, "invalid_request", "name", "1 to 200"),
        ("condition", json!("event.type ="), 400, "invalid_request", "condition", "column 12"),
        ("kind", json!("sum"), 400, "invalid_request", "kind", "match"),
        ("kind", json!("count"), 400, "invalid_request", "threshold", "how many"),
        ("priority", json!("urgent"), 400, "invalid_request", "priority", "critical"),
        ("group_by", json!(["site"]), 400, "invalid_request", "group_by[0]", "event."),
        (
            "suppression",
            json!({ "count": 0, "seconds": 5 }),
            400,
            "invalid_request",
            "suppression.count",
            "1 to 1000",
        ),
        ("colour", json!("red"), 400, "invalid_request", "colour", "no such field"),
        (
            "target_roles",
            json!(["responder", "respnder"]),
            422,
            "unknown_reference",
            "target_roles[1]",
            "did you mean \"responder\"?",
        ),
        (
            "target_users",
            json!([ada.user, stranger]),
            422,
            "unknown_reference",
            "target_users[1]",
            "no user",
        ),
        (
            "inhibited_by",
            json!([{ "rule": stranger }]),
            422,
            "unknown_reference",
            "inhibited_by[0].rule",
            "no rule",
        ),
        (
            "inhibited_by",
            json!([{ "rule": site["id"] }]),
            422,
            "unknown_reference",
            "inhibited_by[0].equal",
            "event.payload.site",
        ),
        ("name", json!("Site"), 409, "conflict", "", "of that name"),
    ] {
        let body = with("Fine", field, value);
        let got = ada.post(RULES, &body).await;
        let what = format!("{body}: {}", got.text);
        assert_eq!((got.status, got.code(), got.field()), (status, code, at), "{what}");
        assert!(got.text.replace("\\\"", "\"").contains(told), "{what}");
    }
    let got = ada.post(RULES, &json!({ "name": "x" })).await;
    assert_eq!((got.status, got.field()), (400, "condition"), "{}", got.text);
    // Neither does a rule of another project count.
    let eve = Author::admin(&scene, "globex").await;
    let theirs = eve.rule("Theirs").await;
    let body = with("Fine", "inhibited_by", json!([{ "rule": theirs["id"] }]));
    assert_eq!(ada.post(RULES, &body).await.status, 422);
    let body = with("Fine", "inhibited_by", json!([{ "rule": site["id"] }]));
    let got = ada.put(&path(&site), "", &body).await;
    assert_eq!((got.status, got.field()), (422, "inhibited_by[0].rule"), "{}", got.text);
    assert!(got.text.contains("inhibit itself"), "{}", got.text);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(ada.ask(method, &path(&theirs), "", None).await.status, 404);
    }
    assert_eq!(ada.put(&path(&theirs), "", &rule("Mine")).await.status, 404);
    for (verb, body) in [("mode", json!({ "mode": "off" })), ("restore", json!({ "version": 1 }))] {
        assert_eq!(ada.post(&format!("{}/{verb}", path(&theirs)), &body).await.status, 404);
    }
    for rest in ["versions", "versions/1", "diff?from=1&to=1"] {
        assert_eq!(ada.get(&format!("{}/{rest}", path(&theirs))).await.status, 404, "{rest}");
    }
    assert_eq!(ada.get(RULES).await.json["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn each_change_is_a_version() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let made = ada.rule("Payments").await;
    let place = path(&made);
    let body = with("Large payments", "suppression", json!({ "count": 3, "seconds": 60 }));
    let got = ada.put(&place, "\"1\"", &body).await;
    assert_eq!((got.status, got.header("etag")), (200, "\"2\""), "{}", got.text);
    assert_eq!((&got.json["name"], &got.json["mode"]), (&json!("Large payments"), &json!("live")));
    // Whoever saw the first version is told, and nothing happens.
    for (verb, method, body) in [
        ("", Method::PUT, rule("Other")),
        ("/mode", Method::POST, json!({ "mode": "off" })),
        ("/restore", Method::POST, json!({ "version": 1 })),
    ] {
        let got = ada.ask(method, &format!("{place}{verb}"), "\"1\"", Some(&body)).await;
        assert_eq!((got.status, got.code()), (412, "precondition_failed"), "{verb}");
    }
    let got = ada.put(&place, "1", &body).await;
    assert_eq!((got.status, got.field()), (400, "If-Match"));
    // What changes nothing makes no version.
    assert_eq!(ada.put(&place, "\"2\"", &body).await.header("etag"), "\"2\"");
    let mode = format!("{place}/mode");
    let shadow = ada.post(&mode, &json!({ "mode": "shadow" })).await;
    assert_eq!(
        (shadow.status, shadow.header("etag"), &shadow.json["mode"]),
        (200, "\"3\"", &json!("shadow"))
    );
    assert_eq!(ada.post(&mode, &json!({ "mode": "shadow" })).await.header("etag"), "\"3\"");
    let got = ada.post(&mode, &json!({ "mode": "on" })).await;
    assert_eq!((got.status, got.field()), (400, "mode"));

    let list = ada.get(&format!("{place}/versions")).await.json;
    let found: Vec<(&Value, &Value, &Value)> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|one| (&one["version"], &one["name"], &one["mode"]))
        .collect();
    let (three, two, one) = (json!(3), json!(2), json!(1));
    let (large, first) = (json!("Large payments"), json!("Payments"));
    let (quiet, live) = (json!("shadow"), json!("live"));
    assert_eq!(found, [(&three, &large, &quiet), (&two, &large, &live), (&one, &first, &live)]);
    let page = ada.get(&format!("{place}/versions?limit=2")).await.json;
    let cursor = page["next_cursor"].as_str().expect("another page");
    let page = ada.get(&format!("{place}/versions?limit=2&cursor={cursor}")).await.json;
    assert_eq!(page["items"], json!([list["items"][2]]));
    let old = ada.get(&format!("{place}/versions/1")).await.json;
    assert_eq!((&old["rule"]["name"], &old["created_by"]), (&first, &json!(ada.user)));
    for (rest, status) in [("9", 404), ("0", 400), ("x", 400)] {
        assert_eq!(ada.get(&format!("{place}/versions/{rest}")).await.status, status, "{rest}");
    }
    let diff = ada.get(&format!("{place}/diff?from=1&to=3")).await.json;
    assert_eq!(
        diff["changes"],
        json!([
            { "field": "mode", "before": "live", "after": "shadow" },
            { "field": "name", "before": "Payments", "after": "Large payments" },
            { "field": "suppression", "before": null, "after": { "count": 3, "seconds": 60, "over": "drop" } },
        ])
    );
    assert_eq!(ada.get(&format!("{place}/diff?from=1&to=1")).await.json["changes"], json!([]));
    assert_eq!(ada.get(&format!("{place}/diff?from=1&to=9")).await.status, 404);
    // Without one of them it is the rule as it stands, or the version before.
    let last = ada.get(&format!("{place}/diff")).await.json;
    assert_eq!((&last["from"], &last["to"]), (&two, &three));
    assert_eq!(last["changes"], json!([{ "field": "mode", "before": "live", "after": "shadow" }]));
    assert_eq!(ada.get(&format!("{place}/diff?from=1")).await.json, diff);
    let first_of_all = ada.get(&format!("{place}/diff?to=1")).await.json;
    assert_eq!((&first_of_all["from"], &first_of_all["changes"]), (&one, &json!([])));
    for (query, field) in [("from=0", "from"), ("from=1&to=x", "to")] {
        let got = ada.get(&format!("{place}/diff?{query}")).await;
        assert_eq!((got.status, got.field()), (400, field), "{query}");
    }

    let restore = format!("{place}/restore");
    let got = ada.ask(Method::POST, &restore, "\"3\"", Some(&json!({ "version": 1 }))).await;
    assert_eq!((got.status, got.header("etag")), (200, "\"4\""), "{}", got.text);
    assert_eq!((&got.json["name"], &got.json["mode"]), (&first, &quiet), "the mode stays");
    assert_eq!(ada.post(&restore, &json!({ "version": 9 })).await.status, 404);
    // Neither its own name, nor one that is free again, is in the way.
    assert_eq!(ada.post(&restore, &json!({ "version": 1 })).await.header("etag"), "\"4\"");
    ada.rule("Large payments").await;
    assert_eq!(ada.post(&restore, &json!({ "version": 2 })).await.status, 409);

    let told = ada.get("/api/v1/audit?resource_type=rule").await.json;
    let items = told["items"].as_array().expect("items");
    let actions: Vec<&str> = items.iter().filter_map(|one| one["action"].as_str()).collect();
    assert_eq!(actions, ["rule.create", "rule.restore", "rule.mode", "rule.update", "rule.create"]);
    assert_eq!(items[3]["before"]["name"], "Payments");
    assert_eq!((&items[2]["before"]["mode"], &items[2]["after"]["mode"]), (&live, &quiet));
}

#[tokio::test]
async fn what_others_stand_on_stays() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let site = ada.post(RULES, &with("Site", "group_by", json!(["event.payload.site"]))).await.json;
    let equal =
        json!([{ "rule": site["id"], "equal": ["event.payload.where"], "hold_seconds": 5 }]);
    let host = ada.post(RULES, &with("Host", "inhibited_by", equal.clone())).await;
    assert_eq!((host.status, &host.json["inhibited_by"]), (201, &equal), "{}", host.text);
    let got = ada.delete(&path(&site)).await;
    assert_eq!((got.status, got.code()), (409, "conflict"), "{}", got.text);
    assert!(got.detail().contains("inhibits: Host"), "{}", got.detail());
    let got = ada.put(&path(&site), "", &with("Site", "group_by", json!([]))).await;
    assert_eq!(got.status, 409, "{}", got.text);
    assert!(got.detail().starts_with("group_by") && got.detail().ends_with("Host"), "{}", got.text);
    let other = with("Site", "group_by", json!(["event.payload.place"]));
    assert_eq!(ada.put(&path(&site), "", &other).await.status, 200);
    assert_eq!(ada.delete(&path(&host.json)).await.status, 204);
    assert_eq!(ada.delete(&path(&site)).await.status, 204);
    for gone in [path(&site), format!("{}/versions", path(&site))] {
        assert_eq!(ada.get(&gone).await.status, 404);
    }
    assert_eq!(ada.delete(&path(&site)).await.status, 404);
    ada.rule("Site").await;
    // A role that a rule names is not deleted.
    let role = ada.post("/api/v1/roles", &json!({ "name": "on_duty" })).await.json;
    let role = format!("/api/v1/roles/{}", role["id"].as_str().expect("an id"));
    let mut duty = rule("Duty");
    (duty["target_roles"], duty["mode"]) = (json!(["on_duty"]), json!("off"));
    let duty = ada.post(RULES, &duty).await.json;
    let got = ada.delete(&role).await;
    assert!(got.status == 409 && got.detail().contains("rules: Duty"), "{}", got.text);
    assert_eq!(ada.delete(&path(&duty)).await.status, 204);
    assert_eq!(ada.delete(&role).await.status, 204);
}

#[tokio::test]
async fn a_rule_is_created_once_under_its_key() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let post = async |body: &Value| {
        let request = scene.client.post(RULES).header("idempotency-key", "k");
        let bearer = format!("Bearer {}", ada.token);
        send(request.header("authorization", bearer).body_json(body)).await
    };
    let first = post(&rule("Once")).await;
    let again = post(&rule("Once")).await;
    assert_eq!(
        (first.status, again.status, again.header("idempotency-replay")),
        (201, 201, "true")
    );
    assert_eq!(first.text, again.text);
    let other = post(&rule("Twice")).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_conflict"));
    assert_eq!(ada.get(RULES).await.json["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_plan_bounds_them() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let limits = domain::plan::Limits { rules: Some(1), ..Default::default() };
    let plan = domain::plan::Plan { name: None, limits };
    scene.app.admin.set_plan(scene.callers.acme, plan, &Initiator::system()).await.expect("set");
    let one = ada.rule("One").await;
    let got = ada.post(RULES, &rule("Two")).await;
    assert_eq!((got.status, got.code(), got.field()), (409, "plan_limit", "limits.rules"));
    assert_eq!(ada.delete(&path(&one)).await.status, 204);
    ada.rule("Two").await;
}

#[tokio::test]
async fn permissions_look_at_the_rule() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let lea = Author::with(
        &scene,
        "lead",
        &[
            "rules:create",
            "rules:read if resource.priority == \"low\" || resource.created_by == user.id",
            "rules:update if resource.created_by == user.id && resource.priority != \"critical\"",
            "events:read if resource.source == \"shop\"",
        ],
    )
    .await;
    let high = ada.rule("High").await;
    let low = ada.post(RULES, &with("Low", "priority", json!("low"))).await.json;
    let own = lea.rule("Own").await;
    let list = lea.get(RULES).await.json;
    let names: Vec<&str> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["Own", "Low"]);
    let statuses = async |rule: &Value, body: &Value| {
        let place = path(rule);
        [
            lea.get(&place).await.status,
            lea.put(&place, "", body).await.status,
            lea.delete(&place).await.status,
        ]
    };
    assert_eq!(statuses(&high, &rule("Stolen")).await, [404, 404, 403]);
    assert_eq!(statuses(&low, &rule("Stolen")).await, [200, 403, 403]);
    assert_eq!(statuses(&own, &rule("Own again")).await, [200, 200, 403]);
    // What it would become counts as well.
    let critical = with("Own again", "priority", json!("critical"));
    let got = lea.put(&path(&own), "", &critical).await;
    assert_eq!((got.status, got.code()), (403, "forbidden"), "{}", got.text);
    let viewer = Author::with(&scene, "watcher", &["rules:read:own"]).await;
    assert_eq!(viewer.get(RULES).await.status, 403);
    assert_eq!(viewer.get(&path(&own)).await.status, 404, "rules are nobody's own");
    assert_eq!(viewer.post(RULES, &rule("No")).await.status, 403);
    assert_eq!(viewer.post(&format!("{RULES}/try"), &json!({})).await.status, 403);
    let stored = scene.write(EVENTS, super::JSON, r#"{"type":"a","payload":{}}"#).await;
    let trial = json!({ "rule": rule("T"), "event_id": stored.json["id"] });
    assert_eq!(lea.post(&format!("{RULES}/try"), &trial).await.status, 404, "of another source");
    let event = json!({ "type": "a", "payload": {} });
    let trial = json!({ "rule_id": high["id"], "event": event });
    assert_eq!(lea.post(&format!("{RULES}/try"), &trial).await.status, 404, "unseen");
    let bare = Author::with(&scene, "maker", &["rules:create"]).await;
    assert_eq!(bare.post(&format!("{RULES}/try"), &trial).await.status, 403);
}

#[tokio::test]
async fn a_rule_is_tried_before_it_is_switched_on() {
    let scene = Scene::new().await;
    let ada = Author::admin(&scene, "acme").await;
    let settings =
        Settings { default_suppression: Some(Suppression::new(7, 60)), ..Settings::default() };
    let (acme, system) = (scene.callers.acme, Initiator::system());
    scene.app.admin.put_settings(acme, settings, &Precondition::None, &system).await.expect("set");
    let attempt = format!("{RULES}/try");
    let draft = json!({
        "mode": "off",
        "name": "Draft",
        "condition": "event.type == \"payment.failed\" && (event.payload.amount > 1000 || event.payload.vip)",
        "resolve_condition": "event.payload.amount < 0",
        "priority": "high",
        "target_roles": ["admin"],
        "target_path": "event.payload.owner",
        "group_by": ["event.payload.customer"],
    });
    let payload = json!({ "amount": 900, "customer": "c-7", "owner": "nobody@example.com" });
    let event = json!({ "type": "payment.failed", "source": "shop", "payload": payload });
    let got = ada.post(&attempt, &json!({ "rule": draft, "event": event })).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let told = got.json;
    assert_eq!(told["faults"], json!([]));
    assert_eq!(told["condition"]["holds"], false);
    let parts: Vec<(&str, bool)> = told["condition"]["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|one| (one["text"].as_str().unwrap_or_default(), one["result"] == true))
        .collect();
    let chain = "event.payload.amount > 1000 || event.payload.vip";
    assert_eq!(parts[..2], [("event.type == \"payment.failed\"", true), (chain, false)]);
    assert_eq!(parts.len(), 4);
    let values = told["condition"]["values"].as_array().expect("values");
    assert!(
        values.contains(&json!({ "name": "event.payload.amount", "value": 900 })),
        "{values:?}"
    );
    assert_eq!(told["resolve_condition"]["holds"], false);
    let outcome = &told["outcome"];
    assert_eq!(outcome["group"], "[\"c-7\"]");
    assert_eq!(
        outcome["recipients"],
        json!([
            { "user_id": ada.user, "name": "Ana Admin", "through_role": "admin" }
        ])
    );
    assert_eq!(outcome["recipient_count"], 1);
    assert_eq!(outcome["suppression"], json!({ "count": 7, "seconds": 60, "over": "drop" }));
    assert_eq!(
        (&outcome["suppression_source"], &outcome["active"]),
        (&json!("project"), &json!(true))
    );
    assert_eq!(ada.get(RULES).await.json, json!({ "items": [] }), "nothing is kept");

    // What is wrong is told beside what can be told all the same.
    let mut wrong = draft.clone();
    (wrong["target_roles"], wrong["name"]) = (json!(["admn"]), json!(""));
    let told = ada.post(&attempt, &json!({ "rule": wrong, "event": event })).await.json;
    let fields: Vec<&str> = told["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .filter_map(|one| one["field"].as_str())
        .collect();
    assert_eq!(fields, ["name", "target_roles[0]"]);
    assert_eq!(told["outcome"]["recipient_count"], 0);
    wrong["condition"] = json!("event.type =");
    let told = ada.post(&attempt, &json!({ "rule": wrong, "event": event })).await.json;
    assert!(told["condition"].is_null() && told["outcome"].is_null(), "{told}");
    assert_eq!(told["resolve_condition"]["holds"], false);

    // A rule and an event that are there.
    let made = ada.rule("Kept").await;
    let text = json!({ "type": "payment.failed", "payload": { "amount": 1500 } }).to_string();
    let stored = scene.write(EVENTS, super::JSON, text).await.json;
    let trial = json!({ "rule_id": made["id"], "event_id": stored["id"] });
    let told = ada.post(&attempt, &trial).await.json;
    assert_eq!(
        (&told["condition"]["holds"], &told["faults"]),
        (&json!(true), &json!([])),
        "{told}"
    );
    let nowhere = uuid::Uuid::now_v7();
    for (body, status, field) in [
        (json!({ "event": event }), 400, "rule"),
        (json!({ "rule": draft }), 400, "event"),
        (json!({ "rule": draft, "event": event, "event_id": nowhere }), 400, "event"),
        (json!({ "rule": draft, "event": { "type": "a b", "payload": {} } }), 400, "event.type"),
        (json!({ "rule": draft, "event_id": nowhere }), 404, ""),
        (json!({ "rule_id": nowhere, "event": event }), 404, ""),
        (json!({ "rule": draft, "sample": event }), 400, "sample"),
    ] {
        let got = ada.post(&attempt, &body).await;
        assert_eq!((got.status, got.field()), (status, field), "{body}: {}", got.text);
    }
}
