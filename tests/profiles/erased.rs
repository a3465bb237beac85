//! Erasing people: nothing of them is left, and their history stays.

use std::time::Duration;

use bellbuoy::roles::Roles;
use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::{Account, Pair, TestApp};
use domain::audit::AuditAction;
use domain::id::UserId;
use reqwest::Method;
use serde_json::{Value, json};
use services::accounts::SETTLE;
use services::audit::{AuditedAction, Initiator};

use crate::account::{file, start, start_with};
use crate::dump::{database, files, found};
use crate::told::{device, prefer};

/// What stands nowhere else: if one of these is found, it is of the one who was erased.
const CANARIES: [&str; 12] = [
    "canary@example.com",
    "Canary Fullname",
    "canary-user",
    "+436607654321",
    "Canaryfirst",
    "Canarylast",
    "CN4 RY9",
    "canary-token",
    "Canary device",
    "canary.event",
    "canary biography",
    "canary picture",
];

/// Fills in everything that somebody can say of themselves, and has an invitation, a second factor and a mail under way.
async fn canary<'a>(app: &'a TestApp, ada: &Account<'_>, roles: &[&str]) -> Account<'a> {
    let guest = json!({ "email": CANARIES[0], "full_name": CANARIES[1] });
    let (status, told) = ada.post("/auth/invitations", &guest).await;
    assert_eq!(status, 201, "{told}");
    let body = json!({
        "email": CANARIES[0], "full_name": CANARIES[1], "password": PASSWORD, "roles": roles,
    });
    let (status, made) = ada.post("/users", &body).await;
    assert_eq!(status, 201, "{made}");
    let one = Account::log_in(app, "acme", CANARIES[0]).await;
    let change = json!({
        "username": CANARIES[2], "phone": CANARIES[3], "first_name": CANARIES[4],
        "last_name": CANARIES[5], "postcode": CANARIES[6], "bio": CANARIES[10],
    });
    let (status, told) = one.patch("/me", &change).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(device(&one, CANARIES[7], CANARIES[8]).await.0, 200);
    assert_eq!(prefer(&one, &json!({ "mutes": [{ "event_type": CANARIES[9] }] })).await.0, 200);
    let picture = format!("avatars/{}/face.txt", one.user);
    file(app, ada.project, &picture, CANARIES[11]).await;
    let (status, _) = one.send(Method::PUT, "/me/avatar", Some(&json!({ "file": picture }))).await;
    assert_eq!(status, 200);
    let (status, told) = one.post("/me/second-factor", &json!({ "password": PASSWORD })).await;
    assert!(status < 300, "{told}");
    let forgot = json!({ "project": "acme", "email": CANARIES[0] });
    let (status, told) = one.post("/auth/forgot-password", &forgot).await;
    assert_eq!(status, 202, "{told}");
    app.app.audit.seal_all().await.expect("seals");
    one
}

async fn traces(app: &TestApp, ada: &Account<'_>) -> Vec<String> {
    let mut all = database(app).await;
    assert!(all.iter().any(|(name, _)| name == "users.email"), "the dump sees tables");
    all.extend(files(app, ada.project).await);
    found(&all, &CANARIES)
}

