//! Roles of a project, and what can be permitted.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::facts::role_facts;
use domain::feature::Feature;
use domain::id::RoleId;
use domain::once::Operation;
use domain::permission::{Action, Reach, Resource, USER_FACTS, facts_of};
use domain::role;
use poem::Request;
use poem_openapi::param::{Header, Path};
use poem_openapi::types::{Example, MaybeUndefined};
use poem_openapi::{Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::admin::{self, NewRole as ToMake};
use uuid::Uuid;

use super::Tag;
use crate::auth::{Caller, Looking, Needs, RolesCreate, RolesDelete, RolesRead, RolesUpdate};
use crate::body::Body;
use crate::etag::{Tagged, if_match};
use crate::features;
use crate::once::{MadeOnce, once};
use crate::problem::{Acts, Creates, Edits, Failure, Lists, Problem, Reads};
use crate::wire::{Answer, Done, Stamp};

/// The operations on roles.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// A role.
#[derive(Clone, Debug, Object, Serialize)]
struct Role {
    /// Its id.
    id: Uuid,
    /// Its name, by which rules and people find it.
    name: String,
    /// What it is for.
    description: String,
    /// What it may do by itself: `resource:action`, with `:own` where it reaches no further, `!` before what is taken,
    /// which wins over whatever gives it, and ` if ` before a condition.
    permissions: Vec<String>,
    /// The role whose permissions it has too.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<Uuid>,
    /// Whether every project has it; then it can't be changed.
    built_in: bool,
    /// When it was made.
    created_at: Stamp,
    /// When it was last changed.
    updated_at: Stamp,
}

impl From<role::Role> for Role {
    fn from(role: role::Role) -> Self {
        Self {
            id: role.id.0,
            name: role.name,
            description: role.description,
            permissions: role.permissions.iter().map(ToString::to_string).collect(),
            parent_id: role.parent.map(|parent| parent.0),
            built_in: role.built_in,
            created_at: Stamp(role.created_at),
            updated_at: Stamp(role.updated_at),
        }
    }
}

/// All roles of a project.
#[derive(Clone, Debug, Object, Serialize)]
struct Roles {
    /// By name.
    items: Vec<Role>,
}

/// A role that is to be made.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct NewRole {
    /// Its name: lower-case letters, digits, `_` and `-`.
    #[oai(validator(min_length = 1, max_length = 64))]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[oai(default, validator(max_length = 1000))]
    description: String,
    /// What it may do by itself.
    #[serde(default)]
    #[oai(default, validator(max_items = 200))]
    permissions: Vec<String>,
    /// The role whose permissions it has too.
    parent_id: Option<Uuid>,
}

impl Example for NewRole {
    fn example() -> Self {
        Self {
            name: "night_shift".to_owned(),
            description: "Answers at night.".to_owned(),
            permissions: vec!["alerts:update".to_owned(), "!rules:delete".to_owned()],
            parent_id: None,
        }
    }
}

/// What is to be changed; what is left out stays.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct RoleChange {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 64))]
    name: Option<String>,
    /// What it is for.
    #[oai(validator(max_length = 1000))]
    description: Option<String>,
    /// What it may do by itself, all of it.
    #[oai(validator(max_items = 200))]
    permissions: Option<Vec<String>>,
    /// The role whose permissions it has too; `null` for none.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    parent_id: MaybeUndefined<Uuid>,
}

/// What can be permitted: a permission is a resource and an action with a colon between them.
#[derive(Clone, Debug, Object, Serialize)]
struct Permissions {
    /// What a permission can be about.
    resources: Vec<String>,
    /// What can be done with it; `manage` is all of them.
    actions: Vec<String>,
    /// How far it can reach; `any`, if nothing is said.
    reaches: Vec<String>,
    /// What a condition behind ` if ` can look at.
    conditions: PermissionNames,
}

/// The names of conditions: `resource.` or `user.`, and one of these.
#[derive(Clone, Debug, Object, Serialize)]
struct PermissionNames {
    /// What is known of whoever asks.
    user: Vec<String>,
    /// What is known of what they ask for, by its kind. Of kinds that don't stand here nothing is known yet.
    resource: BTreeMap<String, Vec<String>>,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Roles")]
impl Operations {
    /// List roles
    ///
    /// Needs the permission `roles:read`. All of them, by name; a project has at most 500.
    #[oai(path = "/roles", method = "get", operation_id = "list_roles")]
    async fn list(
        &self,
        caller: Caller<Looking<RolesRead>>,
    ) -> Result<Answer<Roles>, Failure<Lists>> {
        caller.demand_any()?;
        let found = self.app.admin.roles(caller.project).await?;
        let seen = found.into_iter().filter(|role| caller.may_with(&role_facts(role), false));
        Ok(Answer(Roles { items: seen.map(Role::from).collect() }))
    }

