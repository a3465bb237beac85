//! What became of an event, from the records alone.

use sqlx::types::Json;
use uuid::Uuid;

use super::engine::{Tx, rows_in, sql, verb};
use super::{Result, Store, StoreError};
use domain::delivery::{Channel, DeliveryState};
use domain::evaluation::{EvaluationStatus, MatchOutcome, Origin};
use domain::event::Event;
use domain::id::{
    AlertId, DeliveryId, EndpointId, EventId, NotificationId, ProjectId, RuleId, UserId, same_time,
};
use domain::project::ProjectStatus;
use domain::reason::Reason;
use domain::rule::{Rule, RuleBody, RuleMode};
use domain::time::Time;

/// An event and how far it came.
#[derive(Clone, Debug)]
pub struct EventState {
    /// The event.
    pub event: Event,
    /// Its evaluation, once there is one.
    pub evaluation: Option<Evaluation>,
    /// How often evaluating it failed so far, and with what.
    pub attempts: Option<(i64, String)>,
    /// Whether its project works: if not, it is held.
    pub project: ProjectStatus,
}

/// An evaluation as it stands.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// What it came to.
    pub status: EvaluationStatus,
    /// The epoch of the rules.
    pub ruleset: i64,
    /// How many rules were looked at.
    pub looked: i64,
    /// How many matched.
    pub matched: i64,
    /// How many of them did not ring.
    pub suppressed: i64,
    /// When.
    pub at: Time,
    /// Why it failed.
    pub error: Option<String>,
}

/// Everything that is known of an event.
#[derive(Clone, Debug)]
pub struct Trace {
    /// How far it came.
    pub state: EventState,
    /// The name of the key that it came with.
    pub key_name: Option<String>,
    /// The rules that it was held against, as they were.
    pub rules: Vec<Rule>,
    /// Those that matched.
    pub matches: Vec<Match>,
}

/// A match and all that followed.
#[derive(Clone, Debug)]
pub struct Match {
    /// The rule.
    pub rule: RuleId,
    /// Its version.
    pub rule_version: i64,
    /// What became of it.
    pub outcome: MatchOutcome,
    /// Why it did not ring.
    pub reason: Option<Reason>,
    /// Until when that holds.
    pub until: Option<Time>,
    /// The alert.
    pub alert: Option<AlertId>,
    /// What held it back: a silence, another rule, or the summary that it is in.
    pub cause: Option<Uuid>,
    /// The notification.
    pub notification: Option<Notified>,
}

/// A notification and whom it reached.
#[derive(Clone, Debug)]
pub struct Notified {
    /// Its id.
    pub id: NotificationId,
    /// Its title.
    pub title: String,
    /// When it was made.
    pub created_at: Time,
    /// Who was chosen: id, name, and the role through which.
    pub recipients: Vec<(UserId, String, Option<String>)>,
    /// How it went to each target.
    pub deliveries: Vec<DeliveryTrace>,
}

/// A delivery with its attempts.
#[derive(Clone, Debug)]
pub struct DeliveryTrace {
    /// Its id.
    pub id: DeliveryId,
    /// How.
    pub channel: Channel,
    /// Where to: id, name and address; the latter two while it exists.
    pub target: (EndpointId, Option<String>, Option<String>),
    /// Where it stands.
    pub state: DeliveryState,
    /// Why it stands there.
    pub reason: Option<Reason>,
    /// When it is tried next.
    pub next_attempt_at: Option<Time>,
    /// What was tried.
    pub attempts: Vec<AttemptTrace>,
}

/// An attempt as it stands.
#[derive(Clone, Debug)]
pub struct AttemptTrace {
    /// Which one, from 1.
    pub number: i64,
    /// How it ended.
    pub outcome: String,
    /// The provider's status.
    pub status_code: Option<i64>,
    /// The provider's words.
    pub detail: Option<String>,
    /// When it began.
    pub started_at: Time,
    /// How long it took.
    pub took_ms: i64,
}

impl Store {
    /// An event and how far it came.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn event_state(&self, project: ProjectId, id: EventId) -> Result<EventState> {
        let found = self.event_states(project, &[id]).await?;
        found.into_iter().next().ok_or(StoreError::NotFound("event"))
    }

    /// Events and how far they came, newest first; those that are not there are left out.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn event_states(
        &self,
        project: ProjectId,
        ids: &[EventId],
    ) -> Result<Vec<EventState>> {
        let ids = ids.to_vec();
        self.read("event_states", verb!(|tx, ids| { states(tx, project, &ids).await })).await
    }

    /// Everything that is known of an event.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn trace(&self, project: ProjectId, id: EventId) -> Result<Trace> {
        self.read("trace", verb!(|tx| { trace(tx, project, id).await })).await
    }
}

type EvaluationRow = (EventId, i16, i64, i64, i64, Time, Option<String>);

