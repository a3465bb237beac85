//! The one value that tells whether a sealing key is the one that the store was sealed with.

use super::engine::{sql, verb};
use super::{Result, Store, StoreError};
use domain::id::ProjectId;
use domain::time::Time;

impl Store {
    /// The probe, if there is one yet.
    ///
    /// # Errors
    /// When the engine is away, or its tables are not those of this build.
    pub async fn seal_probe(&self) -> Result<Option<Vec<u8>>> {
        let found = self
            .read(
                "seal_probe",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_optional as (Vec<u8>,),
                        "SELECT value FROM seal_probe WHERE project_id = $1",
                        ProjectId::PLATFORM
                    )
                }),
            )
            .await?;
        Ok(found.map(|(value,)| value))
    }

    /// Keeps a probe, unless there is one; answers the one that stands. Of several processes that come at once, one is
    /// first.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn keep_seal_probe(&self, value: &[u8], now: Time) -> Result<Vec<u8>> {
        let value = value.to_vec();
        self.write(
            "keep_seal_probe",
            verb!(|tx, value| {
                let known = sql!(
                    tx,
                    fetch_optional as (Vec<u8>,),
                    "SELECT value FROM seal_probe WHERE project_id = $1",
                    ProjectId::PLATFORM
                )?;
                if let Some((known,)) = known {
                    return Ok(known);
                }
                sql!(
                    tx,
                    execute,
                    "INSERT INTO seal_probe (project_id, value, created_at) VALUES ($1, $2, $3)",
                    ProjectId::PLATFORM,
                    value.clone(),
                    now
                )
                .map_err(StoreError::again_on_conflict)?;
                Ok(value)
            }),
        )
        .await
    }
}
