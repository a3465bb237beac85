//! `bellbuoy queue`: what is in the queues, pausing them, and what died in them.

mod dlq;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use config::Config;
use domain::clock::Clock;
use domain::id::JobId;
use domain::job::{Envelope, NewJob, QueueName};
use queue::Queue;
use queue::open::Opened;
use runtime::process::Failure;
use serde_json::json;
use store::Store;
use store::queues::DeadJob;

use crate::out::{self, say};

/// What to do with queues.
#[derive(Subcommand)]
pub enum What {
    /// Lists queues: how many jobs wait, are leased and are dead, and whether the queue is paused.
    Ls {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Pauses a queue: within a second or two no worker takes jobs from it; it goes on filling.
    Pause {
        /// The queue.
        #[arg(value_parser = crate::queue_name)]
        queue: QueueName,
    },
    /// Resumes a queue.
    Resume {
        /// The queue.
        #[arg(value_parser = crate::queue_name)]
        queue: QueueName,
    },
    /// Lists the dead jobs of a queue, oldest first.
    Dead {
        /// The queue.
        #[arg(value_parser = crate::queue_name)]
        queue: QueueName,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Retries the dead jobs of a queue.
    Retry {
        /// The queue.
        #[arg(value_parser = crate::queue_name)]
        queue: QueueName,
        /// Only this job.
        #[arg(long)]
        id: Option<JobId>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Discards the dead jobs of a queue.
    Discard {
        /// The queue.
        #[arg(value_parser = crate::queue_name)]
        queue: QueueName,
        /// Only this job.
        #[arg(long)]
        id: Option<JobId>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// What the engine itself has put aside, on engines that do so.
    Dlq {
        #[command(subcommand)]
        what: dlq::What,
    },
}

/// How many dead jobs are worked on at once.
const AT_ONCE: usize = 500;

/// Does it and says what it did.
pub async fn run(config: Config, what: What) -> Result<ExitCode, Failure> {
    let store = Store::connect(&config.store, config.log.slow_query).await?;
    let opened = Opened::open(&config, &store)?;
    let code = match what {
        What::Ls { json } => list(&store, &opened, json).await?,
        What::Pause { queue } => {
            store.pause_queue(queue, Some(Clock::System.now())).await?;
            say!("paused  {}", queue.as_str());
            ExitCode::SUCCESS
        }
        What::Resume { queue } => {
            store.pause_queue(queue, None).await?;
            say!("resumed  {}", queue.as_str());
            ExitCode::SUCCESS
        }
        What::Dead { queue, limit, json } => {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let dead = store.dead_jobs_in(queue, JobId(uuid::Uuid::nil()), limit).await?;
            show_dead(&dead, json)?;
            ExitCode::SUCCESS
        }
        What::Retry { queue, id, json } => {
            let count = each(&store, queue, id, Some(opened.queue())).await?;
            told("retried", queue, count, id.is_some(), json)?
        }
        What::Discard { queue, id, json } => {
            let count = each(&store, queue, id, None).await?;
            told("discarded", queue, count, id.is_some(), json)?
        }
        What::Dlq { what } => dlq::run(&opened, what).await?,
    };
    store.close().await;
    Ok(code)
}

async fn list(store: &Store, opened: &Opened, as_json: bool) -> Result<ExitCode, Failure> {
    let (queue, paused) = (opened.queue(), store.paused_queues().await?);
    let mut rows = Vec::new();
    let mut away = None;
    for name in QueueName::ALL {
        // What the store knows is told also when the engine is away.
        let depth = queue.depth(name).await.map_err(|error| away = Some(error)).ok();
        let letters = queue.dead_letters(name).await.map_err(|error| away = Some(error)).ok();
        let dead = store.count_dead_jobs(name).await?;
        rows.push((name, depth, paused.contains(&name), dead, letters.flatten()));
    }
    if as_json {
        let list: Vec<_> = rows
            .iter()
            .map(|(name, depth, paused, dead, letters)| {
                json!({ "queue": name.as_str(), "waiting": depth.map(|one| one.waiting),
                        "held": depth.map(|one| one.held), "paused": paused, "dead_jobs": dead,
                        "dead_letters": letters })
            })
            .collect();
        let answer = json!({ "engine": opened.kind(), "queues": list,
                             "wrong": away.as_ref().map(ToString::to_string) });
        out::json(&answer)?;
    } else {
        say!(
            "{:<12} {:>9} {:>9} {:>9} {:>12}",
            opened.kind(),
            "waiting",
            "held",
            "dead",
            "dead letters"
        );
        for (name, depth, paused, dead, letters) in &rows {
            let count = |number: Option<u64>| number.map_or("-".to_owned(), |one| one.to_string());
            let (waiting, held) = (depth.map(|one| one.waiting), depth.map(|one| one.held));
            let state = if *paused { "  paused" } else { "" };
            say!(
                "{:<12} {:>9} {:>9} {dead:>9} {:>12}{state}",
                name.as_str(),
                count(waiting),
                count(held),
                count(*letters)
            );
        }
        if let Some(error) = &away {
            out::aside(format_args!("the engine does not tell everything: {error}"));
        }
    }
    Ok(if away.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show_dead(dead: &[DeadJob], as_json: bool) -> Result<(), Failure> {
    let kind = |job: &DeadJob| Envelope::decode(&job.body).ok().map(|one| one.job.kind());
    if as_json {
        let list: Vec<_> = dead
            .iter()
            .map(|job| {
                json!({ "id": job.id, "project": job.project, "kind": kind(job), "error": job.error,
                        "body": String::from_utf8_lossy(&job.body) })
            })
            .collect();
        out::json(&json!(list))?;
        return Ok(());
    }
    if dead.is_empty() {
        say!("no job died there");
    }
    for job in dead {
        say!(
            "{}  {:<16} project {}  {}",
            job.id,
            kind(job).unwrap_or("unknown"),
            job.project,
            job.error
        );
    }
    Ok(())
}

/// Goes through the dead jobs of a queue, or to one of them: gives them to the queue again, if there is one to give them
/// to, and forgets them. In this order, so that an end in between doubles a job and loses none.
async fn each(
    store: &Store,
    queue: QueueName,
    only: Option<JobId>,
    again: Option<Arc<dyn Queue>>,
) -> Result<u64, Failure> {
    let (mut after, mut count) = (JobId(uuid::Uuid::nil()), 0);
    // Those that die again meanwhile have greater ids only if they are new: what was there is gone through once.
    let last = JobId::fresh(Clock::System.now());
    loop {
        let dead = store.dead_jobs_in(queue, after, AT_ONCE as i64).await?;
        let Some(end) = dead.last().map(|job| job.id) else { return Ok(count) };
        after = end;
        let chosen: Vec<DeadJob> =
            dead.into_iter().filter(|job| only.is_none_or(|only| job.id == only)).collect();
        let ids = chosen.iter().map(|job| (job.project, job.id)).collect();
        if let Some(again) = &again {
            let jobs = chosen.into_iter().map(|job| NewJob {
                id: job.id,
                project: job.project,
                queue: job.queue,
                body: job.body,
            });
            again.push(jobs.collect()).await?;
        }
        count += store.forget_dead_jobs(ids).await?;
        if after >= last || only.is_some() && count > 0 {
            return Ok(count);
        }
    }
}

/// Says how many there were; that the one that was asked for is not there is a failure.
fn told(
    done: &str,
    queue: QueueName,
    count: u64,
    one: bool,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    if as_json {
        out::json(&json!({ "queue": queue.as_str(), done: count }))?;
    } else {
        say!("{done}  {count}");
    }
    if one && count == 0 {
        out::aside(format_args!(
            "bellbuoy: the queue {} has no such job; see the lists of `bellbuoy queue`",
            queue.as_str()
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