async fn states(tx: &mut Tx, project: ProjectId, ids: &[EventId]) -> Result<Vec<EventState>> {
    let rows = super::events::by_id(tx, project, ids).await?;
    let evaluations = rows_in!(
        tx,
        as EvaluationRow,
        "SELECT id, status, ruleset, looked, matched, evaluated_at, error FROM evaluations WHERE project_id = $1 AND id",
        [project],
        ids,
        lite "",
        server ""
    );
    let attempts = rows_in!(
        tx,
        as (EventId, i64, String),
        "SELECT event_id, attempts, error FROM evaluation_attempts WHERE project_id = $1 AND event_id",
        [project],
        ids,
        lite "",
        server ""
    );
    let suppressed = rows_in!(
        tx,
        as (EventId,),
        "SELECT event_id FROM matches WHERE outcome IN (2, 3) AND project_id = $1 AND event_id",
        [project],
        ids,
        lite "",
        server ""
    );
    let status =
        sql!(tx, fetch_optional as (i16,), "SELECT status FROM projects WHERE id = $1", project)?;
    let status = status
        .and_then(|(status,)| ProjectStatus::from_number(status))
        .ok_or(StoreError::NotFound("project"))?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let event = super::events::event(row)?;
        let count = suppressed.iter().filter(|(id,)| *id == event.id).count() as i64;
        let evaluation = evaluations
            .iter()
            .find(|row| row.0 == event.id)
            .map(|row| evaluation(row, count))
            .transpose()?;
        let attempts =
            attempts.iter().find(|row| row.0 == event.id).map(|row| (row.1, row.2.clone()));
        found.push(EventState { event, evaluation, attempts, project: status });
    }
    found.sort_by_key(|state| std::cmp::Reverse(state.event.id));
    Ok(found)
}

fn evaluation(
    (id, status, ruleset, looked, matched, at, error): &EvaluationRow,
    suppressed: i64,
) -> Result<Evaluation> {
    let status = EvaluationStatus::from_number(*status)
        .ok_or_else(|| StoreError::Corrupt(format!("evaluation status of event {id}")))?;
    Ok(Evaluation {
        status,
        ruleset: *ruleset,
        looked: *looked,
        matched: *matched,
        suppressed,
        at: *at,
        error: error.clone(),
    })
}

async fn trace(tx: &mut Tx, project: ProjectId, id: EventId) -> Result<Trace> {
    let state = states(tx, project, &[id])
        .await?
        .into_iter()
        .next()
        .ok_or(StoreError::NotFound("event"))?;
    let mut key_name = None;
    if let Some(key) = state.event.key_id {
        key_name = sql!(
            tx,
            fetch_optional as (String,),
            "SELECT name FROM api_keys WHERE project_id = $1 AND id = $2",
            project,
            key
        )?
        .map(|(name,)| name);
    }
    let rules = match &state.evaluation {
        Some(evaluation) => rules_at(tx, project, evaluation.ruleset).await?,
        None => Vec::new(),
    };
    Ok(Trace { state, key_name, rules, matches: matches(tx, project, id).await? })
}

/// The rules that were active at an epoch, as they were then.
async fn rules_at(tx: &mut Tx, project: ProjectId, epoch: i64) -> Result<Vec<Rule>> {
    let rows = sql!(
        tx, fetch_all as (RuleId, i64, i16, Time, Json<RuleBody>),
        "SELECT rule_id, version, mode, created_at, body FROM rule_versions
         WHERE project_id = $1 AND mode <> 0 AND since_epoch <= $2 AND (until_epoch IS NULL OR until_epoch > $3)
         ORDER BY rule_id",
        project, epoch, epoch
    )?;
    let rule = |(id, version, mode, since, Json(body))| {
        let mode = RuleMode::from_number(mode).unwrap_or(RuleMode::Off);
        Rule { id, version, mode, since, body }
    };
    Ok(rows.into_iter().map(rule).collect())
}

/// The matches of an event: those that did not ring have rows of their own, of the others the notifications tell.
async fn matches(tx: &mut Tx, project: ProjectId, event: EventId) -> Result<Vec<Match>> {
    let mut found = silent(tx, project, event).await?;
    for one in rang(tx, project, event).await? {
        // One that waited and rang after all is told once, with both.
        match found.iter_mut().find(|silent| silent.rule == one.rule) {
            Some(silent) => silent.notification = one.notification,
            None => found.push(one),
        }
    }
    found.sort_by_key(|one| one.rule);
    Ok(found)
}

type SilentRow = (RuleId, i64, i16, Option<String>, Option<Time>, Option<AlertId>, Option<Uuid>);

async fn silent(tx: &mut Tx, project: ProjectId, event: EventId) -> Result<Vec<Match>> {
    let rows = sql!(
        tx,
        fetch_all as SilentRow,
        "SELECT rule_id, rule_version, outcome, reason, until, alert_id, cause FROM matches
         WHERE project_id = $1 AND event_id = $2",
        project,
        event
    )?;
    let read = |(rule, rule_version, outcome, reason, until, alert, cause): SilentRow| {
        let outcome = MatchOutcome::from_number(outcome)
            .ok_or_else(|| StoreError::Corrupt(format!("outcome of a match of event {event}")))?;
        let reason = reason.as_deref().and_then(Reason::parse);
        Ok(Match { rule, rule_version, outcome, reason, until, alert, cause, notification: None })
    };
    rows.into_iter().map(read).collect()
}

