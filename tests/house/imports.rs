//! Who may import whom, and which crate is used where.

use std::collections::BTreeSet;

use super::sources::{Source, line, none, read, shipped, words};

/// Which workspace crates each of them may depend on.
const DIRECTIONS: [(&str, &[&str]); 5] = [
    ("Cargo.toml", &["api", "scheduler", "shared", "worker"]),
    ("api/Cargo.toml", &["shared"]),
    ("scheduler/Cargo.toml", &["shared"]),
    ("shared/Cargo.toml", &[]),
    ("worker/Cargo.toml", &["shared"]),
];

/// Which files a crate is used in; a path without `.rs` is a module with all that is below it.
const USED_IN: [(&str, &[&str]); 17] = [
    ("apalis", &["worker/src/lib.rs"]),
    ("apalis_core", &["shared/queue/src/backend.rs"]),
    ("aws_credential_types", &["shared/aws/src/credentials.rs"]),
    ("aws_sdk_s3", &["shared/files/src/s3"]),
    ("aws_sdk_sqs", &["shared/queue/src/sqs"]),
    ("aws_smithy_http_client", &["shared/aws/src"]),
    ("aws_smithy_runtime_api", &["shared/aws/src", "shared/files/src/s3.rs"]),
    ("aws_smithy_types", &["shared/aws/src", "shared/queue/src/sqs/client.rs"]),
    ("evalexpr", &["shared/domain/src/condition/build"]),
    ("hyper", &["api/src/serve", "worker/src/outbound"]),
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
            "shared/crypto/src/seal.rs",
            "shared/crypto/src/tokens.rs",
        ],
    ),
    ("sqlx", &["shared/store/src"]),
];

/// The layers of `shared`: what the module may use of the crate, besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("private", &[]),
    ("id", &["time"]),
    ("domain", &["id", "time"]),
    ("aws", &["time"]),
    ("files", &["aws", "config", "id", "private", "time"]),
    ("link", &[]),
    ("coordination", &["domain", "id", "link", "time"]),
    ("clock", &["time"]),
    ("store", &["config", "domain", "id", "private", "time"]),
    ("queue", &["aws", "clock", "domain", "id", "link", "store", "time"]),
];

#[test]
fn crates_depend_downwards() {
    let mut wrong = Vec::new();
    for (manifest, allowed) in DIRECTIONS {
        let manifest_text = read(manifest);
        let table: toml::Table =
            manifest_text.parse().unwrap_or_else(|error| panic!("{manifest}: {error}"));
        let dependencies =
            table.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        for name in ["api", "bench", "bellbuoy", "harness", "scheduler", "shared", "worker"] {
            if dependencies.contains_key(name) && !allowed.contains(&name) {
                wrong.push(format!("{manifest} depends on {name}"));
            }
        }
    }
    none("root → api, worker, scheduler → shared, and no other way", &wrong);
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

#[test]
fn modules_depend_downwards() {
    let mut wrong = Vec::new();
    for source in shipped() {
        let Some(own) = source.path.strip_prefix("shared/src/") else { continue };
        let own = own.split(['/', '.']).next().unwrap_or_default();
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == own) else { continue };
        for used in modules(&source.code) {
            if used != own && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses crate::{used}", source.path));
            }
        }
    }
    none("queue → store → domain → id, time", &wrong);
}

/// The modules of its own crate that code names.
fn modules(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for at in words(code, "crate") {
        let Some(path) = code[at + "crate".len()..].strip_prefix("::") else { continue };
        match path.strip_prefix('{') {
            None => found.extend([name(path)]),
            Some(group) => found.extend(tops(group)),
        }
    }
    // A macro that is exported is no module.
    found.retain(|name| !name.is_empty());
    found
}

/// The first names of the paths in a group, up to its end.
fn tops(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(name(group[start..at].trim_start()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(name(group[start..at].trim_start()));
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

fn name(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
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
    for source in shipped().into_iter().filter(|source| belongs(&source.path, "shared/domain/src"))
    {
        for word in IMPURE {
            let found = words(&source.code, word)
                .map(|at| format!("{}:{}: {word}", source.path, line(&source.code, at)));
            wrong.extend(found);
        }
    }
    none("the domain waits for nothing and asks nobody", &wrong);
}

#[test]
fn groups_of_imports_are_understood() {
    let code = "use crate::{a::b, c::{d, e}, f}; use crate::g; crate::h::i();";
    let found: Vec<String> = modules(code).into_iter().collect();
    assert_eq!(found, ["a", "c", "f", "g", "h"]);
    assert!(is_crate("use redis;", 4, "redis") && is_crate("x(redis::cmd())", 2, "redis"));
    assert!(
        !is_crate("crate::queue::redis::Q", 14, "redis") && !is_crate("mod redis;", 4, "redis")
    );
}
