//! Does every operation answer as the OpenAPI document says? schemathesis tries each with what fits its schemas and with what
//! almost does, against the product in a process of its own, in a project that has one of everything.
//!
//! What comes of it is judged by `run.py`; `hooks.py` says who calls and on what. The seed is printed and repeated with
//! `BELLBUOY_TEST_SEED`.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::served::ROOT;
use bellbuoy_harness::{Caller, Filled, Pair, Served, Surface, on_pairs};
use serde_json::{Value, json};

on_pairs! {
    every_operation_answers_as_the_document_says
}

/// What is tried on a pair, and how many examples of each operation. The edges of the schemas are judged before the store
/// is asked, so that one pair is enough for them, but for the full run.
fn thoroughness(pair: Pair) -> (&'static str, &'static str) {
    match pair {
        _ if cfg!(feature = "full") => ("examples,coverage,fuzzing", "100"),
        Pair::SqliteSql => ("examples,coverage,fuzzing", "10"),
        _ => ("examples,fuzzing", "10"),
    }
}

async fn every_operation_answers_as_the_document_says(pair: Pair) {
    let program = env!("CARGO_BIN_EXE_bellbuoy");
    let mut served = Served::start(program, pair, &[Role::Up], |cluster| {
        // A run may take longer than a quarter of an hour.
        cluster.set("AUTH_ACCESS_TTL", "2h");
        // Whoever is tried with wrong passwords has to come in again afterwards.
        cluster.set("AUTH_LOCKOUT_FAILURES", "1000");
        // Mails are waited for.
        cluster.set("DUE_INTERVAL", "100ms");
    })
    .await;
    let document = served.front.get(&Caller::nobody(), "/api/v1/openapi.json").await;
    let surface = Surface::read(&document.body);
    let filled = Filled::new(&served, &surface, "canaryconform", "conform").await;
    let folder = served.cluster.folder().join("conformance");
    std::fs::create_dir(&folder).expect("a folder");
    let world = folder.join("world.json");
    std::fs::write(&world, told(&served, &surface, &filled).to_string()).expect("writes");

    let python = std::env::var("BELLBUOY_TEST_SCHEMATHESIS");
    let python = python.expect("tests/run installs schemathesis and says where");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/run.py");
    let (phases, examples) = thoroughness(pair);
    let log = folder.join("conformance.log");
    let out = std::fs::File::create(&log).expect("a log");
    let run = move || {
        let mut command = Command::new(python);
        command.arg(script).arg(world).args([phases, examples]).stdin(Stdio::null());
        command.stderr(out.try_clone().expect("a handle")).stdout(out).status().expect("it runs")
    };
    let status = tokio::task::spawn_blocking(run).await.expect("no panic");
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    println!("{said}");
    let fallen = served.cluster.fallen();
    assert!(fallen.is_empty(), "{fallen:?}");
    assert!(status.success(), "schemathesis is not content:\n{said}");
}

/// What `hooks.py` has to know.
fn told(served: &Served, surface: &Surface, filled: &Filled) -> Value {
    let mut values: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for operation in &surface.operations {
        let names = operation.places().into_iter().map(|place| place.name);
        values.entry(&operation.path).or_default().extend(names.zip(filled.values(operation)));
    }
    let key = filled.key.headers.first().map(|(_, text)| text.clone());
    json!({
        "base": served.front.base, "mailbox": served.cluster.folder().join("data/mailbox"),
        "files": served.cluster.folder().join("data/files"), "slug": filled.words.slug, "canary": filled.words.canary,
        "password": PASSWORD, "admin": filled.email, "super_admin": ROOT, "key": key,
        "values": values, "sent": filled.words.sent, "allowed": allowed(),
    })
}

/// Who may do what, as the page for users says: another test holds it to the product.
fn allowed() -> BTreeMap<String, Vec<String>> {
    let page = include_str!("../../docs/users/authorization.md");
    let cells = |row: &str| -> Vec<String> {
        let plain = |cell: &str| cell.trim().trim_matches('`').to_owned();
        row.trim_matches('|').split('|').map(plain).collect()
    };
    let mut rows = page.lines().filter(|line| line.starts_with('|'));
    let heads = cells(rows.next().expect("a table"));
    let row = |row: &str| {
        let cells = cells(row);
        let may = heads.iter().zip(&cells).filter(|(_, cell)| *cell == "yes");
        (cells[0].clone(), may.map(|(head, _)| head.clone()).collect())
    };
    rows.map(row).collect()
}
