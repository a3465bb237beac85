//! Payloads held against a schema, and what does not fit in the words of faults.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::keywords::short;
use crate::fault::{Fault, FaultCode};

/// The most violations of a payload that are told.
pub const TOLD: usize = 10;
/// How much work there may be for all violations to be looked for: each that is found takes memory until they are told.
const LOOKED_FOR: u64 = 200_000;
/// The most bytes that a regular expression takes, and the most that matching it takes besides.
const PATTERN_BYTES: usize = 64 << 10;
/// How many steps a pattern takes for each byte of a text, in the mean: most take one, and some that are written for it hundreds.
const PATTERN_STEPS: u64 = 25;

/// A schema that is ready to be asked.
#[derive(Debug)]
pub struct Checker {
    validator: Validator,
    weight: u64,
    patterns: usize,
}

impl Checker {
    /// Makes a whole schema ready.
    pub(super) fn new(whole: &Value, weight: u64, patterns: usize) -> Result<Self, Vec<Fault>> {
        // Without look-around and back-references, a match takes a time that grows with the text alone.
        let engine =
            PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        let options = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(false)
            .offline()
            .with_pattern_options(engine);
        match options.build(whole) {
            Ok(validator) => Ok(Self { validator, weight, patterns }),
            Err(error) => Err(faults("schema", whole, error)),
        }
    }

    /// About how many steps a check of a payload of so many bytes may take: each value in it takes two bytes or more, and
    /// each text may be held to each pattern.
    pub const fn cost(&self, bytes: usize) -> u64 {
        let (bytes, patterns) = (bytes as u64, self.patterns as u64);
        let matching = patterns.saturating_mul(PATTERN_STEPS).saturating_mul(bytes);
        self.weight.saturating_mul(bytes / 2).saturating_add(matching)
    }

    /// How much memory it takes at most, in KiB: about one for each of its parts, and what its patterns may take.
    pub const fn kibibytes(&self) -> u64 {
        self.weight.saturating_add((self.patterns * PATTERN_BYTES / 1024) as u64)
    }

    /// Whether a payload fits.
    pub fn fits(&self, payload: &Value) -> bool {
        self.validator.is_valid(payload)
    }

    /// What of a payload does not fit, each named by its path below `field`: the first ten.
    pub fn violations(&self, field: &'static str, payload: &Value) -> Vec<Fault> {
        if self.validator.is_valid(payload) {
            return Vec::new();
        }
        if self.weight.saturating_mul(values(payload)) > LOOKED_FOR {
            let message = "it does not fit the schema of its type; it is too large for all of that to be told";
            return vec![Fault::new(field, FaultCode::Invalid, message)];
        }
        let errors = self.validator.iter_errors(payload).take(TOLD);
        let mut found: Vec<Fault> =
            errors.flat_map(|error| faults(field, payload, error)).collect();
        found.truncate(TOLD);
        found
    }
}

/// How many values there are in a value, itself among them.
fn values(value: &Value) -> u64 {
    match value {
        Value::Array(all) => 1 + all.iter().map(values).sum::<u64>(),
        Value::Object(all) => 1 + all.values().map(values).sum::<u64>(),
        _ => 1,
    }
}

