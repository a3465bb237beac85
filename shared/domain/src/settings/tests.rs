//! Tables over settings.

use serde_json::{Value, json};

use super::*;

const BOUNDS: Bounds = Bounds {
    limits: RateLimits {
        events_per_second: Some(100),
        key_per_second: Some(0),
        user_per_second: Some(50),
        requests_per_second: Some(200),
        logins_per_minute: Some(60),
    },
    password_min_length: 10,
};

fn read(value: &Value) -> Settings {
    serde_json::from_value(value.clone()).expect("settings")
}

fn full() -> Value {
    json!({
        "realtime": { "app_id": "7", "key": "abc", "secret": "s3cr3t-s3cr3t", "cluster": "eu" },
        "fcm": { "project_id": "acme", "service_account": "{}" },
        "apns": { "key_id": "K", "team_id": "T", "topic": "com.acme.app", "key": "-----BEGIN" },
        "vapid": { "subject": "mailto:a@b.example", "public_key": "B".repeat(87), "private_key": "x" },
        "email": {
            "from": "alerts@acme.example", "from_name": "Acme",
            "first": { "smtp": { "host": "mail.acme.example", "port": 587, "tls": "starttls",
                                 "username": "u", "password": "p" } },
            "fallback": { "sendgrid": { "api_key": "SG.x" } },
        },
        "sms": { "first": { "twilio": { "account_sid": "AC1", "auth_token": "t", "from": "+4915112345678" } } },
        "default_escalation": [{ "channel": "push", "when": "always" },
                           { "channel": "sms", "when": "unacknowledged", "after": 300, "roles": ["on_call"] }],
        "default_suppression": { "count": 5, "seconds": 60 },
        "quiet_hours": { "from": "22:00", "to": "07:00", "timezone": "Europe/Berlin", "breaks_through": "critical" },
        "rate_limits": { "events_per_second": 100, "key_per_second": 5000 },
        "cors_origins": ["https://app.acme.example", "http://localhost:3000"],
        "password": { "min_length": 12 },
        "registration": "invited_only",
        "intake": { "redis_stream": { "enabled": true }, "sqs": { "enabled": false } },
        "extras": { "team": "blue" },
    })
}

#[test]
fn what_is_right_has_no_faults() {
    for fine in [json!({}), full()] {
        assert_eq!(faults(&read(&fine), &BOUNDS), [], "{fine}");
    }
    assert_eq!(read(&json!({})), Settings::default());
}

#[test]
fn every_fault_is_named_by_its_path() {
    for (pointer, bad, field) in [
        ("/realtime/app_id", json!("a b"), "realtime.app_id"),
        ("/realtime/host", json!("x.example"), "realtime"),
        ("/fcm/project_id", json!(""), "fcm.project_id"),
        ("/apns/topic", json!("a\0"), "apns.topic"),
        ("/vapid/subject", json!("a@b.example"), "vapid.subject"),
        ("/vapid/public_key", json!("short"), "vapid.public_key"),
        ("/email/from", json!("nobody"), "email.from"),
        ("/email/from_name", json!("a\r\nBcc: x"), "email.from_name"),
        ("/email/first/smtp/host", json!("a b"), "email.first.smtp.host"),
        ("/email/first/smtp/host", json!("evil/../x"), "email.first.smtp.host"),
        ("/email/first/smtp/port", json!(0), "email.first.smtp.port"),
        ("/email/first/ses", json!({ "region": "eu", "access_key_id": "x" }), "email.first"),
        ("/email/fallback", json!({}), "email.fallback"),
        ("/sms/first", json!({}), "sms.first"),
        ("/sms/first/twilio/from", json!("12"), "sms.first.twilio.from"),
        ("/default_escalation/1/after", json!(700_000), "default_escalation[1].after"),
        ("/default_escalation/1/roles/0", json!("On Call"), "default_escalation[1].roles[0]"),
        ("/default_suppression/count", json!(0), "default_suppression.count"),
        ("/default_suppression/seconds", json!(0), "default_suppression.seconds"),
        ("/quiet_hours/from", json!("24:00"), "quiet_hours.from"),
        ("/quiet_hours/to", json!("7:00"), "quiet_hours.to"),
        ("/quiet_hours/timezone", json!("Berlin"), "quiet_hours.timezone"),
        ("/rate_limits/events_per_second", json!(101), "rate_limits.events_per_second"),
        ("/rate_limits/key_per_second", json!(0), "rate_limits.key_per_second"),
        ("/cors_origins/0", json!("https://app.acme.example/"), "cors_origins[0]"),
        ("/cors_origins/0", json!("*"), "cors_origins[0]"),
        ("/cors_origins/0", json!("https://*.acme.example"), "cors_origins[0]"),
        ("/cors_origins/0", json!("https://a(b.acme.example"), "cors_origins[0]"),
        ("/cors_origins/0", json!("null"), "cors_origins[0]"),
        ("/cors_origins/1", json!("https://app.acme.example"), "cors_origins[1]"),
        ("/password/min_length", json!(9), "password.min_length"),
        ("/password/min_length", json!(129), "password.min_length"),
        ("/extras/team", json!("\0"), "extras.team"),
        ("/extras", json!({ "a b": "x" }), "extras"),
    ] {
        let mut settings = full();
        match settings.pointer_mut(pointer) {
            Some(place) => *place = bad.clone(),
            None => {
                let (parent, name) = pointer.rsplit_once('/').expect("a parent");
                settings.pointer_mut(parent).expect("it")[name] = bad.clone();
            }
        }
        let found = faults(&read(&settings), &BOUNDS);
        let fields: Vec<&str> = found.iter().map(|fault| &*fault.field).collect();
        assert_eq!(fields, [field], "{pointer} = {bad}");
    }
    let many: BTreeMap<String, String> =
        (0..=MAX_EXTRAS).map(|at| (format!("n{at}"), String::new())).collect();
    let many = Settings { extras: many, ..Settings::default() };
    assert_eq!(faults(&many, &BOUNDS).len(), 1);
    let origins = (0..=MAX_ORIGINS).map(|at| format!("https://a{at}.example")).collect();
    let many = Settings { cors_origins: origins, ..Settings::default() };
    assert_eq!(faults(&many, &BOUNDS).len(), 1);
}

