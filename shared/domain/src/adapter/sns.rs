//! Messages of Amazon SNS: what they say, what of them is signed, which addresses they may name, and the event that a
//! notification becomes. CloudWatch's alarms come in them.

use super::{Adapted, cut, required};
use crate::fault::{Fault, FaultCode};
use crate::intake::{MAX_SOURCE, MAX_SUBJECT, RawEvent, derived_key};
use crate::members::{Members, raw};
use crate::time::Time;
use serde_json::value::RawValue;
use url::Url;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It carries something.
    Notification,
    /// It asks whether the subscription is wanted.
    SubscriptionConfirmation,
    /// It says that the subscription has ended.
    UnsubscribeConfirmation,
}

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureVersion {
    /// RSA with SHA-1.
    One,
    /// RSA with SHA-256.
    Two,
}

/// A message as it came; nothing of it is sure before its signature is checked.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is for.
    pub kind: Kind,
    /// Its id, which stays the same however often it is sent.
    pub id: String,
    /// Its topic.
    pub topic: String,
    /// Its subject, if it has one.
    pub subject: Option<String>,
    /// What it says.
    pub text: String,
    /// When it was published.
    pub timestamp: String,
    /// What proves a subscription.
    pub token: String,
    /// Where a subscription is confirmed.
    pub subscribe_url: String,
    /// How it is signed.
    pub version: SignatureVersion,
    /// The signature, in base64.
    pub signature: String,
    /// Where the certificate is.
    pub certificate_url: String,
    /// What its publisher set besides.
    pub attributes: Option<Box<RawValue>>,
}

/// Reads a message.
///
/// # Errors
/// When it is no message of SNS.
pub fn message(body: &Members) -> Result<Message, Vec<Fault>> {
    let mut faults = Vec::new();
    if let Some(twin) = body.twin() {
        let message = "this field is there twice; send it once";
        faults.push(Fault::new(twin.to_owned(), FaultCode::Duplicate, message));
    }
    let optional = |name: &str| body.text(name);
    let mut text = |name: &'static str| {
        let found = body.text(name).filter(|text| !text.is_empty());
        if found.is_none() {
            faults.push(required(name.to_owned()));
        }
        found.unwrap_or_default()
    };
    let kind = text("Type");
    let kind = match kind.as_str() {
        "Notification" => Some(Kind::Notification),
        "SubscriptionConfirmation" => Some(Kind::SubscriptionConfirmation),
        "UnsubscribeConfirmation" => Some(Kind::UnsubscribeConfirmation),
        _ => None,
    };
    let asks = kind.is_some_and(|kind| kind != Kind::Notification);
    let version = text("SignatureVersion");
    let version = match version.as_str() {
        "1" => Some(SignatureVersion::One),
        "2" => Some(SignatureVersion::Two),
        _ => None,
    };
    let mut message = Message {
        kind: kind.unwrap_or(Kind::Notification),
        id: text("MessageId"),
        topic: text("TopicArn"),
        subject: optional("Subject"),
        text: optional("Message").unwrap_or_default(),
        timestamp: text("Timestamp"),
        token: String::new(),
        subscribe_url: String::new(),
        version: version.unwrap_or(SignatureVersion::Two),
        signature: text("Signature"),
        certificate_url: text("SigningCertURL"),
        attributes: body.get("MessageAttributes").map(ToOwned::to_owned),
    };
    if asks {
        message.token = text("Token");
        message.subscribe_url = text("SubscribeURL");
    }
    let mut invalid = |is: bool, field: &'static str, words: &'static str| {
        if is && body.text(field).is_some_and(|text| !text.is_empty()) {
            faults.push(Fault::new(field, FaultCode::Invalid, words));
        }
    };
    let kinds = "it must be Notification, SubscriptionConfirmation or UnsubscribeConfirmation";
    invalid(kind.is_none(), "Type", kinds);
    invalid(version.is_none(), "SignatureVersion", "it must be 1 or 2");
    // Where lines are signed, one that is in a value could stand for another field.
    let lines = [
        ("MessageId", Some(&message.id)),
        ("TopicArn", Some(&message.topic)),
        ("Timestamp", Some(&message.timestamp)),
        ("Subject", message.subject.as_ref()),
        ("Token", Some(&message.token)),
        ("SubscribeURL", Some(&message.subscribe_url)),
    ];
    for (field, text) in lines {
        let breaks = text.is_some_and(|text| text.contains(['\n', '\0']));
        invalid(breaks, field, "it must be one line");
    }
    if faults.is_empty() { Ok(message) } else { Err(faults) }
}

