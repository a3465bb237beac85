//! Tests of the language as a whole.

mod demands;
mod errors;
mod explain;
mod functions;
mod guards;
mod names;
mod operators;
mod properties;

use serde_json::{Value, json};

use super::{Condition, ConditionError, Subject};
use crate::time::Time;

/// 2024-03-01 23:30:00.123 UTC, an hour later in Berlin.
fn now() -> Time {
    at(1_709_335_800_123_000)
}

fn at(micros: i64) -> Time {
    Time::from_micros(micros)
}

fn subject(payload: &Value) -> Subject<'_> {
    Subject {
        id: "ev_1",
        kind: "payment.failed",
        source: "billing",
        subject: Some("card 7"),
        received_at: now(),
        payload,
    }
}

fn sample() -> Value {
    json!({
        "amount": 1500, "ratio": 0.25, "zero": 0, "negative": -7, "big": 9_007_199_254_740_993_i64,
        "huge": u64::MAX, "yes": true, "no": false, "name": "Straße 12", "empty_text": "",
        "nothing": null, "type": "inner", "path": "C:\\temp", "quote": "say \"hi\"",
        "items": [{"x": 1, "tags": ["a", "b"]}, {"x": 2.0}], "numbers": [1, 2.5, "three", null],
        "object": {"a": 1, "b": [1, 2]}, "same": {"b": [1.0, 2], "a": 1.0}, "other": {"a": 2},
        "odd key": {"x": 5}, "order-id": "o-1", "größe": 3, "2fa": true, "": "blank",
    })
}

fn parse(source: &str) -> Condition {
    match Condition::parse(source) {
        Ok(condition) => condition,
        Err(error) => panic!("{source}: {error}"),
    }
}

fn error(source: &str) -> ConditionError {
    match Condition::parse(source) {
        Ok(_) => panic!("{source} was accepted"),
        Err(error) => error,
    }
}

fn holds(source: &str) -> bool {
    let payload = sample();
    parse(source).holds(&subject(&payload), now()).unwrap()
}

#[track_caller]
fn all_hold(sources: &[&str]) {
    for source in sources {
        assert!(holds(source), "{source} should hold");
    }
}

#[track_caller]
fn none_holds(sources: &[&str]) {
    for source in sources {
        assert!(!holds(source), "{source} should not hold");
    }
}
