//! Projects: made, renamed, suspended, brought back, archived.

use serde_json::json;

use super::{Admin, AdminError, clash, told};
use crate::audit::{AuditedAction, Initiator};
use domain::audit::AuditAction;
use domain::fault::{Fault, FaultCode};
use domain::id::{KeyId, ProjectId, UserId};
use domain::key::{ApiKey, PlainKey, Scope};
use domain::permission::{ADMIN, PROJECT_ROLES};
use domain::project::{Project, ProjectStatus, slug_fault, text_faults};
use domain::user::{UserStatus, email_fault, name_fault, normal_email, password_fault};
use store::StoreError;
use store::members::NewUser;
use store::projects::NewProject;

/// A project that is to be made, its first admin and its first key with it.
#[derive(Clone, Debug)]
pub struct Onboarding {
    /// Its short name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The address of its first admin.
    pub admin_email: String,
    /// What they are called.
    pub admin_name: String,
    /// Their first password.
    pub admin_password: String,
}

/// What was made.
pub struct MadeProject {
    /// The project.
    pub project: Project,
    /// Its first admin.
    pub admin: UserId,
    /// Its first key, whose text is shown this once.
    pub key: (KeyId, PlainKey),
}

/// What is to be changed.
#[derive(Clone, Debug, Default)]
pub struct ProjectChange {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

impl Admin {
    /// Makes a project that is ready to be used.
    ///
    /// # Errors
    /// When something of it is not right or taken.
    pub async fn onboard(
        &self,
        new: Onboarding,
        initiator: &Initiator,
    ) -> Result<MadeProject, AdminError> {
        let email = normal_email(&new.admin_email);
        let mut faults = text_faults(Some(&new.name), Some(&new.description));
        faults.extend(
            slug_fault(&new.slug).map(|right| Fault::new("slug", FaultCode::Invalid, right)),
        );
        let at = |fault: Fault, field| Fault { field: std::borrow::Cow::Borrowed(field), ..fault };
        faults.extend(email_fault(&email).map(|fault| at(fault, "admin.email")));
        faults.extend(name_fault("admin.full_name", &new.admin_name));
        let weak = password_fault(&new.admin_password, &email, self.policy);
        faults.extend(weak.map(|fault| at(fault, "admin.password")));
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let now = self.clock.now();
        let id = ProjectId::fresh(now);
        let plain = PlainKey::fresh();
        let key = ApiKey {
            id: KeyId::fresh(now),
            project: id,
            name: "first key".to_owned(),
            prefix: plain.prefix.clone(),
            secret_hash: plain.hash(),
            scopes: vec![Scope::EventsWrite, Scope::Read],
            expires_at: None,
            revoked_at: None,
        };
        let admin = NewUser {
            id: UserId::fresh(now),
            email,
            full_name: new.admin_name.trim().to_owned(),
            status: UserStatus::Active,
            password: Some(self.sessions.passwords.hash(&new.admin_password).await?),
            roles: vec![ADMIN.to_owned()],
        };
        let (key_id, admin_id, slug) = (key.id, admin.id, new.slug.clone());
        let project = NewProject {
            id,
            slug: new.slug,
            name: new.name,
            description: new.description,
            roles: &PROJECT_ROLES,
            admin: Some(admin),
            key: Some(key),
        };
        self.judge_names(Some(&slug), &project.name, None).await?;
        let audited = AuditedAction {
            after: Some(
                json!({ "slug": slug, "name": project.name, "admin": admin_id, "key": key_id }),
            ),
            ..AuditedAction::new(AuditAction::ProjectCreate, id.0)
        };
        let entry = self.audit.entry(id, initiator, audited).await?;
        self.store.onboard(&project, Some(&entry), now).await?;
        self.announce(id).await;
        let project = self.store.project(id).await?;
        Ok(MadeProject { project, admin: admin_id, key: (key_id, plain) })
    }

