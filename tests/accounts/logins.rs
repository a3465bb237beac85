//! What ends logins and what refuses them: suspension, admins, locks, and changes that come between the proof of a password
//! and the session.

use std::time::{Duration, Instant};

use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use domain::audit::AuditAction;
use domain::id::UserId;
use domain::mail::MailKind;
use reqwest::Method;
use serde_json::{Value, json};
use services::audit::{AuditedAction, Initiator};
use services::mails::Addressee;
use store::sessions::{Begun, NewSession};

use crate::scene::*;

on_pairs! {
    a_refused_login_takes_as_long_whatever_is_wrong
    a_session_begins_only_while_the_proof_holds
    an_old_password_sets_no_new_one_after_a_reset
    an_admin_sees_and_ends_sessions
    an_admin_unlocks_an_account
}

async fn a_refused_login_takes_as_long_whatever_is_wrong(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    admin.colleague("acme", "locked", &["viewer"]).await;
    let suspended = admin.colleague("acme", "gone", &["viewer"]).await;
    let path = format!("/users/{}/suspend", suspended.user);
    assert_eq!(admin.send(Method::POST, &path, None).await.0, 200);
    waiting(&app, "pending@example.com").await;
    let called = json!({ "email": "pager@example.com", "full_name": "Pager", "roles": ["viewer"] });
    assert_eq!(admin.post("/users", &called).await.0, 201);
    for _ in 0..5 {
        assert_eq!(login(&app, "locked@example.com", "wrong horse battery").await.0, 401);
    }
    let mut told = Vec::new();
    for (email, password) in [
        (ADMIN, "wrong horse battery"),
        ("nobody@example.com", "wrong horse battery"),
        ("pager@example.com", "wrong horse battery"),
        ("pending@example.com", "wrong horse battery"),
        ("gone@example.com", "wrong horse battery"),
        ("locked@example.com", "wrong horse battery"),
        ("locked@example.com", ADMIN_PASSWORD),
    ] {
        let began = Instant::now();
        let (status, mut answer) = login(&app, email, password).await;
        assert!(began.elapsed() >= services::pace::STEP, "{email} {password}");
        assert_eq!(status, 401, "{email} {answer}");
        answer["request_id"] = Value::Null;
        told.push(answer);
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:#?}");
    app.stop().await;
}

/// Begins a session as a login does that has proved this hash.
async fn begin(app: &TestApp, who: &Account<'_>, hash: &str) -> Begun {
    let (store, now) = (&app.app.store, app.app.clock.now());
    let user = UserId(who.user.parse().expect("an id"));
    let home = store.project(who.project).await.expect("a project");
    let whom = Addressee { project: &home, user: Some(user), email: "x@example.com" };
    let mails = &app.app.sessions.mails;
    let new = NewSession {
        id: domain::id::fresh(now),
        user,
        password: hash.to_owned(),
        ends_at: now.plus(Duration::from_secs(3600)),
        token: [1; 32],
        device: [2; 32],
        origin: None,
        proof: None,
        notice: mails.write(MailKind::NewDevice, whom, None, None, now).expect("a mail"),
    };
    let audited = AuditedAction::new(AuditAction::SessionLogin, user.0);
    let entry =
        app.app.audit.entry(who.project, &Initiator::system(), audited).await.expect("an entry");
    store.begin_session(who.project, &new, &entry, now).await.expect("answers")
}

async fn a_session_begins_only_while_the_proof_holds(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let cleo = admin.colleague("acme", "cleo", &["viewer"]).await;
    let store = &app.app.store;
    let user = UserId(cleo.user.parse().expect("an id"));
    let hash = store.password(cleo.project, user).await.expect("answers").expect("a hash");
    assert_eq!(begin(&app, &cleo, &hash).await, Begun::Yes(true));

    // A password that is changed, an account or a project that is suspended between proof and session.
    let change = json!({ "old_password": ADMIN_PASSWORD, "new_password": OTHER });
    assert_eq!(cleo.post("/me/password", &change).await.0, 204);
    assert_eq!(begin(&app, &cleo, &hash).await, Begun::Overtaken);
    let hash = store.password(cleo.project, user).await.expect("answers").expect("a hash");
    let suspend = async |act: &str| {
        let path = format!("/users/{}/{act}", cleo.user);
        assert_eq!(admin.send(Method::POST, &path, None).await.0, 200);
    };
    suspend("suspend").await;
    assert_eq!(begin(&app, &cleo, &hash).await, Begun::Overtaken);
    suspend("reactivate").await;
    assert!(matches!(begin(&app, &cleo, &hash).await, Begun::Yes(_)));
    let works = async |works: bool| {
        let done = app.app.admin.set_project_works(cleo.project, works, &Initiator::system()).await;
        done.expect("done");
    };
    works(false).await;
    assert_eq!(begin(&app, &cleo, &hash).await, Begun::Overtaken);
    works(true).await;
    let held = app.app.sessions.of(cleo.project, user).await.expect("answers");
    assert_eq!(held.len(), 0, "sessions from before the suspension are none: {held:?}");
    assert!(matches!(begin(&app, &cleo, &hash).await, Begun::Yes(_)));
    app.stop().await;
}

async fn an_old_password_sets_no_new_one_after_a_reset(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let (store, now) = (&app.app.store, app.app.clock.now());
    let user = UserId(admin.user.parse().expect("an id"));
    let home = store.project(admin.project).await.expect("a project");
    let whom = Addressee { project: &home, user: Some(user), email: ADMIN };
    let notice = app.app.sessions.mails.write(MailKind::PasswordChanged, whom, None, None, now);
    // What was proved before the password became another one.
    let late = store::recovery::NewPassword {
        hash: "a hash".to_owned(),
        token: None,
        proved: Some("the hash of before".to_owned()),
        ends: store::sessions::Which::All,
        notice: notice.expect("a mail"),
    };
    let audited = AuditedAction::new(AuditAction::UserPassword, user.0);
    let entry =
        app.app.audit.entry(admin.project, &Initiator::system(), audited).await.expect("an entry");
    let done = store.set_password(admin.project, user, &late, &entry, now).await;
    assert!(matches!(done, Err(store::StoreError::NotFound("password"))), "{done:?}");
    assert_eq!(admin.get("/me").await.0, 200, "nothing was changed");
    assert_eq!(login(&app, ADMIN, ADMIN_PASSWORD).await.0, 200);
    app.stop().await;
}

async fn an_admin_sees_and_ends_sessions(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let other = Account::admin(&app, "other").await;
    let cleo = admin.colleague("acme", "cleo", &["viewer"]).await;
    let elsewhere = Account::log_in(&app, "acme", "cleo@example.com").await;
    let path = format!("/users/{}/sessions", cleo.user);
    let listed = admin.json(&path).await;
    let items = listed["items"].as_array().expect("sessions").clone();
    assert_eq!(items.len(), 2, "{listed}");
    assert_eq!(
        (&items[0]["current"], &items[0]["user_agent"]),
        (&json!(false), &json!("=Test/1.0"))
    );
    assert!(items[0]["address"].is_string(), "{listed}");

    let one = format!("{path}/{}", items[0]["id"].as_str().expect("an id"));
    for (who, wanted) in [(&cleo, 403), (&other, 404)] {
        assert_eq!(who.get(&path).await.0, wanted);
        assert_eq!(who.delete(&path).await.0, wanted);
        assert_eq!(who.delete(&one).await.0, wanted);
    }
    assert_eq!(admin.delete(&one).await.0, 204);
    assert_eq!((elsewhere.get("/me").await.0, cleo.get("/me").await.0), (401, 200));
    assert_eq!(admin.delete(&one).await.0, 404, "it has ended");
    let mine = admin.json("/auth/sessions").await["items"][0]["id"].clone();
    let mixed = format!("{path}/{}", mine.as_str().expect("an id"));
    assert_eq!(admin.delete(&mixed).await.0, 404, "it is a session of somebody else");
    assert_eq!(admin.delete(&path).await.0, 204);
    assert_eq!(cleo.get("/me").await.0, 401);
    assert_eq!(admin.delete(&path).await.0, 204, "none is left");
    assert_eq!(admin.json(&path).await["items"], json!([]));
    assert_eq!(login(&app, "cleo@example.com", ADMIN_PASSWORD).await.0, 200);
    let log = admin.json("/audit?action=session.revoke").await;
    assert_eq!(log["items"].as_array().map(Vec::len), Some(2), "{log}");
    app.stop().await;
}

async fn an_admin_unlocks_an_account(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let other = Account::admin(&app, "other").await;
    let cleo = admin.colleague("acme", "cleo", &["viewer"]).await;
    for _ in 0..5 {
        assert_eq!(login(&app, "cleo@example.com", "wrong horse battery").await.0, 401);
    }
    assert_eq!(login(&app, "cleo@example.com", ADMIN_PASSWORD).await.0, 401, "locked");
    let path = format!("/users/{}", cleo.user);
    let user = admin.json(&path).await;
    assert_eq!(user["locked_until"], "2026-03-01T12:15:00.000Z", "{user}");
    let unlock = format!("{path}/unlock");
    for (who, wanted) in [(&cleo, 403), (&other, 404), (&admin, 200), (&admin, 200)] {
        let (status, told) = who.send(Method::POST, &unlock, None).await;
        assert_eq!(status, wanted, "{told}");
    }
    assert_eq!(admin.json(&path).await["locked_until"], Value::Null);
    // Accounts that may do more than the caller are left to others.
    let role = json!({ "name": "helper", "permissions": ["users:manage", "users:update"] });
    assert_eq!(admin.post("/roles", &role).await.0, 201);
    let helper = admin.colleague("acme", "helper", &["helper"]).await;
    let above = format!("/users/{}", admin.user);
    assert_eq!(helper.send(Method::POST, &format!("{above}/unlock"), None).await.0, 403);
    assert_eq!(helper.delete(&format!("{above}/sessions")).await.0, 403);
    assert_eq!(admin.get("/me").await.0, 200);
    assert_eq!(login(&app, "cleo@example.com", ADMIN_PASSWORD).await.0, 200);
    let log = admin.json("/audit?action=user.unlock").await;
    assert_eq!(log["items"].as_array().map(Vec::len), Some(1), "once is enough: {log}");
    app.stop().await;
}
