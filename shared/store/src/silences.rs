//! Silences: what is not to ring for a while.

use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::callers::caller;
use super::engine::epoch::bump_epoch;
use super::engine::{Tx, sql, verb};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::authority::Target;
use domain::evaluation::MatchOutcome;
use domain::id::{AlertId, EventId, ProjectId, RuleId, SilenceId, UserId, floor};
use domain::reason::Reason;
use domain::silence::SilenceBody;
use domain::time::Time;

/// A silence as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSilence {
    /// Its id.
    pub id: SilenceId,
    /// What its author says of it.
    pub body: SilenceBody,
    /// Counted up with each change.
    pub version: i64,
    /// Who made it, if it was a user.
    pub created_by: Option<UserId>,
    /// When it was ended before its time.
    pub ended_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A match that a silence hid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The event.
    pub event: EventId,
    /// The rule.
    pub rule: RuleId,
    /// The alert.
    pub alert: Option<AlertId>,
}

/// What became of a change to a silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SilenceVerdict {
    /// It was made.
    Done(Box<KeptSilence>),
    /// A rule or alert that it names is not there: the field.
    Unknown(String),
    /// It is over.
    Over,
    /// The project has too many of them.
    Full,
}

/// The most silences of a project that are not over.
pub const MAX_SILENCES: i64 = 500;

type Row = (SilenceId, Json<SilenceBody>, i64, Option<UserId>, Option<Time>, Time, Time);

fn silence(row: Row) -> KeptSilence {
    let (id, Json(body), version, created_by, ended_at, created_at, updated_at) = row;
    KeptSilence { id, body, version, created_by, ended_at, created_at, updated_at }
}

async fn get(tx: &mut Tx, project: ProjectId, id: SilenceId) -> Result<Option<KeptSilence>> {
    let row = sql!(
        tx,
        fetch_optional as Row,
        "SELECT id, body, version, created_by, ended_at, created_at, updated_at FROM silences
         WHERE project_id = $1 AND id = $2",
        project,
        id
    )?;
    Ok(row.map(silence))
}

