//! A delivery: one way to one target for one message, and the states that it goes through.

use super::names::words;
use super::reason::Reason;
use uuid::Uuid;

use crate::id::{DeliveryId, EndpointId, MailId, NotificationId, UserId, derived};
use crate::time::Time;

words! {
    /// How something is delivered.
    Channel {
        /// A page or an app that is open.
        Realtime = 1 "realtime",
        /// A push to a device.
        Push = 2 "push",
        /// An email.
        Email = 3 "email",
        /// A text message.
        Sms = 4 "sms",
        /// A project's own HTTP endpoint.
        Webhook = 5 "webhook",
    }
}

words! {
    /// What kind of target a delivery has.
    TargetKind {
        /// A project's HTTP endpoint.
        Endpoint = 1 "endpoint",
        /// An address that stands, sealed, with the message: of account mails, which may go to people without an account.
        Address = 2 "address",
        /// One device of a user.
        Device = 3 "device",
        /// A user, wherever the channel finds them.
        Person = 4 "person",
        /// A chat destination of a project.
        Chat = 5 "chat",
    }
}

/// Where a delivery goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A project's HTTP endpoint.
    Endpoint(EndpointId),
    /// The address in an account mail.
    Address(MailId),
    /// One device of a user, by its push token.
    Device(Uuid),
    /// A user, wherever the channel finds them.
    Person(UserId),
    /// A chat destination of a project.
    Chat(Uuid),
}

impl Target {
    /// The target of that kind.
    pub const fn new(kind: TargetKind, id: Uuid) -> Self {
        match kind {
            TargetKind::Endpoint => Self::Endpoint(EndpointId(id)),
            TargetKind::Address => Self::Address(MailId(id)),
            TargetKind::Device => Self::Device(id),
            TargetKind::Person => Self::Person(UserId(id)),
            TargetKind::Chat => Self::Chat(id),
        }
    }

    /// What kind of target it is.
    pub const fn kind(self) -> TargetKind {
        match self {
            Self::Endpoint(_) => TargetKind::Endpoint,
            Self::Address(_) => TargetKind::Address,
            Self::Device(_) => TargetKind::Device,
            Self::Person(_) => TargetKind::Person,
            Self::Chat(_) => TargetKind::Chat,
        }
    }

    /// The id of what it names.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Endpoint(EndpointId(id))
            | Self::Address(MailId(id))
            | Self::Person(UserId(id))
            | Self::Device(id)
            | Self::Chat(id) => id,
        }
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
        /// The provider took it, and no more is known.
        Sent = 6 "sent",
    }
}

/// A delivery that is to be kept.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Its id, which follows from what makes it unique.
    pub id: DeliveryId,
    /// What it delivers; of an account mail, the mail's id.
    pub notification: NotificationId,
    /// How.
    pub channel: Channel,
    /// Where to.
    pub target: Target,
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
        target: Target,
        step: i64,
        round: i64,
    ) -> Self {
        let (number, id) = (channel.number().to_be_bytes(), target.id());
        let parts: [&[u8]; 4] = [&number, id.as_bytes(), &step.to_be_bytes(), &round.to_be_bytes()];
        let id = DeliveryId(derived(notification.0, "delivery", &parts));
        Self { id, notification, channel, target, step, round }
    }

    /// The one delivery of an account mail, which has its id.
    pub const fn mail(mail: MailId) -> Self {
        Self {
            id: DeliveryId(mail.0),
            notification: NotificationId(mail.0),
            channel: Channel::Email,
            target: Target::Address(mail),
            step: 0,
            round: 0,
        }
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
    /// The provider has it.
    Sent,
    /// Another attempt, then.
    Retry(Time),
    /// No more.
    Dead(Reason),
}

impl Attempt {
    /// An attempt that ended so, without any words of a provider; whoever made it adds when it began and how long it took.
    pub const fn ended(outcome: Outcome, reason: Option<Reason>, detail: Option<String>) -> Self {
        Self {
            outcome,
            status_code: None,
            detail,
            reason,
            retry_after: None,
            started_at: Time::from_micros(0),
            took: std::time::Duration::ZERO,
        }
    }
}

impl Outcome {
    /// Whether it succeeded.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Delivered | Self::Sent)
    }
}

impl Next {
    /// Whether it succeeded.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Delivered | Self::Sent)
    }

    /// Whether nothing more comes of it.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Retry(_))
    }

    /// Why it failed for good, if it did.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Dead(reason) => Some(reason),
            Self::Delivered | Self::Sent | Self::Retry(_) => None,
        }
    }

    /// The state that the delivery is in now.
    pub const fn state(self) -> DeliveryState {
        match self {
            Self::Delivered => DeliveryState::Delivered,
            Self::Sent => DeliveryState::Sent,
            Self::Retry(_) => DeliveryState::Retrying,
            Self::Dead(_) => DeliveryState::Dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_back_from_its_kind_and_id() {
        for kind in TargetKind::ALL {
            let target = Target::new(*kind, Uuid::from_u128(7));
            assert_eq!((target.kind(), target.id()), (*kind, Uuid::from_u128(7)), "{kind}");
        }
    }
}
