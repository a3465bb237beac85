//! Webhook endpoints as they look on the wire.

use domain::endpoint::{EndpointBody, EndpointFilter, EndpointRecord, USUAL_GRACE};
use domain::id::RuleId;
use domain::time::Time;
use domain::webhook::message_id;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::{Deserialize, Serialize};
use services::admin;
use services::endpoints::EndpointTest;
use store::endpoints as kept;
use store::trace::AttemptTrace;
use uuid::Uuid;

use crate::routes::users::wire::Urgency;
use crate::wire::{Stamp, mirrored};

mirrored! {
    /// How far a delivery is.
    DeliveryStateWord of domain::delivery::DeliveryState, rename "snake_case" {
        /// It waits for a time.
        Scheduled,
        /// It may be taken by a worker.
        Planned,
        /// A worker has it.
        Claimed,
        /// The provider took it.
        Sent,
        /// The endpoint took it.
        Delivered,
        /// It waits for its next attempt.
        Retrying,
        /// It is not known whether the endpoint took it.
        Unknown,
        /// It failed for good.
        Dead,
        /// It was not wanted.
        Skipped,
        /// It was taken back.
        Cancelled,
    }
}

/// What is to be said of a webhook endpoint. Everything that its filter names must fit; what it does not name fits always.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct NewWebhookEndpoint {
    /// Its name, which no other endpoint of the project has.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// Where it listens: an https URL without a user and password, at a public address.
    #[oai(validator(min_length = 1, max_length = 2048))]
    url: String,
    /// What it is for.
    #[serde(default)]
    #[oai(default, validator(max_length = 500))]
    description: String,
    /// How urgent the notifications may be that it takes; all, if there are none.
    #[serde(default)]
    #[oai(default, validator(max_items = 4))]
    priorities: Vec<Urgency>,
    /// The rules whose notifications it takes; all, if there are none.
    #[serde(default)]
    #[oai(default, validator(max_items = 200))]
    rule_ids: Vec<Uuid>,
    /// Whether anything is sent to it; of a new one true, if nothing is said.
    enabled: Option<bool>,
}

impl Example for NewWebhookEndpoint {
    fn example() -> Self {
        Self {
            name: "operations".to_owned(),
            url: "https://hooks.example.com/bellbuoy".to_owned(),
            description: "Opens tickets for what is urgent.".to_owned(),
            priorities: vec![Urgency::Critical, Urgency::High],
            rule_ids: Vec::new(),
            enabled: Some(true),
        }
    }
}

impl NewWebhookEndpoint {
    /// What is said of it, and whether it is enabled.
    pub fn read(self) -> (EndpointBody, Option<bool>) {
        let Self { name, url, description, priorities, rule_ids, enabled } = self;
        let filter = EndpointFilter {
            priorities: priorities.into_iter().map(Into::into).collect(),
            rules: rule_ids.into_iter().map(RuleId).collect(),
        };
        (EndpointBody { name, url, description, filter }, enabled)
    }
}

/// A webhook endpoint, without its secret.
#[derive(Clone, Debug, Object, Serialize)]
pub struct WebhookEndpoint {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// Where it listens.
    url: String,
    /// What it is for.
    description: String,
    /// How urgent the notifications may be that it takes; all, if there are none.
    priorities: Vec<Urgency>,
    /// The rules whose notifications it takes; all, if there are none.
    rule_ids: Vec<Uuid>,
    /// Whether anything is sent to it.
    enabled: bool,
    /// Since when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<Stamp>,
    /// Until when the secret before its secret signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    former_secret_until: Option<Stamp>,
    /// The user who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    /// When it was created.
    created_at: Stamp,
    /// When it was last changed.
    updated_at: Stamp,
}

impl WebhookEndpoint {
    /// How it looks at `now`.
    pub fn at(one: EndpointRecord, now: Time) -> Self {
        let EndpointBody { name, url, description, filter } = one.body;
        Self {
            id: one.id.0,
            name,
            url,
            description,
            priorities: filter.priorities.into_iter().map(Urgency::from).collect(),
            rule_ids: filter.rules.into_iter().map(|rule| rule.0).collect(),
            enabled: one.disabled_at.is_none(),
            disabled_at: one.disabled_at.map(Stamp),
            former_secret_until: one.former_until.filter(|until| now < *until).map(Stamp),
            created_by: one.created_by.map(|user| user.0),
            created_at: Stamp(one.created_at),
            updated_at: Stamp(one.updated_at),
        }
    }
}

