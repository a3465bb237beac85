//! Sources: which there are, which wins, and what profiles change.

use std::{collections::BTreeSet, net::SocketAddr};

use super::{Desk, KEY, load_only};
use crate::{
    Config, LogFormat, Origin, Profile, Sources, StoreUrl, WorkerQueue, settings::table::fields,
};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn nothing_given_is_development() {
    let config = load_only(None, &[]).unwrap();
    assert_eq!(config, Config::development());
    assert_eq!(config.profile, Profile::Development);
    assert_eq!(config.store.url, StoreUrl::sqlite("./data/bellbuoy.db"));
    assert_eq!(config.origin("http.listen"), Origin::Default);
    assert!(!config.http.sends_hsts());
}

#[test]
fn the_public_url_follows_where_we_listen_until_it_is_set() {
    for (listen, url) in [
        ("127.0.0.1:9090", "http://127.0.0.1:9090"),
        ("0.0.0.0:9090", "http://localhost:9090"),
        ("[::]:9090", "http://localhost:9090"),
        ("[::1]:9090", "http://[::1]:9090"),
        ("10.0.0.7:80", "http://10.0.0.7"),
    ] {
        let desk = Desk::new("").env("BELLBUOY_HTTP_LISTEN", listen);
        assert_eq!(desk.config().http.public_url().base(), url);
    }
    let desk = Desk::new("")
        .env("BELLBUOY_HTTP_LISTEN", "127.0.0.1:9090")
        .env("BELLBUOY_HTTP_PUBLIC_URL", "https://a.example.com");
    assert_eq!(desk.config().http.public_url().base(), "https://a.example.com");
}

#[test]
fn later_sources_win() {
    let toml =
        "[http]\nlisten = \"127.0.0.1:1\"\nmax_body = \"1MiB\"\n[store]\nmax_connections = 7";
    let desk = Desk::new(toml)
        .env("BELLBUOY_HTTP_LISTEN", "127.0.0.1:2")
        .secret("BELLBUOY_STORE_MAX_CONNECTIONS_FILE", "9\n");
    let config = desk.config();
    assert_eq!(config.http.listen, address("127.0.0.1:2"));
    assert_eq!(config.http.max_body.bytes(), 1 << 20);
    assert_eq!(config.store.max_connections, 9);
    let origin =
        |name: &str| config.origin(name).to_string().replace(desk.dir.to_str().unwrap(), "");
    assert_eq!(origin("http.listen"), "environment BELLBUOY_HTTP_LISTEN");
    assert_eq!(origin("http.max_body"), "/bellbuoy.toml line 3");
    assert_eq!(
        origin("store.max_connections"),
        "file in environment BELLBUOY_STORE_MAX_CONNECTIONS_FILE"
    );
    assert_eq!(origin("store.min_connections"), "default");
}

#[test]
fn what_is_overridden_is_not_judged() {
    let desk =
        Desk::new("[http]\nlisten = \"nonsense\"").env("BELLBUOY_HTTP_LISTEN", "127.0.0.1:2");
    assert_eq!(desk.config().http.listen, address("127.0.0.1:2"));
}

#[test]
fn secret_files_lose_their_line_end_only() {
    for (content, filter) in
        [("debug", "debug"), ("debug\n", "debug"), ("debug\r\n", "debug"), (" a b \n", " a b ")]
    {
        let desk = Desk::new("").secret("BELLBUOY_LOG_FILTER_FILE", content);
        assert_eq!(desk.config().log.filter, filter);
    }
    let config = Desk::new("").secret("BELLBUOY_SEAL_KEY_FILE", KEY).config();
    assert_eq!(config.seal.key.unwrap().expose().bytes(), &[0; 32]);
}

#[test]
fn the_file_is_chosen_by_flag_then_variable_then_name() {
    let desk = Desk::new("[queue]\nbatch = 1");
    let (flag, variable) = (
        desk.file("flag.toml", "[queue]\nbatch = 2"),
        desk.file("variable.toml", "[queue]\nbatch = 3"),
    );
    let named = ("BELLBUOY_CONFIG", variable.to_str().unwrap());
    assert_eq!(desk.config().queue.batch, 1);
    assert_eq!(load_only(None, &[named]).unwrap().queue.batch, 3);
    assert_eq!(load_only(Some(&flag), &[named]).unwrap().queue.batch, 2);
}

#[test]
fn profiles_have_their_own_defaults() {
    let config = Desk::production("").config();
    assert_eq!(config.profile, Profile::Production);
    assert_eq!(config.http.listen, address("0.0.0.0:8080"));
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(config.store.require_durable && !config.demo.enabled && !config.http.docs_enabled);
    assert!(config.webhooks.allow_networks.is_empty());
    assert!(config.http.sends_hsts());

    let staging =
        Desk::production("profile = \"production\"").env("BELLBUOY_PROFILE", "staging").config();
    assert_eq!(staging.profile, Profile::Staging, "the variable wins over the file");
    assert!(staging.store.require_durable);

    let file = Desk::new("profile = \"development\"").config();
    assert!(file.demo.enabled && !file.store.require_durable);
    assert_eq!(file.origin("profile").to_string().rsplit(' ').next(), Some("1"));
}

#[test]
fn lists_come_as_arrays_or_between_commas() {
    let queues = vec![WorkerQueue::Events, WorkerQueue::Maintenance];
    for toml in ["queues = [\"events\", \"maintenance\"]", "queues = \"events,maintenance\""] {
        assert_eq!(Desk::new(&format!("[worker]\n{toml}")).config().worker.queues, queues);
    }
    let desk = Desk::new("").env("BELLBUOY_WORKER_QUEUES", "events, maintenance");
    assert_eq!(desk.config().worker.queues, queues);
    assert!(
        Desk::new("[webhooks]\nallow_networks = []").config().webhooks.allow_networks.is_empty()
    );
}

#[test]
fn empty_means_not_set() {
    let desk = Desk::new("[otlp]\nendpoint = \"http://localhost:4318\"");
    assert!(desk.config().otlp.endpoint.is_some());
    assert!(desk.env("BELLBUOY_OTLP_ENDPOINT", "").config().otlp.endpoint.is_none());
}

#[test]
fn toml_numbers_are_read_as_toml_means_them() {
    let config =
        Desk::new("[queue]\nbatch = 0x10\n[otlp]\nsample_ratio = 1\n[cache]\nmax_entries = 1_000")
            .config();
    assert_eq!((config.queue.batch, config.cache.max_entries), (16, 1_000));
}

#[test]
fn reserved_names_are_not_settings() {
    let env = [("BELLBUOY_TEST_POSTGRES", "x"), ("HTTP_LISTEN", "x"), ("PATH", "x")];
    assert!(load_only(None, &env).is_ok());
}

#[test]
fn the_process_is_a_source() {
    let sources = Sources::from_process(Some("some.toml".into()));
    assert_eq!(sources.file, Some("some.toml".into()));
    assert!(sources.env.keys().all(|name| name.starts_with("BELLBUOY_")));
}

#[test]
fn no_two_settings_share_a_variable() {
    let names: Vec<String> =
        fields().flat_map(|field| [field.variable(), field.file_variable()]).collect();
    let reserved = ["BELLBUOY_CONFIG", "BELLBUOY_PROFILE"];
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert!(
        names
            .iter()
            .all(|name| !name.starts_with("BELLBUOY_TEST_") && !reserved.contains(&name.as_str()))
    );
}
