//! The list of what is measured, in order: what others are compared to comes first.

mod accept;
mod backend;
mod commit;
mod echo;
mod insert;
mod lua;
mod noop;
mod pipeline;
mod rules;
mod stock;
mod wakeup;

use futures_util::future::LocalBoxFuture;

use crate::bench::Bench;

pub use echo::serve as serve_echo;

/// Something that is measured.
pub struct Measure {
    /// Its name for `--only`.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Whether it needs the product's binary.
    pub needs_product: bool,
    /// Measures it.
    pub run: for<'a> fn(&'a mut Bench) -> LocalBoxFuture<'a, anyhow::Result<()>>,
}

impl Measure {
    /// Whether it needs MariaDB.
    pub fn needs_mariadb(&self) -> bool {
        self.name == "mariadb"
    }
}

macro_rules! measures {
    ($($name:literal, $run:path, $product:literal, $about:literal;)*) => {
        /// Everything that can be measured.
        pub const ALL: &[Measure] = &[$(Measure {
            name: $name,
            about: $about,
            needs_product: $product,
            run: |bench| Box::pin($run(bench)),
        }),*];
    };
}

measures! {
    "echo", echo::run, false, "raw: HTTP echo with poem, 32 connections";
    "commit", commit::run, false, "raw: commits of one PostgreSQL connection, each synced";
    "insert", insert::run, false, "raw: multi-row inserts into the product's events";
    "lua", lua::run, false, "raw: push, fetch and acknowledge on Redis in batches of 100";
    "accept", accept::run, true, "the product accepts events, and no worker runs";
    "webhook", pipeline::separate, true, "event to webhook: PostgreSQL and Redis, separate processes";
    "noop", noop::run, false, "the product's queue on Redis, jobs that do nothing";
    "backend", backend::run, false, "the same through an apalis worker";
    "wakeup", wakeup::run, false, "how soon an idle worker has a job";
    "rules", rules::run, false, "what rules cost, and a backtest";
    "stock", stock::run, false, "the same jobs with stock apalis-redis";
    "mariadb", pipeline::mariadb, true, "event to webhook: MariaDB and Redis, separate processes";
    "sqlite", pipeline::embedded, true, "event to webhook: SQLite, one process";
}

/// The names, for the help.
pub fn help() -> String {
    let lines: Vec<String> =
        ALL.iter().map(|one| format!("  {:<8} {}", one.name, one.about)).collect();
    format!("Measurements:\n{}", lines.join("\n"))
}