/// A violation as faults: one for each field that it is about.
pub(super) fn faults(field: &'static str, root: &Value, error: ValidationError<'_>) -> Vec<Fault> {
    let place = path(field, root, error.instance_path().as_str());
    let fault = |code, message: String| vec![Fault::new(place.clone(), code, message)];
    let below = |name: &str| format!("{place}{}", segment(name));
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![Fault::new(below(name), FaultCode::Required, "it must be there")]
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let unknown = |name: &String| {
                Fault::new(below(name), FaultCode::Unknown, "there is no such field in the schema")
            };
            unexpected.iter().take(TOLD).map(unknown).collect()
        }
        Kind::Type { kind } => fault(FaultCode::WrongType, format!("it must be {}", types(kind))),
        Kind::Enum { options } => {
            fault(FaultCode::Invalid, format!("it must be one of {}", short(&options.to_string())))
        }
        Kind::Constant { expected_value } => {
            fault(FaultCode::Invalid, format!("it must be {}", short(&expected_value.to_string())))
        }
        Kind::MaxLength { limit } => {
            fault(FaultCode::TooLong, format!("it must have at most {limit} characters"))
        }
        Kind::MinLength { limit } => {
            fault(FaultCode::Invalid, format!("it must have at least {limit} characters"))
        }
        Kind::MaxItems { limit } => {
            fault(FaultCode::TooLong, format!("it must have at most {limit} items"))
        }
        Kind::AdditionalItems { limit } => {
            fault(FaultCode::TooLong, format!("it must have at most {limit} items"))
        }
        Kind::MinItems { limit } => {
            fault(FaultCode::Invalid, format!("it must have at least {limit} items"))
        }
        Kind::MaxProperties { limit } => {
            fault(FaultCode::TooLong, format!("it must have at most {limit} fields"))
        }
        Kind::MinProperties { limit } => {
            fault(FaultCode::Invalid, format!("it must have at least {limit} fields"))
        }
        Kind::Maximum { limit } => fault(FaultCode::Invalid, format!("it must be at most {limit}")),
        Kind::Minimum { limit } => fault(FaultCode::Invalid, format!("it must be at least {limit}")),
        Kind::ExclusiveMaximum { limit } => {
            fault(FaultCode::Invalid, format!("it must be less than {limit}"))
        }
        Kind::ExclusiveMinimum { limit } => {
            fault(FaultCode::Invalid, format!("it must be more than {limit}"))
        }
        Kind::MultipleOf { multiple_of } => {
            fault(FaultCode::Invalid, format!("it must be a multiple of {multiple_of}"))
        }
        Kind::Pattern { pattern } => {
            fault(FaultCode::Invalid, format!("it must match the pattern {}", short(pattern)))
        }
        Kind::UniqueItems => fault(FaultCode::Duplicate, "no two items may be the same".to_owned()),
        Kind::FalseSchema => fault(FaultCode::Invalid, "nothing may stand here".to_owned()),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            fault(FaultCode::Invalid, "it fits none of the alternatives in the schema".to_owned())
        }
        Kind::OneOfMultipleValid { .. } => fault(
            FaultCode::Invalid,
            "it fits more than one of the alternatives in the schema".to_owned(),
        ),
        Kind::Not { .. } => {
            fault(FaultCode::Invalid, "it fits what the schema excludes".to_owned())
        }
        Kind::Contains => {
            fault(FaultCode::Invalid, "too few or too many of its items fit `contains`".to_owned())
        }
        Kind::PropertyNames { error } => {
            let name = error.instance().as_str().map(short).unwrap_or_default();
            fault(FaultCode::Invalid, format!("it has a field whose name does not fit: {name:?}"))
        }
        Kind::UnevaluatedItems { .. } => {
            fault(FaultCode::TooLong, "it has items that are not in the schema".to_owned())
        }
        Kind::Format { .. } => fault(
            FaultCode::Invalid,
            "it must be a regular expression without look-around and back-references, and not a large one"
                .to_owned(),
        ),
        // What is left are faults of the schema itself, and what this build does not know.
        _ => fault(FaultCode::Invalid, short(&error.to_string())),
    }
}

fn types(kind: &TypeKind) -> String {
    let article = |one: &str| match one {
        "null" => "null".to_owned(),
        "array" | "integer" | "object" => format!("an {one}"),
        other => format!("a {other}"),
    };
    match kind {
        TypeKind::Single(one) => article(one.as_str()),
        TypeKind::Multiple(all) => {
            all.iter().map(|one| article(one.as_str())).collect::<Vec<_>>().join(" or ")
        }
    }
}

/// The path of a field, as faults have it, from a JSON pointer.
fn path(field: &str, root: &Value, pointer: &str) -> String {
    let (mut path, mut at) = (field.to_owned(), Some(root));
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        match at {
            Some(Value::Array(items)) => {
                path.push_str(&format!("[{name}]"));
                at = name.parse::<usize>().ok().and_then(|place| items.get(place));
            }
            other => {
                path.push_str(&segment(&name));
                at = other.and_then(|value| value.get(&name));
            }
        }
    }
    path
}

fn segment(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
    if !name.is_empty() && name.chars().all(plain) {
        format!(".{}", short(name))
    } else {
        format!("[{:?}]", short(name))
    }
}
