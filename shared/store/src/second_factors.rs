//! Second factors: the sealed secret, the last step that was used, and the hashes of backup codes.

use super::audit::note;
use super::callers::judge_acting_on;
use super::engine::{Tx, insert, sql, verb};
use super::mails::{NewMail, insert_mail};
use super::session_ends::{Ended, Which, end};
use super::users::lock;
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::{ProjectId, UserId};
use domain::time::Time;

/// A second factor as it is kept.
#[derive(Clone, Debug)]
pub struct SecondFactor {
    /// Its secret, sealed.
    pub secret: Vec<u8>,
    /// The step of the last code that was used; none at or before it is good.
    pub last_step: i64,
    /// When its holder proved to have it; before that it is not asked for.
    pub confirmed_at: Option<Time>,
    /// How many backup codes are left.
    pub codes_left: i64,
}

/// How somebody proved that they have the second factor.
#[derive(Clone, Debug)]
pub enum Proof {
    /// By the code of this step.
    Step(i64),
    /// By the backup code of this hash; the log and a mail tell of it.
    Backup {
        /// The hash.
        hash: [u8; 32],
        /// What is written down.
        entry: Box<Entry>,
        /// The mail.
        mail: Box<NewMail>,
    },
}

/// What a change to somebody's second factor does besides.
#[derive(Clone, Debug)]
pub struct FactorChange {
    /// The sessions that end.
    pub ends: Option<Which>,
    /// The mail that tells of it.
    pub mail: NewMail,
    /// What is written down.
    pub entry: Entry,
}

impl Store {
    /// Somebody's second factor, confirmed or not.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn second_factor(
        &self,
        project: ProjectId,
        user: UserId,
    ) -> Result<Option<SecondFactor>> {
        self.read("second_factor", verb!(|tx| {
            let row = sql!(
                tx, fetch_optional as (Vec<u8>, i64, Option<Time>, i64),
                "SELECT f.secret, f.last_step, f.confirmed_at,
                        (SELECT COUNT(*) FROM backup_codes c
                         WHERE c.project_id = f.project_id AND c.user_id = f.user_id AND c.used_at IS NULL)
                 FROM second_factors f WHERE f.project_id = $1 AND f.user_id = $2",
                project, user
            )?;
            Ok(row.map(|(secret, last_step, confirmed_at, codes_left)| SecondFactor {
                secret,
                last_step,
                confirmed_at,
                codes_left,
            }))
        }))
        .await
    }

    /// Keeps a secret that is to be confirmed, in the place of one that was not.
    ///
    /// # Errors
    /// When the account is not there; a conflict when it has a second factor.
    pub async fn enrol_factor(
        &self,
        project: ProjectId,
        user: UserId,
        secret: &[u8],
        now: Time,
    ) -> Result<()> {
        let secret = secret.to_vec();
        self.write("enrol_factor", verb!(|tx, secret| {
            lock(tx, project, user).await?;
            if is_on(tx, project, user).await? {
                return Err(StoreError::Conflict("there is a second factor; switch it off first"));
            }
            delete_factor(tx, project, user).await?;
            sql!(
                tx, execute,
                "INSERT INTO second_factors (project_id, user_id, secret, last_step, created_at) VALUES ($1, $2, $3, 0, $4)",
                project, user, secret, now
            )
            .map(|_| ())
        }))
        .await
    }

    /// Switches a second factor on whose holder gave the code of `step`, with these backup codes; all other sessions end.
    ///
    /// # Errors
    /// A conflict when it is on already, or its secret is another one by now.
    #[allow(clippy::too_many_arguments, reason = "each is part of one audited")]
    pub async fn confirm_factor(
        &self,
        project: ProjectId,
        user: UserId,
        secret: &[u8],
        step: i64,
        codes: Vec<[u8; 32]>,
        change: &FactorChange,
        now: Time,
    ) -> Result<()> {
        let kept = (secret.to_vec(), codes, change.clone());
        self.write("confirm_factor", move |tx| {
            let (secret, codes, change) = kept.clone();
            Box::pin(async move {
                lock(tx, project, user).await?;
                let confirmed = sql!(
                    tx, execute,
                    "UPDATE second_factors SET confirmed_at = $1, last_step = $2
                     WHERE project_id = $3 AND user_id = $4 AND confirmed_at IS NULL AND secret = $5",
                    now, step, project, user, secret
                )?;
                if confirmed == 0 {
                    return Err(StoreError::Conflict("there is no second factor that waits to be confirmed"));
                }
                insert_codes(tx, project, user, &codes, now).await?;
                tell(tx, project, user, &change, now).await
            })
        })
        .await
    }

    /// Gives somebody new backup codes, for a proof; those of before are good for nothing.
    ///
    /// # Errors
    /// Not found when the proof is none, or was used meanwhile.
    pub async fn renew_codes(
        &self,
        project: ProjectId,
        user: UserId,
        proof: &Proof,
        codes: Vec<[u8; 32]>,
        change: &FactorChange,
        now: Time,
    ) -> Result<()> {
        let kept = (proof.clone(), codes, change.clone());
        self.write("renew_codes", move |tx| {
            let (proof, codes, change) = kept.clone();
            Box::pin(async move {
                lock(tx, project, user).await?;
                take_proof(tx, project, user, &proof, now).await?;
                insert_codes(tx, project, user, &codes, now).await?;
                tell(tx, project, user, &change, now).await
            })
        })
        .await
    }

    /// Switches somebody's second factor off: for a proof, or without one on behalf of an admin.
    ///
    /// # Errors
    /// Not found when there is none, or the proof is none; when the caller may not act on the account.
    pub async fn remove_factor(
        &self,
        project: ProjectId,
        user: UserId,
        proof: Option<&Proof>,
        change: &FactorChange,
        now: Time,
    ) -> Result<()> {
        let kept = (proof.cloned(), change.clone());
        self.write("remove_factor", move |tx| {
            let (proof, mut change) = kept.clone();
            Box::pin(async move {
                if proof.is_none() {
                    judge_acting_on(tx, project, user, false, &mut change.entry, now).await?;
                }
                lock(tx, project, user).await?;
                match &proof {
                    Some(proof) => take_proof(tx, project, user, proof, now).await?,
                    None if is_on(tx, project, user).await? => {}
                    None => return Err(StoreError::NotFound("second factor")),
                }
                delete_factor(tx, project, user).await?;
                tell(tx, project, user, &change, now).await
            })
        })
        .await
    }
}

