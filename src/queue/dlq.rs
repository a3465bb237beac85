//! `bellbuoy queue dlq`: what the engine has put aside because it came back too often.

use std::process::ExitCode;

use clap::Subcommand;
use domain::job::{Envelope, QueueName};
use queue::Queue;
use queue::open::Opened;
use queue::sqs::SqsQueue;
use runtime::process::Failure;
use serde_json::json;

use super::told;
use crate::out::{self, say};

/// What to do with what was put aside.
#[derive(Subcommand)]
pub enum What {
    /// Shows how much was put aside of each queue.
    Ls {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows what was put aside and leaves it there.
    Peek {
        /// The queue.
        #[arg(value_parser = crate::queue_name)]
        queue: QueueName,
        /// How many at most.
        #[arg(long, default_value_t = 10)]
        limit: usize,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sends what was put aside back to its queue.
    Redrive {
        /// The queue.
        #[arg(value_parser = crate::queue_name)]
        queue: QueueName,
        /// The message of this id alone, as peek shows it.
        #[arg(long)]
        id: Option<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Deletes what was put aside.
    Discard {
        /// The queue.
        #[arg(value_parser = crate::queue_name)]
        queue: QueueName,
        /// The message of this id alone, as peek shows it.
        #[arg(long)]
        id: Option<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does it and says what it did.
pub async fn run(opened: &Opened, what: What) -> Result<ExitCode, Failure> {
    let Opened::Sqs(sqs) = opened else {
        return Err(format!(
            "the queue engine {:?} has no dead-letter queues: its dead jobs are in the store, see `bellbuoy queue dead`",
            opened.kind()
        )
        .into());
    };
    match what {
        What::Ls { json } => list(sqs, json).await,
        What::Peek { queue, limit, json } => peek(sqs, queue, limit, json).await,
        What::Redrive { queue, id, json } => {
            let count = Box::pin(sqs.redrive_letters(queue, id.as_deref())).await?;
            told("redriven", queue, count as u64, id.is_some(), json)
        }
        What::Discard { queue, id, json } => {
            let count = Box::pin(sqs.discard_letters(queue, id.as_deref())).await?;
            told("discarded", queue, count as u64, id.is_some(), json)
        }
    }
}

async fn list(sqs: &SqsQueue, as_json: bool) -> Result<ExitCode, Failure> {
    let mut rows = Vec::new();
    for queue in QueueName::ALL {
        let count = sqs.dead_letters(queue).await?.unwrap_or_default();
        if !as_json {
            say!("{:<12} {count:>9}", queue.as_str());
        }
        rows.push(json!({ "queue": queue.as_str(), "dead_letters": count }));
    }
    if as_json {
        out::json(&json!(rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn peek(
    sqs: &SqsQueue,
    queue: QueueName,
    limit: usize,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let letters = Box::pin(sqs.peek_letters(queue, limit)).await?;
    let kind = |body: &[u8]| Envelope::decode(body).ok().map(|one| one.job.kind());
    if as_json {
        let list: Vec<_> = letters
            .iter()
            .map(|one| {
                json!({ "id": one.message, "job": one.job, "project": one.project,
                        "kind": kind(&one.body), "sent_at": one.sent_at.to_string(),
                        "received": one.received, "body": String::from_utf8_lossy(&one.body) })
            })
            .collect();
        out::json(&json!(list))?;
        return Ok(ExitCode::SUCCESS);
    }
    if letters.is_empty() {
        say!("nothing was put aside");
    }
    for one in &letters {
        say!(
            "{}  {:<16} project {}  sent {}  received {} times",
            one.message,
            kind(&one.body).unwrap_or("unknown"),
            one.project,
            one.sent_at,
            one.received
        );
    }
    Ok(ExitCode::SUCCESS)
}
