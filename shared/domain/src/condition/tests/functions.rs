use serde_json::json;

use super::{all_hold, at, none_holds, now, parse, subject};

#[test]
fn membership() {
    all_hold(&[
        r#"in(event.type, "a", "payment.failed")"#,
        "in(event.amount, 1, 1500.0)",
        "in(event.amount, event.zero, event.amount)",
        "in(event.missing, event.nothing)",
        "in(event.object, event.same)",
        "in(1 + 1, 2)",
        "!in(1, 2, 3)",
    ]);
    none_holds(&[
        r#"in(event.amount, "1500")"#,
        "in(event.missing, 0, false)",
        "in(2.5, event.numbers)",
    ]);
}

#[test]
fn contains() {
    all_hold(&[
        r#"contains(event.type, "ment.f")"#,
        r#"contains(event.type, "")"#,
        "contains(event.numbers, 1.0)",
        r#"contains(event.numbers, "three")"#,
        "contains(event.numbers, event.missing)",
        r#"contains(event.items[0].tags, "b")"#,
        "contains(event.object.b, 2)",
    ]);
    none_holds(&[
        r#"contains(event.type, "Payment")"#,
        "contains(event.numbers, 3)",
        r#"contains(event.missing, "a")"#,
        "contains(event.amount, 1500)",
        r#"contains(event.object, "a")"#,
        "contains(event.type, 1)",
        "contains(event.type, event.missing)",
    ]);
}

#[test]
fn starts_and_ends() {
    all_hold(&[
        r#"starts_with(event.type, "payment.")"#,
        r#"ends_with(event.type, ".failed")"#,
        r#"starts_with(event.name, "Straß")"#,
        r#"ends_with(event.name, "")"#,
    ]);
    none_holds(&[
        r#"starts_with(event.type, "failed")"#,
        r#"ends_with(event.type, "payment")"#,
        r#"starts_with(event.missing, "")"#,
        r#"ends_with(event.amount, "0")"#,
        "starts_with(event.type, event.numbers)",
    ]);
}

#[test]
fn length() {
    all_hold(&[
        "len(event.name) == 9",
        r#"len("") == 0"#,
        "len(event.items) == 2",
        "len(event.object) == 2",
        "len(event.missing) == event.missing",
        "len(event.amount) == event.missing",
        "len(event.yes) == event.missing",
        "len(lower(event.type)) > 3",
    ]);
    none_holds(&["len(event.missing) >= 0", "len(event.missing) == 0"]);
}

#[test]
fn existence() {
    all_hold(&[
        "exists(event.amount)",
        "exists(event.payload)",
        "exists(event.type)",
        "exists(event.no)",
        "exists(event.items[1].x)",
        "!exists(event.missing)",
        "!exists(event.nothing)",
        "!exists(event.items[2])",
        "!exists(event.missing.deeper)",
    ]);
}

#[test]
fn lower_case() {
    all_hold(&[
        r#"lower("ÄbC") == "äbc""#,
        r#"lower(event.name) == "straße 12""#,
        "lower(event.missing) == event.missing",
        "lower(event.amount) == event.missing",
    ]);
}

#[test]
fn regular_expressions() {
    all_hold(&[
        r#"matches(event.type, "^pay.*led$")"#,
        r#"matches(event.name, "\\d+$")"#,
        r#"matches(event.name, "^\\w+ ")"#,
        r#"matches(event.name, "(?i)STRAßE")"#,
        r#"matches(event.path, "^C:\\\\")"#,
        r#"matches(lower("ABC"), "b")"#,
        r#"matches(event.name, "\\p{Lu}")"#,
        r#"matches("a@b.com", "^[\\w.]+@[\\w.]+\\.\\w{2,10}$")"#,
    ]);
    none_holds(&[
        r#"matches(event.type, "^failed")"#,
        r#"matches(event.missing, "")"#,
        r#"matches(event.amount, "1500")"#,
    ]);
}

#[test]
fn hour_of_now() {
    let payload = json!({});
    for (source, micros) in [
        (r#"now_hour("UTC") == 23"#, now().micros()),
        (r#"now_hour("Europe/Berlin") == 0"#, now().micros()),
        (r#"now_hour("Asia/Kolkata") == 5"#, now().micros()),
        (r#"now_hour("Europe/Berlin") == 1"#, 0),
        (r#"now_hour("UTC") == event.missing"#, i64::MAX),
        (r#"now_hour("UTC") == event.missing"#, i64::MIN),
    ] {
        let result = parse(source).holds(&subject(&payload), at(micros));
        assert_eq!(result, Ok(true), "{source}");
    }
    all_hold(&[r#"now_hour("UTC") >= 22 || now_hour("UTC") < 6"#]);
}

#[test]
fn functions_nest_and_mix() {
    all_hold(&[
        r#"starts_with(lower(event.name), lower("STR"))"#,
        "len(event.items) * 2 + 1 == 5",
        "-len(event.items) == -2",
        "!contains(event.numbers, 7) && in(len(event.items), 1, 2)",
        "in((1 + 2) * 3, (9))",
        "len((event.name)) == 9",
        "exists((event.amount))",
        r#"in(exists(event.amount), true)"#,
    ]);
}
