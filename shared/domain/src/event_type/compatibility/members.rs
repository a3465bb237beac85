//! What is asked of the members of an object.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

use super::super::keywords::escaped;
use super::sides::Side;
use super::{ANYTHING, Comparison, Finding, broken, takes_all, undecided};

/// Names that must be there now, and did not have to.
pub(super) fn required(before: &Side<'_>, new: &Map<String, Value>, at: &str) -> Vec<Finding> {
    let names = |of: &Map<String, Value>| -> BTreeSet<String> {
        let all = of.get("required").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let was: BTreeSet<String> = before.parts.iter().flat_map(|part| names(part)).collect();
    let told = |name: &String| {
        let right = format!("{name:?} did not have to be there; leave it out of the list");
        broken(&format!("{at}/required"), right)
    };
    names(new).difference(&was).map(told).collect()
}

/// What a schema asks of a member of some name.
struct Asked<'a> {
    schemas: Vec<(&'a Value, String)>,
    /// Whether nothing names it, and nothing is said of what nothing names.
    is_free: bool,
    /// Whether some pattern can't be matched here.
    is_unknown: bool,
}

fn asked<'a>(of: &'a Map<String, Value>, name: &str, at: &str) -> Asked<'a> {
    let mut asked = Asked { schemas: Vec::new(), is_free: false, is_unknown: false };
    if let Some(own) = entries(of, "properties").find(|(known, _)| *known == name) {
        asked.schemas.push((own.1, format!("{at}/properties/{}", escaped(name))));
    }
    for (pattern, schema) in entries(of, "patternProperties") {
        match Regex::new(pattern) {
            Ok(regex) if regex.is_match(name) => {
                let within = format!("{at}/patternProperties/{}", escaped(pattern));
                asked.schemas.push((schema, within));
            }
            Ok(_) => {}
            Err(_) => asked.is_unknown = true,
        }
    }
    if asked.schemas.is_empty() {
        asked.is_free = !of.contains_key("additionalProperties");
        asked.schemas.push((others(of), format!("{at}/additionalProperties")));
    }
    asked
}

fn entries<'a>(
    of: &'a Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
    let all = of.get(key).and_then(Value::as_object).into_iter().flatten();
    all.map(|(name, one)| (name.as_str(), one))
}

/// The schema of the members that nothing names.
fn others(of: &Map<String, Value>) -> &Value {
    of.get("additionalProperties").unwrap_or(&ANYTHING)
}

impl Comparison {
    /// `properties`, `patternProperties`, `additionalProperties` and `propertyNames`.
    pub(super) fn members(
        &mut self,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        at: &str,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        let named = entries(old, "properties").chain(entries(new, "properties"));
        let named: BTreeSet<&str> = named.map(|(name, _)| name).collect();
        for name in named {
            found.extend(self.member(old, new, name, at));
        }
        found.extend(self.patterns(old, new, at));
        let (before, after) = (others(old), others(new));
        found.extend(self.narrower(before, after, &format!("{at}/additionalProperties")));
        if let Some(names) = new.get("propertyNames") {
            let text = serde_json::json!({ "type": "string" });
            let was = old
                .get("propertyNames")
                .map_or_else(|| text.clone(), |was| serde_json::json!({ "allOf": [text, was] }));
            found.extend(self.narrower(&was, names, &format!("{at}/propertyNames")));
        }
        found
    }

    fn member(
        &mut self,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        name: &str,
        at: &str,
    ) -> Vec<Finding> {
        let (before, after) = (asked(old, name, at), asked(new, name, at));
        let here = format!("{at}/properties/{}", escaped(name));
        if before.is_unknown || after.is_unknown {
            let right = "whether a pattern is for this name can't be decided; keep the patterns as they were";
            return vec![undecided(&here, right)];
        }
        let mut found = Vec::new();
        for (schema, within) in &after.schemas {
            let mut best: Option<Vec<Finding>> = None;
            for (was, _) in &before.schemas {
                let one = self.narrower(was, schema, within);
                if best.as_ref().is_none_or(|best| one.len() < best.len()) {
                    best = Some(one);
                }
            }
            found.extend(best.unwrap_or_default());
        }
        if before.is_free && !found.is_empty() {
            let right = "anything could stand under this name, for the object was open (no additionalProperties); ask nothing \
                         of it, or say \"compatibility\": \"none\" if no producer sends it yet";
            return vec![broken(&here, right)];
        }
        found
    }

    fn patterns(
        &mut self,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        at: &str,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        let was =
            |pattern: &str| entries(old, "patternProperties").find(|(one, _)| *one == pattern);
        let has_patterns =
            |of: &Map<String, Value>| entries(of, "patternProperties").next().is_some();
        for (pattern, schema) in entries(new, "patternProperties") {
            let within = format!("{at}/patternProperties/{}", escaped(pattern));
            match was(pattern) {
                Some((_, old)) => found.extend(self.narrower(old, schema, &within)),
                None if takes_all(schema) => {}
                None if has_patterns(old) => {
                    let right = "which names this and the old patterns are for can't be decided; keep the patterns";
                    found.push(undecided(&within, right));
                }
                None => found.extend(self.narrower(others(old), schema, &within)),
            }
        }
        for (pattern, schema) in entries(old, "patternProperties") {
            if entries(new, "patternProperties").any(|(one, _)| one == pattern) {
                continue;
            }
            let within = format!("{at}/patternProperties/{}", escaped(pattern));
            if has_patterns(new) {
                let right = "the pattern is gone, and whether the others take what it took can't be decided; keep it";
                found.push(undecided(&within, right));
            } else {
                found.extend(self.narrower(schema, others(new), &within));
            }
        }
        found
    }

    /// `dependentRequired` and `dependentSchemas`.
    pub(super) fn dependent(
        &mut self,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        at: &str,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        let entry = |key: &str, name: &str| old.get(key).and_then(|all| all.get(name));
        for (name, wanted) in entries(new, "dependentRequired") {
            let was = entry("dependentRequired", name).and_then(Value::as_array);
            let had = |one: &Value| was.is_some_and(|was| was.contains(one));
            if !wanted.as_array().is_some_and(|all| all.iter().all(had)) {
                let within = format!("{at}/dependentRequired/{}", escaped(name));
                let right = "this did not have to be there beside it; leave it out";
                found.push(broken(&within, right));
            }
        }
        for (name, wanted) in entries(new, "dependentSchemas") {
            let was = entry("dependentSchemas", name).unwrap_or(&ANYTHING);
            let within = format!("{at}/dependentSchemas/{}", escaped(name));
            if !self.narrower(was, wanted, &within).is_empty() {
                let right = "whether it asks more than before can't be decided; keep it as it was";
                found.push(undecided(&within, right));
            }
        }
        found
    }
}
