//! `bellbuoy migrate`: the store's tables, up, down, and how they stand; up also makes the queues of an engine that does
//! not make them by itself.

use std::process::ExitCode;

use clap::Subcommand;
use config::Config;
use queue::open::Opened;
use runtime::process::Failure;
use store::{Step, Store};

use crate::out::say;

/// Which way.
#[derive(Clone, Copy, Default, Subcommand)]
pub enum What {
    /// Applies all pending migrations (the default).
    #[default]
    Up,
    /// Reverts the last migration.
    Down,
    /// Lists migrations and whether they are applied.
    Status,
}

/// Does it and says what it did.
pub async fn run(config: Config, what: What) -> Result<ExitCode, Failure> {
    let store = Store::connect(&config.store, config.log.slow_query).await?;
    match what {
        What::Up => {
            let mut done = store.migrate(Step::Up).await?;
            let prepared = Opened::open(&config, &store)?.prepare().await;
            match prepared {
                Ok(queues) => done.extend(queues),
                // The tables are there all the same: that is said first.
                Err(error) => {
                    told("applied", done)?;
                    return Err(error.into());
                }
            }
            told("applied", done)?;
        }
        What::Down => told("reverted", store.migrate(Step::Down).await?)?,
        What::Status => {
            for one in store.migrations().await? {
                say!("{}  {}", if one.applied { "applied" } else { "missing" }, one.name);
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn told(done: &str, names: Vec<String>) -> Result<(), Failure> {
    if names.is_empty() {
        say!("nothing to do");
    }
    for name in names {
        say!("{done}  {name}");
    }
    Ok(())
}
