//! Bulk actions as they look on the wire.

use domain::alert::AlertFilter;
use domain::evaluation::ByHand;
use domain::fault::{Fault, FaultCode};
use domain::id::RuleId;
use domain::run::{Run, RunState, RunTask};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::Problem;
use crate::routes::alerts::AlertStateWord;
use crate::routes::users::wire::Urgency;
use crate::wire::{Stamp, mirrored};

mirrored! {
    /// How a backtest or a bulk action stands.
    RunStateWord of RunState, rename "snake_case" {
        /// No worker has begun with it.
        Queued,
        /// A worker is at it.
        Running,
        /// It came to its end.
        Done,
        /// It could not be brought to an end.
        Failed,
        /// A user aborted it.
        Aborted,
    }
}

/// What is done to each.
#[derive(Clone, Copy, Debug, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum BulkChange {
    /// It is acknowledged: those that are open, if no state is said.
    Acknowledge,
    /// Its acknowledgement is taken back.
    Unacknowledge,
    /// It is resolved.
    Resolve,
}

/// Which alerts. At least one of them must be said.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct AlertSelection {
    /// Those that stand so; not `resolved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<AlertStateWord>,
    /// Those of this rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<Uuid>,
    /// Those that are so urgent.
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Urgency>,
    /// Those with this in their title, in small or capital letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(min_length = 1, max_length = 200))]
    q: Option<String>,
}

/// A change to many alerts that is to be made.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct NewBulkAction {
    /// What is done to each.
    action: BulkChange,
    /// Until when they are acknowledged; only with `acknowledge`.
    until: Option<Stamp>,
    /// Which.
    alerts: AlertSelection,
}

impl Example for NewBulkAction {
    fn example() -> Self {
        let q = Some("disk".to_owned());
        let alerts = AlertSelection { state: None, rule_id: None, priority: None, q };
        Self { action: BulkChange::Acknowledge, until: None, alerts }
    }
}

impl NewBulkAction {
    /// What a worker is to do.
    ///
    /// # Errors
    /// When an end is said for what has none.
    pub fn task(self) -> Result<RunTask, Problem> {
        let until = self.until.map(|until| until.0);
        let change = match self.action {
            BulkChange::Acknowledge => ByHand::Acknowledge { until },
            _ if until.is_some() => {
                let right = "only an acknowledgement has an end";
                let fault = Fault::new("until", FaultCode::Mismatch, right);
                return Err(Problem::invalid(vec![fault]));
            }
            BulkChange::Unacknowledge => ByHand::Unacknowledge,
            BulkChange::Resolve => ByHand::Resolve,
        };
        let AlertSelection { state, rule_id, priority, q } = self.alerts;
        if q.as_deref().is_some_and(|text| text.is_empty() || text.contains('\0')) {
            let right = "it must have a character, and no U+0000";
            return Err(Problem::invalid(vec![Fault::new("alerts.q", FaultCode::Invalid, right)]));
        }
        let filter = AlertFilter {
            state: state.map(Into::into),
            rule: rule_id.map(RuleId),
            priority: priority.map(Into::into),
            text: q,
        };
        Ok(RunTask::ChangeAlerts { filter, change })
    }
}

/// A bulk action.
#[derive(Clone, Debug, Object, Serialize)]
pub struct BulkAction {
    /// Its id.
    id: Uuid,
    /// What is done to each.
    action: BulkChange,
    /// Until when they are acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Stamp>,
    /// Which.
    alerts: AlertSelection,
    /// How it stands.
    state: RunStateWord,
    /// How many matched when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    /// How many of them it has come to.
    done: i64,
    /// How many it has changed.
    changed: i64,
    /// How many its author may not change.
    failed: i64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    /// When they did.
    created_at: Stamp,
    /// When a worker began.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Stamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Stamp>,
}

impl BulkAction {
    /// The bulk action that a run is, if it is one.
    pub fn of(run: Run) -> Option<Self> {
        let RunTask::ChangeAlerts { filter, change } = run.task else { return None };
        let (action, until) = match change {
            ByHand::Acknowledge { until } => (BulkChange::Acknowledge, until),
            ByHand::Unacknowledge => (BulkChange::Unacknowledge, None),
            ByHand::Resolve => (BulkChange::Resolve, None),
        };
        Some(Self {
            id: run.id.0,
            action,
            until: until.map(Stamp),
            alerts: AlertSelection {
                state: filter.state.map(Into::into),
                rule_id: filter.rule.map(|rule| rule.0),
                priority: filter.priority.map(Into::into),
                q: filter.text,
            },
            state: run.state.into(),
            total: run.progress.total,
            done: run.progress.done,
            changed: run.progress.changed,
            failed: run.progress.failed,
            error: run.error,
            created_by: run.created_by.map(|user| user.0),
            created_at: Stamp(run.created_at),
            started_at: run.started_at.map(Stamp),
            ended_at: run.ended_at.map(Stamp),
        })
    }

    /// The same of a run that is one.
    ///
    /// # Errors
    /// When it is none after all.
    pub fn made(run: Run) -> Result<Self, Problem> {
        Self::of(run).ok_or_else(Problem::internal)
    }
}

/// A page of bulk actions.
#[derive(Clone, Debug, Object, Serialize)]
pub struct BulkActionPage {
    /// Newest first.
    pub items: Vec<BulkAction>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
