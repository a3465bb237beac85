//! Deliveries that the evaluating worker had no room for.

use std::sync::Arc;

use domain::id::{DeliveryId, ProjectId};
use store::evaluations::ClaimTerms;

use crate::Worker;

/// Claims and sends those that still wait; `false` when the store was away or there is no room here.
pub(crate) async fn deliver(worker: &Arc<Worker>, project: ProjectId, ids: &[DeliveryId]) -> bool {
    let app = &worker.app;
    let room = worker.outbox.room_for(ids.len()).await;
    let now = app.clock.now();
    let claim = ClaimTerms {
        token: domain::id::fresh(now),
        until: now.plus(app.config.delivery.claim),
        limit: ids.len(),
        planned_at: now,
    };
    match app.store.claim_deliveries(project, ids, claim, now).await {
        Ok(claimed) => {
            worker.outbox.send(claimed, room);
            true
        }
        Err(error) => {
            tracing::warn!(%project, %error, "deliveries were not claimed");
            !error.is_passing()
        }
    }
}
