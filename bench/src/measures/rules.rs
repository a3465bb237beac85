//! What rules cost: looking at an event among few and among many rules, a rule that an event could match, and a backtest.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use domain::backtest::{Backtest, rule_set};
use domain::evaluation::look;
use domain::event::Event;
use domain::event_filter::EventFilter;
use domain::id::{EventId, ProjectId, RuleId};
use domain::project::ProjectStatus;
use domain::rule::{Rule, RuleBody, RuleMode};
use domain::ruleset::{RuleSet, Sources};
use domain::time::Time;
use domain::trial::TrialSource;
use services::onboarding;
use store::Step;
use store::events::Incoming;

use crate::bench::Bench;
use crate::event::{KIND, payload};
use crate::product::now;
use crate::report::Goal;
use crate::stats::{median, rate};

/// An event among ten rules, to which others are compared.
const FEW: &str = "an event among 10 rules by type";

/// How often each figure is taken; the median counts.
const TURNS: usize = 9;

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let events = bench.scaled(20_000);
    let few = looked(&by_type(10)?, events)?;
    let many = looked(&by_type(10_000)?, events)?;
    // All of them could match and none does.
    let candidates = looked(&candidates(1000)?, events.div_ceil(100))?;
    bench.report.add(FEW, few, "ns");
    bench
        .report
        .compare("an event among 10 000 rules by type", many, "ns", FEW)
        .goal(Goal::RatioAtMost(1.5));
    bench.report.add("a rule that an event could match", (candidates - few) / 1000.0, "ns");
    backtest(bench).await
}

/// Rules of which one asks for the type of the events, and the others for types of their own.
fn by_type(count: usize) -> anyhow::Result<RuleSet> {
    let other = |at| format!("event.type == \"other.kind-{at}\" && event.payload.total > 0");
    let ours = format!("event.type == \"{KIND}\" && event.payload.total > 1000000");
    compiled((1..count).map(other).chain([ours]))
}

/// Rules that say nothing of a type.
fn candidates(count: usize) -> anyhow::Result<RuleSet> {
    let says = |at| format!("event.payload.total > 1000000 && event.payload.currency == \"C{at}\"");
    compiled((0..count).map(says))
}

fn compiled(conditions: impl Iterator<Item = String>) -> anyhow::Result<RuleSet> {
    let rule = |(at, condition): (usize, String)| Rule {
        id: RuleId::fresh(now()),
        version: 1,
        mode: RuleMode::Live,
        since: now(),
        body: RuleBody::new(format!("Rule {at}"), condition),
    };
    let rules: Vec<Rule> = conditions.enumerate().map(rule).collect();
    let (project, sources) = (ProjectId::fresh(now()), Sources { rules, ..Sources::default() });
    let (set, broken) = RuleSet::compile(project, ProjectStatus::Active, 1, sources);
    ensure!(broken.is_empty(), "{} rules do not compile", broken.len());
    Ok(set)
}

/// How many nanoseconds it takes to look at an event, as an evaluation does.
fn looked(set: &RuleSet, count: u64) -> anyhow::Result<f64> {
    let events: Vec<Event> = (0..100).map(|at| event(at, now())).collect::<Result<_, _>>()?;
    let mut turns = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        let began = Instant::now();
        for event in events.iter().cycle().take(usize::try_from(count)?) {
            black_box(look(set, black_box(event), now())?);
        }
        turns.push(began.elapsed().as_secs_f64() * 1e9 / count as f64);
    }
    Ok(median(turns))
}

/// How many stored events a backtest looks at in a second.
async fn backtest(bench: &mut Bench) -> anyhow::Result<()> {
    let file = bench.folder.path().join("backtest.db");
    let installation = bench.installation(format!("sqlite://{}", file.display()), None)?;
    let store = installation.store().await?;
    store.migrate(Step::Up).await?;
    let (project, _) = onboarding::project(&store, "bench", "Benchmark", now()).await?;
    let (count, began) = (bench.scaled(100_000), now());
    for first in (0..count).step_by(1000) {
        let kept = |at| {
            let event = event(at, began.plus(Duration::from_millis(at)))?;
            anyhow::Ok(Incoming { project, event, key: None, trace: None })
        };
        let chunk: Vec<Incoming> =
            (first..count.min(first + 1000)).map(kept).collect::<Result<_, _>>()?;
        store.accept_events(Arc::new(chunk), None, began).await?;
    }
    let rule = RuleId::fresh(now());
    let body = RuleBody::new(
        "Orders".to_owned(),
        format!("event.type == \"{KIND}\" && event.payload.total > 1000"),
    );
    let set = rule_set(project, (rule, body), TrialSource::default(), began);
    let (set, place) = set.context("the rule does not compile")?;
    let (started, mut after, mut test) =
        (Instant::now(), None::<EventId>, Backtest::new(&set, place));
    loop {
        let events = store.events_in_order(project, EventFilter::default(), after, 500).await?;
        for event in &events {
            test.feed(event)?;
        }
        match events.last() {
            Some(last) => after = Some(last.id),
            None => break,
        }
    }
    let report = test.end(began.plus(Duration::from_secs(3600)));
    ensure!(report.matches == count, "{} of {count} events matched", report.matches);
    bench.report.add("backtest, from SQLite", rate(count, started.elapsed()), "events/s");
    store.close().await;
    Ok(())
}

fn event(number: u64, at: Time) -> anyhow::Result<Event> {
    Ok(Event {
        id: EventId::fresh(at),
        kind: KIND.to_owned(),
        source: "shop".to_owned(),
        subject: None,
        payload: serde_json::value::RawValue::from_string(payload(number))?,
        occurred_at: None,
        received_at: at,
        idempotency_key: None,
        correlation_id: None,
        replay_of: None,
        key_id: None,
    })
}
