use super::super::{ADAPTERS, judge};
use super::*;
use crate::intake::NewEvent;
use serde_json::{Value, json};
use std::time::Duration;

const STARTS: &str = "2026-01-31T09:00:00.5Z";

fn after(seconds: u64) -> Surroundings {
    let starts = Time::parse(STARTS).expect("a time");
    let now = starts.plus(Duration::from_secs(seconds));
    Surroundings { now, repeat_interval: Duration::from_secs(4 * 3600) }
}

fn alert(more: Value) -> Value {
    let mut alert = json!({
        "status": "firing", "labels": {"alertname": "DiskFull", "instance": "db-1"},
        "annotations": {"summary": "93.5 %"}, "startsAt": STARTS, "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph", "fingerprint": "0f1e",
    });
    alert.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    alert
}

fn webhook(version: &str, alerts: Value) -> Value {
    json!({
        "version": version, "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "bellbuoy",
        "groupLabels": {}, "commonLabels": {"alertname": "DiskFull"}, "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093", "alerts": alerts, "orgId": 1, "state": "alerting", "title": "[FIRING:1]",
        "message": "long",
    })
}

fn read(way: &str, body: &Value, surroundings: Surroundings) -> Parts {
    let (_, read) = ADAPTERS.into_iter().find(|(name, _)| *name == way).expect("an adapter");
    read(&serde_json::from_str(&body.to_string()).expect("an object"), surroundings)
}

fn one(way: &str, body: &Value, surroundings: Surroundings) -> NewEvent {
    let adapted = read(way, body, surroundings).expect("a webhook").remove(0).expect("an alert");
    judge(adapted, 1 << 16).expect("an event")
}

fn payload(event: &NewEvent) -> Value {
    serde_json::from_str(event.payload.get()).expect("JSON")
}

#[test]
fn an_alert_becomes_an_event() {
    let event = one("alertmanager", &webhook("4", json!([alert(json!({}))])), after(60));
    assert_eq!(
        (event.kind.as_str(), event.source.as_str()),
        ("alertmanager.alert", "http://alertmanager:9093")
    );
    assert_eq!(
        (event.subject.as_deref(), event.occurred_at),
        (Some("DiskFull"), Time::parse(STARTS))
    );
    let payload = payload(&event);
    let names: Vec<_> =
        payload.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "annotations",
            "commonAnnotations",
            "commonLabels",
            "endsAt",
            "externalURL",
            "fingerprint",
            "generatorURL",
            "groupKey",
            "groupLabels",
            "labels",
            "receiver",
            "repeat",
            "startsAt",
            "status",
            "truncatedAlerts",
        ]
    );
    assert_eq!((&payload["status"], &payload["repeat"]), (&json!("firing"), &json!(0)));
    let more = json!({
        "values": {"B": 93.5}, "valueString": "[ B=93.5 ]", "dashboardURL": "d", "panelURL": "p", "silenceURL": "s",
    });
    let event = one("grafana", &webhook("1", json!([alert(more)])), after(60));
    let payload = super::tests::payload(&event);
    assert_eq!(event.kind, "grafana.alert");
    for (name, value) in [
        ("orgId", json!(1)),
        ("state", json!("alerting")),
        ("title", json!("[FIRING:1]")),
        ("values", json!({"B": 93.5})),
        ("silenceURL", json!("s")),
        ("message", Value::Null),
    ] {
        assert_eq!(payload[name], value, "{name}");
    }
}

#[test]
fn what_comes_again_is_the_same_event_and_a_repeat_is_another() {
    let key = |body: &Value, seconds| {
        one("alertmanager", body, after(seconds)).idempotency.expect("a key")
    };
    let body = |more| webhook("4", json!([alert(more)]));
    let first = key(&body(json!({})), 30);
    let resolved = json!({"status": "resolved", "endsAt": "2026-01-31T10:00:00Z"});
    for (what, other, seconds, is_same) in [
        ("a retry", body(json!({})), 45, true),
        ("its group has changed", body(json!({"annotations": {"summary": "94 %"}})), 300, true),
        ("the clock is behind", body(json!({})), 0, true),
        ("the repeat", body(json!({})), 4 * 3600 + 30, false),
        ("its end", body(resolved.clone()), 3600, false),
        ("another alert", body(json!({"fingerprint": "0f1f"})), 30, false),
        ("it fires again", body(json!({"startsAt": "2026-01-31T09:30:00Z"})), 30, false),
    ] {
        assert_eq!(key(&other, seconds) == first, is_same, "{what}");
    }
    let mut elsewhere = body(json!({}));
    elsewhere["receiver"] = json!("another");
    assert_ne!(key(&elsewhere, 30), first);
    let (end, again) = (key(&body(resolved.clone()), 3600), key(&body(resolved), 90_000));
    assert_eq!(end, again, "an end is told once");
    let event = one(
        "alertmanager",
        &body(json!({"status": "resolved", "endsAt": "2026-01-31T10:00:00Z"})),
        after(1),
    );
    assert_eq!(event.occurred_at, Time::parse("2026-01-31T10:00:00Z"));
    assert_eq!(payload(&event).get("repeat"), None);
}

#[test]
fn an_alert_that_is_wrong_leaves_its_neighbours() {
    let alerts = json!([
        alert(json!({"status": "pending"})),
        alert(json!({"fingerprint": "", "startsAt": 7})),
        alert(json!({"status": "resolved", "endsAt": null})),
        7,
        alert(json!({"labels": {"alertname": "x".repeat(300), "note": "a\u{0}"}})),
        alert(json!({"labels": {"alertname": "x".repeat(300)}, "endsAt": "soon"})),
    ]);
    let read = read("alertmanager", &webhook("4", alerts), after(0)).expect("a webhook");
    let told: Vec<String> = read
        .into_iter()
        .map(|part| match part.and_then(|adapted| judge(adapted, 1 << 16)) {
            Ok(event) => format!("{} characters", event.subject.unwrap_or_default().len()),
            Err(faults) => {
                let told = |fault: Fault| format!("{} {}", fault.field, fault.code.as_str());
                faults.into_iter().map(told).collect::<Vec<_>>().join(", ")
            }
        })
        .collect();
    assert_eq!(
        told,
        [
            "alerts[0].status invalid",
            "alerts[1].fingerprint required, alerts[1].startsAt required",
            "alerts[2].endsAt required",
            "alerts[3] wrong_type",
            "alerts[4] nul_character",
            "256 characters",
        ]
    );
}

#[test]
fn what_is_no_webhook_of_theirs_is_refused() {
    for (way, body, want) in [
        ("alertmanager", webhook("1", json!([])), "version invalid"),
        ("grafana", webhook("4", json!([])), "version invalid"),
        ("grafana", json!({}), "alerts required"),
        ("grafana", json!({"alerts": {}}), "alerts wrong_type"),
    ] {
        let faults = read(way, &body, after(0)).err().unwrap_or_default();
        let told: Vec<_> =
            faults.iter().map(|one| format!("{} {}", one.field, one.code.as_str())).collect();
        assert_eq!(told, [want], "{body}");
    }
    assert!(
        read("alertmanager", &webhook("4", json!([])), after(0))
            .is_ok_and(|parts| parts.is_empty())
    );
}
