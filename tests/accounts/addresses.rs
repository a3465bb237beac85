//! Another address for one's own account: proved before it counts, and never without the old one being told.

use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use serde_json::{Value, json};

use crate::scene::*;

on_pairs! {
    an_address_is_changed_once_the_new_one_is_proved
    nobody_learns_by_a_change_who_has_an_account
    a_new_password_takes_an_asked_address_back
    two_accounts_never_share_an_address
}

const OLD: &str = "cleo@example.com";
const NEW: &str = "cleopatra@example.com";

async fn ask(who: &Account<'_>, email: &str, password: &str) -> (u16, Value) {
    who.post("/me/email", &json!({ "email": email, "password": password })).await
}

async fn prove(app: &TestApp, token: &str) -> (u16, Value) {
    post(app, "/auth/verify-email", json!({ "token": token })).await
}

async fn an_address_is_changed_once_the_new_one_is_proved(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let cleo = admin.colleague("acme", "cleo", &["viewer"]).await;
    for (email, password, field) in [
        (NEW, "wrong horse battery", "password"),
        ("cleopatra", ADMIN_PASSWORD, "email"),
        (" Cleo@Example.com", ADMIN_PASSWORD, "email"),
        ("a\u{0}@b.example", ADMIN_PASSWORD, "email"),
    ] {
        let (status, told) = ask(&cleo, email, password).await;
        assert_eq!((status, fields(&told)), (400, vec![field]), "{email}: {told}");
    }
    assert_eq!(letters(&app).await.len(), 0);
    post(&app, "/auth/forgot-password", json!({ "project": "acme", "email": OLD })).await;
    let reset = last(&app, OLD).await.token();
    assert_eq!(ask(&cleo, " CleoPatra@Example.com ", ADMIN_PASSWORD).await, (202, Value::Null));
    let first = last(&app, NEW).await;
    assert!(!first.text.contains("cleo"), "nothing that the caller chose: {}", first.text);
    assert_eq!(last(&app, OLD).await.subject, "Another address for your account in acme");
    assert_eq!(ask(&cleo, NEW, ADMIN_PASSWORD).await.0, 202);
    let token = last(&app, NEW).await.token();
    assert_eq!(prove(&app, &first.token()).await.0, 400, "the newest takes the place of others");
    let me = cleo.json("/me").await;
    assert_eq!(
        (&me["user"]["email"], &me["user"]["email_verified_at"]),
        (&json!(OLD), &Value::Null)
    );
    assert_eq!(login(&app, OLD, ADMIN_PASSWORD).await.0, 200, "not before it is proved");
    assert_eq!(login(&app, NEW, ADMIN_PASSWORD).await.0, 401);

    assert_eq!(prove(&app, &token).await.0, 204);
    assert_eq!(prove(&app, &token).await.0, 400, "good once");
    let me = cleo.json("/me").await;
    assert_eq!(me["user"]["email"], NEW, "sessions stay");
    assert!(me["user"]["email_verified_at"].is_string(), "{me}");
    assert_eq!(last(&app, OLD).await.subject, "The address of your account in acme was changed");
    assert_eq!(login(&app, OLD, ADMIN_PASSWORD).await.0, 401);
    assert_eq!(login(&app, NEW, ADMIN_PASSWORD).await.0, 200);
    let body = json!({ "token": reset, "new_password": OTHER });
    assert_eq!(post(&app, "/auth/reset-password", body).await.0, 400, "mailed to the old address");
    admin.colleague("acme", "cleo", &["viewer"]).await;

    let log = admin.json("/audit").await;
    let rows = log["items"].as_array().expect("rows");
    let row =
        |action: &str| rows.iter().find(|row| row["action"] == action).expect("a row").clone();
    assert_eq!(row("user.email_ask")["personal"]["email"], NEW);
    let changed = row("user.email");
    assert_eq!(changed["personal"]["before"]["email"], OLD, "{changed}");
    assert_eq!(changed["actor"]["id"], json!(cleo.user), "{changed}");
    app.stop().await;
}

async fn nobody_learns_by_a_change_who_has_an_account(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let cleo = admin.colleague("acme", "cleo", &["viewer"]).await;
    ask(&cleo, NEW, ADMIN_PASSWORD).await;
    let open = last(&app, NEW).await.token();
    let mut told = Vec::new();
    for email in [ADMIN, "free@example.com"] {
        let before = subjects(&app, OLD).await.len();
        let began = std::time::Instant::now();
        let answer = ask(&cleo, email, ADMIN_PASSWORD).await;
        assert!(began.elapsed() >= services::pace::STEP, "{email}");
        let mails = subjects(&app, OLD).await;
        told.push((answer, mails[before..].to_vec()));
        assert_eq!(prove(&app, &open).await.0, 400, "one that was asked for before is gone");
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(last(&app, ADMIN).await.subject, "You have an account in acme already");
    assert_eq!(admin.json("/me").await["user"]["email"], ADMIN);
    // An address has its limit, and the old one is told all the same.
    for _ in 0..6 {
        assert_eq!(ask(&cleo, "flood@example.com", ADMIN_PASSWORD).await.0, 202);
    }
    assert_eq!(subjects(&app, "flood@example.com").await.len(), 5);
    assert_eq!(subjects(&app, OLD).await.len(), 9);
    app.stop().await;
}

async fn a_new_password_takes_an_asked_address_back(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let thief = admin.colleague("acme", "cleo", &["viewer"]).await;
    assert_eq!(ask(&thief, "thief@example.com", ADMIN_PASSWORD).await.0, 202);
    let token = last(&app, "thief@example.com").await.token();
    post(&app, "/auth/forgot-password", json!({ "project": "acme", "email": OLD })).await;
    let reset = json!({ "token": last(&app, OLD).await.token(), "new_password": OTHER });
    assert_eq!(post(&app, "/auth/reset-password", reset).await.0, 204);
    assert_eq!(prove(&app, &token).await.0, 400, "asked for with the password of before");

    let cleo_again = login(&app, OLD, OTHER).await;
    assert_eq!(cleo_again.0, 200, "{}", cleo_again.1);
    // Nor does a suspended account change.
    let walt = admin.colleague("acme", "walt", &["viewer"]).await;
    assert_eq!(ask(&walt, "walter@example.com", ADMIN_PASSWORD).await.0, 202);
    let token = last(&app, "walter@example.com").await.token();
    let path = format!("/users/{}/suspend", walt.user);
    assert_eq!(admin.send(reqwest::Method::POST, &path, None).await.0, 200);
    assert_eq!(prove(&app, &token).await.0, 400);
    app.stop().await;
}

async fn two_accounts_never_share_an_address(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let cleo = admin.colleague("acme", "cleo", &["viewer"]).await;
    let walt = admin.colleague("acme", "walt", &["viewer"]).await;
    let mut tokens = Vec::new();
    for who in [&cleo, &walt] {
        assert_eq!(ask(who, NEW, ADMIN_PASSWORD).await.0, 202);
        tokens.push(last(&app, NEW).await.token());
    }
    let both = futures_util::future::join(prove(&app, &tokens[0]), prove(&app, &tokens[1])).await;
    let mut statuses = [both.0.0, both.1.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 400], "{both:?}");
    let holders = admin.json("/users?search=cleopatra").await;
    assert_eq!(holders["items"].as_array().map(Vec::len), Some(1), "{holders}");
    app.stop().await;
}
