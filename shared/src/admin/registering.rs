//! Asking for an account, proving its address, and being let in. A stranger who asks learns nothing of who has one: the
//! answer is the same, and takes as long; what there is to say is mailed.

use std::time::Duration;

use serde_json::json;

use super::people::distinct;
use super::{Admin, AdminError};
use crate::audit::{Deed, Doer};
use crate::domain::audit::{Actor, AuditAction};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::mail::{Link, MailKind};
use crate::domain::one_time::{self, Purpose, TokenKey};
use crate::domain::project::{Project, ProjectStatus};
use crate::domain::settings::Registration;
use crate::domain::user::{
    User, UserStatus, email_fault, name_fault, normal_email, password_fault,
};
use crate::id::{ProjectId, UserId, fresh};
use crate::mails::{Addressee, in_words};
use crate::store::StoreError;
use crate::store::mails::NewMail;
use crate::store::one_time::NewToken;
use crate::store::people::NewUser;

/// What somebody asks for an account with.
#[derive(Clone, Debug)]
pub struct Application {
    /// Their address.
    pub email: String,
    /// What they are called.
    pub full_name: String,
    /// Their password.
    pub password: String,
}

/// How many accounts of a project may wait for approval: strangers make them, and somebody must look at each.
const MAX_PENDING: i64 = 1000;

/// How long an answer takes that must not tell whether there is an account: longer than the work behind it.
const PACE: Duration = Duration::from_millis(250);

/// Does it, and is never done sooner than after the time that all such answers take.
pub(super) async fn paced<T>(work: impl Future<Output = T>) -> T {
    tokio::join!(work, tokio::time::sleep(PACE)).0
}

/// The fault of a token that is not good.
pub(super) fn bad_token() -> AdminError {
    let right =
        "it must be the token of a mail, not used before and not expired; ask for another one";
    AdminError::Invalid(vec![Fault::new("token", FaultCode::Invalid, right)])
}

impl Admin {
    /// Whether strangers may ask a project for an account. People of the platform are made by those who are there.
    fn is_registration_open(&self, project: ProjectId) -> bool {
        self.auth.registration
            && project != ProjectId::PLATFORM
            && self.registration(project) == Registration::Open
    }

    /// Makes an account that waits for approval and mails a token that proves its address; if the address has one, its
    /// holder is told. Nobody who asks can tell which.
    ///
    /// # Errors
    /// When something of it is not right, or nobody may ask just now.
    pub async fn register(
        &self,
        project: ProjectId,
        new: Application,
        doer: &Doer,
    ) -> Result<(), AdminError> {
        if !self.is_registration_open(project) {
            return Err(AdminError::Forbidden(
                "This project creates no accounts on request; ask an admin for an invitation."
                    .to_owned(),
            ));
        }
        let email = normal_email(&new.email);
        let mut faults: Vec<Fault> = email_fault(&email).into_iter().collect();
        faults.extend(name_fault("full_name", &new.full_name));
        faults.extend(password_fault(&new.password, &email, self.password_policy(project)));
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        paced(async {
            let hash = self.sessions.passwords.hash(&new.password).await?;
            let Some(home) = self.open_project(project).await? else { return Ok(()) };
            if self.store.pending_users(project).await? >= MAX_PENDING {
                let why = "Too many accounts wait for approval; try again later.";
                return Err(AdminError::Enough(why));
            }
            if self.tell_holder(&home, &email).await? {
                return Ok(());
            }
            match self.add_applicant(&home, &email, new.full_name.trim(), hash, doer).await {
                // Somebody was as fast: then there is a holder.
                Err(StoreError::Conflict(_)) => {
                    self.tell_holder(&home, &email).await?;
                    Ok(())
                }
                made => Ok(made?),
            }
        })
        .await
    }

