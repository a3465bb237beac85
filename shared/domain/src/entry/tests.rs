//! Tables over entries of streams and queues.

use serde_json::json;

use super::*;
use crate::id::sha256;

const MAX: usize = 1 << 10;

fn stream() -> Arrival {
    Arrival::of_stream("bellbuoy:x:events", "1-0", MAX)
}

fn message() -> Arrival {
    Arrival::of_message("m-1", MAX)
}

fn fields(pairs: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

fn told(judged: Result<NewEvent, Vec<Fault>>) -> Vec<(String, &'static str)> {
    let faults = judged.err().unwrap_or_default();
    faults.into_iter().map(|fault| (fault.field.into_owned(), fault.code.as_str())).collect()
}

#[test]
fn names_are_those_of_the_project() {
    let project = ProjectId::PLATFORM;
    let id = "00000000-0000-0000-0000-000000000000";
    assert_eq!(stream_name("bellbuoy", project), format!("bellbuoy:{id}:events"));
    assert_eq!(queue_name("bellbuoy", project), format!("bellbuoy-intake-{id}"));
}

#[test]
fn an_event_is_read_from_its_text_or_its_fields() {
    let text =
        r#"{"type":"order.paid","payload":{"b":1.0e2 ,"a":1},"source":"shop","subject":null}"#;
    let parts = [
        ("type", "order.paid"),
        ("payload", r#"{"b":1.0e2 ,"a":1}"#),
        ("source", "shop"),
        ("occurred_at", "2026-01-31T09:30:00Z"),
        ("correlation_id", "c"),
    ];
    for (what, judged) in [
        ("message", of_text(text.as_bytes(), message())),
        ("with a mark", of_text(format!("\u{feff}{text}\n").as_bytes(), message())),
        ("field", of_fields(&fields(&[("event", text)]), stream())),
        ("fields", of_fields(&fields(&parts), stream())),
    ] {
        let event = judged.unwrap_or_else(|faults| panic!("{what}: {faults:?}"));
        assert_eq!((event.kind.as_str(), event.source.as_str()), ("order.paid", "shop"), "{what}");
        assert_eq!(event.payload.get(), r#"{"b":1.0e2 ,"a":1}"#, "{what}");
        assert_eq!(event.subject, None, "{what}");
        assert!(event.idempotency.is_some_and(|one| one.key.is_none()), "{what}");
    }
}

#[test]
fn a_key_is_the_events_own_or_that_of_its_entry() {
    let hash = |judged: Result<NewEvent, Vec<Fault>>| {
        judged.expect("an event").idempotency.expect("a key").hash
    };
    let (bare, keyed) =
        (r#"{"type":"a","payload":{}}"#, r#"{"type":"a","payload":{},"idempotency_key":"k"}"#);
    let read = |text: &str, arrival| hash(of_text(text.as_bytes(), arrival));
    assert_eq!(read(keyed, stream()), sha256(b"k"));
    assert_eq!(read(keyed, message()), sha256(b"k"));
    assert_eq!(read(bare, stream()), stream().key);
    assert_eq!(read(bare, message()), message().key);
    let parts = fields(&[("type", "a"), ("payload", "{}"), ("idempotency_key", "k")]);
    assert_eq!(hash(of_fields(&parts, stream())), sha256(b"k"));
    assert_eq!(hash(of_fields(&parts[..2], stream())), stream().key);
    // Another stream, entry or way is another key.
    let keys = [
        stream().key,
        Arrival::of_stream("bellbuoy:y:events", "1-0", MAX).key,
        Arrival::of_stream("bellbuoy:x:events", "1-1", MAX).key,
        message().key,
        Arrival::of_message("1-0", MAX).key,
    ];
    let mut distinct = keys.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn the_same_fields_are_the_same_event_in_any_order() {
    let body = |pairs: &[(&str, &str)]| {
        let event = of_fields(&fields(pairs), stream()).expect("an event");
        event.idempotency.expect("a key").body
    };
    let one = body(&[("type", "a"), ("payload", "{}"), ("idempotency_key", "k")]);
    assert_eq!(one, body(&[("idempotency_key", "k"), ("payload", "{}"), ("type", "a")]));
    assert_ne!(one, body(&[("type", "b"), ("payload", "{}"), ("idempotency_key", "k")]));
}

#[test]
fn a_cloud_event_is_one_by_its_source_and_id() {
    let event = |data: &str| {
        let text = format!(
            r#"{{"specversion":"1.0","id":"7","source":"/shop","type":"order.paid","data":{data}}}"#
        );
        of_text(text.as_bytes(), message()).expect("an event").idempotency.expect("a key")
    };
    assert_eq!(event(r#"{"a":1}"#), event(r#"{"a":2}"#));
    assert_ne!(event("{}").hash, message().key);
    let wrong = br#"{"specversion":"1.0","source":"/shop","type":"order.paid"}"#;
    assert_eq!(told(of_text(wrong, stream())), [("id".to_owned(), "required")]);
}

#[test]
fn a_message_of_sns_is_read_from_a_queue_alone() {
    let text = json!({
        "Type": "Notification", "MessageId": "22b80b92", "TopicArn": "arn:aws:sns:eu-west-1:1:ops",
        "Subject": "Disk", "Message": "93 %", "Timestamp": "2026-01-31T09:30:00.000Z",
        "SignatureVersion": "1", "Signature": "x", "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/a.pem",
    })
    .to_string();
    let event = of_text(text.as_bytes(), message()).expect("an event");
    assert_eq!((event.kind.as_str(), event.subject.as_deref()), ("sns.message", Some("Disk")));
    assert!(
        told(of_text(text.as_bytes(), stream())).contains(&("Type".to_owned(), "unknown_field"))
    );
    let asks = text.replace("Notification", "UnsubscribeConfirmation");
    assert!(of_text(asks.as_bytes(), message()).is_err());
}

#[test]
fn what_is_wrong_with_a_text_is_told_by_its_field() {
    let large = format!(r#"{{"type":"a","payload":{{"a":"{}"}}}}"#, "x".repeat(MAX));
    for (text, wanted) in [
        ("", vec![("", "malformed_json")]),
        ("no", vec![("", "malformed_json")]),
        ("[]", vec![("", "malformed_json")]),
        (r#""a""#, vec![("", "malformed_json")]),
        (r#"{"type":"a","payload":{}"#, vec![("", "malformed_json")]),
        ("{}", vec![("type", "required"), ("payload", "required")]),
        (r#"{"type":1,"payload":{}}"#, vec![("type", "wrong_type")]),
        (r#"{"type":"a","payload":[]}"#, vec![("payload", "wrong_type")]),
        (r#"{"type":"a","payload":{},"colour":1}"#, vec![("colour", "unknown_field")]),
        (r#"{"type":"a","type":"b","payload":{}}"#, vec![("type", "duplicate")]),
        (r#"{"type":"a b","payload":{}}"#, vec![("type", "invalid")]),
        (r#"{"type":"a","payload":{},"occurred_at":"now"}"#, vec![("occurred_at", "invalid")]),
        (&large, vec![("payload", "too_large")]),
    ] {
        let wanted: Vec<_> =
            wanted.into_iter().map(|(field, code)| (field.to_owned(), code)).collect();
        assert_eq!(told(of_text(text.as_bytes(), message())), wanted, "{text}");
    }
    assert_eq!(
        told(of_text(b"{\"type\":\"\xff\"}", message())),
        [(String::new(), "malformed_json")]
    );
}

#[test]
fn what_is_wrong_with_fields_is_told_by_their_names() {
    let whole = r#"{"type":"a b","payload":{}}"#;
    for (pairs, wanted) in [
        (vec![], vec![("type", "required"), ("payload", "required")]),
        (vec![("event", whole)], vec![("event.type", "invalid")]),
        (vec![("event", "no")], vec![("event", "malformed_json")]),
        (vec![("event", whole), ("type", "a")], vec![("event", "mismatch")]),
        (vec![("type", "a"), ("payload", "no")], vec![("payload", "malformed_json")]),
        (vec![("type", "a"), ("payload", "7")], vec![("payload", "wrong_type")]),
        (vec![("type", "a"), ("payload", "{}"), ("x", "1")], vec![("x", "unknown_field")]),
        (vec![("type", "a"), ("type", "b"), ("payload", "{}")], vec![("type", "duplicate")]),
        (
            vec![("type", "a"), ("payload", "{}"), ("idempotency_key", "")],
            vec![("idempotency_key", "empty")],
        ),
    ] {
        let wanted: Vec<_> =
            wanted.into_iter().map(|(field, code)| (field.to_owned(), code)).collect();
        assert_eq!(told(of_fields(&fields(&pairs), stream())), wanted, "{pairs:?}");
    }
    let broken = [(b"type".to_vec(), b"\xff".to_vec()), (b"payload".to_vec(), b"{}".to_vec())];
    assert!(told(of_fields(&broken, stream())).contains(&("type".to_owned(), "malformed_json")));
}

#[test]
fn what_was_rejected_is_kept_as_it_was_written() {
    assert_eq!(body_of(&fields(&[("event", "no")])), b"no");
    assert_eq!(body_of(&fields(&[("type", "a\"b"), ("x", "1")])), br#"{"type":"a\"b","x":"1"}"#);
    let faults = [
        Fault::new("a\0b".to_owned(), FaultCode::Unknown, "x"),
        Fault::new("", FaultCode::Invalid, "y".repeat(2000)),
    ];
    let told = reason(&faults);
    assert!(told.starts_with("ab: x; yyy") && told.chars().count() == MAX_REASON, "{told}");
}
