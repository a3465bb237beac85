//! The audit log: rows that are inserted by the transactions they tell of, and never changed.

mod chain;
pub mod summaries;

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::callers::{authority, judge_reading};
use super::engine::{Tx, rows_in, sql, verb};
use super::once::claim;
use super::{Result, Store, StoreError};
use domain::audit::{Entry, Link, Row};
use domain::authority::Target;
use domain::id::{ProjectId, UserId, floor, fresh};
use domain::time::Time;

/// Writes down what this transaction does, and claims the key under which it is done once, if it came with one. The row
/// waits for its place in the chain until the transaction is committed.
///
/// A caller whom the verb has not looked at is looked at here, so that no verb forgets it; one that locks more than the
/// project's epoch does it first.
pub(super) async fn note(tx: &mut Tx, project: ProjectId, entry: &Entry, now: Time) -> Result<()> {
    if let Some(requester) = &entry.requester {
        authority(tx, requester, now).await?.may(Target::Nothing)?;
    }
    if let Some(once) = &entry.once {
        claim(tx, once, entry.resource).await?;
    }
    let id = fresh(now);
    let json = |value: &Option<Value>| value.clone().map(Json);
    sql!(
        tx, execute,
        "INSERT INTO audit (project_id, id, at, actor_kind, actor_id, action, resource_id, before_change, after_change,
                            subject_id, personal, origin, correlation_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        project, id, now, entry.actor.kind(), entry.actor.id(), entry.action.as_str(), entry.resource,
        json(&entry.before), json(&entry.after), entry.subject, entry.personal.clone(), entry.origin.clone(),
        entry.correlation.clone()
    )?;
    sql!(
        tx,
        execute,
        "INSERT INTO audit_pending (project_id, audit_id, at) VALUES ($1, $2, $3)",
        project,
        id,
        now
    )
    .map(|_| ())
}

/// Which rows of the log are shown.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Written at or after.
    pub from: Option<Time>,
    /// Written before.
    pub to: Option<Time>,
    /// By this one.
    pub actor: Option<Uuid>,
    /// Of this action.
    pub action: Option<String>,
    /// Done to things of this kind.
    pub resource_type: Option<String>,
    /// Done to this one.
    pub resource: Option<Uuid>,
    /// By this person, to them, or with something of theirs in it.
    pub about: Option<Uuid>,
}

type Kept = (
    Uuid,
    Time,
    String,
    Uuid,
    String,
    Uuid,
    Option<Json<Value>>,
    Option<Json<Value>>,
    Uuid,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<String>,
    Option<i64>,
    Option<Vec<u8>>,
);

fn row(project: ProjectId, kept: Kept) -> Result<Row> {
    let (id, at, actor_kind, actor_id, action, resource, before, after, subject, ..) = kept;
    let (.., personal, origin, correlation, seq, hash) = kept;
    let place = match (seq, hash) {
        (Some(seq), Some(hash)) => Some(link(seq, hash)?),
        _ => None,
    };
    Ok(Row {
        id,
        project,
        at,
        actor_kind,
        actor_id,
        action,
        resource,
        before: before.map(|value| value.0),
        after: after.map(|value| value.0),
        subject,
        personal,
        origin,
        correlation,
        place,
    })
}

fn link(seq: i64, hash: Vec<u8>) -> Result<Link> {
    let hash = hash.try_into();
    let hash = hash.map_err(|_| StoreError::Corrupt(format!("hash {seq} of an audit log")))?;
    Ok(Link { seq, hash })
}

