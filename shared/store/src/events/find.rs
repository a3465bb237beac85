//! Finding events: by what stands in their rows, and by what became of them. What only a look at the payload tells is for
//! the caller.

use uuid::Uuid;

use super::{Row, event};
use crate::engine::{sql, verb};
use crate::{Result, Store};
use domain::evaluation::{EvaluationStatus, Origin};
use domain::event::{Event, EventStatus};
use domain::event_filter::EventFilter;
use domain::id::{EventId, ProjectId, floor, same_time};

/// The events of a project between two ids that fit a filter, in an order.
macro_rules! matching {
    ($columns:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM events WHERE project_id = $1 AND id > $2 AND id < $3 AND ($4 OR kind = $5) AND ($6 OR source = $7)
                AND ($8 OR subject = $9)
                AND ($10 OR EXISTS (SELECT 1 FROM evaluations v
                                    WHERE v.project_id = events.project_id AND v.id = events.id AND v.status = $11))
                AND ($12 OR NOT EXISTS (SELECT 1 FROM evaluations v
                                        WHERE v.project_id = events.project_id AND v.id = events.id))
                AND ($13 OR EXISTS (SELECT 1 FROM matches m
                                    WHERE m.project_id = events.project_id AND m.event_id = events.id
                                      AND m.rule_id = $14)
                         OR id IN (SELECT n.origin_id FROM notifications n
                                   WHERE n.project_id = $15 AND n.id >= $16 AND n.id < $17 AND n.kind = $18
                                     AND n.rule_id = $19)) ",
            $order
        )
    };
    ($order:literal) => {
        matching!(
            "id, kind, source, subject, payload, occurred_at, received_at, idempotency_key, correlation_id, replay_of, key_id",
            $order
        )
    };
}

/// Asks for what matches.
macro_rules! ask {
    ($tx:expr, $method:ident as $row:ty, $text:expr, $project:expr, $filter:expr, $bounds:expr $(, $more:expr)?) => {{
        let Asked { unevaluated, status } = asked(&$filter);
        let rule = $filter.rule.map_or(Uuid::nil(), |rule| rule.0);
        // Matches that rang are on record as notifications, whose ids carry the time of their events.
        let rang = times_of($bounds);
        sql!(
            $tx, $method as $row, $text,
            $project, $bounds.0, $bounds.1, $filter.kind.is_none(), $filter.kind.unwrap_or_default(),
            $filter.source.is_none(), $filter.source.unwrap_or_default(),
            $filter.subject.is_none(), $filter.subject.unwrap_or_default(),
            status.is_none(), status.map_or(0, EvaluationStatus::number), !unevaluated,
            $filter.rule.is_none(), rule, $project, rang.0, rang.1, Origin::Event.number(), rule $(, $more)?
        )
    }};
}

impl Store {
    /// A page of events, newest first, from before `before`, that fit the filter as far as their rows tell.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn list_events(
        &self,
        project: ProjectId,
        filter: EventFilter,
        before: Option<EventId>,
        limit: i64,
    ) -> Result<Vec<Event>> {
        let rows = self
            .read(
                "list_events",
                verb!(|tx, filter| {
                    let bounds = bounds(&filter, None, before);
                    ask!(
                        tx,
                        fetch_all as Row,
                        matching!("ORDER BY id DESC LIMIT $20"),
                        project,
                        filter,
                        bounds,
                        limit
                    )
                }),
            )
            .await?;
        rows.into_iter().map(event).collect()
    }

    /// Events of a project in the order of their receipt, from behind `after`, that fit the filter as far as their rows
    /// tell.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn events_in_order(
        &self,
        project: ProjectId,
        filter: EventFilter,
        after: Option<EventId>,
        limit: i64,
    ) -> Result<Vec<Event>> {
        let rows = self
            .read(
                "events_in_order",
                verb!(|tx, filter| {
                    let bounds = bounds(&filter, after, None);
                    ask!(
                        tx,
                        fetch_all as Row,
                        matching!("ORDER BY id LIMIT $20"),
                        project,
                        filter,
                        bounds,
                        limit
                    )
                }),
            )
            .await?;
        rows.into_iter().map(event).collect()
    }

    /// How many events of a project fit the filter, as far as their rows tell.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn count_events(&self, project: ProjectId, filter: EventFilter) -> Result<i64> {
        self.read(
            "count_events",
            verb!(|tx, filter| {
                let bounds = bounds(&filter, None, None);
                let (count,) = ask!(
                    tx,
                    fetch_one as (i64,),
                    matching!("COUNT(*)", ""),
                    project,
                    filter,
                    bounds
                )?;
                Ok(count)
            }),
        )
        .await
    }
}

/// Between which ids those are that were derived from ids within these bounds.
fn times_of((lower, upper): (EventId, EventId)) -> (Uuid, Uuid) {
    let upper = if upper.0.is_max() { upper.0 } else { same_time(upper.0).1 };
    (same_time(lower.0).0, upper)
}

/// What the records of evaluations are asked for.
struct Asked {
    unevaluated: bool,
    status: Option<EvaluationStatus>,
}

const fn asked(filter: &EventFilter) -> Asked {
    let (unevaluated, status) = match filter.status {
        None => (false, None),
        Some(EventStatus::Accepted | EventStatus::Held) => (true, None),
        Some(EventStatus::Processed) => (false, Some(EvaluationStatus::Processed)),
        Some(EventStatus::Failed) => (false, Some(EvaluationStatus::Failed)),
    };
    Asked { unevaluated, status }
}

/// Ids order by time, so that every bound is one on the key: both are outside.
fn bounds(
    filter: &EventFilter,
    after: Option<EventId>,
    before: Option<EventId>,
) -> (EventId, EventId) {
    // An id is above the floor of its own time, so that the first of all is not passed over.
    let lower = EventId(filter.from.map_or(Uuid::nil(), floor));
    let upper = EventId(filter.to.map_or(Uuid::max(), floor));
    (
        after.map_or(lower, |after| after.max(lower)),
        before.map_or(upper, |before| before.min(upper)),
    )
}
