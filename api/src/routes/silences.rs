//! Silences: what is not to ring for a while.

mod wire;

use std::sync::Arc;

use domain::id::{EventId, SilenceId};
use domain::once::Operation;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use runtime::app::App;
use uuid::Uuid;

use self::wire::{
    HiddenMatch, HiddenPage, NewSilence, Silence, SilenceEnd, SilencePage, SilencePreview,
};
use super::Tag;
use crate::auth::{AlertsRead, AlertsUpdate, Caller};
use crate::body::Body;
use crate::once::{MadeOnce, once};
use crate::page::{self, List, cut};
use crate::problem::{Changes, Creates, Failure, Lists, Reads};
use crate::wire::Answer;

/// The operations on silences.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[OpenApi(prefix_path = "/api/v1/silences", tag = "Tag::Alerts")]
impl Operations {
    /// List silences
    ///
    /// Needs the scope `read` or the permission `alerts:read`. Newest first, those that are over too.
    #[oai(path = "/", method = "get", operation_id = "list_silences")]
    async fn list(
        &self,
        caller: Caller<AlertsRead>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<SilencePage>, Failure<Lists>> {
        let list = List::new("silences", caller.project, &());
        let after = list.read(cursor.0.as_deref())?.map(SilenceId);
        let limit = limit.0.clamp(1, page::MAX);
        let rows = self.app.admin.silences(caller.project, after, limit as usize + 1).await?;
        let (rows, next_cursor) = cut(rows, limit, &list, |row| row.id.0);
        let now = self.app.clock.now();
        let items = rows.into_iter().map(|one| Silence::at(one, now)).collect();
        Ok(Answer(SilencePage { items, next_cursor }))
    }

    /// Create a silence
    ///
    /// Needs the permission `alerts:update`. From the answer on, what it is for does not ring. An alert that opens meanwhile
    /// and is still open when the silence ends rings then.
    #[oai(path = "/", method = "post", operation_id = "create_silence")]
    async fn create(
        &self,
        caller: Caller<AlertsUpdate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewSilence>,
    ) -> Result<MadeOnce<Silence>, Failure<Creates>> {
        caller.demand_any()?;
        let new = body.value.body(self.app.clock.now())?;
        let what = (Operation::CreateSilence, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, |app, caller| async move {
            let admin = &app.admin;
            let made = admin.create_silence(caller.project, new, &caller.initiator).await?;
            Ok(Silence::at(made, app.clock.now()))
        });
        Ok(made.await?)
    }

    /// Preview a silence
    ///
    /// Needs the scope `read` or the permission `alerts:read`. Which of the alerts that are open now it would be for, of the
    /// newest 500; nothing is kept.
    #[oai(path = "/preview", method = "post", operation_id = "preview_silence")]
    async fn preview(
        &self,
        caller: Caller<AlertsRead>,
        body: Body<NewSilence>,
    ) -> Result<Answer<SilencePreview>, Failure<Creates>> {
        caller.demand_any()?;
        let new = body.value.body(self.app.clock.now())?;
        let alerts = self.app.alerts.would_hide(caller.project, new).await?;
        Ok(Answer(SilencePreview { alerts: alerts.into_iter().map(Into::into).collect() }))
    }

    /// Get a silence
    ///
    /// Needs the scope `read` or the permission `alerts:read`.
    #[oai(path = "/:id", method = "get", operation_id = "get_silence")]
    async fn get(
        &self,
        caller: Caller<AlertsRead>,
        /// The silence.
        id: Path<Uuid>,
    ) -> Result<Answer<Silence>, Failure<Reads>> {
        let found = self.app.admin.silence(caller.project, SilenceId(id.0)).await?;
        Ok(Answer(Silence::at(found, self.app.clock.now())))
    }

    /// End a silence
    ///
    /// Needs the permission `alerts:update`. At `ends_at`, or at once if nothing is said. One that is over stays so.
    #[oai(path = "/:id/end", method = "post", operation_id = "end_silence")]
    async fn end(
        &self,
        caller: Caller<AlertsUpdate>,
        /// The silence.
        id: Path<Uuid>,
        body: Body<SilenceEnd>,
    ) -> Result<Answer<Silence>, Failure<Changes>> {
        caller.demand_any()?;
        let ends_at = body.value.ends_at.map(|at| at.0);
        let admin = &self.app.admin;
        let (project, id) = (caller.project, SilenceId(id.0));
        let ended = admin.end_silence(project, id, ends_at, &caller.initiator).await?;
        Ok(Answer(Silence::at(ended, self.app.clock.now())))
    }

    /// List what a silence hid
    ///
    /// Needs the scope `read` or the permission `alerts:read`. Newest first.
    #[oai(path = "/:id/hidden", method = "get", operation_id = "list_hidden_matches")]
    async fn hidden(
        &self,
        caller: Caller<AlertsRead>,
        /// The silence.
        id: Path<Uuid>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<HiddenPage>, Failure<Reads>> {
        let list = List::new("hidden", caller.project, &id.0);
        let after = list.read(cursor.0.as_deref())?.map(EventId);
        let limit = limit.0.clamp(1, page::MAX);
        let (project, id) = (caller.project, SilenceId(id.0));
        let rows = self.app.admin.hidden_by(project, id, after, limit as usize + 1).await?;
        let (rows, next_cursor) = cut(rows, limit, &list, |row| row.event.0);
        Ok(Answer(HiddenPage {
            items: rows.into_iter().map(HiddenMatch::from).collect(),
            next_cursor,
        }))
    }
}
