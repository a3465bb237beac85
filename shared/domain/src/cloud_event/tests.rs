use super::*;
use crate::intake::{Envelope, validate};

fn read(text: &str) -> Result<CloudEvent, Vec<Fault>> {
    structured(&serde_json::from_str(text).expect("an object"))
}

fn told<T>(result: Result<T, Vec<Fault>>) -> Vec<String> {
    let faults = result.err().unwrap_or_default();
    faults.iter().map(|fault| format!("{} {}", fault.field, fault.code.as_str())).collect()
}

const WHOLE: &str = r#""specversion":"1.0","id":"a-1","type":"com.example.paid","source":"/shop""#;

#[test]
fn all_attributes_of_the_structured_mode() {
    let text = format!(
        r#"{{{WHOLE},"subject":"order 7","time":"2026-01-31T09:30:00Z","correlationid":"c","traceparent":"00-1",
            "dataschema":null,"data":{{"b":1.0e2 ,"a":"\u00e4"}}}}"#
    );
    let CloudEvent { event, key } = read(&text).expect("an event");
    assert_eq!(event.kind, "com.example.paid");
    assert_eq!(
        (event.source.as_deref(), event.subject.as_deref()),
        (Some("/shop"), Some("order 7"))
    );
    assert_eq!(event.occurred_at.as_deref(), Some("2026-01-31T09:30:00Z"));
    assert_eq!((event.correlation_id.as_deref(), event.idempotency_key), (Some("c"), None));
    assert_eq!(event.payload.get(), r#"{"b":1.0e2 ,"a":"\u00e4"}"#);
    assert_eq!(
        key,
        read(&format!("{{{WHOLE}}}")).expect("an event").key,
        "the source and id alone"
    );
}

