//! How people come in and back in: asking for an account, proving an address, being let in, a new password.

use serde_json::json;
use uuid::Uuid;

use super::audit::note;
use super::callers::{given_by, judge_acting_on};
use super::email_changes::delete_email_change;
use super::engine::epoch::{bump_access, bump_epoch};
use super::engine::{Tx, sql, verb};
use super::mails::{NewMail, delete_mails_of, insert_mail};
use super::members::give_roles;
use super::one_time::{NewToken, delete_tokens_of, insert_token, use_token, void_tokens};
use super::second_factors::delete_factor;
use super::session_ends::{Ended, Which, end};
use super::settings::within_plan;
use super::users::{judge_proved, live_user, lock, touch};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::{ProjectId, UserId};
use domain::one_time::{Purpose, TokenKey};
use domain::permission::MEMBER;
use domain::plan::PlanLimit;
use domain::time::Time;
use domain::user::UserStatus;

/// A new password, and what goes with it.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Its hash.
    pub hash: String,
    /// The mailed token that it is set with, which proves the address too; none when its holder is logged in.
    pub token: Option<TokenKey>,
    /// The hash of the password that was proved for it; it must still be the account's.
    pub proved: Option<String>,
    /// The sessions that end.
    pub ends: Which,
    /// The mail that tells of it.
    pub notice: NewMail,
}

