//! Asking for an account, proving its address, being let in.

use std::time::{Duration, Instant};

use bellbuoy_harness::{Account, Pair, on_pairs};
use serde_json::{Value, json};

use crate::scene::*;

on_pairs! {
    whoever_asks_is_let_in_by_an_admin
    nobody_learns_who_has_an_account
    an_address_is_proved_once_and_in_time
    roles_are_given_with_the_approval
    registration_can_be_closed
    whoever_waits_uses_no_plan_up
}

async fn whoever_waits_uses_no_plan_up(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    assert_eq!(register(&app, "cleo@example.com").await.0, 202);
    let stats = admin.json(&format!("/projects/{}/stats", admin.project)).await;
    assert_eq!(stats["users"], json!({ "pending": 1, "active": 1, "suspended": 0 }), "{stats}");
    assert_eq!(stats["usage"][0], json!({ "limit": "users", "used": 1 }), "{stats}");
    app.stop().await;
}

async fn whoever_asks_is_let_in_by_an_admin(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    assert_eq!(register(&app, " Cleo@Example.com ").await, (202, Value::Null));
    let letter = last(&app, "cleo@example.com").await;
    assert!(!letter.text.contains("Cleo"), "nothing that a stranger chose: {}", letter.text);
    assert!(letter.text.contains(&format!("{}/", app.base)), "where we listen: {}", letter.text);
    let known = std::fs::metadata(mailbox(&app)).expect("is there").permissions();
    let mode = std::os::unix::fs::PermissionsExt::mode(&known) & 0o777;
    assert_eq!(mode, 0o700, "it holds tokens");
    let (status, told) = login(&app, "cleo@example.com", OTHER).await;
    assert_eq!((status, &told["code"]), (403, &json!("account_pending")));

    let listed = admin.json("/users?status=pending").await;
    let id = listed["items"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(listed["items"][0]["email_verified_at"], Value::Null);
    let body = json!({ "token": letter.token() });
    assert_eq!(post(&app, "/auth/verify-email", body).await.0, 204);
    let listed = admin.json("/users?status=pending").await;
    assert!(listed["items"][0]["email_verified_at"].is_string(), "{listed}");

    let (status, told) = admin.post(&format!("/users/{id}/reactivate"), &json!({})).await;
    assert_eq!((status, &told["code"]), (409, &json!("conflict")), "that is another deed: {told}");
    let (status, let_in) =
        admin.send(reqwest::Method::POST, &format!("/users/{id}/approve"), None).await;
    let let_in: Value = serde_json::from_str(&let_in).expect("JSON");
    assert_eq!((status, &let_in["status"]), (200, &json!("active")), "{let_in}");
    assert_eq!(let_in["roles"], json!(["member"]));
    assert_eq!(login(&app, "cleo@example.com", OTHER).await.0, 200);
    let told = subjects(&app, "cleo@example.com").await;
    assert_eq!(told, ["Prove your address for acme", "You were let in to acme"]);
    let (status, _) = admin.post(&format!("/users/{id}/approve"), &json!({})).await;
    assert_eq!(status, 200, "twice does no harm");
    assert_eq!(subjects(&app, "cleo@example.com").await.len(), 2);

    let log = admin.json("/audit").await.to_string();
    for action in ["user.register", "user.verify_email", "user.approve"] {
        assert!(log.contains(action), "{action}");
    }
    app.stop().await;
}

async fn nobody_learns_who_has_an_account(pair: Pair) {
    let app = start(pair).await;
    acme(&app).await;
    let timed = async |path: &str, project: &str, email: &str| {
        let mut body = json!({ "project": project, "email": email });
        if path == "/auth/register" {
            body["password"] = json!(OTHER);
            body["full_name"] = json!("X");
        }
        let began = Instant::now();
        let answer = post(&app, path, body).await;
        assert!(began.elapsed() >= Duration::from_millis(250), "{path} {email}");
        answer
    };
    for path in ["/auth/register", "/auth/forgot-password", "/auth/verify-email/resend"] {
        let there = timed(path, "acme", ADMIN).await;
        assert_eq!(there, (202, Value::Null), "{path}");
        assert_eq!(timed(path, "acme", "nobody@example.com").await, there, "{path}");
        assert_eq!(timed(path, "nowhere", ADMIN).await, there, "{path}");
        let (status, told) =
            post(&app, path, json!({ "project": "acme", "email": "x\u{0}@y.z" })).await;
        assert_eq!(status, 400, "{path} {told}");
        let odd =
            json!({ "project": "a\u{0}", "email": ADMIN, "password": OTHER, "full_name": "X" });
        let status = post(&app, path, odd).await.0;
        assert!(matches!(status, 202 | 400), "{path} {status}");
    }
    let told = subjects(&app, ADMIN).await;
    assert_eq!(
        told,
        [
            "You have an account in acme already",
            "A new password for acme",
            "Prove your address for acme"
        ]
    );
    let (status, told) = post(
        &app,
        "/auth/register",
        json!({
            "project": "acme", "email": "cleo", "password": "password123", "full_name": " "
        }),
    )
    .await;
    assert_eq!((status, fields(&told)), (400, vec!["email", "full_name", "password"]), "{told}");
    app.stop().await;
}

async fn an_address_is_proved_once_and_in_time(pair: Pair) {
    let app = start(pair).await;
    acme(&app).await;
    let email = "cleo@example.com";
    register(&app, email).await;
    let first = last(&app, email).await.token();
    let resend = json!({ "project": "acme", "email": email });
    for _ in 0..8 {
        assert_eq!(post(&app, "/auth/verify-email/resend", resend.clone()).await.0, 202);
    }
    assert_eq!(subjects(&app, email).await.len(), 5, "and no more within the hour");
    app.advance(HOUR);
    post(&app, "/auth/verify-email/resend", resend.clone()).await;
    let second = last(&app, email).await.token();
    assert_eq!(subjects(&app, email).await.len(), 6);

    let verify = async |token: &str| {
        let (status, told) = post(&app, "/auth/verify-email", json!({ "token": token })).await;
        (status, fields(&told).join(","))
    };
    let other = if second.ends_with('0') { '1' } else { '0' };
    let guess = format!("{}{other}", &second[..second.len() - 1]);
    for bad in ["", "bbv_", &guess, &second.replace("bbv_", "bbp_"), &"x".repeat(200)] {
        assert_eq!(verify(bad).await, (400, "token".to_owned()), "{bad}");
    }
    assert_eq!(verify(&second).await.0, 204);
    assert_eq!(verify(&second).await.0, 400, "good once");
    assert_eq!(verify(&first).await.0, 400, "and it uses up the others");
    post(&app, "/auth/verify-email/resend", resend).await;
    assert_eq!(subjects(&app, email).await.len(), 6, "nothing left to prove");

    register(&app, "late@example.com").await;
    let late = last(&app, "late@example.com").await.token();
    app.advance(Duration::from_secs(25 * 3600));
    assert_eq!(verify(&late).await.0, 400, "too late");
    app.stop().await;
}

async fn roles_are_given_with_the_approval(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let role = json!({ "name": "doorman", "permissions": ["users:approve", "users:read"] });
    assert_eq!(admin.post("/roles", &role).await.0, 201);
    let doorman = admin.colleague("acme", "dora", &["doorman"]).await;
    let waiting = async |name: &str| {
        let email = format!("{name}@example.com");
        register(&app, &email).await;
        let found = admin.json(&format!("/users?search={name}")).await;
        found["items"][0]["id"].as_str().expect("an id").to_owned()
    };
    let (one, two, three) = (waiting("one").await, waiting("two").await, waiting("three").await);
    let roles = json!({ "roles": ["responder"] });
    let (status, told) = doorman.post(&format!("/users/{one}/approve"), &roles).await;
    assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "{told}");
    let (status, told) = doorman.post(&format!("/users/{one}/approve"), &json!({})).await;
    assert_eq!((status, &told["roles"]), (200, &json!(["member"])), "{told}");
    let unknown = json!({ "roles": ["chief"] });
    let (status, told) = admin.post(&format!("/users/{two}/approve"), &unknown).await;
    assert_eq!((status, fields(&told)), (400, vec!["roles[0]"]), "{told}");
    let (status, told) = admin.post(&format!("/users/{two}/approve"), &roles).await;
    assert_eq!((status, &told["roles"]), (200, &json!(["responder"])), "{told}");
    let (status, _) = admin.post(&format!("/users/{two}/approve"), &roles).await;
    assert_eq!(status, 409, "roles are given once with it");
    assert_eq!(login(&app, "two@example.com", OTHER).await.0, 200);

    assert_eq!(admin.delete(&format!("/users/{three}")).await.0, 204, "rejected");
    register(&app, "three@example.com").await;
    assert_eq!(subjects(&app, "three@example.com").await.len(), 1, "mails to it went with it");
    app.stop().await;
}

async fn registration_can_be_closed(pair: Pair) {
    let app = start_with(pair, bellbuoy::roles::Roles::all(), |config| {
        config.auth.registration = false;
    })
    .await;
    Account::admin(&app, "acme").await;
    let (status, told) = register(&app, "cleo@example.com").await;
    assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "{told}");
    app.stop().await;
    let app = start(pair).await;
    let body = json!({ "project": "platform", "email": "a@b.example", "password": OTHER, "full_name": "X" });
    assert_eq!(post(&app, "/auth/register", body).await.0, 403, "nobody asks for the platform");
    app.stop().await;
}
