//! `bellbuoy queue`, as an operator calls it.

use std::path::Path;
use std::process::{Command, Output};

use domain::id::{JobId, ProjectId};
use domain::job::QueueName;
use serde_json::Value;
use store::Store;
use store::queues::DeadJob;

fn run(folder: &Path, queue: &str, words: &[&str]) -> Output {
    let store = format!("sqlite://{}", folder.join("bellbuoy.db").display());
    let done = Command::new(env!("CARGO_BIN_EXE_bellbuoy"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .envs(bellbuoy_harness::sqs::CREDENTIALS)
        .env("BELLBUOY_STORE_URL", store)
        .env("BELLBUOY_QUEUE_URL", queue)
        .output();
    done.expect("it runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

async fn store(folder: &Path) -> Store {
    let mut config = config::Config::development();
    config.store.url = config::StoreUrl::sqlite(folder.join("bellbuoy.db"));
    Store::open(&config.store, std::time::Duration::from_secs(5)).await.expect("opens")
}

async fn bury(folder: &Path, count: u64) -> Vec<DeadJob> {
    let now = domain::clock::Clock::System.now();
    let dead = |_| DeadJob {
        project: ProjectId::fresh(now),
        id: JobId::fresh(now),
        queue: QueueName::Events,
        body: b"not a job".to_vec(),
        error: "nobody can read it".to_owned(),
    };
    let jobs: Vec<DeadJob> = (0..count).map(dead).collect();
    let store = store(folder).await;
    store.bury_jobs(jobs.clone(), now).await.expect("buries");
    store.close().await;
    jobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_are_listed_paused_and_rid_of_their_dead() {
    let folder = tempfile::tempdir().expect("a folder");
    let call = |words: &[&str]| run(folder.path(), "sql:", words);
    assert!(call(&["migrate"]).status.success());
    assert!(call(&["queue", "pause", "events"]).status.success());
    let jobs = bury(folder.path(), 3).await;
    let listed = json(&call(&["queue", "ls", "--json"]));
    let events = &listed["queues"][0];
    assert_eq!((&listed["engine"], &events["queue"]), (&"sql".into(), &"events".into()));
    assert_eq!((&events["paused"], &events["dead_jobs"]), (&true.into(), &3.into()));
    assert_eq!((&events["waiting"], &events["dead_letters"]), (&0.into(), &Value::Null));
    assert!(call(&["queue", "resume", "events"]).status.success());
    let dead = json(&call(&["queue", "dead", "events", "--json"]));
    assert_eq!(dead.as_array().map(Vec::len), Some(3));
    assert_eq!(dead[0]["error"], "nobody can read it");
    let id = jobs[1].id.to_string();
    assert_eq!(json(&call(&["queue", "retry", "events", "--id", &id, "--json"]))["retried"], 1);
    let again = call(&["queue", "retry", "events", "--id", &id]);
    assert!(!again.status.success(), "it is there no more: {again:?}");
    assert_eq!(json(&call(&["queue", "discard", "events", "--json"]))["discarded"], 2);
    let events = &json(&call(&["queue", "ls", "--json"]))["queues"][0];
    assert_eq!((&events["paused"], &events["dead_jobs"]), (&false.into(), &0.into()));
    assert_eq!(events["waiting"], 1, "what was retried");
    let wrong = call(&["queue", "dlq", "ls"]);
    let told = String::from_utf8_lossy(&wrong.stderr);
    assert!(!wrong.status.success() && told.contains("no dead-letter queues"), "{told}");
    assert!(!call(&["queue", "pause", "evnts"]).status.success());
}

#[cfg(feature = "servers")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_shown_sent_back_and_discarded() {
    use std::time::Duration;

    use queue::Queue;

    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("{}&max_receives=1", bellbuoy_harness::sqs::url(false));
    let call = |words: &[&str]| run(folder.path(), &url, words);
    let missing = call(&["doctor"]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stdout).contains("there is no SQS queue"));
    let made = call(&["migrate"]);
    let told = String::from_utf8_lossy(&made.stdout);
    assert!(made.status.success() && told.matches("SQS queue").count() == 6, "{made:?}");
    assert!(call(&["doctor"]).status.success());
    // A worker takes a job and gives it back as failed: once is enough here.
    let env = [("BELLBUOY_QUEUE_URL".to_owned(), url.clone())].into();
    let default_file = folder.path().join("none.toml");
    let sources = config::Sources { file: None, default_file, env };
    let config = config::Config::load(sources).expect("a configuration");
    let config::QueueUrl::Sqs(place) = &config.queue.url else { panic!("not SQS") };
    telemetry::install_tls();
    let queue = queue::open::sqs(&config, place).expect("opens");
    queue.push(crate::suite::jobs(crate::suite::project(), 2)).await.expect("pushes");
    let events = QueueName::Events;
    let batch = queue.reserve(events, 10).await.expect("reserves").expect("jobs");
    let ids = batch.jobs.iter().map(|job| job.id).collect();
    queue.release(events, batch.lease, ids, Duration::ZERO, true).await.expect("releases");
    assert!(queue.reserve(events, 10).await.expect("reserves").is_none());
    assert_eq!(json(&call(&["queue", "ls", "--json"]))["queues"][0]["dead_letters"], 2);
    assert_eq!(json(&call(&["queue", "dlq", "ls", "--json"]))[0]["dead_letters"], 2);
    let letters = json(&call(&["queue", "dlq", "peek", "events", "--json"]));
    assert_eq!(letters.as_array().map(Vec::len), Some(2));
    let id = letters[0]["id"].as_str().expect("an id");
    let sent = json(&call(&["queue", "dlq", "redrive", "events", "--id", id, "--json"]));
    assert_eq!(sent["redriven"], 1);
    assert_eq!(queue.depth(events).await.expect("counts").waiting, 1);
    assert_eq!(json(&call(&["queue", "dlq", "discard", "events", "--json"]))["discarded"], 1);
    assert_eq!(json(&call(&["queue", "dlq", "ls", "--json"]))[0]["dead_letters"], 0);
}
