//! Projects, and the epochs that count what evaluation must not miss.

use uuid::Uuid;

use super::engine::{Conn, Tx, sql};
use super::{Result, Store, StoreError};
use crate::domain::project::{Project, ProjectStatus};
use crate::id::ProjectId;
use crate::time::Time;

type Row = (ProjectId, String, String, i16, i64, Time);

fn project((id, slug, name, status, epoch, created_at): Row) -> Result<Project> {
    let status = ProjectStatus::from_number(status)
        .ok_or_else(|| StoreError::Corrupt(format!("project status {status}")))?;
    Ok(Project { id, slug, name, status, epoch, created_at })
}

/// How a transaction holds a project's epoch to its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hold {
    /// It must not change: many may ask that at the same time.
    Shared,
    /// It is about to change.
    Alone,
}

/// Holds a project's epoch. Whoever asks first is first: on a row's own lock of PostgreSQL, evaluations that follow one
/// another would keep a change out for as long as there are any. SQLite has one writer.
pub(super) async fn hold_epoch(tx: &mut Tx, id: ProjectId, hold: Hold) -> Result<()> {
    if let Conn::Postgres(c) = tx.conn() {
        let text = match hold {
            Hold::Shared => "SELECT pg_advisory_xact_lock_shared($1)",
            Hold::Alone => "SELECT pg_advisory_xact_lock($1)",
        };
        // Two projects with the same key would wait for each other, and that is all.
        let key = id.0.as_u64_pair().1.cast_signed();
        sqlx::query(text).bind(key).execute(&mut *c).await?;
    }
    Ok(())
}

/// Counts the project's epoch up, in the transaction of a change that evaluation must see. It waits for evaluations that
/// run under the old epoch, so that after it none does. Answers the new epoch.
pub(super) async fn bump_epoch(tx: &mut Tx, id: ProjectId) -> Result<i64> {
    hold_epoch(tx, id, Hold::Alone).await?;
    let bumped = sql!(
        tx,
        fetch_optional as (i64,),
        "UPDATE projects SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch",
        id
    )?;
    bumped.map(|(epoch,)| epoch).ok_or(StoreError::NotFound("project"))
}

impl Store {
    /// Makes a project.
    ///
    /// # Errors
    /// A conflict when the slug or name is taken.
    pub async fn create_project(
        &self,
        id: ProjectId,
        slug: &str,
        name: &str,
        now: Time,
    ) -> Result<()> {
        let (slug, name) = (slug.to_owned(), name.to_owned());
        self.write("create_project", move |tx| {
            let (slug, name) = (slug.clone(), name.clone());
            Box::pin(async move {
                sql!(
                    tx, execute,
                    "INSERT INTO projects (id, slug, name, description, status, epoch, live, created_at, updated_at)
                     VALUES ($1, $2, $3, '', 0, 1, $4, $5, $6)",
                    id, slug, name, Uuid::nil(), now, now
                )
                .map(|_| ())
            })
        })
        .await
    }

    /// One project.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn project(&self, id: ProjectId) -> Result<Project> {
        let row = self
            .read("project", move |tx| {
                Box::pin(async move {
                    sql!(
                        tx, fetch_optional as Row,
                        "SELECT id, slug, name, status, epoch, created_at FROM projects WHERE id = $1", id
                    )
                })
            })
            .await?;
        project(row.ok_or(StoreError::NotFound("project"))?)
    }

    /// The project with that slug, if there is one.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn project_by_slug(&self, slug: &str) -> Result<Option<Project>> {
        let slug = slug.to_owned();
        let row = self
            .read("project_by_slug", move |tx| {
                let slug = slug.clone();
                Box::pin(async move {
                    sql!(
                        tx, fetch_optional as Row,
                        "SELECT id, slug, name, status, epoch, created_at FROM projects WHERE slug = $1 AND live = $2",
                        slug, Uuid::nil()
                    )
                })
            })
            .await?;
        row.map(project).transpose()
    }

    /// The epochs and states of all projects that are not archived.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn epochs(&self) -> Result<Vec<(ProjectId, i64, ProjectStatus)>> {
        let rows = self
            .read("epochs", |tx| {
                Box::pin(async move {
                    sql!(
                        tx,
                        fetch_all as (ProjectId, i64, i16),
                        "SELECT id, epoch, status FROM projects WHERE live = $1 ORDER BY id",
                        Uuid::nil()
                    )
                })
            })
            .await?;
        let known = |(id, epoch, status)| {
            ProjectStatus::from_number(status).map(|status| (id, epoch, status))
        };
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// Changes whether a project works; takes effect on every evaluation that commits after this.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn set_project_status(
        &self,
        id: ProjectId,
        status: ProjectStatus,
        now: Time,
    ) -> Result<i64> {
        self.write("set_project_status", move |tx| {
            Box::pin(async move {
                let epoch = bump_epoch(tx, id).await?;
                sql!(
                    tx,
                    execute,
                    "UPDATE projects SET status = $1, updated_at = $2 WHERE id = $3",
                    status.number(),
                    now,
                    id
                )?;
                Ok(epoch)
            })
        })
        .await
    }
}