pub async fn nothing_is_left_of_somebody_who_is_erased(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let one = canary(&app, &ada, &["viewer"]).await;
    let before = traces(&app, &ada).await;
    for place in [
        "users.email",
        "users.full_name",
        "users.username",
        "preferences.body",
        "invitations.email",
        "face.txt",
    ] {
        assert!(before.iter().any(|found| found.contains(place)), "{place} in {before:?}");
    }
    for sealed in ["users.profile", "push_tokens", "audit.", "sessions.", "mails."] {
        assert!(!before.iter().any(|found| found.contains(sealed)), "{sealed} in {before:?}");
    }

    let (status, told) = one.post("/me/erase", &json!({ "password": "a wrong secret" })).await;
    assert_eq!((status, &told["errors"][0]["field"]), (400, &json!("password")), "{told}");
    let (status, told) = one.post("/me/erase", &json!({ "password": PASSWORD })).await;
    assert_eq!(status, 204, "{told}");
    assert_eq!(one.get("/me").await.0, 401, "logged out");
    assert_eq!(Account::try_log_in(&app, "acme", CANARIES[0], PASSWORD).await.0, 401);
    assert_eq!(traces(&app, &ada).await, [] as [&str; 0]);
    assert_eq!(app.app.store.mails(ada.project).await.expect("mails").len(), 1, "the invitation's");

    // Their history stays, and the chain with it.
    app.app.audit.seal_all().await.expect("seals");
    let verdict = ada.json("/audit/verify").await;
    assert_eq!((&verdict["ok"], &verdict["unsealed"]), (&json!(true), &json!(0)), "{verdict}");
    let log = ada.json("/audit?limit=200").await;
    let rows = log["items"].as_array().expect("rows");
    let theirs = |row: &&Value| {
        row["subject_id"] == json!(one.user) || row["actor"]["id"] == json!(one.user)
    };
    assert!(rows.iter().filter(theirs).count() >= 5, "{log}");
    for row in rows.iter().filter(theirs) {
        let own = row["subject_id"] == json!(one.user);
        assert!(!own || row["personal"].is_null(), "{row}");
        assert!(row["actor"]["id"] != json!(one.user) || row["origin"].is_null(), "{row}");
    }
    assert_eq!(rows[0]["action"], "user.erase", "{log}");

    // Everything that was theirs alone is free, and they are gone for everybody.
    let path = format!("/users/{}", one.user);
    assert_eq!(ada.get(&path).await.0, 404);
    let (status, _) = ada.send(Method::POST, &format!("{path}/erase"), None).await;
    assert_eq!(status, 404, "once is enough");
    let next = canary(&app, &ada, &["viewer"]).await;
    assert_ne!(next.user, one.user);

    // An admin erases somebody who was deleted before; their address was kept until then.
    let path = format!("/users/{}", next.user);
    assert_eq!(ada.delete(&path).await.0, 204);
    assert!(!traces(&app, &ada).await.is_empty());
    let (status, text) = ada.send(Method::POST, &format!("{path}/erase"), None).await;
    assert_eq!(status, 204, "{text}");
    assert_eq!(traces(&app, &ada).await, [] as [&str; 0]);
    app.stop().await;
}

pub async fn an_erasure_goes_on_where_it_was_interrupted(pair: Pair) {
    // No scheduler and no worker: what the task does is done here, step by step.
    let app = start_with(pair, Roles { api: true, ..Roles::none() }).await;
    let ada = Account::admin(&app, "acme").await;
    let one = canary(&app, &ada, &["viewer"]).await;
    let id: UserId = one.user.parse().expect("an id");
    // As if the process had died behind the first transaction.
    let audited = AuditedAction::new(AuditAction::UserErase, id.0);
    let entry =
        app.app.audit.entry(ada.project, &Initiator::system(), audited).await.expect("an entry");
    let now = app.app.clock.now();
    app.app.store.begin_erasure(ada.project, id, &entry, now).await.expect("begins");
    let left = traces(&app, &ada).await;
    assert!(left.iter().all(|found| found.contains("face.txt")), "{left:?}");
    let keys = |app: &TestApp| {
        let (store, project) = (app.app.store.clone(), ada.project);
        async move { store.subject_keys(project, vec![id.0]).await.expect("answers").len() }
    };
    assert_eq!((left.is_empty(), keys(&app).await), (false, 1));

    assert_eq!(app.app.accounts.finish_erasures().await.expect("goes on"), 0, "it settles yet");
    assert_eq!(traces(&app, &ada).await, [] as [&str; 0]);
    assert_eq!(keys(&app).await, 0);
    // A process that had the key of theirs at hand may have used it since: it is taken away once more.
    app.app.store.subject_key(ada.project, id.0, &[7; 8], now).await.expect("a key");
    app.clock.advance(SETTLE - Duration::from_secs(1));
    app.app.accounts.finish_erasures().await.expect("goes on");
    app.clock.advance(Duration::from_secs(1));
    app.app.accounts.finish_erasures().await.expect("ends");
    assert_eq!(app.app.store.erasures(10).await.expect("answers"), []);
    assert_eq!(keys(&app).await, 0);
    app.app.audit.seal_all().await.expect("seals");
    assert_eq!(ada.json("/audit/verify").await["ok"], true);
    app.stop().await;
}

pub async fn the_last_admin_is_not_erased(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let (status, told) = ada.post("/me/erase", &json!({ "password": PASSWORD })).await;
    assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");
    assert_eq!(ada.get("/me").await.0, 200, "nothing was changed");
    let bo = ada.colleague("acme", "bo", &["viewer"]).await;
    let path = format!("/users/{}/erase", ada.user);
    assert_eq!(bo.send(Method::POST, &path, None).await.0, 403);
    let other = Account::admin(&app, "other").await;
    assert_eq!(other.send(Method::POST, &path, None).await.0, 404);
    canary(&app, &ada, &["admin"]).await;
    let (status, told) = ada.post("/me/erase", &json!({ "password": PASSWORD })).await;
    assert_eq!(status, 204, "there is another one now: {told}");
    app.stop().await;
}