impl Store {
    /// Silences of a project, newest first, from before `before`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn silences(
        &self,
        project: ProjectId,
        before: Option<SilenceId>,
        limit: i64,
    ) -> Result<Vec<KeptSilence>> {
        let before = before.map_or(Uuid::max(), |id| id.0);
        let rows = self
            .read(
                "silences",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_all as Row,
                        "SELECT id, body, version, created_by, ended_at, created_at, updated_at FROM silences
                         WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                        project,
                        before,
                        limit
                    )
                }),
            )
            .await?;
        Ok(rows.into_iter().map(silence).collect())
    }

    /// A silence.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn silence(&self, project: ProjectId, id: SilenceId) -> Result<KeptSilence> {
        let found = self.read("silence", verb!(|tx| { get(tx, project, id).await })).await?;
        found.ok_or(StoreError::NotFound("silence"))
    }

    /// Keeps a new silence. From its answer on it hides what it is for.
    ///
    /// # Errors
    /// When the caller may not.
    pub async fn add_silence(
        &self,
        project: ProjectId,
        new: &KeptSilence,
        entry: &Entry,
        now: Time,
    ) -> Result<SilenceVerdict> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write(
            "add_silence",
            verb!(|tx, new, entry| {
                bump_epoch(tx, project).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let (count,) = sql!(
                    tx,
                    fetch_one as (i64,),
                    "SELECT COUNT(*) FROM silences WHERE project_id = $1 AND ended_at IS NULL",
                    project
                )?;
                if count - end_those_over(tx, project, now).await? >= MAX_SILENCES {
                    return Ok(SilenceVerdict::Full);
                }
                if let Some(field) = unknown(tx, project, &new.body).await? {
                    return Ok(SilenceVerdict::Unknown(field));
                }
                sql!(
                    tx, execute,
                    "INSERT INTO silences (project_id, id, body, version, created_by, created_at, updated_at)
                     VALUES ($1, $2, $3, 1, $4, $5, $6)",
                    project, new.id, Json(&new.body), new.created_by, now, now
                )?;
                note(tx, project, &entry, now).await?;
                Ok(SilenceVerdict::Done(Box::new(new)))
            }),
        )
        .await
    }

    /// Changes when a silence ends: at `ends_at`, or at once.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn end_silence(
        &self,
        project: ProjectId,
        id: SilenceId,
        ends_at: Option<Time>,
        entry: &Entry,
        now: Time,
    ) -> Result<SilenceVerdict> {
        let entry = entry.clone();
        self.write(
            "end_silence",
            verb!(|tx, entry| {
                bump_epoch(tx, project).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let old = get(tx, project, id).await?.ok_or(StoreError::NotFound("silence"))?;
                if old.ended_at.is_some() || old.body.ends_at.is_some_and(|end| end <= now) {
                    return Ok(SilenceVerdict::Over);
                }
                let mut new = old.clone();
                match ends_at {
                    Some(_) => new.body.ends_at = ends_at,
                    None => new.ended_at = Some(now),
                }
                (new.version, new.updated_at) = (old.version + 1, now);
                sql!(
                    tx,
                    execute,
                    "UPDATE silences SET body = $1, ended_at = $2, version = $3, updated_at = $4
                     WHERE project_id = $5 AND id = $6",
                    Json(&new.body),
                    new.ended_at,
                    new.version,
                    now,
                    project,
                    id
                )?;
                note(tx, project, &entry, now).await?;
                Ok(SilenceVerdict::Done(Box::new(new)))
            }),
        )
        .await
    }

    /// The field of a silence that names a rule or alert that is not there.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn unknown_of_silence(
        &self,
        project: ProjectId,
        body: &SilenceBody,
    ) -> Result<Option<String>> {
        let body = body.clone();
        self.read("unknown_of_silence", verb!(|tx, body| { unknown(tx, project, &body).await }))
            .await
    }

    /// What a silence hid, newest first, from before `before`.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn hidden_by(
        &self,
        project: ProjectId,
        id: SilenceId,
        before: Option<EventId>,
        limit: i64,
    ) -> Result<Vec<Hidden>> {
        let found = self.silence(project, id).await?;
        let before = before.map_or(Uuid::max(), |id| id.0);
        // Its matches are of events that were received while it was there, or little before.
        let from = floor(found.created_at.minus(std::time::Duration::from_secs(86_400)));
        let rows = self
            .read(
                "hidden_by",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_all as (EventId, RuleId, Option<AlertId>),
                        "SELECT event_id, rule_id, alert_id FROM matches
                         WHERE project_id = $1 AND event_id >= $2 AND event_id < $3 AND cause = $4
                           AND outcome = $5 AND reason = $6
                         ORDER BY event_id DESC, rule_id LIMIT $7",
                        project,
                        from,
                        before,
                        id,
                        MatchOutcome::Suppressed.number(),
                        Reason::Silenced.as_str(),
                        limit
                    )
                }),
            )
            .await?;
        let hidden = |(event, rule, alert)| Hidden { event, rule, alert };
        Ok(rows.into_iter().map(hidden).collect())
    }
}

/// Marks those whose time is over, so that they are read no more; answers how many.
async fn end_those_over(tx: &mut Tx, project: ProjectId, now: Time) -> Result<i64> {
    let rows = sql!(
        tx,
        fetch_all as Row,
        "SELECT id, body, version, created_by, ended_at, created_at, updated_at FROM silences
         WHERE project_id = $1 AND ended_at IS NULL ORDER BY id LIMIT 500",
        project
    )?;
    let mut ended = 0;
    for one in rows.into_iter().map(silence) {
        if let Some(end) = one.body.ends_at.filter(|end| *end <= now) {
            sql!(
                tx,
                execute,
                "UPDATE silences SET ended_at = $1 WHERE project_id = $2 AND id = $3",
                end,
                project,
                one.id
            )?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// The field that names something that is not there.
async fn unknown(tx: &mut Tx, project: ProjectId, body: &SilenceBody) -> Result<Option<String>> {
    for (at, rule) in body.rules.iter().enumerate() {
        let found = sql!(
            tx,
            fetch_optional as (RuleId,),
            "SELECT id FROM rules WHERE project_id = $1 AND id = $2 AND live = $3",
            project,
            *rule,
            Uuid::nil()
        )?;
        if found.is_none() {
            return Ok(Some(format!("rule_ids[{at}]")));
        }
    }
    if let Some(alert) = body.alert {
        let found = sql!(
            tx,
            fetch_optional as (AlertId,),
            "SELECT id FROM alerts WHERE project_id = $1 AND id = $2 AND resolved_at IS NULL",
            project,
            alert
        )?;
        if found.is_none() {
            return Ok(Some("alert_id".to_owned()));
        }
    }
    Ok(None)
}
