//! The benchmark: what Bellbuoy does, beside the raw limits of the same machine in the same run.
//!
//! ```text
//! cargo build --release
//! cargo run -p bellbuoy-bench --release -- [--out FILE.json] [--only NAME…] [--quick] [--explain]
//!     [--set BELLBUOY_NAME=VALUE…]
//! ```
//!
//! Only ratios say something: load, product and engines share the cores of one machine. It speaks to nothing but this
//! machine's loopback, and ends all that it started.

mod bench;
mod engines;
mod event;
mod explain;
mod http;
mod load;
mod machine;
mod measures;
mod process;
mod product;
mod report;
mod seed;
mod sink;
mod stats;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use bench::Bench;
use machine::Watch;
use measures::{ALL, Measure};

#[derive(Parser)]
#[command(about = "Measures Bellbuoy beside the raw limits of this machine", after_help = measures::help())]
struct Arguments {
    /// Write the figures to this file, as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Measure these only; a ratio to what is not measured is left out.
    #[arg(long, num_args = 1.., value_name = "NAME")]
    only: Vec<String>,
    /// A tenth of the load: to see whether it runs, not how fast.
    #[arg(long)]
    quick: bool,
    /// Say where the product's time went, from its own metrics.
    #[arg(long)]
    explain: bool,
    /// Try the product with other settings than its defaults, like BELLBUOY_ACCEPT_COMMITTERS=1.
    #[arg(long, num_args = 1.., value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Serve the echo that the product is compared to; the bench starts itself with this.
    #[arg(long, hide = true)]
    serve_echo: Option<SocketAddr>,
}

// The main thread runs everything that starts processes: they are bound to the life of the thread that started them.
#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(address) = arguments.serve_echo {
        return measures::serve_echo(address).await;
    }
    let (mut terminate, mut hang_up) =
        (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    // Whichever way it ends, what it started is dropped, and so ended, before the process is.
    tokio::select! {
        done = run(&arguments) => done,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
        _ = hang_up.recv() => bail!("the terminal is gone"),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let chosen = choose(&arguments.only)?;
    if cfg!(debug_assertions) {
        eprintln!(
            "warning: built without optimisation, so the figures mean nothing; use --release"
        );
    }
    if chosen.iter().any(|measure| measure.needs_product) {
        product::binary()?;
    }
    let with_mariadb = chosen.iter().any(|measure| measure.needs_mariadb());
    let mut bench = Bench::start(arguments.quick, arguments.explain, with_mariadb).await?;
    for (name, value) in &arguments.set {
        bench.report.fact(name, value);
    }
    bench.settings.clone_from(&arguments.set);
    for measure in chosen {
        eprintln!("{}: {}", measure.name, measure.about);
        let watch = Watch::start(bench.engines.ids());
        (measure.run)(&mut bench).await.with_context(|| format!("{} failed", measure.name))?;
        if let Some(others) = watch.others() {
            let name = format!("others on the cores: {}", measure.name);
            bench.report.add(name, others * 100.0, "% of a core");
        }
    }
    println!("\n{}", bench.report.table());
    if let Some(out) = &arguments.out {
        let text = serde_json::to_string_pretty(&bench.report.json())?;
        std::fs::write(out, text + "\n")
            .with_context(|| format!("{} can't be written", out.display()))?;
    }
    Ok(())
}

fn setting(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| name.starts_with("BELLBUOY_"));
    let (name, value) = parts.ok_or("expected BELLBUOY_NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn choose(only: &[String]) -> anyhow::Result<Vec<&'static Measure>> {
    if let Some(strange) = only.iter().find(|name| ALL.iter().all(|measure| measure.name != **name))
    {
        bail!("there is no measurement {strange:?}; {}", measures::help());
    }
    let wanted =
        |measure: &&Measure| only.is_empty() || only.iter().any(|name| *name == measure.name);
    Ok(ALL.iter().filter(wanted).collect())
}
