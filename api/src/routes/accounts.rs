//! How people come in without a login: asking for an account, proving an address, a new password.

use std::sync::Arc;

use poem::Request;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use shared::admin::Application;
use shared::domain::attempt::AttemptKind;
use shared::id::ProjectId;
use uuid::Uuid;

use super::Tag;
use super::auth::project_of;
use crate::auth::Anybody;
use crate::body::Body;
use crate::door::{Api, Desk};
use crate::limits;
use crate::problem::{Enters, Failure, Problem};
use crate::wire::{Done, Taken};

/// The operations by which people get an account and find it again.
pub struct Operations {
    app: Arc<Api>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<Api>) -> Self {
        Self { app }
    }
}

/// What somebody asks for an account with.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct Registration {
    /// The project: its id or slug. It may stand in the header `X-Project` or in the subdomain instead.
    #[oai(validator(max_length = 64))]
    project: Option<String>,
    /// The address of whoever asks.
    #[oai(validator(max_length = 254))]
    email: String,
    /// The password that they will log in with.
    #[oai(validator(max_length = 1024))]
    password: String,
    /// What they are called.
    #[oai(validator(min_length = 1, max_length = 200))]
    full_name: String,
}

impl Example for Registration {
    fn example() -> Self {
        Self {
            project: Some("acme".to_owned()),
            email: "cleo@example.com".to_owned(),
            password: "correct horse battery".to_owned(),
            full_name: "Cleo Clerk".to_owned(),
        }
    }
}

/// An account, by its address.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct AccountAddress {
    /// The project: its id or slug. It may stand in the header `X-Project` or in the subdomain instead.
    #[oai(validator(max_length = 64))]
    project: Option<String>,
    /// The address of the account.
    #[oai(validator(max_length = 254))]
    email: String,
}

impl Example for AccountAddress {
    fn example() -> Self {
        Self { project: Some("acme".to_owned()), email: "cleo@example.com".to_owned() }
    }
}

/// A token that was mailed.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct MailedToken {
    /// The token; it is good once.
    #[oai(validator(max_length = 200))]
    token: String,
}

/// A new password, and the token that was mailed for it.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct PasswordReset {
    /// The token; it is good once.
    #[oai(validator(max_length = 200))]
    token: String,
    /// The password from now on.
    #[oai(validator(max_length = 1024))]
    new_password: String,
}

#[OpenApi(prefix_path = "/api/v1/auth", tag = "Tag::Auth")]
impl Operations {
    /// Ask for an account
    ///
    /// Needs nothing, unless the operator closed it. The account waits until an admin of the project approves it; a
    /// mail brings a token that proves the address. The answer is the same, and takes as long, when the address has an
    /// account already: then its holder is mailed.
    #[oai(path = "/register", method = "post", operation_id = "register")]
    async fn register(
        &self,
        caller: Anybody,
        request: &Request,
        body: Body<Registration>,
    ) -> Result<Taken, Failure<Enters>> {
        let Registration { project, email, password, full_name } = body.value;
        let (desk, project) = self.place(request, project.as_deref()).await?;
        limits::attempt(desk, Some(project), AttemptKind::Register, caller.context()).await?;
        let new = Application { email, full_name, password };
        desk.admin.register(project, new, &caller.doer).await?;
        Ok(Taken)
    }

    /// Prove an address
    ///
    /// Needs nothing but the token that was mailed.
    #[oai(path = "/verify-email", method = "post", operation_id = "verify_email")]
    async fn verify(
        &self,
        caller: Anybody,
        body: Body<MailedToken>,
    ) -> Result<Done, Failure<Enters>> {
        let desk = self.app.desk()?;
        limits::attempt(desk, None, AttemptKind::Verify, caller.context()).await?;
        desk.admin.verify_email(&body.value.token, &caller.doer).await?;
        Ok(Done)
    }

    /// Mail another token that proves an address
    ///
    /// Needs nothing. The answer is the same, and takes as long, when there is no such account or its address is proved
    /// already. An address gets a few such mails within an hour and no more.
    #[oai(path = "/verify-email/resend", method = "post", operation_id = "resend_verification")]
    async fn resend(
        &self,
        caller: Anybody,
        request: &Request,
        body: Body<AccountAddress>,
    ) -> Result<Taken, Failure<Enters>> {
        let AccountAddress { project, email } = body.value;
        let (desk, project) = self.place(request, project.as_deref()).await?;
        limits::attempt(desk, Some(project), AttemptKind::Verify, caller.context()).await?;
        desk.admin.resend_verification(project, &email).await?;
        Ok(Taken)
    }

    /// Ask for a new password
    ///
    /// Needs nothing. A mail brings a token that gives a new password. The answer is the same, and takes as long, when
    /// there is no such account. An address gets a few such mails within an hour and no more.
    #[oai(path = "/forgot-password", method = "post", operation_id = "forgot_password")]
    async fn forgot(
        &self,
        caller: Anybody,
        request: &Request,
        body: Body<AccountAddress>,
    ) -> Result<Taken, Failure<Enters>> {
        let AccountAddress { project, email } = body.value;
        let (desk, project) = self.place(request, project.as_deref()).await?;
        limits::attempt(desk, Some(project), AttemptKind::Forgot, caller.context()).await?;
        desk.admin.forgot_password(project, &email, &caller.doer).await?;
        Ok(Taken)
    }

    /// Set a new password
    ///
    /// Needs nothing but the token that was mailed. All sessions end, a lock after failed logins goes, and the address is
    /// proved; a second factor stays.
    #[oai(path = "/reset-password", method = "post", operation_id = "reset_password")]
    async fn reset(
        &self,
        caller: Anybody,
        body: Body<PasswordReset>,
    ) -> Result<Done, Failure<Enters>> {
        let PasswordReset { token, new_password } = &body.value;
        let desk = self.app.desk()?;
        limits::attempt(desk, None, AttemptKind::Reset, caller.context()).await?;
        desk.admin.reset_password(token, new_password, &caller.doer).await?;
        Ok(Done)
    }
}

impl Operations {
    /// Where it is about. What nobody is called can't be a project of ours; it then goes as for one without that account.
    async fn place(
        &self,
        request: &Request,
        named: Option<&str>,
    ) -> Result<(&Desk, ProjectId), Problem> {
        let desk = self.app.desk()?;
        let project = project_of(&self.app, desk, request, named).await?;
        Ok((desk, project.unwrap_or(ProjectId(Uuid::max()))))
    }
}
