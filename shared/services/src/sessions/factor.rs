//! Second factors: switched on, proved and switched off. Whoever changes one proves who they are by more than a session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qrcode::QrCode;
use qrcode::render::svg;
use serde_json::json;

use super::{LoginError, Person, Sessions};
use crate::audit::{AuditedAction, Initiator};
use crate::mails::Addressee;
use crate::reseal::factor_row;
use domain::audit::AuditAction;
use domain::id::{ProjectId, UserId};
use domain::mail::MailKind;
use domain::project::Project;
use domain::totp::{self, BACKUP_CODES, Given, SECRET, backup_code, read_code, step_of};
use domain::user::User;
use store::StoreError;
use store::second_factors::{FactorChange, Proof, SecondFactor};
use store::sessions::Which;

/// Why a second factor was not changed.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// The password is wrong, or none is taken for a while.
    #[error("the password is wrong")]
    Password,
    /// The code is wrong or was used before.
    #[error("the code is wrong or was used")]
    Code,
    /// It is as it should be already, or there is none.
    #[error("{0}")]
    Conflict(&'static str),
    /// Too many are proving passwords.
    #[error("too many logins at once")]
    Busy,
    /// The store can't tell just now.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for FactorError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound("code") => Self::Code,
            StoreError::Conflict(why) => Self::Conflict(why),
            other => Self::Store(other),
        }
    }
}

impl From<LoginError> for FactorError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Busy => Self::Busy,
            LoginError::Store(error) => error.into(),
            _ => Self::Password,
        }
    }
}

/// What an app needs to know, shown once.
#[derive(Clone)]
pub struct Enrolment {
    /// The secret in base 32.
    pub secret: String,
    /// The key URI.
    pub uri: String,
    /// A picture of it, as a data URI.
    pub picture: String,
}

const NONE: FactorError = FactorError::Conflict("there is no second factor");

impl Sessions {
    /// What a code proves of somebody's second factor; nothing when they have none, for then it says nothing.
    pub(super) async fn proof(
        &self,
        home: &Project,
        user: &User,
        code: &str,
        initiator: &Initiator,
    ) -> Result<Option<Proof>, LoginError> {
        let Some(known) = self.store.second_factor(home.id, user.id).await? else {
            return Ok(None);
        };
        if known.confirmed_at.is_none() {
            return Ok(None);
        }
        match read_code(code) {
            None => Err(LoginError::CodeRefused),
            Some(Given::Digits(digits)) => {
                let secret = self.secret(home.id, user.id, &known.secret)?;
                let step = step_of(&secret, digits, known.last_step, self.clock.now());
                step.map(|step| Some(Proof::Step(step))).ok_or(LoginError::CodeRefused)
            }
            Some(Given::Backup(hash)) => {
                let audited = AuditedAction::new(AuditAction::UserBackupCode, user.id.0);
                let entry = Box::new(self.audit.entry(home.id, initiator, audited).await?);
                let whom = Addressee { project: home, user: Some(user.id), email: &user.email };
                let now = self.clock.now();
                let mail = self.mails.write(MailKind::BackupCodeUsed, whom, None, None, now)?;
                Ok(Some(Proof::Backup { hash, entry, mail: Box::new(mail) }))
            }
        }
    }

    fn secret(
        &self,
        project: ProjectId,
        user: UserId,
        sealed: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let opened = self.sealer.open_sealed(project, &factor_row(user), sealed);
        opened.map_err(StoreError::from)
    }

    /// Makes a secret for whoever proves to know the password; it is not asked for before it is confirmed.
    ///
    /// # Errors
    /// When the password is wrong or there is a second factor already.
    pub async fn enrol(&self, person: &Person, password: &str) -> Result<Enrolment, FactorError> {
        let (home, user) = self.account(person).await?;
        if self.proves(home.id, &user.email, password).await?.is_none() {
            return Err(FactorError::Password);
        }
        let secret: [u8; SECRET] = rand::random();
        let sealed = self.sealer.seal(home.id, &factor_row(user.id), &secret);
        let sealed = sealed.map_err(StoreError::from)?;
        self.store.enrol_factor(home.id, user.id, &sealed, self.clock.now()).await?;
        let uri = totp::uri(&secret, &home.name, &user.email);
        Ok(Enrolment { secret: totp::base32(&secret), picture: picture(&uri)?, uri })
    }

    /// Switches a second factor on, for a code of it; answers the backup codes, which are shown this once. All other
    /// sessions end.
    ///
    /// # Errors
    /// When the code is wrong, or nothing waits to be confirmed.
    pub async fn confirm(
        &self,
        person: &Person,
        code: &str,
        initiator: &Initiator,
    ) -> Result<Vec<String>, FactorError> {
        let (home, user) = self.account(person).await?;
        let known = self.store.second_factor(home.id, user.id).await?.ok_or(NONE)?;
        if known.confirmed_at.is_some() {
            return Err(FactorError::Conflict("the second factor is on already"));
        }
        let now = self.clock.now();
        let secret = self.secret(home.id, user.id, &known.secret)?;
        let Some(Given::Digits(digits)) = read_code(code) else { return Err(FactorError::Code) };
        let step = step_of(&secret, digits, known.last_step, now).ok_or(FactorError::Code)?;
        let (texts, hashes) = fresh_codes();
        let ends = Some(Which::AllBut(person.session));
        let (kind, action) = (MailKind::SecondFactorOn, AuditAction::UserFactorOn);
        let change = self.change(&home, &user, kind, action, ends, initiator).await?;
        let (id, sealed) = (user.id, known.secret.as_slice());
        self.store.confirm_factor(home.id, id, sealed, step, hashes, &change, now).await?;
        self.forget();
        Ok(texts)
    }

