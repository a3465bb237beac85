//! The logins of other people: their sessions, locks and pictures.

use std::sync::Arc;

use domain::id::UserId;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use runtime::app::App;
use store::sessions::Which;
use uuid::Uuid;

use super::picture::{self, PictureAnswer};
use super::{User, reach, reach_others, shown};
use crate::auth::{Caller, Looking, UsersManage, UsersRead, UsersUpdate};
use crate::problem::{Acts, Failure, Problem, Reads};
use crate::routes::Tag;
use crate::routes::auth::Sessions;
use crate::wire::{Answer, Done};

/// The operations on the logins of other people.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[OpenApi(prefix_path = "/api/v1/users", tag = "Tag::Users")]
impl Operations {
    /// List a user's sessions
    ///
    /// Needs the permission `users:manage`. Those that hold, newest first.
    #[oai(path = "/:id/sessions", method = "get", operation_id = "list_user_sessions")]
    async fn sessions(
        &self,
        caller: Caller<Looking<UsersManage>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Answer<Sessions>, Failure<Reads>> {
        let id = reach_others(&self.app, &caller, id.0).await?;
        let found = self.app.admin.sessions_of(caller.project, id).await?;
        Ok(Answer(Sessions::of(found, caller.session())))
    }

    /// Revoke a user's session
    ///
    /// Needs the permission `users:manage`, and all that the account may do. Its tokens hold no longer, on any instance
    /// within two seconds.
    #[oai(
        path = "/:id/sessions/:session_id",
        method = "delete",
        operation_id = "revoke_user_session"
    )]
    async fn revoke(
        &self,
        caller: Caller<Looking<UsersManage>>,
        /// The account.
        id: Path<Uuid>,
        /// The session.
        session_id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        if self.end(&caller, id.0, Which::One(session_id.0)).await? == 0 {
            return Err(Problem::not_found("session").into());
        }
        Ok(Done)
    }

    /// Revoke all of a user's sessions
    ///
    /// Needs the permission `users:manage`, and all that the account may do. The user is logged out everywhere within two
    /// seconds, and can log in again.
    #[oai(path = "/:id/sessions", method = "delete", operation_id = "revoke_user_sessions")]
    async fn revoke_all(
        &self,
        caller: Caller<Looking<UsersManage>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        self.end(&caller, id.0, Which::All).await?;
        Ok(Done)
    }

    /// Unlock a user
    ///
    /// Needs the permission `users:update`, and all that the account may do. For an account that takes no logins after too
    /// many failures (`locked_until`): they are forgotten. One that is not locked stays as it is.
    #[oai(path = "/:id/unlock", method = "post", operation_id = "unlock_user")]
    async fn unlock(
        &self,
        caller: Caller<Looking<UsersUpdate>>,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<Answer<User>, Failure<Acts>> {
        let id = reach_others(&self.app, &caller, id.0).await?;
        let admin = &self.app.admin;
        let (user, roles) = admin.unlock_user(caller.project, id, &caller.initiator).await?;
        Ok(Answer(shown(&self.app, user, roles).await?))
    }

    /// Get a user's avatar
    ///
    /// Needs the permission `users:read`. The file that the account names; PNG, JPEG, GIF and WebP are shown, anything
    /// else is saved. `If-None-Match` is understood.
    #[oai(path = "/:id/avatar", method = "get", operation_id = "get_user_avatar")]
    async fn avatar(
        &self,
        caller: Caller<Looking<UsersRead>>,
        request: &Request,
        /// The account.
        id: Path<Uuid>,
    ) -> Result<PictureAnswer, Failure<Reads>> {
        let id = reach(&self.app, &caller, id.0).await?;
        let (user, _) = self.app.admin.user(caller.project, id).await?;
        Ok(picture::answer(&self.app, request, &user).await?)
    }
}

impl Operations {
    async fn end(
        &self,
        caller: &Caller<Looking<UsersManage>>,
        id: Uuid,
        which: Which,
    ) -> Result<u64, Failure<Acts>> {
        let id: UserId = reach_others(&self.app, caller, id).await?;
        let admin = &self.app.admin;
        Ok(admin.end_sessions_of(caller.project, id, which, &caller.initiator).await?)
    }
}