#[test]
fn all_faults_are_told_at_once() {
    let bad = json!({ "password": { "min_length": 1 }, "cors_origins": ["x", "y"] });
    assert_eq!(faults(&read(&bad), &BOUNDS).len(), 3);
}

fn given(wanted: Value, held: &Value, set: &[&str]) -> (Given, Vec<String>, Value) {
    let (mut wanted, mut held) = (read(&wanted), read(held));
    let set: Vec<String> = set.iter().map(ToString::to_string).collect();
    let (given, faults) = Given::of(&mut wanted, &mut held, &set);
    let faults = faults.iter().map(|fault| fault.field.to_string()).collect();
    (given, faults, serde_json::to_value(&wanted).expect("JSON"))
}

#[test]
fn secrets_are_kept_replaced_and_removed() {
    let smtp = |secret: Option<Value>, host: &str| {
        let mut account = json!({ "host": host, "port": 25, "tls": "none" });
        if let Some(secret) = secret {
            account["password"] = secret;
        }
        json!({ "email": { "from": "a@b.example", "first": { "smtp": account } } })
    };
    const FIELD: &str = "email.first.smtp.password";
    let held = smtp(None, "a.example");
    let kept = Given { kept: vec![FIELD.to_owned()], new: vec![] };
    let new = Given { kept: vec![], new: vec![(FIELD.to_owned(), "next".to_owned())] };
    for (secret, host, set, wanted, is_fault, is_set) in [
        (None, "a.example", &[FIELD][..], kept.clone(), false, true),
        (Some(json!({ "set": true, "last4": "abcd" })), "a.example", &[FIELD], kept, false, true),
        (None, "a.example", &[], Given::default(), false, false),
        (Some(json!(null)), "a.example", &[FIELD], Given::default(), false, false),
        (Some(json!("next")), "a.example", &[FIELD], new.clone(), false, true),
        (Some(json!("next")), "evil.example", &[FIELD], new, false, true),
        (None, "evil.example", &[FIELD], Given::default(), true, false),
        (Some(json!("")), "a.example", &[FIELD], Given::default(), true, true),
        (Some(json!("a\0")), "a.example", &[FIELD], Given::default(), true, true),
    ] {
        let (given, faults, shown) = given(smtp(secret.clone(), host), &held, set);
        let place = &shown["email"]["first"]["smtp"]["password"]["set"];
        assert_eq!((given, faults.len()), (wanted, usize::from(is_fault)), "{secret:?} {host}");
        assert_eq!(*place, json!(is_set), "{secret:?} {host}");
    }
    // What belonged to a section that is gone is gone with it.
    let (given, faults, _) = given(json!({}), &held, &[FIELD]);
    assert_eq!((given, faults.len()), (Given::default(), 0));
}

#[test]
fn a_secret_is_never_written() {
    let mut settings = read(&full());
    let count = settings.secrets().len();
    assert_eq!(count, 7);
    let text = serde_json::to_string(&settings).expect("JSON") + &format!("{settings:?}");
    for secret in ["s3cr3t", "SG.x", "-----BEGIN"] {
        assert!(!text.contains(secret), "{text}");
    }
    for (secret, last4) in [
        (Some("0123456789ab"), Some("89ab")),
        (Some("0123456789a"), None),
        (Some("äöüßäöüßäöüß"), Some("äöüß")),
        (None, None),
    ] {
        let told = SecretField::told(secret);
        assert_eq!(told, SecretField::Set { last4: last4.map(str::to_owned) }, "{secret:?}");
    }
    for bad in [json!(1), json!({}), json!([]), json!({ "set": "yes" })] {
        assert!(serde_json::from_value::<SecretField>(bad.clone()).is_err(), "{bad}");
    }
}
