//! Another address for one's own account: asked for with the password, and in force once it is proved.

use serde_json::json;

use super::registering::bad_token;
use super::users::wrong_password;
use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use crate::mails::{Addressee, in_words};
use crate::pace::paced;
use crate::sessions::Person;
use domain::audit::{Actor, AuditAction};
use domain::fault::{Fault, FaultCode};
use domain::id::fresh;
use domain::mail::{Link, MailKind};
use domain::one_time::{self, Purpose, TokenKey};
use domain::project::Project;
use domain::user::{User, email_fault, normal_email};
use store::StoreError;
use store::email_changes::{EmailRequest, NewEmail};

impl Admin {
    /// Mails a token to the address that the caller's account is to have, and tells the one that it has. If the new one
    /// has an account, its holder is told instead; the caller can't tell which.
    ///
    /// # Errors
    /// When the address is none or the account's own, or the password is wrong.
    pub async fn ask_email(
        &self,
        person: &Person,
        email: &str,
        password: &str,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let (project, id) = (person.project, person.user);
        let user = self.store.user(project, id).await?;
        let email = normal_email(email);
        let own = (email == user.email).then(|| {
            Fault::new("email", FaultCode::Invalid, "another address than the account has")
        });
        if let Some(fault) = email_fault(&email).or(own) {
            return Err(AdminError::Invalid(vec![fault]));
        }
        let proved = self.sessions.proves(project, &user.email, password).await?;
        let proved = proved.ok_or_else(|| wrong_password("password"))?;
        paced(async {
            let home = self.store.project(project).await?;
            let request = self.email_request(&home, &user, email.clone(), proved).await?;
            let audited = AuditedAction {
                personal: Some((id, json!({ "email": email }))),
                ..AuditedAction::new(AuditAction::UserEmailAsk, id.0)
            };
            let entry = self.audit.entry(project, initiator, audited).await?;
            match self.store.ask_email(project, id, &request, &entry, self.clock.now()).await {
                // It was changed since it was proved.
                Err(StoreError::NotFound("password")) => Err(wrong_password("password")),
                done => Ok(done?),
            }
        })
        .await
    }

    async fn email_request(
        &self,
        home: &Project,
        user: &User,
        email: String,
        proved: String,
    ) -> Result<EmailRequest, StoreError> {
        let (now, ttl) = (self.clock.now(), self.auth.verify_ttl);
        let notice = self.mail(home, user, MailKind::EmailChangeAsked, None)?;
        if let Some(holder) = self.store.user_by_email(home.id, &email).await? {
            let mail = self.mail(home, &holder, MailKind::AddressInUse, None)?;
            return Ok(EmailRequest { proved, new: None, mail, notice });
        }
        let (text, key) = one_time::make(Purpose::ChangeEmail, home.id, fresh(now), rand::random());
        let link = Link { token: text, good_for: in_words(ttl) };
        let whom = Addressee { project: home, user: Some(user.id), email: &email };
        let mails = &self.sessions.mails;
        let mail = mails.write(MailKind::ChangeEmail, whom, Some(&link), None, now)?;
        let new = NewEmail { email, key, expires_at: now.plus(ttl) };
        Ok(EmailRequest { proved, new: Some(new), mail, notice })
    }

    /// Gives an account the address that this token proves; the one of before is told.
    pub(super) async fn prove_new_email(
        &self,
        key: TokenKey,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let home = self.open_project(key.project).await?.ok_or_else(bad_token)?;
        let now = self.clock.now();
        let found = self.store.email_change_of(home.id, key, now).await?;
        let (id, email) = found.ok_or_else(bad_token)?;
        let user = match self.store.user(home.id, id).await {
            Err(StoreError::NotFound(_)) => return Err(bad_token()),
            user => user?,
        };
        let notice = self.mail(&home, &user, MailKind::EmailChanged, None)?;
        let change = json!({ "before": { "email": user.email }, "after": { "email": email } });
        let audited = AuditedAction {
            personal: Some((id, change)),
            ..AuditedAction::new(AuditAction::UserEmail, id.0)
        };
        let entry =
            self.audit.entry(home.id, &initiator.known_as(Actor::User(id)), audited).await?;
        match self.store.change_email(home.id, id, key, &notice, &entry, now).await {
            Err(StoreError::NotFound(_)) => Err(bad_token()),
            Err(StoreError::Conflict(_)) => {
                let right = "a token for an address that no other account has by now";
                Err(AdminError::Invalid(vec![Fault::new("token", FaultCode::Invalid, right)]))
            }
            done => Ok(done?),
        }
    }
}
