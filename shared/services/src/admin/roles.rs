//! Roles: made, changed, taken away. Nobody gives more than they have.

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use domain::audit::AuditAction;
use domain::fault::Fault;
use domain::id::{ProjectId, RoleId};
use domain::permission::Grant;
use domain::precondition::Precondition;
use domain::role::{
    self, MAX_ROLES, Role, RoleRefusal, description_fault, read_permissions, role_name_fault,
};
use store::roles::{RoleUses, RoleVerdict};

/// A role that is to be made.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The texts of its permissions.
    pub permissions: Vec<String>,
    /// The role from which it inherits.
    pub parent: Option<RoleId>,
}

/// What is to be changed of a role; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The texts of its permissions.
    pub permissions: Option<Vec<String>>,
    /// The role from which it inherits, or none.
    pub parent: Option<Option<RoleId>>,
}

impl Admin {
    /// The roles of a project, by name.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn roles(&self, project: ProjectId) -> Result<Vec<Role>, AdminError> {
        Ok(self.store.roles(project).await?)
    }

    /// One role.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn role(&self, project: ProjectId, id: RoleId) -> Result<Role, AdminError> {
        let roles = self.store.roles(project).await?;
        roles.into_iter().find(|one| one.id == id).ok_or(AdminError::NotFound("role"))
    }

    /// Creates a role.
    ///
    /// # Errors
    /// When something of it is not right, or gives more than the caller has.
    pub async fn create_role(
        &self,
        project: ProjectId,
        new: NewRole,
        initiator: &Initiator,
    ) -> Result<Role, AdminError> {
        let now = self.clock.now();
        let permissions = read(Some(&new.name), Some(&new.description), Some(&new.permissions))?;
        let role = Role {
            id: RoleId::fresh(now),
            name: new.name,
            description: new.description,
            permissions: permissions.unwrap_or_default(),
            parent: new.parent,
            built_in: false,
            created_at: now,
            updated_at: now,
        };
        let audited = AuditedAction {
            after: Some(role.told()),
            ..AuditedAction::new(AuditAction::RoleCreate, role.id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let role = answer(self.store.add_role(project, &role, &entry, now).await?)?;
        self.announce(project).await;
        Ok(role)
    }

    /// Changes a role.
    ///
    /// # Errors
    /// When it is not there, is one that every project has, something of the change is not right, it is no longer what
    /// `condition` demands, or gives more than the caller has.
    pub async fn change_role(
        &self,
        project: ProjectId,
        id: RoleId,
        change: RoleChange,
        condition: &Precondition,
        initiator: &Initiator,
    ) -> Result<Role, AdminError> {
        let RoleChange { name, description, permissions, parent } = change;
        let permissions = read(name.as_deref(), description.as_deref(), permissions.as_deref())?;
        let condition = condition.clone();
        let change = role::RoleChange { name, description, permissions, parent, condition };
        let entry = self
            .audit
            .entry(project, initiator, AuditedAction::new(AuditAction::RoleUpdate, id.0))
            .await?;
        let now = self.clock.now();
        let role = answer(self.store.change_role(project, id, &change, &entry, now).await?)?;
        self.announce(project).await;
        Ok(role)
    }

    /// Deletes a role that nobody and nothing uses.
    ///
    /// # Errors
    /// When it is not there, is one that every project has, or is in use.
    pub async fn delete_role(
        &self,
        project: ProjectId,
        id: RoleId,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let entry = self
            .audit
            .entry(project, initiator, AuditedAction::new(AuditAction::RoleDelete, id.0))
            .await?;
        answer(self.store.delete_role(project, id, &entry, self.clock.now()).await?)?;
        self.announce(project).await;
        Ok(())
    }
}

/// Judges the parts of a role that say for themselves whether they are right, and reads its permissions.
fn read(
    name: Option<&str>,
    description: Option<&str>,
    permissions: Option<&[String]>,
) -> Result<Option<Vec<Grant>>, AdminError> {
    let mut faults: Vec<Fault> = name.and_then(role_name_fault).into_iter().collect();
    faults.extend(description.and_then(description_fault));
    let read = permissions.map(read_permissions).transpose().unwrap_or_else(|wrong| {
        faults.extend(wrong);
        None
    });
    if faults.is_empty() { Ok(read) } else { Err(AdminError::Invalid(faults)) }
}

/// The role, or as an error why the store did not take it.
fn answer(verdict: RoleVerdict) -> Result<Role, AdminError> {
    Err(match verdict {
        RoleVerdict::Done(role) => return Ok(role),
        RoleVerdict::BuiltIn => AdminError::Conflict(
            "every project has this role, so it can't be changed or deleted; create one of your own".to_owned(),
        ),
        RoleVerdict::Stale => AdminError::Stale,
        RoleVerdict::Used(uses) => AdminError::Conflict(in_use(&uses)),
        RoleVerdict::Refused(RoleRefusal::Full) => {
            AdminError::Conflict(format!("a project has at most {MAX_ROLES} roles"))
        }
        RoleVerdict::Refused(RoleRefusal::NameTaken) => {
            AdminError::Conflict("name: a role of that name is there already".to_owned())
        }
        RoleVerdict::Refused(RoleRefusal::Parent(fault)) => AdminError::Invalid(vec![fault]),
        RoleVerdict::Refused(RoleRefusal::Beyond(one)) => AdminError::Forbidden(format!(
            "You do not have the permission {one} yourself, so you can't give it to a role, or remove what denies it."
        )),
    })
}

/// How many names of users of a role are told.
const TOLD: usize = 10;

fn in_use(uses: &RoleUses) -> String {
    let mut parts = Vec::new();
    if uses.members > 0 {
        parts.push(format!("people who have it: {}", uses.members));
    }
    for (what, names) in [("rules", &uses.rules), ("roles that inherit from it", &uses.children)] {
        if names.is_empty() {
            continue;
        }
        let more = names.len().saturating_sub(TOLD);
        let shown = names.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        parts.push(format!("{what}: {shown}{more}"));
    }
    format!("the role is in use; {}", parts.join("; "))
}
