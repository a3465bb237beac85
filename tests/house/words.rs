//! Are things called what this field calls them? `docs/glossary.md` says how.

use serde_json::Value;

use super::sources::{line, none, read, shipped, words};

/// What operations are not called, at the beginning of their summaries.
const VERBS: [&str; 8] = ["Change", "Forget", "Let", "Make", "Prove", "Read", "Take", "Tell"];

/// Words of ours alone, in the names of modules and types.
const NAMES: [&str; 18] = [
    "attempts", "auditor", "belief", "believed", "crowd", "deed", "deeds", "desk", "ladder",
    "lane", "lanes", "nobody", "nudge", "outlet", "people", "rung", "somebody", "turns",
];

/// What people are not called in summaries.
const PEOPLE: [&str; 4] = ["nobody", "people", "somebody", "whoever"];

/// Changes of what is one's own keep the words that users know from everywhere.
const KNOWN: [&str; 2] = ["Change my email address", "Change my password"];

#[test]
fn operations_are_called_what_others_call_them() {
    let document: Value = serde_json::from_str(&read("docs/openapi.json")).expect("JSON");
    let mut wrong = Vec::new();
    for operations in document["paths"].as_object().expect("paths").values() {
        for operation in operations.as_object().expect("operations").values() {
            let Some(summary) = operation["summary"].as_str() else { continue };
            let verb = summary.split(' ').next().unwrap_or_default();
            let lower = summary.to_lowercase();
            let named = PEOPLE.iter().any(|word| words(&lower, word).next().is_some());
            if (VERBS.contains(&verb) && !KNOWN.contains(&summary)) || named {
                wrong.push(format!("{}: {summary}", operation["operationId"]));
            }
        }
    }
    none("summaries in other words than docs/glossary.md has", &wrong);
}

#[test]
fn modules_and_types_are_called_what_others_call_them() {
    let mut wrong = Vec::new();
    for source in shipped() {
        for kind in ["enum", "mod", "struct", "trait", "type"] {
            for at in words(&source.code, kind) {
                let rest = source.code[at + kind.len()..].trim_start();
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = &rest[..end.unwrap_or(rest.len())];
                if parts(name).iter().any(|part| NAMES.contains(&part.as_str())) {
                    let at = line(&source.code, at);
                    wrong.push(format!("{}:{at}: {kind} {name}", source.path));
                }
            }
        }
    }
    none("names in other words than docs/glossary.md has", &wrong);
}

/// The words of a name, in lower case.
fn parts(name: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            found.push(String::new());
        }
        if c != '_'
            && let Some(last) = found.last_mut()
        {
            last.extend(c.to_lowercase());
        }
    }
    found
}

#[test]
fn a_name_is_taken_apart() {
    assert_eq!(parts("AuditOrigin"), ["", "audit", "origin"]);
    assert_eq!(parts("login_throttle"), ["login", "throttle"]);
    assert!(parts("LaneOfOne").contains(&"lane".to_owned()));
}
