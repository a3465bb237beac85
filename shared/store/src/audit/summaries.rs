//! What the audit log says of deliveries: one row for each hour that had any. How far a project's hours are summed up
//! stands in its watermark of kind 2.

use super::note;
use crate::engine::{sql, verb};
use crate::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::delivery::{Channel, DeliveryState};
use domain::id::{DeliveryId, ProjectId, floor, time_of};
use domain::time::Time;

/// The next hour of a project that is to be summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hour {
    /// When it begins.
    pub begins: Time,
    /// How far the project was summed up when this was read.
    pub known: Option<Time>,
    /// How many deliveries of each channel stand in each state.
    pub counts: Vec<(Channel, DeliveryState, i64)>,
}

impl Store {
    /// The first hour that ended before `closed`, is not summed up, and had deliveries.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn next_hour(&self, project: ProjectId, closed: Time) -> Result<Option<Hour>> {
        self.read("next_hour", verb!(|tx| {
            let known = sql!(
                tx,
                fetch_optional as (Time,),
                "SELECT at FROM watermarks WHERE project_id = $1 AND kind = 2",
                project
            )?
            .map(|(at,)| at);
            // A delivery's id carries the time of what it came from, so that the key finds an hour's.
            let first = sql!(
                tx, fetch_optional as (DeliveryId,),
                "SELECT id FROM deliveries WHERE project_id = $1 AND id >= $2 AND id < $3 ORDER BY id LIMIT 1",
                project, floor(known.unwrap_or_default()), floor(closed.hour())
            )?;
            let Some((first,)) = first else { return Ok(None) };
            let begins = time_of(first.0).hour();
            let rows = sql!(
                tx, fetch_all as (i16, i16, i64),
                "SELECT channel, state, COUNT(*) FROM deliveries WHERE project_id = $1 AND id >= $2 AND id < $3
                 GROUP BY channel, state ORDER BY channel, state",
                project, floor(begins), floor(begins.next_hour())
            )?;
            let counts = rows.into_iter().map(|(channel, state, count)| {
                let channel = Channel::from_number(channel).ok_or("channel");
                let state = DeliveryState::from_number(state).ok_or("state");
                let broken = |what| StoreError::Corrupt(format!("{what} of a delivery"));
                Ok((channel.map_err(broken)?, state.map_err(broken)?, count))
            });
            Ok(Some(Hour { begins, known, counts: counts.collect::<Result<_>>()? }))
        }))
        .await
    }

    /// Writes an hour's summary down, if nobody did so since the hour was read; answers whether it was this call.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn sum_up_hour(
        &self,
        project: ProjectId,
        hour: &Hour,
        entry: &Entry,
        now: Time,
    ) -> Result<bool> {
        let (begins, known, entry) = (hour.begins, hour.known, entry.clone());
        self.write("sum_up_hour", verb!(|tx, entry| {
            let moved = match known {
                Some(known) => sql!(
                    tx, execute,
                    "UPDATE watermarks SET at = $1 WHERE project_id = $2 AND kind = 2 AND at = $3",
                    begins.next_hour(), project, known
                )?,
                None => sql!(
                    tx, execute,
                    any "INSERT INTO watermarks (project_id, kind, at) VALUES ($1, 2, $2) ON CONFLICT DO NOTHING",
                    my "INSERT IGNORE INTO watermarks (project_id, kind, at) VALUES ($1, 2, $2)",
                    project, begins.next_hour()
                )?,
            };
            if moved == 1 {
                note(tx, project, &entry, now).await?;
            }
            Ok(moved == 1)
        }))
        .await
    }
}
