//! Events: accepted one by one, in batches and as NDJSON; listed, read and traced.

pub mod accept;
mod bodies;
mod import;
pub mod judged;
mod trace;
mod why_not;
pub mod wire;

use std::sync::Arc;

use domain::event::EventState;
use domain::event_filter::{EventFilter, PayloadValue};
use domain::facts::event_facts;
use domain::fault::FaultCode;
use domain::feature::Feature;
use domain::id::{EventId, KeyId, RuleId, UserId};
use domain::user::UserStatus;
use domain::why_not::Whom;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use runtime::app::App;
use services::access::Principal;
use uuid::Uuid;

use super::Tag;
use crate::auth::{Caller, EventsCreate, EventsRead, EventsWrite, Looking, Right, UsersRead};
use crate::features;
use crate::page::{self, List};
use crate::problem::{Acts, Bulk, Creates, Failure, Lists, Problem, Reads, Streams};
use crate::wire::{Answer, Stamp};
use accept::{AcceptAnswer, BatchAnswer};
use bodies::{ManyEvents, OneEvent};
use import::{ImportAnswer, Lines};
use trace::TraceAnswer;
pub use trace::{ConditionPart, NamedValue, RecipientTrace};
use why_not::WhyNot;
pub use wire::EventStatus;
pub use wire::NewEvent;
use wire::{Event, EventPage};

/// The operations on events.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[OpenApi(prefix_path = "/api/v1/events", tag = "Tag::Events")]
impl Operations {
    /// Accept an event
    ///
    /// Needs the scope `events:write`. The event is kept when the answer comes; what became of it is told at
    /// `status_url`. The same body again under the same idempotency key gives the same answer. CloudEvents 1.0 are taken,
    /// too: in the structured mode as `application/cloudevents+json`, in the binary mode with `ce-` headers and the data as
    /// the body, of whatever type. Without an idempotency key, their source and id make a second sending the same event.
    #[oai(path = "/", method = "post", operation_id = "accept_event")]
    async fn accept(
        &self,
        caller: Caller<EventsWrite>,
        /// Makes a second sending the same event: 1 to 255 visible characters. It is the same thing as the field
        /// `idempotency_key`; if both are there they must agree.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: OneEvent,
    ) -> Result<AcceptAnswer, Failure<Creates>> {
        let key = crate::once::key_of(request)?;
        Ok(accept::one(&self.app, caller.project, key_id(&caller)?, key, body).await?)
    }

    /// Accept a batch of events
    ///
    /// Needs the scope `events:write`. Each event has a result of its own, in order: one that is wrong does not keep its
    /// neighbours out. Idempotency keys stand in the events, or one in the header stands for the whole batch: then the
    /// same body gives the same answer again. A list of CloudEvents 1.0 is sent as `application/cloudevents-batch+json`.
    #[oai(path = "/batch", method = "post", operation_id = "accept_events")]
    async fn batch(
        &self,
        caller: Caller<EventsWrite>,
        /// Makes a second sending the same batch: 1 to 255 visible characters.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: ManyEvents,
    ) -> Result<BatchAnswer, Failure<Bulk>> {
        let key = crate::once::key_of(request)?;
        let from = (caller.project, key_id(&caller)?);
        Ok(accept::many(&self.app, from, key, body).await?)
    }

    /// Import events
    ///
    /// Needs the scope `events:write`. One event per line, as many as there are. What was accepted stays accepted when
    /// the import breaks off; with an idempotency key in the header, or one in each event, it can simply be sent again, and
    /// no line is kept twice. A client that sends too slowly, or is no longer allowed to, is told so within seconds.
    #[oai(path = "/import", method = "post", operation_id = "import_events")]
    async fn import(
        &self,
        caller: Caller<EventsWrite>,
        /// Makes a second sending the same import: 1 to 255 visible characters. Each line that has no key of its own
        /// gets one that follows from it.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        lines: Lines,
    ) -> Result<ImportAnswer, Failure<Streams>> {
        features::demand(&self.app, caller.project, Feature::EventImport)?;
        let key = crate::once::key_of(request)?;
        let from = (caller.project, key_id(&caller)?);
        let right = Right::of(&self.app, request, &caller).with(Feature::EventImport);
        Ok(import::run(&self.app, from, right, key, lines).await?)
    }

