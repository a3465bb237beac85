//! The ways to reach somebody.

mod webhook;

use shared::domain::delivery::Attempt;
use shared::domain::webhook::Endpoint;
use shared::store::deliveries::Claimed;
use shared::time::Time;

use crate::outbound::Outbound;

/// Sends a delivery on its channel; the provider's answer is there before `deadline`.
pub(crate) async fn send(
    outbound: &Outbound,
    endpoint: &Endpoint,
    delivery: &Claimed,
    now: Time,
    deadline: tokio::time::Instant,
) -> Attempt {
    webhook::send(outbound, endpoint, delivery, now, deadline).await
}
