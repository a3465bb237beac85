//! Sessions: who is logged in, and the refresh tokens that keep them so.

use uuid::Uuid;

use super::audit::note;
use super::callers::judge_acting_on;
use super::engine::epoch::bump_access;
use super::engine::{sql, verb};
use super::mails::{NewMail, insert_mail};
use super::second_factors::{Proof, is_on, take_proof};
use super::session_ends::end;
pub use super::session_ends::{Ended, Which};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::{ProjectId, UserId};
use domain::project::ProjectStatus;
use domain::time::Time;
use domain::user::UserStatus;

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user: UserId,
    /// The hash of the password that was proved: if the account has another one by now, nothing was.
    pub password: String,
    /// When it ends, whatever happens.
    pub ends_at: Time,
    /// SHA-256 of its first refresh token.
    pub token: [u8; 32],
    /// What tells the device again.
    pub device: [u8; 32],
    /// Where it was begun, sealed with the person's key.
    pub origin: Option<Vec<u8>>,
    /// How its holder proved to have the second factor, if they have one.
    pub proof: Option<Proof>,
    /// What tells its holder of a device that was not seen before.
    pub notice: NewMail,
}

/// What came of beginning a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It began; and whether its holder was mailed that the device is a new one.
    Yes(bool),
    /// There is a second factor, and nothing proves it.
    ProofMissing,
    /// The proof is none, or was used before.
    ProofRefused,
    /// The password was changed, or the account or its project suspended, since the password was proved.
    Overtaken,
}

/// A session as its holder sees it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// When it was begun.
    pub created_at: Time,
    /// When it was last refreshed.
    pub used_at: Time,
    /// When it ends at the latest.
    pub ends_at: Time,
    /// Where it was begun, sealed.
    pub origin: Option<Vec<u8>>,
}

/// What became of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It was taken, and the next one stands in its place.
    Taken(UserId),
    /// It was used before: its session is ended now.
    Reused(UserId),
    /// Its session has ended, or there is none.
    Gone,
}

/// Whether a session holds, as of an access epoch.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Whether it was not ended and its holder is active.
    pub holds: bool,
    /// The epoch that this is true of; read first, so that a change meanwhile leaves it too old.
    pub epoch: i64,
}

impl Store {
    /// Begins a session after a login that succeeded, and mails its holder if the device was not seen before, unless it
    /// is their first login ever.
    ///
    /// # Errors
    /// When the account is gone.
    pub async fn begin_session(
        &self,
        project: ProjectId,
        new: &NewSession,
        entry: &Entry,
        now: Time,
    ) -> Result<Begun> {
        let (new, entry) = (new.clone(), entry.clone());
        let begun = self.write("begin_session", verb!(|tx, new, entry| {
            let before = sql!(
                tx, fetch_optional as (Option<Time>, i16, Option<String>),
                lite "SELECT last_login_at, status, password_hash FROM users WHERE project_id = $1 AND id = $2 AND live = $3",
                server "SELECT last_login_at, status, password_hash FROM users
                        WHERE project_id = $1 AND id = $2 AND live = $3 FOR UPDATE",
                project, new.user, Uuid::nil()
            )?;
            let (last, status, password) = before.ok_or(StoreError::NotFound("user"))?;
            let is_first = last.is_none();
            // A suspension that commits after this read leaves the session with an epoch that no longer counts.
            let home = sql!(
                tx, fetch_optional as (i16, i64),
                "SELECT status, session_epoch FROM projects WHERE id = $1", project
            )?;
            let (project_status, epoch) = home.ok_or(StoreError::NotFound("project"))?;
            if status != UserStatus::Active.number()
                || project_status != ProjectStatus::Active.number()
                || password.as_ref() != Some(&new.password)
            {
                return Ok(Begun::Overtaken);
            }
            match &new.proof {
                Some(proof) => take_proof(tx, project, new.user, proof, now).await?,
                None if is_on(tx, project, new.user).await? => return Ok(Begun::ProofMissing),
                None => {}
            }
            sql!(
                tx, execute,
                "UPDATE users SET failed_logins = 0, locked_until = NULL, last_login_at = $1
                 WHERE project_id = $2 AND id = $3",
                now, project, new.user
            )?;
            let seen = sql!(
                tx, fetch_optional as (Uuid,),
                "SELECT id FROM sessions WHERE project_id = $1 AND user_id = $2 AND device = $3 LIMIT 1",
                project, new.user, new.device.to_vec()
            )?;
            sql!(
                tx, execute,
                "INSERT INTO sessions (project_id, id, user_id, created_at, used_at, ends_at, device, origin, project_epoch)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                project, new.id, new.user, now, now, new.ends_at, new.device.to_vec(), new.origin.clone(), epoch
            )?;
            sql!(
                tx, execute,
                "INSERT INTO refresh_tokens (project_id, session_id, token_hash, created_at) VALUES ($1, $2, $3, $4)",
                project, new.id, new.token.to_vec(), now
            )?;
            note(tx, project, &entry, now).await?;
            let is_new = seen.is_none() && !is_first;
            Ok(Begun::Yes(is_new && insert_mail(tx, project, &new.notice, now).await?))
        }));
        match begun.await {
            // Nothing of it was kept, and the attempt stays counted.
            Err(StoreError::NotFound("code")) => Ok(Begun::ProofRefused),
            other => other,
        }
    }

