//! What repeats stands once, among the components: headers, and answers that several operations give.

use std::collections::BTreeMap;

use poem::http::StatusCode;
use serde_json::{Map, Value, json};

use super::operations;

/// Moves headers, and answers that repeat, into components.
pub fn share(document: &mut Value) {
    share_headers(document);
    share_responses(document);
}

fn share_headers(document: &mut Value) {
    let mut shared = Shared::new("headers");
    for operation in operations(document) {
        let responses = operation["responses"].as_object_mut().into_iter();
        for response in responses.flat_map(Map::values_mut) {
            let headers = response.get_mut("headers").and_then(Value::as_object_mut);
            for (name, header) in headers.into_iter().flatten() {
                *header = shared.reference(name, header.take());
            }
        }
    }
    shared.add_to(document);
}

fn share_responses(document: &mut Value) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for operation in operations(document) {
        for response in operation["responses"].as_object().into_iter().flat_map(Map::values) {
            *uses.entry(response.to_string()).or_default() += 1;
        }
    }
    let mut shared = Shared::new("responses");
    for operation in operations(document) {
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            if uses.get(&response.to_string()).is_some_and(|uses| *uses > 1) {
                let name = response_name(status, response);
                *response = shared.reference(&name, response.take());
            }
        }
    }
    shared.add_to(document);
}

/// `NotFound` for a problem, `RoleOk` for a role.
fn response_name(status: &str, response: &Value) -> String {
    let reason = StatusCode::from_bytes(status.as_bytes()).ok();
    let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or(status);
    let reason: String = match reason {
        "OK" => "Ok".to_owned(),
        words => words.split_whitespace().collect(),
    };
    let schema = response["content"]["application/json"]["schema"]["$ref"].as_str();
    let schema = schema.and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    format!("{schema}{reason}")
}

/// Components of one kind, by their names; two that differ and would have the same name are numbered.
struct Shared {
    kind: &'static str,
    known: Map<String, Value>,
}

impl Shared {
    fn new(kind: &'static str) -> Self {
        Self { kind, known: Map::new() }
    }

    fn reference(&mut self, name: &str, value: Value) -> Value {
        let mut key = name.to_owned();
        let mut number = 1;
        while self.known.get(&key).is_some_and(|known| *known != value) {
            number += 1;
            key = format!("{name}{number}");
        }
        let path = format!("#/components/{}/{key}", self.kind);
        self.known.insert(key, value);
        json!({ "$ref": path })
    }

    fn add_to(self, document: &mut Value) {
        document["components"][self.kind] = Value::Object(self.known);
    }
}
