//! Deleting events, with what was recorded of their matches.

use crate::engine::{sql, verb};
use crate::{Result, Store};
use domain::id::{EventId, ProjectId};

impl Store {
    /// Deletes those of the events that are evaluated, with their matches; answers how many. What came of them stays: alerts,
    /// notifications and deliveries.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn delete_events(&self, project: ProjectId, ids: &[EventId]) -> Result<u64> {
        let ids = ids.to_vec();
        self.write(
            "delete_events",
            verb!(|tx, ids| {
                let mut deleted = 0;
                for id in ids {
                    // That it was evaluated stays on record: a job for it may still come a second time.
                    let gone = sql!(
                        tx, execute,
                        "DELETE FROM events WHERE project_id = $1 AND id = $2
                           AND EXISTS (SELECT 1 FROM evaluations v WHERE v.project_id = events.project_id AND v.id = events.id)",
                        project, id
                    )?;
                    if gone > 0 {
                        sql!(tx, execute, "DELETE FROM matches WHERE project_id = $1 AND event_id = $2", project, id)?;
                        sql!(
                            tx, execute,
                            "DELETE FROM evaluation_attempts WHERE project_id = $1 AND event_id = $2", project, id
                        )?;
                        deleted += gone;
                    }
                }
                Ok(deleted)
            }),
        )
        .await
    }
}
