//! Projects, and what every process must know of them.

use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::callers::caller;
use super::engine::epoch::{Hold, bump_access, bump_epoch, hold_epoch};
use super::engine::{Tx, sql, verb};
use super::keys::insert_key;
use super::members::{NewUser, insert_built_in, insert_user};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::authority::Target;
use domain::feature::Switched;
use domain::id::ProjectId;
use domain::key::ApiKey;
use domain::permission::{BuiltIn, PLATFORM_ROLES, PROJECT_ROLES};
use domain::plan::Limits;
use domain::project::{Project, ProjectStatus};
use domain::time::Time;

type Row = (ProjectId, String, String, String, i16, i64, Time, Time);

fn project(row: Row) -> Result<Project> {
    let (id, slug, name, description, status, epoch, created_at, updated_at) = row;
    let status = ProjectStatus::from_number(status)
        .ok_or_else(|| StoreError::Corrupt(format!("project status {status}")))?;
    Ok(Project { id, slug, name, description, status, epoch, created_at, updated_at })
}

/// A project that is to be made, with what makes it usable.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// Its id.
    pub id: ProjectId,
    /// Its short name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The roles that it has from its beginning.
    pub roles: &'static [BuiltIn],
    /// Its first admin.
    pub admin: Option<NewUser>,
    /// Its first key.
    pub key: Option<ApiKey>,
}

/// A project that was not archived.
async fn live_project(tx: &mut Tx, id: ProjectId) -> Result<Project> {
    let row = sql!(
        tx,
        fetch_optional as Row,
        "SELECT id, slug, name, description, status, epoch, created_at, updated_at FROM projects
         WHERE id = $1 AND live = $2",
        id,
        Uuid::nil()
    )?;
    project(row.ok_or(StoreError::NotFound("project"))?)
}

