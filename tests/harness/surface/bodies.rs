//! Bodies of requests, made from the examples and schemas of the document and full of a text that is looked for later.

use std::collections::BTreeMap;

use domain::clock::Clock;
use serde_json::{Map, Value, json};

use super::{Operation, Surface};
use crate::account::PASSWORD;
use crate::front::{Caller, Front, Reply};

/// Bodies that can't be made from the document: the id of the operation and the body. `$canary`, `$slug`, `$email`,
/// `$password` and `$id` of a place (like `$users/{id}`) stand for what the project has, and `$today` for when the day began.
pub const BODIES: &[(&str, &str)] = &[
    (
        "import_events",
        "{\"type\":\"$canary\",\"source\":\"$canary\",\"payload\":{\"note\":\"$canary\",\"group\":\"a\"}}\n",
    ),
    // Every project has this role, and what else a rule names is not there.
    (
        "create_rule",
        "{\"name\":\"$email\",\"description\":\"$canary\",\"condition\":\"event.type == \\\"$canary\\\"\",\"priority\":\"high\",\"target_roles\":[\"responder\"]}",
    ),
    (
        "update_rule",
        "{\"name\":\"$email\",\"description\":\"$canary\",\"condition\":\"event.source == \\\"$canary\\\"\",\"priority\":\"low\",\"target_roles\":[\"responder\"]}",
    ),
    (
        "try_rule",
        "{\"rule\":{\"name\":\"$canary\",\"condition\":\"event.source == \\\"$canary\\\"\",\"priority\":\"low\",\"target_roles\":[\"responder\"]},\"event\":{\"type\":\"$canary\",\"payload\":{\"note\":\"$canary\"}}}",
    ),
    ("restore_rule", "{\"version\":1}"),
    (
        "create_backtest",
        "{\"rule\":{\"name\":\"$canary\",\"condition\":\"event.source == \\\"$canary\\\"\",\"priority\":\"low\",\"target_roles\":[\"responder\"]},\"from\":\"$today\"}",
    ),
    // Nothing listens there, so that a test of it is over at once; and nothing else is sent to it.
    (
        "create_webhook_endpoint",
        "{\"name\":\"$email\",\"url\":\"http://127.0.0.1:9/$canary\",\"description\":\"$canary\",\"enabled\":false}",
    ),
    (
        "update_webhook_endpoint",
        "{\"name\":\"$email\",\"url\":\"http://127.0.0.1:9/$canary\",\"description\":\"$canary\",\"priorities\":[\"low\"],\"enabled\":false}",
    ),
    ("create_bulk_action", "{\"action\":\"acknowledge\",\"alerts\":{\"q\":\"$canary\"}}"),
    // The first admin: a session has to be there.
    (
        "login",
        "{\"project\":\"$slug\",\"email\":\"$canary@example.com\",\"password\":\"$password\"}",
    ),
];

/// How often a body is put right by what the answer says of it.
const TRIES: usize = 40;

/// What stands in the bodies of one project.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// The text that is looked for later: letters and digits, so that it is good for everything.
    pub canary: String,
    /// The short name of the project.
    pub slug: String,
    /// Ids by the key of their place.
    pub ids: BTreeMap<String, String>,
    /// The last body that each operation was sent.
    pub sent: BTreeMap<String, String>,
    count: usize,
}

impl Words {
    /// The words of a project.
    pub fn new(canary: &str, slug: &str) -> Self {
        Self { canary: canary.to_owned(), slug: slug.to_owned(), ..Self::default() }
    }

    /// A name that was not there before.
    pub fn fresh(&mut self) -> String {
        self.count += 1;
        format!("{}{}", self.canary, self.count)
    }

    fn fill(&mut self, text: &str) -> String {
        let name = self.fresh();
        let mut text = text
            .replace("$canary", &self.canary)
            .replace("$slug", &self.slug)
            .replace("$email", &format!("{name}@example.com"))
            .replace("$password", PASSWORD)
            .replace("$today", &format!("{}T00:00:00Z", &Clock::System.now().rfc3339()[..10]));
        for (place, id) in &self.ids {
            text = text.replace(&format!("${place}"), id);
        }
        text
    }

    fn text(&mut self, name: &str, schema: &Value) -> Value {
        let name = name.to_lowercase();
        if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
            return first.clone();
        }
        let text = match schema["format"].as_str() {
            Some("uuid") => {
                // `user_id` is the id of something that stands under `users/{id}`.
                let noun = name.trim_end_matches("_id");
                let place = format!("{noun}s/{{id}}");
                let known = self.ids.get(&place).cloned();
                known.unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
            }
            Some("date-time") => "2099-01-31T09:30:00Z".to_owned(),
            Some("uri" | "url") => format!("https://{}.example.com/", self.fresh()),
            Some("email") => format!("{}@example.com", self.fresh()),
            _ if name.contains("email") => format!("{}@example.com", self.fresh()),
            _ if name.contains("password") => PASSWORD.to_owned(),
            _ if name == "project" => self.slug.clone(),
            // Every project has this one.
            _ if name.contains("role") => "viewer".to_owned(),
            _ => self.fresh(),
        };
        Value::String(text)
    }
}

