//! Deliveries in the audit log: too many for a row each, they are summed up by the hour.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::{Audit, AuditedAction, Initiator};
use domain::audit::AuditAction;
use domain::id::ProjectId;
use store::StoreError;

/// How long after its end an hour is summed up: most retries are over by then.
const AFTER: Duration = Duration::from_secs(15 * 60);

impl Audit {
    /// Sums up every hour that has ended and had deliveries; answers how many those were.
    ///
    /// # Errors
    /// When the store is away. What could be summed up of other projects is summed up then.
    pub async fn sum_up_deliveries(&self) -> Result<u64, StoreError> {
        let (mut all, mut failed) = (0, None);
        for (project, _) in self.store.audited_projects().await? {
            match self.sum_up_project(project).await {
                Ok(hours) => all += hours,
                Err(error) => {
                    tracing::warn!(%project, %error, "deliveries were not summed up");
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(all), Err)
    }

    async fn sum_up_project(&self, project: ProjectId) -> Result<u64, StoreError> {
        let mut hours = 0;
        loop {
            let now = self.clock.now();
            let Some(hour) = self.store.next_hour(project, now.minus(AFTER)).await? else {
                return Ok(hours);
            };
            let mut channels: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
            for (channel, state, count) in &hour.counts {
                channels.entry(channel.as_str()).or_default().insert(state.as_str(), *count);
            }
            let audited = AuditedAction {
                after: Some(json!({ "hour": hour.begins.rfc3339(), "deliveries": channels })),
                ..AuditedAction::new(AuditAction::DeliverySummary, project.0)
            };
            let entry = self.entry(project, &Initiator::system(), audited).await?;
            hours += u64::from(self.store.sum_up_hour(project, &hour, &entry, now).await?);
        }
    }
}
