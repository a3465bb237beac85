//! People of a project.

use std::sync::Arc;

use poem_openapi::param::{Path, Query};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};
use serde::{Deserialize, Serialize};
use shared::access::Principal;
use shared::admin::{Invitee, UserChange};
use shared::domain::permission::Grants;
use shared::domain::user as domain;
use shared::id::UserId;
use shared::store::accounts::UserFilter;
use uuid::Uuid;

use super::Tag;
use crate::auth::{
    Caller, Needs, UsersApprove, UsersCreate, UsersDelete, UsersManage, UsersRead, UsersUpdate,
};
use crate::body::Body;
use crate::door::Api;
use crate::page::{self, List};
use crate::problem::{Acts, Changes, Creates, Failure, Lists, Problem, Reads};
use crate::wire::{Answer, Done, Made, Stamp};

/// The operations on people.
pub struct Operations {
    app: Arc<Api>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<Api>) -> Self {
        Self { app }
    }
}

/// Whether an account works.
#[derive(Clone, Copy, Debug, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum UserStatus {
    /// It waits for an admin's approval.
    Pending,
    /// It works.
    Active,
    /// Its holder is kept out and not called.
    Suspended,
}

impl From<domain::UserStatus> for UserStatus {
    fn from(status: domain::UserStatus) -> Self {
        match status {
            domain::UserStatus::Pending => Self::Pending,
            domain::UserStatus::Active => Self::Active,
            domain::UserStatus::Suspended => Self::Suspended,
        }
    }
}

impl From<UserStatus> for domain::UserStatus {
    fn from(status: UserStatus) -> Self {
        match status {
            UserStatus::Pending => Self::Pending,
            UserStatus::Active => Self::Active,
            UserStatus::Suspended => Self::Suspended,
        }
    }
}

/// An account.
#[derive(Clone, Debug, Object, Serialize)]
pub struct User {
    /// Its id.
    id: Uuid,
    /// The address that logs in.
    email: String,
    /// What its holder is called.
    full_name: String,
    /// Whether it works.
    status: UserStatus,
    /// The names of its roles, in order.
    roles: Vec<String>,
    /// When its holder last logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_at: Option<Stamp>,
    /// When it was made.
    created_at: Stamp,
    /// When it was last changed.
    updated_at: Stamp,
}

impl User {
    /// An account and its roles.
    pub fn of(user: domain::User, roles: Vec<String>) -> Self {
        Self {
            id: user.id.0,
            email: user.email,
            full_name: user.full_name,
            status: user.status.into(),
            roles,
            last_login_at: user.last_login_at.map(Stamp),
            created_at: Stamp(user.created_at),
            updated_at: Stamp(user.updated_at),
        }
    }
}

/// An account that is to be made.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct NewUser {
    /// The address of its holder.
    #[oai(validator(max_length = 254))]
    email: String,
    /// What they are called.
    #[oai(validator(min_length = 1, max_length = 200))]
    full_name: String,
    /// Their first password; without one they can be called, and can't log in.
    #[oai(validator(max_length = 1024))]
    password: Option<String>,
    /// The names of its roles.
    #[serde(default)]
    #[oai(default, validator(max_items = 64))]
    roles: Vec<String>,
}

impl Example for NewUser {
    fn example() -> Self {
        Self {
            email: "night.watch@example.com".to_owned(),
            full_name: "Night Watch".to_owned(),
            password: Some("correct horse battery".to_owned()),
            roles: vec!["responder".to_owned()],
        }
    }
}

/// What is to be changed; what is left out stays.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "UserChange", deny_unknown_fields)]
struct Change {
    /// What the holder is called.
    #[oai(validator(min_length = 1, max_length = 200))]
    full_name: Option<String>,
}

/// The roles that somebody is to have.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct UserRoles {
    /// Their names; those that are not named are taken away.
    #[oai(validator(max_items = 64))]
    roles: Vec<String>,
}

impl Example for UserRoles {
    fn example() -> Self {
        Self { roles: vec!["responder".to_owned()] }
    }
}

