//! A denial can't be put out of reach by making the chain of roles above it longer.

use bellbuoy_harness::{Account, Pair, on_pairs};
use serde_json::json;

use crate::scene::*;

on_pairs! {
    a_denial_is_not_shed_by_stretching_a_chain
    a_change_is_judged_for_the_roles_below
}

async fn a_denial_is_not_shed_by_stretching_a_chain(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    role(&ada, "maker", &["roles:create", "roles:update", "roles:read"]).await;
    let taker = role(&ada, "t", &["!keys:delete", "!users:delete"]).await;
    let low = role(&ada, "l", &["keys:manage", "users:manage"]).await;
    let mal = ada.colleague("acme", "mal", &["maker"]).await;
    let lou = ada.colleague("acme", "lou", &["l"]).await;

    // Fourteen roles above what takes, the holder's role below them, and another chain of fourteen.
    let mut ends = Vec::new();
    for prefix in ["k", "c"] {
        let mut parent = (prefix == "k").then(|| taker.clone());
        for number in 0..14 {
            let name = format!("{prefix}{number}");
            parent = Some(child(&mal, &name, &[], parent.as_deref()).await);
            if number == 0 || number == 13 {
                ends.extend(parent.clone());
            }
        }
    }
    let [k0, k13, c0, c13] = ends.try_into().expect("four ends");
    let under = json!({ "parent_id": k13 });
    assert_eq!(mal.patch(&format!("/roles/{low}"), &under).await.0, 200, "it only takes");
    let (status, told) = lou.delete(&format!("/users/{}", mal.user)).await;
    assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "{told}");

    // The denial would stand at the end of a chain of 31.
    let (status, told) = mal.patch(&format!("/roles/{k0}"), &json!({ "parent_id": c13 })).await;
    assert_eq!(status, 400, "away from what takes, or out of its reach: {told}");
    let (status, told) = mal.patch(&format!("/roles/{c0}"), &json!({ "parent_id": taker })).await;
    assert_eq!(status, 200, "{told}");
    let (status, told) = ada.patch(&format!("/roles/{k0}"), &json!({ "parent_id": c13 })).await;
    assert_eq!(
        (status, &told["errors"][0]["field"]),
        (400, &json!("parent_id")),
        "not even by those who may do all of it: {told}"
    );
    assert!(told["errors"][0]["message"].to_string().contains("16"), "{told}");
    let (status, told) = lou.delete(&format!("/users/{}", mal.user)).await;
    assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "still: {told}");
    app.stop().await;
}

async fn a_change_is_judged_for_the_roles_below(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    role(&ada, "maker", &["roles:update", "roles:read"]).await;
    let top = role(&ada, "top", &["!users:delete"]).await;
    let middle = child(&ada, "middle", &[], Some(&top)).await;
    child(&ada, "low", &["users:delete", "users:read"], Some(&middle)).await;
    let mal = ada.colleague("acme", "mal", &["maker"]).await;
    let lou = ada.colleague("acme", "lou", &["low"]).await;
    for (which, change) in [
        (&middle, json!({ "parent_id": null })),
        (&top, json!({ "permissions": [] })),
        (&top, json!({ "permissions": ["keys:read"] })),
    ] {
        let (status, told) = mal.patch(&format!("/roles/{which}"), &change).await;
        assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "{change}: {told}");
    }
    assert_eq!(lou.delete(&format!("/users/{}", mal.user)).await.0, 403);
    assert_eq!(ada.patch(&format!("/roles/{middle}"), &json!({ "parent_id": null })).await.0, 200);
    app.stop().await;
}
