//! What may come in as a dependency: `deny.toml`, honoured without building cargo-deny.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::sources::{none, read, root};

/// The policy, as it is written down.
struct Policy {
    licences: BTreeSet<String>,
    exceptions: BTreeMap<String, BTreeSet<String>>,
    banned: BTreeSet<String>,
}

impl Policy {
    fn read() -> Self {
        let table: toml::Table = read("deny.toml").parse().expect("TOML");
        let text = |value: &toml::Value| value.as_str().expect("a text").to_owned();
        let list = |value: &toml::Value| value.as_array().expect("a list").clone();
        let licences = &table["licenses"];
        let exceptions = licences.get("exceptions").map(list).unwrap_or_default();
        let exception = |one: &toml::Value| {
            (text(&one["crate"]), list(&one["allow"]).iter().map(text).collect())
        };
        for wanted in ["unknown-registry", "unknown-git"] {
            assert_eq!(text(&table["sources"][wanted]), "deny", "sources.{wanted}");
        }
        Self {
            licences: list(&licences["allow"]).iter().map(text).collect(),
            exceptions: exceptions.iter().map(exception).collect(),
            banned: list(&table["bans"]["deny"]).iter().map(|one| text(&one["crate"])).collect(),
        }
    }

    /// Whether a crate with this licence may come in.
    fn allows(&self, name: &str, licence: &str) -> bool {
        let fine = |one: &str| {
            let excused = self.exceptions.get(name).is_some_and(|allowed| allowed.contains(one));
            excused || self.licences.contains(one)
        };
        holds(licence, &fine)
    }
}

/// Whether a licence expression holds: some alternative of `OR`, each part of `AND`. The slash of old manifests is `OR`.
fn holds(expression: &str, fine: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().collect();
    words.reverse();
    let answer = any(&mut words, fine);
    assert!(words.is_empty(), "{expression} goes on after its end");
    answer
}

fn any(words: &mut Vec<&str>, fine: &dyn Fn(&str) -> bool) -> bool {
    let mut answer = all(words, fine);
    while words.last() == Some(&"OR") {
        words.pop();
        answer |= all(words, fine);
    }
    answer
}

fn all(words: &mut Vec<&str>, fine: &dyn Fn(&str) -> bool) -> bool {
    let mut answer = one(words, fine);
    while words.last() == Some(&"AND") {
        words.pop();
        answer &= one(words, fine);
    }
    answer
}

fn one(words: &mut Vec<&str>, fine: &dyn Fn(&str) -> bool) -> bool {
    let word = words.pop().expect("a licence");
    if word == "(" {
        let answer = any(words, fine);
        assert_eq!(words.pop(), Some(")"), "an open parenthesis");
        return answer;
    }
    if words.last() != Some(&"WITH") {
        return fine(word);
    }
    words.pop();
    let exception = words.pop().expect("an exception");
    fine(&format!("{word} WITH {exception}"))
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let done =
        Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(
        done.status.success(),
        "cargo {arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).expect("UTF-8")
}

/// Every package that this machine builds for any target of the workspace, tests included. Those of other platforms are
/// not on the disk, and the test asks no network for them; that they come from the registry is seen in `Cargo.lock`.
fn packages() -> Vec<Value> {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let asked = [
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--offline",
        "--all-features",
        "--filter-platform",
        host,
    ];
    let metadata: Value = serde_json::from_str(&cargo(&asked)).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

#[test]
fn licences_are_on_the_list() {
    let policy = Policy::read();
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        match package["license"].as_str() {
            Some(licence) if policy.allows(name, licence) => {}
            licence => wrong.push(format!("{name}: {}", licence.unwrap_or("no licence"))),
        }
    }
    none("no such licence is allowed in deny.toml", &wrong);
}

#[test]
fn what_is_excused_does_not_ship() {
    let policy = Policy::read();
    // What is built of the one binary alone: no tests, and only the features that it turns on.
    let shipped = cargo(&[
        "tree",
        "--locked",
        "--offline",
        "-p",
        "bellbuoy",
        "-e",
        "normal,build",
        "--prefix",
        "none",
    ]);
    let shipped: BTreeSet<&str> =
        shipped.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(shipped.contains("bellbuoy-domain"), "the tree was not understood");
    let there = packages();
    for name in policy.exceptions.keys() {
        assert!(
            !shipped.contains(name.as_str()),
            "{name} ships, and its licence is not on the list"
        );
        let used = there.iter().any(|package| package["name"] == name.as_str());
        assert!(used, "{name} is gone: take its exception off deny.toml");
    }
}

#[test]
fn banned_crates_and_other_sources_stay_out() {
    let policy = Policy::read();
    let lock: toml::Table = read("Cargo.lock").parse().expect("TOML");
    let mut wrong = Vec::new();
    for package in lock["package"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        if policy.banned.contains(name) {
            wrong.push(format!("{name} is banned"));
        }
        match package.get("source").and_then(toml::Value::as_str) {
            None | Some("registry+https://github.com/rust-lang/crates.io-index") => {}
            Some(other) => wrong.push(format!("{name} comes from {other}")),
        }
    }
    none("deny.toml does not let this in", &wrong);
}

#[test]
fn versions_are_named() {
    let mut wrong = Vec::new();
    for package in packages().into_iter().filter(|package| package["source"].is_null()) {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            if dependency["req"] == "*" && dependency["path"].is_null() {
                wrong.push(format!("{} takes any {}", package["name"], dependency["name"]));
            }
        }
    }
    none("a dependency without a version", &wrong);
}

#[test]
fn expressions_are_understood() {
    let fine = |one: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&one);
    for (expression, wanted) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 / ISC", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(GPL-3.0 OR MIT) AND X", false),
        ("X OR MIT AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception OR X", true),
        ("Apache-2.0 OR X", false),
    ] {
        assert_eq!(holds(expression, &fine), wanted, "{expression}");
    }
}