impl Store {
    /// How many accounts of a project wait for approval.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn pending_users(&self, project: ProjectId) -> Result<i64> {
        self.read("pending_users", verb!(|tx| {
            let (count,) = sql!(
                tx,
                fetch_one as (i64,),
                "SELECT COUNT(*) FROM users WHERE project_id = $1 AND live = $2 AND status = $3",
                project,
                Uuid::nil(),
                UserStatus::Pending.number()
            )?;
            Ok(count)
        }))
        .await
    }

    /// Mails something to an account that a stranger asked for, with the token that it has, unless the address has had
    /// enough. Answers whether it did.
    ///
    /// # Errors
    /// When the account is not there.
    pub async fn mail_account(
        &self,
        project: ProjectId,
        user: UserId,
        token: Option<NewToken>,
        mail: &NewMail,
        entry: Option<&Entry>,
        now: Time,
    ) -> Result<bool> {
        let (mail, entry) = (mail.clone(), entry.cloned());
        self.write(
            "mail_account",
            verb!(|tx, mail, entry| {
                lock(tx, project, user).await?;
                if !insert_mail(tx, project, &mail, now).await? {
                    return Ok(false);
                }
                if let Some(token) = &token {
                    insert_token(tx, project, token, now).await?;
                }
                if let Some(entry) = &entry {
                    note(tx, project, entry, now).await?;
                }
                Ok(true)
            }),
        )
        .await
    }

    /// Notes that an address is somebody's, by the token that was mailed there.
    ///
    /// # Errors
    /// Not found when the token is not good, or no longer.
    pub async fn verify_email(
        &self,
        project: ProjectId,
        user: UserId,
        key: TokenKey,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let entry = entry.clone();
        self.write(
            "verify_email",
            verb!(|tx, entry| {
                touch(tx, project, user, now).await?;
                use_token(tx, project, key, Purpose::VerifyEmail, now).await?;
                prove_address(tx, project, user, now).await?;
                void_tokens(tx, project, user, Purpose::VerifyEmail, now).await?;
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }

    /// Approves an account that waits and whose address is proved, with these roles, or with those that it has; one that
    /// has none becomes a member. One that was approved before stays as it is; to set its roles is another thing.
    ///
    /// # Errors
    /// When it or a role is not there; a conflict when it is suspended, its address is not proved, or it was approved and
    /// there are roles to set; when the caller may not, or may not give these.
    pub async fn approve_user(
        &self,
        project: ProjectId,
        user: UserId,
        roles: Option<&[String]>,
        mail: &NewMail,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let kept = (roles.map(<[String]>::to_vec), mail.clone(), entry.clone());
        self.write("approve_user", move |tx| {
            let (roles, mail, mut entry) = kept.clone();
            Box::pin(async move {
                bump_epoch(tx, project).await?;
                let account = judge_acting_on(tx, project, user, false, &mut entry, now).await?;
                let found = live_user(tx, project, user).await?;
                let found = found.ok_or(StoreError::NotFound("user"))?;
                if !found.status.may_be_approved(roles.is_some()).map_err(StoreError::Conflict)? {
                    return Ok(());
                }
                if found.email_verified_at.is_none() {
                    // Its password may be that of somebody who only knew the address. Older builds made such accounts.
                    return Err(StoreError::Conflict(
                        "the address of this account was never proved: delete the account, and invite the address",
                    ));
                }
                within_plan(tx, project, PlanLimit::Users).await?;
                touch(tx, project, user, now).await?;
                sql!(
                    tx,
                    execute,
                    "UPDATE users SET status = $1 WHERE project_id = $2 AND id = $3",
                    UserStatus::Active.number(),
                    project,
                    user
                )?;
                if let Some(roles) = &roles {
                    let given = given_by(&account.roles, roles)?;
                    account.caller.may_give(&account.grants, &given)?;
                }
                let is_member = |(name, ..): &(String, Vec<String>, _)| name == MEMBER;
                let roles = match roles {
                    None if account.role_names.is_empty()
                        && account.roles.values().any(is_member) =>
                    {
                        Some(vec![MEMBER.to_owned()])
                    }
                    other => other,
                };
                match &roles {
                    Some(roles) => give_roles(tx, project, user, roles).await?,
                    None => bump_access(tx, project).await?,
                }
                entry.after = Some(json!({ "roles": roles.unwrap_or(account.role_names) }));
                insert_mail(tx, project, &mail, now).await?;
                note(tx, project, &entry, now).await
            })
        })
        .await
    }

    /// Changes somebody's password and ends their sessions, together: a death in between would leave whoever knows the
    /// old one logged in. Failures and the lock that follows from them are forgotten.
    ///
    /// # Errors
    /// When they are not there; not found as well when the token is not good, or no longer, or when the password that was
    /// proved is not theirs any more.
    pub async fn set_password(
        &self,
        project: ProjectId,
        user: UserId,
        new: &NewPassword,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write(
            "set_password",
            verb!(|tx, new, entry| {
                touch(tx, project, user, now).await?;
                if let Some(proved) = &new.proved {
                    judge_proved(tx, project, user, proved).await?;
                }
                if let Some(key) = new.token {
                    use_token(tx, project, key, Purpose::ResetPassword, now).await?;
                    prove_address(tx, project, user, now).await?;
                }
                void_tokens(tx, project, user, Purpose::ResetPassword, now).await?;
                // Another address may have been named by whoever knew the old password.
                delete_email_change(tx, project, user).await?;
                sql!(
                    tx,
                    execute,
                    "UPDATE users SET password_hash = $1, failed_logins = 0, locked_until = NULL
                     WHERE project_id = $2 AND id = $3",
                    new.hash.clone(),
                    project,
                    user
                )?;
                end(tx, project, user, new.ends, Ended::Password, now).await?;
                insert_mail(tx, project, &new.notice, now).await?;
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }
}

/// Notes when an address was first proved.
async fn prove_address(tx: &mut Tx, project: ProjectId, user: UserId, now: Time) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE users SET email_verified_at = $1
         WHERE project_id = $2 AND id = $3 AND email_verified_at IS NULL",
        now,
        project,
        user
    )
    .map(|_| ())
}

/// Deletes every way in that somebody has besides their password, and every mail to them: open invitations to their
/// address and registrations of it, tokens, the second factor. For deleting an account and for forgetting whose it was; the address must still
/// stand there.
pub(super) async fn delete_ways_in(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM invitations WHERE project_id = $1
           AND email = (SELECT email FROM users WHERE project_id = $2 AND id = $3)",
        project,
        project,
        user
    )?;
    sql!(
        tx,
        execute,
        "DELETE FROM registrations WHERE project_id = $1
           AND email = (SELECT email FROM users WHERE project_id = $2 AND id = $3)",
        project,
        project,
        user
    )?;
    delete_email_change(tx, project, user).await?;
    delete_tokens_of(tx, project, user).await?;
    delete_factor(tx, project, user).await?;
    delete_mails_of(tx, project, user).await
}
