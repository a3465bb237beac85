//! Alerts as they stand, and what happened to them. They are written where events are evaluated.

use std::collections::HashMap;

use sqlx::types::Json;
use uuid::Uuid;

use super::engine::{Tx, rows_in, sql, verb};
use super::{Result, Store, StoreError};
pub use domain::alert::AlertFilter;
use domain::alert::{
    Acknowledgement, AlertChange, AlertEntry, AlertStanding, AlertState, OpenedAlert, Resolution,
    Resolver,
};
use domain::evaluation::Origin;
use domain::group::GroupState;
use domain::id::{AlertId, EventId, GroupId, NotificationId, ProjectId, RuleId, UserId};
use domain::rule::Priority;
use domain::time::Time;

/// An alert as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What never changes about it.
    pub opened: OpenedAlert,
    /// How it stands.
    pub standing: AlertStanding,
    /// The values that keep its group apart, as a JSON array.
    pub group_key: String,
    /// How many matches did not ring since it last did.
    pub suppressed: i64,
    /// When the summary of them is sent, if one is gathered.
    pub digest_at: Option<Time>,
}

/// A notification of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertNotification {
    /// Its id.
    pub id: NotificationId,
    /// What it came from.
    pub origin: Origin,
    /// Its title.
    pub title: String,
    /// The round of the alert.
    pub round: i64,
    /// When it was made.
    pub created_at: Time,
    /// How many were notified.
    pub recipients: i64,
}

/// An alert as it is read: at the end who acknowledged it, when and until when, and who resolved it, when and what did.
type Row = (
    AlertId,
    RuleId,
    Vec<u8>,
    String,
    i16,
    i64,
    i64,
    Option<EventId>,
    Time,
    Option<UserId>,
    Option<Time>,
    Option<Time>,
    Option<UserId>,
    Option<Time>,
    Option<i16>,
);

/// The key of a group, and its state.
type Groups = HashMap<Vec<u8>, (String, GroupState)>;

fn alert(row: Row, groups: &Groups) -> Result<Alert> {
    let (
        id,
        rule,
        hash,
        title,
        priority,
        round,
        events,
        event,
        opened_at,
        by,
        at,
        until,
        ended_by,
        ended_at,
        resolver,
    ) = row;
    let corrupt = || StoreError::Corrupt(format!("alert {id}"));
    let acknowledged = at.map(|at| Acknowledgement { by, at, until });
    let resolved = match (ended_at, resolver) {
        (Some(at), Some(resolver)) => Some(Resolution {
            at,
            resolver: Resolver::from_number(resolver).ok_or_else(corrupt)?,
            by: ended_by,
        }),
        _ => None,
    };
    let group = groups.get(&hash);
    // The group knows best how many events an open alert is about: its row is written only when something happens to it.
    let state = group.map(|(_, state)| state);
    let live = state.and_then(|state| state.alert.as_ref()).filter(|one| one.id == id);
    let state = state.filter(|_| live.is_some());
    Ok(Alert {
        standing: AlertStanding {
            round: live.map_or(round, |live| live.round),
            events: live.map_or(events, |live| live.events),
            acknowledged,
            resolved,
        },
        suppressed: state.map_or(0, |state| i64::try_from(state.suppressed).unwrap_or(i64::MAX)),
        digest_at: state.and_then(|state| state.digest.as_ref()).map(|digest| digest.until),
        group_key: group.map(|(key, _)| key.clone()).unwrap_or_default(),
        opened: OpenedAlert {
            id,
            rule,
            group: GroupId::from_bytes(&hash).ok_or_else(corrupt)?,
            title,
            priority: Priority::from_number(priority).ok_or_else(corrupt)?,
            event,
            opened_at,
        },
    })
}

impl Store {
    /// Alerts of a project, newest first, from before `before`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn alerts(
        &self,
        project: ProjectId,
        filter: &AlertFilter,
        before: Option<AlertId>,
        limit: i64,
    ) -> Result<Vec<Alert>> {
        let filter = filter.clone();
        let states = states(&filter, AlertState::Resolved);
        self.read(
            "alerts",
            verb!(|tx, filter| { list(tx, project, &filter, states, before, limit).await }),
        )
        .await
    }

    /// The same of alerts that are not resolved.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn unresolved_alerts(
        &self,
        project: ProjectId,
        filter: &AlertFilter,
        before: Option<AlertId>,
        limit: i64,
    ) -> Result<Vec<Alert>> {
        let filter = filter.clone();
        let states = states(&filter, AlertState::Acknowledged);
        self.read(
            "unresolved_alerts",
            verb!(|tx, filter| { list(tx, project, &filter, states, before, limit).await }),
        )
        .await
    }

    /// How many alerts are not resolved and fit.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn count_unresolved_alerts(
        &self,
        project: ProjectId,
        filter: &AlertFilter,
    ) -> Result<i64> {
        let filter = filter.clone();
        let (from, to) = states(&filter, AlertState::Acknowledged);
        self.read(
            "count_unresolved_alerts",
            verb!(|tx, filter| {
                let Terms { priority, rule, text } = Terms::of(&filter);
                let (count,) = sql!(
                    tx, fetch_one as (i64,),
                    "SELECT COUNT(*) FROM alerts
                     WHERE project_id = $1 AND state >= $2 AND state <= $3 AND ($4 = 0 OR priority = $5)
                       AND ($6 = $7 OR rule_id = $8) AND LOWER(title) LIKE $9 ESCAPE '!'",
                    project, from, to, priority, priority, rule, Uuid::nil(), rule, text
                )?;
                Ok(count)
            }),
        )
        .await
    }

    /// An alert.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn alert(&self, project: ProjectId, id: AlertId) -> Result<Alert> {
        self.read(
            "alert",
            verb!(|tx| {
                let row = sql!(
                    tx, fetch_optional as Row,
                    "SELECT id, rule_id, group_hash, title, priority, round, events, event_id, opened_at, acknowledged_by,
                            acknowledged_at, acknowledged_until, resolved_by, resolved_at, resolver
                     FROM alerts WHERE project_id = $1 AND id = $2",
                    project, id
                )?;
                let row = row.ok_or(StoreError::NotFound("alert"))?;
                let groups = groups(tx, project, vec![row.2.clone()]).await?;
                alert(row, &groups)
            }),
        )
        .await
    }

    /// What happened to an alert, and the notifications of it, oldest first; the latter are no more than `limit`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn alert_history(
        &self,
        project: ProjectId,
        id: AlertId,
        limit: i64,
    ) -> Result<(Vec<AlertEntry>, Vec<AlertNotification>)> {
        self.read(
            "alert_history",
            verb!(|tx| {
                let entries = entries(tx, project, id).await?;
                Ok((entries, notifications(tx, project, id, limit).await?))
            }),
        )
        .await
    }
}

