//! The rotation of the sealing key, beside those who serve and at the command line.

use std::time::Duration;

use base64::Engine as _;
use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::{Account, Pair, on_pairs};
use crypto::seal::Sealer;
use reqwest::Method;
use serde_json::{Value, json};
use services::audit::Initiator;
use services::reseal::{Found, Mode, setting_row, walk};
use store::sealed::Column;

use crate::{SECRET, put, send, settings_of, smtp, start};

on_pairs! {
    the_sealing_key_is_rotated_beside_those_who_serve
}

async fn the_sealing_key_is_rotated_beside_those_who_serve(pair: Pair) {
    let app = start(pair, |_| {}).await;
    let ada = Account::admin(&app, "acme").await;
    let set = smtp("mail.acme.example", Some(json!(SECRET)));
    assert_eq!(put(&app, &ada, &settings_of(&ada), None, set).await.0, 200);
    let key = json!({ "name": "checkout", "scopes": ["read"] });
    let once = [("idempotency-key", "k-1")];
    let made = send(&app, Some(&ada), Method::POST, "/keys", &once, Some(key)).await;
    assert_eq!(made.status().as_u16(), 201);
    let password = json!({ "password": PASSWORD });
    assert_eq!(ada.post("/me/second-factor", &password).await.0, 201);
    // Its mail server does not answer, so that the mail waits.
    assert_eq!(ada.post("/auth/invitations", &json!({ "email": "u@example.com" })).await.0, 201);
    let tenant = app.tenant("other").await;
    let store = &app.app.store;
    let (admin, hour) = (&app.app.admin, Duration::from_secs(3600));
    let system = Initiator::system();
    let rotated = admin.rotate_endpoint_secret(tenant.project, tenant.endpoint, hour, &system);
    let rotated = rotated.await.expect("another secret");
    app.app.audit.seal_all().await.expect("sealed");
    let later = app.app.clock.now().plus(Duration::from_secs(1));
    assert!(app.app.audit.forget_before(later).await.expect("forgotten").rows > 0);

    let text = std::fs::read_to_string(&app.app.config.seal.dev_key_path).expect("the key");
    let old = base64::engine::general_purpose::STANDARD.decode(text.trim()).expect("base64");
    let old: [u8; 32] = old.try_into().expect("32 bytes");
    let both = Sealer::with_keys([9; 32], [old]).expect("keys");
    let new = Sealer::with_key([9; 32]).expect("key");
    let count = |found: &[Found]| -> (u64, u64, u64) {
        let sum = |of: fn(&Found) -> u64| found.iter().map(of).sum();
        (sum(|one| one.newest), sum(|one| one.older), sum(|one| one.broken))
    };
    let checked = walk(store, &both, Mode::Check, |_| {}).await.expect("walks");
    for one in &checked {
        assert!(one.older > 0, "{one:?}");
    }
    assert_eq!(checked.iter().map(|one| one.column).collect::<Vec<_>>(), Column::ALL);
    let all = count(&checked).1;
    let broken = walk(store, &new, Mode::Check, |_| {}).await.expect("walks");
    assert_eq!(count(&broken), (0, 0, all), "nothing opens without the old key");

    // Two at once do no harm, and what one did the other leaves.
    let (one, other) = tokio::join!(
        walk(store, &both, Mode::Reseal, |_| {}),
        walk(store, &both, Mode::Reseal, |_| {})
    );
    assert!(count(&one.expect("walks")).1 + count(&other.expect("walks")).1 >= all);
    let done = walk(store, &new, Mode::Check, |_| {}).await.expect("walks");
    assert_eq!(count(&done), (all, 0, 0), "the new key alone opens all of it");

    let kept = store.settings(ada.project).await.expect("settings");
    let (field, sealed) = &kept.secrets[0];
    let plain = new.open_sealed(ada.project, &setting_row(field), sealed).expect("opens");
    assert_eq!(plain, SECRET.as_bytes());
    let source = store.rule_source(tenant.project).await.expect("a source");
    let sealed = &source.endpoints[0];
    let plain = new.open_sealed(tenant.project, sealed.id.bytes(), &sealed.secret).expect("opens");
    assert_eq!(plain, rotated.secret.bytes());
    let (former, _) = sealed.former.as_ref().expect("the secret before");
    let plain = new.open_sealed(tenant.project, sealed.id.bytes(), former).expect("opens");
    assert_eq!(plain, tenant.secret.bytes());
    app.stop().await;
}

/// An operator's commands on a store in a folder, with these keys.
fn command(folder: &std::path::Path, keys: (&str, &str), arguments: &[&str]) -> (bool, String) {
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_bellbuoy"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("BELLBUOY_STORE_URL", format!("sqlite://{}/bellbuoy.db", folder.display()))
        .env("BELLBUOY_SEAL_KEY", keys.0)
        .env("BELLBUOY_SEAL_PREVIOUS_KEYS", keys.1)
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    (run.status.success(), said.into_owned())
}

#[test]
fn an_operator_rotates_the_sealing_key_and_sets_plans() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = |byte: u8| base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    let (old, new) = (key(1), key(2));
    let run = |keys: (&str, &str), arguments: &[&str]| command(folder.path(), keys, arguments);
    let (before, after) = ((old.as_str(), ""), (new.as_str(), ""));
    assert!(run(before, &["migrate"]).0);
    let create = [
        "project",
        "create",
        "--slug",
        "acme",
        "--name",
        "Acme",
        "--admin-email",
        "a@b.example",
        "--admin-full-name",
        "Ada",
    ];
    let (made, said) = run(before, &create);
    assert!(made, "{said}");
    let (_, said) = run(before, &["key", "rotate-signing"]);
    assert!(said.starts_with("signing key"), "{said}");

    let during = (new.as_str(), old.as_str());
    let (fine, said) = run(during, &["key", "reseal", "--check"]);
    assert!(!fine && said.contains("values are left"), "{said}");
    let (fine, said) = run(after, &["key", "reseal"]);
    assert!(!fine && said.contains("it was sealed with the key"), "{said}");
    let (fine, said) = run(during, &["key", "reseal"]);
    assert!(fine && said.contains("1 sealed anew"), "{said}");
    let (fine, said) = run(after, &["key", "reseal", "--check", "--json"]);
    let told: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((fine, &told["older"], &told["broken"]), (true, &json!(0), &json!(0)), "{told}");
    let (fine, said) = run((new.as_str(), new.as_str()), &["config", "check"]);
    assert!(!fine && said.contains("seal.previous_keys"), "{said}");
    assert!(!said.contains(&new), "{said}");

    let plan = ["project", "plan", "acme", "--plan", "gold", "--limits", "users=7"];
    let (fine, said) = run(after, &plan);
    assert!(fine && said.contains("gold") && said.contains('7'), "{said}");
    let (_, said) = run(after, &["project", "plan", "acme", "--json"]);
    let told: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&told["plan"], &told["own_limits"]), (&json!("gold"), &json!({ "users": 7 })));
    let (fine, said) = run(after, &["project", "plan", "acme", "--limits", "users=many"]);
    assert!(!fine && said.contains("a whole number"), "{said}");
    let (fine, said) = run(after, &["project", "settings", "acme"]);
    assert!(fine && said.contains("\"registration\": \"open\""), "{said}");
}
