//! One side of a comparison: the parts of a schema that all hold, and the types that it takes.

use serde_json::{Map, Value};

use super::{Finding, broken};

/// The types of JSON, an integer apart from other numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Types(u8);

/// The words for what is in a set, each with its bits.
const WORDS: [(&str, u8); 7] = [
    ("null", 1),
    ("boolean", 2),
    ("object", 4),
    ("array", 8),
    ("string", 16),
    ("integer", 32),
    // An integer is a number as well.
    ("number", 32 | 64),
];

impl Types {
    const ALL: Self = Self(127);
    pub(super) const OBJECT: Self = Self(4);
    pub(super) const ARRAY: Self = Self(8);
    pub(super) const STRING: Self = Self(16);
    pub(super) const NUMBERS: Self = Self(32 | 64);
    const FRACTIONS: u8 = 64;

    /// Whether it has any of these.
    pub(super) const fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// Whether its numbers are integers alone.
    pub(super) const fn is_integral(self) -> bool {
        self.0 & Self::FRACTIONS == 0
    }

    /// Those that a part takes.
    fn of(part: &Map<String, Value>) -> Self {
        let bits = |word: &Value| {
            let known = WORDS.iter().find(|(name, _)| word.as_str() == Some(*name));
            known.map_or(0, |(_, bits)| *bits)
        };
        let named = match part.get("type") {
            None => Self::ALL,
            Some(Value::Array(all)) => Self(all.iter().map(bits).fold(0, |all, one| all | one)),
            Some(one) => Self(bits(one)),
        };
        let branches = part.get("anyOf").or_else(|| part.get("oneOf")).and_then(Value::as_array);
        let any = branches.map_or(Self::ALL, |all| {
            let of = |one: &Value| Side::of(one).map_or(0, |side| side.types.0);
            Self(all.iter().map(of).fold(0, |all, one| all | one))
        });
        Self(named.0 & any.0)
    }

    /// What of these is not in `new`.
    pub(super) fn lost(self, new: Self, at: &str) -> Vec<Finding> {
        let lost = self.0 & !new.0;
        let named = WORDS.iter().filter(|(name, bits)| match *name {
            "number" => lost & Self::FRACTIONS != 0,
            "integer" => lost & Self::FRACTIONS == 0 && lost & bits != 0,
            _ => lost & bits != 0,
        });
        let named: Vec<&str> = named.map(|(name, _)| *name).collect();
        if named.is_empty() {
            return Vec::new();
        }
        let right = format!(
            "the types {} were taken, and are not any more; take them as well",
            named.join(", ")
        );
        vec![broken(&format!("{at}/type"), right)]
    }
}

/// The parts of a schema, of which each must hold: itself, and those of `allOf`.
pub(super) struct Side<'a> {
    pub(super) parts: Vec<&'a Map<String, Value>>,
    pub(super) types: Types,
}

impl<'a> Side<'a> {
    /// The side of a schema; nothing, if it takes nothing.
    pub(super) fn of(schema: &'a Value) -> Option<Self> {
        let mut parts = Vec::new();
        gather(schema, &mut parts)?;
        let types = parts.iter().map(|part| Types::of(part));
        let types = types.fold(Types::ALL, |all, one| Types(all.0 & one.0));
        Some(Self { parts, types })
    }

    /// The values that are taken at most, if they are listed.
    pub(super) fn values(&self) -> Option<Vec<&'a Value>> {
        self.parts.iter().find_map(|part| match (part.get("const"), part.get("enum")) {
            (Some(one), _) => Some(vec![one]),
            (None, Some(Value::Array(all))) => Some(all.iter().collect()),
            _ => None,
        })
    }
}

fn gather<'a>(schema: &'a Value, parts: &mut Vec<&'a Map<String, Value>>) -> Option<()> {
    match schema {
        Value::Bool(false) => None,
        Value::Object(map) => {
            parts.push(map);
            for one in map.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                gather(one, parts)?;
            }
            Some(())
        }
        _ => Some(()),
    }
}
