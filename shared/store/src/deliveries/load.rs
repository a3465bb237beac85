//! What claimed deliveries say, read back from the store.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Claimed, Content, ContentEvent};
use crate::due::ClaimTerms;
use crate::engine::{Tx, rows_in};
use crate::{Result, StoreError};
use domain::id::{AlertId, DeliveryId, EndpointId, EventId, NotificationId, ProjectId, RuleId};
use domain::rule::Priority;
use domain::time::Time;

type Loaded = (
    DeliveryId,
    EndpointId,
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

/// Reads what the claimed deliveries say.
pub(super) async fn load(
    tx: &mut Tx,
    project: ProjectId,
    mine: Vec<(DeliveryId, i64)>,
    terms: &ClaimTerms,
) -> Result<Vec<Claimed>> {
    let made: HashMap<DeliveryId, i64> = mine.iter().copied().collect();
    let ids: Vec<DeliveryId> = mine.iter().map(|(id, _)| *id).collect();
    let rows = rows_in!(
        tx,
        as Loaded,
        "SELECT d.id, d.target, n.id, n.title, n.body, n.priority, n.alert_id, n.round, n.rule_id, n.rule_version,
                n.created_at, n.origin_id
         FROM deliveries d JOIN notifications n ON n.project_id = d.project_id AND n.id = d.notification_id
         WHERE d.project_id = $1 AND d.id",
        [project],
        ids,
        lite "",
        server ""
    );
    let mut origins: Vec<EventId> = rows.iter().map(|row| EventId(row.11)).collect();
    origins.sort_unstable();
    origins.dedup();
    let mut events = HashMap::new();
    for row in crate::events::by_id(tx, project, &origins).await? {
        let event = crate::events::event(row)?;
        events.insert(event.id, event);
    }
    let claimed = |row: Loaded| {
        let (
            id,
            target,
            notification,
            title,
            body,
            priority,
            alert,
            round,
            rule,
            version,
            created_at,
            origin,
        ) = row;
        let priority = Priority::from_number(priority).ok_or_else(|| {
            StoreError::Corrupt(format!("priority of notification {notification}"))
        })?;
        let event = events.get(&EventId(origin)).map(|event| ContentEvent {
            id: event.id,
            kind: event.kind.clone(),
            source: event.source.clone(),
            received_at: event.received_at,
            payload: event.payload.clone(),
        });
        let rule = rule.zip(version);
        let content =
            Content { notification, title, body, priority, alert, round, rule, created_at, event };
        let number = made.get(&id).copied().unwrap_or(0) + 1;
        Ok(Claimed { project, id, token: terms.token, until: terms.until, number, target, content })
    };
    rows.into_iter().map(claimed).collect()
}
