use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::Condition;
use super::{at, now, subject};

const TOKENS: [&str; 52] = [
    "==",
    "!=",
    ">",
    "<",
    ">=",
    "<=",
    "&&",
    "||",
    "!",
    "+",
    "-",
    "*",
    "/",
    "%",
    "(",
    ")",
    ",",
    "(",
    ")",
    "in(",
    "contains(",
    "starts_with(",
    "ends_with(",
    "len(",
    "exists(",
    "lower(",
    "matches(",
    "now_hour(",
    "event.type",
    "event.a",
    "event.a.b[0]",
    "event.payload[\"a\"]",
    "event.payload",
    "event.received_at",
    "1",
    "0",
    "1.5",
    "1e3",
    "9223372036854775807",
    "\"a\"",
    "\"\"",
    "\"UTC\"",
    "\"[a-z]+\"",
    "true",
    "false",
    "=",
    ";",
    "^",
    "[",
    "\"",
    "\\",
    " ",
];

/// Conditions that are well formed, so that the evaluator is reached.
fn condition() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "1",
            "0",
            "-2.5",
            "18446744073709551615",
            "\"a\"",
            "\"\"",
            "true",
            "false",
            "event.a",
            "event.b.a[1]",
            "event.payload",
            "event.type",
            "event.received_at",
            "now_hour(\"UTC\")",
            "exists(event.a)",
            "event.a[0]",
        ][..],
    )
    .prop_map(str::to_owned);
    leaf.prop_recursive(6, 60, 3, |inner| {
        let operator =
            prop::sample::select(&["==", "!=", ">", "<=", "&&", "||", "+", "-", "*", "/", "%"][..]);
        let function = prop::sample::select(&["in", "contains", "starts_with", "ends_with"][..]);
        let single = prop::sample::select(&["!(", "-(", "len(", "lower(", "("][..]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (function, inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
            (single, inner.clone()).prop_map(|(f, a)| format!("{f}{a})")),
            inner.prop_map(|a| format!("matches({a}, \"a.*b|[0-9]\")")),
        ]
    })
}

