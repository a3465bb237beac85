//! Mails: kept by the transaction that causes them, taken by the due loop, and empty once they are sent.

use uuid::Uuid;

use super::due::{Due, DueKind, delete_due, insert_due};
use super::engine::{Tx, sql};
use super::{Result, Store};
use domain::id::{ProjectId, UserId};
use domain::mail::{COUNTED, Handed, MailKind, MailState};
use domain::time::Time;

/// A mail that is to be kept.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// Its id.
    pub id: Uuid,
    /// The account that it is about, if there is one.
    pub user: Option<UserId>,
    /// What it is about.
    pub kind: MailKind,
    /// A hash of the address, by which mails to it are counted.
    pub address: Vec<u8>,
    /// What it says and to whom, sealed.
    pub content: Vec<u8>,
    /// How many of its kind, and of those that are limited with it, an address gets within an hour.
    pub per_hour: i64,
}

/// A mail that its holder is to hand over.
#[derive(Clone, Debug)]
pub struct ClaimedMail {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub kind: MailKind,
    /// Which attempt this is, from 1.
    pub number: i64,
    /// What it says and to whom, sealed.
    pub content: Vec<u8>,
    /// When it was written.
    pub created_at: Time,
}

/// Keeps a mail, due at once; `false` when its address has had enough. Whoever calls this has locked something that all
/// mails of its kind to the address go by, like the account, so that no two are counted at once.
pub(super) async fn insert_mail(
    tx: &mut Tx,
    project: ProjectId,
    mail: &NewMail,
    now: Time,
) -> Result<bool> {
    if let Some((least, most)) = mail.kind.limited_with() {
        let (sent,) = sql!(
            tx,
            fetch_one as (i64,),
            "SELECT COUNT(*) FROM mails WHERE project_id = $1 AND address = $2 AND created_at > $3 AND kind >= $4 AND kind <= $5",
            project,
            mail.address.clone(),
            now.minus(COUNTED),
            least,
            most
        )?;
        if sent >= mail.per_hour {
            return Ok(false);
        }
    }
    sql!(
        tx, execute,
        "INSERT INTO mails (project_id, id, user_id, kind, address, content, state, attempts, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)",
        project, mail.id, mail.user, mail.kind.number(), mail.address.clone(), mail.content.clone(),
        MailState::Waiting.number(), now, now
    )?;
    let due = Due { project, kind: DueKind::Mail, row: mail.id, at: now, data: None };
    insert_due(tx, &[due]).await?;
    Ok(true)
}

