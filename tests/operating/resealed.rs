//! A process that runs while the store is sealed anew with a key that it was not given.

use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use crypto::seal::Sealer;
use serde_json::{Value, json};
use services::admin::Onboarding;
use services::audit::{Audit, Initiator};
use services::reseal::{Mode, walk};

on_pairs! {
    a_process_with_another_key_says_so_and_gives_nothing_up
}

async fn ready(app: &TestApp) -> (u16, String) {
    let answer = app.http.get(format!("{}/ready", app.base)).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

async fn a_process_with_another_key_says_so_and_gives_nothing_up(pair: Pair) {
    let own = [1; 32];
    let app = TestApp::with(pair, bellbuoy::roles::Roles::all(), |config| {
        use config::{SealKey, Secret};
        config.seal.key = Some(Secret::new(SealKey::new(own)));
        config.auth.hash_memory = config::ByteSize::kib(64);
        // One attempt that counted would be the last.
        config.evaluate.attempts = 1;
    })
    .await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "rings", "event.type == \"ring\"", None).await;
    let email = "ada@other.example";
    let new = Onboarding {
        slug: "other".to_owned(),
        name: "Other".to_owned(),
        description: String::new(),
        admin_email: email.to_owned(),
        admin_name: "Ada Admin".to_owned(),
        admin_password: PASSWORD.to_owned(),
    };
    let made = app.app.admin.onboard(new, &Initiator::system()).await.expect("a project");
    // A login needs the key of the person, which an earlier login left in the store, and which is at hand nowhere.
    let (store, sealer) = (app.app.store.clone(), app.app.sealer.clone());
    let elsewhere = Audit::new(store, sealer, app.app.clock.clone(), 1);
    elsewhere.seal(made.project.id, made.admin.0, &json!({})).await.expect("a key");

    let stolen = [2; 32];
    let away = Sealer::with_keys(stolen, [own]).expect("keys");
    walk(&app.app.store, &away, Mode::Reseal, |_| {}).await.expect("reseals");
    // Reports are at most a second old.
    let started = std::time::Instant::now();
    let (status, said) = loop {
        let found = ready(&app).await;
        if found.0 != 200 || started.elapsed().as_secs() > 30 {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(status == 503 && said.contains("sealing_key"), "{status} {said}");
    let health = app.app.health.report().await;
    let checked = health.standings.iter().find(|one| one.name == "sealing_key").expect("a check");
    let why = checked.error.as_deref().unwrap_or_default();
    assert!(why.contains(&away.key_id().to_string()) && !why.contains("away"), "{why}");

    let (status, problem) = Account::try_log_in(&app, "other", email, PASSWORD).await;
    assert_eq!((status, &problem["code"]), (503, &json!("wrong_sealing_key")), "{problem}");
    let event = app.event(&tenant, "ring", &json!({ "group": "a" })).await;
    let (status, read) = app.get(&format!("/api/v1/events/{event}"), &tenant).await;
    assert_eq!((status, &read["status"]), (200, &json!("accepted")), "{read}");

    let back = Sealer::with_keys(own, [stolen]).expect("keys");
    walk(&app.app.store, &back, Mode::Reseal, |_| {}).await.expect("reseals");
    app.run_for(std::time::Duration::from_secs(30)).await;
    let trace: Value = app.trace(&tenant, &event).await;
    assert_eq!(trace["event"]["status"], "processed", "{trace}");
    assert_eq!(trace["rules"][0]["outcome"], "rang", "{trace}");
    assert_eq!(Account::try_log_in(&app, "other", email, PASSWORD).await.0, 200);
    app.stop().await;
}
