//! `bellbuoy migrate`: the store's tables, up, down, and how they stand.

use std::process::ExitCode;

use clap::Subcommand;
use shared::config::Config;
use shared::process::Failure;
use shared::store::{Step, Store};

/// Which way.
#[derive(Clone, Copy, Default, Subcommand)]
pub enum What {
    /// Applies everything that is missing (the default).
    #[default]
    Up,
    /// Takes the last one back.
    Down,
    /// Shows what is applied.
    Status,
}

/// Does it and says what it did.
pub async fn run(config: Config, what: What) -> Result<ExitCode, Failure> {
    let store = Store::open(&config.store, config.log.slow_query).await?;
    match what {
        What::Up => say("applied", store.migrate(Step::Up).await?),
        What::Down => say("taken back", store.migrate(Step::Down).await?),
        What::Status => {
            for one in store.migrations().await? {
                println!("{}  {}", if one.applied { "applied" } else { "missing" }, one.name);
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn say(done: &str, names: Vec<String>) {
    if names.is_empty() {
        println!("nothing to do");
    }
    for name in names {
        println!("{done}  {name}");
    }
}
