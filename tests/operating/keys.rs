//! A sealing key that is not the one of the store: nothing is served with it, and it is told which one is.

use std::process::Command;

use base64::Engine as _;
use crypto::seal::Sealer;
use sqlx::Connection;

use super::Desk;

fn key(byte: u8) -> String {
    base64::engine::general_purpose::STANDARD.encode([byte; 32])
}

fn id(byte: u8) -> String {
    Sealer::with_key([byte; 32]).expect("a key").key_id().to_string()
}

/// Whether a start got so far that it had to be killed.
fn serves(mut command: Command, desk: &Desk) -> Result<(), String> {
    let log = desk.folder.path().join("log");
    let file = std::fs::File::create(&log).expect("a file");
    let errors = file.try_clone().expect("a file");
    let mut child = super::Running(command.stdout(file).stderr(errors).spawn().expect("starts"));
    let started = std::time::Instant::now();
    loop {
        let said = std::fs::read_to_string(&log).expect("reads");
        if said.contains("the operations port listens") {
            return Ok(());
        }
        if child.0.try_wait().expect("is asked").is_some() {
            return Err(std::fs::read_to_string(&log).expect("reads"));
        }
        assert!(started.elapsed() < super::PATIENCE, "it neither serves nor ends: {said}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn run_in_store(desk: &Desk, text: &'static str) {
    let path = desk.folder.path().join("data/bellbuoy.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let url = format!("sqlite://{}", path.display());
        let mut raw = sqlx::SqliteConnection::connect(&url).await.expect("connects");
        sqlx::query(text).execute(&mut raw).await.expect("is done");
    });
}

#[test]
fn a_key_that_does_not_open_the_store_is_refused_everywhere() {
    let mut desk = Desk::new();
    desk.set("SEAL_KEY", &key(1));
    desk.good(&["migrate"]);
    desk.project("acme");
    assert!(desk.good(&["doctor"]).contains(&format!("key {}", id(1))));

    desk.set("SEAL_KEY", &key(2));
    desk.good(&["config", "check"]);
    let refused = |said: &str| {
        assert!(said.contains(&format!("it was sealed with the key {}", id(1))), "{said}");
        assert!(said.contains(&format!("seal.key is {}", id(2))), "{said}");
        assert!(!said.contains("the store is away"), "{said}");
    };
    refused(&serves(desk.command(&["up"]), &desk).expect_err("it is refused"));
    for command in [
        &["doctor"][..],
        &["project", "ls"],
        &["audit", "verify"],
        &["files", "ls", "acme"],
        &["key", "rotate-signing"],
        &["key", "reseal"],
    ] {
        refused(&desk.bad(command));
    }

    // While the key is changed, both open; afterwards the new one alone does.
    desk.set("SEAL_PREVIOUS_KEYS", &key(1));
    desk.good(&["doctor"]);
    let resealed = desk.good(&["key", "reseal"]);
    assert!(resealed.contains("seal_probe.value"), "{resealed}");
    desk.set("SEAL_PREVIOUS_KEYS", "");
    desk.good(&["doctor"]);
    desk.good(&["project", "ls"]);
    desk.set("SEAL_KEY", &key(1));
    let said = desk.bad(&["project", "ls"]);
    assert!(said.contains(&format!("it was sealed with the key {}", id(2))), "{said}");
}

/// A store of a build that knew no probe: whatever else is sealed speaks for it.
#[test]
fn a_store_without_a_probe_is_judged_by_what_is_sealed_in_it() {
    let mut desk = Desk::new();
    desk.set("SEAL_KEY", &key(1));
    desk.good(&["migrate"]);
    desk.good(&["key", "rotate-signing"]);
    run_in_store(&desk, "DELETE FROM seal_probe");
    desk.set("SEAL_KEY", &key(2));
    let said = desk.bad(&["project", "ls"]);
    assert!(said.contains(&format!("it was sealed with the key {}", id(1))), "{said}");
    let said = desk.bad(&["doctor"]);
    assert!(said.contains(&format!("it was sealed with the key {}", id(1))), "{said}");

    desk.set("SEAL_KEY", &key(1));
    desk.good(&["project", "ls"]);
    // Now there is a probe again, and nothing else is needed.
    run_in_store(&desk, "DELETE FROM signing_keys");
    desk.set("SEAL_KEY", &key(2));
    desk.bad(&["project", "ls"]);
    run_in_store(&desk, "UPDATE seal_probe SET value = x'00'");
    desk.set("SEAL_KEY", &key(1));
    let said = desk.bad(&["project", "ls"]);
    assert!(said.contains("the row in seal_probe is damaged"), "{said}");
}

#[test]
fn development_makes_no_second_key_for_a_store_that_has_one() {
    let desk = Desk::new();
    // There are no tables yet, and it says so.
    desk.bad(&["doctor"]);
    assert!(!desk.folder.path().join("data/seal.key").exists(), "the doctor makes no key");
    assert_eq!(serves(desk.command(&["up"]), &desk), Ok(()));
    let file = desk.folder.path().join("data/seal.key");
    let text = std::fs::read(&file).expect("there is a key");
    std::fs::remove_file(&file).expect("goes");
    let said = serves(desk.command(&["up"]), &desk).expect_err("it is refused");
    assert!(said.contains("that is not in ./data/seal.key"), "{said}");
    assert!(!file.exists(), "no other key took its place");
    std::fs::write(&file, text).expect("is put back");
    assert_eq!(serves(desk.command(&["up"]), &desk), Ok(()));
}
