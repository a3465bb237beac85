//! JSON Schemas as they come: read, and held to what bounds the work that they make.

use std::collections::{HashMap, HashSet};

use jsonschema::{draft7, draft202012};
use serde_json::{Map, Value};

use super::expand::expand;
use super::keywords::{Draft, MANY, NAMED, ONE, PLAIN, escaped, short, target};
use super::{Checker, MAX_DEPTH, MAX_SCHEMA, check};
use crate::fault::{Fault, FaultCode};
use crate::intake::scan;

/// The most that a schema may weigh: its parts, those that `$ref` names counted once for each time that they are named. The
/// work of a check is at most this for each value in a payload.
pub const MAX_WEIGHT: u64 = 4096;
/// How deeply a schema may be nested when what `$ref` names is put in place.
const MAX_PUT_TOGETHER: usize = 100;
/// The most regular expressions in a schema.
const MAX_PATTERNS: usize = 50;
/// How many faults of a schema are told.
const TOLD: usize = 10;

/// Keywords that say where a schema is or lead elsewhere: here a schema stands alone.
const REFUSED: [&str; 8] = [
    "$id",
    "$schema",
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
];
/// Keywords whose value is an object of schemas that hold only where `$ref` names them.
const NAMED_ELSEWHERE: [&str; 2] = ["$defs", "definitions"];
/// A schema that is written as it must be, and bounded.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// The schema in one piece: what `$ref` names stands in its place, and what asks nothing of a value is left out.
    pub(super) whole: Value,
    weight: u64,
    patterns: usize,
}

impl Schema {
    /// Reads a schema from its text.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(text: &str) -> Result<Self, Vec<Fault>> {
        let root = object("schema", text, MAX_SCHEMA)?;
        let draft = draft_of(&root).map_err(|fault| vec![fault])?;
        let written = match draft {
            Draft::Seven => draft7::meta::validate(&root),
            Draft::Latest => draft202012::meta::validate(&root),
        };
        if let Err(error) = written {
            return Err(check::faults("schema", &root, error));
        }
        let mut walk = Walk::new(&root);
        let weight = walk.visit(&root, "#", 0);
        if walk.patterns > MAX_PATTERNS {
            let right = format!("at most {MAX_PATTERNS} regular expressions");
            walk.faults.push(Fault::new("schema", FaultCode::TooLong, right));
        }
        if weight > MAX_WEIGHT {
            let right = format!(
                "at most {MAX_WEIGHT} parts, counting what $ref names each time that it is named; this has {weight}"
            );
            walk.faults.push(Fault::new("schema", FaultCode::TooLarge, right));
        }
        if !walk.faults.is_empty() {
            return Err(walk.faults);
        }
        Ok(Self { whole: expand(&root, draft), weight, patterns: walk.patterns })
    }

    /// Makes it ready to be asked.
    ///
    /// # Errors
    /// When a regular expression in it is none that can be matched in a time that grows with the text alone.
    pub fn compile(&self) -> Result<Checker, Vec<Fault>> {
        Checker::new(&self.whole, self.weight, self.patterns)
    }
}

