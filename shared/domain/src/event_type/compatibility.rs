//! Whether a schema takes every payload that another one took: what asks more than before is told, and what can't be
//! decided is told as such. Nothing is called compatible that is not.

mod bounds;
mod members;
mod sides;

use serde_json::{Map, Value};

use super::keywords::short;
use super::{Checker, Schema};
use crate::names::words;
use sides::{Side, Types};

words! {
    /// What a comparison came to.
    Compatibility {
        /// Every payload that fitted before still fits.
        Compatible = 1 "compatible",
        /// Some payload that fitted before does not.
        Incompatible = 2 "incompatible",
        /// Nothing was found that asks more, and not everything could be decided.
        Undecided = 3 "undecided",
    }
}

/// Something that a new schema asks and the old one did not, or that can't be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the new schema: a JSON pointer, by way of what `$ref` names.
    pub pointer: String,
    /// Whether it is decided that a payload of before does not fit.
    pub decided: bool,
    /// What is asked, and what would be right.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

/// The most findings that are told.
pub const MAX_FINDINGS: usize = 50;
/// The most steps of a comparison.
const MAX_STEPS: u32 = 50_000;
/// Everything, for what is not said.
static ANYTHING: Value = Value::Bool(true);

/// What a new schema asks that the old one did not.
pub fn compare(old: &Schema, new: &Schema) -> Vec<Finding> {
    let mut found = Comparison { steps: 0 }.narrower(&old.whole, &new.whole, "#");
    found.truncate(MAX_FINDINGS);
    found
}

/// What a comparison came to, by what it found.
pub fn compatibility(findings: &[Finding]) -> Compatibility {
    match findings {
        [] => Compatibility::Compatible,
        some if some.iter().any(|one| one.decided) => Compatibility::Incompatible,
        _ => Compatibility::Undecided,
    }
}

fn broken(at: &str, message: impl Into<String>) -> Finding {
    Finding { pointer: short(at), decided: true, message: message.into() }
}

fn undecided(at: &str, message: impl Into<String>) -> Finding {
    Finding { pointer: short(at), decided: false, message: message.into() }
}

