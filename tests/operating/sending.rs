//! `bellbuoy send`, against a process that serves.

use std::process::Stdio;

use super::{Desk, Running, free_address};

#[test]
fn an_event_is_sent_from_the_command_line() {
    let mut desk = Desk::new();
    let address = free_address();
    desk.set("HTTP_LISTEN", &address);
    desk.set("OPS_LISTEN", &free_address());
    desk.good(&["migrate"]);
    desk.project("acme");
    let make = ["key", "create", "--project", "acme", "--json"];
    let key = |scope: &str| {
        let made = desk.good(&[&make[..], &["--name", scope, "--scopes", scope]].concat());
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        made["api_key"].as_str().expect("a key").to_owned()
    };
    let (writing, reading) = (key("events:write"), key("read"));
    let mut up = desk.command(&["up"]);
    let _running = Running(up.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"));
    desk.wait_until_ready();
    // Where the API is says the configuration, and the key may be in the environment.
    desk.set("SEND_KEY", &writing);
    let id =
        desk.good(&["send", "backup.done", "--payload", r#"{"took": 12.50}"#, "--source", "nas"]);
    assert_eq!(id.trim().len(), 36, "{id}");
    let again = ["send", "backup.done", "--idempotency-key", "k1"];
    assert_eq!(desk.good(&again), desk.good(&again), "the same event");
    std::fs::write(desk.folder.path().join("p.json"), r#"{"a": 1}"#).expect("a file");
    desk.good(&["send", "backup.done", "--payload", "@p.json"]);
    // Errors say what is wrong.
    let said = desk.bad(&["send", "backup done"]);
    assert!(said.contains("400") && said.contains("type"), "{said}");
    let said = desk.bad(&["send", "backup.done", "--payload", "{"]);
    assert!(said.contains("the payload is no JSON"), "{said}");
    let said = desk.bad(&["send", "backup.done", "--payload", "@none.json"]);
    assert!(said.contains("none.json"), "{said}");
    let said = desk.bad(&["send", "backup.done", "--key", &reading]);
    assert!(said.contains("403") && said.contains("events:write"), "{said}");
    let elsewhere = format!("http://{}", free_address());
    let said = desk.bad(&["send", "backup.done", "--url", &elsewhere]);
    assert!(said.contains(&elsewhere), "{said}");
}
