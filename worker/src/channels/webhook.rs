//! Webhooks: signed as Standard Webhooks says, the same message id at every attempt.

use std::time::Duration;

use domain::delivery::{Attempt, Outcome};
use domain::reason::Reason;
use domain::time::Time;
use domain::webhook::{
    Endpoint, EventData, NotificationCreated, NotificationData, RuleData, message_id,
};
use store::deliveries::{Claimed, Content};

use crate::outbound::{Answer, CallError, HeaderName, Outbound};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

pub(super) async fn send(
    outbound: &Outbound,
    endpoint: &Endpoint,
    delivery: &Claimed,
    now: Time,
    deadline: tokio::time::Instant,
) -> Attempt {
    let body = match serde_json::to_vec(&message(&delivery.content)) {
        Ok(body) => body,
        Err(error) => {
            return failed(now, Outcome::Permanent, Some(Reason::Refused), error.to_string());
        }
    };
    let id = message_id(delivery.id);
    let seconds = now.micros().div_euclid(1_000_000);
    let signature = endpoint.secret.sign(&id, seconds, &body);
    let headers = [
        (WEBHOOK_ID, id),
        (WEBHOOK_TIMESTAMP, seconds.to_string()),
        (WEBHOOK_SIGNATURE, signature),
    ];
    match outbound.post(&endpoint.url, headers, body, deadline).await {
        Ok(answer) => judge(answer, now),
        Err(CallError::Forbidden(why)) => {
            failed(now, Outcome::Permanent, Some(Reason::AddressForbidden), why)
        }
        Err(CallError::Unusable(why)) => {
            failed(now, Outcome::Permanent, Some(Reason::Refused), why)
        }
        Err(CallError::Failed(why)) => failed(now, Outcome::Transient, None, why),
    }
}

fn message(content: &Content) -> NotificationCreated<'_> {
    NotificationCreated {
        kind: "notification.created",
        timestamp: content.created_at,
        data: NotificationData {
            id: content.notification,
            alert_id: content.alert,
            round: content.round,
            title: &content.title,
            body: &content.body,
            priority: content.priority,
            rule: content.rule.map(|(id, version)| RuleData { id, version }),
            event: content.event.as_ref().map(|event| EventData {
                id: event.id,
                kind: &event.kind,
                source: &event.source,
                received_at: event.received_at,
                payload: &event.payload,
            }),
        },
    }
}

/// What a status means: only 2xx is success, 410 is for good, and whoever asks us to wait is waited for. All else may be
/// a mistake that somebody mends, so it is tried again.
fn judge(answer: Answer, now: Time) -> Attempt {
    let (outcome, reason) = match answer.status {
        200..=299 => (Outcome::Delivered, None),
        410 => (Outcome::Permanent, Some(Reason::TargetGone)),
        429 | 503 if answer.retry_after.is_some() => (Outcome::Throttled, None),
        _ => (Outcome::Transient, None),
    };
    let detail =
        (outcome != Outcome::Delivered && !answer.words.is_empty()).then_some(answer.words);
    Attempt {
        outcome,
        status_code: Some(answer.status),
        detail,
        reason,
        retry_after: answer.retry_after,
        started_at: now,
        took: Duration::ZERO,
    }
}

const fn failed(now: Time, outcome: Outcome, reason: Option<Reason>, detail: String) -> Attempt {
    Attempt {
        outcome,
        status_code: None,
        detail: Some(detail),
        reason,
        retry_after: None,
        started_at: now,
        took: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_follows() {
        let judged = |status, retry_after| {
            judge(Answer { status, retry_after, words: "w".into() }, Time::default())
        };
        let wait = Some(Duration::from_secs(9));
        for (status, retry_after, outcome) in [
            (200, None, Outcome::Delivered),
            (204, wait, Outcome::Delivered),
            (301, None, Outcome::Transient),
            (400, None, Outcome::Transient),
            (404, None, Outcome::Transient),
            (410, None, Outcome::Permanent),
            (429, None, Outcome::Transient),
            (429, wait, Outcome::Throttled),
            (500, wait, Outcome::Transient),
            (503, wait, Outcome::Throttled),
        ] {
            assert_eq!(judged(status, retry_after).outcome, outcome, "{status}");
        }
        assert_eq!(judged(200, None).detail, None);
        assert_eq!(judged(500, None).detail.as_deref(), Some("w"));
        assert_eq!(judged(410, None).reason, Some(Reason::TargetGone));
    }
}
