//! The channels: one sender each. Claims, retries, breakers and records are the same for all of them and know none by name.

mod email;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use domain::delivery::{Attempt, Channel, Outcome};
use domain::reason::Reason;
use futures_util::future::BoxFuture;
use outbound::Outbound;
use runtime::app::App;
use store::deliveries::Claimed;

/// Sends deliveries of one channel.
trait Sender: Send + Sync {
    /// Sends one; the provider's answer is there before `deadline`. A delivery that comes twice, after a crash, is the same
    /// message to whoever gets it.
    fn send<'a>(
        &'a self,
        delivery: &'a Claimed,
        deadline: tokio::time::Instant,
    ) -> BoxFuture<'a, Sent>;
}

/// What came of sending.
pub(crate) enum Sent {
    /// An attempt was made.
    Ended(Attempt),
    /// None could be made, for something on our side is away; so long it waits.
    Wait(Duration),
}

impl Sent {
    /// A delivery that its channel can't send at all.
    fn refused(why: &str) -> Self {
        let why = Some(why.to_owned());
        Self::Ended(Attempt::ended(Outcome::Permanent, Some(Reason::Refused), why))
    }
}

/// The senders of this process.
pub(crate) struct Channels(Vec<(Channel, Box<dyn Sender>)>);

impl Channels {
    pub(crate) fn new(app: &Arc<App>, outbound: &Arc<Outbound>) -> Self {
        Self(vec![
            (Channel::Email, Box::new(email::Email::new(app))),
            (Channel::Webhook, Box::new(webhook::Webhook::new(app, outbound))),
        ])
    }

    /// Sends a delivery on its channel.
    pub(crate) async fn send(&self, delivery: &Claimed, deadline: tokio::time::Instant) -> Sent {
        match self.0.iter().find(|(channel, _)| *channel == delivery.channel) {
            Some((_, sender)) => sender.send(delivery, deadline).await,
            None => Sent::refused("this build does not send on the channel"),
        }
    }
}
