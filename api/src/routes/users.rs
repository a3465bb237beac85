//! People of a project.

pub mod account;
pub mod export;
pub mod logins;
pub mod picture;
pub mod wire;

use std::sync::Arc;

use domain::facts::user_facts;
use domain::id::UserId;
use domain::once::Operation;
use domain::profile as profiles;
use domain::role::tag_of_roles;
use domain::user;
use poem::Request;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::admin::Invitee;
use store::accounts::UserFilter;
use uuid::Uuid;

use super::Tag;
use crate::auth::{
    Caller, Looking, Needs, Right, UsersApprove, UsersCreate, UsersDelete, UsersExport,
    UsersManage, UsersRead, UsersUpdate,
};
use crate::body::{Body, MaybeBody};
use crate::etag::{Tagged, if_match};
use crate::once::{MadeOnce, once};
use crate::page::{self, List};
use crate::problem::{Acts, Changes, Code, Creates, Edits, Failure, Lists, Problem, Reads};
use crate::wire::{Answer, Done, Stamp};
use account::{AccountChange, Profile};
use export::ExportAnswer;

/// The operations on people.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
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

impl From<user::UserStatus> for UserStatus {
    fn from(status: user::UserStatus) -> Self {
        match status {
            user::UserStatus::Pending => Self::Pending,
            user::UserStatus::Active => Self::Active,
            user::UserStatus::Suspended => Self::Suspended,
        }
    }
}

impl From<UserStatus> for user::UserStatus {
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
    /// A short name that is the holder's alone in the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// What else it tells of its holder.
    profile: Profile,
    /// Whether it works.
    status: UserStatus,
    /// The names of its roles, in order.
    roles: Vec<String>,
    /// When its address was proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified_at: Option<Stamp>,
    /// When its holder last logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_at: Option<Stamp>,
    /// Until when it takes no logins, after too many failures; the time may have passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_until: Option<Stamp>,
    /// When it was made.
    created_at: Stamp,
    /// When it was last changed.
    updated_at: Stamp,
}

impl User {
    /// An account and its roles.
    pub fn of(user: user::User, roles: Vec<String>) -> Self {
        Self {
            id: user.id.0,
            email: user.email,
            full_name: user.full_name,
            username: user.username,
            profile: Profile { avatar: user.avatar, ..Profile::default() },
            status: user.status.into(),
            roles,
            email_verified_at: user.email_verified_at.map(Stamp),
            last_login_at: user.last_login_at.map(Stamp),
            locked_until: user.locked_until.map(Stamp),
            created_at: Stamp(user.created_at),
            updated_at: Stamp(user.updated_at),
        }
    }

