//! What claimed deliveries say, read back from the store.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::record::snooze;
use super::{Claimed, Content, ContentEvent, MailContent, NotificationContent, Snoozed};
use crate::due::ClaimTerms;
use crate::engine::{Tx, rows_in};
use crate::{Result, StoreError};
use domain::delivery::{Channel, Target, TargetKind};
use domain::id::{AlertId, DeliveryId, EventId, MailId, NotificationId, ProjectId, RuleId};
use domain::mail::MailKind;
use domain::rule::Priority;
use domain::time::Time;

type Row = (DeliveryId, i16, i16, Uuid, NotificationId);

/// A delivery, how and where it goes, and its message.
type Placed = (DeliveryId, Channel, Target, NotificationId);

/// Reads what the claimed deliveries say. One that can't be read, like one on a channel that only a newer build knows, keeps
/// its neighbours from nothing: it goes back to wait for whoever can, and that is no attempt.
pub(super) async fn load(
    tx: &mut Tx,
    project: ProjectId,
    mine: Vec<(DeliveryId, i64)>,
    terms: &ClaimTerms,
    now: Time,
) -> Result<Vec<Claimed>> {
    let made: HashMap<DeliveryId, i64> = mine.iter().copied().collect();
    let ids: Vec<DeliveryId> = mine.iter().map(|(id, _)| *id).collect();
    let rows = rows_in!(
        tx,
        as Row,
        "SELECT id, channel, target_kind, target, notification_id FROM deliveries WHERE project_id = $1 AND id",
        [project],
        ids,
        lite "",
        server ""
    );
    let placed: Vec<Placed> = rows.into_iter().filter_map(placed).collect();
    let (mut mails, mut notifications) = (Vec::new(), Vec::new());
    for (_, _, target, message) in &placed {
        match target {
            Target::Address(mail) => mails.push(*mail),
            _ => notifications.push(*message),
        }
    }
    notifications.sort_unstable();
    notifications.dedup();
    let mut mails = mail_contents(tx, project, &mails).await?;
    let notifications = notification_contents(tx, project, &notifications).await?;
    let claimed = |(id, channel, target, message): Placed| {
        let content = match target {
            Target::Address(mail) => {
                Content::Mail(mails.remove(&mail).unwrap_or_else(|| gone(mail)))
            }
            _ => Content::Notification(notifications.get(&message)?.clone()),
        };
        let number = made.get(&id).copied().unwrap_or(0) + 1;
        let (token, until) = (terms.token, terms.until);
        Some(Claimed { project, id, token, until, number, channel, target, content })
    };
    let claimed: Vec<Claimed> = placed.into_iter().filter_map(claimed).collect();
    let read: HashSet<DeliveryId> = claimed.iter().map(|one| one.id).collect();
    let (token, until) = (terms.token, terms.until);
    let left = ids.into_iter().filter(|id| !read.contains(id));
    let left: Vec<Snoozed> = left.map(|id| Snoozed { project, id, token, until }).collect();
    if !left.is_empty() {
        tracing::warn!(%project, deliveries = left.len(), "this build can't read deliveries; they wait for one that can");
        snooze(tx, &left, now).await?;
    }
    Ok(claimed)
}

fn placed((id, channel, kind, target, message): Row) -> Option<Placed> {
    let target = Target::new(TargetKind::from_number(kind)?, target);
    Some((id, Channel::from_number(channel)?, target, message))
}

/// What is left of a mail whose user was erased while its delivery was under way.
fn gone(id: MailId) -> MailContent {
    let kind = MailKind::NewDevice;
    MailContent { id, kind, sealed: None, created_at: Time::default() }
}

type Notified = (
    NotificationId,
    String,
    String,
    i16,
    Option<AlertId>,
    i64,
    Option<RuleId>,
    Option<i64>,
    Time,
    Uuid,
);

/// What these notifications say.
async fn notification_contents(
    tx: &mut Tx,
    project: ProjectId,
    ids: &[NotificationId],
) -> Result<HashMap<NotificationId, NotificationContent>> {
    let rows = rows_in!(
        tx,
        as Notified,
        "SELECT id, title, body, priority, alert_id, round, rule_id, rule_version, created_at, origin_id
         FROM notifications WHERE project_id = $1 AND id",
        [project],
        ids,
        lite "",
        server ""
    );
    let mut origins: Vec<EventId> = rows.iter().map(|row| EventId(row.9)).collect();
    origins.sort_unstable();
    origins.dedup();
    let mut events = HashMap::new();
    for row in crate::events::by_id(tx, project, &origins).await? {
        let event = crate::events::event(row)?;
        events.insert(event.id, event);
    }
    let content = |row: Notified| {
        let (id, title, body, priority, alert, round, rule, version, created_at, origin) = row;
        let priority = Priority::from_number(priority)
            .ok_or_else(|| StoreError::Corrupt(format!("priority of notification {id}")))?;
        let event = events.get(&EventId(origin)).map(|event| ContentEvent {
            id: event.id,
            kind: event.kind.clone(),
            source: event.source.clone(),
            subject: event.subject.clone(),
            received_at: event.received_at,
            payload: event.payload.clone(),
        });
        let rule = rule.zip(version);
        let content = NotificationContent {
            notification: id,
            title,
            body,
            priority,
            alert,
            round,
            rule,
            created_at,
            event,
        };
        Ok((id, content))
    };
    rows.into_iter().map(content).collect()
}

/// What these account mails say.
async fn mail_contents(
    tx: &mut Tx,
    project: ProjectId,
    ids: &[MailId],
) -> Result<HashMap<MailId, MailContent>> {
    type Row = (MailId, i16, Option<Vec<u8>>, Time);
    let rows = rows_in!(
        tx,
        as Row,
        "SELECT id, kind, content, created_at FROM mails WHERE project_id = $1 AND id",
        [project],
        ids,
        lite "",
        server ""
    );
    let content = |(id, kind, sealed, created_at): Row| {
        // A kind that only a newer build knows is sent all the same: what it says stands in it.
        let kind = MailKind::from_number(kind).unwrap_or(MailKind::NewDevice);
        (id, MailContent { id, kind, sealed, created_at })
    };
    Ok(rows.into_iter().map(content).collect())
}
