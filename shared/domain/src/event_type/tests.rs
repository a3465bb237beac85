//! Tables of schemas: which are taken, what of payloads does not fit, and what is compatible with what.

use serde_json::{Value, json};

use super::*;

fn schema(value: &Value) -> Schema {
    Schema::read(&value.to_string()).unwrap_or_else(|faults| panic!("{value}: {faults:?}"))
}

fn told(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(|fault| format!("{} {}", fault.field, fault.code.as_str())).collect()
}

fn violations(schema_of: &Value, payload: &Value) -> Vec<String> {
    let checker = schema(schema_of).compile().expect("compiles");
    told(&checker.violations("payload", payload))
}

fn order() -> Value {
    json!({
        "type": "object",
        "required": ["order"],
        "properties": { "order": { "$ref": "#/$defs/order" }, "note": { "type": "string", "maxLength": 5 } },
        "$defs": { "order": {
            "type": "object",
            "required": ["id", "total"],
            "additionalProperties": false,
            "properties": {
                "id": { "type": "string", "pattern": "^[A-Z]-\\d+$" },
                "total": { "type": "number", "minimum": 0 },
                "lines": { "type": "array", "maxItems": 2, "items": { "enum": ["a", "b"] } },
            },
        } },
    })
}

#[test]
fn violations_name_their_fields() {
    for (payload, wanted) in [
        (json!({ "order": { "id": "A-1", "total": 1 } }), &[][..]),
        (json!({}), &["payload.order required"]),
        (json!({ "order": 3 }), &["payload.order wrong_type"]),
        (
            json!({ "order": { "id": "a", "total": -1, "x y": 1 }, "note": "too long" }),
            &[
                "payload.note too_long",
                "payload.order.id invalid",
                "payload.order.total invalid",
                "payload.order[\"x y\"] unknown_field",
            ],
        ),
        (
            json!({ "order": { "id": "A-1", "total": 1, "lines": ["a", "c"] } }),
            &["payload.order.lines[1] invalid"],
        ),
        (
            json!({ "order": { "id": "A-1", "total": 1, "lines": ["a", "b", "b"] } }),
            &["payload.order.lines too_long"],
        ),
    ] {
        let mut found = violations(&order(), &payload);
        found.sort();
        assert_eq!(found, wanted, "{payload}");
    }
}

#[test]
fn no_more_than_ten_violations_are_told() {
    let many: Vec<Value> = (0..100).map(|_| json!("x")).collect();
    let numbers = json!({ "properties": { "all": { "items": { "type": "number" } } } });
    assert_eq!(violations(&numbers, &json!({ "all": many })).len(), TOLD);
    // Where looking for all of them would take too much, only that there are some is told.
    let much: Vec<Value> = (0..100_000).map(|_| json!("x")).collect();
    assert_eq!(violations(&numbers, &json!({ "all": much })), ["payload invalid"]);
}

#[test]
fn both_editions_are_read_as_they_are_meant() {
    let seven = "http://json-schema.org/draft-07/schema#";
    let latest = "https://json-schema.org/draft/2020-12/schema";
    for (of, payload, fits) in [
        // What stands beside $ref says nothing in draft 7.
        (
            json!({ "$schema": seven, "$ref": "#/definitions/a", "required": ["x"], "definitions": { "a": {} } }),
            json!({}),
            true,
        ),
        (
            json!({ "$schema": latest, "$ref": "#/$defs/a", "required": ["x"], "$defs": { "a": {} } }),
            json!({}),
            false,
        ),
        (
            json!({ "$schema": seven, "properties": { "l": { "items": [{ "type": "string" }], "additionalItems": false } } }),
            json!({ "l": ["a", 1] }),
            false,
        ),
        (
            json!({ "$schema": seven, "properties": { "l": { "prefixItems": [{ "type": "string" }] } } }),
            json!({ "l": [1] }),
            true,
        ),
        (
            json!({ "properties": { "l": { "prefixItems": [{ "type": "string" }], "items": false } } }),
            json!({ "l": ["a"] }),
            true,
        ),
        (
            json!({ "$schema": seven, "dependencies": { "a": ["b"], "c": { "required": ["d"] } } }),
            json!({ "a": 1 }),
            false,
        ),
        (
            json!({ "$schema": seven, "dependencies": { "a": ["b"], "c": { "required": ["d"] } } }),
            json!({ "c": 1 }),
            false,
        ),
        (
            json!({ "$id": "https://example.com/order.json", "$defs": { "a": { "type": "integer" } }, "properties": { "n": { "$ref": "#/$defs/a" } } }),
            json!({ "n": "1" }),
            false,
        ),
        // Formats are said for readers, and nothing is held to them.
        (
            json!({ "properties": { "at": { "format": "date-time" } } }),
            json!({ "at": "soon" }),
            true,
        ),
        (
            json!({ "unevaluatedProperties": false, "allOf": [{ "properties": { "a": true } }] }),
            json!({ "b": 1 }),
            false,
        ),
    ] {
        let checker = schema(&of).compile().expect("compiles");
        assert_eq!(checker.fits(&payload), fits, "{of} {payload}");
    }
}

