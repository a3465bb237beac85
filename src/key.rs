//! `bellbuoy key`: makes API keys, the key that signs access tokens anew, and seals anew what older keys sealed.

use std::process::ExitCode;

use clap::Subcommand;
use config::Config;
use domain::key::Scope;
use domain::time::Time;
use runtime::process::Failure;
use serde_json::json;
use services::admin::{Admin, KeyChange};
use services::audit::Initiator;

use crate::out::{self, say};
use crate::project::find;

/// What to do.
#[derive(Subcommand)]
pub enum What {
    /// Creates an API key, which is shown this once.
    Create {
        /// The project: its slug or id.
        #[arg(long)]
        project: String,
        /// Its name.
        #[arg(long)]
        name: String,
        /// What it may do, with commas between them. buckets:write and notifications:write do nothing yet.
        #[arg(long, alias = "scope", value_parser = scope, value_delimiter = ',', default_values = ["events:write", "read"])]
        scopes: Vec<Scope>,
        /// When it expires, like 2027-01-31T00:00:00Z [default: never].
        #[arg(long, value_parser = time)]
        expires_at: Option<Time>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Reseals with `seal.key` what `seal.previous_keys` sealed; run it while processes serve, as often as needed.
    Reseal {
        /// Changes nothing and only says what is left; fails when anything is.
        #[arg(long)]
        check: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Rotates the key that signs access tokens. Issued tokens stay valid until they expire.
    RotateSigning {
        /// Revokes issued tokens as well, on every instance within ten seconds: every client must refresh.
        #[arg(long)]
        at_once: bool,
    },
}

fn scope(word: &str) -> Result<Scope, String> {
    let all = || Scope::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ");
    Scope::parse(word).ok_or_else(|| format!("no such scope; there are {}", all()))
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "it must be a time like 2027-01-31T00:00:00Z".to_owned())
}

/// Does it and says what it did.
pub async fn run(config: Config, what: What) -> Result<ExitCode, Failure> {
    let admin = Admin::beside(&config).await?;
    let done = work(&admin, what).await;
    admin.close().await;
    done
}

async fn work(admin: &Admin, what: What) -> Result<ExitCode, Failure> {
    let (project, name, scopes, expires_at, json) = match what {
        What::Create { project, name, scopes, expires_at, json } => {
            (project, name, scopes, expires_at, json)
        }
        What::RotateSigning { at_once } => {
            say!("signing key  {}", admin.rotate_signing_key(at_once).await?);
            return Ok(ExitCode::SUCCESS);
        }
        What::Reseal { check, json } => return crate::reseal::run(admin, check, json).await,
    };
    let project = find(admin, &project).await?;
    let change = KeyChange { name, scopes, expires_at };
    let made = admin.create_key(project.id, change, &Initiator::system()).await?;
    let text = made.plain.text();
    if json {
        let told = json!({ "id": made.key.id, "project_id": project.id, "scopes": made.key.scopes,
                           "api_key": text });
        out::json(&told)?;
        return Ok(ExitCode::SUCCESS);
    }
    say!("key      {} in {} ({})", made.key.name, project.slug, made.key.id);
    say!("API key  {text}   (shown this once)");
    Ok(ExitCode::SUCCESS)
}
