//! Reading webhook endpoints, and what was sent to them.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::engine::{Tx, rows_in, sql, verb};
use crate::rules::SealedEndpoint;
use crate::trace::AttemptTrace;
use crate::{Result, Store, StoreError};
use domain::delivery::{DeliveryState, TargetKind};
use domain::endpoint::{EndpointBody, EndpointFilter, EndpointRecord};
use domain::id::{DeliveryId, EndpointId, NotificationId, ProjectId, UserId};
use domain::reason::Reason;
use domain::time::Time;

/// What stands in the column `details`: what of an endpoint nothing is looked for by.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct EndpointDetails {
    /// What it is for.
    #[serde(default)]
    description: String,
    /// Which notifications it takes.
    #[serde(default)]
    filter: EndpointFilter,
}

impl EndpointDetails {
    /// Those of an endpoint.
    pub(super) fn of(body: &EndpointBody) -> Self {
        Self { description: body.description.clone(), filter: body.filter.clone() }
    }

    /// The filter of a row; one that was written before there were any takes everything.
    fn filter(row: Option<Json<Self>>) -> EndpointFilter {
        row.map(|Json(details)| details.filter).unwrap_or_default()
    }
}

/// A delivery to an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointDelivery {
    /// Its id, from which the id of its message follows.
    pub id: DeliveryId,
    /// The notification.
    pub notification: NotificationId,
    /// How far it is.
    pub state: DeliveryState,
    /// Why it ended there.
    pub reason: Option<Reason>,
    /// When it is tried again.
    pub next_attempt_at: Option<Time>,
    /// When it was planned.
    pub created_at: Time,
    /// What was tried, in order.
    pub attempts: Vec<AttemptTrace>,
}

/// Some deliveries to an endpoint, newest first.
#[derive(Clone, Debug, Default)]
pub struct DeliveryPage {
    /// The deliveries.
    pub items: Vec<EndpointDelivery>,
    /// The last one that was looked at, if there are more behind it.
    pub next: Option<DeliveryId>,
}

/// How many deliveries of a project are looked at at once, for those to one endpoint have no index of their own.
const CHUNK: i64 = 1000;
/// How many such chunks are read for one page.
const MOST_CHUNKS: usize = 20;

type Row = (
    EndpointId,
    String,
    String,
    Option<Json<EndpointDetails>>,
    i64,
    Option<Time>,
    Option<Time>,
    Option<UserId>,
    Time,
    Time,
);

fn endpoint(row: Row) -> EndpointRecord {
    let (
        id,
        name,
        url,
        details,
        revision,
        disabled_at,
        former_until,
        created_by,
        created_at,
        updated_at,
    ) = row;
    let EndpointDetails { description, filter } =
        details.map(|Json(details)| details).unwrap_or_default();
    EndpointRecord {
        id,
        body: EndpointBody { name, url, description, filter },
        revision,
        disabled_at,
        former_until,
        created_by,
        created_at,
        updated_at,
    }
}

/// An endpoint that was not deleted.
pub(super) async fn live(
    tx: &mut Tx,
    project: ProjectId,
    id: EndpointId,
) -> Result<EndpointRecord> {
    let row = sql!(
        tx,
        fetch_optional as Row,
        "SELECT e.id, e.name, e.url, e.details, e.revision, e.disabled_at, s.ends_at, e.created_by, e.created_at, e.updated_at
         FROM webhook_endpoints e
         LEFT JOIN endpoint_secrets s ON s.project_id = e.project_id AND s.endpoint_id = e.id
         WHERE e.project_id = $1 AND e.id = $2 AND e.live = $3",
        project,
        id,
        Uuid::nil()
    )?;
    row.map(endpoint).ok_or(StoreError::NotFound("webhook endpoint"))
}

/// The same with its secrets.
pub(super) async fn sealed(
    tx: &mut Tx,
    project: ProjectId,
    id: EndpointId,
) -> Result<SealedEndpoint> {
    let row = sql!(
        tx,
        fetch_optional as SealedRow,
        "SELECT e.id, e.name, e.url, e.secret, e.details, s.secret, s.ends_at
         FROM webhook_endpoints e
         LEFT JOIN endpoint_secrets s ON s.project_id = e.project_id AND s.endpoint_id = e.id
         WHERE e.project_id = $1 AND e.id = $2 AND e.live = $3",
        project,
        id,
        Uuid::nil()
    )?;
    row.map(with_secrets).ok_or(StoreError::NotFound("webhook endpoint"))
}

type SealedRow = (
    EndpointId,
    String,
    String,
    Vec<u8>,
    Option<Json<EndpointDetails>>,
    Option<Vec<u8>>,
    Option<Time>,
);

fn with_secrets(row: SealedRow) -> SealedEndpoint {
    let (id, name, url, secret, details, former, until) = row;
    let filter = EndpointDetails::filter(details);
    SealedEndpoint { id, name, url, secret, former: former.zip(until), filter }
}

/// The endpoints that are sent to, for a rule set.
pub(crate) async fn sending(tx: &mut Tx, project: ProjectId) -> Result<Vec<SealedEndpoint>> {
    let rows = sql!(
        tx,
        fetch_all as SealedRow,
        "SELECT e.id, e.name, e.url, e.secret, e.details, s.secret, s.ends_at
         FROM webhook_endpoints e
         LEFT JOIN endpoint_secrets s ON s.project_id = e.project_id AND s.endpoint_id = e.id
         WHERE e.project_id = $1 AND e.live = $2 AND e.active = 1 ORDER BY e.id",
        project,
        Uuid::nil()
    )?;
    Ok(rows.into_iter().map(with_secrets).collect())
}

