//! Every kind of mistake, alone and together.

use super::{Desk, load_only};

/// One mistake is found, told with all of these parts.
fn one(desk: &Desk, parts: &[&str]) {
    let message = desk.message();
    assert_eq!(desk.mistakes().0.len(), 1, "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn mistakes_in_the_file() {
    let table: [(&str, &[&str]); 20] = [
        ("\"a\\nb\" = 1", &["- a\\nb (bellbuoy.toml line 1)"]),
        (
            "[http]\nlisten = \"here\"",
            &["http.listen = \"here\" (bellbuoy.toml line 2): has no port; it takes an IP address"],
        ),
        (
            "[http]\nlistn = \"secretive\"",
            &["http.listn (bellbuoy.toml line 2): no such setting; did you mean http.listen?"],
        ),
        (
            "[htp]\nlisten = \"x\"",
            &["htp (bellbuoy.toml line 1): no such section; did you mean http?"],
        ),
        ("[nonsense]", &["nonsense (bellbuoy.toml line 1): no such section"]),
        (
            "[worker]\nconcurrency = 4",
            &["worker.concurrency", "did you mean delivery.concurrency?"],
        ),
        ("docs_enabled = true", &["outside of a section; did you mean http.docs_enabled?"]),
        ("profil = \"staging\"", &["did you mean profile?"]),
        (
            "profile = \"prod\"",
            &[
                "profile = \"prod\" (bellbuoy.toml line 1): must be one of development, staging, production",
            ],
        ),
        ("profile = [1]", &["profile (bellbuoy.toml line 1): is not one word"]),
        ("http = 5", &["http (bellbuoy.toml line 1): is the name of a section: write [http]"]),
        ("[[http]]", &["http (bellbuoy.toml line 1): is the name of a section: write [http]"]),
        (
            "[http.listen]",
            &[
                "http.listen (bellbuoy.toml line 1): is not a single value; it takes one value: IP address and port",
            ],
        ),
        (
            "[http]\nlisten = [\"127.0.0.1:80\"]",
            &["http.listen (bellbuoy.toml line 2): is not a single value"],
        ),
        ("[queue]\npoll = 5", &["queue.poll = \"5\"", "has no unit", "like 250ms"]),
        (
            "[queue]\npoll = 2026-01-01",
            &[
                "queue.poll (bellbuoy.toml line 2): is not a single value; it takes one value: duration",
            ],
        ),
        ("[queue]\nbatch = -1", &["queue.batch = \"-1\"", "is negative; it takes a whole number"]),
        (
            "[delivery]\nbackoff = [\"5s,6s\"]",
            &["delivery.backoff", "each item a duration without a comma"],
        ),
        (
            "[delivery]\nbackoff = [\"5s\", 6]",
            &["delivery.backoff = \"5s,6\"", "item 2 has no unit"],
        ),
        ("[http]\nhsts = \"x\"", &["hsts = \"x\"", "true or false; or empty for none"]),
    ];
    for (toml, parts) in table {
        one(&Desk::new(toml), parts);
    }
}

#[test]
fn broken_files() {
    for (toml, told) in [
        ("[log]\nfilter = \"a\"\n[http\n", "line 3: the table header is not closed"),
        ("[http]\nlisten = ", "line 2: the value behind = is missing"),
        ("[http]\nlisten\n", "line 2: a name stands there without ="),
        ("[http]\nlisten = here\n", "line 2: the value is a text, and texts stand in quotes"),
        ("[seal]\nkey = \"hunter2", "line 2: the text in quotes is not closed"),
        ("[log]\nfilter = \"a\"\nfilter = \"b\"", "line 3: the same name is set twice"),
        ("[worker]\nqueues = [\"events\"", "line 2: the array is not closed: a ] is missing"),
    ] {
        let desk = Desk::new(toml);
        let message = desk.message();
        assert!(message.contains(&format!("- bellbuoy.toml {told}")), "{toml}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let desk = Desk::new("[http]\nlisten = \n[queue\nbatch = 1").env("BELLBUOY_QUEUE_POLL", "soon");
    assert!(desk.mistakes().0.len() >= 3, "{}", desk.message());
}

#[test]
fn missing_files() {
    let asked = load_only(Some("/nowhere/x.toml".as_ref()), &[]).unwrap_err().to_string();
    assert!(
        asked.contains("/nowhere/x.toml: the configuration file can't be read, as --config asks"),
        "{asked}"
    );
    let named = load_only(None, &[("BELLBUOY_CONFIG", "/nowhere/y.toml")]).unwrap_err().to_string();
    assert!(
        named.contains("/nowhere/y.toml") && named.contains("as BELLBUOY_CONFIG asks"),
        "{named}"
    );
    // Production's demands would blame defaults that the missing file may well change.
    let strict = load_only(Some("/nowhere/x.toml".as_ref()), &[("BELLBUOY_PROFILE", "production")]);
    assert_eq!(strict.unwrap_err().0.len(), 1);
}

#[test]
fn mistakes_in_the_environment() {
    let table: [(&str, &str, &[&str]); 8] = [
        (
            "BELLBUOY_HTTP_LISTEN",
            "here",
            &["http.listen = \"here\" (environment BELLBUOY_HTTP_LISTEN): has no port"],
        ),
        (
            "BELLBUOY_HTTP_LISTNE",
            "x",
            &["BELLBUOY_HTTP_LISTNE", "did you mean BELLBUOY_HTTP_LISTEN?"],
        ),
        ("BELLBUOY_SEAL_KEY_FIEL", "x", &["did you mean BELLBUOY_SEAL_KEY_FILE?"]),
        ("BELLBUOY_PROFIL", "x", &["did you mean BELLBUOY_PROFILE?"]),
        (
            "BELLBUOY_SOMETHING_ELSE",
            "x",
            &["BELLBUOY_SOMETHING_ELSE (environment BELLBUOY_SOMETHING_ELSE): no such variable\n"],
        ),
        (
            "BELLBUOY_PROFILE",
            "",
            &["profile = \"\" (environment BELLBUOY_PROFILE): must be one of development"],
        ),
        (
            "BELLBUOY_LOG_FILTER_FILE",
            "/nowhere/f",
            &["(environment BELLBUOY_LOG_FILTER_FILE): the file that is named can't be read"],
        ),
        ("BELLBUOY_LOG_FILTER", "a\u{fffd}", &["log.filter", "UTF-8"]),
    ];
    for (name, value, parts) in table {
        let desk = Desk::new("").env(name, value);
        let message = desk.message() + "\n";
        assert_eq!(desk.mistakes().0.len(), 1, "{message}");
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
    }
    let empty = Desk::new("").secret("BELLBUOY_SEAL_KEY_FILE", "\n");
    one(
        &empty,
        &["seal.key = *** (environment BELLBUOY_SEAL_KEY_FILE)", "the file that is named is empty"],
    );
    let both =
        Desk::new("").env("BELLBUOY_QUEUE_URL", "sql:").secret("BELLBUOY_QUEUE_URL_FILE", "sql:");
    one(
        &both,
        &["queue.url", "set either BELLBUOY_QUEUE_URL or BELLBUOY_QUEUE_URL_FILE, not both"],
    );
}

#[test]
fn values_that_do_not_do() {
    let table: [(&str, &str, &str); 32] = [
        ("STORE_MAX_CONNECTIONS", "0", "from 1 to 10000"),
        ("STORE_MAX_CONNECTIONS", "1", "at most store.max_connections (1)"),
        ("STORE_READ_CONNECTIONS", "0", "from 1 to 1000"),
        ("STORE_LOCK_TIMEOUT", "21s", "at most store.statement_timeout (20s)"),
        ("HTTP_MAX_BODY", "2GiB", "from 1KiB to 1GiB"),
        ("FILES_MAX_SIZE", "65GiB", "from 1KiB to 64GiB"),
        ("FILES_URL_TTL", "8d", "from 1s to 7d"),
        ("FILES_URL_TTL", "0s", "from 1s to 7d"),
        ("FILES_PUBLIC_URL", "https://a.example.com?b=c", "without user, password, query"),
        ("FILES_ACCESS_KEY_ID", "a", "or neither"),
        ("FILES_SECRET_ACCESS_KEY", "a", "or neither"),
        ("FILES_URL", "ftp://a", "s3://bucket"),
        ("HTTP_MAX_BODY", "100KiB", "must be at most http.max_body (100KiB)"),
        ("HTTP_PUBLIC_URL", "https://u:p@h", "without user, password"),
        ("HTTP_CORS_ORIGINS", "*,https://a.example.com/", "as browsers send it"),
        ("HTTP_REQUEST_TIMEOUT", "5s", "less than http.request_timeout (5s)"),
        ("OPS_LISTEN", "127.0.0.1:8080", "take another port"),
        ("OPS_LISTEN", "0.0.0.0:8080", "take another port"),
        ("OTLP_SAMPLE_RATIO", "1.5", "from 0.0 to 1.0"),
        ("QUEUE_PREFIX", "a b", "1 to 64 letters"),
        ("QUEUE_LEASE", "1s", "from 2s to 1h"),
        ("DELIVERY_CLAIM", "18s", "at most four fifths of delivery.claim (14400ms)"),
        ("WEBHOOKS_TIMEOUT", "25s", "at most four fifths of delivery.claim (20s)"),
        ("DELIVERY_BACKOFF", "", "1 to 64 pauses"),
        ("DELIVERY_BACKOFF", "5s,0s", "1 to 64 pauses"),
        ("DUE_GRACE", "1s", "at least due.interval (2s)"),
        ("DUE_WATERMARK_LAG", "4s", "at least accept.commit_timeout (5s)"),
        ("REGISTRY_DEAD_AFTER", "1s", "at least twice registry.beat (1s)"),
        ("WORKER_QUEUES", "", "at least one queue"),
        ("WORKER_QUEUES", "events,events", "each once"),
        ("LOG_FILTER", " ", "is empty"),
        ("WEBHOOKS_USER_AGENT", "a\nb", "printable"),
    ];
    for (name, value, part) in table {
        let message = Desk::new("").env(&format!("BELLBUOY_{name}"), value).message();
        assert!(message.contains(part), "{name}={value}: {message}");
    }
    for name in [
        "ACCEPT_BATCH",
        "ACCEPT_COMMITTERS",
        "ACCEPT_MAX_BATCH",
        "EVALUATE_CONCURRENCY",
        "EVALUATE_ATTEMPTS",
        "DELIVERY_CONCURRENCY",
        "QUEUE_BATCH",
        "QUEUE_MAX_ATTEMPTS",
        "DUE_BATCH",
        "CACHE_MAX_ENTRIES",
        "LIMITS_BURST_SECONDS",
    ] {
        one(&Desk::new("").env(&format!("BELLBUOY_{name}"), "0"), &[" 1"]);
    }
    for name in [
        "QUEUE_POLL",
        "DUE_INTERVAL",
        "SCHEDULER_TICK",
        "REGISTRY_BEAT",
        "CACHE_TTL",
        "COORDINATION_TIMEOUT",
    ] {
        one(&Desk::new("").env(&format!("BELLBUOY_{name}"), "0s"), &["from 1ms"]);
    }
    one(
        &Desk::new("")
            .env("BELLBUOY_DELIVERY_CLAIM", "1s")
            .env("BELLBUOY_WEBHOOKS_TIMEOUT", "500ms"),
        &["delivery.claim = \"1s\"", "from 2s to 1h"],
    );
}

#[test]
fn strict_profiles_refuse_what_is_insecure() {
    for profile in ["staging", "production"] {
        let errors = load_only(None, &[("BELLBUOY_PROFILE", profile)]).unwrap_err();
        let keys: Vec<&str> = errors.0.iter().map(|mistake| mistake.key.as_str()).collect();
        assert_eq!(keys, ["http.public_url", "seal.key"], "{errors}");
        let told = format!("http.public_url (default): must be set in {profile}, to an https URL");
        assert!(errors.to_string().contains(&told), "{errors}");
    }
    let table = [
        ("DEMO_ENABLED", "true", "must be false in production"),
        ("STORE_REQUIRE_DURABLE", "false", "must be true in production"),
        ("WEBHOOKS_ALLOW_NETWORKS", "10.0.0.0/8,127.0.0.0/16", "loopback"),
        ("WEBHOOKS_ALLOW_NETWORKS", "0.0.0.0/0", "loopback"),
        ("WEBHOOKS_ALLOW_NETWORKS", "::/0", "loopback"),
        ("WEBHOOKS_ALLOW_NETWORKS", "::1/128", "loopback"),
        ("WEBHOOKS_ALLOW_NETWORKS", "::ffff:7f00:1/128", "loopback"),
        ("WEBHOOKS_ALLOW_NETWORKS", "169.254.169.254/32", "link-local"),
    ];
    for (name, value, part) in table {
        one(&Desk::production("").env(&format!("BELLBUOY_{name}"), value), &[part]);
    }
    let private =
        Desk::production("").env("BELLBUOY_WEBHOOKS_ALLOW_NETWORKS", "10.0.0.0/8,fd00::/8");
    assert_eq!(private.config().webhooks.allow_networks.len(), 2);
}

#[test]
fn all_are_told_at_once() {
    let toml = "[http]\nlistn = 1\nmax_body = \"big\"\n[nonsense]\n[webhooks]\ntimeout = \"24s\"";
    let desk = Desk::new(toml)
        .env("BELLBUOY_PROFILE", "production")
        .env("BELLBUOY_HTTP_PUBLIC_URL", "nowhere")
        .env("BELLBUOY_QUEUE_URLL", "sql:")
        .env("BELLBUOY_SEAL_KEY", "hunter2");
    let message = desk.message();
    let lines: Vec<&str> =
        message.lines().map(|line| line.split(['(', '=']).next().unwrap().trim()).collect();
    let expected = [
        "7 mistakes in the configuration:",
        "- http.listn",
        "- nonsense",
        "- BELLBUOY_QUEUE_URLL",
        "- http.public_url",
        "- http.max_body",
        "- seal.key",
        "- webhooks.timeout",
    ];
    assert_eq!(lines, expected, "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

/// What protects people or the installation can be made stricter, and not be switched off.
#[test]
fn strict_profiles_switch_no_protection_off() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("HTTP_MAX_BODY", &["1GiB"], &["256KiB", "128MiB"]),
        ("HTTP_REQUEST_TIMEOUT", &["10m"], &["6s", "5m"]),
        ("HTTP_MAX_CONNECTIONS", &["0", "1", "1000000"], &["16", "200000"]),
        ("HTTP_MAX_CONNECTIONS_PER_ADDRESS", &["0"], &["1", "200000"]),
        ("HTTP_MAX_ANONYMOUS_BODY", &["1MiB"], &["4KiB", "256KiB"]),
        ("HTTP_STREAM_TIMEOUT", &["1s", "2d"], &["10s", "1d"]),
        ("HTTP_STREAM_MIN_RATE", &["0B"], &["1KiB", "1MiB"]),
        ("HTTP_HEADER_TIMEOUT", &["0s", "100ms", "5m"], &["1s", "1m"]),
        ("FILES_URL_TTL", &["7d"], &["1s", "1d"]),
        ("LIMITS_ADDRESS_PER_SECOND", &["0", "1000000"], &["1", "10000"]),
        ("LIMITS_LOGIN_PER_MINUTE", &["0", "1001"], &["1", "1000"]),
        ("LIMITS_REGISTER_PER_MINUTE", &["0", "601"], &["1", "600"]),
        ("LIMITS_RECOVER_PER_MINUTE", &["0", "601"], &["1", "600"]),
        ("LIMITS_REFRESH_PER_MINUTE", &["0", "4294967295"], &["1", "10000"]),
        ("LIMITS_BURST_SECONDS", &["0", "3600"], &["1", "60"]),
        ("LIMITS_LEASE_WINDOW", &["0s", "1m"], &["1ms", "1s"]),
        ("ACCEPT_IDEMPOTENCY_TTL", &["1s", "365d"], &["1m", "90d"]),
        ("AUTH_ACCESS_TTL", &["0s", "1s", "3000d"], &["1m", "1h"]),
        ("AUTH_SESSION_IDLE", &["0s", "3650d"], &["5m", "90d"]),
        ("AUTH_SESSION_ABSOLUTE", &["0s", "3650d"], &["5m", "365d"]),
        ("AUTH_LOCKOUT", &["0s", "59s", "2d"], &["1m", "1d"]),
        ("AUTH_LOCKOUT_FAILURES", &["0", "101"], &["1", "100"]),
        ("AUTH_PASSWORD_MIN_LENGTH", &["7"], &["8", "128"]),
        ("AUTH_VERIFY_TTL", &["1m", "30d"], &["5m", "7d"]),
        ("AUTH_RESET_TTL", &["1m", "30d"], &["5m", "1d"]),
        ("AUTH_HASH_MEMORY", &["64KiB", "6MiB", "17MiB"], &["18MiB", "1GiB"]),
        ("AUTH_HASH_PASSES", &["0", "1", "101"], &["2", "5"]),
        ("MAIL_PER_ADDRESS_HOURLY", &["0", "1000"], &["1", "60"]),
        ("WEBHOOKS_MAX_RESPONSE", &["16MiB"], &["0B", "1MiB"]),
        ("AUDIT_RETENTION", &["1d"], &["30d", "3650d"]),
        (
            "HTTP_TRUSTED_PROXIES",
            &["0.0.0.0/0", "::/0", "128.0.0.0/1", "::ffff:0:0/96", "2000::/3"],
            &["10.0.0.0/8,fd00::/8", "2400:cb00::/32", "fc00::/7"],
        ),
    ];
    for (name, wrong, right) in table {
        let set = |value: &str| Desk::production("").env(&format!("BELLBUOY_{name}"), value);
        let key = name.to_lowercase().replacen('_', ".", 1);
        for value in *wrong {
            let desk = set(value);
            let found = desk.mistakes();
            // How much memory is enough depends on other settings, which may be told as well.
            let of_it = found.0.iter().filter(|one| one.key == key).count();
            let together = name.starts_with("AUTH_HASH") && found.0.len() == 1;
            assert!(of_it == 1 || together, "{name}={value}: {found}");
        }
        for value in *right {
            set(value).config();
        }
    }
    // Five passes make up for less memory, as OWASP has it.
    let few = Desk::production("").env("BELLBUOY_AUTH_HASH_MEMORY", "7MiB");
    one(&few, &["auth.hash_memory = \"7MiB\"", "at least 18MiB"]);
    few.env("BELLBUOY_AUTH_HASH_PASSES", "5").config();
}

#[test]
fn what_a_start_can_not_use_is_a_mistake() {
    for (name, value, part) in [
        (
            "AUTH_BASE_DOMAIN",
            "https://alerts.example.com",
            "it is a URL; it takes the domain alone",
        ),
        ("AUTH_BASE_DOMAIN", "alerts.example.com:8080", "there is a port in it"),
        ("AUTH_BASE_DOMAIN", ".example.com", "begins or ends with a dot"),
        ("AUTH_BASE_DOMAIN", "Example.com", "capital letters"),
        ("AUTH_BASE_DOMAIN", "127.0.0.1", "an IP address"),
        ("AUTH_BASE_DOMAIN", "a_b.example", "no name of a domain"),
        ("HTTP_CORS_ORIGINS", "https://*.example.com", "a * stands for all origins alone"),
        ("HTTP_CORS_ORIGINS", "app.example.com", "it is no URL"),
    ] {
        one(&Desk::new("").env(&format!("BELLBUOY_{name}"), value), &[part]);
    }
    let fine = Desk::new("").env("BELLBUOY_AUTH_BASE_DOMAIN", "alerts.example.com");
    assert_eq!(fine.config().auth.base_domain.as_deref(), Some("alerts.example.com"));
}
