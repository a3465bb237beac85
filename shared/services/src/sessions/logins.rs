//! Logging in: a password is tried, counted before it is looked at, and what begins a session by it.

use serde_json::json;

use super::{LoginError, Pass, Secret, Sessions};
use crate::audit::{AuditedAction, Initiator};
use crate::mails::Addressee;
use crate::pace::Pace;
use crypto::passwords::{PATIENCE, PasswordError};
use domain::audit::{Actor, AuditAction};
use domain::id::{ProjectId, UserId, fresh, sha256};
use domain::mail::MailKind;
use domain::project::{Project, ProjectStatus};
use domain::time::Time;
use domain::user::{User, UserStatus, normal_email};
use store::StoreError;
use store::members::{Attempt, Lockout};
use store::sessions::{Begun, NewSession};

impl Sessions {
    /// Lets somebody in who knows the password of an account, and proves its second factor if it has one.
    ///
    /// # Errors
    /// When they don't, or may not come in.
    pub async fn login(
        &self,
        project: ProjectId,
        email: &str,
        password: &str,
        code: Option<&str>,
        initiator: &Initiator,
    ) -> Result<Pass, LoginError> {
        let pace = Pace::begin();
        let done = self.try_login(project, email, password, code, initiator).await;
        if matches!(done, Err(LoginError::Refused)) {
            // A failure of an account that is there is written down, one of any other is not: time must not tell which.
            pace.keep().await;
        }
        done
    }

    async fn try_login(
        &self,
        project: ProjectId,
        email: &str,
        password: &str,
        code: Option<&str>,
        initiator: &Initiator,
    ) -> Result<Pass, LoginError> {
        let email = normal_email(email);
        let Proved { user, hash, last } = match self.attempt(project, &email, password).await? {
            Tried::Right(proved) => proved,
            Tried::Wrong(user, last) => {
                self.note_failure(project, user.id, last, initiator).await?;
                return Err(LoginError::Refused);
            }
            Tried::Nobody => return Err(LoginError::Refused),
        };
        let home = self.store.project(project).await?;
        let obstacle = match user.status {
            UserStatus::Pending => LoginError::Pending,
            UserStatus::Suspended => LoginError::Suspended,
            UserStatus::Active if home.status == ProjectStatus::Active => {
                let begun = self.begin(&home, &user, hash, code, initiator).await;
                match &begun {
                    // No failure, but nothing that makes up for failures before: whoever has the password alone must
                    // not buy new tries at the code with it.
                    Err(LoginError::CodeMissing) => {
                        self.store.take_back_attempt(project, user.id, last).await?;
                    }
                    Err(LoginError::CodeRefused) => {
                        self.note_failure(project, user.id, last, initiator).await?;
                    }
                    _ => {}
                }
                return begun;
            }
            UserStatus::Active => LoginError::ProjectSuspended,
        };
        // Whoever knows the password did not fail, and is not locked out for coming too early.
        self.store.forgive(project, user.id).await?;
        Err(obstacle)
    }

    /// The hash that the password of an account is proved by, when a user who is logged in knows it; failures count as
    /// those of logins do. What follows from the proof is written where the account still has this hash.
    ///
    /// # Errors
    /// When the store is away or too many are being hashed.
    pub async fn proves(
        &self,
        project: ProjectId,
        email: &str,
        password: &str,
    ) -> Result<Option<String>, LoginError> {
        match self.attempt(project, email, password).await? {
            Tried::Right(proved) => {
                self.store.forgive(project, proved.user.id).await?;
                Ok(Some(proved.hash))
            }
            Tried::Wrong(..) | Tried::Nobody => Ok(None),
        }
    }

    /// Tries a password, counted before it is looked at.
    pub(super) async fn attempt(
        &self,
        project: ProjectId,
        email: &str,
        password: &str,
    ) -> Result<Tried, LoginError> {
        let now = self.clock.now();
        // No address has this character, and not every store takes it.
        let email = if email.contains('\0') { "" } else { email };
        let lockout = Lockout {
            failures: i64::from(self.config.lockout_failures),
            until: now.plus(self.config.lockout),
        };
        let begun = {
            let turn = tokio::time::timeout(PATIENCE, self.counting.acquire()).await;
            let _turn = turn.map_err(|_| LoginError::Busy)?.map_err(|_| LoginError::Busy)?;
            self.store.begin_login(project, email, lockout, now).await?
        };
        match begun {
            Attempt::Try { user, password: stored, last } => {
                let right = self.verify(password, stored.as_deref()).await?;
                Ok(match stored {
                    Some(hash) if right => Tried::Right(Proved { user, hash, last }),
                    _ => Tried::Wrong(user, last),
                })
            }
            Attempt::Locked(_) | Attempt::Unknown => {
                // It takes as long as for an account that is there.
                self.verify(password, None).await?;
                Ok(Tried::Nobody)
            }
        }
    }