    /// Makes new backup codes, for the password and a code; those of before are good for nothing.
    ///
    /// # Errors
    /// When either is wrong, or there is no second factor.
    pub async fn renew_codes(
        &self,
        person: &Person,
        password: &str,
        code: &str,
        initiator: &Initiator,
    ) -> Result<Vec<String>, FactorError> {
        let (home, user) = self.account(person).await?;
        let (last, proof) = self.prove_both(&home, &user, password, code, initiator).await?;
        let (texts, hashes) = fresh_codes();
        let (kind, action) = (MailKind::BackupCodesMade, AuditAction::UserBackupCodes);
        let change = self.change(&home, &user, kind, action, None, initiator).await?;
        let now = self.clock.now();
        let renewed = self.store.renew_codes(home.id, user.id, &proof, hashes, &change, now).await;
        self.settle(&home, &user, last, initiator, renewed).await?;
        Ok(texts)
    }

    /// Switches a second factor off, for the password and a code. All other sessions end.
    ///
    /// # Errors
    /// When either is wrong, or there is none.
    pub async fn disable(
        &self,
        person: &Person,
        password: &str,
        code: &str,
        initiator: &Initiator,
    ) -> Result<(), FactorError> {
        let (home, user) = self.account(person).await?;
        let (last, proof) = self.prove_both(&home, &user, password, code, initiator).await?;
        let ends = Some(Which::AllBut(person.session));
        let (kind, action) = (MailKind::SecondFactorOff, AuditAction::UserFactorOff);
        let change = self.change(&home, &user, kind, action, ends, initiator).await?;
        let now = self.clock.now();
        let removed = self.store.remove_factor(home.id, user.id, Some(&proof), &change, now).await;
        self.settle(&home, &user, last, initiator, removed).await?;
        self.forget();
        Ok(())
    }

    /// Switches somebody's second factor off on behalf of an admin; all their sessions end.
    ///
    /// # Errors
    /// When there is none.
    pub async fn reset_factor(
        &self,
        home: &Project,
        user: &User,
        initiator: &Initiator,
    ) -> Result<(), StoreError> {
        let (kind, action) = (MailKind::SecondFactorOff, AuditAction::UserFactorReset);
        let change = self.change(home, user, kind, action, Some(Which::All), initiator).await?;
        self.store.remove_factor(home.id, user.id, None, &change, self.clock.now()).await?;
        self.forget();
        Ok(())
    }

    /// Somebody's own second factor, confirmed or not.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn factor_of(&self, person: &Person) -> Result<Option<SecondFactor>, StoreError> {
        self.store.second_factor(person.project, person.user).await
    }

    async fn account(&self, person: &Person) -> Result<(Project, User), StoreError> {
        let home = self.store.project(person.project).await?;
        Ok((home, self.store.user(person.project, person.user).await?))
    }

    /// Proves a password and reads a code, as one attempt: a wrong one of either counts as a failed login does. Answers
    /// whether it was the last attempt before the account is locked.
    async fn prove_both(
        &self,
        home: &Project,
        user: &User,
        password: &str,
        code: &str,
        initiator: &Initiator,
    ) -> Result<(bool, Proof), FactorError> {
        let last = match self.attempt(home.id, &user.email, password).await? {
            super::logins::Tried::Right(proved) => proved.last,
            super::logins::Tried::Wrong(_, last) => {
                self.note_failure(home.id, user.id, last, initiator).await?;
                return Err(FactorError::Password);
            }
            super::logins::Tried::Nobody => return Err(FactorError::Password),
        };
        match self.proof(home, user, code, initiator).await {
            Ok(Some(proof)) => Ok((last, proof)),
            Ok(None) => {
                self.store.take_back_attempt(home.id, user.id, last).await?;
                Err(NONE)
            }
            Err(LoginError::CodeRefused) => {
                self.note_failure(home.id, user.id, last, initiator).await?;
                Err(FactorError::Code)
            }
            Err(other) => Err(other.into()),
        }
    }

    /// After a change for which both were proved: failures are forgotten, or one more is noted if the code was used.
    async fn settle(
        &self,
        home: &Project,
        user: &User,
        last: bool,
        initiator: &Initiator,
        done: Result<(), StoreError>,
    ) -> Result<(), FactorError> {
        match done {
            Ok(()) => Ok(self.store.forgive(home.id, user.id).await?),
            Err(StoreError::NotFound("code")) => {
                self.note_failure(home.id, user.id, last, initiator).await?;
                Err(FactorError::Code)
            }
            Err(other) => Err(other.into()),
        }
    }

    async fn change(
        &self,
        home: &Project,
        user: &User,
        kind: MailKind,
        action: AuditAction,
        ends: Option<Which>,
        initiator: &Initiator,
    ) -> Result<FactorChange, StoreError> {
        let whom = Addressee { project: home, user: Some(user.id), email: &user.email };
        let after = ends.map(|which| match which {
            Which::AllBut(session) => json!({ "sessions": { "all_but": session } }),
            _ => json!({ "sessions": "all" }),
        });
        let audited = AuditedAction { after, ..AuditedAction::new(action, user.id.0) };
        Ok(FactorChange {
            ends,
            mail: self.mails.write(kind, whom, None, None, self.clock.now())?,
            entry: self.audit.entry(home.id, initiator, audited).await?,
        })
    }
}

fn fresh_codes() -> (Vec<String>, Vec<[u8; 32]>) {
    (0..BACKUP_CODES).map(|_| backup_code(rand::random())).unzip()
}

/// The picture that an app reads, as SVG in a data URI.
fn picture(uri: &str) -> Result<String, StoreError> {
    let code = QrCode::new(uri).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(format!("data:image/svg+xml;base64,{}", STANDARD.encode(drawn)))
}
