//! Who may import whom, and which crate is used where.

use std::collections::BTreeSet;

use super::sources::{Source, files, line, none, read, shipped, words};

/// Which crates of ours each of them may depend on. The compiler refuses circles; this says which way is down.
const DIRECTIONS: [(&str, &[&str]); 17] = [
    ("shared/domain", &[]),
    ("shared/config", &["domain"]),
    ("shared/crypto", &["config", "domain"]),
    ("shared/telemetry", &["config", "domain"]),
    ("shared/redis", &["config"]),
    ("shared/aws", &["domain"]),
    ("shared/store", &["config", "crypto", "domain"]),
    ("shared/queue", &["aws", "config", "domain", "redis_link", "store"]),
    ("shared/coordination", &["redis_link"]),
    ("shared/files", &["aws", "config", "domain"]),
    ("shared/outbound", &["config", "telemetry"]),
    (
        "shared/services",
        &[
            "config",
            "coordination",
            "crypto",
            "domain",
            "files",
            "outbound",
            "queue",
            "store",
            "telemetry",
        ],
    ),
    (
        "shared/runtime",
        &[
            "config",
            "coordination",
            "crypto",
            "domain",
            "files",
            "queue",
            "redis_link",
            "services",
            "store",
            "telemetry",
        ],
    ),
    ("api", &["config", "domain", "files", "runtime", "services", "store", "telemetry"]),
    (
        "worker",
        &[
            "config",
            "crypto",
            "domain",
            "files",
            "outbound",
            "queue",
            "redis_link",
            "runtime",
            "services",
            "store",
            "telemetry",
        ],
    ),
    ("scheduler", &["config", "domain", "runtime", "store"]),
    (
        ".",
        &[
            "api",
            "config",
            "coordination",
            "crypto",
            "domain",
            "files",
            "outbound",
            "queue",
            "runtime",
            "scheduler",
            "services",
            "store",
            "worker",
        ],
    ),
];

/// Which files a crate is used in; a path without `.rs` is a module with all that is below it.
const USED_IN: [(&str, &[&str]); 18] = [
    ("apalis", &["worker/src/lib.rs"]),
    ("apalis_core", &["shared/queue/src/backend.rs"]),
    ("aws_credential_types", &["shared/aws/src/credentials.rs"]),
    ("aws_sdk_s3", &["shared/files/src/s3"]),
    ("aws_sdk_sqs", &["shared/queue/src/sqs"]),
    ("aws_smithy_http_client", &["shared/aws/src"]),
    ("aws_smithy_runtime_api", &["shared/aws/src", "shared/files/src/s3.rs"]),
    ("aws_smithy_types", &["shared/aws/src", "shared/queue/src/sqs/client.rs"]),
    ("evalexpr", &["shared/domain/src/condition/build"]),
    ("hyper", &["api/src/serve", "shared/outbound/src"]),
    ("jsonschema", &["shared/domain/src/event_type"]),
    ("opentelemetry", &["shared/telemetry/src"]),
    ("poem", &["api/src", "shared/telemetry/src/ops"]),
    ("poem_openapi", &["api/src"]),
    ("redis", &["shared/coordination/src/redis", "shared/redis/src", "shared/queue/src/redis"]),
    ("reqwest", &["shared/telemetry/src/otlp.rs"]),
    (
        "ring",
        &[
            "shared/domain/src/totp.rs",
            "shared/domain/src/webhook.rs",
            "shared/files/src/link.rs",
            "shared/files/src/upload.rs",
            "shared/domain/src/id.rs",
            "shared/crypto/src/certificate.rs",
            "shared/crypto/src/seal.rs",
            "shared/crypto/src/tokens.rs",
        ],
    ),
    ("sqlx", &["shared/domain/src/columns.rs", "shared/store/src"]),
];

