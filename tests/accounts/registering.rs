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
    nobody_learns_which_projects_take_registrations
}

async fn whoever_waits_uses_no_plan_up(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    assert_eq!(register(&app, "cleo@example.com").await.0, 202);
    let token = last(&app, "cleo@example.com").await.token();
    assert_eq!(confirm(&app, &token, OTHER).await.0, 201);
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
    assert_eq!(admin.json("/users?status=pending").await["items"], json!([]), "no account yet");
    assert_eq!(login(&app, "cleo@example.com", OTHER).await.0, 401);

    let token = letter.token();
    let (status, told) = confirm(&app, &token, "short").await;
    assert_eq!((status, fields(&told)), (400, vec!["password"]), "{told}");
    let (status, made) = confirm(&app, &token, OTHER).await;
    assert_eq!((status, &made["status"]), (201, &json!("pending")), "{made}");
    assert_eq!(made["full_name"], "Cleo Clerk");
    assert_eq!(confirm(&app, &token, OTHER).await.0, 400, "good once");
    let (status, told) = login(&app, "cleo@example.com", OTHER).await;
    assert_eq!((status, &told["code"]), (403, &json!("account_pending")));
    let listed = admin.json("/users?status=pending").await;
    let id = listed["items"][0]["id"].as_str().expect("an id").to_owned();
    assert!(listed["items"][0]["email_verified_at"].is_string(), "{listed}");

    for act in ["reactivate", "suspend"] {
        let (status, told) = admin.post(&format!("/users/{id}/{act}"), &json!({})).await;
        assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{act}: {told}");
    }
    let (status, let_in) =
        admin.send(reqwest::Method::POST, &format!("/users/{id}/approve"), None).await;
    let let_in: Value = serde_json::from_str(&let_in).expect("JSON");
    assert_eq!((status, &let_in["status"]), (200, &json!("active")), "{let_in}");
    assert_eq!(let_in["roles"], json!(["member"]));
    assert_eq!(login(&app, "cleo@example.com", OTHER).await.0, 200);
    let told = subjects(&app, "cleo@example.com").await;
    assert_eq!(told, ["Your registration for acme", "You were let in to acme"]);
    let (status, _) = admin.post(&format!("/users/{id}/approve"), &json!({})).await;
    assert_eq!(status, 200, "twice does no harm");
    assert_eq!(subjects(&app, "cleo@example.com").await.len(), 2);

    let log = admin.json("/audit").await.to_string();
    for action in ["registration.create", "user.register", "user.approve"] {
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
        let odd = json!({ "project": "a\u{0}", "email": ADMIN, "full_name": "X" });
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
            "project": "acme", "email": "cleo", "full_name": " "
        }),
    )
    .await;
    assert_eq!((status, fields(&told)), (400, vec!["email", "full_name"]), "{told}");
    app.stop().await;
}

async fn an_address_is_proved_once_and_in_time(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let email = "cleo@example.com";
    admin.colleague("acme", "cleo", &["viewer"]).await;
    let resend = async |email: &str| {
        let body = json!({ "project": "acme", "email": email });
        assert_eq!(post(&app, "/auth/verify-email/resend", body).await.0, 202);
    };
    resend(email).await;
    let first = last(&app, email).await.token();
    for _ in 0..8 {
        resend(email).await;
    }
    assert_eq!(subjects(&app, email).await.len(), 5, "and no more within the hour");
    app.advance(HOUR);
    resend(email).await;
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
    resend(email).await;
    assert_eq!(subjects(&app, email).await.len(), 6, "nothing left to prove");
    assert_eq!(login(&app, email, ADMIN_PASSWORD).await.0, 200, "the password is the one it had");

    // A registration is mailed again as well, and ends.
    register(&app, "late@example.com").await;
    let first = last(&app, "late@example.com").await.token();
    resend("late@example.com").await;
    let late = last(&app, "late@example.com").await.token();
    assert_eq!(confirm(&app, &first, OTHER).await.0, 400, "the newest takes the place of others");
    app.advance(Duration::from_secs(25 * 3600));
    assert_eq!(confirm(&app, &late, OTHER).await.0, 400, "too late");
    app.stop().await;
}

async fn roles_are_given_with_the_approval(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let role = json!({ "name": "doorman", "permissions": ["users:approve", "users:read"] });
    assert_eq!(admin.post("/roles", &role).await.0, 201);
    let doorman = admin.colleague("acme", "dora", &["doorman"]).await;
    let one = waiting(&app, "one@example.com").await;
    let two = waiting(&app, "two@example.com").await;
    let three = waiting(&app, "three@example.com").await;
    let roles = json!({ "roles": ["responder"] });
    let (status, told) = doorman.post(&format!("/users/{one}/approve"), &roles).await;
    assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "{told}");
    let none = json!({ "roles": [] });
    let (status, told) = doorman.post(&format!("/users/{one}/approve"), &none).await;
    assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "none are roles, too: {told}");
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
    assert_eq!(last(&app, "three@example.com").await.subject, "Your registration for acme");
    assert_eq!(subjects(&app, "three@example.com").await.len(), 2, "the address is free");
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
    let body = json!({ "project": "platform", "email": "a@b.example", "full_name": "X" });
    assert_eq!(post(&app, "/auth/register", body).await.0, 403, "nobody asks for the platform");
    app.stop().await;
}

async fn nobody_learns_which_projects_take_registrations(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let other = Account::admin(&app, "other").await;
    register(&app, "early@example.com").await;
    let early = last(&app, "early@example.com").await.token();
    let path = format!("/projects/{}/settings", admin.project);
    let closed = json!({ "registration": "invited_only" });
    let (status, told) = admin.send(reqwest::Method::PUT, &path, Some(&closed)).await;
    assert_eq!(status, 200, "{told}");
    for project in ["acme", "nowhere", "other"] {
        let body = json!({ "project": project, "email": "cleo@example.com", "full_name": "Cleo" });
        let began = Instant::now();
        let answer = post(&app, "/auth/register", body).await;
        assert_eq!(answer, (202, Value::Null), "{project}");
        assert!(began.elapsed() >= Duration::from_millis(250), "{project}");
    }
    let told = subjects(&app, "cleo@example.com").await;
    assert_eq!(told, ["Your registration for other"], "the others do nothing");
    let (status, told) = confirm(&app, &early, OTHER).await;
    assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "closed since: {told}");
    assert_eq!(other.json("/users?status=pending").await["items"], json!([]));
    app.stop().await;
}