/// A page of accounts.
#[derive(Clone, Debug, Object, Serialize)]
struct UserPage {
    /// Newest first.
    items: Vec<User>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[OpenApi(prefix_path = "/api/v1/users", tag = "Tag::Users")]
impl Operations {
    /// List people
    ///
    /// Needs the permission `users:read`. Newest first.
    #[oai(path = "/", method = "get", operation_id = "list_users")]
    async fn list(
        &self,
        caller: Caller<UsersRead>,
        /// Only accounts in this state.
        status: Query<Option<UserStatus>>,
        /// Only those whose address or name begins so.
        #[oai(validator(min_length = 1, max_length = 100))]
        search: Query<Option<String>>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<UserPage>, Failure<Lists>> {
        all(&caller)?;
        let search = search.0.filter(|text| !text.contains('\0'));
        let filter = UserFilter { status: status.0.map(domain::UserStatus::from), search };
        let list = List::new("users", caller.project, &filter);
        let before = list.read(cursor.0.as_deref())?.map(UserId);
        let limit = limit.0.clamp(1, page::MAX);
        let admin = &self.app.desk()?.admin;
        let found = admin.users(caller.project, filter, before, i64::from(limit) + 1).await?;
        let (rows, next_cursor) = page::cut(found, limit, &list, |(user, _)| user.id.0);
        let items = rows.into_iter().map(|(user, roles)| User::of(user, roles)).collect();
        Ok(Answer(UserPage { items, next_cursor }))
    }

    /// Make an account
    ///
    /// Needs the permission `users:create`, and `users:manage` to give roles, which must give no more than the caller may
    /// do. It works at once.
    #[oai(path = "/", method = "post", operation_id = "create_user")]
    async fn create(
        &self,
        caller: Caller<UsersCreate>,
        body: Body<NewUser>,
    ) -> Result<Made<User>, Failure<Creates>> {
        let NewUser { email, full_name, password, roles } = body.value;
        if !roles.is_empty() {
            crate::auth::demand::<UsersManage>(&caller.who)?;
        }
        let new = Invitee { email, full_name, password, roles };
        let admin = &self.app.desk()?.admin;
        let (user, roles) =
            admin.create_user(caller.project, new, Some(grants(&caller)?), &caller.doer).await?;
        Ok(Made(User::of(user, roles)))
    }

    /// Read an account
    ///
    /// Needs the permission `users:read`.
    #[oai(path = "/:id", method = "get", operation_id = "get_user")]
    async fn get(
        &self,
        caller: Caller<UsersRead>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Answer<User>, Failure<Reads>> {
        let id = within_reach(&caller, id.0)?;
        let (user, roles) = self.app.desk()?.admin.user(caller.project, id).await?;
        Ok(Answer(User::of(user, roles)))
    }

    /// Change an account
    ///
    /// Needs the permission `users:update`.
    #[oai(path = "/:id", method = "patch", operation_id = "change_user")]
    async fn change(
        &self,
        caller: Caller<UsersUpdate>,
        /// The account.
        id: Path<Uuid>,
        body: Body<Change>,
    ) -> Result<Answer<User>, Failure<Changes>> {
        let id = within_reach(&caller, id.0)?;
        let change = UserChange { full_name: body.value.full_name };
        let admin = &self.app.desk()?.admin;
        let (user, roles) = admin.change_user(caller.project, id, change, &caller.doer).await?;
        Ok(Answer(User::of(user, roles)))
    }

    /// Give roles
    ///
    /// Needs the permission `users:manage`, and what the roles give. The account has exactly these roles then; the last
    /// admin stays one.
    #[oai(path = "/:id/roles", method = "put", operation_id = "set_user_roles")]
    async fn roles(
        &self,
        caller: Caller<UsersManage>,
        /// The account.
        id: Path<Uuid>,
        body: Body<UserRoles>,
    ) -> Result<Answer<User>, Failure<Changes>> {
        all(&caller)?;
        let admin = &self.app.desk()?.admin;
        let (project, roles) = (caller.project, body.value.roles);
        let (mine, id) = (grants(&caller)?, UserId(id.0));
        let (user, roles) = admin.set_roles(project, id, roles, mine, &caller.doer).await?;
        Ok(Answer(User::of(user, roles)))
    }

    /// Let somebody in
    ///
    /// Needs the permission `users:approve`. The account works from now on.
    #[oai(path = "/:id/approve", method = "post", operation_id = "approve_user")]
    async fn approve(
        &self,
        caller: Caller<UsersApprove>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Answer<User>, Failure<Acts>> {
        self.set_status(&caller, id.0, domain::UserStatus::Active).await
    }

    /// Suspend an account
    ///
    /// Needs the permission `users:update`. Its holder is logged out everywhere within two seconds, and not called.
    #[oai(path = "/:id/suspend", method = "post", operation_id = "suspend_user")]
    async fn suspend(
        &self,
        caller: Caller<UsersUpdate>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Answer<User>, Failure<Acts>> {
        self.set_status(&caller, id.0, domain::UserStatus::Suspended).await
    }

    /// Reactivate an account
    ///
    /// Needs the permission `users:update`.
    #[oai(path = "/:id/reactivate", method = "post", operation_id = "reactivate_user")]
    async fn reactivate(
        &self,
        caller: Caller<UsersUpdate>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Answer<User>, Failure<Acts>> {
        self.set_status(&caller, id.0, domain::UserStatus::Active).await
    }

    /// Delete an account
    ///
    /// Needs the permission `users:delete`. Its holder is logged out and told nothing more, and the address is free.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_user")]
    async fn delete(
        &self,
        caller: Caller<UsersDelete>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        all(&caller)?;
        let admin = &self.app.desk()?.admin;
        admin.delete_user(caller.project, UserId(id.0), &caller.doer).await?;
        Ok(Done)
    }
}

impl Operations {
    async fn set_status<N: Needs>(
        &self,
        caller: &Caller<N>,
        id: Uuid,
        status: domain::UserStatus,
    ) -> Result<Answer<User>, Failure<Acts>> {
        all(caller)?;
        let admin = &self.app.desk()?.admin;
        let (user, roles) =
            admin.set_user_status(caller.project, UserId(id), status, &caller.doer).await?;
        Ok(Answer(User::of(user, roles)))
    }
}

/// What the caller may do: nobody gives more than they have.
fn grants<N: Needs>(caller: &Caller<N>) -> Result<&Grants, Problem> {
    match &caller.who {
        Principal::Person(person) => Ok(&person.grants),
        Principal::Key { .. } => Err(Problem::internal()),
    }
}

/// Refuses whoever may do it with their own account only.
fn all<N: Needs>(caller: &Caller<N>) -> Result<(), Problem> {
    if caller.any { Ok(()) } else { Err(Problem::not_found("user")) }
}

/// The account, if the caller may reach it.
fn within_reach<N: Needs>(caller: &Caller<N>, id: Uuid) -> Result<UserId, Problem> {
    let id = UserId(id);
    if caller.any || caller.user() == Some(id) { Ok(id) } else { Err(Problem::not_found("user")) }
}
