//! Event types: what a project says that its events are like, and what payloads are held to.

mod wire;

use std::sync::Arc;

use domain::event_type::EventTypeBody;
use domain::id::EventTypeId;
use domain::intake::is_event_type;
use domain::once::Operation;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use runtime::app::App;
use store::event_types::EventTypeFilter;
use uuid::Uuid;

use self::wire::{
    EventType, EventTypeChange, EventTypeCheck, EventTypeCheckResult, EventTypePage,
    EventTypeState, EventTypeSummary, EventTypeVersion, EventTypeVersionPage,
    EventTypeVersionSummary, NewEventType, NewEventTypeVersion, tagged,
};
use super::Tag;
use crate::auth::{Caller, EventTypesCreate, EventTypesDelete, EventTypesUpdate, EventsRead};
use crate::body::Body;
use crate::etag::{Tagged, if_match};
use crate::once::{MadeOnce, once};
use crate::page::{self, List, cut};
use crate::problem::{Acts, Changes, Creates, Edits, Failure, Lists, Problem, Reads};
use crate::wire::{Answer, Done};

/// The operations on event types.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[OpenApi(prefix_path = "/api/v1/event-types", tag = "Tag::Events")]
impl Operations {
    /// List event types
    ///
    /// Needs the scope `read` or the permission `events:read`. Newest first, without their schemas.
    #[oai(path = "/", method = "get", operation_id = "list_event_types")]
    async fn list(
        &self,
        caller: Caller<EventsRead>,
        /// Only those that stand so.
        state: Query<Option<EventTypeState>>,
        /// Only those with this in their name, in any case.
        #[oai(validator(min_length = 1, max_length = 128))]
        q: Query<Option<String>>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<EventTypePage>, Failure<Lists>> {
        caller.demand_any()?;
        let deprecated = state.0.map(|state| matches!(state, EventTypeState::Deprecated));
        let filter = EventTypeFilter { deprecated, name: q.0 };
        let list = List::new("event_types", caller.project, &filter);
        let before = list.read(cursor.0.as_deref())?.map(EventTypeId);
        let limit = limit.0.clamp(1, page::MAX);
        let (admin, count) = (&self.app.admin, limit as usize + 1);
        let rows = admin.event_types(caller.project, filter, before, count).await?;
        let (rows, next_cursor) = cut(rows, limit, &list, |row| row.id.0);
        let items = rows.into_iter().map(EventTypeSummary::from).collect();
        Ok(Answer(EventTypePage { items, next_cursor }))
    }

    /// Create an event type
    ///
    /// Needs the permission `events:create`. From the answer on, payloads of such events are held to the schema, as `mode`
    /// says. The schema is the first version; it stands alone, in draft 2020-12 or draft 7 of JSON Schema.
    #[oai(path = "/", method = "post", operation_id = "create_event_type")]
    async fn create(
        &self,
        caller: Caller<EventTypesCreate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewEventType>,
    ) -> Result<MadeOnce<EventType>, Failure<Creates>> {
        caller.demand_any()?;
        let (name, said, says) = body.value.read();
        let what = (Operation::CreateEventType, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, move |app, caller| async move {
            let admin = &app.admin;
            let made = admin.create_event_type(caller.project, name, said, says, &caller.initiator);
            Ok(EventType::from(made.await?))
        });
        Ok(made.await?)
    }

    /// Get an event type
    ///
    /// Needs the scope `read` or the permission `events:read`. With the schema and the example of its latest version.
    #[oai(path = "/:name", method = "get", operation_id = "get_event_type")]
    async fn get(
        &self,
        caller: Caller<EventsRead>,
        /// The type of the events.
        name: Path<String>,
    ) -> Result<Tagged<EventType>, Failure<Reads>> {
        caller.demand_any()?;
        let found = self.app.admin.event_type(caller.project, named(&name.0)?).await?;
        Ok(tagged(found))
    }

    /// Update an event type
    ///
    /// Needs the permission `events:update`. Sets all that is said of it besides its schemas: what is left out is as in one
    /// that was created without it, and one that was deprecated is so no longer unless `deprecated` says it again.
    #[oai(path = "/:name", method = "put", operation_id = "update_event_type")]
    async fn change(
        &self,
        caller: Caller<EventTypesUpdate>,
        /// The type of the events.
        name: Path<String>,
        /// The ETag of the event type that this is a change of; 412 when it was changed since.
        #[oai(name = "If-Match", validator(max_length = 1000))]
        condition: Header<Option<String>>,
        body: Body<EventTypeChange>,
    ) -> Result<Tagged<EventType>, Failure<Edits>> {
        caller.demand_any()?;
        let condition = if_match(condition.0.as_deref())?;
        let deprecated = body.value.deprecated;
        let change = (EventTypeBody::from(body.value), deprecated);
        let (admin, name) = (&self.app.admin, named(&name.0)?);
        let (project, initiator) = (caller.project, &caller.initiator);
        let changed = admin.update_event_type(project, name, change, &condition, initiator);
        Ok(tagged(changed.await?))
    }

    /// Delete an event type
    ///
    /// Needs the permission `events:delete`. It goes with all its versions; events of the type are accepted as they are from
    /// then on.
    #[oai(path = "/:name", method = "delete", operation_id = "delete_event_type")]
    async fn delete(
        &self,
        caller: Caller<EventTypesDelete>,
        /// The type of the events.
        name: Path<String>,
    ) -> Result<Done, Failure<Acts>> {
        caller.demand_any()?;
        let name = named(&name.0)?;
        self.app.admin.delete_event_type(caller.project, name, &caller.initiator).await?;
        Ok(Done)
    }

    /// Deprecate an event type
    ///
    /// Needs the permission `events:update`. Events of it are still accepted, and their producers are told. An update without
    /// `deprecated` undoes it.
    #[oai(path = "/:name/deprecate", method = "post", operation_id = "deprecate_event_type")]
    async fn deprecate(
        &self,
        caller: Caller<EventTypesUpdate>,
        /// The type of the events.
        name: Path<String>,
    ) -> Result<Tagged<EventType>, Failure<Acts>> {
        caller.demand_any()?;
        let (admin, name) = (&self.app.admin, named(&name.0)?);
        let changed = admin.deprecate_event_type(caller.project, name, &caller.initiator);
        Ok(tagged(changed.await?))
    }

    /// Check a schema or a payload
    ///
    /// Needs the scope `read` or the permission `events:read`. Whether a schema takes every payload that the latest version of
    /// the event type takes, and what of a payload does not fit that version. Nothing is kept of it.
    #[oai(path = "/:name/check", method = "post", operation_id = "check_event_type")]
    async fn check(
        &self,
        caller: Caller<EventsRead>,
        /// The type of the events.
        name: Path<String>,
        body: Body<EventTypeCheck>,
    ) -> Result<Answer<EventTypeCheckResult>, Failure<Changes>> {
        caller.demand_any()?;
        let (schema, payload) = body.value.read();
        let most = self.app.config.accept.max_payload.as_usize();
        let (admin, name) = (&self.app.admin, named(&name.0)?);
        let checked = admin.check_event_type(caller.project, name, schema, payload, most);
        Ok(Answer(checked.await?.into()))
    }

    /// List the versions of an event type
    ///
    /// Needs the scope `read` or the permission `events:read`. Newest first, without their schemas.
    #[oai(path = "/:name/versions", method = "get", operation_id = "list_event_type_versions")]
    async fn versions(
        &self,
        caller: Caller<EventsRead>,
        /// The type of the events.
        name: Path<String>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<EventTypeVersionPage>, Failure<Reads>> {
        caller.demand_any()?;
        let name = named(&name.0)?;
        let list = List::new("event_type_versions", caller.project, &name);
        // Cursors hold ids: the number of a version stands in the low half of one.
        let before = list.read(cursor.0.as_deref())?.map(|id| id.as_u64_pair().1.cast_signed());
        let limit = limit.0.clamp(1, page::MAX);
        let (admin, count) = (&self.app.admin, limit as usize + 1);
        let rows = admin.event_type_versions(caller.project, name, before, count).await?;
        let place = |one: &(i64, _, _)| Uuid::from_u64_pair(0, one.0.unsigned_abs());
        let (rows, next_cursor) = cut(rows, limit, &list, place);
        let items = rows.into_iter().map(EventTypeVersionSummary::from).collect();
        Ok(Answer(EventTypeVersionPage { items, next_cursor }))
    }

    /// Add a version to an event type
    ///
    /// Needs the permission `events:update`. From the answer on, payloads are held to its schema. It must take every payload
    /// that the latest version takes, as far as that can be decided: 409 `incompatible_schema` says where it does not, and
    /// `"compatibility": "none"` adds it all the same. One that says what the latest version says is not added.
    #[oai(path = "/:name/versions", method = "post", operation_id = "create_event_type_version")]
    async fn add_version(
        &self,
        caller: Caller<EventTypesUpdate>,
        /// The type of the events.
        name: Path<String>,
        /// The ETag of the event type that this is a change of; 412 when it was changed since.
        #[oai(name = "If-Match", validator(max_length = 1000))]
        condition: Header<Option<String>>,
        body: Body<NewEventTypeVersion>,
    ) -> Result<Tagged<EventType>, Failure<Edits>> {
        caller.demand_any()?;
        let condition = if_match(condition.0.as_deref())?;
        let (admin, name) = (&self.app.admin, named(&name.0)?);
        let (project, initiator) = (caller.project, &caller.initiator);
        let new = body.value.into();
        let added = admin.add_event_type_version(project, name, new, &condition, initiator);
        Ok(tagged(added.await?))
    }

    /// Get a version of an event type
    ///
    /// Needs the scope `read` or the permission `events:read`.
    #[oai(
        path = "/:name/versions/:version",
        method = "get",
        operation_id = "get_event_type_version"
    )]
    async fn version(
        &self,
        caller: Caller<EventsRead>,
        /// The type of the events.
        name: Path<String>,
        /// The number of the version.
        #[oai(validator(minimum(value = "1")))]
        version: Path<i64>,
    ) -> Result<Answer<EventTypeVersion>, Failure<Reads>> {
        caller.demand_any()?;
        let (admin, name) = (&self.app.admin, named(&name.0)?);
        let found = admin.event_type_version(caller.project, name, Some(version.0)).await?;
        Ok(Answer(found.1.into()))
    }
}

/// The name in a path, which no store is asked for if no event type can have it.
fn named(name: &str) -> Result<&str, Problem> {
    if is_event_type(name) { Ok(name) } else { Err(Problem::not_found("event type")) }
}
