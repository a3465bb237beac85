//! Reading event types and their versions.

use crate::engine::{Tx, sql, verb};
use crate::{Result, Store, StoreError};
use domain::event_type::{EventType, EventTypeBody, EventTypeVersion, NewSchema, SchemaMode};
use domain::id::{EventTypeId, ProjectId, UserId};
use domain::time::Time;
use uuid::Uuid;

/// Which event types a list shows.
#[derive(Clone, Debug, Default)]
pub struct EventTypeFilter {
    /// Those that are deprecated, or that are not.
    pub deprecated: Option<bool>,
    /// Those with this in their name, in any case.
    pub name: Option<String>,
}

impl EventTypeFilter {
    fn fits(&self, one: &EventType) -> bool {
        let name = |part: &String| one.name.to_lowercase().contains(&part.to_lowercase());
        self.deprecated.is_none_or(|wanted| wanted == one.deprecated_at.is_some())
            && self.name.as_ref().is_none_or(name)
    }
}

/// What accepting events must know of an event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTypeHead {
    /// Its id.
    pub id: EventTypeId,
    /// The type of the events.
    pub name: String,
    /// What becomes of an event whose payload does not fit.
    pub mode: SchemaMode,
    /// The number of its latest version.
    pub version: i64,
    /// Whether it is deprecated.
    pub is_deprecated: bool,
}

/// All event types of a project, as of an epoch.
#[derive(Clone, Debug)]
pub struct EventTypeHeads {
    /// The epoch; read first, so that a change meanwhile leaves it too old and they are read again.
    pub epoch: i64,
    /// The event types.
    pub heads: Vec<EventTypeHead>,
}

type Row = (EventTypeId, String, String, i16, i64, i64, Option<Time>, Option<UserId>, Time, Time);

fn event_type(row: Row) -> EventType {
    let (
        id,
        name,
        description,
        mode,
        version,
        revision,
        deprecated_at,
        created_by,
        created_at,
        updated_at,
    ) = row;
    let body = EventTypeBody { description, mode: mode_of(mode) };
    EventType {
        id,
        name,
        body,
        version,
        revision,
        deprecated_at,
        created_by,
        created_at,
        updated_at,
    }
}

/// A mode that only a newer build knows checks nothing here.
fn mode_of(number: i16) -> SchemaMode {
    SchemaMode::from_number(number).unwrap_or(SchemaMode::Off)
}

/// How many rows are read at once where a filter may leave most of them out.
const CHUNK: i64 = 500;

/// The event type of that name.
pub(super) async fn live(tx: &mut Tx, project: ProjectId, name: &str) -> Result<EventType> {
    let row = sql!(
        tx,
        fetch_optional as Row,
        "SELECT id, name, description, mode, version, revision, deprecated_at, created_by, created_at, updated_at
         FROM event_types WHERE project_id = $1 AND name = $2",
        project,
        name
    )?;
    row.map(event_type).ok_or(StoreError::NotFound("event type"))
}