#[test]
fn crates_depend_downwards() {
    let mut ours: BTreeSet<&str> = DIRECTIONS.iter().map(|(folder, _)| name_of(folder)).collect();
    ours.extend(["bench", "harness"]);
    let mut wrong = Vec::new();
    for (folder, allowed) in DIRECTIONS {
        let manifest = format!("{folder}/Cargo.toml");
        let table: toml::Table =
            read(&manifest).parse().unwrap_or_else(|error| panic!("{manifest}: {error}"));
        let dependencies =
            table.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        for name in dependencies.keys().map(String::as_str).filter(|name| ours.contains(name)) {
            if !allowed.contains(&name) {
                wrong.push(format!("{manifest} depends on {name}"));
            }
        }
        for name in allowed.iter().filter(|name| !dependencies.contains_key(**name)) {
            wrong.push(format!("{manifest} does not depend on {name}: take it off the list"));
        }
    }
    none("root → api, worker, scheduler → runtime → services → the engines → domain", &wrong);
    let listed: BTreeSet<String> =
        DIRECTIONS.iter().map(|(folder, _)| format!("{folder}/Cargo.toml")).collect();
    let all = files(&["shared"], "Cargo.toml");
    let missing: Vec<String> = all.into_iter().filter(|path| !listed.contains(path)).collect();
    none("a crate has its line in DIRECTIONS", &missing);
}

/// What a crate is called by those who depend on it.
fn name_of(folder: &str) -> &str {
    match folder {
        "." => "bellbuoy",
        "shared/redis" => "redis_link",
        other => other.rsplit('/').next().unwrap_or(other),
    }
}

#[test]
fn crates_are_used_where_they_belong() {
    let mut wrong = Vec::new();
    for source in shipped() {
        for (name, allowed) in USED_IN {
            if allowed.iter().any(|module| belongs(&source.path, module)) {
                continue;
            }
            for at in words(&source.code, name).filter(|at| is_crate(&source.code, *at, name)) {
                wrong.push(format!("{}:{} uses {name}", source.path, line(&source.code, at)));
            }
        }
    }
    none("a crate is used outside of its place", &wrong);
}

#[test]
fn every_place_of_a_crate_is_still_one() {
    let sources = shipped();
    let mut wrong = Vec::new();
    for (name, allowed) in USED_IN {
        for module in allowed {
            let uses = |source: &&Source| {
                belongs(&source.path, module)
                    && words(&source.code, name).any(|at| is_crate(&source.code, at, name))
            };
            if !sources.iter().any(|source| uses(&source)) {
                wrong.push(format!("{module} does not use {name}"));
            }
        }
    }
    none("take it off the list", &wrong);
}

/// Whether `path` is the file of that module or below it.
fn belongs(path: &str, module: &str) -> bool {
    path == module
        || path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Whether the word at `at` is the crate: the first in a path, or what is imported.
fn is_crate(code: &str, at: usize, name: &str) -> bool {
    let (before, after) = (code[..at].trim_end(), code[at + name.len()..].trim_start());
    let imported = before.ends_with("use") && (after.starts_with(';') || after.starts_with("as "));
    (after.starts_with("::") || imported) && !before.ends_with("::")
}

/// What the pure core has no business with: waiting, the outside, the machine's clock, telling of itself.
const IMPURE: [&str; 10] = [
    "async",
    "await",
    "fs",
    "metrics",
    "net",
    "process",
    "Instant",
    "SystemTime",
    "tokio",
    "tracing",
];

#[test]
fn the_domain_is_pure() {
    let mut wrong = Vec::new();
    // The clock is where the time comes from; everything else is given it.
    let is_pure = |source: &Source| {
        belongs(&source.path, "shared/domain/src") && source.path != "shared/domain/src/clock.rs"
    };
    for source in shipped().into_iter().filter(is_pure) {
        for word in IMPURE {
            let found = words(&source.code, word)
                .map(|at| format!("{}:{}: {word}", source.path, line(&source.code, at)));
            wrong.extend(found);
        }
    }
    none("the domain waits for nothing and asks nobody", &wrong);
}

#[test]
fn uses_of_a_crate_are_understood() {
    assert!(is_crate("use redis;", 4, "redis") && is_crate("x(redis::cmd())", 2, "redis"));
    assert!(
        !is_crate("crate::queue::redis::Q", 14, "redis") && !is_crate("mod redis;", 4, "redis")
    );
}
