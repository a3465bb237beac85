//! Webhooks as Standard Webhooks has them: what is sent and how it is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde::Serialize;
use serde_json::value::RawValue;

use super::endpoint::EndpointFilter;
use super::rule::Priority;
use crate::id::{AlertId, DeliveryId, EndpointId, EventId, NotificationId, RuleId};
use crate::time::Time;

/// A project's endpoint, ready to be called.
#[derive(Clone)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Where it listens.
    pub url: String,
    /// What signs what it is sent.
    pub secret: SigningSecret,
    /// What signs it besides, for whoever does not know the new secret yet.
    pub former: Option<FormerSecret>,
    /// Which notifications it takes.
    pub filter: EndpointFilter,
}

/// The secret that an endpoint had before.
#[derive(Clone)]
pub struct FormerSecret {
    /// The secret.
    pub secret: SigningSecret,
    /// Until when it signs.
    pub until: Time,
}

impl Endpoint {
    /// One that takes everything and has had no other secret.
    pub fn new(id: EndpointId, url: String, secret: SigningSecret) -> Self {
        Self { id, url, secret, former: None, filter: EndpointFilter::default() }
    }

    /// Whether a notification of a rule goes to it.
    pub fn wants(&self, rule: RuleId, priority: Priority) -> bool {
        self.filter.wants(rule, priority)
    }

    /// The signatures of a message that is sent at `now`, with blanks between them, and the seconds that they are over.
    pub fn sign(&self, id: &str, now: Time, body: &[u8]) -> (i64, String) {
        let seconds = now.micros().div_euclid(1_000_000);
        let signature = self.secret.sign(id, seconds, body);
        let signatures = match self.former.as_ref().filter(|former| now < former.until) {
            Some(former) => format!("{signature} {}", former.secret.sign(id, seconds, body)),
            None => signature,
        };
        (seconds, signatures)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("id", &self.id)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The secret that an endpoint knows as `whsec_` and base64.
#[derive(Clone)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// A new one by chance.
    pub fn fresh() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(bytes.to_vec())
    }

    /// The secret with these bytes.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Its bytes, to be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text that the endpoint's owner keeps.
    pub fn text(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// The signature of a message: over id, seconds and body.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The message id of a delivery: the same at every attempt, so that the receiver can tell a repetition.
pub fn message_id(delivery: DeliveryId) -> String {
    format!("msg_{}", delivery.0.simple())
}

/// What `test` says, which somebody sends to see whether an endpoint answers.
#[derive(Serialize)]
pub struct TestMessage {
    /// Always `test`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When it was sent.
    pub timestamp: Time,
    /// The rest.
    pub data: TestData,
}

/// The endpoint in a test.
#[derive(Serialize)]
pub struct TestData {
    /// Its id.
    pub endpoint_id: EndpointId,
}

impl TestMessage {
    /// The one for an endpoint.
    pub const fn new(endpoint: EndpointId, now: Time) -> Self {
        Self { kind: "test", timestamp: now, data: TestData { endpoint_id: endpoint } }
    }
}

/// What `notification.created` says.
#[derive(Serialize)]
pub struct NotificationCreated<'a> {
    /// Always `notification.created`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When the notification was made.
    pub timestamp: Time,
    /// The rest.
    pub data: NotificationData<'a>,
}

/// The notification in a webhook.
#[derive(Serialize)]
pub struct NotificationData<'a> {
    /// Its id.
    pub id: NotificationId,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<AlertId>,
    /// Its alert's round.
    pub round: i64,
    /// Its title.
    pub title: &'a str,
    /// Its text.
    pub body: &'a str,
    /// How urgent it is.
    pub priority: Priority,
    /// The rule that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleData>,
    /// The event that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventData<'a>>,
}

/// A rule in a webhook.
#[derive(Serialize)]
pub struct RuleData {
    /// Its id.
    pub id: RuleId,
    /// The version that matched.
    pub version: i64,
}

/// An event in a webhook.
#[derive(Serialize)]
pub struct EventData<'a> {
    /// Its id.
    pub id: EventId,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Where it comes from.
    pub source: &'a str,
    /// What of its source it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'a str>,
    /// When it was accepted.
    pub received_at: Time,
    /// Its payload, byte for byte.
    pub payload: &'a RawValue,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_standard_says() {
        // The example of the Standard Webhooks specification.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let secret = SigningSecret::from_bytes(secret);
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(SigningSecret::fresh().text().starts_with("whsec_"));
    }

    #[test]
    fn a_former_secret_signs_until_its_end() {
        let (id, body) = (EndpointId(uuid::Uuid::nil()), b"{}");
        let (new, old) = (SigningSecret::from_bytes(vec![1]), SigningSecret::from_bytes(vec![2]));
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000);
        let mut endpoint = Endpoint::new(id, String::new(), new.clone());
        assert_eq!(endpoint.sign("m", at(7), body), (7, new.sign("m", 7, body)));
        endpoint.former = Some(FormerSecret { secret: old.clone(), until: at(9) });
        let both = format!("{} {}", new.sign("m", 8, body), old.sign("m", 8, body));
        assert_eq!(endpoint.sign("m", at(8), body), (8, both));
        assert_eq!(endpoint.sign("m", at(9), body), (9, new.sign("m", 9, body)));
    }
}