#[test]
fn what_cannot_be_taken_is_told_with_its_place() {
    let deep = (0..70).fold(json!({}), |inner, _| json!({ "not": inner }));
    let chain: serde_json::Map<String, Value> = (0..150)
        .map(|n| (format!("d{n}"), json!({ "$ref": format!("#/$defs/d{}", n + 1) })))
        .chain([("d150".to_owned(), json!({ "type": "string" }))])
        .collect();
    let doubling: serde_json::Map<String, Value> = (0..20)
        .map(|n| {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            (format!("d{n}"), json!({ "allOf": [next, next] }))
        })
        .chain([("d20".to_owned(), json!({ "type": "string" }))])
        .collect();
    let patterns: serde_json::Map<String, Value> =
        (0..51).map(|n| (format!("p{n}"), json!({ "pattern": "^a" }))).collect();
    for (of, field, code, says) in [
        (json!({ "type": "text" }), "schema.type", "invalid", ""),
        (
            json!({ "properties": { "a": { "minimum": "1" } } }),
            "schema.properties.a.minimum",
            "wrong_type",
            "",
        ),
        (
            json!({ "properties": { "a": { "$ref": "https://example.com/a" } } }),
            "schema",
            "invalid",
            "#/properties/a/$ref: ",
        ),
        (
            json!({ "properties": { "a": { "$ref": "#/$defs/none" } } }),
            "schema",
            "invalid",
            "#/properties/a/$ref: ",
        ),
        (
            json!({ "properties": { "a": { "$ref": "#" } } }),
            "schema",
            "invalid",
            "#/properties/a/$ref: ",
        ),
        (
            json!({ "properties": { "a": { "$id": "https://example.com/a" } } }),
            "schema",
            "invalid",
            "#/properties/a/$id: ",
        ),
        (json!({ "$dynamicRef": "#a" }), "schema", "invalid", "#/$dynamicRef: "),
        (
            json!({ "$schema": "http://json-schema.org/draft-04/schema#" }),
            "schema.$schema",
            "invalid",
            "",
        ),
        (
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "properties": { "b": { "$ref": "#/$defs/a" } } } } }),
            "schema",
            "invalid",
            "#/",
        ),
        (deep, "schema", "too_deep", ""),
        (json!({ "$ref": "#/$defs/d0", "$defs": chain }), "schema", "too_deep", ""),
        (
            json!({ "$ref": "#/$defs/d0", "$defs": doubling }),
            "schema",
            "too_large",
            "at most 4096 parts",
        ),
        (json!({ "properties": patterns }), "schema", "too_long", "at most 50"),
        (json!({ "title": "x".repeat(MAX_SCHEMA) }), "schema", "too_large", ""),
        (json!([1]), "schema", "wrong_type", ""),
    ] {
        let text = of.to_string();
        let faults = Schema::read(&text).expect_err(&text[..text.len().min(200)]);
        let found: Vec<(&str, &str)> =
            faults.iter().map(|fault| (&*fault.field, fault.code.as_str())).collect();
        assert!(found.contains(&(field, code)), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.message.contains(says)), "{faults:?}");
    }
    for text in ["{\"minimum\": 1e999}", "{\"a\": 1, \"a\": 2}", "{\"const\": \"\\u0000\"}"] {
        assert!(Schema::read(text).is_err(), "{text}");
    }
    // Names of properties are no keywords.
    schema(
        &json!({ "properties": { "$id": { "type": "string" }, "$ref": true }, "const": { "$ref": "x" } }),
    );
    for pattern in ["(?=a)b", "(a)\\1", "(", "(a{1000}){1000}"] {
        let of = schema_or_faults(&json!({ "properties": { "a": { "pattern": pattern } } }));
        assert!(of.is_err(), "{pattern}");
    }
}

fn schema_or_faults(of: &Value) -> Result<Checker, Vec<Fault>> {
    Schema::read(&of.to_string())?.compile()
}

