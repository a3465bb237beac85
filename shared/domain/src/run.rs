//! Runs: work that takes longer than a request may, done by workers in the background, with progress, an end and a result. A
//! backtest is one, a change of all alerts that match a filter another.

use serde::{Deserialize, Serialize};

use super::alert::{AlertFilter, AlertState};
use super::backtest::Report;
use super::evaluation::ByHand;
use super::event_filter::EventFilter;
use super::fault::{Fault, FaultCode};
use super::names::words;
use super::rule::RuleBody;
use crate::id::{RuleId, RunId, UserId};
use crate::time::Time;
use uuid::Uuid;

words! {
    /// What a run is.
    RunKind {
        /// A rule held against stored events.
        Backtest = 1 "backtest",
        /// A change of all alerts that match a filter.
        ChangeAlerts = 2 "change_alerts",
        /// All events that match a filter, once more.
        ReplayEvents = 3 "replay_events",
        /// The end of all events that match a filter.
        DeleteEvents = 4 "delete_events",
    }
}

words! {
    /// How a run stands.
    RunState {
        /// No worker has begun with it.
        Queued = 1 "queued",
        /// A worker is at it.
        Running = 2 "running",
        /// It came to its end.
        Done = 3 "done",
        /// It could not be brought to an end.
        Failed = 4 "failed",
        /// A user aborted it; what it had done stays done.
        Aborted = 5 "aborted",
    }
}

impl RunState {
    /// Whether nothing comes after it.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Aborted)
    }
}

/// What a run is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunTask {
    /// Hold a rule against the events that were received in a period.
    Backtest {
        /// The rule that it is a draft of, if it is one.
        rule: Option<RuleId>,
        /// What it says.
        body: Box<RuleBody>,
        /// From when on.
        from: Time,
        /// Until when.
        to: Time,
    },
    /// Change alerts.
    ChangeAlerts {
        /// Which.
        filter: AlertFilter,
        /// How.
        change: ByHand,
    },
    /// Accept events once more, as new ones.
    ReplayEvents {
        /// Which.
        filter: EventFilter,
    },
    /// Delete events.
    DeleteEvents {
        /// Which.
        filter: EventFilter,
    },
}

/// The longest period of a backtest: 92 days.
const MAX_PERIOD: std::time::Duration = std::time::Duration::from_secs(92 * 86_400);

impl RunTask {
    /// What it is.
    pub const fn kind(&self) -> RunKind {
        match self {
            Self::Backtest { .. } => RunKind::Backtest,
            Self::ChangeAlerts { .. } => RunKind::ChangeAlerts,
            Self::ReplayEvents { .. } => RunKind::ReplayEvents,
            Self::DeleteEvents { .. } => RunKind::DeleteEvents,
        }
    }

    /// What is wrong with it, but for what the store knows.
    pub fn faults(&self, now: Time) -> Vec<Fault> {
        let invalid = |field, right| vec![Fault::new(field, FaultCode::Invalid, right)];
        match self {
            Self::Backtest { from, to, .. } if from >= to => {
                invalid("to", "it must be a time after from")
            }
            Self::Backtest { from, to, .. } if to.since(*from) > MAX_PERIOD => {
                invalid("from", "it must be within 92 days before to")
            }
            Self::Backtest { body, .. } => body.faults(),
            Self::ChangeAlerts { filter, .. } if *filter == AlertFilter::default() => {
                let right = "say which alerts: at least one of state, rule_id, priority and q";
                vec![Fault::new("alerts", FaultCode::Required, right)]
            }
            Self::ChangeAlerts { filter, .. } if filter.state == Some(AlertState::Resolved) => {
                invalid(
                    "alerts.state",
                    "it must be open or acknowledged: what is resolved stays so",
                )
            }
            Self::ChangeAlerts { change, .. } => change.faults(now),
            Self::ReplayEvents { filter } | Self::DeleteEvents { filter } if filter.is_empty() => {
                let right = "say which events: at least one of type, source, subject, from, to, status, rule_id, payload and q";
                vec![Fault::new("events", FaultCode::Required, right)]
            }
            Self::ReplayEvents { filter } | Self::DeleteEvents { filter } => {
                filter.faults("events.")
            }
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How much there is to look at, as far as that is known.
    pub total: Option<i64>,
    /// How much of it was looked at.
    pub done: i64,
    /// How much was changed by it.
    pub changed: i64,
    /// How much could not be changed.
    pub failed: i64,
    /// The last that was looked at.
    pub cursor: Option<Uuid>,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunResult {
    /// What a rule would have done.
    Backtest(Box<Report>),
}

/// A run as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// What it is to do.
    pub task: RunTask,
    /// How it stands.
    pub state: RunState,
    /// How far it is.
    pub progress: Progress,
    /// What came of it.
    pub result: Option<RunResult>,
    /// Why it failed.
    pub error: Option<String>,
    /// Who asked for it, if it was a user.
    pub created_by: Option<UserId>,
    /// When they did.
    pub created_at: Time,
    /// When a worker began with it.
    pub started_at: Option<Time>,
    /// When it ended.
    pub ended_at: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64) -> Time {
        Time::from_micros((20_000 + days) * 86_400 * 1_000_000)
    }

    fn backtest(from: i64, to: i64, condition: &str) -> RunTask {
        let body = Box::new(RuleBody {
            target_roles: vec!["on_call".to_owned()],
            ..RuleBody::new("Payments", condition)
        });
        RunTask::Backtest { rule: None, body, from: at(from), to: at(to) }
    }

    fn replay(kind: Option<&str>) -> RunTask {
        let kind = kind.map(str::to_owned);
        RunTask::ReplayEvents { filter: EventFilter { kind, ..EventFilter::default() } }
    }

    fn change(filter: AlertFilter, change: ByHand) -> RunTask {
        RunTask::ChangeAlerts { filter, change }
    }

    #[test]
    fn faults_name_their_field() {
        let open = AlertFilter { state: Some(AlertState::Open), ..AlertFilter::default() };
        let resolved = AlertFilter { state: Some(AlertState::Resolved), ..AlertFilter::default() };
        let condition = "event.type == \"payment\"";
        for (task, wanted) in [
            (backtest(0, 1, condition), None),
            (backtest(0, 92, condition), None),
            (backtest(1, 1, condition), Some("to")),
            (backtest(0, 93, condition), Some("from")),
            (backtest(0, 1, "event.type =="), Some("condition")),
            (change(open.clone(), ByHand::Resolve), None),
            (change(AlertFilter::default(), ByHand::Resolve), Some("alerts")),
            (change(resolved, ByHand::Resolve), Some("alerts.state")),
            (change(open.clone(), ByHand::Acknowledge { until: Some(at(99)) }), None),
            (change(open, ByHand::Acknowledge { until: Some(at(1)) }), Some("until")),
            (replay(Some("order.paid")), None),
            (replay(Some("order paid")), Some("events.type")),
            (replay(None), Some("events")),
        ] {
            let found = task.faults(at(98));
            let fields: Vec<&str> = found.iter().map(|fault| fault.field.as_ref()).collect();
            assert_eq!(fields, Vec::from_iter(wanted), "{task:?}");
        }
    }

    #[test]
    fn a_task_is_read_as_it_was_written() {
        let task = backtest(0, 1, "true");
        let text = serde_json::to_string(&task).expect("JSON");
        assert_eq!(serde_json::from_str::<RunTask>(&text).expect("a task"), task);
    }
}
