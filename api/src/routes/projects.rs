//! Projects: made and ended by people of the platform, named and described by their own admins.

mod named;

use std::sync::Arc;

use domain::id::ProjectId;
use domain::once::Operation;
use domain::project;
use poem::Request;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::admin::{Onboarding, ProjectChange};
use uuid::Uuid;

use super::Tag;
use crate::auth::{
    Caller, Needs, ProjectsCreate, ProjectsDelete, ProjectsManage, ProjectsRead, ProjectsUpdate,
};
use crate::body::Body;
use crate::once::{MadeOnce, once};
use crate::page::{self, List};
use crate::problem::{Acts, Changes, Code, Creates, Failure, Lists, Problem, Reads};
use crate::wire::{Answer, Done, Stamp};

pub use named::ProjectName;

/// The operations on projects.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// Whether a project works.
#[derive(Clone, Copy, Debug, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum ProjectStatus {
    /// It works.
    Active,
    /// Its keys and people are kept out, its events held.
    Suspended,
    /// It is gone, but for its history.
    Archived,
}

impl From<project::ProjectStatus> for ProjectStatus {
    fn from(status: project::ProjectStatus) -> Self {
        match status {
            project::ProjectStatus::Active => Self::Active,
            project::ProjectStatus::Suspended => Self::Suspended,
            project::ProjectStatus::Archived => Self::Archived,
        }
    }
}

impl From<ProjectStatus> for project::ProjectStatus {
    fn from(status: ProjectStatus) -> Self {
        match status {
            ProjectStatus::Active => Self::Active,
            ProjectStatus::Suspended => Self::Suspended,
            ProjectStatus::Archived => Self::Archived,
        }
    }
}

/// A project.
#[derive(Clone, Debug, Object, Serialize)]
struct Project {
    /// Its id.
    id: Uuid,
    /// Its short name in addresses.
    slug: String,
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// Whether it works.
    status: ProjectStatus,
    /// When it was made.
    created_at: Stamp,
    /// When it was last changed.
    updated_at: Stamp,
}

impl From<project::Project> for Project {
    fn from(project: project::Project) -> Self {
        Self {
            id: project.id.0,
            slug: project.slug,
            name: project.name,
            description: project.description,
            status: project.status.into(),
            created_at: Stamp(project.created_at),
            updated_at: Stamp(project.updated_at),
        }
    }
}

/// A project that is to be made.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct NewProject {
    /// Its short name in addresses, which never changes.
    #[oai(validator(min_length = 3, max_length = 48, pattern = "^[a-z0-9-]+$"))]
    slug: String,
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// What it is for.
    #[oai(validator(max_length = 2000))]
    description: Option<String>,
    /// Its first admin.
    admin: FirstAdmin,
}

/// Somebody who is to administer a project.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct FirstAdmin {
    /// Their address.
    #[oai(validator(max_length = 254))]
    email: String,
    /// What they are called.
    #[oai(validator(min_length = 1, max_length = 200))]
    full_name: String,
    /// Their first password.
    #[oai(validator(max_length = 1024))]
    password: String,
}

impl Example for NewProject {
    fn example() -> Self {
        Self {
            slug: "acme".to_owned(),
            name: "Acme".to_owned(),
            description: Some("The shop and its warehouse.".to_owned()),
            admin: FirstAdmin {
                email: "ana@example.com".to_owned(),
                full_name: "Ana Admin".to_owned(),
                password: "correct horse battery".to_owned(),
            },
        }
    }
}

/// A project that was made, ready to be used.
#[derive(Clone, Debug, Object, Serialize)]
struct MadeProject {
    /// The project.
    project: Project,
    /// The account of its first admin.
    admin_id: Uuid,
    /// Its first key.
    key_id: Uuid,
    /// The key's text, shown this once.
    api_key: String,
}

/// What is to be changed; what is left out stays.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "ProjectChange", deny_unknown_fields)]
struct Change {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    /// What it is for.
    #[oai(validator(max_length = 2000))]
    description: Option<String>,
}

/// A page of projects.
#[derive(Clone, Debug, Object, Serialize)]
struct ProjectPage {
    /// Newest first.
    items: Vec<Project>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[OpenApi(prefix_path = "/api/v1/projects", tag = "Tag::Projects")]
impl Operations {
    /// Create a project
    ///
    /// Needs the permission `projects:create` on the platform. Makes the project, its roles, its first admin and its
    /// first key at once.
    #[oai(path = "/", method = "post", operation_id = "create_project")]
    async fn create(
        &self,
        caller: Caller<ProjectsCreate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewProject>,
    ) -> Result<MadeOnce<MadeProject>, Failure<Creates>> {
        of_platform(&caller)?;
        let NewProject { slug, name, description, admin } = body.value;
        let new = Onboarding {
            slug,
            name,
            description: description.unwrap_or_default(),
            admin_email: admin.email,
            admin_name: admin.full_name,
            admin_password: admin.password,
        };
        let what = (Operation::CreateProject, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, |app, caller| async move {
            let made = app.admin.onboard(new, &caller.initiator).await?;
            Ok(MadeProject {
                project: made.project.into(),
                admin_id: made.admin.0,
                key_id: made.key.0.0,
                api_key: made.key.1.text(),
            })
        });
        Ok(made.await?)
    }

