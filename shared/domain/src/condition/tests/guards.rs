use std::time::{Duration, Instant};

use serde_json::json;

use super::super::{Condition, EvalError, MAX_DEPTH, MAX_LENGTH, MAX_OPERATORS};
use super::{error, now, parse, subject};

#[test]
fn length() {
    let text = |length: usize| format!("\"{}\" == \"\"", "x".repeat(length - 8));
    assert!(Condition::parse(&text(MAX_LENGTH)).is_ok());
    let error = error(&text(MAX_LENGTH + 1));
    assert_eq!(error.position, MAX_LENGTH + 1);
    assert!(error.message.contains("longer than 4096 bytes"));
}

#[test]
fn long_and_deep_sources_are_refused_quickly() {
    let started = Instant::now();
    for source in [
        "(".repeat(100_000),
        format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{}true", "!".repeat(5_000)),
        format!("{}true", "!".repeat(4_000)),
        format!("{}1", "-".repeat(4_000)),
        "(".repeat(4_096),
        "len(".repeat(1_000),
        "!(".repeat(2_000),
        "x".repeat(10_000_000),
        "\"".repeat(4_096),
        "event.a[".repeat(500),
        "é".repeat(2_049),
        "((((1)))) < ".repeat(300),
        "1 < ".repeat(1_000) + "1",
    ] {
        error(&source);
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn depth() {
    for (open, close, each) in [("(", ")", 1), ("!", "", 1), ("!(", ")", 2), ("lower(", ")", 1)] {
        let nested =
            |times: usize| format!("{}{}{}", open.repeat(times), "event.a", close.repeat(times));
        let source = |times| match open {
            "lower(" => format!("{} == 1", nested(times)),
            _ => nested(times),
        };
        let most = MAX_DEPTH / each;
        assert!(Condition::parse(&source(most)).is_ok(), "{open}");
        let error = error(&source(most + 1));
        assert!(error.message.contains("deeper than 64"), "{error}");
        let expected = match open {
            "lower(" => 64 * 6 + 6,
            _ => MAX_DEPTH + 1,
        };
        assert_eq!(error.position, expected, "{error}");
    }
}

#[test]
fn depth_counts_only_what_is_open() {
    let flat = vec!["!(-(1) == -1)"; 100].join(" || ");
    parse(&flat);
    parse(&vec!["!!!!true"; 80].join("&&"));
}

#[test]
fn operators() {
    let chain = |count: usize| vec!["true"; count + 1].join("&&");
    parse(&chain(MAX_OPERATORS));
    let error = error(&chain(MAX_OPERATORS + 1));
    assert!(error.message.contains("more than 500 operators"), "{error}");
    assert_eq!(error.position, 501 * 4 + 500 * 2 + 1);
    assert!(error.hint.unwrap().contains("in(x"));
}

/// The chains and nestings that are just allowed, on a stack as small as a worker's.
#[test]
fn the_largest_conditions_fit_the_stack() {
    let layer = "false||true&&1==1+2*-(";
    let sources = [
        vec!["true"; 501].join("&&"),
        vec!["false"; 501].join("||"),
        format!("{} == 1", vec!["1"; 500].join("+")),
        format!("{}<{}", vec!["1"; 250].join("-"), vec!["2"; 250].join("*")),
        format!("{}||{}", vec!["true"; 250].join("&&"), vec!["true"; 250].join("&&")),
        vec!["1==1"; 250].join("||"),
        format!("in({})", vec!["1"; 2_000].join(",")),
        format!("{}1{}", layer.repeat(32), ")".repeat(32)),
        format!("{}true{}", "true&&(1==1&&!(false||".repeat(21), "))".repeat(21)),
        format!("{}true{}", "(1==1)==(true&&(false||".repeat(31), "))".repeat(31)),
        format!("{}1{} > 0", "event.a+2*(".repeat(64), ")".repeat(64)),
        format!("{}true{}", "(".repeat(64), ")".repeat(64)),
        format!("{}true{}", "in(true,".repeat(64), ")".repeat(64)),
    ];
    let run = move || {
        let payload = json!({"a": true});
        for source in &sources {
            let condition = parse(source);
            condition.holds(&subject(&payload), now()).unwrap();
            condition.explain(&subject(&payload), now()).unwrap();
            condition.demands();
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    thread.spawn(run).unwrap().join().unwrap();
}

#[test]
fn steps_are_bounded() {
    let list: Vec<u32> = (0..120_000).collect();
    let payload = json!({"list": list, "text": "x".repeat(250_000)});
    let once = "contains(event.list, -1)";
    assert_eq!(parse(once).holds(&subject(&payload), now()), Ok(false));
    let often = vec![once; 100].join(" || ");
    let started = Instant::now();
    let condition = parse(&often);
    assert_eq!(condition.holds(&subject(&payload), now()), Err(EvalError::TooManySteps));
    assert_eq!(condition.explain(&subject(&payload), now()), Err(EvalError::TooManySteps));
    let equal = "event.list != event.list || ".repeat(50) + "false";
    assert_eq!(parse(&equal).holds(&subject(&payload), now()), Err(EvalError::TooManySteps));
    let lower = "len(lower(event.text)) < 1 || ".repeat(80) + "false";
    assert_eq!(parse(&lower).holds(&subject(&payload), now()), Err(EvalError::TooManySteps));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn patterns_are_bounded() {
    let payload = json!({"text": "ab".repeat(125_000)});
    let started = Instant::now();
    for pattern in [
        "(a|b)*c",
        "(a*b*)*c$",
        "[ab]{1,200}c",
        "(a|ab|abb|ba)*(x|y){1,50}",
        "\\\\w+\\\\s",
        "(a|b)*a(a|b){12}c",
        "((a|b|ab|ba){0,30}){0,30}c",
        ".{0,200}x.{0,200}y",
    ] {
        let matches = format!("matches(event.text, \"{pattern}\") || ");
        let condition = parse(&(matches.repeat(4) + "false"));
        // Either answer is fine; what matters is that it comes.
        let _ = condition.holds(&subject(&payload), now());
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn a_deep_payload_does_not_overflow() {
    let mut deep = json!(1);
    for _ in 0..1_000 {
        deep = json!([deep]);
    }
    let payload = json!({"a": deep, "b": deep});
    assert_eq!(parse("event.a == event.b").holds(&subject(&payload), now()), Ok(true));
}

#[test]
fn patterns_share_their_room() {
    let matches = |times: usize| r#"matches(event.a, "^\\w{1,18}$")"#.repeat(times);
    parse(&matches(1));
    let error = error(&vec![matches(1); 3].join("||"));
    assert!(error.message.contains("together with those before"), "{error}");
    assert_eq!(error.position, 2 * (matches(1).len() + 2) + 18);
}
