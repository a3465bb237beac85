//! Bulk actions: one change to all alerts or events that match a filter, done in the background.

mod wire;

use std::sync::Arc;

use domain::id::{ProjectId, RunId};
use domain::once::Operation;
use domain::permission::Resource;
use domain::run::{Run, RunKind};
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use runtime::app::App;
use services::admin::AdminError;
use uuid::Uuid;

pub use self::wire::RunStateWord;
use self::wire::{BulkAction, BulkActionPage, NewBulkAction};
use super::Tag;
use super::rules::may_read_some;
use crate::auth::{
    AlertsUpdate, BulkActing, BulkReading, Caller, EventsCreate, EventsDelete, Looking,
};
use crate::body::Body;
use crate::once::{MadeOnce, once};
use crate::page::{self, List};
use crate::problem::{Acts, Creates, Failure, Lists, Problem, Reads};
use crate::wire::Answer;

const KINDS: &[RunKind] = &[RunKind::ChangeAlerts, RunKind::ReplayEvents, RunKind::DeleteEvents];

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
    /// Needs the scope `read`, or the permission `alerts:read` or `events:read`: it lists those on what the caller may read.
    /// Newest first; those that ended a week ago are forgotten.
    #[oai(path = "/", method = "get", operation_id = "list_bulk_actions")]
    async fn list(
        &self,
        caller: Caller<BulkReading>,
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
        let after = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        let kinds: Vec<RunKind> =
            KINDS.iter().copied().filter(|kind| may_read_some(&caller, resource(*kind))).collect();
        let (rows, next_cursor) =
            runs(&self.app, caller.project, (limit, &list, after), &kinds).await?;
        let items = rows.into_iter().filter_map(BulkAction::of).collect();
        Ok(Answer(BulkActionPage { items, next_cursor }))
    }

    /// Create a bulk action
    ///
    /// Needs the permission `alerts:update` to change alerts, `events:create` to replay events and `events:delete` to delete
    /// them. A worker goes through all that match. Each alert is changed as its author could by themselves, with a line of its
    /// own in the audit log; what a condition of their permissions keeps from them is counted as failed, and nothing is
    /// changed for what is resolved. A replay makes a new event of each, in the order of their receipt, on which the rules of
    /// today decide. Events that are not evaluated yet are not deleted, and alerts and notifications stay.
    #[oai(path = "/", method = "post", operation_id = "create_bulk_action")]
    async fn create(
        &self,
        caller: Caller<BulkActing>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewBulkAction>,
    ) -> Result<MadeOnce<BulkAction>, Failure<Creates>> {
        let what = (Operation::CreateBulkAction, body.bytes.as_ref());
        let mut caller = caller;
        demand(&mut caller, body.value.kind())?;
        let task = body.value.task()?;
        let made = once(&self.app, caller, request, what, move |app, caller| async move {
            let made = app.admin.create_run(caller.project, task, &caller.initiator).await?;
            BulkAction::made(made)
        });
        Ok(made.await?)
    }

    /// Get a bulk action
    ///
    /// Needs the scope `read`, or the permission `alerts:read` or `events:read`, whichever it is about. How far it is.
    #[oai(path = "/:id", method = "get", operation_id = "get_bulk_action")]
    async fn get(
        &self,
        caller: Caller<BulkReading>,
        /// The bulk action.
        id: Path<Uuid>,
    ) -> Result<Answer<BulkAction>, Failure<Reads>> {
        let found = self.find(&caller, id.0).await?;
        Ok(Answer(BulkAction::made(found)?))
    }

    /// Abort a bulk action
    ///
    /// Needs the permission that it takes to create it. What it has changed stays changed.
    #[oai(path = "/:id/abort", method = "post", operation_id = "abort_bulk_action")]
    async fn abort(
        &self,
        caller: Caller<BulkActing>,
        /// The bulk action.
        id: Path<Uuid>,
    ) -> Result<Answer<BulkAction>, Failure<Acts>> {
        let mut caller = caller;
        let run = self.find(&caller, id.0).await?;
        demand(&mut caller, run.task.kind())?;
        let aborted = self.app.admin.abort_run(caller.project, &run, &caller.initiator).await?;
        Ok(Answer(BulkAction::made(aborted)?))
    }
}

impl Operations {
    /// A bulk action on what the caller may read.
    async fn find<N>(&self, caller: &Caller<N>, id: Uuid) -> Result<Run, Problem> {
        let found = self.app.admin.run(caller.project, KINDS, RunId(id)).await?;
        if may_read_some(caller, resource(found.task.kind())) {
            return Ok(found);
        }
        Err(Problem::not_found("bulk action"))
    }
}

/// What runs of a kind are about.
const fn resource(kind: RunKind) -> Resource {
    match kind {
        RunKind::Backtest => Resource::Rules,
        RunKind::ChangeAlerts => Resource::Alerts,
        RunKind::ReplayEvents | RunKind::DeleteEvents => Resource::Events,
    }
}

/// Refuses a caller who may not ask for a run of this kind.
fn demand<N>(caller: &mut Caller<N>, kind: RunKind) -> Result<(), Problem> {
    match kind {
        // A condition of the permission is looked at with each alert.
        RunKind::ChangeAlerts | RunKind::Backtest => caller.also::<Looking<AlertsUpdate>>(),
        RunKind::ReplayEvents => caller.also::<EventsCreate>(),
        RunKind::DeleteEvents => caller.also::<EventsDelete>(),
    }
}

/// A page of the runs of these kinds, with its cursor.
///
/// # Errors
/// When the store is away.
pub async fn runs(
    app: &App,
    project: ProjectId,
    (limit, list, after): (u32, &List, Option<Uuid>),
    kinds: &[RunKind],
) -> Result<(Vec<Run>, Option<String>), AdminError> {
    let read = |after: Option<Uuid>, count| app.admin.runs(project, after.map(RunId), count);
    let may = |run: &Run| kinds.contains(&run.task.kind());
    page::seen(limit, list, after, read, |run| run.id.0, may).await
}