    /// The same with what was sealed.
    #[must_use]
    pub fn with(mut self, profile: profiles::Profile) -> Self {
        self.profile = Profile { avatar: self.profile.avatar.take(), ..profile.into() };
        self
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

/// What somebody who is let in may do.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct Approval {
    /// The names of their roles; without any they are a `member`, unless they have roles.
    #[oai(validator(max_items = 64))]
    roles: Option<Vec<String>>,
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
    /// List users
    ///
    /// Needs the permission `users:read`. Newest first. Whoever may read only their own account gets a list of that one.
    /// Where the permission has a condition, pages may be short.
    #[oai(path = "/", method = "get", operation_id = "list_users")]
    async fn list(
        &self,
        caller: Caller<Looking<UsersRead>>,
        /// Only accounts in this state.
        status: Query<Option<UserStatus>>,
        /// Only those whose address, name or username begins so.
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
        let search = search.0.filter(|text| !text.contains('\0'));
        let status = status.0.map(user::UserStatus::from);
        let only = caller.user().filter(|_| !caller.any);
        let filter = UserFilter { status, search, only };
        let list = List::new("users", caller.project, &filter);
        let before = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        let admin = &self.app.admin;
        let (rows, next_cursor) = page::seen(
            limit,
            &list,
            before,
            |after, count| {
                let filter = filter.clone();
                let after = after.map(UserId);
                async move { admin.users(caller.project, filter, after, count as i64).await }
            },
            |(user, _)| user.id.0,
            |(user, roles)| {
                caller.may_with(&user_facts(user, roles), caller.user() == Some(user.id))
            },
        )
        .await?;
        let users: Vec<&user::User> = rows.iter().map(|(user, _)| user).collect();
        let profiles = self.app.accounts.profiles(caller.project, &users).await?;
        let shown = rows.into_iter().zip(profiles);
        let items = shown.map(|((user, roles), profile)| User::of(user, roles).with(profile));
        Ok(Answer(UserPage { items: items.collect(), next_cursor }))
    }

    /// Create a user
    ///
    /// Needs the permission `users:create`, and `users:manage` to give roles, which must give no more than the caller may
    /// do. It works at once.
    #[oai(path = "/", method = "post", operation_id = "create_user")]
    async fn create(
        &self,
        caller: Caller<UsersCreate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewUser>,
    ) -> Result<MadeOnce<User>, Failure<Creates>> {
        caller.demand_any()?;
        let mut caller = caller;
        let NewUser { email, full_name, password, roles } = body.value;
        if !roles.is_empty() {
            caller.also::<UsersManage>()?;
        }
        let new = Invitee { email, full_name, password, roles };
        let what = (Operation::CreateUser, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, |app, caller| async move {
            let admin = &app.admin;
            let (user, roles) = admin.create_user(caller.project, new, &caller.initiator).await?;
            shown(&app, user, roles).await
        });
        Ok(made.await?)
    }

    /// Get a user
    ///
    /// Needs the permission `users:read`.
    #[oai(path = "/:id", method = "get", operation_id = "get_user")]
    async fn get(
        &self,
        caller: Caller<Looking<UsersRead>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Answer<User>, Failure<Reads>> {
        let (user, roles) = self.app.admin.user(caller.project, UserId(id.0)).await?;
        let own = caller.user() == Some(user.id);
        caller.look("user", &user_facts(&user, &roles), own)?;
        Ok(Answer(shown(&self.app, user, roles).await?))
    }

    /// Update a user
    ///
    /// Needs the permission `users:update`, and all that the account may do, unless it is one's own. What is left out
    /// stays, and `null` removes.
    #[oai(path = "/:id", method = "patch", operation_id = "update_user")]
    async fn change(
        &self,
        caller: Caller<Looking<UsersUpdate>>,
        /// The account.
        id: Path<Uuid>,
        body: Body<AccountChange>,
    ) -> Result<Answer<User>, Failure<Changes>> {
        let id = reach(&self.app, &caller, id.0).await?;
        let people = &self.app.accounts;
        let change = body.value.into();
        let (user, roles) = people.change(caller.project, id, change, &caller.initiator).await?;
        Ok(Answer(shown(&self.app, user, roles).await?))
    }

    /// Get a user's roles
    ///
    /// Needs the permission `users:read`. The ETag says which roles a change of them is a change of.
    #[oai(path = "/:id/roles", method = "get", operation_id = "get_user_roles")]
    async fn get_roles(
        &self,
        caller: Caller<Looking<UsersRead>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Tagged<UserRoles>, Failure<Reads>> {
        let id = reach(&self.app, &caller, id.0).await?;
        let (_, roles) = self.app.admin.user(caller.project, id).await?;
        let tag = tag_of_roles(&roles);
        Ok(Tagged(UserRoles { roles }, tag))
    }

    /// Set a user's roles
    ///
    /// Needs the permission `users:manage`, what the roles give, and all that the account may do, unless it is one's own.
    /// The account has exactly these roles then; the last admin stays one.
    #[oai(path = "/:id/roles", method = "put", operation_id = "set_user_roles")]
    async fn roles(
        &self,
        caller: Caller<Looking<UsersManage>>,
        /// The account.
        id: Path<Uuid>,
        /// The ETag of the roles that this is a change of; 412 when they were changed since.
        #[oai(name = "If-Match", validator(max_length = 1000))]
        condition: Header<Option<String>>,
        body: Body<UserRoles>,
    ) -> Result<Tagged<User>, Failure<Edits>> {
        let condition = if_match(condition.0.as_deref())?;
        let id = reach_others(&self.app, &caller, id.0).await?;
        let admin = &self.app.admin;
        let (project, roles) = (caller.project, body.value.roles);
        let set = admin.set_roles(project, id, roles, &condition, &caller.initiator);
        let (user, roles) = set.await?;
        let tag = tag_of_roles(&roles);
        Ok(Tagged(shown(&self.app, user, roles).await?, tag))
    }

    /// Approve a user
    ///
    /// Needs the permission `users:approve`, and `users:manage` to set its roles, which must give no more than the caller
    /// may do. Its address must be proved. The account works from now on, and its holder is mailed. Without roles in the body, which may be left out, it
    /// is a `member`, unless it has roles.
    #[oai(path = "/:id/approve", method = "post", operation_id = "approve_user")]
    async fn approve(
        &self,
        caller: Caller<Looking<UsersApprove>>,
        /// The account.
        id: Path<Uuid>,
        body: MaybeBody<Approval>,
    ) -> Result<Answer<User>, Failure<Changes>> {
        let id = reach_others(&self.app, &caller, id.0).await?;
        let mut caller = caller;
        let roles = body.0.and_then(|approval| approval.roles);
        // An empty list takes roles away, which is no less.
        if roles.is_some() {
            caller.also::<UsersManage>()?;
        }
        let admin = &self.app.admin;
        let (user, roles) =
            admin.approve_user(caller.project, id, roles, &caller.initiator).await?;
        Ok(Answer(User::of(user, roles)))
    }

    /// Suspend a user
    ///
    /// Needs the permission `users:update`, and all that the account may do. Its holder is logged out everywhere within two
    /// seconds and for good, and not called. One that waits for approval is not suspended: it is approved, or deleted.
    #[oai(path = "/:id/suspend", method = "post", operation_id = "suspend_user")]
    async fn suspend(
        &self,
        caller: Caller<Looking<UsersUpdate>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Answer<User>, Failure<Acts>> {
        self.set_status(&caller, id.0, user::UserStatus::Suspended).await
    }

    /// Reactivate a user
    ///
    /// Needs the permission `users:update`, and all that the account may do. Sessions of before don't come back: its holder
    /// logs in again.
    #[oai(path = "/:id/reactivate", method = "post", operation_id = "reactivate_user")]
    async fn reactivate(
        &self,
        caller: Caller<Looking<UsersUpdate>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Answer<User>, Failure<Acts>> {
        self.set_status(&caller, id.0, user::UserStatus::Active).await
    }

    /// Reset a user's second factor
    ///
    /// Needs the permission `users:manage`, and all that the account may do. For whoever lost theirs: their sessions end,
    /// and they are mailed.
    #[oai(path = "/:id/second-factor", method = "delete", operation_id = "reset_second_factor")]
    async fn reset_second_factor(
        &self,
        caller: Caller<Looking<UsersManage>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        let id = reach_others(&self.app, &caller, id.0).await?;
        let admin = &self.app.admin;
        admin.reset_second_factor(caller.project, id, &caller.initiator).await?;
        Ok(Done)
    }

    /// Delete a user
    ///
    /// Needs the permission `users:delete`, and all that the account may do. Its holder is logged out and told nothing more,
    /// and the address is free.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_user")]
    async fn delete(
        &self,
        caller: Caller<Looking<UsersDelete>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        let id = reach_others(&self.app, &caller, id.0).await?;
        self.app.admin.delete_user(caller.project, id, &caller.initiator).await?;
        Ok(Done)
    }

    /// Export a user's data
    ///
    /// Needs the permission `users:export`. Everything that is held on somebody, as one JSON object; the same that they
    /// get themselves. It is written down who got it.
    #[oai(path = "/:id/export", method = "get", operation_id = "export_user")]
    async fn export(
        &self,
        caller: Caller<Looking<UsersExport>>,
        request: &Request,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<ExportAnswer, Failure<Reads>> {
        let id = reach(&self.app, &caller, id.0).await?;
        let people = self.app.accounts.clone();
        let right = Right::of(&self.app, request, &caller);
        Ok(export::run(people, caller.project, id, &caller.initiator, right).await?)
    }

    /// Erase a user
    ///
    /// Needs the permission `users:manage`, and all that the account may do. Its holder is logged out; what is personal is overwritten or made unreadable
    /// everywhere, event payloads apart, which are the producer's; their history stays without it. An account that was
    /// deleted can be erased as well. There is no way back.
    #[oai(path = "/:id/erase", method = "post", operation_id = "erase_user")]
    async fn erase(
        &self,
        caller: Caller<Looking<UsersManage>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        let id = match reach_others(&self.app, &caller, id.0).await {
            Ok(id) => id,
            // One that was deleted is no longer there to be looked at.
            Err(problem) if problem.code == Code::NotFound && caller.may_blindly() => UserId(id.0),
            Err(problem) => return Err(problem.into()),
        };
        self.app.accounts.erase(caller.project, id, &caller.initiator).await?;
        Ok(Done)
    }
}

/// An account with everything that it tells of its holder.
pub async fn shown(app: &App, user: user::User, roles: Vec<String>) -> Result<User, Problem> {
    let people = &app.accounts;
    let profile = people.profile(user.project, &user).await.map_err(Problem::from)?;
    Ok(User::of(user, roles).with(profile))
}

/// The account, if the caller may do it with this one.
async fn reach<N: Needs>(app: &App, caller: &Caller<N>, id: Uuid) -> Result<UserId, Problem> {
    let own = caller.user() == Some(UserId(id));
    reach_as(app, caller, id, own).await
}

/// The same for what nobody does who may do it with their own account only.
async fn reach_others<N: Needs>(
    app: &App,
    caller: &Caller<N>,
    id: Uuid,
) -> Result<UserId, Problem> {
    all(caller)?;
    let id = reach_as(app, caller, id, false).await?;
    // What is taken from one's own alone is taken here too.
    if caller.user() == Some(id) { reach_as(app, caller, id.0, true).await } else { Ok(id) }
}

async fn reach_as<N: Needs>(
    app: &App,
    caller: &Caller<N>,
    id: Uuid,
    own: bool,
) -> Result<UserId, Problem> {
    let admin = &app.admin;
    let (user, roles) = admin.user(caller.project, UserId(id)).await.map_err(Problem::from)?;
    caller.look("user", &user_facts(&user, &roles), own)?;
    Ok(user.id)
}

impl Operations {
    async fn set_status<N: Needs>(
        &self,
        caller: &Caller<N>,
        id: Uuid,
        status: user::UserStatus,
    ) -> Result<Answer<User>, Failure<Acts>> {
        let id = reach_others(&self.app, caller, id).await?;
        let admin = &self.app.admin;
        let (user, roles) =
            admin.set_user_status(caller.project, id, status, &caller.initiator).await?;
        Ok(Answer(shown(&self.app, user, roles).await?))
    }
}

/// Refuses whoever may do it with their own account only.
pub(super) fn all<N: Needs>(caller: &Caller<N>) -> Result<(), Problem> {
    if caller.any { Ok(()) } else { Err(Problem::not_found("user")) }
}
