//! Account mails: kept with their delivery by the transaction that causes them, and empty once nothing more comes of it.

use super::deliveries::gather_deliveries;
use super::due::{Due, DueKind, delete_due, gather_due};
use super::engine::{Bundle, Tx, sql, update, verb};
use super::{Result, Store, StoreError};
use domain::delivery::{DeliveryState, NewDelivery};
use domain::id::{MailId, ProjectId, UserId};
use domain::mail::{COUNTED, MailKind};
use domain::time::Time;

/// An account mail that is to be kept.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// Its id.
    pub id: MailId,
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
        tx,
        execute,
        "INSERT INTO mails (project_id, id, user_id, kind, address, content, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        project,
        mail.id,
        mail.user,
        mail.kind.number(),
        mail.address.clone(),
        mail.content.clone(),
        now
    )?;
    let delivery = NewDelivery::mail(mail.id);
    let due = Due { project, kind: DueKind::Planned, row: delivery.id.0, at: now, data: None };
    let mut bundle = Bundle::default();
    gather_deliveries(tx, &mut bundle, project, &[(&delivery, DeliveryState::Planned, None)], now)
        .await?;
    gather_due(tx, &mut bundle, &[due]).await?;
    bundle.run(tx).await?;
    Ok(true)
}

/// Deletes every mail to a user, sent or not, and what is known of its delivery: for erasing them.
pub(super) async fn delete_mails_of(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    let ids = sql!(
        tx,
        fetch_all as (MailId,),
        "SELECT id FROM mails WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )?;
    let ids: Vec<(ProjectId, MailId)> = ids.into_iter().map(|(id,)| (project, id)).collect();
    delete_mails(tx, &ids).await
}

/// Deletes mails with their deliveries.
async fn delete_mails(tx: &mut Tx, ids: &[(ProjectId, MailId)]) -> Result<()> {
    // Due rows before deliveries, as the due loop locks them.
    let waiting = |kind| ids.iter().map(move |(project, id)| (*project, kind, id.0));
    let due: Vec<_> = waiting(DueKind::Planned).chain(waiting(DueKind::Retry)).collect();
    delete_due(tx, &due).await?;
    update!(
        tx,
        "deliveries",
        ids,
        key { project_id: ProjectId = |one| one.0, id: MailId = |one| one.1 }
    );
    update!(
        tx,
        "attempts",
        ids,
        key { project_id: ProjectId = |one| one.0, delivery_id: MailId = |one| one.1 }
    );
    update!(
        tx,
        "mails",
        ids,
        key { project_id: ProjectId = |one| one.0, id: MailId = |one| one.1 }
    );
    Ok(())
}

impl Store {
    /// Forgets up to `limit` mails that were written before `before` and of which nothing more comes; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_mails(&self, before: Time, limit: i64) -> Result<u64> {
        self.write("forget_mails", verb!(|tx| {
            // What waits is tried again for a day and more, and has its content until the end of that.
            let old = sql!(
                tx, fetch_all as (ProjectId, MailId),
                "SELECT project_id, id FROM mails WHERE created_at < $1 AND content IS NULL LIMIT $2",
                before, limit
            )?;
            delete_mails(tx, &old).await?;
            Ok(old.len() as u64)
        }))
        .await
    }

    /// The mails of a project, oldest first, and what became of them. For operators and tests.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn mails(&self, project: ProjectId) -> Result<Vec<KeptMail>> {
        type Kept = (MailId, i16, Option<Vec<u8>>, i16, i64, Option<String>);
        let rows = self
            .read("mails", verb!(|tx| {
                sql!(
                    tx, fetch_all as Kept,
                    "SELECT m.id, m.kind, m.content, d.state, d.attempts, COALESCE(a.detail, d.detail)
                     FROM mails m JOIN deliveries d ON d.project_id = m.project_id AND d.id = m.id
                     LEFT JOIN attempts a ON a.project_id = d.project_id AND a.delivery_id = d.id AND a.number = d.attempts
                     WHERE m.project_id = $1 ORDER BY m.id LIMIT 1000",
                    project
                )
            }))
            .await?;
        let kept = |(id, kind, content, state, attempts, detail): Kept| {
            let corrupt = || StoreError::Corrupt(format!("mail {id}"));
            Ok(KeptMail {
                id,
                kind: MailKind::from_number(kind).ok_or_else(corrupt)?,
                state: DeliveryState::from_number(state).ok_or_else(corrupt)?,
                attempts,
                detail,
                has_content: content.is_some(),
            })
        };
        rows.into_iter().map(kept).collect()
    }
}

/// A mail as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMail {
    /// Its id.
    pub id: MailId,
    /// What it is about.
    pub kind: MailKind,
    /// Where its delivery stands.
    pub state: DeliveryState,
    /// How many attempts were made.
    pub attempts: i64,
    /// What was said of the last of them.
    pub detail: Option<String>,
    /// Whether it still says something.
    pub has_content: bool,
}
