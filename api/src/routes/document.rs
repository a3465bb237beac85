//! What poem-openapi leaves out of the document, or writes in its own way.

mod components;
mod examples;

use std::collections::BTreeSet;

use poem::http::HeaderName;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// Completes a document.
pub fn complete(document: &str) -> String {
    let Ok(mut document) = serde_json::from_str::<Value>(document) else {
        return document.to_owned();
    };
    name_headers(&mut document);
    flatten(&mut document);
    close_requests(&mut document);
    examples::add(&mut document);
    components::share(&mut document);
    serde_json::to_string_pretty(&Ordered(&document)).unwrap_or_default()
}

/// A document in the order of its words, but for the media types of a body: of several, generators of clients take the
/// first, and that should be the one that most senders use.
struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let usual = fields.get_key_value("application/json").into_iter();
                let others = fields.iter().filter(|(name, _)| *name != "application/json");
                let all = usual.chain(others);
                serializer.collect_map(all.map(|(name, value)| (name, Ordered(value))))
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Ordered)),
            other => other.serialize(serializer),
        }
    }
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut)
}

/// Headers are written in capitals; people know them as `Retry-After`.
fn name_headers(document: &mut Value) {
    let responses = operations(document).filter_map(|one| one["responses"].as_object_mut());
    for response in responses.flat_map(Map::values_mut) {
        if let Some(Value::Object(headers)) = response.get_mut("headers") {
            let named = std::mem::take(headers).into_iter();
            headers.extend(named.map(|(name, header)| (title_case(&name), header)));
        }
    }
}

fn title_case(name: &str) -> String {
    let name = HeaderName::try_from(name).map_or_else(|_| name.to_owned(), |name| name.to_string());
    if name == "etag" {
        return "ETag".to_owned();
    }
    match name.strip_prefix("ratelimit-") {
        Some(rest) => format!("RateLimit-{}", capital(rest)),
        None => name.split('-').map(capital).collect::<Vec<_>>().join("-"),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// A reference with a description beside it is written as `allOf`, over which generators of clients stumble: a plain
/// reference is enough, for the schema describes itself.
fn flatten(value: &mut Value) {
    let referred = value["allOf"].as_array().and_then(|all| match all.as_slice() {
        [one, rest @ ..] if rest.iter().all(|part| part.get("description").is_some()) => {
            one.get("$ref").cloned()
        }
        _ => None,
    });
    if let Some(path) = referred {
        *value = json!({ "$ref": path });
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(flatten),
        Value::Array(items) => items.iter_mut().for_each(flatten),
        _ => {}
    }
}

/// The name of the schema that is referred to.
fn name_of(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// What others send in their own words, of which not all are ours to know.
const OPEN: [&str; 4] = ["AlertWebhook", "CloudEvent", "SnsMessage", "WebhookAlert"];

/// Unknown fields of requests are refused, and the document says so.
fn close_requests(document: &mut Value) {
    let mut open: Vec<String> = Vec::new();
    operations(document).for_each(|one| references(&one["requestBody"], &mut open));
    let mut closed = BTreeSet::new();
    while let Some(name) = open.pop() {
        let schema = &mut document["components"]["schemas"][&name];
        references(schema, &mut open);
        if schema["properties"].is_object() && !OPEN.contains(&name.as_str()) {
            schema["additionalProperties"] = Value::Bool(false);
        }
        closed.insert(name);
        open.retain(|name| !closed.contains(name));
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(path)) = fields.get("$ref") {
                found.extend(path.rsplit('/').next().map(str::to_owned));
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
