//! Roles: made, changed, taken away. Nobody gives more than they have.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Admin, AdminError};
use crate::audit::{Deed, Doer};
use crate::domain::audit::AuditAction;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::permission::{Grants, Holder};
use crate::domain::precondition::Precondition;
use crate::domain::role::{
    MAX_ROLES, Role, beyond, description_fault, read_permissions, role_name_fault,
};
use crate::id::{ProjectId, RoleId, sha256};
use crate::store::roles::{RoleUses, RoleVerdict};

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

    /// Makes a role, for somebody who has the permissions `mine`.
    ///
    /// # Errors
    /// When something of it is not right, or gives more than they have.
    pub async fn create_role(
        &self,
        project: ProjectId,
        new: NewRole,
        mine: &Grants,
        doer: &Doer,
    ) -> Result<Role, AdminError> {
        let now = self.clock.now();
        let roles = self.store.roles(project).await?;
        if roles.len() >= MAX_ROLES {
            return Err(AdminError::Conflict(format!("a project has at most {MAX_ROLES} roles")));
        }
        let role = Role {
            id: RoleId::fresh(now),
            name: new.name,
            description: new.description,
            permissions: Vec::new(),
            parent: new.parent,
            built_in: false,
            created_at: now,
            updated_at: now,
        };
        let role = judged(role, Some(&new.permissions), &roles, mine)?;
        let deed =
            Deed { after: Some(told(&role)), ..Deed::new(AuditAction::RoleCreate, role.id.0) };
        let entry = self.audit.entry(project, doer, deed).await?;
        answer(self.store.add_role(project, &role, &entry, now).await?)?;
        self.announce(project).await;
        Ok(role)
    }

    /// Changes a role, `by` somebody who has these permissions.
    ///
    /// # Errors
    /// When it is not there, is one that every project has, something of the change is not right, it is no longer what
    /// `condition` demands, or gives more than they have.
    pub async fn change_role(
        &self,
        project: ProjectId,
        id: RoleId,
        change: RoleChange,
        condition: &Precondition,
        by: (&Grants, &Doer),
    ) -> Result<Role, AdminError> {
        let (mine, doer) = by;
        let now = self.clock.now();
        let roles = self.store.roles(project).await?;
        let old = roles.iter().find(|one| one.id == id).ok_or(AdminError::NotFound("role"))?;
        if !condition.holds(&role_tag(old)) {
            return Err(AdminError::Stale);
        }
        if old.built_in {
            answer(RoleVerdict::BuiltIn)?;
        }
        let role = Role {
            name: change.name.unwrap_or_else(|| old.name.clone()),
            description: change.description.unwrap_or_else(|| old.description.clone()),
            parent: change.parent.unwrap_or(old.parent),
            updated_at: now,
            ..old.clone()
        };
        let role = judged(role, change.permissions.as_deref(), &roles, mine)?;
        let deed = Deed {
            before: Some(told(old)),
            after: Some(told(&role)),
            ..Deed::new(AuditAction::RoleUpdate, id.0)
        };
        let entry = self.audit.entry(project, doer, deed).await?;
        let seen = condition.is_some().then_some(old);
        answer(self.store.change_role(project, &role, seen, &entry, now).await?)?;
        self.announce(project).await;
        Ok(role)
    }

    /// Takes a role away that nobody and nothing uses.
    ///
    /// # Errors
    /// When it is not there, is one that every project has, or is in use.
    pub async fn delete_role(
        &self,
        project: ProjectId,
        id: RoleId,
        doer: &Doer,
    ) -> Result<(), AdminError> {
        let old = self.role(project, id).await?;
        let deed = Deed { before: Some(told(&old)), ..Deed::new(AuditAction::RoleDelete, id.0) };
        let entry = self.audit.entry(project, doer, deed).await?;
        answer(self.store.delete_role(project, id, &entry, self.clock.now()).await?)?;
        self.announce(project).await;
        Ok(())
    }
}

/// The role with its permissions read, once everything about it is right.
fn judged(
    role: Role,
    permissions: Option<&[String]>,
    roles: &[Role],
    mine: &Grants,
) -> Result<Role, AdminError> {
    let mut faults: Vec<Fault> = role_name_fault(&role.name).into_iter().collect();
    faults.extend(description_fault(&role.description));
    let read = match permissions.map(read_permissions) {
        Some(Ok(permissions)) => permissions,
        Some(Err(wrong)) => {
            faults.extend(wrong);
            Vec::new()
        }
        None => role.permissions.clone(),
    };
    if role.parent.is_some_and(|parent| roles.iter().all(|one| one.id != parent)) {
        faults.push(Fault::new(
            "parent_id",
            FaultCode::Invalid,
            "it must be the id of a role of this project",
        ));
    }
    if !faults.is_empty() {
        return Err(AdminError::Invalid(faults));
    }
    let role = Role { permissions: read, ..role };
    let taken = |one: &Role| one.id != role.id && one.name == role.name;
    if roles.iter().any(taken) {
        return Err(AdminError::Conflict("name: a role of that name is there already".to_owned()));
    }
    let before: BTreeMap<RoleId, Holder> = roles.iter().map(|one| (one.id, one.holder())).collect();
    let mut after = before.clone();
    after.insert(role.id, role.holder());
    match beyond(role.id, &before, &after, mine) {
        Some(one) => Err(AdminError::Forbidden(format!(
            "You do not have the permission {one} yourself, so you can't give it to a role, or remove what denies it."
        ))),
        None => Ok(role),
    }
}

/// What the store said, as an error unless it is done.
fn answer(verdict: RoleVerdict) -> Result<(), AdminError> {
    match verdict {
        RoleVerdict::Done => Ok(()),
        RoleVerdict::BuiltIn => Err(AdminError::Conflict(
            "every project has this role, so it can't be changed or deleted; create one of your own".to_owned(),
        )),
        RoleVerdict::Stale => Err(AdminError::Stale),
        RoleVerdict::Used(uses) => Err(AdminError::Conflict(in_use(&uses))),
        RoleVerdict::Parent => {
            let right = "a role that does not inherit from this one, and through at most 16 others";
            Err(AdminError::Invalid(vec![Fault::new("parent_id", FaultCode::Invalid, right)]))
        }
    }
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

/// What tells one state of a role from another: its content, so that two changes at the same moment differ.
pub fn role_tag(role: &Role) -> String {
    hex::encode(&sha256(told(role).to_string().as_bytes())[..16])
}

fn told(role: &Role) -> serde_json::Value {
    json!({
        "name": role.name,
        "description": role.description,
        "permissions": role.permissions,
        "parent": role.parent,
    })
}
