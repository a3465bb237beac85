use super::*;

fn raw(json: &str) -> RawEvent {
    serde_json::from_str(json).expect("an event of the right types")
}

fn judge(json: &str, key: Option<&str>) -> Result<NewEvent, Vec<Fault>> {
    let envelope = Envelope { key, given: None, text: json.as_bytes(), max_payload: 256 << 10 };
    validate(raw(json), envelope)
}

fn faults(json: &str, key: Option<&str>) -> Vec<(String, &'static str)> {
    let faults = judge(json, key).err().unwrap_or_default();
    faults.into_iter().map(|fault| (fault.field.into_owned(), fault.code.as_str())).collect()
}

fn with_payload(payload: &str) -> String {
    format!(r#"{{"type":"a","payload":{payload}}}"#)
}

#[test]
fn a_good_event_is_taken_byte_for_byte() {
    let json = r#"{ "type":"order.paid-2","payload":{"b":1.0e2 ,"a":"\u00e4\ud83d\ude00","c":-0},
        "source":"shop","subject":"order 17","occurred_at":"2026-01-31T09:30:00+01:00","idempotency_key":"k1",
        "correlation_id":"c" }"#;
    let event = judge(json, Some("k1")).expect("valid");
    assert_eq!(event.payload.get(), r#"{"b":1.0e2 ,"a":"\u00e4\ud83d\ude00","c":-0}"#);
    assert_eq!(event.occurred_at, Time::parse("2026-01-31T08:30:00Z"));
    assert_eq!(event.subject.as_deref(), Some("order 17"));
    let idempotency = event.idempotency.expect("a key");
    assert_eq!(idempotency.key.as_deref(), Some("k1"));
    assert_eq!((idempotency.hash, idempotency.body), (sha256(b"k1"), sha256(json.as_bytes())));
}

#[test]
fn blanks_around_an_event_do_not_make_it_another() {
    let text = |text: &str| judge(text, Some("k")).expect("valid").idempotency.expect("a key").body;
    assert_eq!(text(r#"{"type":"a","payload":{}}"#), text(" {\"type\":\"a\",\"payload\":{}}\r\n"));
}

#[test]
fn types() {
    for (kind, code) in [
        ("a", None),
        ("Order.paid_2.x-y", None),
        (&"a".repeat(128) as &str, None),
        (&"a".repeat(129), Some("too_long")),
        ("", Some("empty")),
        (".", Some("invalid")),
        ("a.", Some("invalid")),
        ("a..b", Some("invalid")),
        ("a b", Some("invalid")),
        ("ä", Some("invalid")),
    ] {
        let json = serde_json::json!({"type": kind, "payload": {}}).to_string();
        let want: Vec<_> = code.map(|code| ("type".to_owned(), code)).into_iter().collect();
        assert_eq!(faults(&json, None), want, "{kind}");
    }
}

#[test]
fn payloads() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let sized = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8));
    for (payload, code) in [
        ("{}".to_owned(), None),
        ("[]".to_owned(), Some("wrong_type")),
        ("null".to_owned(), Some("wrong_type")),
        ("\"{\"".to_owned(), Some("wrong_type")),
        (nested(63), None),
        (nested(64), Some("too_deep")),
        (nested(100_000), Some("too_deep")),
        (sized(256 << 10), None),
        (sized((256 << 10) + 1), Some("too_large")),
        (r#"{"a":"\u0000"}"#.to_owned(), Some("nul_character")),
        (r#"{"\u0000":1}"#.to_owned(), Some("nul_character")),
        (r#"{"a":"\\u0000"}"#.to_owned(), None),
        (r#"{"a":"\\\u0000"}"#.to_owned(), Some("nul_character")),
        (r#"{"a":"[[[\"{"}"#.to_owned(), None),
        (r#"{"a":"\ud83d\ude00"}"#.to_owned(), None),
        (r#"{"a":"\ud83d"}"#.to_owned(), Some("lone_surrogate")),
        (r#"{"a":"\ude00\ud83d"}"#.to_owned(), Some("lone_surrogate")),
        (r#"{"a":"\ud83d\u0041"}"#.to_owned(), Some("lone_surrogate")),
        (r#"{"a":1e308,"b":-1.5E-400,"c":0e999}"#.to_owned(), None),
        (r#"{"a":1e309}"#.to_owned(), Some("number_out_of_range")),
        (r#"{"a":"1e309"}"#.to_owned(), None),
        (format!("{{\"a\":{}}}", "9".repeat(308)), None),
        (format!("{{\"a\":{}}}", "9".repeat(309)), Some("number_out_of_range")),
    ] {
        let want: Vec<_> = code.map(|code| ("payload".to_owned(), code)).into_iter().collect();
        let start: String = payload.chars().take(60).collect();
        assert_eq!(faults(&with_payload(&payload), None), want, "{start}");
    }
}

#[test]
fn a_key_that_stands_twice_is_told_with_its_path() {
    let many = |extra: &str| {
        let keys: Vec<String> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
        format!("{{\"list\":[0,{{{}{extra}}}]}}", keys.join(","))
    };
    let long = "x".repeat(500);
    for (payload, field, key) in [
        (r#"{"a":1,"b":2,"a":3}"#.to_owned(), "payload", "a"),
        (r#"{"a":1,"\u0061":3}"#.to_owned(), "payload", "a"),
        (r#"{"a":{"a":1},"b":{"a":{"a":[],"c":"","a":{}}}}"#.to_owned(), "payload.b.a", "a"),
        (r#"{"a":[{"x":1},[],[{"y":[1,2]},{"x":0,"x":0}]]}"#.to_owned(), "payload.a[2][1]", "x"),
        (r#"{"":0,"":0}"#.to_owned(), "payload", ""),
        (many(",\"k7\":0"), "payload.list[1]", "k7"),
        (format!("{{\"{long}\":{{\"a\":0,\"a\":0}}}}"), &format!("payload.{}", &long[..60]), "a"),
    ] {
        let found = judge(&with_payload(&payload), None).err().unwrap_or_default();
        let start: String = payload.chars().take(60).collect();
        let [fault] = found.as_slice() else { panic!("{start}: {found:?}") };
        assert_eq!((&*fault.field, fault.code), (field, FaultCode::Duplicate), "{start}");
        assert!(fault.message.contains(&format!("{key:?}")), "{start}: {}", fault.message);
    }
    let apart = r#"{"a":1,"A":2," a":3,"b":["a","a",{"a":"a"}],"c":{"a":{"a":0}}}"#;
    for payload in [apart, &many("")] {
        assert_eq!(faults(&with_payload(payload), None), [], "{payload}");
    }
}

#[test]
fn an_event_without_a_key_takes_what_its_request_gives() {
    let given = Some([7; 32]);
    let text = r#"{"type":"a","payload":{}}"#;
    let envelope = Envelope { key: None, given, text: text.as_bytes(), max_payload: 1 << 10 };
    let event = validate(raw(text), envelope).expect("valid").idempotency.expect("a key");
    assert_eq!((event.key, event.hash), (None, [7; 32]));
    let text = r#"{"type":"a","payload":{},"idempotency_key":"own"}"#;
    let event = validate(raw(text), Envelope { text: text.as_bytes(), ..envelope });
    let event = event.expect("valid").idempotency.expect("a key");
    assert_eq!((event.key.as_deref(), event.hash), (Some("own"), sha256(b"own")));
}

#[test]
fn keys() {
    for (own, header, code) in [
        (None, None, None),
        (Some("a"), None, None),
        (None, Some("a"), None),
        (Some("a"), Some("a"), None),
        (Some("a"), Some("b"), Some("mismatch")),
        (Some(""), None, Some("empty")),
        (Some("a b"), None, Some("invalid")),
        (Some("ä"), None, Some("invalid")),
        (None, Some("a\tb"), Some("invalid")),
        (Some(&"k".repeat(255) as &str), None, None),
        (Some(&"k".repeat(256)), None, Some("too_long")),
    ] {
        let mut json = serde_json::json!({"type": "a", "payload": {}});
        if let Some(own) = own {
            json["idempotency_key"] = own.into();
        }
        let want: Vec<_> =
            code.map(|code| ("idempotency_key".to_owned(), code)).into_iter().collect();
        assert_eq!(faults(&json.to_string(), header), want, "{own:?} {header:?}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let json = serde_json::json!({
        "type": "a b", "payload": [], "source": "s".repeat(201), "subject": "s".repeat(257), "occurred_at": "yesterday",
        "correlation_id": "c\0", "idempotency_key": "",
    });
    let got: Vec<_> = faults(&json.to_string(), Some("k"));
    let fields: Vec<_> = got.iter().map(|(field, code)| format!("{field} {code}")).collect();
    assert_eq!(
        fields,
        [
            "type invalid",
            "payload wrong_type",
            "source too_long",
            "subject too_long",
            "correlation_id nul_character",
            "occurred_at invalid",
            "idempotency_key mismatch",
            "idempotency_key empty",
        ]
    );
}

#[test]
fn two_hundred_characters_are_counted_not_bytes() {
    let json = serde_json::json!({"type": "a", "payload": {}, "source": "ä".repeat(200)});
    assert_eq!(faults(&json.to_string(), None), []);
}