/// A page of webhook endpoints.
#[derive(Clone, Debug, Object, Serialize)]
pub struct WebhookEndpointPage {
    /// Newest first.
    pub items: Vec<WebhookEndpoint>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A webhook endpoint with a secret that is new.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EndpointWithSecret {
    /// The endpoint.
    endpoint: WebhookEndpoint,
    /// The secret that its messages are signed with, shown this once.
    secret: String,
}

impl EndpointWithSecret {
    /// How it looks at `now`.
    pub fn at(made: admin::EndpointWithSecret, now: Time) -> Self {
        let secret = made.secret.text();
        Self { endpoint: WebhookEndpoint::at(made.endpoint, now), secret }
    }
}

/// How a secret is to be replaced.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct SecretRotation {
    /// For how many seconds the secret of today signs besides the new one; at most a week, and not at all with 0.
    #[serde(default = "usual_grace")]
    #[oai(default = "usual_grace", validator(minimum(value = "0"), maximum(value = "604800")))]
    pub grace_seconds: u32,
}

fn usual_grace() -> u32 {
    u32::try_from(USUAL_GRACE.as_secs()).unwrap_or(u32::MAX)
}

impl Example for SecretRotation {
    fn example() -> Self {
        Self { grace_seconds: usual_grace() }
    }
}

/// What came of a test.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EndpointTestResult {
    /// Whether the endpoint answered with a status of success.
    delivered: bool,
    /// The `webhook-id` of the message.
    message_id: String,
    /// The status that it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// The beginning of what it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How long it took.
    took_ms: u32,
}

impl From<EndpointTest> for EndpointTestResult {
    fn from(test: EndpointTest) -> Self {
        Self {
            delivered: test.is_delivered(),
            status_code: test.status_code,
            took_ms: u32::try_from(test.took.as_millis()).unwrap_or(u32::MAX),
            message_id: test.message,
            answer: test.answer.filter(|words| !words.is_empty()),
            error: test.error,
        }
    }
}

/// A delivery to an endpoint.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EndpointDelivery {
    /// Its id.
    id: Uuid,
    /// The `webhook-id` of its message, the same at every attempt.
    message_id: String,
    /// The notification.
    notification_id: Uuid,
    /// How far it is.
    state: DeliveryStateWord,
    /// Why it ended there.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Stamp>,
    /// When it was planned.
    created_at: Stamp,
    /// What was tried, in order.
    attempts: Vec<EndpointAttempt>,
}

impl From<kept::EndpointDelivery> for EndpointDelivery {
    fn from(one: kept::EndpointDelivery) -> Self {
        Self {
            id: one.id.0,
            message_id: message_id(one.id),
            notification_id: one.notification.0,
            state: one.state.into(),
            reason: one.reason.map(|reason| reason.to_string()),
            next_attempt_at: one.next_attempt_at.map(Stamp),
            created_at: Stamp(one.created_at),
            attempts: one.attempts.into_iter().map(EndpointAttempt::from).collect(),
        }
    }
}

/// An attempt at a delivery.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EndpointAttempt {
    /// Which one it is, counted from 1.
    number: u32,
    /// How it ended.
    outcome: String,
    /// The status that the endpoint answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// The beginning of what it answered, or why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// When it began.
    started_at: Stamp,
    /// How long it took.
    took_ms: u32,
}

impl From<AttemptTrace> for EndpointAttempt {
    fn from(one: AttemptTrace) -> Self {
        Self {
            number: u32::try_from(one.number).unwrap_or(u32::MAX),
            outcome: one.outcome,
            status_code: one.status_code.and_then(|status| u16::try_from(status).ok()),
            detail: one.detail,
            started_at: Stamp(one.started_at),
            took_ms: u32::try_from(one.took_ms).unwrap_or(u32::MAX),
        }
    }
}

/// A page of deliveries to an endpoint.
#[derive(Clone, Debug, Object, Serialize)]
pub struct EndpointDeliveryPage {
    /// Newest first.
    pub items: Vec<EndpointDelivery>,
    /// Where the next page begins, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
