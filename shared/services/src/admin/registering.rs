//! Registering, proving an address, and being approved. A stranger who registers learns nothing of who has an account: the
//! answer is the same, and takes as long; what there is to say is mailed. There is no account before its address is proved.

use serde_json::json;

use super::users::distinct;
use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use crate::mails::{Addressee, in_words};
use crate::pace::paced;
use domain::audit::{Actor, AuditAction};
use domain::fault::{Fault, FaultCode};
use domain::id::{ProjectId, UserId, fresh};
use domain::mail::{Link, MailKind};
use domain::one_time::{self, Purpose, TokenKey};
use domain::project::{Project, ProjectStatus};
use domain::settings::Registration;
use domain::user::{User, UserStatus, email_fault, name_fault, normal_email, password_fault};
use store::StoreError;
use store::mails::NewMail;
use store::members::NewUser;
use store::one_time::NewToken;
use store::registrations::Registration as NewRegistration;

/// What an account is asked for with. It has no password: that is chosen by whoever proves the address, so that nobody
/// else can have chosen it.
#[derive(Clone, Debug)]
pub struct Application {
    /// The address.
    pub email: String,
    /// The name.
    pub full_name: String,
}

/// What makes an account of a registration.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The token that was mailed.
    pub token: String,
    /// The password of the account.
    pub password: String,
    /// The name; as it was registered, if it is left out.
    pub full_name: Option<String>,
}

/// How many accounts of a project may wait for approval, and how many registrations for their address to be proved:
/// strangers make them, and somebody must look at each.
const MAX_PENDING: i64 = 1000;

/// The fault of a token that is not good.
pub(super) fn bad_token() -> AdminError {
    let right =
        "it must be the token of a mail, not used before and not expired; ask for another one";
    AdminError::Invalid(vec![Fault::new("token", FaultCode::Invalid, right)])
}

/// The answer of what takes no registrations.
fn not_open() -> AdminError {
    AdminError::Forbidden(
        "Accounts are not given on request here; ask an admin for an invitation.".to_owned(),
    )
}

/// Counts a mail that its address had enough of.
pub(super) fn count_held_back(kind: MailKind) {
    let kind = kind.as_str();
    metrics::counter!("bellbuoy_mails_held_back_total", "kind" => kind).increment(1);
}

impl Admin {
    /// Whether a project takes registrations. People of the platform are made by those who are there.
    fn is_registration_open(&self, project: ProjectId) -> bool {
        self.auth.registration
            && project != ProjectId::PLATFORM
            && self.registration(project) == Registration::Open
    }