    /// List events
    ///
    /// Needs the scope `read` or the permission `events:read`. Newest first. What is said of payloads and texts is looked for
    /// in 1000 events at a time: a page may be short, or empty, and still have a `next_cursor`.
    #[oai(path = "/", method = "get", operation_id = "list_events")]
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        caller: Caller<Looking<EventsRead>>,
        /// Only events of this type.
        #[oai(name = "type", validator(max_length = 128))]
        kind: Query<Option<String>>,
        /// Only events from this source.
        #[oai(validator(max_length = 200))]
        source: Query<Option<String>>,
        /// Only events about this subject.
        #[oai(validator(max_length = 256))]
        subject: Query<Option<String>>,
        /// Only events received at this time or later.
        from: Query<Option<Stamp>>,
        /// Only events received before this time.
        to: Query<Option<Stamp>>,
        /// Only events that came so far.
        status: Query<Option<EventStatus>>,
        /// Only events that this rule matched.
        rule_id: Query<Option<Uuid>>,
        /// Only events with this value in their payload: a path and what stands there, like `order.id=A-17`. It may be
        /// written as `payload.order.id=A-17`, too, and so up to ten values asked for.
        #[oai(validator(max_length = 401))]
        payload: Query<Option<String>>,
        /// Only events with this in their type, source, subject or payload, in small or capital letters.
        #[oai(validator(min_length = 1, max_length = 200))]
        q: Query<Option<String>>,
        request: &Request,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<EventPage>, Failure<Lists>> {
        let filter = EventFilter {
            kind: kind.0,
            source: source.0,
            subject: subject.0,
            from: from.0.map(|time| time.0),
            to: to.0.map(|time| time.0),
            status: status.0.map(Into::into),
            rule: rule_id.0.map(RuleId),
            payload: places(payload.0, request)?,
            text: q.0,
        };
        if let Some(fault) = filter.faults("").into_iter().next() {
            return Err(Problem::parameter(fault.field, fault.code, fault.message).into());
        }
        let list = List::new("events", caller.project, &filter);
        let after = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        // A wanted status was read in another moment than the one that is shown.
        let fits = |row: &EventState| {
            filter.status.is_none_or(|status| row.status == status)
                && filter.holds_inside(&row.event)
        };
        let (rows, next_cursor) = page::seen(
            limit,
            &list,
            after,
            |after, count| {
                let after = after.map(EventId);
                self.app.events.list(caller.project, filter.clone(), after, count)
            },
            |row| row.event.id.0,
            |row| fits(row) && caller.may_with(&facts(&row.event), false),
        )
        .await?;
        let items = rows.into_iter().map(Event::from).collect();
        Ok(Answer(EventPage { items, next_cursor }))
    }

    /// Get an event
    ///
    /// Needs the scope `read` or the permission `events:read`.
    #[oai(path = "/:id", method = "get", operation_id = "get_event")]
    async fn get(
        &self,
        caller: Caller<Looking<EventsRead>>,
        /// The event.
        id: Path<Uuid>,
    ) -> Result<Answer<Event>, Failure<Reads>> {
        let found = self.app.events.get(caller.project, EventId(id.0)).await?;
        let found = found.ok_or_else(|| Problem::not_found("event"))?;
        caller.look("event", &facts(&found.event), false)?;
        Ok(Answer(found.into()))
    }

    /// Replay an event
    ///
    /// Needs the permission `events:create`. The event is accepted once more, as a new one with `replay_of`; the rules,
    /// silences and recipients of today decide on it. Under an idempotency key, a second replay is the first.
    #[oai(path = "/:id/replay", method = "post", operation_id = "replay_event")]
    async fn replay(
        &self,
        caller: Caller<Looking<EventsCreate>>,
        /// The event.
        id: Path<Uuid>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
    ) -> Result<AcceptAnswer, Failure<Acts>> {
        let key = crate::once::key_of(request)?;
        let found = self.app.events.get(caller.project, EventId(id.0)).await?;
        let found = found.ok_or_else(|| Problem::not_found("event"))?;
        caller.look("event", &facts(&found.event), false)?;
        let (events, initiator) = (&self.app.events, &caller.initiator);
        let replayed = events.replay(caller.project, found.event, key, initiator).await?;
        Ok(accept::answer(replayed.map_err(Problem::from)?))
    }