impl Store {
    /// Writes down something that changed nothing, like a login that failed.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn note(&self, project: ProjectId, entry: &Entry, now: Time) -> Result<()> {
        let entry = entry.clone();
        self.write("note", verb!(|tx, entry| { note(tx, project, &entry, now).await })).await
    }

    /// Writes down that what is held on an account was taken out, before it is.
    ///
    /// # Errors
    /// When the caller may not.
    pub async fn note_reading(
        &self,
        project: ProjectId,
        user: UserId,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let entry = entry.clone();
        self.write(
            "note_reading",
            verb!(|tx, entry| {
                judge_reading(tx, project, user, &mut entry, now).await?;
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }

    /// At most `limit` rows of a project's log that are older than `before`, newest first.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn list_audit(
        &self,
        project: ProjectId,
        filter: AuditFilter,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Row>> {
        // Ids order by time, so that a bound on the time is one on the key; the greatest id stands for "no bound".
        let to = filter.to.map_or(Uuid::max(), floor);
        let upper = before.map_or(to, |before| before.min(to));
        let lower = filter.from.map_or(Uuid::nil(), floor);
        let kinds = filter.resource_type.map(|kind| format!("{kind}.%"));
        let (actor, action, resource) = (filter.actor, filter.action, filter.resource);
        let about = filter.about;
        let rows = self
            .read("list_audit", verb!(|tx, action, kinds| {
                sql!(
                    tx, fetch_all as Kept,
                    "SELECT a.id, a.at, a.actor_kind, a.actor_id, a.action, a.resource_id, a.before_change, a.after_change,
                            a.subject_id, a.personal, a.origin, a.correlation_id, c.seq, c.hash
                     FROM audit a LEFT JOIN audit_chain c ON c.project_id = a.project_id AND c.audit_id = a.id
                     WHERE a.project_id = $1 AND a.id < $2 AND a.id >= $3 AND ($4 OR a.actor_id = $5)
                       AND ($6 OR a.action = $7) AND ($8 OR a.action LIKE $9) AND ($10 OR a.resource_id = $11)
                       AND ($12 OR a.actor_id = $13 OR a.resource_id = $14 OR a.subject_id = $15)
                     ORDER BY a.id DESC LIMIT $16",
                    project, upper, lower, actor.is_none(), actor.unwrap_or_default(),
                    action.is_none(), action.unwrap_or_default(), kinds.is_none(), kinds.unwrap_or_default(),
                    resource.is_none(), resource.unwrap_or_default(), about.is_none(), about.unwrap_or_default(),
                    about.unwrap_or_default(), about.unwrap_or_default(), limit
                )
            }))
            .await?;
        rows.into_iter().map(|kept| row(project, kept)).collect()
    }

    /// The sealed key under which somebody's personal values stand in the log; `fresh` becomes it if there is none.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn subject_key(
        &self,
        project: ProjectId,
        subject: Uuid,
        fresh: &[u8],
        now: Time,
    ) -> Result<Vec<u8>> {
        let fresh = fresh.to_vec();
        self.write("subject_key", verb!(|tx, fresh| {
            let known = sql!(
                tx,
                fetch_optional as (Vec<u8>,),
                "SELECT secret FROM subject_keys WHERE project_id = $1 AND subject_id = $2",
                project,
                subject
            )?;
            if let Some((known,)) = known {
                return Ok(known);
            }
            // Another transaction may be as far: its key stands, and ours is tried again and found to be there.
            sql!(
                tx, execute,
                "INSERT INTO subject_keys (project_id, subject_id, secret, created_at) VALUES ($1, $2, $3, $4)",
                project, subject, fresh.clone(), now
            )
            .map_err(StoreError::again_on_conflict)?;
            Ok(fresh)
        }))
        .await
    }

    /// The sealed keys of those of `subjects` that have one; whoever was forgotten has none.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn subject_keys(
        &self,
        project: ProjectId,
        subjects: Vec<Uuid>,
    ) -> Result<Vec<(Uuid, Vec<u8>)>> {
        self.read("subject_keys", verb!(|tx, subjects| {
            Ok(rows_in!(
                tx,
                as (Uuid, Vec<u8>),
                "SELECT subject_id, secret FROM subject_keys WHERE project_id = $1 AND subject_id",
                [project],
                subjects,
                lite "",
                server ""
            ))
        }))
        .await
    }

    /// Forgets the keys of a person in the logs of all projects, for one of the platform acts in others too: what was
    /// sealed with them can't be read any more, and the chains stay as they are. Answers how many keys there were.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_subject(&self, user: UserId) -> Result<u64> {
        self.write(
            "forget_subject",
            verb!(|tx| {
                // The nil id stands for all strangers at once, who are nobody's to forget.
                sql!(
                    tx,
                    execute,
                    "DELETE FROM subject_keys WHERE subject_id = $1 AND subject_id <> $2",
                    user,
                    Uuid::nil()
                )
            }),
        )
        .await
    }
}
