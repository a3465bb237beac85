//! What is generated: printed configurations, `.env.example`, the reference page.

use super::{Desk, load_only};
use crate::{Config, Profile, settings::SECTIONS, settings::table::fields};

#[test]
fn what_is_printed_loads_to_the_same() {
    let rich = "profile = 'development'\n[http]\nhsts = false\n\
        cors_origins = [\"https://a.example.com\", \"*\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
        [log]\nfilter = 'a \"b\" \\c'\n[seal]\ndev_key_path = \"./dä ta\\u007f\"\n\
        [delivery]\nbackoff = [\"1500ms\", \"24h\"]\n[otlp]\nsample_ratio = 0.125\n\
        [worker]\nqueues = [\"deliveries\"]\n[webhooks]\nallow_networks = []\n";
    for toml in ["", rich] {
        let config = Desk::new(toml).config();
        let again = Desk::new(&config.print()).config();
        assert_eq!(again, config);
        assert_eq!(Desk::new(&again.print()).config(), config);
    }
}

#[test]
fn every_setting_is_printed_with_its_source() {
    let config = Desk::new("[http]\nlisten = \"127.0.0.1:9\"").config();
    let printed = config.print();
    assert!(printed.contains("bellbuoy.toml line 2\n"), "{printed}");
    assert!(printed.contains("profile = \"development\" # default\n"), "{printed}");
    for line in printed.lines().filter(|line| line.contains(" = ")) {
        assert!(line.contains(" # "), "{line}");
    }
    let lines = printed.lines().filter(|line| line.contains(" = ")).count();
    assert_eq!(lines, fields().count() + 1);
}

#[test]
fn json_has_every_setting() {
    let json = Config::development().print_json();
    for part in [
        "\"profile\": {\"value\": \"development\", \"source\": \"default\"}",
        "\"listen\": {\"value\": \"127.0.0.1:8080\", \"source\": \"default\"}",
        "\"max_connections\": {\"value\": 10000,",
        "\"docs_enabled\": {\"value\": true,",
        "\"hsts\": {\"value\": null,",
        "\"sample_ratio\": {\"value\": 1.0,",
        "\"cors_origins\": {\"value\": [],",
        "\"queues\": {\"value\": [\"events\", \"deliveries\", \"maintenance\"],",
    ] {
        assert!(json.contains(part), "{part} is not in: {json}");
    }
    assert_eq!(json.matches("\"source\"").count(), fields().count() + 1);
    // TOML's inline tables are near enough to JSON to tell whether brackets and quotes match,
    // once they stand in one line and nothing is null.
    let toml =
        format!("x = {}", json.replace('\n', "").replace("null", "0").replace("\": ", "\"= "));
    assert!(toml::de::DeTable::parse(&toml).is_ok(), "{toml}");
}

#[test]
fn documents_name_every_setting() {
    let (example, reference) = (Config::env_example(), Config::reference());
    for field in fields() {
        assert!(example.contains(&format!("\n#{}=", field.variable())), "{}", field.name);
        assert!(
            reference.contains(&format!("| `{}` | `{}` |", field.name, field.variable())),
            "{}",
            field.name
        );
        assert!(field.doc.trim().ends_with('.'), "{} has no sentence", field.name);
    }
    for section in SECTIONS {
        assert!(example.contains(&format!("# ---- {} ----", section.name)));
        assert!(reference.contains(&format!("\n## {}\n", section.name)));
    }
    assert!(reference.contains("| `127.0.0.1:8080` / `0.0.0.0:8080` |"), "{reference}");
    assert!(reference.contains("| 32 bytes in base64 (secret) | none |"), "{reference}");
    assert!(
        reference.contains("| `15m` | from 1s to 365d; outside of development from 1m to 1h |"),
        "{reference}"
    );
    assert!(
        example.contains("\n# Bounds: from 8 to 128.\n#BELLBUOY_AUTH_PASSWORD_MIN_LENGTH=10\n")
    );
    assert!(example.contains(
        "# In staging and production: 0.0.0.0:8080\n#BELLBUOY_HTTP_LISTEN=127.0.0.1:8080\n"
    ));
    assert!(example.lines().all(|line| line.is_empty() || line.starts_with('#')));
}

#[test]
fn the_example_uncommented_is_development() {
    let example = Config::env_example();
    let lines = example.lines().filter_map(|line| line.strip_prefix("#BELLBUOY_"));
    let owned: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (format!("BELLBUOY_{name}"), value))
        .collect();
    let env: Vec<(&str, &str)> =
        owned.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(env.len(), fields().count() + 1);
    assert_eq!(load_only(None, &env).unwrap(), Config::development());
}

#[test]
fn defaults_print_as_they_are_read() {
    for profile in Profile::ALL {
        let mut config = Config::defaults(*profile);
        for field in fields() {
            let shown = (field.show)(&config);
            assert_eq!((field.set)(&mut config, &shown), Ok(()), "{}", field.name);
        }
        assert_eq!(config, Config::defaults(*profile));
    }
}
