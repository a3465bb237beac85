//! A key may do no more than the account that creates it, or replaces another one by it.

use bellbuoy_harness::{Account, Pair, on_pairs};
use serde_json::json;

use crate::scene::*;

on_pairs! {
    a_key_has_no_scope_that_its_maker_lacks
    a_permission_for_ones_own_creates_nothing
}

const READS: [&str; 5] =
    ["events:read", "rules:read", "endpoints:read", "alerts:read", "notifications:read"];

async fn a_key_has_no_scope_that_its_maker_lacks(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let keys = ["keys:manage", "rules:read", "endpoints:read", "alerts:read", "notifications:read"];
    let with = |more: &'static str| [&keys[..], &[more]].concat();
    let all = json!(["events:write", "read"]);
    let (_, old) = ada.post("/keys", &json!({ "name": "old", "scopes": all })).await;
    let old = old["key"]["id"].as_str().expect("an id").to_owned();
    for (at, (permissions, scopes, wanted)) in [
        (keys.to_vec(), json!(["read"]), 403),
        (keys.to_vec(), json!(["read", "events:write"]), 403),
        (with("events:read:own"), json!(["read"]), 403),
        (with("events:read if resource.source == \"shop\""), json!(["read"]), 403),
        (
            [&with("events:read")[..], &["!events:read if resource.source == \"till\""]].concat(),
            json!(["read"]),
            403,
        ),
        (with("events:read"), json!(["read"]), 201),
        (with("events:read"), json!(["events:write"]), 403),
        (vec!["keys:manage", "events:create"], json!(["events:write"]), 201),
        (vec!["keys:manage", "events:manage"], json!(["notifications:write"]), 403),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, who) = (format!("r{at}"), format!("u{at}"));
        role(&ada, &name, &permissions).await;
        let user = ada.colleague("acme", &who, &[&name]).await;
        let (status, told) = user.post("/keys", &json!({ "name": "k", "scopes": scopes })).await;
        assert_eq!(status, wanted, "{permissions:?} {scopes}: {told}");
        if wanted == 403 {
            assert!(detail(&told).contains("scope"), "{told}");
        }
        let (status, told) = user.post(&format!("/keys/{old}/regenerate"), &json!(null)).await;
        assert_eq!(status, 403, "a key of both scopes, with {permissions:?}: {told}");
    }
    // Who may do all of it replaces it, and nothing was revoked before.
    role(&ada, "both", &[&READS[..], &["events:create", "keys:manage"]].concat()).await;
    let user = ada.colleague("acme", "both", &["both"]).await;
    let (status, made) = user.post(&format!("/keys/{old}/regenerate"), &json!(null)).await;
    assert_eq!((status, &made["key"]["scopes"]), (201, &all), "{made}");
    app.stop().await;
}

async fn a_permission_for_ones_own_creates_nothing(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let mut own = READS.to_vec();
    own.extend(["keys:manage:own", "users:manage:own", "roles:manage:own", "events:manage"]);
    role(&ada, "own", &own).await;
    let user = ada.colleague("acme", "una", &["own"]).await;
    for (path, body) in [
        ("/keys", json!({ "name": "k", "scopes": ["read"] })),
        ("/users", json!({ "email": "x@example.com", "full_name": "X" })),
        ("/users", json!({ "email": "x@example.com", "full_name": "X", "roles": ["own"] })),
        ("/roles", json!({ "name": "mine" })),
        ("/auth/invitations", json!({ "email": "x@example.com" })),
    ] {
        let (status, told) = user.post(path, &body).await;
        assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "{path}: {told}");
    }
    app.stop().await;
}