impl Store {
    /// Endpoints of a project, newest first, from before `before`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn endpoints(
        &self,
        project: ProjectId,
        before: Option<EndpointId>,
        limit: i64,
    ) -> Result<Vec<EndpointRecord>> {
        let before = before.map_or(Uuid::max(), |id| id.0);
        let rows = self
            .read(
                "endpoints",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_all as Row,
                        "SELECT e.id, e.name, e.url, e.details, e.revision, e.disabled_at, s.ends_at, e.created_by,
                                e.created_at, e.updated_at
                         FROM webhook_endpoints e
                         LEFT JOIN endpoint_secrets s ON s.project_id = e.project_id AND s.endpoint_id = e.id
                         WHERE e.project_id = $1 AND e.live = $2 AND e.id < $3 ORDER BY e.id DESC LIMIT $4",
                        project,
                        Uuid::nil(),
                        before,
                        limit
                    )
                }),
            )
            .await?;
        Ok(rows.into_iter().map(endpoint).collect())
    }

    /// An endpoint.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn endpoint(&self, project: ProjectId, id: EndpointId) -> Result<EndpointRecord> {
        self.read("endpoint", verb!(|tx| { live(tx, project, id).await })).await
    }

    /// At most `limit` deliveries to an endpoint, newest first, from before `before`; only those in a state, if one is given.
    /// Where the project has many others, there may be fewer, and more behind them.
    ///
    /// # Errors
    /// When the endpoint is not there.
    pub async fn endpoint_deliveries(
        &self,
        project: ProjectId,
        id: EndpointId,
        state: Option<DeliveryState>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<DeliveryPage> {
        self.read(
            "endpoint_deliveries",
            verb!(|tx| {
                live(tx, project, id).await?;
                let (ids, next) = walk(tx, project, (id, state), before, limit).await?;
                Ok(DeliveryPage { items: deliveries(tx, project, &ids).await?, next })
            }),
        )
        .await
    }
}

/// The ids of deliveries to an endpoint, and the last that was looked at if there may be more.
async fn walk(
    tx: &mut Tx,
    project: ProjectId,
    (endpoint, state): (EndpointId, Option<DeliveryState>),
    before: Option<DeliveryId>,
    limit: usize,
) -> Result<(Vec<DeliveryId>, Option<DeliveryId>)> {
    let mut last = before.unwrap_or(DeliveryId(Uuid::max()));
    let mut found = Vec::new();
    for _ in 0..MOST_CHUNKS {
        let rows = sql!(
            tx,
            fetch_all as (DeliveryId, i16, Uuid, i16),
            "SELECT id, target_kind, target, state FROM deliveries
             WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            project,
            last,
            CHUNK
        )?;
        let is_last = (rows.len() as i64) < CHUNK;
        for (id, kind, target, stands) in rows {
            if found.len() >= limit {
                return Ok((found, Some(last)));
            }
            last = id;
            let fits = kind == TargetKind::Endpoint.number() && target == endpoint.0;
            if fits && state.is_none_or(|wanted| wanted.number() == stands) {
                found.push(id);
            }
        }
        if is_last {
            return Ok((found, None));
        }
    }
    Ok((found, Some(last)))
}

type DeliveryRow = (
    DeliveryId,
    NotificationId,
    i16,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<Time>,
    Option<i64>,
    Time,
);

type LaterRow = (DeliveryId, i64, String, Option<i64>, Option<String>, Time, i64);

async fn deliveries(
    tx: &mut Tx,
    project: ProjectId,
    ids: &[DeliveryId],
) -> Result<Vec<EndpointDelivery>> {
    let rows = rows_in!(
        tx,
        as DeliveryRow,
        "SELECT id, notification_id, state, reason, outcome, status_code, detail, started_at, took_ms, created_at
         FROM deliveries WHERE project_id = $1 AND id",
        [project],
        ids,
        lite "",
        server ""
    );
    let later = rows_in!(
        tx,
        as LaterRow,
        "SELECT delivery_id, number, outcome, status_code, detail, started_at, took_ms FROM attempts
         WHERE project_id = $1 AND delivery_id",
        [project],
        ids,
        lite "",
        server ""
    );
    let due = rows_in!(
        tx,
        as (DeliveryId, Time),
        "SELECT row_id, at FROM due WHERE project_id = $1 AND kind = 2 AND row_id",
        [project],
        ids,
        lite "",
        server ""
    );
    let due: HashMap<DeliveryId, Time> = due.into_iter().collect();
    let mut attempts: HashMap<DeliveryId, Vec<AttemptTrace>> = HashMap::new();
    for (id, number, outcome, status_code, detail, started_at, took_ms) in later {
        let one = AttemptTrace { number, outcome, status_code, detail, started_at, took_ms };
        attempts.entry(id).or_default().push(one);
    }
    let mut found = Vec::with_capacity(rows.len());
    for (
        id,
        notification,
        state,
        reason,
        outcome,
        status_code,
        detail,
        started_at,
        took,
        created_at,
    ) in rows
    {
        let state = DeliveryState::from_number(state)
            .ok_or_else(|| StoreError::Corrupt(format!("delivery {id}")))?;
        let first = outcome.zip(started_at).map(|(outcome, started_at)| AttemptTrace {
            number: 1,
            outcome,
            status_code,
            detail,
            started_at,
            took_ms: took.unwrap_or(0),
        });
        let mut all: Vec<AttemptTrace> = first.into_iter().collect();
        all.extend(attempts.remove(&id).unwrap_or_default());
        all.sort_by_key(|one| one.number);
        found.push(EndpointDelivery {
            id,
            notification,
            state,
            reason: reason.as_deref().and_then(Reason::parse),
            next_attempt_at: due.get(&id).copied(),
            created_at,
            attempts: all,
        });
    }
    found.sort_by_key(|one| Reverse(one.id));
    Ok(found)
}