impl Store {
    /// Makes a project, its roles, its first admin and its first key.
    ///
    /// # Errors
    /// A conflict when the slug or name is taken.
    pub async fn onboard(&self, new: &NewProject, entry: Option<&Entry>, now: Time) -> Result<()> {
        let (new, entry) = (new.clone(), entry.cloned());
        self.write("onboard", verb!(|tx, new, entry| {
            sql!(
                tx, execute,
                "INSERT INTO projects (id, slug, name, description, status, epoch, access_epoch, settings_epoch, limits, features,
                                       live, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, 0, 1, 1, 0, $5, $6, $7, $8, $9)",
                new.id, new.slug, new.name, new.description, Json(Limits::default()),
                Json(Switched::new()), Uuid::nil(), now, now
            )?;
            insert_built_in(tx, new.id, new.roles, now).await?;
            if let Some(admin) = &new.admin {
                insert_user(tx, new.id, admin, now).await?;
            }
            if let Some(key) = &new.key {
                insert_key(tx, key, now).await?;
            }
            if let Some(entry) = &entry {
                note(tx, new.id, entry, now).await?;
            }
            Ok(())
        }))
        .await
    }

    /// Makes a project with its roles and nothing else.
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
        let new = NewProject {
            id,
            slug: slug.to_owned(),
            name: name.to_owned(),
            description: String::new(),
            roles: &PROJECT_ROLES,
            admin: None,
            key: None,
        };
        self.onboard(&new, None, now).await
    }

    /// Makes the platform's own project, if it is not there.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn ensure_platform(&self, now: Time) -> Result<()> {
        let known = self
            .read(
                "ensure_platform",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_optional as (ProjectId,),
                        "SELECT id FROM projects WHERE id = $1",
                        ProjectId::PLATFORM
                    )
                }),
            )
            .await?;
        if known.is_some() {
            return Ok(());
        }
        let new = NewProject {
            id: ProjectId::PLATFORM,
            slug: "platform".to_owned(),
            name: "Platform".to_owned(),
            description: "Those who run this service, and its own troubles.".to_owned(),
            roles: &PLATFORM_ROLES,
            admin: None,
            key: None,
        };
        match self.onboard(&new, None, now).await {
            // Another process was faster.
            Err(StoreError::Conflict(_)) => Ok(()),
            other => other,
        }
    }

    /// Projects, newest first, from before `before`, with their states.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn list_projects(
        &self,
        status: Option<ProjectStatus>,
        before: Option<ProjectId>,
        limit: i64,
    ) -> Result<Vec<Project>> {
        let rows = self
            .read("list_projects", verb!(|tx| {
                let before = before.unwrap_or(ProjectId(Uuid::max()));
                sql!(
                    tx, fetch_all as Row,
                    "SELECT id, slug, name, description, status, epoch, created_at, updated_at FROM projects
                     WHERE id < $1 AND id <> $2 AND ($3 OR status = $4) ORDER BY id DESC LIMIT $5",
                    before, ProjectId::PLATFORM, status.is_none(),
                    status.map_or(0, ProjectStatus::number), limit
                )
            }))
            .await?;
        rows.into_iter().map(project).collect()
    }

    /// Changes a project's name and description; what is left out stays.
    ///
    /// # Errors
    /// When it is not there, or the name is taken; when the caller may not.
    pub async fn change_project(
        &self,
        id: ProjectId,
        name: Option<&str>,
        description: Option<&str>,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let kept = (name.map(str::to_owned), description.map(str::to_owned), entry.clone());
        self.write("change_project", move |tx| {
            let (name, description, mut entry) = kept.clone();
            Box::pin(async move {
                hold_epoch(tx, id, Hold::Alone).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let before = live_project(tx, id).await?;
                let name = name.unwrap_or_else(|| before.name.clone());
                let description = description.unwrap_or_else(|| before.description.clone());
                sql!(
                    tx, execute,
                    "UPDATE projects SET name = $1, description = $2, updated_at = $3 WHERE id = $4 AND live = $5",
                    name.clone(), description.clone(), now, id, Uuid::nil()
                )?;
                let told = |name, description| Some(json!({ "name": name, "description": description }));
                entry.before = told(before.name, before.description);
                entry.after = told(name, description);
                note(tx, id, &entry, now).await
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
            .read("project", verb!(|tx| {
                sql!(
                    tx, fetch_optional as Row,
                    "SELECT id, slug, name, description, status, epoch, created_at, updated_at FROM projects WHERE id = $1", id
                )
            }))
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
            .read("project_by_slug", verb!(|tx, slug| {
                sql!(
                    tx, fetch_optional as Row,
                    "SELECT id, slug, name, description, status, epoch, created_at, updated_at FROM projects WHERE slug = $1 AND live = $2",
                    slug, Uuid::nil()
                )
            }))
            .await?;
        row.map(project).transpose()
    }

    /// The project of that name, if there is one.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn project_by_name(&self, name: &str) -> Result<Option<ProjectId>> {
        let name = name.to_owned();
        let row = self
            .read(
                "project_by_name",
                verb!(|tx, name| {
                    sql!(
                        tx,
                        fetch_optional as (ProjectId,),
                        "SELECT id FROM projects WHERE name = $1 AND live = $2",
                        name,
                        Uuid::nil()
                    )
                }),
            )
            .await?;
        Ok(row.map(|(id,)| id))
    }

    /// The epochs and states of all projects that are not archived.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn epochs(&self) -> Result<Vec<Standing>> {
        let rows = self
            .read("epochs", verb!(|tx| {
                sql!(
                    tx,
                    fetch_all as (ProjectId, i64, i64, i64, i16),
                    "SELECT id, epoch, access_epoch, settings_epoch, status FROM projects WHERE live = $1 ORDER BY id",
                    Uuid::nil()
                )
            }))
            .await?;
        let known = |(id, epoch, access_epoch, settings_epoch, status)| {
            let status = ProjectStatus::from_number(status)?;
            Some(Standing { id, epoch, access_epoch, settings_epoch, status })
        };
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// Changes whether a project works; takes effect on every evaluation that commits after this. All sessions of the
    /// project end for good, however many there are: they are of a session epoch that no longer counts.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn set_project_status(
        &self,
        id: ProjectId,
        status: ProjectStatus,
        entry: Option<&Entry>,
        now: Time,
    ) -> Result<i64> {
        let entry = entry.cloned();
        self.write("set_project_status", verb!(|tx, entry| {
            let epoch = bump_epoch(tx, id).await?;
            // One that was archived meanwhile stays so.
            live_project(tx, id).await?;
            bump_access(tx, id).await?;
            sql!(
                tx,
                execute,
                "UPDATE projects SET status = $1, updated_at = $2, session_epoch = session_epoch + 1 WHERE id = $3",
                status.number(),
                now,
                id
            )?;
            if let Some(entry) = &entry {
                note(tx, id, entry, now).await?;
            }
            Ok(epoch)
        }))
        .await
    }

    /// Archives a project: it is gone, its slug and name are free, and its history stays.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn archive_project(&self, id: ProjectId, entry: &Entry, now: Time) -> Result<()> {
        let entry = entry.clone();
        self.write("archive_project", verb!(|tx, entry| {
            bump_epoch(tx, id).await?;
            bump_access(tx, id).await?;
            let touched = sql!(
                tx,
                execute,
                "UPDATE projects SET status = $1, live = $2, deleted_at = $3, updated_at = $4, session_epoch = session_epoch + 1
                 WHERE id = $5 AND live = $6",
                ProjectStatus::Archived.number(),
                id.0,
                now,
                now,
                id,
                Uuid::nil()
            )?;
            if touched == 0 {
                return Err(StoreError::NotFound("project"));
            }
            note(tx, id, &entry, now).await
        }))
        .await
    }
}

/// What every process must know of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub id: ProjectId,
    /// Counts the changes that evaluation must not miss.
    pub epoch: i64,
    /// Counts the changes to what people may do.
    pub access_epoch: i64,
    /// Counts the changes to its settings, plan and features.
    pub settings_epoch: i64,
    /// Whether it works.
    pub status: ProjectStatus,
}