    /// Keeps a registration and mails a token that makes the account of it; if the address has an account, its holder is
    /// told. Nobody who asks can tell which, nor whether the project is there and takes registrations.
    ///
    /// # Errors
    /// When something of it is not right, or this installation takes no registrations at all.
    pub async fn register(
        &self,
        project: ProjectId,
        new: Application,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        if !self.auth.registration || project == ProjectId::PLATFORM {
            return Err(not_open());
        }
        let email = normal_email(&new.email);
        let mut faults: Vec<Fault> = email_fault(&email).into_iter().collect();
        faults.extend(name_fault("full_name", &new.full_name));
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        paced(async {
            let Some(home) = self.open_project(project).await? else { return Ok(()) };
            if !self.is_registration_open(project) || self.tell_holder(&home, &email).await? {
                return Ok(());
            }
            let waiting = self.store.pending_users(project).await?;
            let open = self.store.open_registrations(project, self.clock.now()).await?;
            if waiting.max(open) >= MAX_PENDING {
                tracing::warn!(%project, waiting, open, "too many accounts wait; a registration was dropped");
                metrics::counter!("bellbuoy_registrations_dropped_total").increment(1);
                return Ok(());
            }
            Ok(self.keep_registration(&home, &email, new.full_name.trim(), initiator).await?)
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

    async fn keep_registration(
        &self,
        home: &Project,
        email: &str,
        full_name: &str,
        initiator: &Initiator,
    ) -> Result<(), StoreError> {
        let (now, ttl) = (self.clock.now(), self.auth.verify_ttl);
        let (text, key) =
            one_time::make(Purpose::Registration, home.id, fresh(now), rand::random());
        let new = NewRegistration {
            id: key.id,
            email: email.to_owned(),
            full_name: full_name.to_owned(),
            expires_at: now.plus(ttl),
        };
        let link = Link { token: text, good_for: in_words(ttl) };
        let whom = Addressee { project: home, user: None, email };
        let mails = &self.sessions.mails;
        let mail = mails.write(MailKind::Registration, whom, Some(&link), None, now)?;
        // There is no account whose key could seal the address; the log has the registration's id.
        let audited = AuditedAction::new(AuditAction::RegistrationCreate, new.id);
        let entry = self.audit.entry(home.id, initiator, audited).await?;
        if !self.store.register(home.id, &new, key, &mail, &entry, now).await? {
            count_held_back(MailKind::Registration);
        }
        Ok(())
    }

    /// Makes the account that was registered, with the password of the user who proves the address. It waits for
    /// approval.
    ///
    /// # Errors
    /// When the token is not good, the password is not good enough, the project takes no registrations any more, or the
    /// address has an account by now.
    pub async fn confirm_registration(
        &self,
        confirmation: Confirmation,
        initiator: &Initiator,
    ) -> Result<User, AdminError> {
        let key =
            one_time::parse(Purpose::Registration, &confirmation.token).ok_or_else(bad_token)?;
        let project = key.project;
        self.open_project(project).await?.ok_or_else(bad_token)?;
        let now = self.clock.now();
        let found = self.store.registration_of(project, key, now).await?.ok_or_else(bad_token)?;
        if !self.is_registration_open(project) {
            return Err(not_open());
        }
        let full_name = confirmation.full_name.unwrap_or(found.full_name);
        let mut faults: Vec<Fault> = name_fault("full_name", &full_name).into_iter().collect();
        let policy = self.password_policy(project);
        faults.extend(password_fault(&confirmation.password, &found.email, policy));
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        if self.store.pending_users(project).await? >= MAX_PENDING {
            let why = "Too many accounts wait for approval; try again later.";
            return Err(AdminError::Enough(why));
        }
        let new = NewUser {
            id: UserId::fresh(now),
            email: found.email,
            full_name: full_name.trim().to_owned(),
            status: UserStatus::Pending,
            password: Some(self.sessions.passwords.hash(&confirmation.password).await?),
            roles: Vec::new(),
        };
        let initiator = initiator.known_as(Actor::User(new.id));
        let audited = AuditedAction {
            after: Some(json!({ "registration": found.id })),
            personal: Some((new.id, json!({ "email": new.email, "full_name": new.full_name }))),
            ..AuditedAction::new(AuditAction::UserRegister, new.id.0)
        };
        let entry = self.audit.entry(project, &initiator, audited).await?;
        match self.store.confirm_registration(project, key, &new, &entry, now).await {
            Err(StoreError::NotFound(_)) => return Err(bad_token()),
            Err(StoreError::Conflict(_)) => {
                return Err(AdminError::Conflict(
                    "the address of this registration has an account by now".to_owned(),
                ));
            }
            done => done?,
        }
        Ok(self.store.user(project, new.id).await?)
    }

    /// A fresh token, and the link by which its mail tells it.
    pub(super) fn token(
        &self,
        project: ProjectId,
        user: UserId,
        purpose: Purpose,
    ) -> (NewToken, Link) {
        let ttl = match purpose {
            Purpose::VerifyEmail | Purpose::Registration | Purpose::ChangeEmail => {
                self.auth.verify_ttl
            }
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
        audited: Option<(AuditedAction, &Initiator)>,
        now: domain::time::Time,
    ) -> Result<(), StoreError> {
        let entry = match audited {
            Some((audited, initiator)) => {
                Some(self.audit.entry(home.id, initiator, audited).await?)
            }
            None => None,
        };
        let kept = self.store.mail_account(home.id, user.id, token, &mail, entry.as_ref(), now);
        let kept = match kept.await {
            // The account went just now; whoever asks must not learn that either.
            Err(StoreError::NotFound(_)) => return Ok(()),
            kept => kept?,
        };
        if !kept {
            count_held_back(mail.kind);
        }
        Ok(())
    }

    /// Mails another token for a registration, or one that proves the address of an account, if there is one that needs
    /// it. Nobody who asks can tell.
    ///
    /// # Errors
    /// When the address is none, or the store is away.
    pub async fn resend_verification(
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
            let Some(user) = self.store.user_by_email(project, &email).await? else {
                return Ok(self.resend_registration(&home, &email, initiator).await?);
            };
            if user.email_verified_at.is_some() || user.status != UserStatus::Active {
                return Ok(());
            }
            let (token, link) = self.token(project, user.id, Purpose::VerifyEmail);
            let mail = self.mail(&home, &user, MailKind::VerifyEmail, Some(&link))?;
            let now = self.clock.now();
            Ok(self.mail_account(&home, &user, Some(token), mail, None, now).await?)
        })
        .await
    }

    async fn resend_registration(
        &self,
        home: &Project,
        email: &str,
        initiator: &Initiator,
    ) -> Result<(), StoreError> {
        let older = self.store.registration_by_email(home.id, email).await?;
        match older.filter(|_| self.is_registration_open(home.id)) {
            Some(older) => self.keep_registration(home, email, &older.full_name, initiator).await,
            None => Ok(()),
        }
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

    /// Notes that an address is its account's, by the token that was mailed there; one that is to replace the address of
    /// an account does so.
    ///
    /// # Errors
    /// When the token is not good, or no longer.
    pub async fn verify_email(&self, token: &str, initiator: &Initiator) -> Result<(), AdminError> {
        if let Some(key) = one_time::parse(Purpose::ChangeEmail, token) {
            return self.prove_new_email(key, initiator).await;
        }
        let (key, home, user) = self.token_holder(token, Purpose::VerifyEmail).await?;
        if user.status != UserStatus::Active {
            return Err(bad_token());
        }
        let initiator = initiator.known_as(Actor::User(user.id));
        let audited = AuditedAction::new(AuditAction::UserVerifyEmail, user.id.0);
        let entry = self.audit.entry(home.id, &initiator, audited).await?;
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
        initiator: &Initiator,
    ) -> Result<(User, Vec<String>), AdminError> {
        let user = self.store.user(project, id).await?;
        let faults = self.role_faults(project, roles.as_deref().unwrap_or_default()).await?;
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let roles = roles.map(distinct);
        let home = self.store.project(project).await?;
        let mail = self.mail(&home, &user, MailKind::LetIn, None)?;
        let entry = self
            .audit
            .entry(project, initiator, AuditedAction::new(AuditAction::UserApprove, id.0))
            .await?;
        let now = self.clock.now();
        self.store.approve_user(project, id, roles.as_deref(), &mail, &entry, now).await?;
        self.announce(project).await;
        self.user(project, id).await
    }
}
