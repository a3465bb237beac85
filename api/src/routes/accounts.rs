//! How people come in without a login: asking for an account, proving an address, a new password.

use std::sync::Arc;

use domain::attempt::AttemptKind;
use domain::id::ProjectId;
use poem::Request;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::admin::{Application, Confirmation};
use uuid::Uuid;

use super::Tag;
use super::auth::project_of;
use super::users::User;
use crate::auth::Anybody;
use crate::body::Body;
use crate::limits;
use crate::problem::{Creates, Enters, Failure, Problem};
use crate::wire::{Done, Made, Taken};

/// The operations by which people get an account and find it again.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
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
    /// The address of the account.
    #[oai(validator(max_length = 254))]
    email: String,
    /// The name of its holder.
    #[oai(validator(min_length = 1, max_length = 200))]
    full_name: String,
}

impl Example for Registration {
    fn example() -> Self {
        Self {
            project: Some("acme".to_owned()),
            email: "cleo@example.com".to_owned(),
            full_name: "Cleo Clerk".to_owned(),
        }
    }
}

/// What makes an account of a registration.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct RegistrationConfirmation {
    /// The token that was mailed; it is good once.
    #[oai(validator(max_length = 200))]
    token: String,
    /// The password of the account.
    #[oai(validator(max_length = 1024))]
    password: String,
    /// The name of its holder; as it was registered, if it is left out.
    #[oai(validator(min_length = 1, max_length = 200))]
    full_name: Option<String>,
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
    /// Register
    ///
    /// Needs nothing, unless the operator closed it. A mail brings a token with which `confirm_registration` makes the
    /// account and chooses its password; before that there is none, and a newer registration of the address takes the
    /// place of this one. The answer is the same, and takes as long, when the address has an account already, whose
    /// holder is mailed then, and when the project is not there or takes no registrations. An address gets a few such
    /// mails within an hour and no more.
    #[oai(path = "/register", method = "post", operation_id = "register")]
    async fn register(
        &self,
        caller: Anybody,
        request: &Request,
        body: Body<Registration>,
    ) -> Result<Taken, Failure<Enters>> {
        let Registration { project, email, full_name } = body.value;
        let project = self.place(request, project.as_deref()).await?;
        limits::attempt(&self.app, Some(project), AttemptKind::Register, caller.context()).await?;
        let new = Application { email, full_name };
        self.app.admin.register(project, new, &caller.initiator).await?;
        Ok(Taken)
    }

    /// Confirm a registration
    ///
    /// Needs nothing but the token that was mailed. It proves the address and makes the account, with the password that
    /// is chosen here; an admin of the project approves it before it can be logged in to.
    #[oai(path = "/register/confirm", method = "post", operation_id = "confirm_registration")]
    async fn confirm(
        &self,
        caller: Anybody,
        body: Body<RegistrationConfirmation>,
    ) -> Result<Made<User>, Failure<Creates>> {
        let RegistrationConfirmation { token, password, full_name } = body.value;
        let confirmation = Confirmation { token, password, full_name };
        limits::attempt(&self.app, None, AttemptKind::Accept, caller.context()).await?;
        let user = self.app.admin.confirm_registration(confirmation, &caller.initiator).await?;
        Ok(Made(User::of(user, Vec::new())))
    }

    /// Verify an email address
    ///
    /// Needs nothing but the token that was mailed: to the address of an account, or to the one that it is to have from
    /// now on (`change_email`).
    #[oai(path = "/verify-email", method = "post", operation_id = "verify_email")]
    async fn verify(
        &self,
        caller: Anybody,
        body: Body<MailedToken>,
    ) -> Result<Done, Failure<Enters>> {
        limits::attempt(&self.app, None, AttemptKind::Verify, caller.context()).await?;
        self.app.admin.verify_email(&body.value.token, &caller.initiator).await?;
        Ok(Done)
    }

    /// Resend a verification mail
    ///
    /// Needs nothing. For a registration, or an account whose address is not proved. The answer is the same, and takes as
    /// long, when there is neither. An address gets a few such mails within an hour and no more.
    #[oai(path = "/verify-email/resend", method = "post", operation_id = "resend_verification")]
    async fn resend(
        &self,
        caller: Anybody,
        request: &Request,
        body: Body<AccountAddress>,
    ) -> Result<Taken, Failure<Enters>> {
        let AccountAddress { project, email } = body.value;
        let project = self.place(request, project.as_deref()).await?;
        limits::attempt(&self.app, Some(project), AttemptKind::Verify, caller.context()).await?;
        self.app.admin.resend_verification(project, &email, &caller.initiator).await?;
        Ok(Taken)
    }

    /// Request a password reset
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
        let project = self.place(request, project.as_deref()).await?;
        limits::attempt(&self.app, Some(project), AttemptKind::Forgot, caller.context()).await?;
        self.app.admin.forgot_password(project, &email, &caller.initiator).await?;
        Ok(Taken)
    }

    /// Reset a password
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
        limits::attempt(&self.app, None, AttemptKind::Reset, caller.context()).await?;
        self.app.admin.reset_password(token, new_password, &caller.initiator).await?;
        Ok(Done)
    }
}

impl Operations {
    /// Where it is about. What nobody is called can't be a project of ours; it then goes as for one without that account.
    async fn place(&self, request: &Request, named: Option<&str>) -> Result<ProjectId, Problem> {
        let project = project_of(&self.app, request, named).await?;
        Ok(project.unwrap_or(ProjectId(Uuid::max())))
    }
}