#[test]
fn the_deepest_schema_that_is_taken_is_asked_of_the_deepest_payload() {
    // Each of these within the other, as deep as text and references may be.
    let levels: serde_json::Map<String, Value> = (0..45)
        .map(|n| {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            (format!("d{n}"), json!({ "properties": { "a": next }, "allOf": [true] }))
        })
        .chain([("d45".to_owned(), json!({ "type": "object" }))])
        .collect();
    let deep = schema(&json!({ "$ref": "#/$defs/d0", "$defs": levels }));
    let nested = (0..62).fold(json!({ "type": "object" }), |inner, _| json!({ "not": inner }));
    let nested = schema(&nested);
    let payload = (0..60).fold(json!({}), |inner, _| json!({ "a": inner }));
    for one in [deep, nested] {
        assert_eq!(compare(&one, &one), []);
        let checker = one.compile().expect("compiles");
        assert_eq!(checker.violations("payload", &payload), []);
    }
}

#[test]
fn an_example_must_fit() {
    let new = |example: Value| NewSchema {
        schema: order().to_string(),
        example: Some(example.to_string()),
    };
    assert!(new(json!({ "order": { "id": "A-1", "total": 1 } })).judge().is_ok());
    let faults = new(json!({ "order": { "id": "A-1" } })).judge().expect_err("total is missing");
    assert_eq!(told(&faults), ["example.order.total required"]);
    let faults = new(json!([])).judge().expect_err("no object");
    assert_eq!(told(&faults), ["example wrong_type"]);
}

#[test]
fn names_and_descriptions_are_judged() {
    for (name, fine) in
        [("order.paid", true), ("a", true), ("", false), ("a..b", false), ("ä", false)]
    {
        assert_eq!(name_fault(name).is_none(), fine, "{name}");
    }
    let body = |description: String| EventTypeBody { description, mode: SchemaMode::Warn };
    assert_eq!(body("fine".to_owned()).faults(), []);
    assert_eq!(body("x".repeat(501)).faults().len(), 1);
    assert_eq!(body("a\0".to_owned()).faults().len(), 1);
}

/// What differs between two schemas, as `!pointer` where it is decided and `?pointer` where it is not.
fn differs(old: &Value, new: &Value) -> Vec<String> {
    let found = compare(&schema(old), &schema(new));
    let mark = |one: &Finding| format!("{}{}", if one.decided { '!' } else { '?' }, one.pointer);
    found.iter().map(mark).collect()
}

#[test]
fn what_takes_more_is_compatible() {
    let closed = |properties: Value| json!({ "type": "object", "additionalProperties": false, "properties": properties });
    for (old, new) in [
        (order(), order()),
        (json!({ "type": "integer" }), json!({ "type": "number" })),
        (json!({ "type": "integer" }), json!({ "type": ["integer", "string"] })),
        (json!({ "type": "string", "maxLength": 3 }), json!({ "type": "string", "maxLength": 4 })),
        (
            json!({ "type": "integer", "minimum": 5 }),
            json!({ "type": "integer", "exclusiveMinimum": 4 }),
        ),
        (
            json!({ "type": "integer", "minimum": 1, "maximum": 5 }),
            json!({ "type": "number", "minimum": 0.5 }),
        ),
        (
            json!({ "type": "integer", "multipleOf": 6 }),
            json!({ "type": "integer", "multipleOf": 3 }),
        ),
        (json!({ "enum": ["a", "b"] }), json!({ "enum": ["b", "a", "c"] })),
        (
            json!({ "enum": ["a", "b"] }),
            json!({ "type": "string", "maxLength": 1, "pattern": "^[ab]$" }),
        ),
        (json!({ "const": 1 }), json!({ "type": "integer", "minimum": 1 })),
        (json!({ "required": ["a", "b"] }), json!({ "required": ["b"] })),
        (json!({ "properties": { "a": { "type": "string" } } }), json!({})),
        // A closed object takes more when it names more.
        (
            closed(json!({ "a": { "type": "string" } })),
            closed(json!({ "a": { "type": "string" }, "b": { "type": "integer" } })),
        ),
        (closed(json!({ "a": true })), json!({ "properties": { "b": { "type": "integer" } } })),
        (
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
            json!({ "type": ["string", "null"] }),
        ),
        (
            json!({ "anyOf": [{ "type": "string" }] }),
            json!({ "anyOf": [{ "type": "null" }, { "type": "string" }] }),
        ),
        (
            json!({ "type": "string" }),
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
        ),
        (
            json!({ "allOf": [{ "required": ["a"] }, { "required": ["b"] }] }),
            json!({ "required": ["a", "b"] }),
        ),
        (
            json!({ "required": ["a", "b"] }),
            json!({ "allOf": [{ "required": ["a"] }, { "required": ["b"] }] }),
        ),
        (
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "string" } } }),
            json!({ "type": "string", "title": "A" }),
        ),
        (json!({ "items": { "type": "integer" } }), json!({ "items": { "type": "number" } })),
        (
            json!({ "prefixItems": [{ "type": "integer" }], "items": { "type": "string" } }),
            json!({ "items": { "type": ["integer", "string"] } }),
        ),
        (json!({ "type": "string" }), json!({ "type": "string", "minimum": 5, "required": ["a"] })),
        (json!({ "not": { "type": "string" } }), json!({})),
        (
            json!({ "if": { "required": ["a"] }, "then": { "required": ["b"] } }),
            json!({ "if": { "required": ["a"] }, "then": { "required": ["b"] }, "title": "x" }),
        ),
        (
            json!({ "patternProperties": { "^x-": { "type": "integer" } } }),
            json!({ "patternProperties": { "^x-": { "type": "number" } } }),
        ),
        (
            json!({ "$schema": "http://json-schema.org/draft-07/schema#", "dependencies": { "a": ["b"] } }),
            json!({ "dependentRequired": { "a": ["b"] } }),
        ),
        (
            json!({ "properties": { "a": false } }),
            json!({ "properties": { "a": { "type": "string" } } }),
        ),
        (json!({ "uniqueItems": true, "minItems": 2 }), json!({ "minItems": 1 })),
    ] {
        assert_eq!(differs(&old, &new), [""; 0], "{old} {new}");
    }
}

