//! Bulk actions: one change to all alerts that match a filter, done in the background.

mod wire;

use std::sync::Arc;

use domain::id::RunId;
use domain::once::Operation;
use domain::run::RunKind;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use runtime::app::App;
use uuid::Uuid;

pub use self::wire::RunStateWord;
use self::wire::{BulkAction, BulkActionPage, NewBulkAction};
use super::Tag;
use crate::auth::{AlertsRead, AlertsUpdate, Caller, Looking};
use crate::body::Body;
use crate::once::{MadeOnce, once};
use crate::page::{self, List, cut};
use crate::problem::{Acts, Creates, Failure, Lists, Reads};
use crate::wire::Answer;

const KIND: RunKind = RunKind::ChangeAlerts;

/// The operations on bulk actions.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[OpenApi(prefix_path = "/api/v1/bulk-actions", tag = "Tag::Alerts")]
impl Operations {
    /// List bulk actions
    ///
    /// Needs the scope `read` or the permission `alerts:read`. Newest first; those that ended a week ago are forgotten.
    #[oai(path = "/", method = "get", operation_id = "list_bulk_actions")]
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
    ) -> Result<Answer<BulkActionPage>, Failure<Lists>> {
        let list = List::new("bulk actions", caller.project, &());
        let after = list.read(cursor.0.as_deref())?.map(RunId);
        let limit = limit.0.clamp(1, page::MAX);
        let rows = self.app.admin.runs(caller.project, KIND, after, limit as usize + 1).await?;
        let (rows, next_cursor) = cut(rows, limit, &list, |row| row.id.0);
        let items = rows.into_iter().filter_map(BulkAction::of).collect();
        Ok(Answer(BulkActionPage { items, next_cursor }))
    }

    /// Create a bulk action
    ///
    /// Needs the permission `alerts:update`. A worker goes through all alerts that match when it comes to them, and changes
    /// each as its author could by themselves, with a line of its own in the audit log. What a condition of their permissions
    /// keeps from them is counted as failed. Nothing is changed for what is resolved.
    #[oai(path = "/", method = "post", operation_id = "create_bulk_action")]
    async fn create(
        &self,
        caller: Caller<Looking<AlertsUpdate>>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewBulkAction>,
    ) -> Result<MadeOnce<BulkAction>, Failure<Creates>> {
        let what = (Operation::CreateBulkAction, body.bytes.as_ref());
        let task = body.value.task()?;
        let made = once(&self.app, caller, request, what, move |app, caller| async move {
            let made = app.admin.create_run(caller.project, task, &caller.initiator).await?;
            BulkAction::made(made)
        });
        Ok(made.await?)
    }

    /// Get a bulk action
    ///
    /// Needs the scope `read` or the permission `alerts:read`. How far it is.
    #[oai(path = "/:id", method = "get", operation_id = "get_bulk_action")]
    async fn get(
        &self,
        caller: Caller<AlertsRead>,
        /// The bulk action.
        id: Path<Uuid>,
    ) -> Result<Answer<BulkAction>, Failure<Reads>> {
        let found = self.app.admin.run(caller.project, KIND, RunId(id.0)).await?;
        Ok(Answer(BulkAction::made(found)?))
    }

    /// Abort a bulk action
    ///
    /// Needs the permission `alerts:update`. What it has changed stays changed.
    #[oai(path = "/:id/abort", method = "post", operation_id = "abort_bulk_action")]
    async fn abort(
        &self,
        caller: Caller<AlertsUpdate>,
        /// The bulk action.
        id: Path<Uuid>,
    ) -> Result<Answer<BulkAction>, Failure<Acts>> {
        caller.demand_any()?;
        let (project, id) = (caller.project, RunId(id.0));
        let aborted = self.app.admin.abort_run(project, KIND, id, &caller.initiator).await?;
        Ok(Answer(BulkAction::made(aborted)?))
    }
}
