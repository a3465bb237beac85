//! Bulk actions as they look on the wire.

use std::collections::BTreeMap;

use domain::alert::AlertFilter;
use domain::evaluation::ByHand;
use domain::event_filter::{EventFilter, PayloadValue};
use domain::fault::{Fault, FaultCode};
use domain::id::RuleId;
use domain::run::{Run, RunKind, RunState, RunTask};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::Problem;
use crate::routes::alerts::AlertStateWord;
use crate::routes::events::EventStatus;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum BulkChange {
    /// An alert is acknowledged: those that are open, if no state is said.
    Acknowledge,
    /// The acknowledgement of an alert is taken back.
    Unacknowledge,
    /// An alert is resolved.
    Resolve,
    /// An event is accepted once more, as a new one.
    Replay,
    /// An event is deleted.
    Delete,
}

impl BulkChange {
    const fn kind(self) -> RunKind {
        match self {
            Self::Acknowledge | Self::Unacknowledge | Self::Resolve => RunKind::ChangeAlerts,
            Self::Replay => RunKind::ReplayEvents,
            Self::Delete => RunKind::DeleteEvents,
        }
    }
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

/// Which events. At least one of them must be said.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct EventSelection {
    /// Those of this type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "type", validator(max_length = 128))]
    kind: Option<String>,
    /// Those from this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(max_length = 200))]
    source: Option<String>,
    /// Those about this subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(max_length = 256))]
    subject: Option<String>,
    /// Those that were received at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Stamp>,
    /// Those that were received before this time, and in any case before the bulk action was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Stamp>,
    /// Those that came so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<EventStatus>,
    /// Those that this rule matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<Uuid>,
    /// Those with these values in their payload, by paths like `order.id`: at most ten. Numbers, `true`, `false` and `null` are
    /// written as texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[oai(default)]
    payload: BTreeMap<String, String>,
    /// Those with this in their type, source, subject or payload, in small or capital letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(min_length = 1, max_length = 200))]
    q: Option<String>,
}

impl From<EventSelection> for EventFilter {
    fn from(chosen: EventSelection) -> Self {
        let place = |(path, value)| PayloadValue { path, value };
        Self {
            kind: chosen.kind,
            source: chosen.source,
            subject: chosen.subject,
            from: chosen.from.map(|time| time.0),
            to: chosen.to.map(|time| time.0),
            status: chosen.status.map(Into::into),
            rule: chosen.rule_id.map(RuleId),
            payload: chosen.payload.into_iter().map(place).collect(),
            text: chosen.q,
        }
    }
}

impl From<EventFilter> for EventSelection {
    fn from(filter: EventFilter) -> Self {
        Self {
            kind: filter.kind,
            source: filter.source,
            subject: filter.subject,
            from: filter.from.map(Stamp),
            to: filter.to.map(Stamp),
            status: filter.status.map(Into::into),
            rule_id: filter.rule.map(|rule| rule.0),
            payload: filter.payload.into_iter().map(|one| (one.path, one.value)).collect(),
            q: filter.text,
        }
    }
}

/// A change to many alerts or events that is to be made.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct NewBulkAction {
    /// What is done to each.
    action: BulkChange,
    /// Until when alerts are acknowledged; only with `acknowledge`.
    until: Option<Stamp>,
    /// Which alerts; with `acknowledge`, `unacknowledge` and `resolve`.
    alerts: Option<AlertSelection>,
    /// Which events; with `replay` and `delete`.
    events: Option<EventSelection>,
}

impl Example for NewBulkAction {
    fn example() -> Self {
        let q = Some("disk".to_owned());
        let alerts = AlertSelection { state: None, rule_id: None, priority: None, q };
        Self { action: BulkChange::Acknowledge, until: None, alerts: Some(alerts), events: None }
    }
}

impl NewBulkAction {
    /// What it would be.
    pub const fn kind(&self) -> RunKind {
        self.action.kind()
    }

