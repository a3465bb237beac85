//! The ways to reach somebody.

mod webhook;

use domain::delivery::Attempt;
use domain::time::Time;
use domain::webhook::Endpoint;
use store::deliveries::Claimed;

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