    /// Which of the names are taken, told field by field; the store's own keys decide if two come at once.
    async fn judge_names(
        &self,
        slug: Option<&str>,
        name: &str,
        but: Option<ProjectId>,
    ) -> Result<(), AdminError> {
        let mut faults = Vec::new();
        if let Some(slug) = slug {
            let taken = self.store.project_by_slug(slug).await?.is_some();
            clash("slug", taken, "a project of that slug is there already", &mut faults);
        }
        let taken = self.store.project_by_name(name).await?.is_some_and(|id| Some(id) != but);
        clash("name", taken, "a project of that name is there already", &mut faults);
        if faults.is_empty() {
            return Ok(());
        }
        Err(AdminError::Conflict(told(&faults)))
    }

    /// One project that is not the platform's own.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn project(&self, id: ProjectId) -> Result<Project, AdminError> {
        Ok(self.store.project(id).await?)
    }

    /// The project of that id or slug, if there is one.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn find_project(&self, text: &str) -> Result<Option<Project>, AdminError> {
        let found = match text.parse::<ProjectId>() {
            Ok(id) => match self.store.project(id).await {
                Err(StoreError::NotFound(_)) => None,
                other => Some(other?),
            },
            Err(_) => self.store.project_by_slug(text).await?,
        };
        Ok(found.filter(|project| project.status != ProjectStatus::Archived))
    }

    /// Projects, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn projects(
        &self,
        status: Option<ProjectStatus>,
        before: Option<ProjectId>,
        limit: i64,
    ) -> Result<Vec<Project>, AdminError> {
        Ok(self.store.list_projects(status, before, limit).await?)
    }

    /// Changes a project's name and description.
    ///
    /// # Errors
    /// When something of it is not right or taken.
    pub async fn change_project(
        &self,
        id: ProjectId,
        change: ProjectChange,
        initiator: &Initiator,
    ) -> Result<Project, AdminError> {
        let faults = text_faults(change.name.as_deref(), change.description.as_deref());
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        self.store.project(id).await?;
        if let Some(name) = &change.name {
            self.judge_names(None, name, Some(id)).await?;
        }
        let (name, description) = (change.name.as_deref(), change.description.as_deref());
        let entry = self
            .audit
            .entry(id, initiator, AuditedAction::new(AuditAction::ProjectUpdate, id.0))
            .await?;
        self.store.change_project(id, name, description, &entry, self.clock.now()).await?;
        Ok(self.store.project(id).await?)
    }

    /// Suspends a project or brings it back: its keys and people are kept out, its events held. Keys work again when it
    /// comes back; sessions have ended for good.
    ///
    /// # Errors
    /// When it is not there or archived.
    pub async fn set_project_works(
        &self,
        id: ProjectId,
        works: bool,
        initiator: &Initiator,
    ) -> Result<Project, AdminError> {
        let before = self.standing_project(id).await?;
        let (status, action) = if works {
            (ProjectStatus::Active, AuditAction::ProjectReactivate)
        } else {
            (ProjectStatus::Suspended, AuditAction::ProjectSuspend)
        };
        if before.status != status {
            let entry = self.audit.entry(id, initiator, AuditedAction::new(action, id.0)).await?;
            self.store.set_project_status(id, status, Some(&entry), self.clock.now()).await?;
            self.announce(id).await;
        }
        Ok(self.store.project(id).await?)
    }

    /// Archives a project: its name and slug are free again, its history stays.
    ///
    /// # Errors
    /// When it is not there or archived already.
    pub async fn archive_project(
        &self,
        id: ProjectId,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        self.standing_project(id).await?;
        let audited = AuditedAction::new(AuditAction::ProjectArchive, id.0);
        let entry = self.audit.entry(id, initiator, audited).await?;
        self.store.archive_project(id, &entry, self.clock.now()).await?;
        self.announce(id).await;
        Ok(())
    }

    pub(super) async fn standing_project(&self, id: ProjectId) -> Result<Project, AdminError> {
        let project = self.store.project(id).await?;
        if id == ProjectId::PLATFORM || project.status == ProjectStatus::Archived {
            return Err(AdminError::NotFound("project"));
        }
        Ok(project)
    }
}