    /// Create a role
    ///
    /// Needs the permission `roles:create`, and every permission that the role gives.
    #[oai(path = "/roles", method = "post", operation_id = "create_role")]
    async fn create(
        &self,
        caller: Caller<RolesCreate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewRole>,
    ) -> Result<MadeOnce<Role>, Failure<Creates>> {
        caller.demand_any()?;
        let NewRole { name, description, permissions, parent_id } = body.value;
        let new = ToMake { name, description, permissions, parent: parent_id.map(RoleId) };
        let what = (Operation::CreateRole, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, |app, caller| async move {
            features::demand(&app, caller.project, Feature::CustomRoles)?;
            let admin = &app.admin;
            Ok(admin.create_role(caller.project, new, &caller.initiator).await?.into())
        });
        Ok(made.await?)
    }

    /// Get a role
    ///
    /// Needs the permission `roles:read`.
    #[oai(path = "/roles/:id", method = "get", operation_id = "get_role")]
    async fn get(
        &self,
        caller: Caller<Looking<RolesRead>>,
        /// The role.
        id: Path<Uuid>,
    ) -> Result<Tagged<Role>, Failure<Reads>> {
        all(&caller)?;
        Ok(tagged(self.reach(&caller, id.0).await?))
    }

    /// Update a role
    ///
    /// Needs the permission `roles:update`, and every permission that the role, or one that inherits from it, gives then and
    /// did not before. Its holders may do more or less within two seconds. One that rules name keeps its name, and one that
    /// every project has stays as it is.
    #[oai(path = "/roles/:id", method = "patch", operation_id = "update_role")]
    async fn change(
        &self,
        caller: Caller<Looking<RolesUpdate>>,
        /// The role.
        id: Path<Uuid>,
        /// The ETag of the role that this is a change of; 412 when it was changed since.
        #[oai(name = "If-Match", validator(max_length = 1000))]
        condition: Header<Option<String>>,
        body: Body<RoleChange>,
    ) -> Result<Tagged<Role>, Failure<Edits>> {
        all(&caller)?;
        features::demand(&self.app, caller.project, Feature::CustomRoles)?;
        let condition = if_match(condition.0.as_deref())?;
        self.reach(&caller, id.0).await?;
        let RoleChange { name, description, permissions, parent_id } = body.value;
        let parent: Option<Option<Uuid>> = parent_id.into();
        let parent = parent.map(|parent| parent.map(RoleId));
        let change = admin::RoleChange { name, description, permissions, parent };
        let admin = &self.app.admin;
        let changed =
            admin.change_role(caller.project, RoleId(id.0), change, &condition, &caller.initiator);
        Ok(tagged(changed.await?))
    }

    /// Delete a role
    ///
    /// Needs the permission `roles:delete`. One that people have, rules name or roles inherit from is not deleted; the
    /// answer names them.
    #[oai(path = "/roles/:id", method = "delete", operation_id = "delete_role")]
    async fn delete(
        &self,
        caller: Caller<Looking<RolesDelete>>,
        /// The role.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        all(&caller)?;
        self.reach(&caller, id.0).await?;
        let admin = &self.app.admin;
        admin.delete_role(caller.project, RoleId(id.0), &caller.initiator).await?;
        Ok(Done)
    }

    /// List permissions
    ///
    /// Needs the permission `roles:read`.
    #[oai(path = "/permissions", method = "get", operation_id = "list_permissions")]
    async fn permissions(
        &self,
        caller: Caller<RolesRead>,
    ) -> Result<Answer<Permissions>, Failure<Lists>> {
        caller.demand_any()?;
        Ok(Answer(Permissions {
            resources: Resource::ALL.iter().map(ToString::to_string).collect(),
            actions: Action::ALL.iter().map(ToString::to_string).collect(),
            reaches: Reach::ALL.iter().map(ToString::to_string).collect(),
            conditions: PermissionNames {
                user: texts(USER_FACTS),
                resource: Resource::ALL
                    .iter()
                    .filter_map(|one| Some((one.to_string(), texts(facts_of(*one)?))))
                    .collect(),
            },
        }))
    }
}

fn tagged(role: role::Role) -> Tagged<Role> {
    let tag = role.tag();
    Tagged(role.into(), tag)
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Operations {
    /// The role, if the caller may do it with this one.
    async fn reach<N: Needs>(&self, caller: &Caller<N>, id: Uuid) -> Result<role::Role, Problem> {
        let role = self.app.admin.role(caller.project, RoleId(id)).await;
        let role = role.map_err(Problem::from)?;
        caller.look("role", &role_facts(&role), false)?;
        Ok(role)
    }
}

/// Refuses a caller who may do it with their own alone, for roles are nobody's own.
fn all<N: Needs>(caller: &Caller<N>) -> Result<(), Problem> {
    if caller.any { Ok(()) } else { Err(Problem::not_found("role")) }
}
