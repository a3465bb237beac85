//! Invitations: made, listed, taken back and accepted.

use std::sync::Arc;
use std::time::Duration;

use domain::attempt::AttemptKind;
use domain::once::Operation;
use poem::Request;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::admin;
use store::invitations;
use uuid::Uuid;

use super::Tag;
use super::users::{User, all};
use crate::auth::{Anybody, Caller, UsersCreate, UsersManage, UsersRead};
use crate::body::Body;
use crate::limits;
use crate::once::{MadeOnce, once};
use crate::page::{self, List};
use crate::problem::{Acts, Creates, Failure, Lists};
use crate::wire::{Answer, Done, Made, Stamp};

/// The operations on invitations.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// An invitation that is open.
#[derive(Clone, Debug, Object, Serialize)]
struct Invitation {
    /// Its id.
    id: Uuid,
    /// Who is invited.
    email: String,
    /// What they are called, if it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<String>,
    /// The names of the roles that they get.
    roles: Vec<String>,
    /// The account that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_by: Option<Uuid>,
    /// When it was made.
    created_at: Stamp,
    /// Until when it is good.
    expires_at: Stamp,
}

impl From<invitations::Invitation> for Invitation {
    fn from(one: invitations::Invitation) -> Self {
        Self {
            id: one.id,
            email: one.email,
            full_name: one.full_name,
            roles: one.roles,
            invited_by: one.invited_by.map(|user| user.0),
            created_at: Stamp(one.created_at),
            expires_at: Stamp(one.expires_at),
        }
    }
}

/// An invitation that is to be made.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct NewInvitation {
    /// Who is invited.
    #[oai(validator(max_length = 254))]
    email: String,
    /// What they are called; without it they say so when they accept.
    #[oai(validator(min_length = 1, max_length = 200))]
    full_name: Option<String>,
    /// The names of the roles that they get.
    #[serde(default)]
    #[oai(default, validator(max_items = 64))]
    roles: Vec<String>,
    /// For how many hours it is good; a week, unless the operator said otherwise.
    #[oai(validator(minimum(value = "1"), maximum(value = "720")))]
    good_for_hours: Option<u32>,
}

impl Example for NewInvitation {
    fn example() -> Self {
        Self {
            email: "night.watch@example.com".to_owned(),
            full_name: Some("Night Watch".to_owned()),
            roles: vec!["responder".to_owned()],
            good_for_hours: Some(48),
        }
    }
}

/// What somebody accepts an invitation with.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct InvitationAcceptance {
    /// The token that was mailed; it is good once.
    #[oai(validator(max_length = 200))]
    token: String,
    /// The password that they will log in with.
    #[oai(validator(max_length = 1024))]
    password: String,
    /// What they are called; as the invitation says, if they don't.
    #[oai(validator(min_length = 1, max_length = 200))]
    full_name: Option<String>,
}

/// A page of invitations.
#[derive(Clone, Debug, Object, Serialize)]
struct InvitationPage {
    /// Newest first.
    items: Vec<Invitation>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[OpenApi(prefix_path = "/api/v1/auth/invitations", tag = "Tag::Auth")]
impl Operations {
    /// List invitations
    ///
    /// Needs the permission `users:read`. Newest first: those that were neither accepted nor taken back; those that have
    /// ended stay for a week.
    #[oai(path = "/", method = "get", operation_id = "list_invitations")]
    async fn list(
        &self,
        caller: Caller<UsersRead>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<InvitationPage>, Failure<Lists>> {
        caller.demand_any()?;
        let list = List::new("invitations", caller.project, &());
        let before = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        let admin = &self.app.admin;
        let found = admin.invitations(caller.project, before, i64::from(limit) + 1).await?;
        let (rows, next_cursor) = page::cut(found, limit, &list, |one| one.id);
        let items = rows.into_iter().map(Invitation::from).collect();
        Ok(Answer(InvitationPage { items, next_cursor }))
    }

    /// Create an invitation
    ///
    /// Needs the permission `users:create`, and `users:manage` to give roles, which must give no more than the caller may
    /// do. Whoever is invited is mailed a token; an older invitation to the address is good for nothing then.
    #[oai(path = "/", method = "post", operation_id = "create_invitation")]
    async fn invite(
        &self,
        caller: Caller<UsersCreate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewInvitation>,
    ) -> Result<MadeOnce<Invitation>, Failure<Creates>> {
        caller.demand_any()?;
        let mut caller = caller;
        let NewInvitation { email, full_name, roles, good_for_hours } = body.value;
        if !roles.is_empty() {
            caller.also::<UsersManage>()?;
        }
        let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 3600);
        let good_for = good_for_hours.map(hours);
        let new = admin::NewInvitation { email, full_name, roles, good_for };
        let what = (Operation::Invite, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, |app, caller| async move {
            Ok(app.admin.invite(caller.project, new, &caller.initiator).await?.into())
        });
        Ok(made.await?)
    }

    /// Revoke an invitation
    ///
    /// Needs the permission `users:create`.
    #[oai(path = "/:id", method = "delete", operation_id = "revoke_invitation")]
    async fn revoke(
        &self,
        caller: Caller<UsersCreate>,
        /// The invitation.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        all(&caller)?;
        let admin = &self.app.admin;
        admin.revoke_invitation(caller.project, id.0, &caller.initiator).await?;
        Ok(Done)
    }

    /// Accept an invitation
    ///
    /// Needs nothing but the token that was mailed, and that the account that invited may do so still. The account works at once and its address is proved; logging in is
    /// the next step.
    #[oai(path = "/accept", method = "post", operation_id = "accept_invitation")]
    async fn accept(
        &self,
        caller: Anybody,
        body: Body<InvitationAcceptance>,
    ) -> Result<Made<User>, Failure<Creates>> {
        let InvitationAcceptance { token, password, full_name } = body.value;
        let acceptance = admin::Acceptance { token, password, full_name };
        limits::attempt(&self.app, None, AttemptKind::Accept, caller.context()).await?;
        let (user, roles) = self.app.admin.accept_invitation(acceptance, &caller.initiator).await?;
        Ok(Made(User::of(user, roles)))
    }
}
