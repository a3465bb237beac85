//! A project whose admin creates roles and users with them.

use bellbuoy::roles::Roles;
use bellbuoy_harness::{Account, Pair, TestApp};
use serde_json::{Value, json};

/// The product with cheap hashing.
pub async fn start(pair: Pair) -> TestApp {
    TestApp::with(pair, Roles::all(), |config| {
        config.auth.hash_memory = config::ByteSize::kib(64);
        config.auth.hash_passes = 1;
    })
    .await
}

/// A role of the project, created by this account; answers its id.
pub async fn role(account: &Account<'_>, name: &str, permissions: &[&str]) -> String {
    child(account, name, permissions, None).await
}

/// The same with a parent.
pub async fn child(
    account: &Account<'_>,
    name: &str,
    permissions: &[&str],
    parent: Option<&str>,
) -> String {
    let body = json!({ "name": name, "permissions": permissions, "parent_id": parent });
    let (status, made) = account.post("/roles", &body).await;
    assert_eq!(status, 201, "{name}: {made}");
    made["id"].as_str().expect("an id").to_owned()
}

/// The detail of a problem.
pub fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap_or_default()
}
