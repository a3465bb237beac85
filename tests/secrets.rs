//! Do logs keep secrets? Everything that the API can be asked is done with logs that say all that our own code has to say, in
//! both formats; then no password, key, token, seal or address with a password is found in them.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::process::Command;

use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::cluster::{Cluster, Role};
use bellbuoy_harness::{Caller, Filled, Pair, Served, Surface, on_pairs};
use serde_json::json;

on_pairs! {
    logs_for_people_hold_no_secrets
    logs_for_machines_hold_no_secrets
}

/// The password in the address of the store: `tests/engines/mariadb.sh` knows it too.
const STORE_PASSWORD: &str = "a-stores-secret";

/// Everything that our own crates say, and what the others say of note.
const FILTER: &str = "info,bellbuoy=trace,bellbuoy_api=trace,bellbuoy_shared=trace,bellbuoy_worker=trace,\
                      bellbuoy_scheduler=trace,api=trace,shared=trace,worker=trace,scheduler=trace";

async fn logs_for_people_hold_no_secrets(pair: Pair) {
    no_secrets(pair, "pretty").await;
}

async fn logs_for_machines_hold_no_secrets(pair: Pair) {
    no_secrets(pair, "json").await;
}

async fn no_secrets(pair: Pair, format: &str) {
    let program = env!("CARGO_BIN_EXE_bellbuoy");
    let mut served = Served::start(program, pair, &[Role::Up], |cluster| {
        cluster.set("LOG_FILTER", FILTER);
        cluster.set("LOG_FORMAT", format);
        put_password(cluster);
    })
    .await;
    let document = served.front.get(&Caller::nobody(), "/api/v1/openapi.json").await;
    let surface = Surface::read(&document.body);
    let filled = Filled::new(&served, &surface, "canarysecret", "acme").await;
    let mut secrets = vec![
        ("a password".to_owned(), PASSWORD.to_owned()),
        ("the password of the store".to_owned(), STORE_PASSWORD.to_owned()),
    ];
    secrets.extend(exchange(&served, &filled).await);
    let seal = std::fs::read(&served.config.seal.dev_key_path).expect("a key");
    secrets.push(("the seal key".to_owned(), String::from_utf8_lossy(&seal).trim().to_owned()));

    let sink = filled.sink.clone();
    served.until("a webhook", async || !sink.hooks().is_empty()).await;
    let logs = served.logs().await;
    assert!(logs.contains("/api/v1/auth/login"), "the log says little: {logs}");
    let said = format!("{logs}\n{}", failing(&served, program));
    let shown: Vec<String> = secrets
        .iter()
        .filter_map(|(name, secret)| {
            assert!(secret.len() > 8, "{name} is no secret: {secret}");
            let line = said.lines().find(|line| line.contains(secret.as_str()))?;
            Some(format!("{name} is shown: {line}"))
        })
        .collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

/// Sends and gets what is secret, rightly and wrongly; answers all of it.
async fn exchange(served: &Served, filled: &Filled) -> Vec<(String, String)> {
    let front = &served.front;
    let mut secrets = Vec::new();
    let mut keep = |name: &str, text: &str| secrets.push((name.to_owned(), text.to_owned()));
    let (access, refresh) =
        front.log_in("acme", &filled.email, PASSWORD).await.expect("the admin logs in");
    let body = json!({ "refresh_token": refresh });
    let tokens = front.post(&Caller::nobody(), "/api/v1/auth/refresh", &body).await.json();
    // The parts before say which key signed it, and whose session it is.
    let last = |token: &str, mark: char| token.rsplit(mark).next().expect("a part").to_owned();
    keep("an access token", &last(&access, '.'));
    keep("a refresh token", &last(&refresh, '_'));
    for (name, mark) in [("access_token", '.'), ("refresh_token", '_')] {
        keep(name, &last(tokens[name].as_str().expect("a token"), mark));
    }
    let key = &filled.key.headers[0].1;
    keep("a key", key.rsplit('_').next().expect("a part"));
    for made in [
        front.post(&filled.admin, "/api/v1/keys", &json!({ "name": "k", "scopes": ["read"] })).await,
        front.post(&served.root().await, "/api/v1/projects", &json!({
            "slug": "other", "name": "Other",
            "admin": { "email": "o@example.com", "full_name": "O", "password": "another long secret" },
        })).await,
    ] {
        let json = made.json();
        keep("a key that was made", json["api_key"].as_str().expect("a key").rsplit('_').next().expect("a part"));
    }
    keep("a password of another", "another long secret");
    // What is wrong is secret all the same: it may be right elsewhere.
    let wrong = "wrong but of somebody";
    assert!(front.log_in("acme", &filled.email, wrong).await.is_none());
    keep("a wrong password", wrong);
    for (name, mark, caller) in [
        (
            "a key that is not known",
            '_',
            Caller::key(&format!("bb_0123456789ab_{}", "7e".repeat(32))),
        ),
        ("a token that is not known", '.', Caller::token("no.token.atallatallatall")),
    ] {
        assert_eq!(front.get(&caller, "/api/v1/events").await.status, 401);
        keep(name, &last(&caller.headers[0].1, mark));
    }
    // In the address, where no secret belongs and somebody will put one.
    let path = format!("/api/v1/events?api_key={key}&password=in-the-address-4711");
    front.get(&filled.key, &path).await;
    keep("what stands in an address", "in-the-address-4711");
    // A body that can't be read is told of, and not repeated.
    let body = Some((
        "application/json",
        "{\"email\": \"a@example.com\", \"password\": \"broken-off-4711".to_owned(),
    ));
    front.call(&Caller::nobody(), &reqwest::Method::POST, "/api/v1/auth/login", body).await;
    keep("a body that breaks off", "broken-off-4711");
    secrets
}

/// What a process says whose store is not there.
fn failing(served: &Served, program: &str) -> String {
    let mut all = String::new();
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://somebody:{STORE_PASSWORD}@127.0.0.1:1/nowhere");
        let done = Command::new(program)
            .arg("doctor")
            .current_dir(served.cluster.folder())
            .env_clear()
            .envs(&served.cluster.settings)
            .env("BELLBUOY_STORE_URL", url)
            .output()
            .expect("the command runs");
        assert!(!done.status.success(), "there is no such store");
        all += &String::from_utf8_lossy(&done.stdout);
        all += &String::from_utf8_lossy(&done.stderr);
    }
    all
}

/// Puts a password into the address of the store, if it has none: PostgreSQL takes any here.
fn put_password(cluster: &mut Cluster) {
    let url = &cluster.settings["BELLBUOY_STORE_URL"];
    let url = url.replace("postgres@", &format!("postgres:{STORE_PASSWORD}@"));
    cluster.set("STORE_URL", &url);
}
