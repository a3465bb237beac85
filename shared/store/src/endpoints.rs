//! Webhook endpoints: created, changed, given new secrets and deleted.

mod read;

use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::callers::caller;
use super::engine::epoch::{Hold, bump_epoch, hold_epoch};
use super::engine::{Tx, sql, verb};
use super::rules::SealedEndpoint;
use super::{Result, Store};
use domain::audit::Entry;
use domain::authority::Target;
use domain::endpoint::{EndpointBody, EndpointRecord, MAX_ENDPOINTS};
use domain::id::{EndpointId, ProjectId, RuleId};
use domain::precondition::Precondition;
use domain::time::Time;

pub(crate) use read::sending;
pub use read::{DeliveryPage, EndpointDelivery};
use read::{EndpointDetails, live, sealed};

/// What is to be changed of an endpoint; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct EndpointChange {
    /// What its owner says of it, the whole of it.
    pub body: Option<EndpointBody>,
    /// Whether anything is sent to it.
    pub enabled: Option<bool>,
    /// What it must be for this to be a change of it.
    pub condition: Precondition,
}

/// What became of a change to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointVerdict {
    /// It was made: the endpoint as it is now.
    Done(Box<EndpointRecord>),
    /// It is no longer what the change demands.
    Stale,
    /// Another endpoint has the name.
    NameTaken,
    /// A rule that it names is not there: the field.
    Unknown(String),
    /// The project has as many as it may have.
    Full,
}

impl Store {
    /// Keeps a new endpoint with its sealed secret. It is sent what rings after the answer.
    ///
    /// # Errors
    /// When the caller may not.
    pub async fn add_endpoint(
        &self,
        project: ProjectId,
        new: &EndpointRecord,
        secret: &[u8],
        entry: &Entry,
        now: Time,
    ) -> Result<EndpointVerdict> {
        let (new, secret, entry) = (new.clone(), secret.to_vec(), entry.clone());
        self.write(
            "add_endpoint",
            verb!(|tx, new, secret, entry| {
                hold_epoch(tx, project, Hold::Alone).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let nil = Uuid::nil();
                let (count,) = sql!(
                    tx,
                    fetch_one as (i64,),
                    "SELECT COUNT(*) FROM webhook_endpoints WHERE project_id = $1 AND live = $2",
                    project,
                    nil
                )?;
                if count >= MAX_ENDPOINTS {
                    return Ok(EndpointVerdict::Full);
                }
                if let Some(refusal) = refusal(tx, project, new.id, &new.body).await? {
                    return Ok(refusal);
                }
                bump_epoch(tx, project).await?;
                sql!(
                    tx, execute,
                    "INSERT INTO webhook_endpoints (project_id, id, name, url, secret, active, live, created_at, updated_at,
                         details, revision, disabled_at, created_by)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                    project, new.id, &new.body.name, &new.body.url, secret, active(&new), nil, now, now,
                    Json(EndpointDetails::of(&new.body)), new.revision, new.disabled_at, new.created_by
                )?;
                note(tx, project, &entry, now).await?;
                Ok(EndpointVerdict::Done(Box::new(new)))
            }),
        )
        .await
    }

    /// Changes an endpoint, if it is still what the change demands. What changes nothing is no change.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn update_endpoint(
        &self,
        project: ProjectId,
        id: EndpointId,
        change: &EndpointChange,
        entry: &Entry,
        now: Time,
    ) -> Result<EndpointVerdict> {
        let (change, entry) = (change.clone(), entry.clone());
        self.write(
            "update_endpoint",
            verb!(|tx, change, entry| {
                hold_epoch(tx, project, Hold::Alone).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let old = live(tx, project, id).await?;
                if !change.condition.holds(&old.tag()) {
                    return Ok(EndpointVerdict::Stale);
                }
                let mut new = old.clone();
                new.body = change.body.unwrap_or(new.body);
                new.disabled_at = match change.enabled {
                    Some(true) => None,
                    Some(false) => old.disabled_at.or(Some(now)),
                    None => old.disabled_at,
                };
                if new == old {
                    return Ok(EndpointVerdict::Done(Box::new(old)));
                }
                if new.body != old.body
                    && let Some(refusal) = refusal(tx, project, id, &new.body).await?
                {
                    return Ok(refusal);
                }
                (new.revision, new.updated_at) = (old.revision + 1, now);
                write_endpoint(tx, project, &new).await?;
                (entry.before, entry.after) = (Some(old.told()), Some(new.told()));
                note(tx, project, &entry, now).await?;
                Ok(EndpointVerdict::Done(Box::new(new)))
            }),
        )
        .await
    }

    /// Gives an endpoint another sealed secret. Until `until`, the one that it had signs besides it; one before that signs no
    /// more.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn rotate_endpoint_secret(
        &self,
        project: ProjectId,
        id: EndpointId,
        secret: &[u8],
        until: Option<Time>,
        entry: &Entry,
        now: Time,
    ) -> Result<EndpointRecord> {
        let (secret, entry) = (secret.to_vec(), entry.clone());
        self.write(
            "rotate_endpoint_secret",
            verb!(|tx, secret, entry| {
                hold_epoch(tx, project, Hold::Alone).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let mut new = live(tx, project, id).await?;
                let former = sealed(tx, project, id).await?.secret;
                forget_former(tx, project, id).await?;
                if let Some(until) = until {
                    sql!(
                        tx,
                        execute,
                        "INSERT INTO endpoint_secrets (project_id, endpoint_id, secret, ends_at) VALUES ($1, $2, $3, $4)",
                        project,
                        id,
                        former,
                        until
                    )?;
                }
                (new.revision, new.updated_at, new.former_until) = (new.revision + 1, now, until);
                write_endpoint(tx, project, &new).await?;
                sql!(
                    tx,
                    execute,
                    "UPDATE webhook_endpoints SET secret = $1 WHERE project_id = $2 AND id = $3",
                    secret,
                    project,
                    id
                )?;
                note(tx, project, &entry, now).await?;
                Ok(new)
            }),
        )
        .await
    }

    /// Deletes an endpoint. Its row stays, for deliveries name it; nothing is sent to it any more.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn delete_endpoint(
        &self,
        project: ProjectId,
        id: EndpointId,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let entry = entry.clone();
        self.write(
            "delete_endpoint",
            verb!(|tx, entry| {
                hold_epoch(tx, project, Hold::Alone).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let old = live(tx, project, id).await?;
                bump_epoch(tx, project).await?;
                forget_former(tx, project, id).await?;
                sql!(
                    tx,
                    execute,
                    "UPDATE webhook_endpoints SET live = $1, deleted_at = $2, updated_at = $3 WHERE project_id = $4 AND id = $5",
                    id,
                    now,
                    now,
                    project,
                    id
                )?;
                entry.before = Some(old.told());
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }

    /// Notes that an endpoint is about to be tested; answers it, so that it can be.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn note_endpoint_test(
        &self,
        project: ProjectId,
        id: EndpointId,
        entry: &Entry,
        now: Time,
    ) -> Result<SealedEndpoint> {
        let entry = entry.clone();
        self.write(
            "note_endpoint_test",
            verb!(|tx, entry| {
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let found = sealed(tx, project, id).await?;
                note(tx, project, &entry, now).await?;
                Ok(found)
            }),
        )
        .await
    }
}

