//! Rights that are taken stay taken, whatever comes at the same moment to another process.

use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::{Caller, Front, Pair, Served, on_pairs};
use reqwest::Method;
use serde_json::{Value, json};

on_pairs! {
    rights_that_are_taken_are_not_raced_back
}

const ROUNDS: usize = 25;

async fn sent(front: &Front, caller: &Caller, method: &Method, path: &str, body: &Value) -> u16 {
    let body = Some(("application/json", body.to_string()));
    front.call(caller, method, path, body).await.status
}

async fn rights_that_are_taken_are_not_raced_back(pair: Pair) {
    // SQLite belongs to one process.
    let roles = if pair == Pair::SqliteSql { vec![Role::Up] } else { vec![Role::Api; 2] };
    let served = Served::start(env!("CARGO_BIN_EXE_bellbuoy"), pair, &roles, |_| {}).await;
    let fronts: Vec<Front> = served.cluster.bases().iter().map(|base| Front::new(base)).collect();
    let (one, other) = (&fronts[0], &fronts[fronts.len() - 1]);
    let new = json!({
        "slug": "acme", "name": "Acme",
        "admin": { "email": "admin@example.com", "full_name": "Ada", "password": PASSWORD },
    });
    assert_eq!(one.post(&served.root().await, "/api/v1/projects", &new).await.status, 201);
    let log_in = async |email: &str| {
        Caller::token(&one.log_in("acme", email, PASSWORD).await.expect("logs in").0)
    };
    let ada = log_in("admin@example.com").await;
    let few = json!({ "permissions": ["users:manage", "roles:manage"] });
    let many = json!({ "permissions": ["roles:manage", "users:manage", "keys:manage"] });
    let head = json!({ "name": "head", "permissions": many["permissions"] });
    let made = one.post(&ada, "/api/v1/roles", &head).await;
    assert_eq!(made.status, 201, "{made:?}");
    let role = format!("/api/v1/roles/{}", made.json()["id"].as_str().expect("an id"));

    for round in 0..ROUNDS {
        let email = format!("bo{round}@example.com");
        let new =
            json!({ "email": email, "full_name": "Bo", "password": PASSWORD, "roles": ["head"] });
        let made = one.post(&ada, "/api/v1/users", &new).await;
        assert_eq!(made.status, 201, "{made:?}");
        let user = format!("/api/v1/users/{}", made.json()["id"].as_str().expect("an id"));
        let bo = log_in(&email).await;

        // The role loses a permission while its holder sets it again.
        assert_eq!(sent(one, &ada, &Method::PATCH, &role, &many).await, 200);
        let (taken, back) = futures_util::future::join(
            sent(one, &ada, &Method::PATCH, &role, &few),
            sent(other, &bo, &Method::PATCH, &role, &many),
        )
        .await;
        assert_eq!((taken, matches!(back, 200 | 403)), (200, true), "{round}: {back}");
        let left = one.get(&ada, &role).await.json();
        assert_eq!(left["permissions"], few["permissions"], "{round}: {back}, and it is back");

        // The holder loses the role while they give it to themselves.
        let (roles, none) = (json!({ "roles": ["head"] }), json!({ "roles": [] }));
        let path = format!("{user}/roles");
        let (taken, back) = futures_util::future::join(
            sent(one, &ada, &Method::PUT, &path, &none),
            sent(other, &bo, &Method::PUT, &path, &roles),
        )
        .await;
        assert_eq!((taken, matches!(back, 200 | 403)), (200, true), "{round}: {back}");
        let left = one.get(&ada, &user).await.json();
        assert_eq!(left["roles"], json!([]), "{round}: {back}, and they have it again");
    }
}
