//! Event types and their versions: created, changed, deprecated and deleted; and what accepting reads of them.

mod read;

use super::audit::note;
use super::callers::caller;
use super::engine::epoch::{Hold, bump_epoch, hold_epoch};
use super::engine::{Tx, sql, verb};
use super::{Result, Store};
use domain::audit::{Actor, Entry};
use domain::authority::Target;
use domain::event_type::{
    EventType, EventTypeBody, EventTypeVersion, MAX_TYPES, MAX_VERSIONS, NewSchema,
};
use domain::id::{EventTypeId, ProjectId};
use domain::precondition::Precondition;
use domain::time::Time;

use read::live;
pub use read::{EventTypeFilter, EventTypeHead, EventTypeHeads};

/// What is to be changed of an event type; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct EventTypeChange {
    /// What is said of it.
    pub body: Option<EventTypeBody>,
    /// Whether it is deprecated.
    pub deprecated: Option<bool>,
    /// What it must be for this to be a change of it.
    pub condition: Precondition,
}

/// A version that is to be added.
#[derive(Clone, Debug)]
pub struct NextVersion {
    /// The number of the version that it follows, and was compared with.
    pub after: (EventTypeId, i64),
    /// What it says.
    pub says: NewSchema,
    /// What the event type must be for this to be a change of it.
    pub condition: Precondition,
}

/// What became of a change to an event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTypeVerdict {
    /// It was made: the event type as it is now.
    Done(Box<EventType>),
    /// It is no longer what the change demands.
    Stale,
    /// It has another latest version than the one that was compared with.
    Moved,
    /// There is one of that name.
    NameTaken,
    /// The project has as many as it may have, or the event type as many versions.
    Full,
}

impl Store {
    /// Keeps a new event type with its first version.
    ///
    /// # Errors
    /// When the caller may not.
    pub async fn add_event_type(
        &self,
        project: ProjectId,
        new: &EventType,
        says: &NewSchema,
        entry: &Entry,
        now: Time,
    ) -> Result<EventTypeVerdict> {
        let (new, says, entry) = (new.clone(), says.clone(), entry.clone());
        self.write(
            "add_event_type",
            verb!(|tx, new, says, entry| {
                hold_epoch(tx, project, Hold::Alone).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                if is_taken(tx, project, &new.name).await? {
                    return Ok(EventTypeVerdict::NameTaken);
                }
                let (count,) = sql!(
                    tx,
                    fetch_one as (i64,),
                    "SELECT COUNT(*) FROM event_types WHERE project_id = $1",
                    project
                )?;
                if count >= MAX_TYPES {
                    return Ok(EventTypeVerdict::Full);
                }
                bump_epoch(tx, project).await?;
                sql!(
                    tx, execute,
                    "INSERT INTO event_types (project_id, id, name, description, mode, version, revision, deprecated_at,
                         created_by, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                    project, new.id, &new.name, &new.body.description, new.body.mode.number(), new.version, new.revision,
                    new.deprecated_at, new.created_by, now, now
                )?;
                let first = EventTypeVersion {
                    version: new.version,
                    says,
                    created_by: new.created_by,
                    created_at: now,
                };
                keep_version(tx, project, new.id, &first).await?;
                note(tx, project, &entry, now).await?;
                Ok(EventTypeVerdict::Done(Box::new(new)))
            }),
        )
        .await
    }

