//! What is told of the configuration: what a start would refuse, and where the process really is.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::{Desk, Running, free_address};

#[test]
fn what_a_start_refuses_the_check_refuses() {
    let desk = Desk::new();
    desk.good(&["config", "check"]);
    std::fs::create_dir(desk.folder.path().join("data")).expect("a folder");
    std::fs::write(desk.folder.path().join("data/bad.key"), "no key").expect("writes");
    for (name, value, told) in [
        ("LOG_FILTER", "bellbuoy=loud", "log.filter = \"bellbuoy=loud\""),
        ("AUTH_BASE_DOMAIN", "https://a.example.com", "it takes the domain alone"),
        ("QUEUE_URL", "rediss://127.0.0.1:1?ca=/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("COORDINATION_URL", "rediss://127.0.0.1:1?ca=/nowhere/ca.pem", "coordination.url"),
        ("QUEUE_URL", "sqs://eu-central-1/a?max_receives=5000", "max_receives=1 to"),
        ("FILES_URL", "s3://some-bucket", "names no region"),
        ("STORE_URL", "postgres://h/d?sslmode=perhaps", "sslmode"),
        ("SEAL_DEV_KEY_PATH", "data/bad.key", "holds no key that can be read"),
    ] {
        let mut desk = Desk { env: desk.env.clone(), ..Desk::new() };
        std::fs::create_dir(desk.folder.path().join("data")).expect("a folder");
        std::fs::write(desk.folder.path().join("data/bad.key"), "no key").expect("writes");
        desk.set(name, value);
        for command in [&["config", "check"][..], &["up"]] {
            let said = desk.bad(command);
            assert!(said.contains(told), "{name}={value} {command:?}: {said}");
        }
    }
}

#[test]
fn a_mistake_names_its_place_and_what_is_wrong() {
    let desk = Desk::new();
    let file = desk.folder.path().join("bellbuoy.toml");
    std::fs::write(&file, "[log]\nfilter = \"info\"\n[http\nlisten = \"127.0.0.1:1\"\n")
        .expect("writes");
    let said = desk.bad(&["config", "check"]);
    assert!(said.contains("bellbuoy.toml line 3: the table header is not closed"), "{said}");
}

#[test]
fn what_is_told_of_the_api_names_the_port_that_it_has() {
    let mut desk = Desk::new();
    desk.set("DEMO_ENABLED", "true");
    desk.set("HTTP_LISTEN", "0.0.0.0:0");
    desk.set("OPS_LISTEN", &free_address());
    let mut up = desk.command(&["up"]);
    let mut running = Running(up.stdout(Stdio::piped()).spawn().expect("starts"));
    let lines = BufReader::new(running.0.stdout.take().expect("its output")).lines();
    let mut told = Vec::new();
    for line in lines {
        let line = line.expect("a line");
        let last = line.contains("Why it rang");
        told.push(line);
        if last {
            break;
        }
    }
    let told = told.join("\n");
    // The log before it says where the process listens, which is everywhere.
    let (_, told) = told.split_once("Bellbuoy is up").expect("the banner");
    assert!(!told.contains(":8080") && !told.contains("0.0.0.0"), "{told}");
    let base =
        told.split_once("  API       ").expect("the API").1.split_once("/api/v1").expect("a URL").0;
    assert!(base.starts_with("http://localhost:") && !base.ends_with(":0"), "{base}");
    assert!(told.contains(&format!("curl -s {base}/api/v1/events")), "{told}");
    let address = base.trim_start_matches("http://").replace("localhost", "127.0.0.1");
    std::net::TcpStream::connect(address).expect("somebody listens there");
}
