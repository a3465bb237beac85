//! `bellbuoy`: every role and every operator's command in one binary.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic when nobody reads: see out.rs"
)]

mod audit;
mod demo;
mod doctor;
mod files;
mod health;
mod key;
mod migrate;
mod out;
mod password;
mod project;
mod queue;
mod reseal;
mod rules;
mod send;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use bellbuoy::roles::{Roles, queues};
use clap::{Parser, Subcommand};
use config::{Config, Sources};
use domain::job::QueueName;
use runtime::preflight;
use runtime::process::{self, Failure};

/// Alerts and notifications for many projects: events in, the right alert out, to the right person, once.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// The configuration file [default: bellbuoy.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Every role in this process (the default).
    Up,
    /// The HTTP API alone.
    Api,
    /// A worker alone.
    Worker {
        /// The queues that it works on, with commas between them [default: worker.queues].
        #[arg(long, value_delimiter = ',', value_parser = queue_name)]
        queues: Vec<QueueName>,
        /// How many deliveries it sends at once [default: delivery.concurrency].
        #[arg(long, value_parser = concurrency)]
        concurrency: Option<usize>,
    },
    /// The scheduler alone.
    Scheduler,
    /// The store's tables, and the queues of an engine that does not make them by itself.
    Migrate {
        #[command(subcommand)]
        what: Option<migrate::What>,
    },
    /// Projects.
    Project {
        #[command(subcommand)]
        what: project::What,
    },
    /// Users.
    User {
        #[command(subcommand)]
        what: user::What,
    },
    /// API keys, and the keys that sign and seal.
    Key {
        #[command(subcommand)]
        what: key::What,
    },
    /// Rules.
    Rules {
        #[command(subcommand)]
        what: rules::What,
    },
    /// Sends an event to a Bellbuoy that runs, and prints its id.
    Send(send::What),
    /// The queues and their dead jobs.
    Queue {
        #[command(subcommand)]
        what: queue::What,
    },
    /// The configuration.
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Checks every configured engine and says what is wrong.
    Doctor {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// The files of projects.
    Files {
        #[command(subcommand)]
        what: files::What,
        /// Prints JSON.
        #[arg(long, global = true)]
        json: bool,
    },
    /// Checks the process that runs on this machine, by its operations port (`ops.listen`).
    Health {
        /// Checks liveness only, not readiness.
        #[arg(long)]
        live: bool,
    },
    /// The audit logs.
    Audit {
        #[command(subcommand)]
        what: audit::What,
    },
    /// Prints the OpenAPI document.
    Openapi,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Validates the configuration and lists every mistake.
    Check,
    /// Prints every setting with its value and where it comes from; secrets are hidden.
    Print {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints an example environment file with every setting.
    EnvExample,
    /// Prints the reference page of all settings, in Markdown.
    Reference,
}

fn queue_name(name: &str) -> Result<QueueName, String> {
    let known = || QueueName::ALL.map(QueueName::as_str).join(", ");
    QueueName::parse(name).ok_or_else(|| format!("no queue of that name; there are {}", known()))
}

/// As the setting has it: the command line loosens nothing.
fn concurrency(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=100_000).contains(number));
    number.ok_or_else(|| "a whole number from 1 to 100000".to_owned())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => out::failed(&error),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    // These need no configuration, so that a broken one does not stand in their way.
    match &cli.command {
        Some(Command::Openapi) => return print(&api::openapi()),
        Some(Command::Config { what: ConfigCommand::EnvExample }) => {
            return print(&Config::env_example());
        }
        Some(Command::Config { what: ConfigCommand::Reference }) => {
            return print(&Config::reference());
        }
        _ => {}
    }
    let mut config = Config::load(Sources::from_process(cli.config))?;
    match cli.command.unwrap_or(Command::Up) {
        Command::Up => {
            let (mut roles, _) = Roles::all().list(&mut config)?;
            roles.push(demo::role());
            serve(config, roles)
        }
        Command::Api => serve_some(config, Roles { api: true, ..Roles::none() }),
        Command::Scheduler => serve_some(config, Roles { scheduler: true, ..Roles::none() }),
        Command::Worker { queues: chosen, concurrency } => {
            config.delivery.concurrency = concurrency.unwrap_or(config.delivery.concurrency);
            let chosen = if chosen.is_empty() { queues(&config) } else { chosen };
            serve_some(config, Roles { worker: Some(chosen), ..Roles::none() })
        }
        Command::Migrate { what } => {
            process::block_on(migrate::run(config, what.unwrap_or_default()))
        }
        Command::Project { what } => process::block_on(project::run(config, what)),
        Command::User { what } => process::block_on(user::run(config, what)),
        Command::Key { what } => process::block_on(key::run(config, what)),
        Command::Rules { what } => process::block_on(rules::run(config, what)),
        Command::Send(what) => process::block_on(send::run(config, what)),
        Command::Queue { what } => process::block_on(queue::run(config, what)),
        Command::Audit { what } => process::block_on(audit::run(config, what)),
        Command::Doctor { json } => process::block_on(doctor::run(config, json)),
        Command::Files { what, json } => process::block_on(files::run(config, what, json)),
        Command::Health { live } => process::block_on(health::run(config, live)),
        Command::Config { what: ConfigCommand::Print { json: true } } => {
            print(&config.print_json())
        }
        Command::Config { what: ConfigCommand::Print { json: false } } => print(&config.print()),
        // What comes here has no mistakes in itself; it may still name what is not there.
        Command::Config { .. } | Command::Openapi => {
            preflight::check(&config)?;
            print("The configuration is fine.\n")
        }
    }
}

fn serve_some(mut config: Config, roles: Roles) -> Result<ExitCode, Failure> {
    let (roles, _) = roles.list(&mut config)?;
    serve(config, roles)
}

fn serve(config: Config, roles: Vec<process::Role>) -> Result<ExitCode, Failure> {
    process::serve(config, roles).map(|()| ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    out::text(text).map(|()| ExitCode::SUCCESS)
}
