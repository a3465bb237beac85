//! Gauges of what waits, refreshed now and then, so that a scrape asks nobody.

use std::sync::Arc;
use std::time::Duration;

use domain::job::QueueName;
use tokio_util::sync::CancellationToken;

use crate::Worker;

/// How often.
const EVERY: Duration = Duration::from_secs(15);

/// Refreshes until `stop`.
pub(crate) async fn run(worker: Arc<Worker>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        for queue in QueueName::ALL {
            match worker.app.queue.depth(queue).await {
                Ok(depth) => {
                    let name = queue.as_str();
                    metrics::gauge!("bellbuoy_queue_waiting", "queue" => name)
                        .set(depth.waiting as f64);
                    metrics::gauge!("bellbuoy_queue_held", "queue" => name).set(depth.held as f64);
                }
                Err(error) => tracing::debug!(%error, "the depth of a queue is not known"),
            }
            match worker.app.queue.dead_letters(queue).await {
                Ok(Some(count)) => {
                    metrics::gauge!("bellbuoy_queue_dead_letters", "queue" => queue.as_str())
                        .set(count as f64);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the dead letters of a queue are not known"),
            }
        }
        match worker.app.store.unsealed_audit().await {
            Ok(waiting) => {
                let now = worker.app.clock.now();
                let lag = waiting.into_iter().map(|(_, oldest)| now.since(oldest)).max();
                metrics::gauge!("bellbuoy_audit_lag_seconds")
                    .set(lag.unwrap_or_default().as_secs_f64());
            }
            Err(error) => tracing::debug!(%error, "the lag of the audit log is not known"),
        }
        let (size, idle) = worker.app.store.pool();
        metrics::gauge!("bellbuoy_store_connections").set(f64::from(size));
        metrics::gauge!("bellbuoy_store_connections_idle").set(idle as f64);
    }
}
