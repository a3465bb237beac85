//! Invitations that are open. One that is accepted or taken back goes: the audit log remembers it.

use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::callers::{authority, caller, judge_giving};
use super::engine::epoch::bump_epoch;
use super::engine::{sql, verb};
use super::mails::{NewMail, insert_mail};
use super::members::{NewUser, insert_user};
use super::one_time::mark_proved;
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::authority::{Need, Requester, Target};
use domain::id::{ProjectId, UserId};
use domain::one_time::TokenKey;
use domain::time::Time;

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: Uuid,
    /// Who is invited, by their address in its normal form.
    pub email: String,
    /// What they are called, if it was said.
    pub full_name: Option<String>,
    /// The names of the roles that they get.
    pub roles: Vec<String>,
    /// Who invited them, if it was a person.
    pub invited_by: Option<UserId>,
    /// When.
    pub created_at: Time,
    /// Until when it is good.
    pub expires_at: Time,
}

type Row = (Uuid, String, Option<String>, Json<Vec<String>>, Option<UserId>, Time, Time);

fn invitation(row: Row) -> Invitation {
    let (id, email, full_name, Json(roles), invited_by, created_at, expires_at) = row;
    Invitation { id, email, full_name, roles, invited_by, created_at, expires_at }
}

impl Store {
    /// Keeps an invitation in the place of an older one to the same address; `false` when the address has had enough
    /// mails, and then nothing is changed.
    ///
    /// # Errors
    /// A conflict when there is an account of that address; when the caller may not, or may not give these roles.
    pub async fn invite(
        &self,
        project: ProjectId,
        new: &Invitation,
        key: TokenKey,
        mail: &NewMail,
        entry: &Entry,
        now: Time,
    ) -> Result<bool> {
        let kept = (new.clone(), mail.clone(), entry.clone());
        self.write("invite", move |tx| {
            let (new, mail, mut entry) = kept.clone();
            Box::pin(async move {
                // Whoever makes accounts or changes roles takes the epoch too: what is read here stays so, and two
                // invitations to one address wait for each other.
                bump_epoch(tx, project).await?;
                let caller = caller(tx, &mut entry, now).await?;
                judge_giving(tx, project, &caller, &new.roles).await?;
                let taken = sql!(
                    tx, fetch_optional as (UserId,),
                    "SELECT id FROM users WHERE project_id = $1 AND email = $2 AND live = $3",
                    project, new.email.clone(), Uuid::nil()
                )?;
                if taken.is_some() {
                    return Err(StoreError::Conflict("email: an account of that address is there already"));
                }
                if !insert_mail(tx, project, &mail, now).await? {
                    return Ok(false);
                }
                sql!(
                    tx, execute,
                    "DELETE FROM invitations WHERE project_id = $1 AND email = $2", project, new.email.clone()
                )?;
                sql!(
                    tx, execute,
                    "INSERT INTO invitations (project_id, id, email, full_name, roles, token_hash, invited_by, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    project, new.id, new.email.clone(), new.full_name.clone(), Json(new.roles.clone()), key.hash.to_vec(),
                    new.invited_by, now, new.expires_at
                )?;
                note(tx, project, &entry, now).await?;
                Ok(true)
            })
        })
        .await
    }

    /// The open invitations of a project, newest first, from before `before`; those that have ended too, until they are
    /// forgotten.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn invitations(
        &self,
        project: ProjectId,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Invitation>> {
        let rows = self
            .read("invitations", verb!(|tx| {
                sql!(
                    tx, fetch_all as Row,
                    "SELECT id, email, full_name, roles, invited_by, created_at, expires_at FROM invitations
                     WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                    project, before.unwrap_or(Uuid::max()), limit
                )
            }))
            .await?;
        Ok(rows.into_iter().map(invitation).collect())
    }

    /// The invitation that this token is good for.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn invitation_of(
        &self,
        project: ProjectId,
        key: TokenKey,
        now: Time,
    ) -> Result<Option<Invitation>> {
        let row = self
            .read("invitation_of", verb!(|tx| {
                sql!(
                    tx, fetch_optional as Row,
                    "SELECT id, email, full_name, roles, invited_by, created_at, expires_at FROM invitations
                     WHERE project_id = $1 AND id = $2 AND token_hash = $3 AND expires_at > $4",
                    project, key.id, key.hash.to_vec(), now
                )
            }))
            .await?;
        Ok(row.map(invitation))
    }

    /// Creates the account that an invitation is for, its address proved, and takes the invitation away. It gives what
    /// the account that invited may give now: rights that are taken from it don't live on in its invitations.
    ///
    /// # Errors
    /// Not found when the invitation is not good, or no longer, or a role is not there; a conflict when the address has
    /// an account by now; when the account that invited may not do so any more.
    pub async fn accept_invitation(
        &self,
        project: ProjectId,
        key: TokenKey,
        invited_by: Option<UserId>,
        new: &NewUser,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write("accept_invitation", verb!(|tx, new, entry| {
            bump_epoch(tx, project).await?;
            let open = sql!(
                tx, execute,
                "DELETE FROM invitations WHERE project_id = $1 AND id = $2 AND token_hash = $3 AND expires_at > $4",
                project, key.id, key.hash.to_vec(), now
            )?;
            if open == 0 {
                return Err(StoreError::NotFound("token"));
            }
            if let Some(user) = invited_by {
                let needs = Need::to_invite(!new.roles.is_empty());
                let requester = Requester { project, user, session: None, needs };
                let caller = authority(tx, &requester, now).await?;
                judge_giving(tx, project, &caller, &new.roles).await?;
            }
            insert_user(tx, project, &new, now).await?;
            mark_proved(tx, project, new.id, now).await?;
            note(tx, project, &entry, now).await
        }))
        .await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn revoke_invitation(
        &self,
        project: ProjectId,
        id: Uuid,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let entry = entry.clone();
        self.write(
            "revoke_invitation",
            verb!(|tx, entry| {
                // The epoch comes first: accepting an invitation holds it before the row is deleted.
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let gone = sql!(
                    tx,
                    execute,
                    "DELETE FROM invitations WHERE project_id = $1 AND id = $2",
                    project,
                    id
                )?;
                if gone == 0 {
                    return Err(StoreError::NotFound("invitation"));
                }
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }

    /// Forgets up to `limit` invitations that ended before `before`; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_invitations(&self, before: Time, limit: i64) -> Result<u64> {
        self.write(
            "forget_invitations",
            verb!(|tx| {
                let old = sql!(
                    tx,
                    fetch_all as (ProjectId, Uuid),
                    "SELECT project_id, id FROM invitations WHERE expires_at < $1 LIMIT $2",
                    before,
                    limit
                )?;
                for (project, id) in &old {
                    sql!(
                        tx,
                        execute,
                        "DELETE FROM invitations WHERE project_id = $1 AND id = $2",
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