fn payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[ab]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let entry = (prop::sample::select(&["a", "b", "c"][..]), inner.clone());
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            vec(entry, 0..4).prop_map(|entries| {
                let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(entries.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// Parses and, if that works, does everything; returns the result.
fn exercise(source: &str, payload: &Value, now: i64) -> Option<bool> {
    let condition = match Condition::parse(source) {
        Ok(condition) => condition,
        Err(error) => {
            assert!(error.position >= 1);
            assert!(error.position <= source.chars().count() + 1);
            assert!(!error.message.contains("cannot be read"), "{source}: {error}");
            return None;
        }
    };
    let subject = subject(payload);
    let result = condition.holds(&subject, at(now)).ok()?;
    if let Ok(explanation) = condition.explain(&subject, at(now)) {
        assert_eq!(explanation.result, result, "{source}");
    }
    if result {
        let values = condition.explain(&subject, at(now)).map(|found| found.values);
        for demand in condition.demands() {
            let found = values.iter().flatten().find(|value| value.name == demand.path);
            let value = found.map(|found| found.value.clone());
            let equals =
                |wanted: &Value| match (wanted.as_f64(), value.as_ref().and_then(Value::as_f64)) {
                    (Some(a), Some(b)) => a == b,
                    _ => value.as_ref() == Some(wanted),
                };
            assert!(demand.any_of.iter().any(equals), "{source}: {demand:?} {value:?}");
        }
    }
    Some(result)
}

/// Conditions that mostly demand something.
fn demanding() -> impl Strategy<Value = String> {
    let leaves = [
        "event.a == 1",
        "2.0 == event.a",
        "in(event.a, 1, 2)",
        "event.b == 3",
        "in(event.b, 0, 1, event.a)",
        "event.c",
        "event.c == true",
        "event.a != 2",
    ];
    let leaf = prop::sample::select(leaves.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(4, 12, 2, |inner| {
        let operator = prop::sample::select(vec!["&&", "||"]);
        prop_oneof![
            6 => (inner.clone(), operator, inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

/// A reference for precedence: fully parenthesized and bare spellings of one random expression.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(&'static str),
    Binary(&'static str, Box<Tree>, Box<Tree>),
    Unary(&'static str, Box<Tree>),
}

fn precedence(op: &str) -> u8 {
    match op {
        "||" => 1,
        "&&" => 2,
        "==" | "!=" | "<" | ">" | "<=" | ">=" => 3,
        "+" | "-" => 4,
        _ => 5,
    }
}

impl Tree {
    fn level(&self) -> u8 {
        match self {
            Tree::Leaf(_) => 9,
            Tree::Unary(..) => 6,
            Tree::Binary(op, ..) => precedence(op),
        }
    }

    fn full(&self) -> String {
        match self {
            Tree::Leaf(leaf) => (*leaf).to_owned(),
            Tree::Unary(op, inner) => format!("({op}{})", inner.full()),
            Tree::Binary(op, a, b) => format!("({} {op} {})", a.full(), b.full()),
        }
    }

    fn bare(&self) -> String {
        let wrap = |tree: &Tree, least: u8| match tree.level() >= least {
            true => tree.bare(),
            false => format!("({})", tree.bare()),
        };
        match self {
            Tree::Leaf(leaf) => (*leaf).to_owned(),
            Tree::Unary(op, inner) => format!("{op}{}", wrap(inner, 6)),
            Tree::Binary(op, a, b) => {
                let level = precedence(op);
                let left = if level == 3 { 4 } else { level };
                format!("{}{op}{}", wrap(a, left), wrap(b, level + 1))
            }
        }
    }
}

fn arithmetic() -> impl Strategy<Value = Tree> {
    let leaf =
        prop::sample::select(&["1", "2", "3", "7", "0.5", "event.a"][..]).prop_map(Tree::Leaf);
    leaf.prop_recursive(5, 24, 2, |inner| {
        let op = prop::sample::select(&["+", "-", "*", "/", "%"][..]);
        prop_oneof![
            4 => (op, inner.clone(), inner.clone()).prop_map(|(op, a, b)| Tree::Binary(op, a.into(), b.into())),
            1 => inner.prop_map(|a| Tree::Unary("-", a.into())),
        ]
    })
}

fn logic() -> impl Strategy<Value = Tree> {
    let compare = prop::sample::select(&["==", "!=", "<", ">", "<=", ">="][..]);
    let leaf = prop_oneof![
        prop::sample::select(&["true", "false", "event.b"][..]).prop_map(Tree::Leaf),
        (compare, arithmetic(), arithmetic()).prop_map(|(op, a, b)| Tree::Binary(
            op,
            a.into(),
            b.into()
        )),
    ];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let op = prop::sample::select(&["&&", "||", "&&", "||", "==", "!="][..]);
        prop_oneof![
            4 => (op, inner.clone(), inner.clone()).prop_map(|(op, a, b)| Tree::Binary(op, a.into(), b.into())),
            1 => inner.prop_map(|a| Tree::Unary("!", a.into())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(source in any::<String>(), payload in payload()) {
        exercise(&source, &payload, now().micros());
    }

    #[test]
    fn arbitrary_tokens_never_panic(tokens in vec(prop::sample::select(&TOKENS[..]), 0..40), space in any::<bool>(), payload in payload()) {
        exercise(&tokens.join(if space { " " } else { "" }), &payload, now().micros());
    }

    #[test]
    fn whatever_parses_can_be_evaluated(source in condition(), payload in payload(), now in any::<i64>()) {
        let source = format!("{source} == true");
        prop_assume!(source.len() < 4000);
        exercise(&source, &payload, now);
        exercise(&format!("event.a == 1 && {source}"), &payload, now);
    }

    #[test]
    fn demands_are_necessary(source in demanding(), a in 0..4_i64, b in 0..4_i64) {
        let payload = serde_json::json!({"a": a, "b": b, "c": a == b});
        prop_assert!(exercise(&source, &payload, 0).is_some());
    }

    #[test]
    fn precedence_is_as_usual(tree in logic(), a in -3..4_i64, b in any::<bool>()) {
        let payload = serde_json::json!({"a": a, "b": b});
        let (full, bare) = (tree.full(), tree.bare());
        prop_assume!(full.len() < 4000);
        let expected = exercise(&full, &payload, 0);
        prop_assert!(expected.is_some(), "{}", full);
        prop_assert_eq!(exercise(&bare, &payload, 0), expected, "{} {}", bare, full);
    }
}
