//! Backtests as they look on the wire.

use std::collections::HashMap;
use std::time::Duration;

use domain::backtest::Report;
use domain::evaluation::MatchOutcome;
use domain::run::{Run, RunResult, RunTask};
use domain::time::Time;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::Problem;
use crate::routes::alerts::OriginWord;
use crate::routes::bulk_actions::RunStateWord;
use crate::routes::rules::NewRule;
use crate::wire::{Stamp, mirrored};

/// A rule and a period of the past.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct NewBacktest {
    /// A draft of a rule. With `rule_id` it is one of a change to that rule.
    pub rule: Option<NewRule>,
    /// A rule that is there; as it stands, if there is no draft.
    pub rule_id: Option<Uuid>,
    /// The events that were received from then on.
    pub from: Stamp,
    /// Until then; until now, if nothing is said. At most 92 days after `from`.
    pub to: Option<Stamp>,
}

impl Example for NewBacktest {
    fn example() -> Self {
        let from = Time::parse("2026-01-01T00:00:00Z").unwrap_or_default();
        let to = Some(Stamp(from.plus(Duration::from_secs(7 * 86_400))));
        Self { rule: Some(NewRule::example()), rule_id: None, from: Stamp(from), to }
    }
}

/// A backtest.
#[derive(Clone, Debug, Object, Serialize)]
pub struct Backtest {
    /// Its id.
    id: Uuid,
    /// The rule, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<Uuid>,
    /// What the rule is called.
    rule_name: String,
    /// Its condition.
    condition: String,
    /// The events that were received from then on.
    from: Stamp,
    /// Until then.
    to: Stamp,
    /// How it stands.
    state: RunStateWord,
    /// How many events there are to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    /// How many it has looked at.
    done: i64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What came of it; left out on lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<BacktestResult>,
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

/// What a rule would have done.
#[derive(Clone, Debug, Object, Serialize)]
struct BacktestResult {
    /// How many events were looked at.
    events: u64,
    /// How many of them matched.
    matches: u64,
    /// How many resolved.
    resolves: u64,
    /// How many the condition could not be evaluated on.
    failures: u64,
    /// How many alerts would have opened.
    alerts: u64,
    /// How many notifications would have been sent.
    rings: u64,
    /// The same by what they come from.
    rings_by_origin: Vec<OriginCount>,
    /// How many matches would not have rung, and why.
    suppressed: Vec<ReasonCount>,
    /// Matches and notifications by hours, all hours of the period.
    hours: Vec<HourCount>,
    /// Some events with their fate, of each fate the first 20.
    samples: Vec<EventSample>,
    /// The 200 who would have been notified most often.
    recipients: Vec<RecipientCount>,
    /// How many would have been notified.
    recipient_count: u64,
    /// Whether there were more events than a backtest looks at, which is a million: then it ends with the last of them.
    truncated: bool,
}

/// How many notifications come from that.
#[derive(Clone, Debug, Object, Serialize)]
struct OriginCount {
    /// What they come from.
    origin: OriginWord,
    /// How many.
    count: u64,
}

/// How many matches did not ring for that reason.
#[derive(Clone, Debug, Object, Serialize)]
struct ReasonCount {
    /// Why, as in traces.
    reason: String,
    /// How many.
    count: u64,
}

/// An hour.
#[derive(Clone, Debug, Object, Serialize)]
struct HourCount {
    /// When it began.
    at: Stamp,
    /// Events that matched.
    matches: u64,
    /// Notifications that would have been sent.
    rings: u64,
}

mirrored! {
    /// What would have become of a match.
    OutcomeWord of MatchOutcome, rename "snake_case" {
        /// It would have rung.
        Rang,
        /// It would not have rung.
        Suppressed,
        /// It would have resolved.
        Resolved,
        /// The condition could not be evaluated.
        Failed,
    }
}

/// An event and its fate.
#[derive(Clone, Debug, Object, Serialize)]
struct EventSample {
    /// The event.
    event_id: Uuid,
    /// What would have become of it.
    outcome: OutcomeWord,
    /// Why it would not have rung, as in traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// How often a user would have been notified.
#[derive(Clone, Debug, Object, Serialize)]
struct RecipientCount {
    /// Who.
    user_id: Uuid,
    /// How often.
    count: u64,
}

impl BacktestResult {
    fn new(report: Report, from: Time, to: Time) -> Self {
        let counted: HashMap<Time, (u64, u64)> =
            report.hours.iter().map(|hour| (hour.at, (hour.matches, hour.rings))).collect();
        let hours = std::iter::successors(Some(from.hour()), |at| Some(at.plus(HOUR)));
        let hour = |at| {
            let (matches, rings) = counted.get(&at).copied().unwrap_or_default();
            HourCount { at: Stamp(at), matches, rings }
        };
        let sample = |one: domain::backtest::EventSample| EventSample {
            event_id: one.event.0,
            outcome: one.outcome.into(),
            reason: one.reason.map(|reason| reason.to_string()),
        };
        Self {
            events: report.events,
            matches: report.matches,
            resolves: report.resolves,
            failures: report.failures,
            alerts: report.alerts,
            rings: report.rings.iter().map(|(_, count)| count).sum(),
            rings_by_origin: report
                .rings
                .into_iter()
                .map(|(origin, count)| OriginCount { origin: origin.into(), count })
                .collect(),
            suppressed: report
                .suppressed
                .into_iter()
                .map(|(reason, count)| ReasonCount { reason: reason.to_string(), count })
                .collect(),
            hours: hours.take_while(|at| *at < to).map(hour).collect(),
            samples: report.samples.into_iter().map(sample).collect(),
            recipients: report
                .recipients
                .into_iter()
                .map(|(user, count)| RecipientCount { user_id: user.0, count })
                .collect(),
            recipient_count: report.recipient_count,
            truncated: report.is_cut,
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

impl Backtest {
    fn of(run: Run, is_whole: bool) -> Option<Self> {
        let RunTask::Backtest { rule, body, from, to } = run.task else { return None };
        let result = run.result.filter(|_| is_whole).map(|result| {
            let RunResult::Backtest(report) = result;
            BacktestResult::new(*report, from, to)
        });
        Some(Self {
            id: run.id.0,
            rule_id: rule.map(|rule| rule.0),
            rule_name: body.name,
            condition: body.condition,
            from: Stamp(from),
            to: Stamp(to),
            state: run.state.into(),
            total: run.progress.total,
            done: run.progress.done,
            error: run.error,
            result,
            created_by: run.created_by.map(|user| user.0),
            created_at: Stamp(run.created_at),
            started_at: run.started_at.map(Stamp),
            ended_at: run.ended_at.map(Stamp),
        })
    }

    /// The backtest that a run is, if it is one, without its result.
    pub fn summary(run: Run) -> Option<Self> {
        Self::of(run, false)
    }

    /// The whole of a run that is one.
    ///
    /// # Errors
    /// When it is none after all.
    pub fn made(run: Run) -> Result<Self, Problem> {
        Self::of(run, true).ok_or_else(Problem::internal)
    }
}

/// A page of backtests.
#[derive(Clone, Debug, Object, Serialize)]
pub struct BacktestPage {
    /// Newest first.
    pub items: Vec<Backtest>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