    /// Takes a refresh token and puts `next` in its place; one that was used before ends the session, with `reuse` in
    /// the log.
    ///
    /// # Errors
    /// When the engine is away.
    #[allow(clippy::too_many_arguments, reason = "each is part of one decision")]
    pub async fn rotate(
        &self,
        project: ProjectId,
        session: Uuid,
        token: [u8; 32],
        next: [u8; 32],
        idle_since: Time,
        reuse: &Entry,
        now: Time,
    ) -> Result<Rotated> {
        let reuse = reuse.clone();
        let rotated = self.write("rotate", verb!(|tx, reuse| {
            // The session's row is changed first: two that come with the same token wait for each other here.
            let held = sql!(
                tx, execute,
                "UPDATE sessions SET used_at = $1
                 WHERE project_id = $2 AND id = $3 AND revoked_at IS NULL AND ends_at > $4 AND used_at > $5
                   AND project_epoch = (SELECT session_epoch FROM projects WHERE id = $6)",
                now, project, session, now, idle_since, project
            )?;
            let owner = sql!(
                tx, fetch_optional as (UserId, i16),
                "SELECT u.id, u.status FROM sessions s JOIN users u ON u.project_id = s.project_id AND u.id = s.user_id
                 WHERE s.project_id = $1 AND s.id = $2",
                project, session
            )?;
            let Some((user, status)) = owner.filter(|_| held == 1) else { return Ok(Rotated::Gone) };
            let known = sql!(
                tx, fetch_optional as (Option<Time>,),
                "SELECT used_at FROM refresh_tokens WHERE project_id = $1 AND session_id = $2 AND token_hash = $3",
                project, session, token.to_vec()
            )?;
            match known {
                None => Err(StoreError::NotFound("refresh token")),
                Some((Some(_),)) => {
                    sql!(
                        tx, execute,
                        "UPDATE sessions SET revoked_at = $1, revoked_for = $2 WHERE project_id = $3 AND id = $4",
                        now, Ended::Reuse.number(), project, session
                    )?;
                    bump_access(tx, project).await?;
                    note(tx, project, &reuse, now).await?;
                    Ok(Rotated::Reused(user))
                }
                Some((None,)) if status != UserStatus::Active.number() => Ok(Rotated::Gone),
                Some((None,)) => {
                    sql!(
                        tx, execute,
                        "UPDATE refresh_tokens SET used_at = $1 WHERE project_id = $2 AND session_id = $3 AND token_hash = $4",
                        now, project, session, token.to_vec()
                    )?;
                    sql!(
                        tx, execute,
                        "INSERT INTO refresh_tokens (project_id, session_id, token_hash, created_at) VALUES ($1, $2, $3, $4)",
                        project, session, next.to_vec(), now
                    )?;
                    Ok(Rotated::Taken(user))
                }
            }
        }));
        match rotated.await {
            // Whoever guesses at tokens of a session that they know of changes nothing.
            Err(StoreError::NotFound(_)) => Ok(Rotated::Gone),
            other => other,
        }
    }

