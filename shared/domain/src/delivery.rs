//! A delivery: one way to one target for one notification, and the states that it goes through.

use super::names::words;
use super::reason::Reason;
use crate::id::{DeliveryId, EndpointId, NotificationId, derived};
use crate::time::Time;

words! {
    /// How a notification reaches somebody.
    Channel {
        /// A project's own HTTP endpoint.
        Webhook = 5 "webhook",
    }
}

words! {
    /// Where a delivery stands.
    DeliveryState {
        /// It waits for a time.
        Scheduled = 0 "scheduled",
        /// It may be claimed.
        Planned = 1 "planned",
        /// A worker has it.
        Claimed = 2 "claimed",
        /// The provider took it.
        Sent = 3 "sent",
        /// There is a receipt.
        Delivered = 4 "delivered",
        /// It waits for its next attempt.
        Retrying = 5 "retrying",
        /// Nobody knows whether the provider took it.
        Unknown = 6 "unknown",
        /// It failed for good.
        Dead = 7 "dead",
        /// It was not wanted.
        Skipped = 8 "skipped",
        /// It was taken back.
        Cancelled = 9 "cancelled",
    }
}

words! {
    /// How one attempt ended.
    Outcome {
        /// The target said that it has it.
        Delivered = 1 "delivered",
        /// It may go better later.
        Transient = 2 "transient",
        /// The target asks to come back later.
        Throttled = 3 "throttled",
        /// It will never go.
        Permanent = 4 "permanent",
        /// The worker was gone before it could say.
        Unknown = 5 "unknown",
    }
}

/// A delivery that the evaluation makes.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Its id, which follows from what makes it unique.
    pub id: DeliveryId,
    /// What it delivers.
    pub notification: NotificationId,
    /// How.
    pub channel: Channel,
    /// Where to.
    pub target: EndpointId,
    /// The step of the escalation policy that it stands on.
    pub step: i64,
    /// The alert's round.
    pub round: i64,
}

impl NewDelivery {
    /// The delivery of `notification` to `target`.
    pub fn new(
        notification: NotificationId,
        channel: Channel,
        target: EndpointId,
        step: i64,
        round: i64,
    ) -> Self {
        let number = channel.number().to_be_bytes();
        let parts: [&[u8]; 4] =
            [&number, target.bytes(), &step.to_be_bytes(), &round.to_be_bytes()];
        let id = DeliveryId(derived(notification.0, "delivery", &parts));
        Self { id, notification, channel, target, step, round }
    }
}

/// What an attempt came to, as its channel reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it ended.
    pub outcome: Outcome,
    /// The provider's status code.
    pub status_code: Option<u16>,
    /// The provider's words, or what went wrong before it could have any.
    pub detail: Option<String>,
    /// Why it is permanent.
    pub reason: Option<Reason>,
    /// When the provider wants to be asked again.
    pub retry_after: Option<std::time::Duration>,
    /// When it began.
    pub started_at: Time,
    /// How long it took.
    pub took: std::time::Duration,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It has arrived.
    Delivered,
    /// Another attempt, then.
    Retry(Time),
    /// No more.
    Dead(Reason),
}

impl Next {
    /// The state that the delivery is in now.
    pub const fn state(self) -> DeliveryState {
        match self {
            Self::Delivered => DeliveryState::Delivered,
            Self::Retry(_) => DeliveryState::Retrying,
            Self::Dead(_) => DeliveryState::Dead,
        }
    }
}
