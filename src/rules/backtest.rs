//! `bellbuoy rules backtest`: asks for a backtest and waits for a worker to do it.

use std::time::Duration;

use domain::backtest::Report;
use domain::clock::Clock;
use domain::id::{ProjectId, RuleId};
use domain::rule::RuleBody;
use domain::run::{Run, RunKind, RunResult, RunState, RunTask};
use runtime::process::Failure;
use services::admin::Admin;
use services::audit::Initiator;

use crate::out::{self, say};

/// How often it is looked after.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long no worker may begin before that is said.
const PATIENCE: Duration = Duration::from_secs(10);

/// Holds a rule against the events of so many days and prints what it would have done.
pub async fn run(
    admin: &Admin,
    project: ProjectId,
    rule: Option<RuleId>,
    body: RuleBody,
    days: u8,
) -> Result<(), Failure> {
    let name = body.name.clone();
    let failed = |error: &dyn std::fmt::Display| Failure::from(format!("rule {name:?}: {error}"));
    let to = Clock::System.now();
    let from = to.minus(Duration::from_secs(u64::from(days) * 86_400));
    let task = RunTask::Backtest { rule, body: Box::new(body), from, to };
    let made = admin.create_run(project, task, &Initiator::system()).await;
    let made = made.map_err(|error| failed(&error))?;
    let over = wait(admin, project, made).await?;
    match (over.state, over.result) {
        (RunState::Done, Some(RunResult::Backtest(report))) => print(&name, &report),
        (state, _) => Err(failed(&over.error.unwrap_or_else(|| state.to_string()))),
    }
}

async fn wait(admin: &Admin, project: ProjectId, mut run: Run) -> Result<Run, Failure> {
    let (mut said, mut waited) = (run.progress.done, Duration::ZERO);
    while !run.state.is_over() {
        tokio::time::sleep(INTERVAL).await;
        waited += INTERVAL;
        run = admin.run(project, &[RunKind::Backtest], run.id).await?;
        if run.state == RunState::Queued && waited == PATIENCE {
            out::aside(format_args!("no worker has begun yet: is one running?"));
        }
        if run.progress.done != said {
            said = run.progress.done;
            out::aside(format_args!("{said} of {} events", run.progress.total.unwrap_or(said)));
        }
    }
    Ok(run)
}

fn print(name: &str, report: &Report) -> Result<(), Failure> {
    let rings: u64 = report.rings.iter().map(|(_, count)| count).sum();
    say!("{name}");
    say!(
        "  events      {}{}",
        report.events,
        if report.is_cut { " (no more are looked at)" } else { "" }
    );
    say!("  matches     {}", report.matches);
    say!("  resolves    {}", report.resolves);
    if report.failures > 0 {
        say!("  failures    {}", report.failures);
    }
    say!("  alerts      {}", report.alerts);
    say!("  rings       {rings}");
    for (origin, count) in &report.rings {
        say!("    {count:<9} {origin}");
    }
    say!("  suppressed  {}", report.suppressed.iter().map(|(_, count)| count).sum::<u64>());
    for (reason, count) in &report.suppressed {
        say!("    {count:<9} {reason}");
    }
    say!("  recipients  {}", report.recipient_count);
    Ok(())
}
