//! Roles that projects make for themselves.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::callers::caller;
use super::engine::epoch::{bump_access, bump_epoch};
use super::engine::{Tx, sql, verb};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::authority::Target;
use domain::facts::role_facts;
use domain::id::{ProjectId, RoleId};
use domain::permission::Grant;
use domain::role::{Role, RoleChange, RoleRefusal, role_refusal};
use domain::time::Time;

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

/// What became of a change to a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleVerdict {
    /// It was made: the role as it is now, or was before it was deleted.
    Done(Role),
    /// It is one that every project has.
    BuiltIn,
    /// It is in use.
    Used(RoleUses),
    /// It is no longer what the change demands.
    Stale,
    /// It may not stand among the others like that.
    Refused(RoleRefusal),
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

impl Store {
    /// The roles of a project, by name.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn roles(&self, project: ProjectId) -> Result<Vec<Role>> {
        self.read("roles", verb!(|tx| { all(tx, project).await })).await
    }

    /// Keeps a new role.
    ///
    /// # Errors
    /// When the caller may not.
    pub async fn add_role(
        &self,
        project: ProjectId,
        new: &Role,
        entry: &Entry,
        now: Time,
    ) -> Result<RoleVerdict> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write("add_role", verb!(|tx, new, entry| {
            // Whoever changes roles, members or rules takes the project's epoch first, so that what is read here
            // stays as it is.
            bump_epoch(tx, project).await?;
            let caller = caller(tx, &mut entry, now).await?;
            caller.may(Target::Nothing)?;
            let roles = all(tx, project).await?;
            if let Some(refusal) = role_refusal(&new, &roles, caller.grants()) {
                return Ok(RoleVerdict::Refused(refusal));
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
            Ok(RoleVerdict::Done(new))
        }))
        .await
    }

    /// Changes a role, if it is still what the change demands. One that rules name keeps its name.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn change_role(
        &self,
        project: ProjectId,
        id: RoleId,
        change: &RoleChange,
        entry: &Entry,
        now: Time,
    ) -> Result<RoleVerdict> {
        let (change, entry) = (change.clone(), entry.clone());
        self.write(
            "change_role",
            verb!(|tx, change, entry| {
                bump_epoch(tx, project).await?;
                let caller = caller(tx, &mut entry, now).await?;
                let roles = all(tx, project).await?;
                let old = roles.iter().find(|one| one.id == id);
                let old = old.ok_or(StoreError::NotFound("role"))?;
                caller.may(Target::Thing(&role_facts(old)))?;
                if !change.condition.holds(&old.tag()) {
                    return Ok(RoleVerdict::Stale);
                }
                if old.built_in {
                    return Ok(RoleVerdict::BuiltIn);
                }
                let new = old.changed(change, now);
                if let Some(refusal) = role_refusal(&new, &roles, caller.grants()) {
                    return Ok(RoleVerdict::Refused(refusal));
                }
                if old.name != new.name {
                    let rules = rules_with(tx, project, &old.name).await?;
                    if !rules.is_empty() {
                        return Ok(RoleVerdict::Used(RoleUses { rules, ..RoleUses::default() }));
                    }
                }
                write_role(tx, project, old, &new, now).await?;
                bump_access(tx, project).await?;
                (entry.before, entry.after) = (Some(old.told()), Some(new.told()));
                note(tx, project, &entry, now).await?;
                Ok(RoleVerdict::Done(new))
            }),
        )
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
        self.write("delete_role", verb!(|tx, entry| {
            bump_epoch(tx, project).await?;
            let caller = caller(tx, &mut entry, now).await?;
            let roles = all(tx, project).await?;
            let old = roles.iter().find(|one| one.id == id);
            let old = old.ok_or(StoreError::NotFound("role"))?;
            caller.may(Target::Thing(&role_facts(old)))?;
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
            entry.before = Some(old.told());
            note(tx, project, &entry, now).await?;
            Ok(RoleVerdict::Done(old.clone()))
        }))
        .await
    }
}

async fn write_role(
    tx: &mut Tx,
    project: ProjectId,
    old: &Role,
    new: &Role,
    now: Time,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE roles SET name = $1, description = $2, parent_id = $3, updated_at = $4
         WHERE project_id = $5 AND id = $6 AND live = $7",
        new.name.clone(),
        new.description.clone(),
        new.parent,
        now,
        project,
        new.id,
        Uuid::nil()
    )?;
    // What only a newer build can read stays, unless the permissions are set anew.
    if old.permissions != new.permissions {
        sql!(
            tx,
            execute,
            "UPDATE roles SET permissions = $1 WHERE project_id = $2 AND id = $3 AND live = $4",
            Json(texts(new)),
            project,
            new.id,
            Uuid::nil()
        )?;
    }
    Ok(())
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
