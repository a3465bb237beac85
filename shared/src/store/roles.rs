//! Roles that projects make for themselves.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::engine::{Tx, sql};
use super::projects::{bump_access, bump_epoch};
use super::{Result, Store, StoreError};
use crate::domain::audit::Entry;
use crate::domain::permission::{Grant, Holder, parent_fault};
use crate::domain::role::Role;
use crate::id::{ProjectId, RoleId};
use crate::time::Time;

/// Who stands in the way of taking a role away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleUses {
    /// How many people have it.
    pub members: i64,
    /// The names of the rules that tell its holders.
    pub rules: Vec<String>,
    /// The names of the roles that inherit from it.
    pub children: Vec<String>,
}

/// Why a role was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleVerdict {
    /// It was.
    Done,
    /// It is one that every project has.
    BuiltIn,
    /// It is in use.
    Used(RoleUses),
    /// It is no longer what whoever changes it saw.
    Stale,
    /// It would inherit from itself, or through too many others, or from one that is not there.
    Parent,
}

type Row = (RoleId, String, String, Json<Vec<String>>, Option<RoleId>, i16, Time, Time);

fn role(row: Row) -> Role {
    let (id, name, description, Json(texts), parent, built_in, created_at, updated_at) = row;
    let permissions = texts.iter().filter_map(|text| Grant::parse_stored(text)).collect();
    let built_in = built_in != 0;
    Role { id, name, description, permissions, parent, built_in, created_at, updated_at }
}

async fn all(tx: &mut Tx, project: ProjectId) -> Result<Vec<Role>> {
    let rows = sql!(
        tx,
        fetch_all as Row,
        "SELECT id, name, description, permissions, parent_id, built_in, created_at, updated_at
         FROM roles WHERE project_id = $1 AND live = $2 ORDER BY name",
        project,
        Uuid::nil()
    )?;
    Ok(rows.into_iter().map(role).collect())
}

/// Whether the parent of `new` may be that.
fn parent_fits(new: &Role, roles: &[Role]) -> bool {
    let mut holders: BTreeMap<RoleId, Holder> =
        roles.iter().map(|one| (one.id, one.holder())).collect();
    holders.insert(new.id, new.holder());
    parent_fault(new.id, &holders).is_none()
}