impl Store {
    /// Event types, newest first, from before `before`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn event_types(
        &self,
        project: ProjectId,
        filter: EventTypeFilter,
        before: Option<EventTypeId>,
        limit: usize,
    ) -> Result<Vec<EventType>> {
        self.read(
            "event_types",
            verb!(|tx, filter| {
                let mut last = before.map_or(Uuid::max(), |id| id.0);
                let mut found = Vec::new();
                loop {
                    let rows = sql!(
                        tx,
                        fetch_all as Row,
                        "SELECT id, name, description, mode, version, revision, deprecated_at, created_by, created_at,
                                updated_at
                         FROM event_types WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                        project,
                        last,
                        CHUNK
                    )?;
                    let is_last = (rows.len() as i64) < CHUNK;
                    last = rows.last().map_or(last, |one| one.0.0);
                    found.extend(rows.into_iter().map(event_type).filter(|one| filter.fits(one)));
                    if is_last || found.len() >= limit {
                        found.truncate(limit);
                        return Ok(found);
                    }
                }
            }),
        )
        .await
    }

    /// The event type of a name.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn event_type(&self, project: ProjectId, name: &str) -> Result<EventType> {
        let name = name.to_owned();
        self.read("event_type", verb!(|tx, name| { live(tx, project, &name).await })).await
    }

    /// A version of an event type, with the type; the latest one, if no number is given.
    ///
    /// # Errors
    /// When the event type is not there, or has no such version.
    pub async fn event_type_version(
        &self,
        project: ProjectId,
        name: &str,
        number: Option<i64>,
    ) -> Result<(EventType, EventTypeVersion)> {
        let name = name.to_owned();
        self.read(
            "event_type_version",
            verb!(|tx, name| {
                let found = live(tx, project, &name).await?;
                let number = number.unwrap_or(found.version);
                let row = sql!(
                    tx,
                    fetch_optional as (String, Option<String>, Option<UserId>, Time),
                    "SELECT json_schema, example, created_by, created_at FROM event_type_versions
                     WHERE project_id = $1 AND event_type_id = $2 AND version = $3",
                    project,
                    found.id,
                    number
                )?;
                let (schema, example, created_by, created_at) =
                    row.ok_or(StoreError::NotFound("version of the event type"))?;
                let says = NewSchema { schema, example };
                Ok((found, EventTypeVersion { version: number, says, created_by, created_at }))
            }),
        )
        .await
    }

    /// The versions of an event type before `before`, newest first: their numbers, authors and times.
    ///
    /// # Errors
    /// When the event type is not there.
    pub async fn event_type_versions(
        &self,
        project: ProjectId,
        name: &str,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<(i64, Option<UserId>, Time)>> {
        let name = name.to_owned();
        self.read(
            "event_type_versions",
            verb!(|tx, name| {
                let found = live(tx, project, &name).await?;
                sql!(
                    tx,
                    fetch_all as (i64, Option<UserId>, Time),
                    "SELECT version, created_by, created_at FROM event_type_versions
                     WHERE project_id = $1 AND event_type_id = $2 AND version < $3 ORDER BY version DESC LIMIT $4",
                    project,
                    found.id,
                    before.unwrap_or(i64::MAX),
                    limit as i64
                )
            }),
        )
        .await
    }

    /// What accepting events must know of all event types of a project.
    ///
    /// # Errors
    /// When the project is not there.
    pub async fn event_type_heads(&self, project: ProjectId) -> Result<EventTypeHeads> {
        self.read(
            "event_type_heads",
            verb!(|tx| {
                let epoch = sql!(
                    tx,
                    fetch_optional as (i64,),
                    "SELECT epoch FROM projects WHERE id = $1",
                    project
                )?;
                let (epoch,) = epoch.ok_or(StoreError::NotFound("project"))?;
                let rows = sql!(
                    tx,
                    fetch_all as (EventTypeId, String, i16, i64, Option<Time>),
                    "SELECT id, name, mode, version, deprecated_at FROM event_types WHERE project_id = $1",
                    project
                )?;
                let head = |(id, name, mode, version, deprecated_at): (_, _, _, _, Option<Time>)| {
                    let is_deprecated = deprecated_at.is_some();
                    EventTypeHead { id, name, mode: mode_of(mode), version, is_deprecated }
                };
                Ok(EventTypeHeads { epoch, heads: rows.into_iter().map(head).collect() })
            }),
        )
        .await
    }

    /// The schema of a version, which never changes; nothing, if the event type was deleted.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn event_type_schema(
        &self,
        project: ProjectId,
        id: EventTypeId,
        version: i64,
    ) -> Result<Option<String>> {
        let row = self
            .read(
                "event_type_schema",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_optional as (String,),
                        "SELECT json_schema FROM event_type_versions
                         WHERE project_id = $1 AND event_type_id = $2 AND version = $3",
                        project,
                        id,
                        version
                    )
                }),
            )
            .await?;
        Ok(row.map(|(schema,)| schema))
    }
}
