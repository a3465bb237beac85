//! Alerts: what is open, what happened to it, and acknowledging and resolving it.

mod wire;

use std::sync::Arc;

use domain::evaluation::ByHand;
use domain::facts::alert_facts;
use domain::id::{AlertId, RuleId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use runtime::app::App;
use store::alerts::{Alert as Kept, AlertFilter};
use uuid::Uuid;

use self::wire::{Acknowledgement, AlertDetail, AlertPage};
pub use self::wire::{Alert, AlertStateWord, OriginWord};
use super::Tag;
use super::users::wire::Urgency;
use crate::auth::{AlertsRead, AlertsUpdate, Caller, Looking};
use crate::body::Body;
use crate::page::{self, List};
use crate::problem::{Acts, Changes, Failure, Lists, Problem, Reads};
use crate::wire::Answer;

/// The operations on alerts.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[OpenApi(prefix_path = "/api/v1/alerts", tag = "Tag::Alerts")]
impl Operations {
    /// List alerts
    ///
    /// Needs the scope `read` or the permission `alerts:read`. Newest first.
    #[oai(path = "/", method = "get", operation_id = "list_alerts")]
    #[allow(clippy::too_many_arguments)]
    async fn list(
        &self,
        caller: Caller<Looking<AlertsRead>>,
        /// Only alerts that stand so.
        state: Query<Option<AlertStateWord>>,
        /// Only alerts of this rule.
        rule_id: Query<Option<Uuid>>,
        /// Only alerts that are so urgent.
        priority: Query<Option<Urgency>>,
        /// Only alerts with this in their title, in small or capital letters.
        #[oai(validator(min_length = 1, max_length = 200))]
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
    ) -> Result<Answer<AlertPage>, Failure<Lists>> {
        let filter = AlertFilter {
            state: state.0.map(Into::into),
            rule: rule_id.0.map(RuleId),
            priority: priority.0.map(Into::into),
            text: q.0.filter(|text| !text.contains('\0')),
        };
        let list = List::new("alerts", caller.project, &filter);
        let after = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        let (rows, next_cursor) = page::seen(
            limit,
            &list,
            after,
            |after, count| self.app.alerts.list(caller.project, &filter, after.map(AlertId), count),
            |row| row.opened.id.0,
            |row| caller.may_with(&facts(row), false),
        )
        .await?;
        let items = rows.into_iter().map(Alert::from).collect();
        Ok(Answer(AlertPage { items, next_cursor }))
    }

    /// Get an alert
    ///
    /// Needs the scope `read` or the permission `alerts:read`. With what happened to it and the notifications of it, oldest
    /// first; of the latter no more than 200.
    #[oai(path = "/:id", method = "get", operation_id = "get_alert")]
    async fn get(
        &self,
        caller: Caller<Looking<AlertsRead>>,
        /// The alert.
        id: Path<Uuid>,
    ) -> Result<Answer<AlertDetail>, Failure<Reads>> {
        let found = self.app.alerts.get(caller.project, AlertId(id.0)).await?;
        caller.look("alert", &facts(&found), false)?;
        let (entries, notifications) =
            self.app.alerts.history(caller.project, AlertId(id.0)).await?;
        Ok(Answer(AlertDetail::new(found, entries, notifications)))
    }

    /// Acknowledge an alert
    ///
    /// Needs the permission `alerts:update`. What comes meanwhile does not ring. With `until`, it rings again then, if it is
    /// not resolved; without, not before it is resolved. One that is acknowledged already is acknowledged anew.
    #[oai(path = "/:id/acknowledge", method = "post", operation_id = "acknowledge_alert")]
    async fn acknowledge(
        &self,
        caller: Caller<Looking<AlertsUpdate>>,
        /// The alert.
        id: Path<Uuid>,
        body: Body<Acknowledgement>,
    ) -> Result<Answer<Alert>, Failure<Changes>> {
        let until = body.value.until.map(|until| until.0);
        Ok(Answer(self.change(&caller, id.0, ByHand::Acknowledge { until }).await?))
    }

    /// Unacknowledge an alert
    ///
    /// Needs the permission `alerts:update`. It is open again; the next event rings.
    #[oai(path = "/:id/unacknowledge", method = "post", operation_id = "unacknowledge_alert")]
    async fn unacknowledge(
        &self,
        caller: Caller<Looking<AlertsUpdate>>,
        /// The alert.
        id: Path<Uuid>,
    ) -> Result<Answer<Alert>, Failure<Acts>> {
        Ok(Answer(self.change(&caller, id.0, ByHand::Unacknowledge).await?))
    }

    /// Resolve an alert
    ///
    /// Needs the permission `alerts:update`. Those who were notified of it hear of that, unless the rule says otherwise. The
    /// next event that matches opens another alert.
    #[oai(path = "/:id/resolve", method = "post", operation_id = "resolve_alert")]
    async fn resolve(
        &self,
        caller: Caller<Looking<AlertsUpdate>>,
        /// The alert.
        id: Path<Uuid>,
    ) -> Result<Answer<Alert>, Failure<Acts>> {
        Ok(Answer(self.change(&caller, id.0, ByHand::Resolve).await?))
    }
}

impl Operations {
    async fn change(
        &self,
        caller: &Caller<Looking<AlertsUpdate>>,
        id: Uuid,
        wanted: ByHand,
    ) -> Result<Alert, Problem> {
        let found = self.app.alerts.get(caller.project, AlertId(id)).await?;
        caller.look("alert", &facts(&found), false)?;
        let alerts = &self.app.alerts;
        let changed = alerts.change(caller.project, AlertId(id), wanted, &caller.initiator).await?;
        Ok(changed.into())
    }
}

/// What conditions of permissions know of an alert.
fn facts(alert: &Kept) -> serde_json::Value {
    let opened = &alert.opened;
    alert_facts(
        opened.id,
        opened.rule,
        &opened.title,
        Some(opened.priority),
        Some(alert.standing.state()),
    )
}