    /// What a worker is to do.
    ///
    /// # Errors
    /// When something is said that does not go with the action, or not said.
    pub fn task(self) -> Result<RunTask, Problem> {
        let Self { action, until, alerts, events } = self;
        let is_about_alerts = action.kind() == RunKind::ChangeAlerts;
        let mut faults = Vec::new();
        if until.is_some() && action != BulkChange::Acknowledge {
            let right = "only an acknowledgement has an end";
            faults.push(Fault::new("until", FaultCode::Mismatch, right));
        }
        for (field, is_there, is_wanted) in [
            ("alerts", alerts.is_some(), is_about_alerts),
            ("events", events.is_some(), !is_about_alerts),
        ] {
            if is_there && !is_wanted {
                let right = format!("this action is not for {field}; leave it out");
                faults.push(Fault::new(field, FaultCode::Mismatch, right));
            } else if is_wanted && !is_there {
                faults.push(Fault::new(field, FaultCode::Required, format!("say which {field}")));
            }
        }
        match (alerts, events) {
            (Some(alerts), None) if faults.is_empty() => {
                let change = match action {
                    BulkChange::Unacknowledge => ByHand::Unacknowledge,
                    BulkChange::Resolve => ByHand::Resolve,
                    _ => ByHand::Acknowledge { until: until.map(|until| until.0) },
                };
                Ok(RunTask::ChangeAlerts { filter: alerts.filter()?, change })
            }
            (None, Some(events)) if faults.is_empty() => {
                let filter = events.into();
                Ok(match action {
                    BulkChange::Replay => RunTask::ReplayEvents { filter },
                    _ => RunTask::DeleteEvents { filter },
                })
            }
            _ => Err(Problem::invalid(faults)),
        }
    }
}

impl AlertSelection {
    fn filter(self) -> Result<AlertFilter, Problem> {
        let Self { state, rule_id, priority, q } = self;
        if q.as_deref().is_some_and(|text| text.is_empty() || text.contains('\0')) {
            let right = "it must have a character, and no U+0000";
            return Err(Problem::invalid(vec![Fault::new("alerts.q", FaultCode::Invalid, right)]));
        }
        Ok(AlertFilter {
            state: state.map(Into::into),
            rule: rule_id.map(RuleId),
            priority: priority.map(Into::into),
            text: q,
        })
    }
}

/// A bulk action.
#[derive(Clone, Debug, Object, Serialize)]
pub struct BulkAction {
    /// Its id.
    id: Uuid,
    /// What is done to each.
    action: BulkChange,
    /// Until when alerts are acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Stamp>,
    /// Which alerts, if it is about alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<AlertSelection>,
    /// Which events, if it is about events.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<EventSelection>,
    /// How it stands.
    state: RunStateWord,
    /// How many matched when it was asked for. Of events, what is said of payloads and texts is not looked at for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    /// How many of them it has come to.
    done: i64,
    /// How many it has changed, replayed or deleted.
    changed: i64,
    /// How many could not be: alerts that its author may not change, events that are not evaluated yet.
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
        let (action, until, alerts, events) = match run.task {
            RunTask::Backtest { .. } => return None,
            RunTask::ChangeAlerts { filter, change } => {
                let (action, until) = match change {
                    ByHand::Acknowledge { until } => (BulkChange::Acknowledge, until),
                    ByHand::Unacknowledge => (BulkChange::Unacknowledge, None),
                    ByHand::Resolve => (BulkChange::Resolve, None),
                };
                let alerts = AlertSelection {
                    state: filter.state.map(Into::into),
                    rule_id: filter.rule.map(|rule| rule.0),
                    priority: filter.priority.map(Into::into),
                    q: filter.text,
                };
                (action, until, Some(alerts), None)
            }
            RunTask::ReplayEvents { filter } => {
                (BulkChange::Replay, None, None, Some(filter.into()))
            }
            RunTask::DeleteEvents { filter } => {
                (BulkChange::Delete, None, None, Some(filter.into()))
            }
        };
        Some(Self {
            id: run.id.0,
            action,
            until: until.map(Stamp),
            alerts,
            events,
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
