//! Migrations: up, down, and by many processes at once.

use std::collections::BTreeSet;
use std::path::Path;

use bellbuoy_harness::{Stores, on_every_store};
use store::Step;

use crate::support::{another, project, unmigrated};

on_every_store! {
    migrations_go_up_from_nothing_and_down_to_nothing_and_up_again
    migrations_by_many_processes_at_once_are_applied_once
    migrations_of_a_newer_build_are_shown_and_not_taken_back
    mails_that_wait_become_deliveries_and_back
    migrations_are_the_files_that_are_there
}

async fn migrations_go_up_from_nothing_and_down_to_nothing_and_up_again(which: Stores) {
    let place = unmigrated(which).await;
    let store = &place.store;
    assert!(!store.is_current().await.expect("answers"));
    let none = store.migrations().await.expect("a list");
    assert!(none.iter().all(|one| !one.applied) && none.len() > 20);
    let names: Vec<String> = none.into_iter().map(|one| one.name).collect();
    assert_eq!(store.migrate(Step::Up).await.expect("goes up"), names);
    assert!(store.is_current().await.expect("answers"));
    assert!(store.migrations().await.expect("a list").iter().all(|one| one.applied));
    assert_eq!(store.migrate(Step::Up).await.expect("has nothing to do"), Vec::<String>::new());
    project(store, "acme").await;
    for (at, name) in names.iter().enumerate().rev() {
        assert_eq!(store.migrate(Step::Down).await.expect("goes down"), std::slice::from_ref(name));
        let left = store.migrations().await.expect("a list");
        assert!(left.iter().enumerate().all(|(n, one)| one.applied == (n < at)), "{left:?}");
        assert!(!store.is_current().await.expect("answers"));
    }
    assert_eq!(store.migrate(Step::Down).await.expect("has nothing to do"), Vec::<String>::new());
    let left = match which {
        Stores::Sqlite => "sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        Stores::Postgres => "pg_tables WHERE schemaname = 'public'",
        Stores::Mariadb => "information_schema.tables WHERE table_schema = DATABASE()",
    };
    assert_eq!(place.raw.count(left).await, 1, "only the list of migrations is left");
    assert_eq!(store.migrate(Step::Up).await.expect("goes up"), names);
    project(store, "acme").await;
}

async fn migrations_by_many_processes_at_once_are_applied_once(which: Stores) {
    let place = unmigrated(which).await;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let store = another(&place.ground).await;
        tasks.push(tokio::spawn(async move { store.migrate(Step::Up).await.expect("goes up") }));
    }
    let mut done = Vec::new();
    for task in tasks {
        done.extend(task.await.expect("no panic"));
    }
    let all: Vec<String> =
        place.store.migrations().await.expect("a list").into_iter().map(|one| one.name).collect();
    assert_eq!(done, all, "one did all of it, and the others nothing");
}

async fn migrations_of_a_newer_build_are_shown_and_not_taken_back(which: Stores) {
    let place = unmigrated(which).await;
    place.store.migrate(Step::Up).await.expect("goes up");
    let newer = "INSERT INTO schema_migrations (name) VALUES ('9999_newer')";
    place.raw.run(newer).await.expect("inserts");
    assert!(place.store.is_current().await.expect("answers"), "what this build needs is there");
    let last = place.store.migrations().await.expect("a list").pop().expect("some");
    assert_eq!((last.name.as_str(), last.applied), ("9999_newer", true));
    assert_eq!(
        place.store.migrate(Step::Up).await.expect("has nothing to do"),
        Vec::<String>::new()
    );
    place.store.migrate(Step::Down).await.expect_err("unknown");
}

async fn mails_that_wait_become_deliveries_and_back(which: Stores) {
    let place = unmigrated(which).await;
    let store = &place.store;
    store.migrate(Step::Up).await.expect("goes up");
    let project = project(store, "acme").await;
    let back = || async {
        // What came after it goes as well.
        while store.migrate(Step::Down).await.expect("goes down") != ["0053_target_kind"] {}
    };
    back().await;
    let (open, close) = match which {
        Stores::Postgres => ("'\\x", "'"),
        Stores::Sqlite | Stores::Mariadb => ("x'", "'"),
    };
    let bytes = |hex: &str| format!("{open}{hex}{close}");
    let id = |number: u128| {
        let id = uuid::Uuid::from_u128(number);
        if which == Stores::Postgres { format!("'{id}'") } else { bytes(&id.simple().to_string()) }
    };
    let acme = id(project.0.as_u128());
    let at = if which == Stores::Sqlite { "1" } else { "'2026-01-01 00:00:00'" };
    // One waits, one was sent.
    for (number, content, state) in [(1, bytes("ab"), 1), (2, "NULL".to_owned(), 3)] {
        let text = format!(
            "INSERT INTO mails (project_id, id, kind, address, content, state, attempts, created_at, updated_at)
             VALUES ({acme}, {}, 1, {}, {content}, {state}, 1, {at}, {at})",
            id(number), bytes("cd")
        );
        place.raw.run(&text).await.expect("a mail");
    }
    let due = format!(
        "INSERT INTO due (project_id, kind, row_id, at) VALUES ({acme}, 5, {}, {at})",
        id(1)
    );
    place.raw.run(&due).await.expect("it is due");
    store.migrate(Step::Up).await.expect("goes up again");
    let count = async |rest: &str| place.raw.count(rest).await;
    assert_eq!(count("deliveries WHERE channel = 3 AND target_kind = 2 AND state = 1").await, 1);
    assert_eq!(count("deliveries WHERE channel = 3 AND target_kind = 2 AND state = 3").await, 1);
    assert_eq!(count("due WHERE kind = 3").await, 1);
    assert_eq!(count("mails WHERE content IS NOT NULL").await, 1);
    back().await;
    assert_eq!(count("mails WHERE state = 1 AND content IS NOT NULL").await, 1);
    assert_eq!(count("mails WHERE state = 3").await, 1);
    assert_eq!(count("due WHERE kind = 5").await, 1);
    assert_eq!(count("deliveries").await, 0);
}

async fn migrations_are_the_files_that_are_there(which: Stores) {
    let place = unmigrated(which).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(place.store.kind());
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("text"))
        .collect();
    let known = place.store.migrations().await.expect("a list").into_iter();
    let both = known.flat_map(|one| ["up", "down"].map(|step| format!("{}.{step}.sql", one.name)));
    assert_eq!(files, both.collect());
}