impl Store {
    /// The roles of a project, by name.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn roles(&self, project: ProjectId) -> Result<Vec<Role>> {
        self.read("roles", move |tx| Box::pin(async move { all(tx, project).await })).await
    }

    /// Keeps a new role.
    ///
    /// # Errors
    /// A conflict when its name is taken.
    pub async fn add_role(
        &self,
        project: ProjectId,
        new: &Role,
        entry: &Entry,
        now: Time,
    ) -> Result<RoleVerdict> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write("add_role", move |tx| {
            let (new, entry) = (new.clone(), entry.clone());
            Box::pin(async move {
                // Whoever changes roles, members or rules takes the project's epoch first, so that what is read here
                // stays as it is.
                bump_epoch(tx, project).await?;
                if !parent_fits(&new, &all(tx, project).await?) {
                    return Ok(RoleVerdict::Parent);
                }
                sql!(
                    tx, execute,
                    "INSERT INTO roles (project_id, id, name, description, permissions, parent_id, built_in, live, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9)",
                    project, new.id, new.name.clone(), new.description.clone(), Json(texts(&new)), new.parent,
                    Uuid::nil(), now, now
                )?;
                bump_access(tx, project).await?;
                note(tx, project, &entry, now).await?;
                Ok(RoleVerdict::Done)
            })
        })
        .await
    }

    /// Changes a role to this one, if it is still as it was `seen`. One that rules name keeps its name.
    ///
    /// # Errors
    /// When it is not there; a conflict when its new name is taken.
    pub async fn change_role(
        &self,
        project: ProjectId,
        new: &Role,
        seen: Option<&Role>,
        entry: &Entry,
        now: Time,
    ) -> Result<RoleVerdict> {
        let (new, seen, entry) = (new.clone(), seen.cloned(), entry.clone());
        self.write("change_role", move |tx| {
            let (new, seen, entry) = (new.clone(), seen.clone(), entry.clone());
            Box::pin(async move {
                bump_epoch(tx, project).await?;
                let roles = all(tx, project).await?;
                let old = roles.iter().find(|one| one.id == new.id);
                let old = old.ok_or(StoreError::NotFound("role"))?;
                if old.built_in {
                    return Ok(RoleVerdict::BuiltIn);
                }
                if seen.is_some_and(|seen| seen != *old) {
                    return Ok(RoleVerdict::Stale);
                }
                if !parent_fits(&new, &roles) {
                    return Ok(RoleVerdict::Parent);
                }
                if old.name != new.name {
                    let rules = rules_with(tx, project, &old.name).await?;
                    if !rules.is_empty() {
                        return Ok(RoleVerdict::Used(RoleUses { rules, ..RoleUses::default() }));
                    }
                }
                sql!(
                    tx, execute,
                    "UPDATE roles SET name = $1, description = $2, parent_id = $3, updated_at = $4
                     WHERE project_id = $5 AND id = $6 AND live = $7",
                    new.name.clone(), new.description.clone(), new.parent, now, project, new.id, Uuid::nil()
                )?;
                // What only a newer build can read stays, unless the permissions are set anew.
                if old.permissions != new.permissions {
                    sql!(
                        tx, execute,
                        "UPDATE roles SET permissions = $1 WHERE project_id = $2 AND id = $3 AND live = $4",
                        Json(texts(&new)), project, new.id, Uuid::nil()
                    )?;
                }
                bump_access(tx, project).await?;
                note(tx, project, &entry, now).await?;
                Ok(RoleVerdict::Done)
            })
        })
        .await
    }

    /// Takes a role away that nobody and nothing uses.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn delete_role(
        &self,
        project: ProjectId,
        id: RoleId,
        entry: &Entry,
        now: Time,
    ) -> Result<RoleVerdict> {
        let entry = entry.clone();
        self.write("delete_role", move |tx| {
            let entry = entry.clone();
            Box::pin(async move {
                bump_epoch(tx, project).await?;
                let roles = all(tx, project).await?;
                let old = roles.iter().find(|one| one.id == id);
                let old = old.ok_or(StoreError::NotFound("role"))?;
                if old.built_in {
                    return Ok(RoleVerdict::BuiltIn);
                }
                let children = roles.iter().filter(|one| one.parent == Some(id));
                let uses = RoleUses {
                    members: members_of(tx, project, id).await?,
                    rules: rules_with(tx, project, &old.name).await?,
                    children: children.map(|one| one.name.clone()).collect(),
                };
                if uses != RoleUses::default() {
                    return Ok(RoleVerdict::Used(uses));
                }
                sql!(
                    tx, execute,
                    "UPDATE roles SET live = $1, deleted_at = $2, updated_at = $3 WHERE project_id = $4 AND id = $5",
                    id, now, now, project, id
                )?;
                bump_access(tx, project).await?;
                note(tx, project, &entry, now).await?;
                Ok(RoleVerdict::Done)
            })
        })
        .await
    }
}

fn texts(role: &Role) -> Vec<String> {
    role.permissions.iter().map(ToString::to_string).collect()
}

async fn members_of(tx: &mut Tx, project: ProjectId, id: RoleId) -> Result<i64> {
    let (count,) = sql!(
        tx,
        fetch_one as (i64,),
        "SELECT COUNT(*) FROM user_roles WHERE project_id = $1 AND role_id = $2",
        project,
        id
    )?;
    Ok(count)
}

/// The names of the rules that tell the holders of a role.
async fn rules_with(tx: &mut Tx, project: ProjectId, name: &str) -> Result<Vec<String>> {
    let rules = sql!(
        tx,
        fetch_all as (String, Json<Value>),
        "SELECT name, body FROM rules WHERE project_id = $1 AND live = $2 ORDER BY name",
        project,
        Uuid::nil()
    )?;
    let tells = |body: &Value| {
        let roles = body["target_roles"].as_array();
        roles.is_some_and(|roles| roles.iter().any(|role| role == name))
    };
    Ok(rules.into_iter().filter(|(_, Json(body))| tells(body)).map(|(name, _)| name).collect())
}