    /// List projects
    ///
    /// Needs the permission `projects:read` on the platform. Newest first.
    #[oai(path = "/", method = "get", operation_id = "list_projects")]
    async fn list(
        &self,
        caller: Caller<ProjectsRead>,
        /// Only projects in this state.
        status: Query<Option<ProjectStatus>>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<ProjectPage>, Failure<Lists>> {
        of_platform(&caller)?;
        let status = status.0.map(project::ProjectStatus::from);
        let list = List::new("projects", caller.project, &status);
        let before = list.read(cursor.0.as_deref())?.map(ProjectId);
        let limit = limit.0.clamp(1, page::MAX);
        let admin = &self.app.admin;
        let found = admin.projects(status, before, i64::from(limit) + 1).await?;
        let (rows, next_cursor) = page::cut(found, limit, &list, |project| project.id.0);
        let items = rows.into_iter().map(Project::from).collect();
        Ok(Answer(ProjectPage { items, next_cursor }))
    }

    /// Get a project
    ///
    /// Needs the permission `projects:read`, for any project on the platform, else for one's own.
    #[oai(path = "/:project", method = "get", operation_id = "get_project")]
    async fn get(
        &self,
        caller: Caller<ProjectsRead>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
    ) -> Result<Answer<Project>, Failure<Reads>> {
        let id = project.0.within_reach(&self.app, &caller).await?;
        Ok(Answer(self.app.admin.project(id).await?.into()))
    }

    /// Update a project
    ///
    /// Needs the permission `projects:update`, for any project on the platform, else for one's own.
    #[oai(path = "/:project", method = "patch", operation_id = "update_project")]
    async fn change(
        &self,
        caller: Caller<ProjectsUpdate>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
        body: Body<Change>,
    ) -> Result<Answer<Project>, Failure<Changes>> {
        let id = project.0.within_reach(&self.app, &caller).await?;
        let Change { name, description } = body.value;
        let change = ProjectChange { name, description };
        Ok(Answer(self.app.admin.change_project(id, change, &caller.initiator).await?.into()))
    }

    /// Suspend a project
    ///
    /// Needs the permission `projects:manage` on the platform. Within two seconds its keys and people are kept out
    /// everywhere; its events are held.
    #[oai(path = "/:project/suspend", method = "post", operation_id = "suspend_project")]
    async fn suspend(
        &self,
        caller: Caller<ProjectsManage>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
    ) -> Result<Answer<Project>, Failure<Acts>> {
        self.set_works(&caller, &project.0, false).await
    }

    /// Reactivate a project
    ///
    /// Needs the permission `projects:manage` on the platform. What was held goes on.
    #[oai(path = "/:project/reactivate", method = "post", operation_id = "reactivate_project")]
    async fn reactivate(
        &self,
        caller: Caller<ProjectsManage>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
    ) -> Result<Answer<Project>, Failure<Acts>> {
        self.set_works(&caller, &project.0, true).await
    }

    /// Archive a project
    ///
    /// Needs the permission `projects:delete` on the platform. Its name and slug are free again; its history stays.
    #[oai(path = "/:project", method = "delete", operation_id = "archive_project")]
    async fn archive(
        &self,
        caller: Caller<ProjectsDelete>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
    ) -> Result<Done, Failure<Acts>> {
        let id = project.0.for_platform(&self.app, &caller).await?;
        self.app.admin.archive_project(id, &caller.initiator).await?;
        Ok(Done)
    }
}

impl Operations {
    async fn set_works(
        &self,
        caller: &Caller<ProjectsManage>,
        name: &ProjectName,
        works: bool,
    ) -> Result<Answer<Project>, Failure<Acts>> {
        let id = name.for_platform(&self.app, caller).await?;
        let admin = &self.app.admin;
        Ok(Answer(admin.set_project_works(id, works, &caller.initiator).await?.into()))
    }
}

/// Refuses whoever is not of the platform: no role of a project reaches beyond it.
pub(super) fn of_platform<N: Needs>(caller: &Caller<N>) -> Result<(), Problem> {
    if caller.project == ProjectId::PLATFORM && caller.any {
        return Ok(());
    }
    Err(Problem::new(
        Code::Forbidden,
        "Only users of the project platform may do this, with a permission for all projects.",
    ))
}