#[test]
fn what_asks_more_is_told_with_its_place() {
    let cases = [
        (json!({ "type": "number" }), json!({ "type": "integer" }), "!#/type"),
        (json!({}), json!({ "required": ["a"] }), "!#/required"),
        (json!({ "enum": ["a", "b"] }), json!({ "enum": ["a"] }), "!#"),
        (json!({}), json!({ "enum": ["a"] }), "!#/enum"),
        (json!({ "type": "string" }), json!({ "type": "string", "minLength": 1 }), "!#/minLength"),
        (json!({ "maxLength": 5 }), json!({ "maxLength": 4 }), "!#/maxLength"),
        (json!({ "minimum": 1 }), json!({ "exclusiveMinimum": 1 }), "!#/exclusiveMinimum"),
        (json!({ "maximum": 5 }), json!({ "maximum": 4.5 }), "!#/maximum"),
        (json!({}), json!({ "multipleOf": 2 }), "!#/multipleOf"),
        (json!({ "multipleOf": 0.2 }), json!({ "multipleOf": 0.1 }), "!#/multipleOf"),
        (json!({}), json!({ "pattern": "^a" }), "!#/pattern"),
        (json!({ "pattern": "^ab" }), json!({ "pattern": "^a" }), "?#/pattern"),
        (json!({}), json!({ "uniqueItems": true }), "!#/uniqueItems"),
        (json!({}), json!({ "additionalProperties": false }), "!#/additionalProperties"),
        (
            json!({ "properties": { "a": {} } }),
            json!({ "properties": { "a": { "type": "string" } } }),
            "!#/properties/a/type",
        ),
        // The object was open, so that anything could stand there.
        (json!({}), json!({ "properties": { "a": { "type": "string" } } }), "!#/properties/a"),
        (
            json!({ "properties": { "a": true }, "additionalProperties": false }),
            json!({ "properties": { "b": true }, "additionalProperties": false }),
            "!#/additionalProperties",
        ),
        (json!({ "items": {} }), json!({ "items": { "type": "string" } }), "!#/items/type"),
        (json!({}), json!({ "prefixItems": [{ "type": "string" }] }), "!#/prefixItems/0/type"),
        (json!({}), json!({ "items": false }), "!#/items"),
        (
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
            json!({ "anyOf": [{ "type": "string" }] }),
            "!#/type",
        ),
        (json!({}), json!({ "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] }), "?#/anyOf"),
        (json!({}), json!({ "oneOf": [{ "required": ["a"] }] }), "?#/oneOf"),
        (json!({}), json!({ "not": { "required": ["a"] } }), "?#/not"),
        (json!({}), json!({ "if": { "required": ["a"] }, "then": { "required": ["b"] } }), "?#/if"),
        (json!({}), json!({ "unevaluatedProperties": false }), "?#/unevaluatedProperties"),
        (json!({}), json!({ "contains": { "type": "string" } }), "?#/contains"),
        (json!({}), json!({ "dependentRequired": { "a": ["b"] } }), "!#/dependentRequired/a"),
        (
            json!({}),
            json!({ "dependentSchemas": { "a": { "required": ["b"] } } }),
            "?#/dependentSchemas/a",
        ),
        (json!({}), json!({ "propertyNames": { "maxLength": 3 } }), "!#/propertyNames/maxLength"),
        (
            json!({}),
            json!({ "patternProperties": { "^x": { "type": "string" } } }),
            "!#/patternProperties/^x/type",
        ),
        (
            json!({ "patternProperties": { "^x": { "type": "string" } }, "additionalProperties": false }),
            json!({ "additionalProperties": false }),
            "!#/patternProperties/^x",
        ),
        (
            json!({ "$ref": "#/$defs/a", "$defs": { "a": {} } }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "minItems": 1 } } }),
            "!#/minItems",
        ),
        (
            json!({ "maximum": 9_007_199_254_740_993_i64 }),
            json!({ "maximum": 9_007_199_254_740_992_i64 }),
            "?#/maximum",
        ),
    ];
    for (old, new, wanted) in cases {
        let found = differs(&old, &new);
        assert!(found.iter().any(|one| one == wanted), "{old} {new}: {found:?}");
    }
}

