//! Is what was answered 202 on the disk? Killing a process does not tell, for the system keeps what it wrote.

use std::path::Path;
use std::process::Command;

use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::{Chance, Pair};
use serde_json::json;

use crate::scene::{Scene, engines_of};

/// How many events are watched.
const EVENTS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_syncs_between_a_request_and_its_answer() {
    if !Command::new("strace").arg("--version").output().is_ok_and(|done| done.status.success()) {
        println!("skipped: strace is not there, so nobody can see whether SQLite syncs");
        return;
    }
    let mut scene = Scene::with_rules(&engines_of(Pair::SqliteSql).await).await;
    let trace = scene.cluster.folder().join("strace");
    let calls = "trace=fsync,fdatasync,read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg";
    // As a child of its own (-D), so that what is started and killed is the product.
    let strace = [
        "strace",
        "-D",
        "-f",
        "-y",
        "-s",
        "64",
        "-e",
        calls,
        "-o",
        trace.to_str().expect("a path"),
        "--",
    ];
    // The API alone, and its own beat so slow that every sync is an event's.
    let quiet = [("REGISTRY_BEAT", "1m"), ("REGISTRY_DEAD_AFTER", "10m")];
    scene.cluster.start_with(Role::Api, &quiet, &strace);
    scene.cluster.ready().await;
    let (client, mut chance) = (scene.client(), Chance::fresh());
    for number in 0..EVENTS {
        let body = json!({ "type": "payment", "payload": { "amount": number, "group": "a" } });
        client.send(&format!("event-{number}"), &body, &mut chance).await;
    }
    scene.cluster.terminate(0);
    assert!(scene.cluster.ended(0).await.success());
    let syncs = syncs(&trace);
    println!("syncs between request and answer: {syncs:?}");
    assert_eq!(syncs.len(), EVENTS, "each request and its answer were seen");
    assert!(syncs.iter().all(|count| *count > 0), "a 202 without a sync: {syncs:?}");
}

/// How many syncs ended between each request and its answer.
fn syncs(trace: &Path) -> Vec<usize> {
    let (mut found, mut open) = (Vec::new(), None);
    for line in std::fs::read_to_string(trace).expect("a trace").lines() {
        if line.contains("POST /api/v1/events") {
            open = Some(0);
        } else if line.contains("HTTP/1.1 202") {
            found.extend(open.take());
        } else if line.contains("sync")
            && line.trim_end().ends_with("= 0")
            && let Some(count) = &mut open
        {
            *count += 1;
        }
    }
    found
}

#[cfg(feature = "servers")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_does_not_sync_its_commits_is_refused() {
    for (setting, fine) in [("on", true), ("off", false)] {
        let mut scene = Scene::new(&engines_of(Pair::PostgresSql).await).await;
        let database = "SELECT current_database()";
        let alter = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = {setting}', ({database})); END $$"
        );
        scene.books.run(&alter).await;
        scene.cluster.set("STORE_REQUIRE_DURABLE", "true");
        let at = scene.cluster.start(Role::Api);
        if fine {
            scene.cluster.ready().await;
        } else {
            assert!(!scene.cluster.ended(at).await.success());
            let said = scene.cluster.said(at);
            assert!(said.contains("synchronous_commit = off"), "{said}");
        }
    }
}