    /// Changes what is said of an event type, if it is still what the change demands. What changes nothing is no change.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn update_event_type(
        &self,
        project: ProjectId,
        name: &str,
        change: &EventTypeChange,
        entry: &Entry,
        now: Time,
    ) -> Result<EventTypeVerdict> {
        let (name, change, entry) = (name.to_owned(), change.clone(), entry.clone());
        self.write(
            "update_event_type",
            verb!(|tx, name, change, entry| {
                hold_epoch(tx, project, Hold::Alone).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let old = live(tx, project, &name).await?;
                if !change.condition.holds(&old.tag()) {
                    return Ok(EventTypeVerdict::Stale);
                }
                let mut new = old.clone();
                new.body = change.body.unwrap_or(new.body);
                new.deprecated_at = match change.deprecated {
                    Some(true) => old.deprecated_at.or(Some(now)),
                    Some(false) => None,
                    None => old.deprecated_at,
                };
                if new == old {
                    return Ok(EventTypeVerdict::Done(Box::new(old)));
                }
                write_type(tx, project, &mut new, now).await?;
                (entry.before, entry.after) = (Some(old.told()), Some(new.told()));
                entry.resource = old.id.0;
                note(tx, project, &entry, now).await?;
                Ok(EventTypeVerdict::Done(Box::new(new)))
            }),
        )
        .await
    }

    /// Adds a version to an event type, if its latest one is still the one that was compared with.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn add_event_type_version(
        &self,
        project: ProjectId,
        name: &str,
        next: &NextVersion,
        entry: &Entry,
        now: Time,
    ) -> Result<EventTypeVerdict> {
        let (name, next, entry) = (name.to_owned(), next.clone(), entry.clone());
        self.write(
            "add_event_type_version",
            verb!(|tx, name, next, entry| {
                hold_epoch(tx, project, Hold::Alone).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let old = live(tx, project, &name).await?;
                if !next.condition.holds(&old.tag()) {
                    return Ok(EventTypeVerdict::Stale);
                }
                if next.after != (old.id, old.version) {
                    return Ok(EventTypeVerdict::Moved);
                }
                // None of them is ever deleted by itself, so that the number of the last one is how many there are.
                if old.version >= MAX_VERSIONS {
                    return Ok(EventTypeVerdict::Full);
                }
                let mut new = old.clone();
                new.version = old.version + 1;
                write_type(tx, project, &mut new, now).await?;
                let created_by = match entry.actor {
                    Actor::User(user) => Some(user),
                    Actor::Key(_) | Actor::System | Actor::Stranger => None,
                };
                let version = EventTypeVersion {
                    version: new.version,
                    says: next.says,
                    created_by,
                    created_at: now,
                };
                keep_version(tx, project, new.id, &version).await?;
                let mut after = new.told();
                after["schema_sha256"] = version.says.fingerprint().into();
                (entry.before, entry.after) = (Some(old.told()), Some(after));
                entry.resource = old.id.0;
                note(tx, project, &entry, now).await?;
                Ok(EventTypeVerdict::Done(Box::new(new)))
            }),
        )
        .await
    }

    /// Deletes an event type with its versions. Events of it are accepted as they are from then on.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn delete_event_type(
        &self,
        project: ProjectId,
        name: &str,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (name, entry) = (name.to_owned(), entry.clone());
        self.write(
            "delete_event_type",
            verb!(|tx, name, entry| {
                hold_epoch(tx, project, Hold::Alone).await?;
                caller(tx, &mut entry, now).await?.may(Target::Nothing)?;
                let old = live(tx, project, &name).await?;
                bump_epoch(tx, project).await?;
                sql!(
                    tx,
                    execute,
                    "DELETE FROM event_type_versions WHERE project_id = $1 AND event_type_id = $2",
                    project,
                    old.id
                )?;
                sql!(
                    tx,
                    execute,
                    "DELETE FROM event_types WHERE project_id = $1 AND id = $2",
                    project,
                    old.id
                )?;
                entry.before = Some(old.told());
                entry.resource = old.id.0;
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }
}

async fn is_taken(tx: &mut Tx, project: ProjectId, name: &str) -> Result<bool> {
    let found = sql!(
        tx,
        fetch_optional as (EventTypeId,),
        "SELECT id FROM event_types WHERE project_id = $1 AND name = $2",
        project,
        name
    )?;
    Ok(found.is_some())
}

/// Writes an event type as its next revision. Whoever accepts events reads it again by the epoch.
async fn write_type(tx: &mut Tx, project: ProjectId, new: &mut EventType, now: Time) -> Result<()> {
    (new.revision, new.updated_at) = (new.revision + 1, now);
    bump_epoch(tx, project).await?;
    sql!(
        tx,
        execute,
        "UPDATE event_types SET description = $1, mode = $2, version = $3, revision = $4, deprecated_at = $5, updated_at = $6
         WHERE project_id = $7 AND id = $8",
        &new.body.description,
        new.body.mode.number(),
        new.version,
        new.revision,
        new.deprecated_at,
        now,
        project,
        new.id
    )
    .map(|_| ())
}

async fn keep_version(
    tx: &mut Tx,
    project: ProjectId,
    id: EventTypeId,
    new: &EventTypeVersion,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO event_type_versions (project_id, event_type_id, version, json_schema, example, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        project,
        id,
        new.version,
        &new.says.schema,
        &new.says.example,
        new.created_by,
        new.created_at
    )
    .map(|_| ())
}
