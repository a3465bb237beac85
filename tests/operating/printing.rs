//! Commands whose output nobody reads to the end.

use std::process::Stdio;

use super::{Desk, Running, free_address};

#[test]
fn commands_end_quietly_when_nobody_reads() {
    let desk = Desk::new();
    desk.good(&["migrate"]);
    desk.project("acme");
    for arguments in [
        &["project", "ls"][..],
        &["project", "ls", "--json"],
        &["project", "plan", "acme"],
        &["project", "settings", "acme"],
        &["audit", "verify"],
        &["audit", "verify", "--json"],
        &["migrate", "status"],
        &["migrate"],
        &["queue", "ls"],
        &["queue", "dead", "events"],
        &["key", "reseal", "--check"],
        &["key", "create", "--project", "acme", "--name", "k"],
        &["user", "create", "--project", "acme", "--email", "b@c.example", "--full-name", "B"],
        &["files", "url", "acme", "none"],
        &["doctor"],
        &["config", "check"],
        &["config", "print"],
        &["config", "reference"],
        &["openapi"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let done = desk.command(arguments).stdout(writer).output().expect("runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        match arguments {
            // These two have something else to say than what nobody reads.
            ["files", ..] => assert!(said.contains("no such file"), "{said}"),
            ["--help"] => assert!(done.status.success(), "{said}"),
            _ => assert_eq!((done.status.code(), &*said), (Some(141), ""), "{arguments:?}"),
        }
    }
}

#[test]
fn errors_that_nobody_hears_are_no_panic() {
    let desk = Desk::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let done = desk.command(&["project", "ls"]).stderr(writer).output().expect("runs");
    assert_eq!(done.status.code(), Some(1), "the store has no tables");
}

#[test]
fn a_process_serves_whether_anybody_reads_its_lines_or_not() {
    let mut desk = Desk::new();
    desk.set("OPS_LISTEN", &free_address());
    desk.set("DEMO_ENABLED", "true");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut up = desk.command(&["up"]);
    let mut running = Running(up.stdout(writer).stderr(Stdio::null()).spawn().expect("starts"));
    desk.wait_until_ready();
    // The demo prints once it is made; then the project is there.
    let started = std::time::Instant::now();
    while !desk.good(&["project", "ls"]).contains("demo") {
        assert!(started.elapsed() < super::PATIENCE, "the demo is not made");
    }
    assert!(running.0.try_wait().expect("is asked").is_none(), "it ended");
    desk.good(&["health"]);
}

#[test]
fn the_platform_s_own_project_is_listed() {
    let desk = Desk::new();
    desk.good(&["migrate"]);
    desk.project("acme");
    let listed = desk.good(&["project", "ls"]);
    let slugs: Vec<&str> =
        listed.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(slugs, ["acme", "platform"], "{listed}");
    let listed: serde_json::Value =
        serde_json::from_str(&desk.good(&["project", "ls", "--json"])).expect("JSON");
    assert_eq!(listed[1]["slug"], "platform", "{listed}");
}

/// Flags are called as the fields of the API are; what they were called before is still taken.
#[test]
fn flags_have_the_names_of_the_api() {
    let desk = Desk::new();
    desk.good(&["migrate"]);
    desk.project("acme");
    for (number, [name, roles]) in
        [["--full-name", "--roles"], ["--name", "--role"]].iter().enumerate()
    {
        let email = format!("b{number}@acme.example");
        let whom = ["user", "create", "--project", "acme", "--email", &email, name, "Bo"];
        let said = desk.good(&[&whom[..], &[*roles, "admin,viewer"]].concat());
        assert!(said.contains("admin, viewer"), "{said}");
    }
    for [name, limits] in [["--plan", "--limits"], ["--name", "--limit"]] {
        let set = ["project", "plan", "acme", name, "gold", limits, "users=7,rules=8", "--json"];
        let told: serde_json::Value = serde_json::from_str(&desk.good(&set)).expect("JSON");
        assert_eq!((&told["plan"], &told["own_limits"]["rules"]), (&"gold".into(), &8.into()));
    }
    for scopes in ["--scopes", "--scope"] {
        let make = ["key", "create", "--project", "acme", "--name", "k", scopes, "read", "--json"];
        let told: serde_json::Value = serde_json::from_str(&desk.good(&make)).expect("JSON");
        assert_eq!(told["scopes"], serde_json::json!(["read"]), "{told}");
    }
    let said = desk.bad(&["worker", "--concurrency", "0"]);
    assert!(said.contains("from 1 to 100000"), "{said}");
}