    /// The project, if it works.
    pub(super) async fn open_project(
        &self,
        project: ProjectId,
    ) -> Result<Option<Project>, StoreError> {
        match self.store.project(project).await {
            Ok(home) => Ok(Some(home).filter(|home| home.status == ProjectStatus::Active)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells the holder of an address that somebody asked for an account; `false` when it has none.
    async fn tell_holder(&self, home: &Project, email: &str) -> Result<bool, StoreError> {
        let Some(user) = self.store.user_by_email(home.id, email).await? else {
            return Ok(false);
        };
        let now = self.clock.now();
        let mail = self.mail(home, &user, MailKind::AddressInUse, None)?;
        self.mail_account(home, &user, None, mail, None, now).await?;
        Ok(true)
    }

    async fn add_applicant(
        &self,
        home: &Project,
        email: &str,
        full_name: &str,
        hash: String,
        doer: &Doer,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let new = NewUser {
            id: UserId::fresh(now),
            email: email.to_owned(),
            full_name: full_name.to_owned(),
            status: UserStatus::Pending,
            password: Some(hash),
            roles: Vec::new(),
        };
        let (token, link) = self.token(home.id, new.id, Purpose::VerifyEmail);
        let whom = Addressee { project: home, user: Some(new.id), email };
        let mails = &self.sessions.mails;
        let mail = mails.write(MailKind::VerifyEmail, whom, Some(&link), None, now)?;
        let deed = Deed {
            personal: Some((new.id, json!({ "email": new.email, "full_name": new.full_name }))),
            ..Deed::new(AuditAction::UserRegister, new.id.0)
        };
        let entry = self.audit.entry(home.id, doer, deed).await?;
        self.store.register(home.id, &new, token, &mail, &entry, now).await
    }

    /// A fresh token, and the link by which its mail tells it.
    pub(super) fn token(
        &self,
        project: ProjectId,
        user: UserId,
        purpose: Purpose,
    ) -> (NewToken, Link) {
        let ttl = match purpose {
            Purpose::VerifyEmail => self.auth.verify_ttl,
            Purpose::ResetPassword => self.auth.reset_ttl,
            Purpose::Invitation => self.auth.invitation_ttl,
        };
        let now = self.clock.now();
        let (text, key) = one_time::make(purpose, project, fresh(now), rand::random());
        let token = NewToken { key, purpose, user, expires_at: now.plus(ttl) };
        (token, Link { token: text, good_for: in_words(ttl) })
    }

    /// A mail to the holder of an account.
    pub(super) fn mail(
        &self,
        home: &Project,
        user: &User,
        kind: MailKind,
        link: Option<&Link>,
    ) -> Result<NewMail, StoreError> {
        let whom = Addressee { project: home, user: Some(user.id), email: &user.email };
        self.sessions.mails.write(kind, whom, link, None, self.clock.now())
    }

    /// Keeps a mail that a stranger asked for, with its token; counts the one that was too many.
    pub(super) async fn mail_account(
        &self,
        home: &Project,
        user: &User,
        token: Option<NewToken>,
        mail: NewMail,
        deed: Option<(Deed, &Doer)>,
        now: crate::time::Time,
    ) -> Result<(), StoreError> {
        let entry = match deed {
            Some((deed, doer)) => Some(self.audit.entry(home.id, doer, deed).await?),
            None => None,
        };
        let kept = self.store.mail_account(home.id, user.id, token, &mail, entry.as_ref(), now);
        let kept = match kept.await {
            // The account went just now; whoever asks must not learn that either.
            Err(StoreError::NotFound(_)) => return Ok(()),
            kept => kept?,
        };
        if !kept {
            let kind = mail.kind.as_str();
            metrics::counter!("bellbuoy_mails_held_back_total", "kind" => kind).increment(1);
        }
        Ok(())
    }

    /// Mails another token that proves an address, if there is an account that needs it. Nobody who asks can tell.
    ///
    /// # Errors
    /// When the address is none, or the store is away.
    pub async fn resend_verification(
        &self,
        project: ProjectId,
        email: &str,
    ) -> Result<(), AdminError> {
        let email = normal_email(email);
        if let Some(fault) = email_fault(&email) {
            return Err(AdminError::Invalid(vec![fault]));
        }
        paced(async {
            let Some(home) = self.open_project(project).await? else { return Ok(()) };
            let user = self.store.user_by_email(project, &email).await?;
            let needs = |user: &User| {
                user.email_verified_at.is_none() && user.status != UserStatus::Suspended
            };
            let Some(user) = user.filter(needs) else { return Ok(()) };
            let (token, link) = self.token(project, user.id, Purpose::VerifyEmail);
            let mail = self.mail(&home, &user, MailKind::VerifyEmail, Some(&link))?;
            let now = self.clock.now();
            Ok(self.mail_account(&home, &user, Some(token), mail, None, now).await?)
        })
        .await
    }

    /// Whose token this is, with the project that it is in.
    pub(super) async fn token_holder(
        &self,
        token: &str,
        purpose: Purpose,
    ) -> Result<(TokenKey, Project, User), AdminError> {
        let key = one_time::parse(purpose, token).ok_or_else(bad_token)?;
        let home = self.open_project(key.project).await?.ok_or_else(bad_token)?;
        let now = self.clock.now();
        let user = self.store.token_user(key.project, key, purpose, now).await?;
        match self.store.user(key.project, user.ok_or_else(bad_token)?).await {
            // The account went just now.
            Err(StoreError::NotFound(_)) => Err(bad_token()),
            user => Ok((key, home, user?)),
        }
    }

    /// Notes that an address is somebody's, by the token that was mailed there.
    ///
    /// # Errors
    /// When the token is not good, or no longer.
    pub async fn verify_email(&self, token: &str, doer: &Doer) -> Result<(), AdminError> {
        let (key, home, user) = self.token_holder(token, Purpose::VerifyEmail).await?;
        let doer = doer.known_as(Actor::User(user.id));
        let deed = Deed::new(AuditAction::UserVerifyEmail, user.id.0);
        let entry = self.audit.entry(home.id, &doer, deed).await?;
        let now = self.clock.now();
        match self.store.verify_email(home.id, user.id, key, &entry, now).await {
            Err(StoreError::NotFound(_)) => Err(bad_token()),
            done => Ok(done?),
        }
    }

    /// Approves an account that waits, with these roles; without any with `member`, if it has none. Its holder is mailed.
    ///
    /// # Errors
    /// When a role is not there or gives more than the caller has, or the account does not wait.
    pub async fn approve_user(
        &self,
        project: ProjectId,
        id: UserId,
        roles: Option<Vec<String>>,
        doer: &Doer,
    ) -> Result<(User, Vec<String>), AdminError> {
        let user = self.store.user(project, id).await?;
        let faults = self.role_faults(project, roles.as_deref().unwrap_or_default()).await?;
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let roles = roles.map(distinct);
        let home = self.store.project(project).await?;
        let mail = self.mail(&home, &user, MailKind::LetIn, None)?;
        let entry =
            self.audit.entry(project, doer, Deed::new(AuditAction::UserApprove, id.0)).await?;
        let now = self.clock.now();
        self.store.approve_user(project, id, roles.as_deref(), &mail, &entry, now).await?;
        self.announce(project).await;
        self.user(project, id).await
    }
}