/// Whether a schema takes everything.
fn takes_all(schema: &Value) -> bool {
    match schema {
        Value::Bool(takes) => *takes,
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

struct Comparison {
    steps: u32,
}

impl Comparison {
    /// What `new` asks that `old` did not, of the same value.
    fn narrower(&mut self, old: &Value, new: &Value, at: &str) -> Vec<Finding> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return vec![undecided(at, "the schemas are too large to be compared as a whole")];
        }
        if takes_all(new) || *old == Value::Bool(false) || old == new {
            return Vec::new();
        }
        if *new == Value::Bool(false) {
            let right = "nothing may stand here any more; take what was taken before";
            return vec![broken(at, right)];
        }
        // One that took nothing asked all there is to ask, and one that takes nothing now asks that.
        let Some(before) = Side::of(old) else { return Vec::new() };
        let Some(after) = Side::of(new) else {
            return vec![broken(at, "nothing may stand here any more; take what was taken before")];
        };
        if let Some(values) = before.values() {
            return self.values(values, old, new, at);
        }
        let mut found = before.types.lost(after.types, at);
        for part in &after.parts {
            found.extend(self.part(old, &before, part, at));
        }
        if !found.is_empty() && self.each_alternative_fits(&before, new, at) {
            return Vec::new();
        }
        found
    }

    /// Whether the old schema names alternatives, and each of them fits by itself.
    fn each_alternative_fits(&mut self, before: &Side<'_>, new: &Value, at: &str) -> bool {
        before.parts.iter().any(|part| {
            let all = part.get("anyOf").or_else(|| part.get("oneOf")).and_then(Value::as_array);
            all.is_some_and(|all| all.iter().all(|one| self.narrower(one, new, at).is_empty()))
        })
    }

    /// Where only some values were taken, each of them is tried.
    fn values(&mut self, values: Vec<&Value>, old: &Value, new: &Value, at: &str) -> Vec<Finding> {
        // Making a schema ready costs more than a look at it.
        self.steps += 50;
        let (Ok(before), Ok(after)) = (Checker::new(old, 1, 0), Checker::new(new, 1, 0)) else {
            return vec![undecided(at, "the values that were taken can't be tried")];
        };
        let lost = values.into_iter().filter(|one| before.fits(one) && !after.fits(one));
        let told = |one: &Value| {
            let value = short(&one.to_string());
            broken(at, format!("the value {value} was taken, and is not any more; take it again"))
        };
        lost.take(MAX_FINDINGS).map(told).collect()
    }

    /// What one part of the new schema asks, keyword by keyword: what any part of the old one asked already is nothing new.
    fn part(
        &mut self,
        old: &Value,
        before: &Side<'_>,
        new: &Map<String, Value>,
        at: &str,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        let types = before.types;
        found.extend(listed(before, new, at));
        if types.any(Types::NUMBERS) {
            found.extend(bounds::numbers(before, new, at));
        }
        if types.any(Types::STRING) {
            found.extend(bounds::counts(before, new, &["minLength", "maxLength"], at));
            found.extend(pattern(before, new, at));
        }
        if types.any(Types::ARRAY) {
            found.extend(bounds::counts(before, new, &["minItems", "maxItems"], at));
            found.extend(self.best(before, |this, one| this.items(one, new, at)));
            found.extend(best_of(before, |one| contains(one, new, at)));
        }
        if types.any(Types::OBJECT) {
            found.extend(bounds::counts(before, new, &["minProperties", "maxProperties"], at));
            found.extend(members::required(before, new, at));
            found.extend(self.best(before, |this, one| this.members(one, new, at)));
            found.extend(self.best(before, |this, one| this.dependent(one, new, at)));
        }
        found.extend(self.alternatives(old, before, new, at));
        found.extend(conditions(before, new, at));
        found
    }

    /// The fewest findings that one part of the old schema leaves.
    fn best(
        &mut self,
        before: &Side<'_>,
        mut ask: impl FnMut(&mut Self, &Map<String, Value>) -> Vec<Finding>,
    ) -> Vec<Finding> {
        let nothing = Map::new();
        let mut best: Option<Vec<Finding>> = None;
        let parts = before.parts.iter().copied();
        for one in parts.chain(before.parts.is_empty().then_some(&nothing)) {
            let found = ask(self, one);
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
            if best.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        best.unwrap_or_default()
    }

    fn items(
        &mut self,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        at: &str,
    ) -> Vec<Finding> {
        let prefix = |of: &Map<String, Value>| {
            of.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len)
        };
        let mut found = Vec::new();
        for place in 0..prefix(old).max(prefix(new)) {
            let within = if place < prefix(new) {
                format!("{at}/prefixItems/{place}")
            } else {
                format!("{at}/items")
            };
            found.extend(self.narrower(item(old, place), item(new, place), &within));
        }
        let (before, after) = (rest(old), rest(new));
        found.extend(self.narrower(before, after, &format!("{at}/items")));
        found
    }

    /// `anyOf` and `oneOf` of the new schema.
    fn alternatives(
        &mut self,
        old: &Value,
        before: &Side<'_>,
        new: &Map<String, Value>,
        at: &str,
    ) -> Option<Finding> {
        if let Some(all) = new.get("anyOf").and_then(Value::as_array) {
            let within = format!("{at}/anyOf");
            let fits_one = all.iter().any(|one| self.narrower(old, one, &within).is_empty());
            let fits_each = |this: &mut Self, part: &Map<String, Value>| {
                let was = part.get("anyOf").or_else(|| part.get("oneOf")).and_then(Value::as_array);
                was.is_some_and(|was| {
                    was.iter().all(|old| {
                        all.iter().any(|one| this.narrower(old, one, &within).is_empty())
                    })
                })
            };
            if !fits_one && !before.parts.iter().any(|part| fits_each(self, part)) {
                let right =
                    "no alternative takes all that was taken; keep the old ones, and add others";
                return Some(undecided(&within, right));
            }
        }
        let same = |part: &&Map<String, Value>| part.get("oneOf") == new.get("oneOf");
        if new.contains_key("oneOf") && !before.parts.iter().any(same) {
            let right = "whether one alternative alone fits can't be decided; keep it as it was, or use anyOf";
            return Some(undecided(&format!("{at}/oneOf"), right));
        }
        None
    }
}