/// Deletes every mail to somebody, sent or not: for forgetting them.
pub(super) async fn delete_mails_of(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    let ids = sql!(
        tx,
        fetch_all as (Uuid,),
        "SELECT id FROM mails WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )?;
    let due: Vec<_> = ids.into_iter().map(|(id,)| (project, DueKind::Mail, id)).collect();
    delete_due(tx, &due).await?;
    sql!(tx, execute, "DELETE FROM mails WHERE project_id = $1 AND user_id = $2", project, user)
        .map(|_| ())
}

type Row = (i16, i64, Option<Vec<u8>>, Time);

/// Claims mails that were due until `until`, when they are due again. One that was claimed `allowed` times and never came
/// of it is given up.
pub(super) async fn claim_mails(
    tx: &mut Tx,
    project: ProjectId,
    due: &[Uuid],
    until: Time,
    allowed: i64,
    now: Time,
) -> Result<Vec<ClaimedMail>> {
    let mut claimed = Vec::with_capacity(due.len());
    for id in due.iter().copied() {
        let touched = sql!(
            tx,
            execute,
            "UPDATE mails SET state = $1, attempts = attempts + 1, updated_at = $2
             WHERE project_id = $3 AND id = $4 AND state <= $5",
            MailState::Sending.number(),
            now,
            project,
            id,
            MailState::Sending.number()
        )?;
        if touched == 0 {
            continue;
        }
        let row = sql!(
            tx,
            fetch_optional as Row,
            "SELECT kind, attempts, content, created_at FROM mails WHERE project_id = $1 AND id = $2",
            project,
            id
        )?;
        let Some((kind, number, content, created_at)) = row else { continue };
        // A kind that only a newer build knows is sent all the same: what it says stands in it.
        let kind = MailKind::from_number(kind).unwrap_or(MailKind::NewDevice);
        match content.filter(|_| number <= allowed) {
            Some(content) => {
                let due = Due { project, kind: DueKind::Mail, row: id, at: until, data: None };
                insert_due(tx, &[due]).await?;
                claimed.push(ClaimedMail { id, kind, number, content, created_at });
            }
            None => {
                end(tx, project, id, MailState::Dead, Some("no worker lived to hand it over"), now)
                    .await?
            }
        }
    }
    Ok(claimed)
}

/// Empties a mail of which nothing more comes.
async fn end(
    tx: &mut Tx,
    project: ProjectId,
    id: Uuid,
    state: MailState,
    reason: Option<&str>,
    now: Time,
) -> Result<()> {
    let reason =
        reason.map(|text| text.chars().filter(|c| *c != '\0').take(500).collect::<String>());
    sql!(
        tx, execute,
        "UPDATE mails SET state = $1, content = NULL, reason = $2, updated_at = $3 WHERE project_id = $4 AND id = $5",
        state.number(), reason, now, project, id
    )
    .map(|_| ())
}

impl Store {
    /// Records what came of the `number`th attempt at a mail. A failure counts only while nobody else has tried since.
    ///
    /// # Errors
    /// When the engine is away: then it is due again, and handed over again.
    pub async fn settle_mail(
        &self,
        project: ProjectId,
        id: Uuid,
        number: i64,
        handed: &Handed,
        now: Time,
    ) -> Result<()> {
        let handed = handed.clone();
        self.write("settle_mail", move |tx| {
            let handed = handed.clone();
            Box::pin(async move {
                let any = matches!(handed, Handed::Sent);
                let (state, attempts) = sql!(
                    tx, fetch_optional as (i16, i64),
                    "SELECT state, attempts FROM mails WHERE project_id = $1 AND id = $2", project, id
                )?
                .unwrap_or_default();
                if state != MailState::Sending.number() || !(any || attempts == number) {
                    return Ok(());
                }
                // The due row before the mail, as the due loop locks them.
                delete_due(tx, &[(project, DueKind::Mail, id)]).await?;
                let held = sql!(
                    tx, execute,
                    "UPDATE mails SET updated_at = $1
                     WHERE project_id = $2 AND id = $3 AND state = $4 AND ($5 OR attempts = $6)",
                    now, project, id, MailState::Sending.number(), any, number
                )?;
                if held == 0 {
                    // Somebody took it just now: it must be due again, for their row may be the one that went.
                    return again(tx, project, id, now).await;
                }
                match &handed {
                    Handed::Sent => end(tx, project, id, MailState::Sent, None, now).await,
                    Handed::Dead(why) => end(tx, project, id, MailState::Dead, Some(why), now).await,
                    Handed::Again(at, why) => {
                        let why: String = why.chars().filter(|c| *c != '\0').take(500).collect();
                        sql!(
                            tx, execute,
                            "UPDATE mails SET state = $1, reason = $2 WHERE project_id = $3 AND id = $4",
                            MailState::Waiting.number(), why, project, id
                        )?;
                        let due = Due { project, kind: DueKind::Mail, row: id, at: *at, data: None };
                        insert_due(tx, &[due]).await
                    }
                }
            })
        })
        .await
    }

    /// Forgets up to `limit` mails that were ended before `before`; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_mails(&self, before: Time, limit: i64) -> Result<u64> {
        self.write("forget_mails", move |tx| {
            Box::pin(async move {
                let old = sql!(
                    tx, fetch_all as (ProjectId, Uuid),
                    "SELECT project_id, id FROM mails WHERE state >= $1 AND updated_at < $2 LIMIT $3",
                    MailState::Sent.number(), before, limit
                )?;
                for (project, id) in &old {
                    sql!(tx, execute, "DELETE FROM mails WHERE project_id = $1 AND id = $2", *project, *id)?;
                }
                Ok(old.len() as u64)
            })
        })
        .await
    }

    /// The mails of a project, oldest first: what they are about, what became of them, why, how many attempts were made,
    /// and whether they still say something. For operators and tests.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn mails(&self, project: ProjectId) -> Result<Vec<KeptMail>> {
        type Kept = (Uuid, i16, i16, i64, Option<String>, Option<Vec<u8>>);
        let rows = self
            .read("mails", move |tx| {
                Box::pin(async move {
                    sql!(
                        tx, fetch_all as Kept,
                        "SELECT id, kind, state, attempts, reason, content FROM mails WHERE project_id = $1 ORDER BY id LIMIT 1000",
                        project
                    )
                })
            })
            .await?;
        let kept = |(id, kind, state, attempts, reason, content): Kept| {
            let (kind, state) = (MailKind::from_number(kind)?, MailState::from_number(state)?);
            Some(KeptMail { id, kind, state, attempts, reason, has_content: content.is_some() })
        };
        Ok(rows.into_iter().filter_map(kept).collect())
    }
}

/// A mail as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMail {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub kind: MailKind,
    /// What became of it.
    pub state: MailState,
    /// How many attempts were made.
    pub attempts: i64,
    /// Why the last one failed.
    pub reason: Option<String>,
    /// Whether it still says something.
    pub has_content: bool,
}

/// Makes sure that a mail which is not done with is due at some time.
async fn again(tx: &mut Tx, project: ProjectId, id: Uuid, now: Time) -> Result<()> {
    let waits = sql!(
        tx,
        fetch_optional as (i16,),
        "SELECT state FROM mails WHERE project_id = $1 AND id = $2 AND state <= $3",
        project,
        id,
        MailState::Sending.number()
    )?;
    if waits.is_some() {
        let due = Due { project, kind: DueKind::Mail, row: id, at: now, data: None };
        insert_due(tx, &[due]).await?;
    }
    Ok(())
}