    /// Explain why a user was not notified
    ///
    /// Needs the scope `read` or the permission `events:read`, and `users:read` for another user than the caller. What each
    /// rule that was tried on the event had to do with the user: it notified them, did not choose them, was held back, or did
    /// not match, and why.
    #[oai(path = "/:id/why-not", method = "get", operation_id = "why_not")]
    async fn why_not(
        &self,
        caller: Caller<Looking<EventsRead>>,
        /// The event.
        id: Path<Uuid>,
        /// The user; the caller, if nothing is said.
        user: Query<Option<Uuid>>,
    ) -> Result<Answer<WhyNot>, Failure<Reads>> {
        let mut caller = caller;
        // First, so that what is another project's is not there whatever else is asked.
        let found = self.app.events.get(caller.project, EventId(id.0)).await?;
        let found = found.ok_or_else(|| Problem::not_found("event"))?;
        caller.look("event", &facts(&found.event), false)?;
        let required = || Problem::parameter("user", FaultCode::Required, "say which user");
        let user = user.0.map(UserId).or(caller.user()).ok_or_else(required)?;
        if caller.user().is_some_and(|own| own != user) {
            caller.also::<UsersRead>()?;
        }
        let (account, roles) = self.app.admin.user(caller.project, user).await?;
        let is_active = account.status == UserStatus::Active;
        let whom = Whom { id: user, roles, is_active };
        let found = self.app.events.why_not(caller.project, EventId(id.0), &whom).await?;
        let (trace, fates) = found.ok_or_else(|| Problem::not_found("event"))?;
        Ok(Answer(WhyNot::new(user, trace, fates)))
    }

    /// Trace an event
    ///
    /// Needs the scope `read` or the permission `events:read`. Why somebody did, or did not, get something: which rules were tried, what matched, what
    /// was suppressed, who was chosen, and every attempt to reach them.
    #[oai(path = "/:id/trace", method = "get", operation_id = "trace_event")]
    async fn trace(
        &self,
        caller: Caller<Looking<EventsRead>>,
        /// The event.
        id: Path<Uuid>,
    ) -> Result<Answer<TraceAnswer>, Failure<Reads>> {
        let found = self.app.events.trace(caller.project, EventId(id.0)).await?;
        let found = found.ok_or_else(|| Problem::not_found("event"))?;
        caller.look("event", &facts(&found.event.event), false)?;
        Ok(Answer(found.into()))
    }
}

/// What conditions of permissions know of an event.
fn facts(event: &domain::event::Event) -> serde_json::Value {
    event_facts(event.id, &event.kind, &event.source, event.subject.as_deref())
}

/// The key of a caller that has one.
///
/// # Errors
/// When it has none, which its scheme rules out.
pub fn key_id<N>(caller: &Caller<N>) -> Result<KeyId, Problem> {
    match &caller.who {
        Principal::Key { key_id, .. } => Ok(*key_id),
        Principal::Person(_) => Err(Problem::internal()),
    }
}

/// The places of payloads that a list is asked for: in `payload`, and in the parameters below it.
fn places(payload: Option<String>, request: &Request) -> Result<Vec<PayloadValue>, Problem> {
    let mut found = Vec::new();
    if let Some(text) = payload {
        let right = "it must be a path and a value, like order.id=A-17";
        let pair = text.split_once('=');
        let (path, value) =
            pair.ok_or_else(|| Problem::parameter("payload", FaultCode::Invalid, right))?;
        found.push(PayloadValue { path: path.to_owned(), value: value.to_owned() });
    }
    let query = request.uri().query().unwrap_or_default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if let Some(path) = name.strip_prefix("payload.") {
            found.push(PayloadValue { path: path.to_owned(), value: value.into_owned() });
        }
    }
    Ok(found)
}