/// The schema of the item at a place.
fn item(of: &Map<String, Value>, place: usize) -> &Value {
    let prefix = of.get("prefixItems").and_then(Value::as_array);
    prefix.and_then(|all| all.get(place)).unwrap_or_else(|| rest(of))
}

/// The schema of the items that no place has one for.
fn rest(of: &Map<String, Value>) -> &Value {
    of.get("items").unwrap_or(&ANYTHING)
}

/// `enum` and `const` where any value was taken.
fn listed(before: &Side<'_>, new: &Map<String, Value>, at: &str) -> Vec<Finding> {
    let asks = |key: &&str| {
        let is_same = |part: &&Map<String, Value>| part.get(*key) == new.get(*key);
        new.contains_key(*key) && !before.parts.iter().any(is_same)
    };
    let told = |key| {
        broken(
            &format!("{at}/{key}"),
            "only these values are taken, and others were before; leave it out",
        )
    };
    ["enum", "const"].into_iter().filter(asks).map(told).collect()
}

fn pattern(before: &Side<'_>, new: &Map<String, Value>, at: &str) -> Option<Finding> {
    let wanted = new.get("pattern")?;
    let was = || before.parts.iter().filter_map(|part| part.get("pattern"));
    if was().any(|one| one == wanted) {
        return None;
    }
    let at = format!("{at}/pattern");
    Some(match was().next() {
        None => broken(&at, "texts of any form were taken before; leave it out"),
        Some(_) => undecided(
            &at,
            "whether every text that the old pattern took matches this one can't be decided; keep it as it was",
        ),
    })
}

/// `contains` and `uniqueItems`, and what is left over.
fn contains(old: &Map<String, Value>, new: &Map<String, Value>, at: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_unique = |of: &Map<String, Value>| of.get("uniqueItems") == Some(&Value::Bool(true));
    if is_unique(new) && !is_unique(old) {
        let right = "items that are the same were taken before; leave it out";
        found.push(broken(&format!("{at}/uniqueItems"), right));
    }
    let keys = ["contains", "minContains", "maxContains"];
    if new.contains_key("contains") && keys.iter().any(|key| old.get(*key) != new.get(*key)) {
        let right = "whether it asks more than before can't be decided; keep it as it was";
        found.push(undecided(&format!("{at}/contains"), right));
    }
    found
}

/// The fewest findings that one part of the old schema leaves.
fn best_of(before: &Side<'_>, ask: impl Fn(&Map<String, Value>) -> Vec<Finding>) -> Vec<Finding> {
    let of_none = || ask(&Map::new());
    let each = before.parts.iter().map(|one| ask(one));
    each.min_by_key(Vec::len).unwrap_or_else(of_none)
}

/// What depends on other conditions: it stays as it was, or can't be decided.
fn conditions(before: &Side<'_>, new: &Map<String, Value>, at: &str) -> Vec<Finding> {
    let groups: [&[&str]; 4] =
        [&["not"], &["if", "then", "else"], &["unevaluatedProperties"], &["unevaluatedItems"]];
    let asks = |group: &&[&str]| match group {
        ["if", ..] => {
            new.contains_key("if") && (new.contains_key("then") || new.contains_key("else"))
        }
        [key, ..] => new.get(*key).is_some_and(|one| *key == "not" || !takes_all(one)),
        [] => false,
    };
    let is_same = |group: &[&str]| {
        // What is left over depends on everything beside it, and that is not all the same.
        let may_be = !group[0].starts_with("unevaluated");
        may_be
            && before
                .parts
                .iter()
                .any(|part| group.iter().all(|key| part.get(*key) == new.get(*key)))
    };
    groups
        .into_iter()
        .filter(asks)
        .filter(|group| !is_same(group))
        .map(|group| {
            let right = "whether it asks more than before can't be decided; keep it as it was, or leave it out";
            undecided(&format!("{at}/{}", group[0]), right)
        })
        .collect()
}
