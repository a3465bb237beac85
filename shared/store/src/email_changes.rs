//! Addresses that accounts are to have: kept until they are proved by the token that was mailed there.

use uuid::Uuid;

use super::audit::note;
use super::engine::{Tx, sql, verb};
use super::mails::{NewMail, insert_mail};
use super::one_time::delete_registrations_of;
use super::one_time::void_tokens;
use super::users::{judge_proved, lock};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::{ProjectId, UserId};
use domain::one_time::{Purpose, TokenKey};
use domain::time::Time;
use domain::user::UserStatus;

/// An address that is to be proved.
#[derive(Clone, Debug)]
pub struct NewEmail {
    /// The address, in its normal form.
    pub email: String,
    /// The token that proves it.
    pub key: TokenKey,
    /// Until when the token is good.
    pub expires_at: Time,
}

/// What a user asks for who wants another address.
#[derive(Clone, Debug)]
pub struct EmailRequest {
    /// The hash of the password that was proved for it; it must still be the account's.
    pub proved: String,
    /// The address; none when it has an account, whose holder alone is told so.
    pub new: Option<NewEmail>,
    /// The mail to that address.
    pub mail: NewMail,
    /// The mail to the address of now.
    pub notice: NewMail,
}

impl Store {
    /// Keeps the address that an account is to have, in the place of one that was named before, and mails both addresses.
    /// What the user sees does not differ when the address has an account, or has had enough mails: then no token is
    /// kept, and the one of before is gone all the same.
    ///
    /// # Errors
    /// Not found when the account is gone, or has another password by now.
    pub async fn ask_email(
        &self,
        project: ProjectId,
        user: UserId,
        request: &EmailRequest,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (request, entry) = (request.clone(), entry.clone());
        self.write("ask_email", verb!(|tx, request, entry| {
            lock(tx, project, user).await?;
            judge_proved(tx, project, user, &request.proved).await?;
            delete_email_change(tx, project, user).await?;
            let mailed = insert_mail(tx, project, &request.mail, now).await?;
            if let Some(new) = request.new.filter(|_| mailed) {
                sql!(
                    tx, execute,
                    "INSERT INTO email_changes (project_id, user_id, id, email, token_hash, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    project, user, new.key.id, new.email, new.key.hash.to_vec(), now, new.expires_at
                )?;
            }
            insert_mail(tx, project, &request.notice, now).await?;
            note(tx, project, &entry, now).await
        }))
        .await
    }

    /// Whose token this is and which address it proves, as long as it is good and the account works.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn email_change_of(
        &self,
        project: ProjectId,
        key: TokenKey,
        now: Time,
    ) -> Result<Option<(UserId, String)>> {
        self.read("email_change_of", verb!(|tx| {
            sql!(
                tx, fetch_optional as (UserId, String),
                "SELECT u.id, c.email FROM email_changes c JOIN users u ON u.project_id = c.project_id AND u.id = c.user_id
                 WHERE c.project_id = $1 AND c.id = $2 AND c.token_hash = $3 AND c.expires_at > $4
                   AND u.live = $5 AND u.status = $6",
                project, key.id, key.hash.to_vec(), now, Uuid::nil(), UserStatus::Active.number()
            )
        }))
        .await
    }

    /// Gives an account the address that the token proves. Tokens that were mailed to the one of before are good for
    /// nothing then; sessions stay.
    ///
    /// # Errors
    /// Not found when the token is not good, or no longer; a conflict when the address has another account by now.
    pub async fn change_email(
        &self,
        project: ProjectId,
        user: UserId,
        key: TokenKey,
        notice: &NewMail,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (notice, entry) = (notice.clone(), entry.clone());
        self.write("change_email", verb!(|tx, notice, entry| {
            lock(tx, project, user).await?;
            let named = sql!(
                tx, fetch_optional as (String,),
                "SELECT email FROM email_changes
                 WHERE project_id = $1 AND user_id = $2 AND id = $3 AND token_hash = $4 AND expires_at > $5",
                project, user, key.id, key.hash.to_vec(), now
            )?;
            let (email,) = named.ok_or(StoreError::NotFound("token"))?;
            delete_email_change(tx, project, user).await?;
            let changed = sql!(
                tx, execute,
                "UPDATE users SET email = $1, email_verified_at = $2, updated_at = $3
                 WHERE project_id = $4 AND id = $5 AND status = $6",
                email.clone(), now, now, project, user, UserStatus::Active.number()
            )?;
            if changed == 0 {
                return Err(StoreError::NotFound("token"));
            }
            void_tokens(tx, project, user, Purpose::VerifyEmail, now).await?;
            void_tokens(tx, project, user, Purpose::ResetPassword, now).await?;
            delete_registrations_of(tx, project, &email).await?;
            insert_mail(tx, project, &notice, now).await?;
            note(tx, project, &entry, now).await
        }))
        .await
    }

    /// Forgets up to `limit` addresses that were not proved before `before`; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_email_changes(&self, before: Time, limit: i64) -> Result<u64> {
        self.write("forget_email_changes", verb!(|tx| {
            let old = sql!(
                tx,
                fetch_all as (ProjectId, UserId),
                "SELECT project_id, user_id FROM email_changes WHERE expires_at < $1 LIMIT $2",
                before,
                limit
            )?;
            for (project, user) in &old {
                sql!(
                    tx,
                    execute,
                    "DELETE FROM email_changes WHERE project_id = $1 AND user_id = $2 AND expires_at < $3",
                    *project,
                    *user,
                    before
                )?;
            }
            Ok(old.len() as u64)
        }))
        .await
    }
}

/// Deletes the address that an account was to have.
pub(super) async fn delete_email_change(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM email_changes WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )
    .map(|_| ())
}
