//! Registrations: who asked for an account and has not proved the address. They bind nobody: no password is kept, the
//! address stays free for accounts and invitations, and a newer registration takes the place of an older one.

use uuid::Uuid;

use super::audit::note;
use super::engine::{sql, verb};
use super::mails::{NewMail, insert_mail};
use super::members::{NewUser, insert_account};
use super::one_time::{delete_registrations_of, mark_proved};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::ProjectId;
use domain::one_time::TokenKey;
use domain::time::Time;

/// A registration whose address is not proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its id.
    pub id: Uuid,
    /// The address, in its normal form.
    pub email: String,
    /// The name that was given.
    pub full_name: String,
    /// Until when its token is good.
    pub expires_at: Time,
}

type Row = (Uuid, String, String, Time);

fn registration((id, email, full_name, expires_at): Row) -> Registration {
    Registration { id, email, full_name, expires_at }
}

impl Store {
    /// How many registrations of a project wait for their address to be proved.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn open_registrations(&self, project: ProjectId, now: Time) -> Result<i64> {
        self.read(
            "open_registrations",
            verb!(|tx| {
                let (count,) = sql!(
                    tx,
                    fetch_one as (i64,),
                    "SELECT COUNT(*) FROM registrations WHERE project_id = $1 AND expires_at > $2",
                    project,
                    now
                )?;
                Ok(count)
            }),
        )
        .await
    }

    /// Keeps a registration in the place of an older one of the address; `false` when the address has had enough mails,
    /// and then nothing is changed. It raises no epoch: nothing of a project sees it, and strangers must not make work.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn register(
        &self,
        project: ProjectId,
        new: &Registration,
        key: TokenKey,
        mail: &NewMail,
        entry: &Entry,
        now: Time,
    ) -> Result<bool> {
        let kept = (new.clone(), mail.clone(), entry.clone());
        self.write("register", move |tx| {
            let (new, mail, entry) = kept.clone();
            Box::pin(async move {
                // The row of the address is what its mails are counted under.
                let older = sql!(
                    tx, fetch_optional as (Uuid,),
                    lite "SELECT id FROM registrations WHERE project_id = $1 AND email = $2",
                    server "SELECT id FROM registrations WHERE project_id = $1 AND email = $2 FOR UPDATE",
                    project, new.email.clone()
                )?;
                if !insert_mail(tx, project, &mail, now).await? {
                    return Ok(false);
                }
                if older.is_some() {
                    delete_registrations_of(tx, project, &new.email).await?;
                }
                sql!(
                    tx, execute,
                    "INSERT INTO registrations (project_id, id, email, full_name, token_hash, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    project, new.id, new.email.clone(), new.full_name.clone(), key.hash.to_vec(), now, new.expires_at
                )
                // Another one came at the same time: the next try takes its place.
                .map_err(StoreError::again_on_conflict)?;
                note(tx, project, &entry, now).await?;
                Ok(true)
            })
        })
        .await
    }

    /// The registration that this token is good for.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn registration_of(
        &self,
        project: ProjectId,
        key: TokenKey,
        now: Time,
    ) -> Result<Option<Registration>> {
        let row = self
            .read(
                "registration_of",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_optional as Row,
                        "SELECT id, email, full_name, expires_at FROM registrations
                         WHERE project_id = $1 AND id = $2 AND token_hash = $3 AND expires_at > $4",
                        project,
                        key.id,
                        key.hash.to_vec(),
                        now
                    )
                }),
            )
            .await?;
        Ok(row.map(registration))
    }

    /// The registration of that address, ended or not, until it is forgotten.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn registration_by_email(
        &self,
        project: ProjectId,
        email: &str,
    ) -> Result<Option<Registration>> {
        let email = email.to_owned();
        let row = self
            .read("registration_by_email", verb!(|tx, email| {
                sql!(
                    tx, fetch_optional as Row,
                    "SELECT id, email, full_name, expires_at FROM registrations WHERE project_id = $1 AND email = $2",
                    project, email
                )
            }))
            .await?;
        Ok(row.map(registration))
    }

    /// Makes the account that was registered, its address proved and its password that of the user who proved it. It
    /// waits for approval, and raises no epoch.
    ///
    /// # Errors
    /// Not found when the token is not good, or no longer; a conflict when the address has an account by now.
    pub async fn confirm_registration(
        &self,
        project: ProjectId,
        key: TokenKey,
        new: &NewUser,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write("confirm_registration", verb!(|tx, new, entry| {
            let open = sql!(
                tx, execute,
                "DELETE FROM registrations WHERE project_id = $1 AND id = $2 AND token_hash = $3 AND expires_at > $4",
                project, key.id, key.hash.to_vec(), now
            )?;
            if open == 0 {
                return Err(StoreError::NotFound("token"));
            }
            insert_account(tx, project, &new, now).await?;
            mark_proved(tx, project, new.id, now).await?;
            note(tx, project, &entry, now).await
        }))
        .await
    }

    /// Forgets up to `limit` registrations that ended before `before`; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_registrations(&self, before: Time, limit: i64) -> Result<u64> {
        self.write(
            "forget_registrations",
            verb!(|tx| {
                let old = sql!(
                    tx,
                    fetch_all as (ProjectId, Uuid),
                    "SELECT project_id, id FROM registrations WHERE expires_at < $1 LIMIT $2",
                    before,
                    limit
                )?;
                for (project, id) in &old {
                    sql!(
                        tx,
                        execute,
                        "DELETE FROM registrations WHERE project_id = $1 AND id = $2",
                        *project,
                        *id
                    )?;
                }
                Ok(old.len() as u64)
            }),
        )
        .await
    }
}
