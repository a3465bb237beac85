//! Backtests: what a rule would have done with the events of a period, done in the background.

mod wire;

use std::sync::Arc;

use domain::id::RunId;
use domain::once::Operation;
use domain::permission::Resource;
use domain::run::{RunKind, RunTask};
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use runtime::app::App;
use uuid::Uuid;

use self::wire::{Backtest, BacktestPage, NewBacktest};
use super::Tag;
use super::bulk_actions::runs;
use super::rules::{demand_reading, drafted};
use crate::auth::{Caller, RulesCreate, RulesRead};
use crate::body::Body;
use crate::once::{MadeOnce, once};
use crate::page::{self, List};
use crate::problem::{Acts, Derives, Failure, Lists, Reads};
use crate::wire::Answer;

const KINDS: &[RunKind] = &[RunKind::Backtest];

/// The operations on backtests.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[OpenApi(prefix_path = "/api/v1/backtests", tag = "Tag::Rules")]
impl Operations {
    /// List backtests
    ///
    /// Needs the scope `read` or the permission `rules:read`. Newest first and without their results; those that ended a week
    /// ago are forgotten.
    #[oai(path = "/", method = "get", operation_id = "list_backtests")]
    async fn list(
        &self,
        caller: Caller<RulesRead>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<BacktestPage>, Failure<Lists>> {
        let list = List::new("backtests", caller.project, &());
        let after = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        let (rows, next_cursor) =
            runs(&self.app, caller.project, (limit, &list, after), KINDS).await?;
        let items = rows.into_iter().filter_map(Backtest::summary).collect();
        Ok(Answer(BacktestPage { items, next_cursor }))
    }

    /// Create a backtest
    ///
    /// Needs the permissions `rules:create` and `events:read`, and `rules:read` for a rule that is named by its id. A worker
    /// holds the rule against the events that were received in the period, as if it had been there alone: with its window,
    /// its groups, its hours and its recipients as they are now, without silences and other rules. No user is notified.
    #[oai(path = "/", method = "post", operation_id = "create_backtest")]
    async fn create(
        &self,
        caller: Caller<RulesCreate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewBacktest>,
    ) -> Result<MadeOnce<Backtest>, Failure<Derives>> {
        caller.demand_any()?;
        demand_reading(&caller, Resource::Events)?;
        let NewBacktest { rule, rule_id, from, to } = body.value;
        let (rule, draft) = drafted(&self.app, &caller, rule, rule_id).await?;
        let (from, now) = (from.0, self.app.clock.now());
        let to = to.map_or(now, |to| to.0.min(now));
        let task = RunTask::Backtest { rule, body: Box::new(draft), from, to };
        let what = (Operation::CreateBacktest, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, move |app, caller| async move {
            let made = app.admin.create_run(caller.project, task, &caller.initiator).await?;
            Backtest::made(made)
        });
        Ok(made.await?)
    }

    /// Get a backtest
    ///
    /// Needs the scope `read` or the permission `rules:read`. How far it is, and what came of it.
    #[oai(path = "/:id", method = "get", operation_id = "get_backtest")]
    async fn get(
        &self,
        caller: Caller<RulesRead>,
        /// The backtest.
        id: Path<Uuid>,
    ) -> Result<Answer<Backtest>, Failure<Reads>> {
        let found = self.app.admin.run(caller.project, KINDS, RunId(id.0)).await?;
        Ok(Answer(Backtest::made(found)?))
    }

    /// Abort a backtest
    ///
    /// Needs the permission `rules:create`.
    #[oai(path = "/:id/abort", method = "post", operation_id = "abort_backtest")]
    async fn abort(
        &self,
        caller: Caller<RulesCreate>,
        /// The backtest.
        id: Path<Uuid>,
    ) -> Result<Answer<Backtest>, Failure<Acts>> {
        caller.demand_any()?;
        let (project, id) = (caller.project, RunId(id.0));
        let run = self.app.admin.run(project, KINDS, id).await?;
        let aborted = self.app.admin.abort_run(project, &run, &caller.initiator).await?;
        Ok(Answer(Backtest::made(aborted)?))
    }
}
