use super::super::judge;
use super::*;
use serde_json::{Value, json};

fn notification(text: &str) -> Value {
    json!({
        "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-west-1:1:ops", "Subject": "Hello",
        "Message": text, "Timestamp": "2026-01-31T09:30:00.123Z", "SignatureVersion": "1", "Signature": "c2ln",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/a.pem", "UnsubscribeURL": "https://u",
    })
}

fn read(body: &Value) -> Result<Message, Vec<String>> {
    let members = serde_json::from_str(&body.to_string()).expect("an object");
    message(&members).map_err(|faults| {
        faults.iter().map(|one| format!("{} {}", one.field, one.code.as_str())).collect()
    })
}

fn with(more: Value) -> Value {
    let mut body = notification("text");
    body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    body
}

#[test]
fn what_is_signed() {
    let signed = signed_text(&read(&notification("a\nb")).expect("a message"));
    assert_eq!(
        signed,
        "Message\na\nb\nMessageId\nm-1\nSubject\nHello\nTimestamp\n2026-01-31T09:30:00.123Z\n\
         TopicArn\narn:aws:sns:eu-west-1:1:ops\nType\nNotification\n"
    );
    let asks = with(json!({
        "Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "https://s", "Subject": null,
    }));
    assert_eq!(
        signed_text(&read(&asks).expect("a message")),
        "Message\ntext\nMessageId\nm-1\nSubscribeURL\nhttps://s\nTimestamp\n2026-01-31T09:30:00.123Z\nToken\nt\n\
         TopicArn\narn:aws:sns:eu-west-1:1:ops\nType\nSubscriptionConfirmation\n"
    );
    let without = signed_text(&read(&with(json!({"Subject": null}))).expect("a message"));
    assert!(!without.contains("Subject"), "{without}");
}

#[test]
fn what_is_no_message_is_refused() {
    for (more, want) in [
        (json!({"Type": "Other"}), &["Type invalid"][..]),
        (json!({"Type": null, "MessageId": 7}), &["Type required", "MessageId required"]),
        (json!({"SignatureVersion": "3"}), &["SignatureVersion invalid"]),
        (json!({"Type": "UnsubscribeConfirmation"}), &["Token required", "SubscribeURL required"]),
        (json!({"TopicArn": "a\nType"}), &["TopicArn invalid"]),
    ] {
        assert_eq!(read(&with(more.clone())).expect_err("no message"), want, "{more}");
    }
    let twice: Members = serde_json::from_str(r#"{"Type":"a","Type":"b"}"#).expect("an object");
    assert_eq!(message(&twice).expect_err("no message")[0].code, FaultCode::Duplicate);
}

#[test]
fn hosts() {
    let others = ["127.0.0.1:4566".to_owned(), "sns.local".to_owned()];
    for (url, host) in [
        ("https://sns.eu-west-1.amazonaws.com/a.pem", Some(Host::Amazon)),
        ("https://sns.cn-north-1.amazonaws.com.cn/a.pem", Some(Host::Amazon)),
        ("https://SNS.us-east-1.AMAZONAWS.com/", Some(Host::Amazon)),
        ("http://sns.eu-west-1.amazonaws.com/a.pem", None),
        ("https://sns.eu-west-1.amazonaws.com:444/a.pem", None),
        ("https://sns.eu-west-1.amazonaws.com.evil.example/a.pem", None),
        ("https://sns.eu-west-1.amazonaws.com@evil.example/a.pem", None),
        ("https://u:p@sns.eu-west-1.amazonaws.com/a.pem", None),
        ("https://sns.a.b.amazonaws.com/a.pem", None),
        ("https://sns..amazonaws.com/a.pem", None),
        ("https://evil.example/sns.eu-west-1.amazonaws.com", None),
        ("https://s3.eu-west-1.amazonaws.com/a.pem", None),
        ("http://127.0.0.1:4566/a.pem", Some(Host::Operators)),
        ("http://127.0.0.1/a.pem", None),
        ("https://sns.local/a.pem", Some(Host::Operators)),
        ("ftp://sns.local/a.pem", None),
        ("file:///etc/passwd", None),
        ("a.pem", None),
    ] {
        assert_eq!(host_of(url, &others).ok(), host, "{url}");
    }
    assert!(host_of("http://127.0.0.1:4566/a.pem", &[]).is_err());
}

#[test]
fn what_notifications_become() {
    let alarm = |state: &str| {
        let alarm = json!({
            "AlarmName": "cpu high", "AlarmArn": "arn:aws:cloudwatch:eu-west-1:1:alarm:cpu", "NewStateValue": state,
            "OldStateValue": "OK", "StateChangeTime": "2026-01-31T09:29:59.000+0000", "Trigger": {"Threshold": 90.0},
        });
        json!({"Message": alarm.to_string()})
    };
    for (more, kind, subject, payload) in [
        (
            json!({"Message": "it burns"}),
            "sns.message",
            Some("Hello"),
            json!({"message": "it burns", "subject": "Hello"}),
        ),
        (
            json!({"Message": "{\"a\":1}", "Subject": null}),
            "sns.message",
            None,
            json!({"message": {"a": 1}, "subject": null}),
        ),
        (
            json!({"Message": "[1]"}),
            "sns.message",
            Some("Hello"),
            json!({"message": "[1]", "fingerprint": null}),
        ),
        (
            json!({"MessageAttributes": {"a": {"Type": "String", "Value": "b"}}}),
            "sns.message",
            Some("Hello"),
            json!({"attributes": {"a": {"Type": "String", "Value": "b"}}}),
        ),
        (
            alarm("ALARM"),
            "cloudwatch.alarm",
            Some("cpu high"),
            json!({"status": "firing", "fingerprint": "arn:aws:cloudwatch:eu-west-1:1:alarm:cpu", "OldStateValue": "OK"}),
        ),
        (alarm("OK"), "cloudwatch.alarm", Some("cpu high"), json!({"status": "resolved"})),
        (
            alarm("INSUFFICIENT_DATA"),
            "cloudwatch.alarm",
            Some("cpu high"),
            json!({"status": "insufficient_data"}),
        ),
    ] {
        let event =
            judge(event(&read(&with(more)).expect("a message")), 1 << 16).expect("an event");
        assert_eq!((event.kind.as_str(), event.subject.as_deref()), (kind, subject));
        assert_eq!(event.source, "arn:aws:sns:eu-west-1:1:ops");
        let seen: Value = serde_json::from_str(event.payload.get()).expect("JSON");
        assert_eq!(
            (&seen["topic_arn"], &seen["message_id"]),
            (&json!("arn:aws:sns:eu-west-1:1:ops"), &json!("m-1"))
        );
        for (name, value) in payload.as_object().expect("an object") {
            assert_eq!(&seen[name], value, "{name}");
        }
        let time =
            if kind == "sns.message" { "2026-01-31T09:30:00.123Z" } else { "2026-01-31T09:29:59Z" };
        assert_eq!(event.occurred_at, Time::parse(time));
    }
    let key = |more| event(&read(&with(more)).expect("a message")).key;
    assert_eq!(key(json!({})), key(json!({"Message": "sent again"})));
    assert_ne!(key(json!({})), key(json!({"MessageId": "m-2"})));
    assert_ne!(key(json!({})), key(json!({"TopicArn": "arn:aws:sns:eu-west-1:1:other"})));
}
