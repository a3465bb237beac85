//! What `bellbuoy doctor` says of engines that are not there or let nobody in: the cause and the place, and soon.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::Command;

/// Longer than the doctor's patience with each engine, however slow the machine is.
const SOON: Duration = Duration::from_secs(60);

async fn run(folder: &Path, words: &[&str], settings: &[(&str, &str)]) -> Output {
    let done = Command::new(env!("CARGO_BIN_EXE_bellbuoy"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .envs(bellbuoy_harness::sqs::CREDENTIALS)
        .envs(settings.iter().copied())
        .output();
    tokio::time::timeout(SOON, done).await.expect("it ends").expect("it runs")
}

/// What the doctor says of one thing; nothing when it is fine.
async fn finding(folder: &Path, what: &str, setting: (&str, &str)) -> String {
    let began = Instant::now();
    let done = run(folder, &["doctor", "--json"], &[setting]).await;
    let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
    assert_eq!(told["ok"], !told["findings"].to_string().contains("\"ok\":false"), "{told}");
    println!("{what} {}: {told} in {:?}", setting.1, began.elapsed());
    let findings = told["findings"].as_array().expect("findings");
    let found = findings.iter().find(|one| one["what"] == what).expect("it is asked");
    found["wrong"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_what_refuses_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for (what, name, url, told) in [
        (
            "store",
            "STORE_URL",
            "postgres://ana:pw-4711@127.0.0.1:1/alerts",
            "PostgreSQL running there",
        ),
        ("store", "STORE_URL", "mysql://ana:pw-4711@127.0.0.1:1/alerts", "MySQL running there"),
        ("queue", "QUEUE_URL", "redis://:pw-4711@127.0.0.1:1", "Redis running there"),
        (
            "queue",
            "QUEUE_URL",
            "sqs://eu-central-1/x?endpoint=http://127.0.0.1:1",
            "Connection refused",
        ),
        ("coordination", "COORDINATION_URL", "redis://:pw-4711@127.0.0.1:1", "Redis running there"),
    ] {
        let name = format!("BELLBUOY_{name}");
        let wrong = finding(folder.path(), what, (&name, url)).await;
        assert!(wrong.contains(told), "{url}: {wrong}");
        assert!(url.starts_with("sqs") || wrong.contains("127.0.0.1:1"), "{url}: {wrong}");
        assert!(!wrong.contains("pw-4711") && !wrong.contains("pool"), "{url}: {wrong}");
    }
    std::fs::create_dir(folder.path().join("bellbuoy.db")).expect("a folder in the way");
    let blocked = ("BELLBUOY_STORE_URL", "sqlite://bellbuoy.db");
    let wrong = finding(folder.path(), "store", blocked).await;
    assert!(wrong.contains("bellbuoy.db"), "{wrong}");
    // Other commands say the same.
    let refused = ("BELLBUOY_STORE_URL", "postgres://ana:pw-4711@127.0.0.1:1/alerts");
    let done = run(folder.path(), &["migrate"], &[refused]).await;
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(
        told.contains("127.0.0.1:1 refuses connections") && !told.contains("pw-4711"),
        "{told}"
    );
}

#[cfg(feature = "servers")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_tells_a_missing_database_from_a_refused_login() {
    use bellbuoy_harness::engines;

    let folder = tempfile::tempdir().expect("a folder");
    for url in [engines::postgres_database().await, engines::mariadb_database().await] {
        let name = "BELLBUOY_STORE_URL";
        let wrong = finding(folder.path(), "store", (name, &url)).await;
        assert_eq!(wrong, "", "{url}");
        let (server, database) = url.rsplit_once('/').expect("a database");
        let missing = format!("{server}/not_{database}");
        let wrong = finding(folder.path(), "store", (name, &missing)).await;
        assert!(wrong.contains("has no database \"not_"), "{wrong}");
        let (scheme, rest) = url.split_once("://").expect("a scheme");
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        let stranger = format!("{scheme}://nobody_known:pw-4711@{host}");
        let wrong = finding(folder.path(), "store", (name, &stranger)).await;
        let login = wrong.contains("nobody_known") && !wrong.contains("pw-4711");
        assert!(login, "{wrong}");
    }
    let redis = engines::redis_url();
    let wrong = finding(folder.path(), "queue", ("BELLBUOY_QUEUE_URL", &redis)).await;
    assert_eq!(wrong, "", "{redis}");
}
