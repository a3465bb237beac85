//! A registration whose address is not proved binds nobody, whoever made it and in whatever order.

use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use serde_json::{Value, json};

use crate::scene::*;

on_pairs! {
    the_password_is_chosen_by_whoever_proves_the_address
    a_flood_of_registrations_leaves_a_way_in
    an_unproved_registration_blocks_no_account_and_no_invitation
    an_account_that_nobody_proved_is_not_approved
}

const VICTIM: &str = "vera@example.com";

async fn approve(admin: &Account<'_>, id: &str) -> (u16, Value) {
    admin.post(&format!("/users/{id}/approve"), &json!({})).await
}

/// What an attacker who only knows the address would log in with.
async fn stays_out(app: &TestApp) {
    assert_eq!(login(app, VICTIM, "the attacker's own choice").await.0, 401);
}

async fn the_password_is_chosen_by_whoever_proves_the_address(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let with_password = json!({
        "project": "acme", "email": VICTIM, "full_name": "Mallory", "password": "the attacker's own choice"
    });
    let (status, told) = post(&app, "/auth/register", with_password).await;
    assert_eq!((status, fields(&told)), (400, vec!["password"]), "{told}");

    // The attacker is first, then the victim, then the attacker once more; the victim takes the last mail, which is the
    // attacker's registration.
    register_as(&app, VICTIM, "Mallory").await;
    let first = last(&app, VICTIM).await;
    register_as(&app, VICTIM, "Vera").await;
    let second = last(&app, VICTIM).await;
    register_as(&app, VICTIM, "Mallory").await;
    let third = last(&app, VICTIM).await;
    assert_eq!((&first.subject, &second.subject), (&third.subject, &third.subject));
    assert!(
        third.text.replace('\n', " ").contains("If it was not you, do nothing"),
        "{}",
        third.text
    );
    for older in [&first, &second] {
        assert_eq!(confirm(&app, &older.token(), OTHER).await.0, 400, "a newer one took its place");
    }
    let body = json!({ "token": third.token(), "password": OTHER, "full_name": "Vera Victim" });
    let (status, made) = post(&app, "/auth/register/confirm", body).await;
    assert_eq!((status, &made["full_name"]), (201, &json!("Vera Victim")), "{made}");
    stays_out(&app).await;

    // Once there is an account, a registration changes nothing of it.
    register_as(&app, VICTIM, "Mallory").await;
    assert_eq!(last(&app, VICTIM).await.subject, "You have an account in acme already");
    let id = made["id"].as_str().expect("an id");
    assert_eq!(approve(&admin, id).await.0, 200);
    stays_out(&app).await;
    assert_eq!(login(&app, VICTIM, OTHER).await.0, 200);
    assert_eq!(admin.json(&format!("/users/{id}")).await["full_name"], "Vera Victim");
    app.stop().await;
}

async fn a_flood_of_registrations_leaves_a_way_in(pair: Pair) {
    let app = start(pair).await;
    acme(&app).await;
    register_as(&app, VICTIM, "Vera").await;
    for _ in 0..8 {
        assert_eq!(register_as(&app, VICTIM, "Mallory").await.0, 202);
    }
    assert_eq!(subjects(&app, VICTIM).await.len(), 5, "no more mails within the hour");
    let (status, made) = confirm(&app, &last(&app, VICTIM).await.token(), OTHER).await;
    assert_eq!(status, 201, "what was held back took nothing away: {made}");

    // Many at once for one address: one row, and the mails are counted.
    let email = "many@example.com";
    let all = (0..10).map(|_| register(&app, email));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(|answer| *answer == (202, Value::Null)), "{answers:?}");
    let mails = subjects(&app, email).await.len();
    assert!((1..=5).contains(&mails), "{mails}");
    app.stop().await;
}

async fn an_unproved_registration_blocks_no_account_and_no_invitation(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    register_as(&app, VICTIM, "Mallory").await;
    let stale = last(&app, VICTIM).await.token();
    let (status, told) =
        admin.post("/auth/invitations", &json!({ "email": VICTIM, "roles": ["viewer"] })).await;
    assert_eq!(status, 201, "{told}");
    let token = last(&app, VICTIM).await.token();
    register_as(&app, VICTIM, "Mallory").await;
    let body = json!({ "token": token, "password": OTHER, "full_name": "Vera" });
    let (status, user) = post(&app, "/auth/invitations/accept", body).await;
    assert_eq!((status, &user["full_name"]), (201, &json!("Vera")), "{user}");
    assert_eq!(login(&app, VICTIM, OTHER).await.0, 200);
    for token in [stale, last(&app, VICTIM).await.token()] {
        assert_eq!(confirm(&app, &token, "the attacker's own choice").await.0, 400, "{token}");
    }
    stays_out(&app).await;

    register_as(&app, "walt@example.com", "Mallory").await;
    let token = last(&app, "walt@example.com").await.token();
    admin.colleague("acme", "walt", &["viewer"]).await;
    assert_eq!(confirm(&app, &token, OTHER).await.0, 400, "an admin made the account");
    app.stop().await;
}

async fn an_account_that_nobody_proved_is_not_approved(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    // Builds before this one made accounts before their address was proved, with the password of whoever asked.
    let store = &app.app.store;
    let now = app.app.clock.now();
    let hash = app.app.sessions.passwords.hash("the attacker's own choice").await.expect("hashes");
    let id = domain::id::UserId::fresh(now);
    let new = store::members::NewUser {
        id,
        email: VICTIM.to_owned(),
        full_name: "Mallory".to_owned(),
        status: domain::user::UserStatus::Pending,
        password: Some(hash),
        roles: Vec::new(),
    };
    let audited = services::audit::AuditedAction::new(domain::audit::AuditAction::UserCreate, id.0);
    let initiator = services::audit::Initiator::system();
    let entry = app.app.audit.entry(admin.project, &initiator, audited).await.expect("an entry");
    store.add_user(admin.project, &new, &entry, now).await.expect("made");
    let (status, told) = approve(&admin, &id.to_string()).await;
    assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");

    // Whoever proves the address by a new password is the holder.
    post(&app, "/auth/forgot-password", json!({ "project": "acme", "email": VICTIM })).await;
    let token = last(&app, VICTIM).await.token();
    let body = json!({ "token": token, "new_password": OTHER });
    assert_eq!(post(&app, "/auth/reset-password", body).await.0, 204);
    assert_eq!(approve(&admin, &id.to_string()).await.0, 200);
    stays_out(&app).await;
    assert_eq!(login(&app, VICTIM, OTHER).await.0, 200);
    app.stop().await;
}