    async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, LoginError> {
        // More would only be work.
        let fits = password.len() <= domain::user::MAX_PASSWORD;
        let tried = if fits { password } else { "" };
        match self.passwords.verify(tried, stored).await {
            Ok(same) => Ok(same && fits),
            Err(PasswordError::Busy) => Err(LoginError::Busy),
            Err(PasswordError::Broken(why)) => Err(StoreError::Corrupt(why).into()),
        }
    }

    pub(super) async fn note_failure(
        &self,
        project: ProjectId,
        user: UserId,
        last: bool,
        initiator: &Initiator,
    ) -> Result<(), StoreError> {
        metrics::counter!("bellbuoy_login_failures_total").increment(1);
        let action = if last { AuditAction::SessionLockout } else { AuditAction::SessionFailure };
        let entry =
            self.audit.entry(project, initiator, AuditedAction::new(action, user.0)).await?;
        self.store.note(project, &entry, self.clock.now()).await
    }

    async fn begin(
        &self,
        home: &Project,
        user: &User,
        hash: String,
        code: Option<&str>,
        initiator: &Initiator,
    ) -> Result<Pass, LoginError> {
        let (now, project) = (self.clock.now(), home.id);
        let (session, secret) = (fresh(now), Secret::fresh());
        let initiator = initiator.known_as(Actor::User(user.id));
        let proof = match code {
            Some(code) => self.proof(home, user, code, &initiator).await?,
            None => None,
        };
        let origin = serde_json::to_value(&initiator.origin).unwrap_or_default();
        let agent = initiator.origin.user_agent.clone().unwrap_or_default();
        let new = NewSession {
            id: session,
            user: user.id,
            password: hash,
            ends_at: now.plus(self.config.session_absolute),
            token: secret.hash(),
            device: sha256(agent.as_bytes()),
            origin: Some(self.audit.seal(project, user.id.0, &origin).await?),
            proof,
            notice: self.mails.write(
                MailKind::NewDevice,
                Addressee { project: home, user: Some(user.id), email: &user.email },
                None,
                Some(&whence(&initiator, now)),
                now,
            )?,
        };
        let audited = AuditedAction {
            after: Some(json!({ "session": session })),
            ..AuditedAction::new(AuditAction::SessionLogin, user.id.0)
        };
        let entry = self.audit.entry(project, &initiator, audited).await?;
        match self.store.begin_session(project, &new, &entry, now).await? {
            Begun::Yes(_) => {}
            Begun::ProofMissing => return Err(LoginError::CodeMissing),
            Begun::ProofRefused => return Err(LoginError::CodeRefused),
            Begun::Overtaken => return Err(LoginError::Refused),
        }
        metrics::counter!("bellbuoy_logins_total").increment(1);
        Ok(self.pass(project, user.id, session, &secret).await?)
    }
}

/// A password that was proved.
pub(super) struct Proved {
    /// Whose it is.
    pub(super) user: Box<User>,
    /// The hash that it was proved by.
    pub(super) hash: String,
    /// Whether a failure would have been the last one before the account is locked.
    pub(super) last: bool,
}

/// What came of trying a password.
pub(super) enum Tried {
    /// It is the account's.
    Right(Proved),
    /// And whether it was the last attempt before the account is locked.
    Wrong(Box<User>, bool),
    /// There is no such account, or it is locked.
    Nobody,
}

/// When and from where somebody logged in, as a mail tells it.
fn whence(initiator: &Initiator, now: Time) -> String {
    let address =
        initiator.origin.address.map_or("an unknown address".to_owned(), |one| one.to_string());
    let agent =
        initiator.origin.user_agent.as_deref().unwrap_or("something that does not say what it is");
    format!("It was at {} from {address}, with {agent}.", now.rfc3339())
}
