use serde_json::{Value, json};

use super::{now, parse, sample, subject};

fn explain(source: &str) -> Value {
    let payload = sample();
    let explanation = parse(source).explain(&subject(&payload), now()).unwrap();
    serde_json::to_value(explanation).unwrap()
}

#[test]
fn a_chain_has_its_parts() {
    assert_eq!(
        explain(r#"event.type == "payment.failed" && (event.amount > 2000) && event.x > 3"#),
        json!({
            "result": false,
            "values": [
                {"name": "event.payload.amount", "value": 1500},
                {"name": "event.payload.x", "value": null},
                {"name": "event.type", "value": "payment.failed"},
            ],
            "parts": [
                {"text": r#"event.type == "payment.failed""#, "result": true},
                {"text": "event.amount > 2000", "result": false},
                {"text": "event.x > 3", "result": false,
                    "note": "event.payload.x is missing; not needed for the result"},
            ],
        })
    );
}

#[test]
fn nesting_and_negation() {
    assert_eq!(
        explain("!(event.yes && (event.no || event.amount == 1)) || false")["parts"],
        json!([
            {"text": "!(event.yes && (event.no || event.amount == 1))", "result": true, "parts": [
                {"text": "event.yes && (event.no || event.amount == 1)", "result": false, "parts": [
                    {"text": "event.yes", "result": true},
                    {"text": "event.no || event.amount == 1", "result": false, "parts": [
                        {"text": "event.no", "result": false},
                        {"text": "event.amount == 1", "result": false},
                    ]},
                ]},
            ]},
            {"text": "false", "result": false, "note": "not needed for the result"},
        ])
    );
}

#[test]
fn values_are_shown_as_they_are() {
    assert_eq!(
        explain(
            "event.items == event.huge || event.object == event.ratio || event.received_at > event.2fa"
        )["values"],
        json!([
            {"name": "event.payload.2fa", "value": true},
            {"name": "event.payload.huge", "value": u64::MAX},
            {"name": "event.payload.items", "value": sample()["items"]},
            {"name": "event.payload.object", "value": {"a": 1, "b": [1, 2]}},
            {"name": "event.payload.ratio", "value": 0.25},
            {"name": "event.received_at", "value": "2024-03-01T23:30:00.123Z"},
        ])
    );
}

#[test]
fn notes() {
    for (source, result, note) in [
        ("event.x > 3", false, Some("event.payload.x is missing")),
        ("event.nothing == 3", false, Some("event.payload.nothing is null")),
        ("event.x == event.x", true, Some("event.payload.x is missing")),
        ("event.amount > \"a\"", false, Some("different kinds: number and text")),
        ("event.amount != \"a\"", true, Some("different kinds: number and text")),
        ("event.items == true", false, Some("different kinds: list and boolean")),
        ("event.yes > event.no", false, Some("boolean values have no order")),
        ("event.amount", false, Some("number is neither true nor false, so it counts as false")),
        ("!event.name", true, Some("text is neither true nor false, so it counts as false")),
        (
            "event.x",
            false,
            Some(
                "event.payload.x is missing; empty is neither true nor false, so it counts as false",
            ),
        ),
        ("event.name + 1 > 2", false, Some("arithmetic with text gives empty")),
        ("event.amount / event.zero > 2", false, Some("division by zero gives empty")),
        ("1e308 * 10 > 2", false, Some("the number is too large and gives empty")),
        (
            "in(1, event.numbers)",
            false,
            Some("in() compares a list as a whole; contains(list, x) looks inside"),
        ),
        (
            "contains(event.amount, 1)",
            false,
            Some("contains() has no answer for this kind: number"),
        ),
        ("len(event.amount) > 1", false, Some("len() has no answer for this kind: number")),
        ("exists(event.x)", false, Some("event.payload.x is missing")),
        ("event.amount == 1500", true, None),
    ] {
        let explanation = explain(source);
        assert_eq!(explanation["result"], json!(result), "{source}");
        let part = &explanation["parts"][0];
        assert_eq!(part["text"], json!(source));
        assert_eq!(part["result"], json!(result), "{source}");
        assert_eq!(part.get("note").and_then(Value::as_str), note, "{source}");
    }
}