/// The text that a message's signature is made of.
pub fn signed_text(message: &Message) -> String {
    let Message { id, topic, subject, text, timestamp, token, subscribe_url, .. } = message;
    let kind = match message.kind {
        Kind::Notification => "Notification",
        Kind::SubscriptionConfirmation => "SubscriptionConfirmation",
        Kind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
    };
    let mut lines = vec![("Message", text.as_str()), ("MessageId", id)];
    match message.kind {
        Kind::Notification => {
            lines.extend(subject.as_deref().map(|subject| ("Subject", subject)));
            lines.push(("Timestamp", timestamp));
        }
        Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => {
            lines.push(("SubscribeURL", subscribe_url));
            lines.push(("Timestamp", timestamp));
            lines.push(("Token", token));
        }
    }
    lines.extend([("TopicArn", topic.as_str()), ("Type", kind)]);
    lines.into_iter().map(|(name, value)| format!("{name}\n{value}\n")).collect()
}

/// Who may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Amazon.
    Amazon,
    /// A host that the operator allows, wherever it is.
    Operators,
}

/// Whose host a URL in a message is on; `others` are those that the operator allows, as `host` or `host:port`.
///
/// # Errors
/// With what would be right.
pub fn host_of(url: &str, others: &[String]) -> Result<Host, String> {
    let wrong = || {
        format!(
            "it must be an https URL on sns.REGION.amazonaws.com{}",
            if others.is_empty() { "" } else { ", or on a host that intake.sns_hosts names" }
        )
    };
    let url = Url::parse(url).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong());
    }
    let port = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    if matches!(url.scheme(), "http" | "https") && others.contains(&port) {
        return Ok(Host::Operators);
    }
    let region = host.strip_prefix("sns.").and_then(|rest| {
        rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
    });
    let is_region = |region: &str| {
        !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_amazon = url.scheme() == "https" && url.port().is_none();
    if is_amazon && region.is_some_and(is_region) { Ok(Host::Amazon) } else { Err(wrong()) }
}

/// The event that a notification becomes.
pub fn event(message: &Message) -> Adapted {
    let Message { id, topic, .. } = message;
    let inner: Option<Members> = serde_json::from_str(&message.text).ok();
    let alarm = inner.filter(|one| one.get("AlarmName").and(one.get("NewStateValue")).is_some());
    let (kind, subject, occurred_at, payload) = match alarm {
        Some(alarm) => (
            "cloudwatch.alarm",
            alarm.text("AlarmName"),
            alarm.text("StateChangeTime").and_then(|time| readable(&time)),
            of_alarm(alarm, message),
        ),
        None => ("sns.message", message.subject.clone(), None, of_message(message)),
    };
    let event = RawEvent {
        kind: kind.to_owned(),
        payload: payload.object_text(),
        source: Some(cut(topic, MAX_SOURCE)),
        subject: subject.map(|text| cut(&text, MAX_SUBJECT)),
        occurred_at: occurred_at.or_else(|| readable(&message.timestamp)),
        idempotency_key: None,
        correlation_id: None,
    };
    Adapted { event, key: derived_key("sns", &[topic, id]), place: "Message".to_owned() }
}

/// What an alarm says, and in which state it is now in the words that all adapters have.
fn of_alarm(mut alarm: Members, message: &Message) -> Members {
    let state = alarm.text("NewStateValue").unwrap_or_default();
    let status = match state.as_str() {
        "ALARM" => "firing".to_owned(),
        "OK" => "resolved".to_owned(),
        other => other.to_lowercase(),
    };
    let arn = alarm.text("AlarmArn").or_else(|| alarm.text("AlarmName")).unwrap_or_default();
    for (name, text) in [
        ("status", &status),
        ("fingerprint", &arn),
        ("topic_arn", &message.topic),
        ("message_id", &message.id),
    ] {
        alarm.add_text(name, text);
    }
    alarm
}

fn of_message(message: &Message) -> Members {
    let mut payload = Members::default();
    payload.add_text("topic_arn", &message.topic);
    payload.add_text("message_id", &message.id);
    if let Some(subject) = &message.subject {
        payload.add_text("subject", subject);
    }
    // What is an object is read, so that rules can look into it; any other text is left as it is.
    match serde_json::from_str::<Members>(&message.text) {
        Ok(_) => payload.add("message", raw(message.text.trim().to_owned())),
        Err(_) => payload.add_text("message", &message.text),
    }
    if let Some(attributes) = &message.attributes {
        payload.add("attributes", attributes.clone());
    }
    payload
}

/// A time as we read it: CloudWatch writes its offset without a colon.
fn readable(time: &str) -> Option<String> {
    let with_colon = time
        .len()
        .checked_sub(2)
        .and_then(|at| Some(format!("{}:{}", time.get(..at)?, time.get(at..)?)));
    [Some(time.to_owned()), with_colon]
        .into_iter()
        .flatten()
        .find(|time| Time::parse(time).is_some())
}

#[cfg(test)]
mod tests;