/// Whether a second factor is asked for.
pub(super) async fn is_on(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<bool> {
    let row = sql!(
        tx,
        fetch_optional as (UserId,),
        "SELECT user_id FROM second_factors WHERE project_id = $1 AND user_id = $2 AND confirmed_at IS NOT NULL",
        project,
        user
    )?;
    Ok(row.is_some())
}

/// Uses a proof up; not found when it is none, or was used before. Whoever comes twice with the same waits here.
pub(super) async fn take_proof(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    proof: &Proof,
    now: Time,
) -> Result<()> {
    let taken = match proof {
        Proof::Step(step) => sql!(
            tx, execute,
            "UPDATE second_factors SET last_step = $1
             WHERE project_id = $2 AND user_id = $3 AND confirmed_at IS NOT NULL AND last_step < $4",
            *step, project, user, *step
        )?,
        Proof::Backup { hash, .. } => sql!(
            tx, execute,
            "UPDATE backup_codes SET used_at = $1
             WHERE project_id = $2 AND user_id = $3 AND code_hash = $4 AND used_at IS NULL",
            now, project, user, hash.to_vec()
        )?,
    };
    if taken == 0 {
        return Err(StoreError::NotFound("code"));
    }
    if let Proof::Backup { entry, mail, .. } = proof {
        insert_mail(tx, project, mail, now).await?;
        note(tx, project, entry, now).await?;
    }
    Ok(())
}

/// Deletes somebody's second factor and its backup codes.
pub(super) async fn delete_factor(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM backup_codes WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )?;
    sql!(
        tx,
        execute,
        "DELETE FROM second_factors WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )
    .map(|_| ())
}

/// Puts these codes in the place of all others.
async fn insert_codes(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    codes: &[[u8; 32]],
    now: Time,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM backup_codes WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )?;
    insert!(tx, "INSERT INTO backup_codes (project_id, user_id, code_hash, created_at)", codes, "", {
        ProjectId = |_code| project,
        UserId = |_code| user,
        Vec<u8> = |code| code.to_vec(),
        Time = |_code| now,
    });
    Ok(())
}

async fn tell(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    change: &FactorChange,
    now: Time,
) -> Result<()> {
    if let Some(which) = change.ends {
        end(tx, project, user, which, Ended::SecondFactor, now).await?;
    }
    insert_mail(tx, project, &change.mail, now).await?;
    note(tx, project, &change.entry, now).await
}
