//! A new password for who forgot theirs, and the notices of what happens to an account.

use std::time::Duration;

use bellbuoy_harness::{Account, Pair, on_pairs};
use serde_json::json;

use crate::scene::*;

on_pairs! {
    a_forgotten_password_is_set_anew
    a_token_is_good_for_an_hour_and_its_account
    a_suspension_voids_what_was_mailed_before
    a_login_from_a_new_device_is_told
}

async fn a_forgotten_password_is_set_anew(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let cleo = admin.colleague("acme", "cleo", &["viewer"]).await;
    let email = "cleo@example.com";
    for _ in 0..5 {
        assert_eq!(login(&app, email, "wrong horse battery").await.0, 401);
    }
    assert_eq!(login(&app, email, ADMIN_PASSWORD).await.0, 401, "locked");
    let forgot = json!({ "project": "acme", "email": email });
    post(&app, "/auth/forgot-password", forgot.clone()).await;
    let older = last(&app, email).await.token();
    post(&app, "/auth/forgot-password", forgot).await;
    let token = last(&app, email).await.token();

    let reset = async |token: &str, password: &str| {
        let body = json!({ "token": token, "new_password": password });
        let (status, told) = post(&app, "/auth/reset-password", body).await;
        (status, fields(&told).join(","))
    };
    assert_eq!(reset(&token, "cleo-2026-cleo").await, (400, "new_password".to_owned()));
    assert_eq!(reset(&token.replace("bbp_", "bbv_"), OTHER).await, (400, "token".to_owned()));
    assert_eq!(cleo.get("/me").await.0, 200, "nothing was changed");
    assert_eq!(reset(&token, OTHER).await.0, 204);
    assert_eq!(cleo.get("/me").await.0, 401, "all sessions end");
    assert_eq!(reset(&token, OTHER).await, (400, "token".to_owned()), "good once");
    assert_eq!(reset(&older, OTHER).await.0, 400, "and it uses up the others");
    assert_eq!(login(&app, email, ADMIN_PASSWORD).await.0, 401);
    assert_eq!(login(&app, email, OTHER).await.0, 200, "and the lock is gone");
    let user = admin.json(&format!("/users/{}", cleo.user)).await;
    assert!(user["email_verified_at"].is_string(), "the mail proved the address: {user}");
    assert!(subjects(&app, email).await.contains(&"Your password for acme was changed".to_owned()));
    let log = admin.json("/audit").await.to_string();
    assert!(log.contains("user.reset_request") && log.contains("\"user.reset\""), "{log}");
    app.stop().await;
}

async fn a_suspension_voids_what_was_mailed_before(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let cleo = admin.colleague("acme", "cleo", &["viewer"]).await;
    let email = "cleo@example.com";
    let forgot = json!({ "project": "acme", "email": email });
    post(&app, "/auth/forgot-password", forgot).await;
    let token = last(&app, email).await.token();
    let asked = json!({ "email": "cleo.new@example.com", "password": ADMIN_PASSWORD });
    assert_eq!(cleo.post("/me/email", &asked).await.0, 202);
    let address = last(&app, "cleo.new@example.com").await.token();
    for act in ["suspend", "reactivate"] {
        let path = format!("/users/{}/{act}", cleo.user);
        assert_eq!(admin.send(reqwest::Method::POST, &path, None).await.0, 200);
        let body = json!({ "token": token, "new_password": OTHER });
        let (status, told) = post(&app, "/auth/reset-password", body).await;
        assert_eq!((status, fields(&told)), (400, vec!["token"]), "{act}: {told}");
        let (status, told) = post(&app, "/auth/verify-email", json!({ "token": address })).await;
        assert_eq!((status, fields(&told)), (400, vec!["token"]), "{act}: {told}");
    }
    assert_eq!(login(&app, email, ADMIN_PASSWORD).await.0, 200, "nothing was changed");
    app.stop().await;
}

async fn a_token_is_good_for_an_hour_and_its_account(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    admin.colleague("acme", "cleo", &["viewer"]).await;
    let email = "cleo@example.com";
    let ask = async |email: &str| {
        let body = json!({ "project": "acme", "email": email });
        post(&app, "/auth/forgot-password", body).await;
    };
    let reset = async |token: String| {
        let body = json!({ "token": token, "new_password": OTHER });
        post(&app, "/auth/reset-password", body).await.0
    };
    ask(email).await;
    let late = last(&app, email).await.token();
    app.advance(HOUR);
    assert_eq!(reset(late).await, 400, "too late");
    let admin = Account::log_in(&app, "acme", ADMIN).await;

    // Two that come at once with one token: one of them is too late.
    ask(email).await;
    let token = last(&app, email).await.token();
    let both = futures_util::future::join(reset(token.clone()), reset(token)).await;
    assert_eq!([both.0, both.1].iter().filter(|status| **status == 204).count(), 1, "{both:?}");

    let called = json!({ "email": "pager@example.com", "full_name": "Pager", "roles": ["viewer"] });
    assert_eq!(admin.post("/users", &called).await.0, 201);
    ask("pager@example.com").await;
    assert_eq!(subjects(&app, "pager@example.com").await.len(), 0, "it can be called, no more");

    ask(email).await;
    let token = last(&app, email).await.token();
    let found = admin.json("/users?search=cleo").await;
    let id = found["items"][0]["id"].as_str().expect("an id");
    assert_eq!(admin.delete(&format!("/users/{id}")).await.0, 204);
    assert_eq!(reset(token).await, 400, "the account is gone");

    let (status, _) = admin
        .post("/me/password", &json!({ "old_password": ADMIN_PASSWORD, "new_password": OTHER }))
        .await;
    assert_eq!(status, 204);
    assert!(subjects(&app, ADMIN).await.contains(&"Your password for acme was changed".to_owned()));
    app.advance(Duration::from_secs(8 * 86_400));
    app.stop().await;
}

async fn a_login_from_a_new_device_is_told(pair: Pair) {
    let app = start(pair).await;
    acme(&app).await;
    let from = async |agent: &str| {
        let body = json!({ "project": "acme", "email": ADMIN, "password": ADMIN_PASSWORD });
        call(&app, reqwest::Method::POST, "/auth/login", agent, Some(body)).await.0
    };
    assert_eq!(subjects(&app, ADMIN).await.len(), 0, "not at the very first");
    assert_eq!(from("=Test/1.0").await, 200);
    assert_eq!(subjects(&app, ADMIN).await.len(), 0, "the same device");
    assert_eq!(from("Other/2.0").await, 200);
    let letter = last(&app, ADMIN).await;
    assert_eq!(letter.subject, "A login to acme from a new device");
    let text = letter.text.replace('\n', " ");
    assert!(text.contains("2026-03-01T12:00:00") && text.contains("with Other/2.0"), "{text}");
    assert_eq!(from("Other/2.0").await, 200);
    assert_eq!(subjects(&app, ADMIN).await.len(), 1, "it is known now");
    for at in 0..8 {
        assert_eq!(from(&format!("Flood/{at}")).await, 200);
    }
    assert_eq!(subjects(&app, ADMIN).await.len(), 5, "enough is enough");
    app.stop().await;
}
