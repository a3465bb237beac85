//! What an evaluation writes about alerts, and the times at which groups are to be looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::super::due::{Due, DueKind, gather_due};
use super::super::engine::{Bundle, Tx, gather, sql, update};
use crate::Result;
use domain::alert::{AlertEntry, AlertStanding, OpenedAlert};
use domain::evaluation::Decision;
use domain::id::{AlertId, EventId, GroupId, ProjectId, RuleId, UserId, sha256};
use domain::ruleset::{Recipient, RuleSet};
use domain::time::Time;

/// Writes the alerts that opened, how those stand that something happened to, and what that was.
pub(super) async fn gather_alerts(
    tx: &mut Tx,
    bundle: &mut Bundle,
    project: ProjectId,
    decision: &Decision,
    now: Time,
) -> Result<()> {
    // One that opened stands somehow, for its opening is something that happened to it.
    let opened: Vec<(&OpenedAlert, &AlertStanding)> = decision
        .opened
        .iter()
        .filter_map(|one| Some((one, decision.standings.get(&one.id)?)))
        .collect();
    gather!(
        tx,
        bundle,
        "INSERT INTO alerts (project_id, id, rule_id, group_hash, title, priority, state, round, events, event_id, opened_at, acknowledged_by, acknowledged_at, acknowledged_until, resolved_by, resolved_at, resolver)",
        opened,
        "",
        {
            ProjectId = |_one| project,
            AlertId = |one| one.0.id,
            RuleId = |one| one.0.rule,
            Vec<u8> = |one| one.0.group.0.to_vec(),
            String = |one| one.0.title.clone(),
            i16 = |one| one.0.priority.number(),
            i16 = |one| one.1.state().number(),
            i64 = |one| one.1.round,
            i64 = |one| one.1.events,
            Option<EventId> = |one| one.0.event,
            Time = |one| one.0.opened_at,
            Option<UserId> = |one| one.1.acknowledged.as_ref().and_then(|by| by.by),
            Option<Time> = |one| one.1.acknowledged.as_ref().map(|by| by.at),
            Option<Time> = |one| one.1.acknowledged.as_ref().and_then(|by| by.until),
            Option<UserId> = |one| one.1.resolved.and_then(|by| by.by),
            Option<Time> = |one| one.1.resolved.map(|by| by.at),
            Option<i16> = |one| one.1.resolved.map(|by| by.resolver.number()),
        }
    );
    let is_new: BTreeSet<AlertId> = opened.iter().map(|(one, _)| one.id).collect();
    let known: Vec<(&AlertId, &AlertStanding)> =
        decision.standings.iter().filter(|(id, _)| !is_new.contains(*id)).collect();
    update!(
        tx,
        in bundle,
        "alerts",
        known,
        set {
            state: i16 = |one| one.1.state().number(),
            round: i64 = |one| one.1.round,
            events: i64 = |one| one.1.events,
            acknowledged_by: Option<UserId> = |one| one.1.acknowledged.as_ref().and_then(|by| by.by),
            acknowledged_at: Option<Time> = |one| one.1.acknowledged.as_ref().map(|by| by.at),
            acknowledged_until: Option<Time> = |one| one.1.acknowledged.as_ref().and_then(|by| by.until),
            resolved_by: Option<UserId> = |one| one.1.resolved.and_then(|by| by.by),
            resolved_at: Option<Time> = |one| one.1.resolved.map(|by| by.at),
            resolver: Option<i16> = |one| one.1.resolved.map(|by| by.resolver.number()),
        },
        key {
            project_id: ProjectId = |_one| project,
            id: AlertId = |one| *one.0,
        },
    );
    entries(tx, bundle, project, &decision.entries, now).await
}

async fn entries(
    tx: &mut Tx,
    bundle: &mut Bundle,
    project: ProjectId,
    rows: &[AlertEntry],
    now: Time,
) -> Result<()> {
    gather!(
        tx,
        bundle,
        "INSERT INTO alert_entries (project_id, alert_id, id, change_kind, at, user_id, event_id, until)",
        rows,
        "",
        {
            ProjectId = |_one| project,
            AlertId = |one| one.alert,
            // Ids of one process keep the order in which they were made.
            Uuid = |_one| domain::id::fresh(now),
            i16 = |one| one.change.number(),
            Time = |one| one.at,
            Option<UserId> = |one| one.by,
            Option<EventId> = |one| one.event,
            Option<Time> = |one| one.until,
        }
    );
    Ok(())
}

/// Writes when groups are to be looked at again.
pub(super) async fn gather_timers(
    tx: &mut Tx,
    bundle: &mut Bundle,
    project: ProjectId,
    timers: &[(GroupId, Time)],
) -> Result<()> {
    let rows: Vec<Due> = timers.iter().map(|(group, at)| timer(project, *group, *at)).collect();
    gather_due(tx, bundle, &rows).await
}

/// The row that has a group looked at again. Another time is another row, so that none has to be changed.
pub(crate) fn timer(project: ProjectId, group: GroupId, at: Time) -> Due {
    let hash = sha256(&[&group.0[..], &at.micros().to_be_bytes()].concat());
    let row = Uuid::from_slice(&hash[..16]).unwrap_or_default();
    Due { project, kind: DueKind::Group, row, at, data: Some(group.0.to_vec()) }
}

/// Adds those who hear of the end of an alert: whoever was notified of it, if they are still there.
pub(super) async fn add_notified(
    tx: &mut Tx,
    project: ProjectId,
    set: &RuleSet,
    decision: &mut Decision,
) -> Result<()> {
    for (notification, alert) in decision.resolutions.clone() {
        let before = sql!(
            tx,
            fetch_all as (UserId, Option<String>),
            "SELECT r.user_id, MIN(r.role) FROM notifications n
             JOIN recipients r ON r.project_id = n.project_id AND r.notification_id = n.id
             WHERE n.project_id = $1 AND n.alert_id = $2 GROUP BY r.user_id",
            project,
            alert
        )?;
        let mut all: BTreeMap<UserId, Option<Arc<str>>> =
            before.into_iter().map(|(user, role)| (user, role.map(Into::into))).collect();
        let now: BTreeSet<_> = decision
            .notifications
            .iter()
            .filter(|one| one.alert == alert && one.id != notification)
            .map(|one| one.id)
            .collect();
        let rang = decision.recipients.iter().filter(|(id, _)| now.contains(id));
        all.extend(rang.map(|(_, one)| (one.user, one.role.clone())));
        let heard = all.into_iter().filter(|(user, _)| set.is_active(*user));
        let heard = heard.map(|(user, role)| (notification, Recipient { user, role }));
        decision.recipients.extend(heard);
    }
    Ok(())
}
