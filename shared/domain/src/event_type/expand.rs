//! A schema in one piece, in the words of one edition: what `$ref` names stands in its place, what older editions call
//! otherwise is called as draft 2020-12 has it, and what asks nothing of a value is left out.
//!
//! Checks and comparisons look at this form alone, so that they cannot differ in what they take a schema to mean.

use serde_json::{Map, Value};

use super::keywords::{Draft, MANY, NAMED, ONE, PLAIN, target};

/// Keywords that draft 7 does not have: there they say nothing.
const LATER: [&str; 8] = [
    "dependentRequired",
    "dependentSchemas",
    "maxContains",
    "minContains",
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$defs",
];

/// The whole of a schema. Its references lead to no circle and not too far, which was looked at before.
pub(super) fn expand(root: &Value, draft: Draft) -> Value {
    Expansion { root, draft }.of(root)
}

struct Expansion<'a> {
    root: &'a Value,
    draft: Draft,
}

impl Expansion<'_> {
    fn of(&self, schema: &Value) -> Value {
        let Value::Object(map) = schema else { return schema.clone() };
        let named = map.get("$ref").and_then(Value::as_str);
        let named = named.and_then(|one| target(self.root, one)).map(|found| self.of(found));
        match (named, self.draft) {
            // What stands beside it says nothing in draft 7.
            (Some(named), Draft::Seven) => named,
            (Some(named), Draft::Latest) => {
                let mut own = self.keywords(map);
                if own.is_empty() {
                    return named;
                }
                let all = own.entry("allOf").or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(all) = all {
                    all.push(named);
                }
                Value::Object(own)
            }
            (None, _) => whole(self.keywords(map)),
        }
    }

    fn keywords(&self, map: &Map<String, Value>) -> Map<String, Value> {
        let mut kept = Map::new();
        for (key, value) in map {
            let key = key.as_str();
            if self.draft == Draft::Seven && LATER.contains(&key) {
                continue;
            }
            match (key, value) {
                ("items", Value::Array(_)) if self.draft == Draft::Seven => {
                    kept.insert("prefixItems".to_owned(), self.list(value));
                    let rest = map.get("additionalItems").map(|rest| self.of(rest));
                    kept.extend(rest.map(|rest| ("items".to_owned(), rest)));
                }
                ("additionalItems", _) => {}
                ("dependencies", Value::Object(all)) if self.draft == Draft::Seven => {
                    self.dependencies(all, &mut kept);
                }
                ("dependencies", _) => {}
                _ if ONE.contains(&key) => {
                    kept.insert(key.to_owned(), self.of(value));
                }
                _ if MANY.contains(&key) => {
                    kept.insert(key.to_owned(), self.list(value));
                }
                (_, Value::Object(all)) if NAMED.contains(&key) => {
                    let each = all.iter().map(|(name, one)| (name.clone(), self.of(one)));
                    kept.insert(key.to_owned(), Value::Object(each.collect()));
                }
                _ if PLAIN.contains(&key) => {
                    kept.insert(key.to_owned(), value.clone());
                }
                _ => {}
            }
        }
        kept
    }

    /// Draft 7 has one keyword for two.
    fn dependencies(&self, all: &Map<String, Value>, kept: &mut Map<String, Value>) {
        let (mut required, mut schemas) = (Map::new(), Map::new());
        for (name, one) in all {
            match one {
                Value::Array(_) => required.insert(name.clone(), one.clone()),
                _ => schemas.insert(name.clone(), self.of(one)),
            };
        }
        for (key, found) in [("dependentRequired", required), ("dependentSchemas", schemas)] {
            if !found.is_empty() {
                kept.insert(key.to_owned(), Value::Object(found));
            }
        }
    }

    fn list(&self, value: &Value) -> Value {
        match value {
            Value::Array(all) => all.iter().map(|one| self.of(one)).collect(),
            other => other.clone(),
        }
    }
}

/// A schema that asks nothing takes everything, however that is written.
fn whole(keywords: Map<String, Value>) -> Value {
    if keywords.is_empty() { Value::Bool(true) } else { Value::Object(keywords) }
}