type RangRow = (NotificationId, RuleId, i64, Option<AlertId>, String, Time);

async fn rang(tx: &mut Tx, project: ProjectId, event: EventId) -> Result<Vec<Match>> {
    // Their ids have the time of the event's, so that the key finds them without an index on their origin.
    let (from, to) = same_time(event.0);
    let rows = sql!(
        tx,
        fetch_all as RangRow,
        "SELECT id, rule_id, rule_version, alert_id, title, created_at FROM notifications
         WHERE project_id = $1 AND id >= $2 AND id < $3 AND origin_id = $4 AND kind = $5
           AND rule_id IS NOT NULL AND rule_version IS NOT NULL",
        project,
        from,
        to,
        event,
        Origin::Event.number()
    )?;
    let mut found = Vec::with_capacity(rows.len());
    for (id, rule, rule_version, alert, title, created_at) in rows {
        let notification = Some(notified(tx, project, id, title, created_at).await?);
        found.push(Match {
            rule,
            rule_version,
            outcome: MatchOutcome::Rang,
            reason: None,
            until: None,
            alert,
            cause: None,
            notification,
        });
    }
    Ok(found)
}

async fn notified(
    tx: &mut Tx,
    project: ProjectId,
    id: NotificationId,
    title: String,
    created_at: Time,
) -> Result<Notified> {
    let recipients = sql!(
        tx,
        fetch_all as (UserId, String, Option<String>),
        "SELECT r.user_id, COALESCE(u.full_name, ''), r.role FROM recipients r
         LEFT JOIN users u ON u.project_id = r.project_id AND u.id = r.user_id
         WHERE r.project_id = $1 AND r.notification_id = $2 ORDER BY r.user_id LIMIT 200",
        project,
        id
    )?;
    let deliveries = deliveries(tx, project, id).await?;
    Ok(Notified { id, title, created_at, recipients, deliveries })
}

type DeliveryRow = (
    DeliveryId,
    i16,
    EndpointId,
    Option<String>,
    Option<String>,
    i16,
    Option<String>,
    Option<Time>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<Time>,
    Option<i64>,
);

async fn deliveries(
    tx: &mut Tx,
    project: ProjectId,
    notification: NotificationId,
) -> Result<Vec<DeliveryTrace>> {
    // Their ids have the time of the notification's, so that the key finds them without an index of their own.
    let (from, to) = same_time(notification.0);
    let rows = sql!(
        tx, fetch_all as DeliveryRow,
        "SELECT d.id, d.channel, d.target, e.name, e.url, d.state, d.reason, w.at, d.outcome, d.status_code, d.detail,
                d.started_at, d.took_ms
         FROM deliveries d
         LEFT JOIN webhook_endpoints e ON e.project_id = d.project_id AND e.id = d.target
         LEFT JOIN due w ON w.project_id = d.project_id AND w.kind = 2 AND w.row_id = d.id
         WHERE d.project_id = $1 AND d.id >= $2 AND d.id < $3 AND d.notification_id = $4 ORDER BY d.step, d.id",
        project, from, to, notification
    )?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (
            id,
            channel,
            target,
            name,
            url,
            state,
            reason,
            next_attempt_at,
            outcome,
            status_code,
            detail,
            started_at,
            took,
        ) = row;
        let corrupt = || StoreError::Corrupt(format!("delivery {id}"));
        let first = outcome.zip(started_at).map(|(outcome, started_at)| AttemptTrace {
            number: 1,
            outcome,
            status_code,
            detail,
            started_at,
            took_ms: took.unwrap_or(0),
        });
        let mut attempts: Vec<AttemptTrace> = first.into_iter().collect();
        attempts.extend(later_attempts(tx, project, id).await?);
        found.push(DeliveryTrace {
            id,
            channel: Channel::from_number(channel).ok_or_else(corrupt)?,
            target: (target, name, url),
            state: DeliveryState::from_number(state).ok_or_else(corrupt)?,
            reason: reason.as_deref().and_then(Reason::parse),
            next_attempt_at,
            attempts,
        });
    }
    Ok(found)
}

async fn later_attempts(
    tx: &mut Tx,
    project: ProjectId,
    delivery: DeliveryId,
) -> Result<Vec<AttemptTrace>> {
    let rows = sql!(
        tx,
        fetch_all as (i64, String, Option<i64>, Option<String>, Time, i64),
        "SELECT number, outcome, status_code, detail, started_at, took_ms FROM attempts
         WHERE project_id = $1 AND delivery_id = $2 ORDER BY number",
        project,
        delivery
    )?;
    let attempt = |(number, outcome, status_code, detail, started_at, took_ms)| AttemptTrace {
        number,
        outcome,
        status_code,
        detail,
        started_at,
        took_ms,
    };
    Ok(rows.into_iter().map(attempt).collect())
}
