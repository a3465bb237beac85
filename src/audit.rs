//! `bellbuoy audit`: holds the audit logs against their chains.

use std::process::ExitCode;

use clap::Subcommand;
use config::Config;
use crypto::seal::Sealer;
use domain::clock::Clock;
use domain::id::ProjectId;
use runtime::process::Failure;
use serde_json::json;
use services::audit::{Audit, Verdict};
use services::probe;
use store::Store;

use crate::out::{self, say};

/// What to do with the audit logs.
#[derive(Subcommand)]
pub enum What {
    /// Verifies the chains and names the first broken row of each; fails when there is one.
    Verify {
        /// The project, by its id or slug [default: all of them].
        #[arg(long, value_name = "SLUG|ID")]
        project: Option<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does it and says what it found.
pub async fn run(config: Config, what: What) -> Result<ExitCode, Failure> {
    let What::Verify { project, json } = what;
    let store = Store::connect(&config.store, config.log.slow_query).await?;
    let outcome = held(&config, &store, project.as_deref(), json).await;
    store.close().await;
    outcome
}

/// With another key than the store's every checkpoint would look forged.
async fn held(
    config: &Config,
    store: &Store,
    project: Option<&str>,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let sealer = match probe::known_sealer(config, store).await? {
        Some(sealer) => sealer,
        None => Sealer::open(config)?,
    };
    let audit = Audit::new(store.clone(), sealer, Clock::System, 1);
    verify(store, &audit, project, as_json).await
}

async fn verify(
    store: &Store,
    audit: &Audit,
    wanted: Option<&str>,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let mut projects = store.audited_projects().await?;
    if let Some(wanted) = wanted {
        let id = wanted.parse::<ProjectId>().ok();
        projects.retain(|(project, slug)| id.map_or(slug == wanted, |id| id == *project));
        if projects.is_empty() {
            return Err(format!("there is no project {wanted}; name one by its id or slug").into());
        }
    }
    let mut found = Vec::new();
    for (project, slug) in projects {
        let verdict = audit.verify(project, None, u64::MAX).await?;
        if !as_json {
            say!("{}", line(&slug, &verdict));
        }
        found.push((project, slug, verdict));
    }
    let broken = found.iter().any(|(.., verdict)| verdict.broken.is_some());
    if as_json {
        let list: Vec<_> = found.iter().map(|(id, slug, one)| shown(*id, slug, one)).collect();
        out::json(&json!({ "ok": !broken, "projects": list }))?;
    }
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn line(slug: &str, verdict: &Verdict) -> String {
    let said = match &verdict.broken {
        Some(broken) => {
            let row = broken.id.map(|id| format!(" (row {id})")).unwrap_or_default();
            format!("broken at {}{row}: {}", broken.seq, broken.flaw.words())
        }
        None => "fine".to_owned(),
    };
    let (checked, seq, unsealed) = (verdict.checked, verdict.head.seq, verdict.unsealed);
    let hash = hex(&verdict.head.hash);
    format!("{slug:<24} {checked:>8} rows, head {seq} {hash}, {unsealed} unsealed  {said}")
}

fn shown(project: ProjectId, slug: &str, verdict: &Verdict) -> serde_json::Value {
    let broken = verdict.broken.map(
        |one| json!({ "seq": one.seq, "id": one.id, "flaw": one.flaw, "detail": one.flaw.words() }),
    );
    json!({
        "project": project,
        "slug": slug,
        "ok": verdict.broken.is_none(),
        "checked": verdict.checked,
        "unsealed": verdict.unsealed,
        "head": { "seq": verdict.head.seq, "hash": hex(&verdict.head.hash) },
        "broken": broken,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
