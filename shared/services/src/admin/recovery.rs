//! A new password for who forgot theirs, and second factors that admins switch off.

use serde_json::json;

use super::registering::bad_token;
use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use crate::pace::paced;
use domain::audit::{Actor, AuditAction};
use domain::fault::Fault;
use domain::id::{ProjectId, UserId};
use domain::mail::MailKind;
use domain::one_time::{Purpose, TokenKey};
use domain::user::{User, UserStatus, email_fault, normal_email, password_fault};
use store::StoreError;
use store::recovery::NewPassword;
use store::sessions::Which;

impl Admin {
    /// Mails a token that gives a new password, if there is an account that can log in. Nobody who asks can tell.
    ///
    /// # Errors
    /// When the address is none, or the store is away.
    pub async fn forgot_password(
        &self,
        project: ProjectId,
        email: &str,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let email = normal_email(email);
        if let Some(fault) = email_fault(&email) {
            return Err(AdminError::Invalid(vec![fault]));
        }
        paced(async {
            let Some(home) = self.open_project(project).await? else { return Ok(()) };
            let user = self.store.user_by_email(project, &email).await?;
            let Some(user) = user.filter(|user| user.status != UserStatus::Suspended) else {
                return Ok(());
            };
            // One that can only be called was meant so by whoever made it.
            match self.store.password(project, user.id).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(StoreError::NotFound(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let (token, link) = self.token(project, user.id, Purpose::ResetPassword);
            let mail = self.mail(&home, &user, MailKind::PasswordReset, Some(&link))?;
            let audited = AuditedAction::new(AuditAction::UserResetRequest, user.id.0);
            let now = self.clock.now();
            Ok(self
                .mail_account(&home, &user, Some(token), mail, Some((audited, initiator)), now)
                .await?)
        })
        .await
    }

    /// Sets a new password for whoever has the token that was mailed. All sessions end, the lock of failures goes, and the
    /// address is proved.
    ///
    /// # Errors
    /// When the token is not good, or the password is not good enough; the token stays good then.
    pub async fn reset_password(
        &self,
        token: &str,
        new: &str,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let (key, home, user) = self.token_holder(token, Purpose::ResetPassword).await?;
        if let Some(fault) = password_fault(new, &user.email, self.password_policy(home.id)) {
            return Err(AdminError::Invalid(vec![Fault { field: "new_password".into(), ..fault }]));
        }
        let hash = self.sessions.passwords.hash(new).await?;
        let initiator = initiator.known_as(Actor::User(user.id));
        let audited = AuditedAction {
            after: Some(json!({ "sessions": "all" })),
            ..AuditedAction::new(AuditAction::UserReset, user.id.0)
        };
        let entry = self.audit.entry(home.id, &initiator, audited).await?;
        let new = self.new_password(&user, hash, Some(key), Which::All).await?;
        let now = self.clock.now();
        match self.store.set_password(home.id, user.id, &new, &entry, now).await {
            Err(StoreError::NotFound(_)) => return Err(bad_token()),
            done => done?,
        }
        self.sessions.forget();
        self.announce(home.id).await;
        Ok(())
    }

    /// A new password with the mail that tells of it.
    pub(super) async fn new_password(
        &self,
        user: &User,
        hash: String,
        token: Option<TokenKey>,
        ends: Which,
    ) -> Result<NewPassword, AdminError> {
        let home = self.store.project(user.project).await?;
        let notice = self.mail(&home, user, MailKind::PasswordChanged, None)?;
        Ok(NewPassword { hash, token, proved: None, ends, notice })
    }

    /// Switches the second factor of a user off, who lost it. Their sessions end and they are mailed.
    ///
    /// # Errors
    /// When they have none, or may do what the caller may not: that would be a way to become them.
    pub async fn reset_second_factor(
        &self,
        project: ProjectId,
        id: UserId,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let user = self.store.user(project, id).await?;
        let home = self.store.project(project).await?;
        self.sessions.reset_factor(&home, &user, initiator).await?;
        self.announce(project).await;
        Ok(())
    }
}
