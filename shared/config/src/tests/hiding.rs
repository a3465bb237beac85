//! Secrets appear nowhere: not in `Debug`, not in what is printed, not in messages.

use super::{Desk, KEY};
use crate::Secret;

const WORD: &str = "hunter2";

fn is_hidden(text: &str) {
    assert!(!text.contains(WORD) && !text.contains(KEY), "{text}");
}

#[test]
fn in_what_is_loaded() {
    let desk = Desk::new("[auditor]\nheartbeat_url = \"https://beat.example.com/hunter2\"")
        .env("BELLBUOY_SEAL_KEY", KEY)
        .env("BELLBUOY_STORE_URL", "postgres://app:hunter2@db:5432/bellbuoy")
        .env("BELLBUOY_COORDINATION_URL", "rediss://:hunter2@cache:6379")
        .env("BELLBUOY_OTLP_ENDPOINT", "https://u:hunter2@otlp.example.com/v1?api-key=hunter2")
        .secret("BELLBUOY_QUEUE_URL_FILE", "redis://app:hunter2@jobs:6379/1");
    let config = desk.config();
    for text in [format!("{config:?}"), format!("{config:#?}"), config.print(), config.print_json()]
    {
        is_hidden(&text);
    }
    is_hidden(&format!("{:?}", desk.sources()));
    let printed = config.print();
    for line in [
        "url = \"postgres://app:***@db:5432/bellbuoy\" # environment BELLBUOY_STORE_URL\n",
        "url = \"redis://app:***@jobs:6379/1\" # file in environment BELLBUOY_QUEUE_URL_FILE\n",
        "url = \"rediss://:***@cache:6379\" #",
        "endpoint = \"https://u:***@otlp.example.com/v1?api-key=***\" #",
        "key = \"***\" # environment BELLBUOY_SEAL_KEY\n",
        "heartbeat_url = \"***\" #",
    ] {
        assert!(printed.contains(line), "{line:?} is not in: {printed}");
    }
    let key = config.seal.key.unwrap();
    is_hidden(&format!("{key} {key:?} {:?}", key.expose()));
    assert_eq!(config.auditor.heartbeat_url.unwrap().expose().expose().path(), "/hunter2");
    let text: Secret = Secret::new(WORD.to_owned());
    assert_eq!(format!("{text} {text:?}"), "*** ***");
    assert_eq!(text.expose(), WORD);
}

#[test]
fn in_messages() {
    let table = [
        ("SEAL_KEY", "hunter2"),
        ("SEAL_KEY_FILE", "hunter2"),
        ("SEAL_KYE", "hunter2"),
        ("AUDITOR_HEARTBEAT_URL", "hunter2"),
        ("STORE_URL", "postgress://app:hunter2@db/bellbuoy"),
        ("STORE_URL", "postgres://app:hunter2@db"),
        ("STORE_URL", "postgres://app:hunter2"),
        ("STORE_URL", "postgres://app:hunter2/x@db/bellbuoy"),
        ("STORE_URL", "postgres://app:a@hunter2@:/bellbuoy"),
        ("STORE_URL", "app:hunter2@db"),
        ("STORE_URL", "mysql://app:hunter2@db"),
        ("STORE_URL", "sqlite://x?key=hunter2"),
        ("STORE_URL_FILE", "postgres://app:hunter2@db/bellbuoy"),
        ("QUEUE_URL", "redis:/:hunter2@db"),
        ("QUEUE_URL", "redis://hunter2@a,b"),
        ("QUEUE_URL", "redis+sentinel://a?sentinel_password=hunter2"),
        ("QUEUE_URL", "redis+cluster://a:hunter2"),
        ("QUEUE_URL", "amqp://host?password=hunter2"),
        ("COORDINATION_URL", "hunter2@host://x"),
        ("HTTP_PUBLIC_URL", "https://u:hunter2@h"),
        ("OTLP_ENDPOINT", "ftp://u:hunter2@h"),
    ];
    for (name, value) in table {
        let desk = Desk::new("").env(&format!("BELLBUOY_{name}"), value);
        is_hidden(&desk.message());
        is_hidden(&format!("{:?}", desk.mistakes()));
    }
    for toml in [
        "[seal]\nkey = \"hunter2",
        "[seal]\nkey = hunter2",
        "[seal]\nkye = \"hunter2\"",
        "[seal]\nkey = [\"hunter2\"]",
        "[sael]\nkey = \"hunter2\"",
    ] {
        let desk = Desk::new(toml);
        is_hidden(&desk.message());
        is_hidden(&format!("{:?}", desk.mistakes()));
    }
}

#[test]
fn what_is_hidden_does_not_load() {
    let desk = Desk::new("")
        .env("BELLBUOY_SEAL_KEY", KEY)
        .env("BELLBUOY_STORE_URL", "postgres://app:hunter2@db/bellbuoy");
    let config = desk.config();
    let copy = Desk::new(&config.print());
    let keys: Vec<String> = copy.mistakes().0.into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(keys, ["store.url", "seal.key"]);
    // With the secrets given where they came from, the copy is the same configuration.
    let mut again = Desk::new(&config.print());
    again.env = desk.env.clone();
    assert_eq!(again.config(), config);
}