fn active(endpoint: &EndpointRecord) -> i16 {
    i16::from(endpoint.disabled_at.is_none())
}

/// Why an endpoint can't stand among the others as it is.
async fn refusal(
    tx: &mut Tx,
    project: ProjectId,
    id: EndpointId,
    body: &EndpointBody,
) -> Result<Option<EndpointVerdict>> {
    let nil = Uuid::nil();
    let taken = sql!(
        tx,
        fetch_optional as (EndpointId,),
        "SELECT id FROM webhook_endpoints WHERE project_id = $1 AND name = $2 AND live = $3 AND id <> $4",
        project,
        &body.name,
        nil,
        id
    )?;
    if taken.is_some() {
        return Ok(Some(EndpointVerdict::NameTaken));
    }
    for (at, rule) in body.filter.rules.iter().enumerate() {
        let found = sql!(
            tx,
            fetch_optional as (RuleId,),
            "SELECT id FROM rules WHERE project_id = $1 AND id = $2 AND live = $3",
            project,
            *rule,
            nil
        )?;
        if found.is_none() {
            return Ok(Some(EndpointVerdict::Unknown(format!("rule_ids[{at}]"))));
        }
    }
    Ok(None)
}

/// Writes an endpoint as its next revision, but for its secret.
async fn write_endpoint(tx: &mut Tx, project: ProjectId, new: &EndpointRecord) -> Result<()> {
    bump_epoch(tx, project).await?;
    sql!(
        tx,
        execute,
        "UPDATE webhook_endpoints SET name = $1, url = $2, details = $3, active = $4, disabled_at = $5, revision = $6,
             updated_at = $7
         WHERE project_id = $8 AND id = $9",
        &new.body.name,
        &new.body.url,
        Json(EndpointDetails::of(&new.body)),
        active(new),
        new.disabled_at,
        new.revision,
        new.updated_at,
        project,
        new.id
    )
    .map(|_| ())
}

async fn forget_former(tx: &mut Tx, project: ProjectId, id: EndpointId) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM endpoint_secrets WHERE project_id = $1 AND endpoint_id = $2",
        project,
        id
    )
    .map(|_| ())
}