/// The states from one to the other: the one that the filter names, or all up to `last`.
fn states(filter: &AlertFilter, last: AlertState) -> (i16, i16) {
    let all = (AlertState::Open.number(), last.number());
    filter.state.map_or(all, |state| (state.number(), state.number()))
}

/// What a filter says, for a statement.
struct Terms {
    priority: i16,
    rule: Uuid,
    text: String,
}

impl Terms {
    fn of(filter: &AlertFilter) -> Self {
        Self {
            priority: filter.priority.map_or(0, Priority::number),
            rule: filter.rule.map_or(Uuid::nil(), |rule| rule.0),
            text: filter.text.as_deref().map_or_else(|| "%".to_owned(), like),
        }
    }
}

async fn list(
    tx: &mut Tx,
    project: ProjectId,
    filter: &AlertFilter,
    (from, to): (i16, i16),
    before: Option<AlertId>,
    limit: i64,
) -> Result<Vec<Alert>> {
    let Terms { priority, rule, text } = Terms::of(filter);
    let before = before.map_or(Uuid::max(), |id| id.0);
    let rows = sql!(
        tx, fetch_all as Row,
        "SELECT id, rule_id, group_hash, title, priority, round, events, event_id, opened_at, acknowledged_by,
                acknowledged_at, acknowledged_until, resolved_by, resolved_at, resolver
         FROM alerts
         WHERE project_id = $1 AND id < $2 AND state >= $3 AND state <= $4 AND ($5 = 0 OR priority = $6)
           AND ($7 = $8 OR rule_id = $9) AND LOWER(title) LIKE $10 ESCAPE '!'
         ORDER BY id DESC LIMIT $11",
        project, before, from, to, priority, priority, rule, Uuid::nil(), rule, text, limit
    )?;
    let groups = groups(tx, project, rows.iter().map(|row| row.2.clone()).collect()).await?;
    rows.into_iter().map(|row| alert(row, &groups)).collect()
}

async fn groups(tx: &mut Tx, project: ProjectId, hashes: Vec<Vec<u8>>) -> Result<Groups> {
    let rows = rows_in!(
        tx,
        as (Vec<u8>, String, Json<GroupState>),
        "SELECT group_hash, group_key, state FROM rule_groups WHERE project_id = $1 AND group_hash",
        [project],
        hashes,
        lite "",
        server ""
    );
    Ok(rows.into_iter().map(|(hash, key, Json(state))| (hash, (key, state))).collect())
}

/// A pattern for texts that have this one in them.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

type EntryRow = (i16, Time, Option<UserId>, Option<EventId>, Option<Time>);

async fn entries(tx: &mut Tx, project: ProjectId, alert: AlertId) -> Result<Vec<AlertEntry>> {
    let rows = sql!(
        tx,
        fetch_all as EntryRow,
        "SELECT change_kind, at, user_id, event_id, until FROM alert_entries
         WHERE project_id = $1 AND alert_id = $2 ORDER BY at, id",
        project,
        alert
    )?;
    let entry = |(change, at, by, event, until): EntryRow| {
        let change = AlertChange::from_number(change)
            .ok_or_else(|| StoreError::Corrupt(format!("an entry of alert {alert}")))?;
        Ok(AlertEntry { alert, change, at, by, event, until })
    };
    rows.into_iter().map(entry).collect()
}

type NotificationRow = (NotificationId, i16, String, i64, Time, i64);

async fn notifications(
    tx: &mut Tx,
    project: ProjectId,
    alert: AlertId,
    limit: i64,
) -> Result<Vec<AlertNotification>> {
    let rows = sql!(
        tx,
        fetch_all as NotificationRow,
        "SELECT n.id, n.kind, n.title, n.round, n.created_at,
                (SELECT COUNT(*) FROM recipients r WHERE r.project_id = n.project_id AND r.notification_id = n.id)
         FROM notifications n WHERE n.project_id = $1 AND n.alert_id = $2 ORDER BY n.created_at, n.id LIMIT $3",
        project,
        alert,
        limit
    )?;
    let notification = |(id, origin, title, round, created_at, recipients): NotificationRow| {
        let origin = Origin::from_number(origin)
            .ok_or_else(|| StoreError::Corrupt(format!("notification {id}")))?;
        Ok(AlertNotification { id, origin, title, round, created_at, recipients })
    };
    rows.into_iter().map(notification).collect()
}
