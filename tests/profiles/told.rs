//! Where and how people want to be told, and what they are told is held on them.

use std::time::Duration;

use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::{Account, Pair, Sink, TestApp};
use domain::rule::RuleBody;
use reqwest::Method;
use serde_json::{Value, json};

use crate::account::{fields, start};

/// Registers a device.
pub async fn device(who: &Account<'_>, token: &str, name: &str) -> (u16, Value) {
    let body = json!({ "platform": "fcm", "token": token, "device": name });
    let (status, text) = who.send(Method::PUT, "/me/push-tokens", Some(&body)).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// The names of somebody's devices, the one that was seen last first.
async fn devices(who: &Account<'_>) -> Vec<String> {
    let list = who.json("/me/push-tokens").await;
    let items = list["items"].as_array().expect("items");
    items.iter().map(|one| one["device"].as_str().expect("a name").to_owned()).collect()
}

/// Sets preferences.
pub async fn prefer(who: &Account<'_>, body: &Value) -> (u16, Value) {
    let (status, text) = who.send(Method::PUT, "/me/preferences", Some(body)).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

pub async fn a_device_belongs_to_one_account(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let bo = ada.colleague("acme", "bo", &["viewer"]).await;
    let (status, first) = device(&ada, "token-1", "phone").await;
    assert_eq!((status, &first["device"]), (200, &json!("phone")), "{first}");
    assert!(!first.to_string().contains("token-1"), "{first}");
    app.clock.advance(Duration::from_secs(60));
    let (_, again) = device(&ada, "token-1", "the phone").await;
    assert_eq!((&again["id"], &again["created_at"]), (&first["id"], &first["created_at"]));
    assert_ne!(again["last_seen_at"], first["last_seen_at"]);
    device(&ada, "token-2", "tablet").await;
    assert_eq!(devices(&ada).await.len(), 2);

    // Somebody else logs in on the phone: it is theirs now, and nobody else's.
    let (status, moved) = device(&bo, "token-1", "lent").await;
    assert_eq!(status, 200);
    assert_ne!(moved["id"], first["id"], "nothing of its former holder's");
    assert_eq!(
        (devices(&ada).await, devices(&bo).await),
        (vec!["tablet".to_owned()], vec!["lent".to_owned()])
    );
    let path = format!("/me/push-tokens/{}", moved["id"].as_str().expect("an id"));
    assert_eq!(ada.delete(&path).await.0, 404, "not theirs");

    // Another project has nothing to do with it.
    let other = Account::admin(&app, "other").await;
    assert_eq!(device(&other, "token-1", "x").await.0, 200);
    assert_eq!(devices(&bo).await, ["lent"]);

    for number in 0..25 {
        app.clock.advance(Duration::from_secs(1));
        device(&ada, &format!("many-{number}"), &format!("d{number}")).await;
    }
    let names = devices(&ada).await;
    assert_eq!((names.len(), names[0].as_str(), names[19].as_str()), (20, "d24", "d5"));
    for (body, field) in [
        (json!({ "platform": "fcm", "token": "" }), "token"),
        (json!({ "platform": "apns", "token": "xyz" }), "token"),
        (json!({ "platform": "webpush", "token": "{}" }), "token"),
        (json!({ "platform": "fcm", "token": "a\u{0}" }), "token"),
        (json!({ "platform": "fcm", "token": "a", "device": "\u{0}" }), "device"),
        (json!({ "platform": "pager", "token": "a" }), "platform"),
    ] {
        let (status, text) = ada.send(Method::PUT, "/me/push-tokens", Some(&body)).await;
        let told = serde_json::from_str(&text).expect("JSON");
        assert_eq!(fields(status, &told), (400, vec![field]), "{told}");
    }

    // Logging out leaves devices, and being suspended does not.
    let second = Account::log_in(&app, "acme", "bo@example.com").await;
    assert_eq!(second.send(Method::POST, "/auth/logout", None).await.0, 204);
    assert_eq!(devices(&bo).await, ["lent"]);
    let user = format!("/users/{}", bo.user);
    assert_eq!(ada.send(Method::POST, &format!("{user}/suspend"), None).await.0, 200);
    assert_eq!(ada.send(Method::POST, &format!("{user}/reactivate"), None).await.0, 200);
    let bo = Account::log_in(&app, "acme", "bo@example.com").await;
    assert_eq!(devices(&bo).await, [] as [&str; 0]);
    let (_, kept) = device(&bo, "token-9", "mine").await;
    let path = format!("/me/push-tokens/{}", kept["id"].as_str().expect("an id"));
    assert_eq!((bo.delete(&path).await.0, bo.delete(&path).await.0), (204, 404));
    app.stop().await;
}

/// A rule that tells viewers of orders.
async fn rule(app: &TestApp, ada: &Account<'_>) -> String {
    let body = RuleBody {
        target_roles: vec!["viewer".to_owned()],
        ..RuleBody::new("Orders", "event.type == \"order.paid\"")
    };
    let now = app.app.clock.now();
    let made = services::onboarding::rule(&app.app.store, ada.project, body, now).await;
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    made.expect("a rule").to_string()
}

pub async fn preferences_are_judged_and_kept_as_a_whole(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let rule = rule(&app, &ada).await;
    let none = ada.json("/me/preferences").await;
    assert_eq!(none, json!({ "version": 0, "channels": {}, "mutes": [] }));
    let mut wanted = json!({
        "channels": { "sms": false, "email": true },
        "mutes": [
            { "rule_id": rule, "until": "2026-04-01T00:00:00.000Z" },
            { "event_type": "order.paid" },
        ],
        "quiet_hours": {
            "timezone": "Europe/Vienna", "days": ["sat", "sun"], "from": "22:00", "to": "07:00",
            "breaks_through": "critical",
        },
        "digest": { "every_minutes": 60, "breaks_through": "high" },
    });
    let (status, set) = prefer(&ada, &wanted).await;
    assert_eq!((status, &set["version"]), (200, &json!(1)), "{set}");
    wanted["version"] = json!(1);
    assert_eq!(ada.json("/me/preferences").await, wanted);
    let (status, set) = prefer(&ada, &json!({ "version": 1, "channels": { "push": false } })).await;
    assert_eq!((status, &set["version"]), (200, &json!(2)), "{set}");
    let kept = json!({ "version": 2, "channels": { "push": false }, "mutes": [] });
    assert_eq!(ada.json("/me/preferences").await, kept, "all of them are replaced");
    let (status, told) = prefer(&ada, &wanted).await;
    assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");

    let other = Account::admin(&app, "other").await;
    let far = json!({ "mutes": [{ "event_type": "a" }, { "rule_id": rule }] });
    let (status, told) = prefer(&other, &far).await;
    assert_eq!(fields(status, &told), (400, vec!["mutes[1].rule_id"]), "another project's: {told}");
    let quiet = |change: Value| {
        let mut body = json!({ "quiet_hours": {
            "timezone": "UTC", "from": "22:00", "to": "07:00", "breaks_through": "high",
        } });
        for (name, value) in change.as_object().expect("fields") {
            body["quiet_hours"][name] = value.clone();
        }
        body
    };
    for (body, field) in [
        (json!({ "mutes": [{}] }), "mutes[0]"),
        (json!({ "mutes": [{ "event_type": "a b" }] }), "mutes[0].event_type"),
        (json!({ "mutes": [{ "event_type": "a", "until": "soon" }] }), "mutes[0].until"),
        (json!({ "mutes": vec![json!({ "event_type": "a" }); 201] }), "mutes"),
        (quiet(json!({ "timezone": "Moon\u{0}" })), "quiet_hours.timezone"),
        (quiet(json!({ "from": "10 pm" })), "quiet_hours.from"),
        (quiet(json!({ "to": "22:00" })), "quiet_hours.to"),
        (quiet(json!({ "days": ["someday"] })), "quiet_hours.days[0]"),
        (quiet(json!({ "breaks_through": "loud" })), "quiet_hours.breaks_through"),
        (
            json!({ "digest": { "every_minutes": 1, "breaks_through": "low" } }),
            "digest.every_minutes",
        ),
        (json!({ "channels": { "pigeon": true } }), "channels.pigeon"),
    ] {
        let (status, told) = prefer(&ada, &body).await;
        assert_eq!(fields(status, &told), (400, vec![field]), "{body}: {told}");
    }
    app.stop().await;
}

pub async fn an_export_is_everything_and_nothing_of_others(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let sink = Sink::start().await;
    let (store, sealer, now) = (&app.app.store, &app.app.sealer, app.app.clock.now());
    services::onboarding::endpoint(store, sealer, ada.project, "sink", &sink.url(), now)
        .await
        .expect("an endpoint");
    rule(&app, &ada).await;
    let bo = ada.colleague("acme", "bo", &["viewer"]).await;
    bo.patch("/me", &json!({ "phone": "+436601234567", "bio": "Hello" })).await;
    device(&bo, "secret-token", "phone").await;
    prefer(&bo, &json!({ "channels": { "sms": false } })).await;
    ada.patch(&format!("/users/{}", bo.user), &json!({ "postcode": "1010" })).await;
    let (_, made) = ada.post("/keys", &json!({ "name": "k", "scopes": ["events:write"] })).await;
    let event = json!({ "type": "order.paid", "payload": {} });
    let key = made["api_key"].as_str().expect("a key");
    let sent = app.http.post(format!("{}/api/v1/events", app.base)).header("x-api-key", key);
    assert_eq!(sent.json(&event).send().await.expect("an answer").status(), 202);
    app.run_until_idle().await;

    let mine = bo.json("/me/export").await;
    assert_eq!(mine["user"], bo.json("/me").await["user"]);
    assert_eq!(mine["user"]["profile"]["phone"], "+436601234567");
    assert_eq!(mine["sessions"][0]["user_agent"], "=Test/1.0", "{mine}");
    assert_eq!(mine["push_tokens"][0]["device"], "phone");
    assert_eq!(mine["preferences"]["channels"]["sms"], false);
    let titles: Vec<&Value> =
        mine["notifications"].as_array().unwrap().iter().map(|one| &one["title"]).collect();
    assert_eq!(titles, [&json!("Orders")], "{mine}");
    let audit = mine["audit"].as_array().expect("rows");
    let actions: Vec<&str> = audit.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions[0], "user.export", "{actions:?}");
    for action in ["user.create", "user.update", "user.preferences", "session.login"] {
        assert!(actions.contains(&action), "{action} in {actions:?}");
    }
    assert!(audit.iter().all(|row| {
        [&row["actor"]["id"], &row["resource_id"], &row["subject_id"]].contains(&&json!(bo.user))
    }));
    for row in audit.iter().filter(|row| row["actor"]["id"] != json!(bo.user)) {
        assert_eq!(row["origin"], Value::Null, "where others were is theirs: {row}");
    }
    assert!(!mine.to_string().contains("secret-token"), "tokens are hidden");

    let path = format!("/users/{}/export", bo.user);
    let (status, _) = bo.get(&path).await;
    assert_eq!(status, 403);
    let (status, text) = ada.get(&path).await;
    let theirs: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &theirs["user"]), (200, &mine["user"]));
    let log = ada.json("/audit?action=user.export").await;
    let by: Vec<&Value> =
        log["items"].as_array().unwrap().iter().map(|row| &row["actor"]["id"]).collect();
    assert_eq!(by, [&json!(ada.user), &json!(bo.user)]);
    let other = Account::admin(&app, "other").await;
    assert_eq!(other.get(&path).await.0, 404);
    assert!(!PASSWORD.is_empty() && !text.contains("argon2"), "no hash of a password");
    app.stop().await;
}