impl Surface {
    /// A value of this schema: the example, with everything that takes any text filled with the canary.
    fn value(
        &self,
        name: &str,
        schema: &Value,
        example: Option<&Value>,
        words: &mut Words,
    ) -> Value {
        let schema = self.resolve(schema);
        let example = example.or_else(|| schema.get("example")).filter(|one| !one.is_null());
        match schema["type"].as_str() {
            Some("object") if schema["properties"].is_object() => {
                self.object(&schema, example, words)
            }
            // Only what takes anything takes the canary.
            Some("object") if !schema["additionalProperties"]["type"].is_null() => {
                example.cloned().unwrap_or_else(|| json!({}))
            }
            Some("object") => json!({ "note": words.canary, &words.canary: [words.canary] }),
            Some("array") => match example {
                Some(example) => example.clone(),
                None => Value::Array(vec![self.value(name, &schema["items"], None, words)]),
            },
            Some("string") => {
                let takes_any = schema["enum"].is_null() && schema["format"].is_null();
                match example {
                    Some(example) if !takes_any => example.clone(),
                    _ => words.text(name, &schema),
                }
            }
            Some("integer" | "number") => example.cloned().unwrap_or_else(|| {
                // As much as may be: a limit that is set must not be in the way of what comes after it.
                let bound = |name: &str| schema[name].as_i64();
                json!(
                    bound("maximum")
                        .or_else(|| bound("minimum").map(|least| least.max(1000)))
                        .unwrap_or(1)
                )
            }),
            Some("boolean") => example.cloned().unwrap_or(Value::Bool(true)),
            _ => example.cloned().unwrap_or_else(|| json!(words.canary)),
        }
    }

    fn object(&self, schema: &Value, example: Option<&Value>, words: &mut Words) -> Value {
        let mut object = Map::new();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let given = example.and_then(|example| example.get(name));
            let property = self.resolve(property);
            // What refers to something else is left out if it may be: it is tried apart from this.
            let refers = property["format"] == "uuid" && !required.contains(&name.as_str());
            let left_out = refers || given.is_some_and(Value::is_null);
            if !left_out {
                object.insert(name.clone(), self.value(name, &property, given, words));
            }
        }
        Value::Object(object)
    }

    /// The text of a body for an operation, with its media type.
    pub fn body(&self, operation: &Operation, words: &mut Words) -> Option<(String, String)> {
        let (media_type, schema) = operation.body.as_ref()?;
        let known = BODIES.iter().find(|(id, _)| *id == operation.id);
        let text = match known {
            Some((_, text)) => words.fill(text),
            None => self.value("", schema, None, words).to_string(),
        };
        Some((media_type.clone(), text))
    }

    /// Sends an operation with a body that its caller may send. A field that is refused gets the value of the example, or
    /// is left out, and it is tried again.
    pub async fn send(
        &self,
        front: &Front,
        caller: &Caller,
        operation: &Operation,
        path: &str,
        words: &mut Words,
    ) -> Reply {
        let Some((media_type, mut text)) = self.body(operation, words) else {
            return front.call(caller, &operation.method, path, None).await;
        };
        let schema = operation.body.as_ref().map(|(_, schema)| self.resolve(schema));
        let mut tried: Vec<String> = Vec::new();
        loop {
            words.sent.insert(operation.id.clone(), text.clone());
            let body = Some((media_type.as_str(), text.clone()));
            let reply = front.call(caller, &operation.method, path, body).await;
            let wrong = first_fault(&reply).filter(|_| tried.len() < TRIES);
            let parsed = serde_json::from_str::<Value>(&text).ok().filter(Value::is_object);
            let (Some(field), Some(mut body), Some(schema)) = (wrong, parsed, &schema) else {
                return reply;
            };
            let top = field.split(['.', '[']).next().unwrap_or_default();
            let example = schema["example"].get(top).filter(|one| !one.is_null());
            match example {
                Some(example) if !tried.iter().any(|one| one == top) => body[top] = example.clone(),
                _ => {
                    let required = schema["required"].as_array();
                    if required.is_some_and(|all| all.iter().any(|one| one == top)) {
                        return reply;
                    }
                    let Some(object) = body.as_object_mut() else { return reply };
                    if object.remove(top).is_none() {
                        return reply;
                    }
                }
            }
            tried.push(top.to_owned());
            text = body.to_string();
        }
    }
}

/// The field that a refusal names first.
fn first_fault(reply: &Reply) -> Option<String> {
    (reply.status == 400).then(|| reply.json())?["errors"][0]["field"].as_str().map(str::to_owned)
}

/// Whether the answer says that the request was not one of this operation at all.
pub fn is_misshapen(reply: &Reply) -> bool {
    let problem = reply.json();
    let shape = ["required", "unknown_field", "wrong_type"];
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    reply.status == 415
        || problem["code"] == "malformed_json"
        || errors.iter().any(|one| shape.iter().any(|word| one["code"] == *word))
}
