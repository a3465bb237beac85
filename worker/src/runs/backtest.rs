//! A rule held against stored events. What it has counted is in memory alone, so that another worker begins anew.

use domain::backtest::{Backtest, Report, rule_set};
use domain::event_filter::EventFilter;
use domain::id::{EventId, RuleId};
use domain::rule::RuleBody;
use domain::run::{Progress, RunResult};
use domain::time::Time;

use super::{Ended, Failure, Held};

/// How many events are read at a time.
const CHUNK: i64 = 500;

/// The most events that a backtest looks at.
const MAX_EVENTS: i64 = 1_000_000;

/// The most groups whose state is kept at a time.
const MAX_GROUPS: usize = 100_000;

pub(super) async fn work(
    held: &mut Held<'_>,
    rule: Option<RuleId>,
    body: &RuleBody,
    period: (Time, Time),
) -> Result<Ended, Failure> {
    let (store, project) = (held.worker.app.store.clone(), held.project);
    let id = rule.unwrap_or(RuleId(held.id.0));
    let (source, faults) = store.trial_source(project, id, body).await?;
    if let Some(fault) = faults.first() {
        let what = format!("the rule names what is there no longer: {}", fault.field);
        return Err(Failure::Final(what));
    }
    let set = rule_set(project, (id, body.clone()), source, period.0);
    let Some((set, place)) = set else {
        return Err(Failure::Final("the rule can't be read".to_owned()));
    };
    let mut test = Backtest::new(&set, place);
    let filter = EventFilter { from: Some(period.0), to: Some(period.1), ..EventFilter::default() };
    let total = store.count_events(project, filter.clone()).await?;
    held.progress = Progress { total: Some(total.min(MAX_EVENTS)), ..Progress::default() };
    let mut after: Option<EventId> = None;
    loop {
        let events = store.events_in_order(project, filter.clone(), after, CHUNK).await?;
        for event in &events {
            if let Err(error) = test.feed(event) {
                tracing::error!(%project, event = %event.id, %error, "the payload of an event can't be read");
                held.progress.failed += 1;
            }
        }
        held.progress.done += events.len() as i64;
        after = events.last().map(|event| event.id).or(after);
        if test.groups() > MAX_GROUPS {
            let what = format!(
                "the rule makes more than {MAX_GROUPS} groups in this period; choose a shorter one, or fewer paths in group_by"
            );
            return Err(Failure::Final(what));
        }
        let is_cut = held.progress.done >= MAX_EVENTS;
        if is_cut || (events.len() as i64) < CHUNK {
            let end = events.last().filter(|_| is_cut).map_or(period.1, |event| event.received_at);
            let report = Report { is_cut, ..test.end(end) };
            return Ok(Ended::Done(Some(RunResult::Backtest(Box::new(report)))));
        }
        if !held.report().await? {
            return Ok(Ended::Left);
        }
        // Others of this worker get their turn.
        tokio::task::yield_now().await;
    }
}