#[test]
fn data_of_the_structured_mode() {
    for (members, payload) in [
        ("", "{}"),
        (r#","data":{"a":1}"#, r#"{"a":1}"#),
        (r#","data":[1, 2]"#, r#"{"data":[1, 2]}"#),
        (r#","data":null"#, r#"{"data":null}"#),
        (r#","data":"<a/>","datacontenttype":"text/xml""#, r#"{"data":"<a/>"}"#),
        (r#","data":{"a":1},"datacontenttype":"x/y""#, r#"{"a":1}"#),
        (r#","data_base64":"AQI=""#, r#"{"data_base64":"AQI="}"#),
        (
            r#","data_base64":"eyJhIjox fQ==","datacontenttype":"application/json""#,
            "data_base64 invalid",
        ),
        (r#","data_base64":"eyJhIjoxfQ==","datacontenttype":"application/json""#, r#"{"a":1}"#),
        (r#","data_base64":"WzFd","datacontenttype":"a/b+json; x=y""#, r#"{"data":[1]}"#),
        (r#","data_base64":"AQI=","datacontenttype":"application/json""#, "data malformed_json"),
        (r#","data_base64":"?""#, "data_base64 invalid"),
        (r#","data_base64":7"#, "data_base64 invalid"),
        (r#","data_base64":null"#, "{}"),
        (r#","data":1,"data_base64":"AQI=""#, "data_base64 mismatch"),
    ] {
        let got = read(&format!("{{{WHOLE}{members}}}"));
        let got = match got {
            Ok(event) => event.event.payload.get().to_owned(),
            faults => told(faults).join(","),
        };
        assert_eq!(got, payload, "{members}");
    }
}

#[test]
fn what_is_wrong_is_named_by_the_attribute() {
    for (text, want) in [
        ("{}", &["specversion required", "id required", "type required", "source required"][..]),
        (
            r#"{"specversion":"0.3","id":"","type":"a","source":7}"#,
            &["source wrong_type", "specversion invalid", "id empty"],
        ),
        (&format!(r#"{{{WHOLE},"type":"b"}}"#), &["type duplicate"]),
        (&format!(r#"{{{WHOLE},"subject":""}}"#), &["subject empty"]),
        (&format!(r#"{{{WHOLE},"time":1}}"#), &["time wrong_type"]),
        (r#"{"specversion":"1.0","id":"a\u0000","type":"a","source":"s"}"#, &["id nul_character"]),
    ] {
        assert_eq!(told(read(text)), want, "{text}");
    }
    let long =
        format!(r#"{{"specversion":"1.0","id":"{}","type":"a","source":"s"}}"#, "i".repeat(256));
    assert_eq!(told(read(&long)), ["id too_long"]);
}

#[test]
fn faults_of_the_event_are_told_in_its_words() {
    let text = format!(
        r#"{{{WHOLE},"time":"soon","data":{{"a":{{"b":1,"b":2}}}},"correlationid":"\u0000"}}"#
    );
    let event = read(&text).expect("an event").event;
    let envelope = Envelope { key: Some(""), given: None, text: b"", max_payload: 1 << 10 };
    let faults = validate(event, envelope).map_err(in_its_words);
    let want = [
        "data.a duplicate",
        "correlationid nul_character",
        "time invalid",
        "Idempotency-Key empty",
    ];
    assert_eq!(told(faults), want);
}

#[test]
fn the_binary_mode() {
    let whole = [
        ("ce-specversion", "1.0"),
        ("ce-id", "a-1"),
        ("ce-type", "com.example.paid"),
        ("ce-source", "/shop"),
    ];
    let read = |more: &[(&'static str, &'static str)], content_type: Option<&str>, body: &[u8]| {
        let headers = whole.iter().chain(more).map(|(name, value)| (*name, value.as_bytes()));
        let headers: Vec<(&str, &[u8])> = headers.collect();
        binary(&headers, content_type, body)
    };
    let structured =
        super::structured(&serde_json::from_str(&format!("{{{WHOLE}}}")).expect("JSON"));
    let event =
        read(&[("ce-subject", "%C3%A4%zz%+1"), ("ce-time", "t")], None, b"").expect("an event");
    assert_eq!(event.key, structured.expect("an event").key, "it is the same event");
    assert_eq!(event.event.subject.as_deref(), Some("ä%zz%+1"));
    assert_eq!(event.event.occurred_at.as_deref(), Some("t"));
    let event = read(&[("ce-subject", r#""a \"b\" c""#)], None, b"").expect("an event");
    assert_eq!(event.event.subject.as_deref(), Some(r#"a "b" c"#));
    let json = Some("application/json; charset=utf-8");
    for (content_type, body, payload) in [
        (json, b"".as_slice(), "{}"),
        (json, b" {\"a\": 1.0 }\n", "{\"a\": 1.0 }"),
        (json, b"[1]", "{\"data\":[1]}"),
        (Some("application/x+json"), b"7", "{\"data\":7}"),
        (json, b"{", "data malformed_json"),
        (json, b"\"\xff\"", "data malformed_json"),
        (Some("text/plain"), "ä\"".as_bytes(), "{\"data\":\"ä\\\"\"}"),
        (Some("text/plain"), b"\xff", "{\"data_base64\":\"/w==\"}"),
        (Some("image/png"), b"\x01\x02", "{\"data_base64\":\"AQI=\"}"),
        (None, b"{}", "{}"),
        (None, b"{", "{\"data_base64\":\"ew==\"}"),
    ] {
        let got = match read(&[], content_type, body) {
            Ok(event) => event.event.payload.get().to_owned(),
            faults => told(faults).join(","),
        };
        assert_eq!(got, payload, "{content_type:?} {body:?}");
    }
    assert_eq!(told(read(&[("ce-id", "b")], None, b"")), ["id duplicate"]);
    assert_eq!(told(read(&[("ce-subject", "%ff")], None, b"")), ["subject invalid"]);
    assert_eq!(told(binary(&[("ce-id", b"1")], None, b"")).len(), 3);
}

#[test]
fn another_event_under_one_key_has_another_text() {
    let one = binary_text(&[("ce-id", b"1"), ("ce-type", b"a")], b"{}");
    assert_eq!(one, binary_text(&[("ce-type", b"a"), ("ce-id", b"1")], b"{}"));
    for (headers, body) in [
        ([("ce-id", b"2".as_slice()), ("ce-type", b"a")], b"{}"),
        ([("ce-id", b"1"), ("ce-type", b"a")], b"[]"),
    ] {
        assert_ne!(one, binary_text(&headers, body));
    }
}
