use serde_json::{Value, json};

use super::parse;

/// The demands as pairs of path and values.
fn demands(source: &str) -> Value {
    let demands = parse(source).demands();
    demands.iter().map(|demand| json!([demand.path, demand.any_of])).collect()
}

#[test]
fn demands_of_conditions() {
    for (source, expected) in [
        (r#"event.type == "a""#, json!([["event.type", ["a"]]])),
        (r#""a" == event.type"#, json!([["event.type", ["a"]]])),
        (r#"((event.type == "a"))"#, json!([["event.type", ["a"]]])),
        (
            r#"event.type == "a" && event.amount > 3 && event.source == "s""#,
            json!([["event.type", ["a"]], ["event.source", ["s"]]]),
        ),
        (r#"in(event.type, "a", "b", "a") && true"#, json!([["event.type", ["a", "b"]]])),
        (
            r#"(event.type == "a" || event.type == "b" || in(event.type, "b", "c")) && event.x"#,
            json!([["event.type", ["a", "b", "c"]]]),
        ),
        (
            r#"event.type == "a" && event.x || event.y == 1 && event.type == "b""#,
            json!([["event.type", ["a", "b"]]]),
        ),
        (
            "event.a == -1 && event.b == true",
            json!([["event.payload.a", [-1]], ["event.payload.b", [true]]]),
        ),
        ("event.a == 1.5", json!([["event.payload.a", [1.5]]])),
        (r#"event.type == "a" || event.amount > 3"#, json!([])),
        (r#"event.type == "a" || event.source == "a""#, json!([])),
        (r#"event.type != "a""#, json!([])),
        (r#"!(event.type == "a")"#, json!([])),
        (r#"in(event.type, "a", event.x)"#, json!([])),
        (r#"in("a", event.type, event.x)"#, json!([])),
        (r#"lower(event.type) == "a""#, json!([])),
        (r#"starts_with(event.type, "a")"#, json!([])),
        ("event.a == event.b", json!([])),
        ("1 == 1", json!([])),
        ("true", json!([])),
    ] {
        assert_eq!(demands(source), expected, "{source}");
    }
}
