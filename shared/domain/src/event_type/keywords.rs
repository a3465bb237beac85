//! The words of JSON Schema, and how places in a schema are named.

use serde_json::Value;

/// Which edition of JSON Schema a schema is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draft {
    /// Draft 7.
    Seven,
    /// Draft 2020-12, which is meant where a schema does not say.
    Latest,
}

/// Keywords whose value is a schema.
pub const ONE: [&str; 11] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas.
pub const MANY: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is an object of schemas.
pub const NAMED: [&str; 4] =
    ["dependencies", "dependentSchemas", "patternProperties", "properties"];
/// Keywords that ask something of a value and hold no schema.
pub const PLAIN: [&str; 20] = [
    "const",
    "dependentRequired",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "type",
    "uniqueItems",
];

/// What a `$ref` within a schema names.
pub fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    // Escapes of URIs would be a second way to write the same.
    let is_plain = pointer.starts_with('/') && !pointer.contains('%');
    root.pointer(pointer).filter(|found| is_plain && (found.is_object() || found.is_boolean()))
}

/// A key as a segment of a JSON pointer.
pub fn escaped(key: &str) -> String {
    if key.contains(['~', '/']) {
        key.replace('~', "~0").replace('/', "~1")
    } else {
        key.to_owned()
    }
}

/// A place that can be told whole, or its beginning.
pub fn short(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
