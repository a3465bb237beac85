//! Which notifications were for somebody: read in steps over the project's own, for nothing lists them by person.

use uuid::Uuid;

use super::engine::{sql, verb};
use super::{Result, Store};
use domain::id::{NotificationId, ProjectId, UserId};
use domain::time::Time;

/// A notification that was for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedIn {
    /// The notification.
    pub notification: NotificationId,
    /// What it said in short.
    pub title: String,
    /// The role through which they were chosen, if through one.
    pub role: Option<String>,
    /// When.
    pub at: Time,
}

/// How many recipients one step looks at.
const STEP: i64 = 2000;

impl Store {
    /// Looks at some of a project's recipients that are older than `before` for one person. Answers what was found,
    /// newest first, and where the next step begins, if anything is left.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn named_in(
        &self,
        project: ProjectId,
        user: UserId,
        before: NotificationId,
    ) -> Result<(Vec<NamedIn>, Option<NotificationId>)> {
        let (rows, next) = self
            .read("named_in", verb!(|tx| {
                let last = sql!(
                    tx,
                    fetch_optional as (NotificationId,),
                    "SELECT notification_id FROM recipients WHERE project_id = $1 AND notification_id < $2
                     ORDER BY notification_id DESC LIMIT 1 OFFSET $3",
                    project,
                    before,
                    STEP - 1
                )?
                .map(|(id,)| id);
                let rows = sql!(
                    tx,
                    fetch_all as (NotificationId, Option<String>, Option<String>, Time),
                    "SELECT r.notification_id, n.title, r.role, r.created_at FROM recipients r
                     LEFT JOIN notifications n ON n.project_id = r.project_id AND n.id = r.notification_id
                     WHERE r.project_id = $1 AND r.notification_id < $2 AND r.notification_id >= $3 AND r.user_id = $4
                     ORDER BY r.notification_id DESC",
                    project,
                    before,
                    last.unwrap_or(NotificationId(Uuid::nil())),
                    user
                )?;
                Ok((rows, last))
            }))
            .await?;
        let named = |(notification, title, role, at): (_, Option<String>, _, _)| NamedIn {
            notification,
            title: title.unwrap_or_default(),
            role,
            at,
        };
        Ok((rows.into_iter().map(named).collect(), next))
    }
}