#[test]
fn a_comparison_comes_to_an_end() {
    // Alternatives within alternatives: every pair would be compared.
    let side = |word: &str| {
        (0..6).fold(json!({ "const": word }), |inner, n| {
            json!({ "anyOf": [{ "properties": { format!("a{n}"): inner } }, { "required": [format!("b{n}")] }, inner] })
        })
    };
    let found = compare(&schema(&side("x")), &schema(&side("y")));
    assert!(!found.is_empty() && found.len() <= 50);
    assert_ne!(compatibility(&found), Compatibility::Compatible);
}

mod chance {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            (-3_i64..6).prop_map(Value::from),
            Just(json!(1.5)),
            "[ab]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[abx]", inner, 0..3)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    fn some_schema() -> impl Strategy<Value = Value> {
        let types =
            prop::sample::select(vec!["object", "string", "integer", "number", "array", "null"]);
        let leaf = prop_oneof![
            Just(json!({})),
            types.prop_map(|one| json!({ "type": one })),
            (0..4).prop_map(|n| json!({ "minimum": n })),
            (0..4).prop_map(|n| json!({ "exclusiveMaximum": n, "type": ["integer", "string"] })),
            (0..3).prop_map(|n| json!({ "maxLength": n, "minItems": n })),
            prop::collection::vec(value(), 1..3).prop_map(|all| json!({ "enum": all })),
            "[abx]".prop_map(|name| json!({ "required": [name] })),
            (1..4).prop_map(|n| json!({ "multipleOf": n })),
        ];
        leaf.prop_recursive(2, 10, 3, |inner| {
            let object = |all: std::collections::BTreeMap<String, Value>| {
                Value::Object(all.into_iter().collect())
            };
            prop_oneof![
                (
                    prop::collection::btree_map("[abx]", inner.clone(), 0..3),
                    inner.clone(),
                    any::<bool>()
                )
                    .prop_map(move |(all, rest, closed)| {
                        let rest = if closed { json!(false) } else { rest };
                        json!({ "properties": object(all), "additionalProperties": rest })
                    }),
                prop::collection::btree_map("[abx]", inner.clone(), 0..2)
                    .prop_map(move |all| json!({ "patternProperties": object(all) })),
                inner.clone().prop_map(|one| json!({ "items": one })),
                (inner.clone(), inner.clone())
                    .prop_map(|(one, other)| json!({ "prefixItems": [one], "items": other })),
                prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({ "anyOf": all })),
                prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({ "allOf": all })),
                prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({ "oneOf": all })),
                inner.prop_map(|one| json!({ "not": one })),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// What is called compatible takes whatever was taken before.
        #[test]
        fn nothing_is_called_compatible_that_is_not(
            old in some_schema(),
            new in some_schema(),
            values in prop::collection::vec(value(), 20),
        ) {
            let (old, new) = (schema(&old), schema(&new));
            if compare(&old, &new).is_empty() {
                let (before, after) = (old.compile().expect("old"), new.compile().expect("new"));
                for one in values {
                    prop_assert!(!before.fits(&one) || after.fits(&one), "{one} is lost");
                }
            }
        }
    }
}