    /// Whether a session holds.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn standing(
        &self,
        project: ProjectId,
        session: Uuid,
        user: UserId,
        now: Time,
    ) -> Result<Standing> {
        self.read("standing", verb!(|tx| {
            let head = sql!(
                tx,
                fetch_optional as (i64, i16, i64),
                "SELECT access_epoch, status, session_epoch FROM projects WHERE id = $1",
                project
            )?;
            let (epoch, status, session_epoch) = head.ok_or(StoreError::NotFound("project"))?;
            let gone = status == ProjectStatus::Archived.number();
            let found = sql!(
                tx, fetch_optional as (i16,),
                "SELECT u.status FROM sessions s JOIN users u ON u.project_id = s.project_id AND u.id = s.user_id
                 WHERE s.project_id = $1 AND s.id = $2 AND s.user_id = $3 AND s.revoked_at IS NULL AND s.ends_at > $4
                   AND u.live = $5 AND s.project_epoch = $6",
                project, session, user, now, Uuid::nil(), session_epoch
            )?;
            let active = found.is_some_and(|(status,)| status == UserStatus::Active.number());
            let holds = active && !gone;
            Ok(Standing { holds, epoch })
        }))
        .await
    }

    /// Somebody's sessions that hold, newest first.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn sessions(
        &self,
        project: ProjectId,
        user: UserId,
        idle_since: Time,
        now: Time,
    ) -> Result<Vec<Session>> {
        let rows = self
            .read("sessions", verb!(|tx| {
                sql!(
                    tx, fetch_all as (Uuid, Time, Time, Time, Option<Vec<u8>>),
                    "SELECT id, created_at, used_at, ends_at, origin FROM sessions
                     WHERE project_id = $1 AND user_id = $2 AND revoked_at IS NULL AND ends_at > $3 AND used_at > $4
                       AND project_epoch = (SELECT session_epoch FROM projects WHERE id = $5)
                     ORDER BY id DESC LIMIT 200",
                    project, user, now, idle_since, project
                )
            }))
            .await?;
        let session = |(id, created_at, used_at, ends_at, origin)| Session {
            id,
            created_at,
            used_at,
            ends_at,
            origin,
        };
        Ok(rows.into_iter().map(session).collect())
    }

    /// Ends sessions of somebody: one, or all but `spared`. Answers how many that were.
    ///
    /// # Errors
    /// When the engine is away, or the caller may not act on this account.
    pub async fn end_sessions(
        &self,
        project: ProjectId,
        user: UserId,
        which: Which,
        why: Ended,
        entry: &Entry,
        now: Time,
    ) -> Result<u64> {
        let entry = entry.clone();
        self.write(
            "end_sessions",
            verb!(|tx, entry| {
                // Those who end their own sessions are not judged.
                if entry.requester.is_some() {
                    judge_acting_on(tx, project, user, false, &mut entry, now).await?;
                }
                let ended = end(tx, project, user, which, why, now).await?;
                if ended > 0 {
                    note(tx, project, &entry, now).await?;
                }
                Ok(ended)
            }),
        )
        .await
    }

    /// Forgets up to `limit` sessions that ended before `before`, with their tokens.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_sessions(&self, before: Time, limit: i64) -> Result<u64> {
        self.write(
            "forget_sessions",
            verb!(|tx| {
                let old = sql!(
                    tx,
                    fetch_all as (ProjectId, Uuid),
                    "SELECT project_id, id FROM sessions WHERE ends_at < $1 LIMIT $2",
                    before,
                    limit
                )?;
                for (project, id) in &old {
                    sql!(
                        tx,
                        execute,
                        "DELETE FROM sessions WHERE project_id = $1 AND id = $2",
                        *project,
                        *id
                    )?;
                }
                Ok(old.len() as u64)
            }),
        )
        .await
    }

    /// The keys that sign access tokens, newest first, sealed.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn signing_keys(&self) -> Result<Vec<(Uuid, Vec<u8>)>> {
        self.read(
            "signing_keys",
            verb!(|tx| {
                sql!(
                    tx,
                    fetch_all as (Uuid, Vec<u8>),
                    "SELECT id, secret FROM signing_keys WHERE retired_at IS NULL ORDER BY id DESC"
                )
            }),
        )
        .await
    }

    /// Adds a key that signs from now on. Others are retired once they were succeeded before `succeeded`, for then
    /// nothing that they signed holds any more; without it, all of them at once.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn add_signing_key(
        &self,
        id: Uuid,
        secret: &[u8],
        succeeded: Option<Time>,
        now: Time,
    ) -> Result<()> {
        let secret = secret.to_vec();
        self.write("add_signing_key", verb!(|tx, secret| {
            let before = match succeeded {
                None => Some(id),
                Some(succeeded) => sql!(
                    tx, fetch_optional as (Uuid,),
                    "SELECT id FROM signing_keys WHERE retired_at IS NULL AND created_at < $1 ORDER BY id DESC LIMIT 1",
                    succeeded
                )?
                .map(|(id,)| id),
            };
            if let Some(before) = before {
                sql!(
                    tx,
                    execute,
                    "UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL AND id < $2",
                    now,
                    before
                )?;
            }
            sql!(
                tx,
                execute,
                "INSERT INTO signing_keys (id, secret, created_at) VALUES ($1, $2, $3)",
                id,
                secret,
                now
            )
            .map(|_| ())
        }))
        .await
    }
}