/// Reads a JSON object that a store can hold.
pub(super) fn object(
    field: &'static str,
    text: &str,
    max_bytes: usize,
) -> Result<Value, Vec<Fault>> {
    let mut faults = Vec::new();
    scan::object(field, text, max_bytes, MAX_DEPTH, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    serde_json::from_str(text).map_err(|error| {
        let right = format!("it is no JSON that can be read: {error}");
        vec![Fault::new(field, FaultCode::MalformedJson, right)]
    })
}

fn draft_of(root: &Value) -> Result<Draft, Fault> {
    let Some(named) = root.get("$schema") else { return Ok(Draft::Latest) };
    let named = named.as_str().unwrap_or_default().trim_end_matches('#');
    match named.split_once("://").map_or(named, |(_, rest)| rest) {
        "json-schema.org/draft/2020-12/schema" => Ok(Draft::Latest),
        "json-schema.org/draft-07/schema" => Ok(Draft::Seven),
        _ => {
            let right = "it must be https://json-schema.org/draft/2020-12/schema, which is meant if nothing is said, or \
                         http://json-schema.org/draft-07/schema#";
            Err(Fault::new("schema.$schema", FaultCode::Invalid, right))
        }
    }
}

/// A walk over all schemas in a schema, each once.
struct Walk<'a> {
    root: &'a Value,
    /// What the schemas weigh that were walked over, by where they lie in memory.
    done: HashMap<*const Value, (u64, usize)>,
    open: HashSet<*const Value>,
    patterns: usize,
    faults: Vec<Fault>,
    /// How deep the schema that was visited last is when it is put together.
    height: usize,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Value) -> Self {
        Self {
            root,
            done: HashMap::new(),
            open: HashSet::new(),
            patterns: 0,
            faults: Vec::new(),
            height: 0,
        }
    }

    fn tell(&mut self, code: FaultCode, at: &str, right: &str) {
        if self.faults.len() < TOLD {
            self.faults.push(Fault::new("schema", code, format!("{}: {right}", short(at))));
        }
    }

    /// What a schema weighs.
    fn visit(&mut self, schema: &'a Value, at: &str, depth: usize) -> u64 {
        let place = std::ptr::from_ref(schema);
        if let Some((weight, height)) = self.done.get(&place).copied() {
            self.height = height;
            if depth + height > MAX_PUT_TOGETHER {
                self.too_deep(at);
            }
            return weight;
        }
        if self.open.contains(&place) {
            let right = "$ref leads back to where it stands; a payload is as deep as its schema says, so write out each level";
            self.tell(FaultCode::Invalid, at, right);
            return 0;
        }
        if depth > MAX_PUT_TOGETHER {
            self.too_deep(at);
            return 0;
        }
        self.open.insert(place);
        let (weight, height) = match schema {
            Value::Object(map) => self.members(map, at, depth),
            _ => (1, 0),
        };
        self.open.remove(&place);
        self.done.insert(place, (weight, height));
        self.height = height;
        weight
    }

    fn too_deep(&mut self, at: &str) {
        let right =
            format!("at most {MAX_PUT_TOGETHER} schemas within each other, by way of $ref too");
        self.tell(FaultCode::TooDeep, at, &right);
    }

    fn members(&mut self, map: &'a Map<String, Value>, at: &str, depth: usize) -> (u64, usize) {
        let (mut weight, mut height) = (1_u64, 0);
        for (key, value) in map {
            let within = format!("{at}/{}", escaped(key));
            let key = key.as_str();
            if REFUSED.contains(&key) && !(at == "#" && matches!(key, "$id" | "$schema")) {
                let right = "it is not taken here; name what stands in the schema itself by $ref, like #/$defs/name";
                self.tell(FaultCode::Invalid, &within, right);
                continue;
            }
            if key == "pattern" {
                self.patterns += 1;
            }
            if key == "$ref" {
                weight = weight.saturating_add(self.reference(value, &within, depth));
                height = height.max(self.height + 1);
                continue;
            }
            let children: Vec<(&'a Value, String)> = match value {
                Value::Object(named) if NAMED.contains(&key) || NAMED_ELSEWHERE.contains(&key) => {
                    if key == "patternProperties" {
                        self.patterns += named.len();
                    }
                    let place = |name: &str| format!("{within}/{}", escaped(name));
                    named.iter().map(|(name, one)| (one, place(name))).collect()
                }
                Value::Array(all) if MANY.contains(&key) || key == "items" => {
                    all.iter().enumerate().map(|(n, one)| (one, format!("{within}/{n}"))).collect()
                }
                _ if ONE.contains(&key) => vec![(value, within.clone())],
                _ => Vec::new(),
            };
            let counts = !NAMED_ELSEWHERE.contains(&key);
            for (child, place) in children {
                // Of `dependencies`, some are lists of names.
                let of_child = match child {
                    Value::Object(_) | Value::Bool(_) => self.visit(child, &place, depth + 1),
                    other => {
                        self.height = 0;
                        size(other)
                    }
                };
                if counts {
                    weight = weight.saturating_add(of_child);
                    height = height.max(self.height + 1);
                }
            }
            if PLAIN.contains(&key) {
                weight = weight.saturating_add(size(value));
            }
        }
        // What was evaluated is found out by asking the schemas beside it once more.
        if map.contains_key("unevaluatedProperties") || map.contains_key("unevaluatedItems") {
            weight = weight.saturating_mul(3);
        }
        (weight, height)
    }

    fn reference(&mut self, value: &'a Value, at: &str, depth: usize) -> u64 {
        self.height = 0;
        let root = self.root;
        match value.as_str().and_then(|reference| target(root, reference)) {
            Some(found) => self.visit(found, at, depth + 1),
            None => {
                let right = "it must name a schema that stands in this one, like #/$defs/name, without %; nothing is fetched";
                self.tell(FaultCode::Invalid, at, right);
                0
            }
        }
    }
}

/// What a value adds to the weight: its parts, long texts by their length.
fn size(value: &Value) -> u64 {
    match value {
        Value::String(text) => 1 + (text.len() / 64) as u64,
        Value::Array(all) => all.iter().map(size).sum::<u64>() + 1,
        Value::Object(all) => {
            all.iter().map(|(key, one)| 1 + (key.len() / 64) as u64 + size(one)).sum::<u64>() + 1
        }
        _ => 1,
    }
}
