//! Webhooks: signed as Standard Webhooks says, the same message id at every attempt.

use std::sync::Arc;
use std::time::Duration;

use domain::delivery::{Attempt, Outcome, Target};
use domain::reason::Reason;
use domain::webhook::{
    Endpoint, EventData, NotificationCreated, NotificationData, RuleData, message_id,
};
use futures_util::future::BoxFuture;
use outbound::{Answer, CallError, Outbound};
use runtime::app::App;
use services::endpoints::signed_headers;
use store::deliveries::{Claimed, Content, NotificationContent};

use super::{Sender, Sent};

/// How long a delivery waits when the project's endpoints can't be read.
const STORE_AWAY: Duration = Duration::from_secs(1);

/// Posts notifications to the endpoints of their project.
pub(super) struct Webhook {
    app: Arc<App>,
    outbound: Arc<Outbound>,
}

impl Webhook {
    pub(super) fn new(app: &Arc<App>, outbound: &Arc<Outbound>) -> Self {
        Self { app: Arc::clone(app), outbound: Arc::clone(outbound) }
    }

    async fn post(
        &self,
        delivery: &Claimed,
        endpoint: &Endpoint,
        content: &NotificationContent,
        deadline: tokio::time::Instant,
    ) -> Attempt {
        let refused = |why| failed(Outcome::Permanent, Some(Reason::Refused), why);
        let body = match serde_json::to_vec(&message(content)) {
            Ok(body) => body,
            Err(error) => return refused(error.to_string()),
        };
        let now = self.app.clock.now();
        let headers = signed_headers(endpoint, message_id(delivery.id), now, &body);
        match self.outbound.post(&endpoint.url, headers, body, deadline).await {
            Ok(answer) => judge(answer),
            Err(CallError::Forbidden(why)) => {
                failed(Outcome::Permanent, Some(Reason::AddressForbidden), why)
            }
            Err(CallError::Unusable(why)) => refused(why),
            Err(CallError::Failed(why)) => failed(Outcome::Transient, None, why),
        }
    }
}

impl Sender for Webhook {
    fn send<'a>(
        &'a self,
        delivery: &'a Claimed,
        deadline: tokio::time::Instant,
    ) -> BoxFuture<'a, Sent> {
        Box::pin(async move {
            let (Target::Endpoint(id), Content::Notification(content)) =
                (delivery.target, &delivery.content)
            else {
                return Sent::refused("a webhook is a notification for an endpoint");
            };
            let set = match self.app.rulesets.get(delivery.project).await {
                Ok(set) => set,
                Err(error) => {
                    tracing::warn!(project = %delivery.project, %error, "the endpoints were not read; a delivery waits");
                    return Sent::Wait(STORE_AWAY);
                }
            };
            Sent::Ended(match set.endpoints.iter().find(|endpoint| endpoint.id == id) {
                Some(endpoint) => self.post(delivery, endpoint, content, deadline).await,
                None => Attempt::ended(Outcome::Permanent, Some(Reason::TargetGone), None),
            })
        })
    }
}

fn message(content: &NotificationContent) -> NotificationCreated<'_> {
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
                subject: event.subject.as_deref(),
                received_at: event.received_at,
                payload: &event.payload,
            }),
        },
    }
}

/// What a status means: only 2xx is success, 410 is for good, and whoever asks us to wait is waited for. All else may be
/// a mistake that somebody mends, so it is tried again.
fn judge(answer: Answer) -> Attempt {
    let (outcome, reason) = match answer.status {
        200..=299 => (Outcome::Delivered, None),
        410 => (Outcome::Permanent, Some(Reason::TargetGone)),
        429 | 503 if answer.retry_after.is_some() => (Outcome::Throttled, None),
        _ => (Outcome::Transient, None),
    };
    let detail =
        (outcome != Outcome::Delivered && !answer.words.is_empty()).then_some(answer.words);
    Attempt {
        status_code: Some(answer.status),
        retry_after: answer.retry_after,
        ..Attempt::ended(outcome, reason, detail)
    }
}

const fn failed(outcome: Outcome, reason: Option<Reason>, detail: String) -> Attempt {
    Attempt::ended(outcome, reason, Some(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_follows() {
        let judged = |status, retry_after| judge(Answer { status, retry_after, words: "w".into() });
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
