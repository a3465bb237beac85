//! An example for every body, made from the schemas and one table of what fields hold (`examples.json`): by
//! `Schema.field`, or by the name of the field alone; `null` leaves a field out.

use serde_json::{Map, Value, json};

use super::{name_of, operations};
use crate::problem::{Code, MEDIA_TYPE};

const TABLE: &str = include_str!("examples.json");
const ID: &str = "0197a3f2-5c1e-7b4a-9d3f-2e8c6a1b0f47";
const TIME: &str = "2026-11-29T12:00:00.000Z";
/// How deep an example goes; schemas may contain themselves.
const MAX_DEPTH: usize = 12;

/// Gives every JSON body of a request or an answer an example.
pub fn add(document: &mut Value) {
    let examples = Examples { schemas: document["components"]["schemas"].clone(), table: table() };
    for operation in operations(document) {
        if let Some(Value::Object(content)) = operation.pointer_mut("/requestBody/content") {
            examples.fill(content);
        }
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            if let Some(Value::Object(content)) = response.get_mut("content") {
                match content.get_mut(MEDIA_TYPE) {
                    Some(problem) => problem["example"] = problem_example(status),
                    None => examples.fill(content),
                }
            }
        }
    }
}

fn table() -> Map<String, Value> {
    serde_json::from_str(TABLE).unwrap_or_default()
}

/// The first kind of problem that has this status.
fn problem_example(status: &str) -> Value {
    let code = Code::ALL.iter().find(|code| code.status().as_str() == status);
    let code = code.copied().unwrap_or(Code::Internal);
    json!({
        "type": "about:blank",
        "title": code.title(),
        "status": code.status().as_u16(),
        "code": code.as_str(),
        "request_id": ID,
    })
}

struct Examples {
    schemas: Value,
    table: Map<String, Value>,
}

impl Examples {
    fn fill(&self, content: &mut Map<String, Value>) {
        for (media_type, body) in content {
            if media_type != "application/json" && !media_type.ends_with("+json") {
                continue;
            }
            if let Some(example) = self.of("", "", &body["schema"], 0) {
                body["example"] = example;
            }
        }
    }

    /// An example of a schema; none for a field that is left out.
    fn of(&self, owner: &str, field: &str, schema: &Value, depth: usize) -> Option<Value> {
        if let Some(known) = self.known(owner, field) {
            return (!known.is_null()).then(|| known.clone());
        }
        if depth > MAX_DEPTH {
            return None;
        }
        if let Some(name) = name_of(schema) {
            let schema = &self.schemas[name];
            return match schema.get("example") {
                Some(example) => Some(without_nulls(example)),
                None => self.of_type(name, field, schema, depth + 1),
            };
        }
        self.of_type(owner, field, schema, depth + 1)
    }

    fn known(&self, owner: &str, field: &str) -> Option<&Value> {
        self.table.get(&format!("{owner}.{field}")).or_else(|| self.table.get(field))
    }

    fn of_type(&self, owner: &str, field: &str, schema: &Value, depth: usize) -> Option<Value> {
        if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
            return Some(first.clone());
        }
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("object"), _) => Some(self.object(owner, schema, depth)),
            (Some("array"), _) => {
                Some(self.of(owner, "", &schema["items"], depth).into_iter().collect())
            }
            (Some("string"), Some("uuid")) => Some(json!(ID)),
            (Some("string"), Some("date-time")) => Some(json!(TIME)),
            (Some("integer" | "number"), _) => {
                let least = schema["minimum"].as_f64().unwrap_or_default().max(1.0);
                Some(json!(least as u64))
            }
            (Some("boolean"), _) => Some(Value::Bool(true)),
            _ => Some(json!(field)),
        }
    }

    fn object(&self, owner: &str, schema: &Value, depth: usize) -> Value {
        let fields = schema["properties"].as_object().into_iter().flatten();
        let example = |(name, property): (&String, &Value)| {
            Some((name.clone(), self.of(owner, name, property, depth)?))
        };
        Value::Object(fields.filter_map(example).collect())
    }
}

/// What is not known is left out on the wire, and so it is in examples.
fn without_nulls(example: &Value) -> Value {
    match example {
        Value::Object(fields) => {
            let known = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(known.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field whose name alone would be its example gets a line in the table.
    #[test]
    fn every_text_has_an_example_of_its_own() {
        let document: Value = serde_json::from_str(&crate::openapi()).expect("JSON");
        let table = table();
        let mut missing = Vec::new();
        for (owner, schema) in document["components"]["schemas"].as_object().expect("schemas") {
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                let is_text = property["type"] == "string" || property["type"].is_null();
                let tells =
                    ["format", "enum", "$ref"].iter().any(|one| property.get(one).is_some());
                // Some schemas have an example as a whole.
                if schema["example"].get(field).is_some() {
                    continue;
                }
                let key = format!("{owner}.{field}");
                if is_text && !tells && !table.contains_key(&key) && !table.contains_key(field) {
                    missing.push(key);
                }
            }
        }
        assert!(missing.is_empty(), "examples.json lacks {missing:?}");
    }
}
