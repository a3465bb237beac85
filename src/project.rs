//! `bellbuoy project`: makes and lists projects, suspends them and brings them back, sets their plans.

use std::process::ExitCode;

use clap::Subcommand;
use config::Config;
use domain::id::ProjectId;
use domain::plan::PlanLimit;
use domain::project::Project;
use runtime::process::Failure;
use serde_json::json;
use services::admin::{Admin, Onboarding};
use services::audit::Initiator;

use crate::out::{self, say};
use crate::password::Password;

/// What to do.
#[derive(Subcommand)]
pub enum What {
    /// Creates a project with its first admin and its first key, which is shown this once.
    Create {
        /// Its slug: 3 to 48 of a-z, 0-9 and -.
        #[arg(long)]
        slug: String,
        /// Its name.
        #[arg(long)]
        name: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// The email address of its first admin.
        #[arg(long)]
        admin_email: String,
        /// The full name of its first admin.
        #[arg(long, alias = "admin-name")]
        admin_full_name: String,
        #[command(flatten)]
        password: Password,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lists projects, newest first, and at the end the platform's own.
    Ls {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Suspends a project: its keys and users are refused, and its events are held.
    Suspend {
        /// Its slug or id.
        project: String,
    },
    /// Shows or sets the plan of a project: what it may use.
    Plan {
        /// Its slug or id.
        project: String,
        /// The name of the plan.
        #[arg(long, alias = "name")]
        plan: Option<String>,
        /// Limits, like users=100, with commas between them. 0 is no limit, and nothing behind the sign is the
        /// installation's.
        #[arg(long, alias = "limit", value_parser = limit, value_delimiter = ',')]
        limits: Vec<(PlanLimit, Option<u64>)>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows the settings of a project, without secrets, as JSON.
    Settings {
        /// Its slug or id.
        project: String,
    },
    /// Reactivates a project.
    Reactivate {
        /// Its slug or id.
        project: String,
    },
}

/// How many are asked for at once.
const PAGE: i64 = 200;

/// Does it and says what it did.
pub async fn run(config: Config, what: What) -> Result<ExitCode, Failure> {
    let admin = Admin::beside(&config).await?;
    let done = work(&admin, what).await;
    admin.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn work(admin: &Admin, what: What) -> Result<(), Failure> {
    let initiator = Initiator::system();
    match what {
        What::Create { slug, name, description, admin_email, admin_full_name, password, json } => {
            let policy = admin.password_policy(ProjectId::PLATFORM);
            let (admin_password, chosen) = password.take(&admin_email, policy)?;
            let new = Onboarding {
                slug,
                name,
                description,
                admin_email: admin_email.clone(),
                admin_name: admin_full_name,
                admin_password: admin_password.clone(),
            };
            let made = admin.onboard(new, &initiator).await?;
            let key = made.key.1.text();
            let password = (!chosen).then_some(admin_password);
            if json {
                let told = json!({
                    "id": made.project.id, "slug": made.project.slug, "admin_id": made.admin,
                    "admin_password": password, "key_id": made.key.0, "api_key": key,
                });
                out::json(&told)?;
                return Ok(());
            }
            say!("project   {} ({})", made.project.slug, made.project.id);
            say!("admin     {admin_email}");
            if let Some(password) = password {
                say!("password  {password}   (shown this once)");
            }
            say!("API key   {key}   (shown this once)");
        }
        What::Ls { json } => list(admin, json).await?,
        What::Suspend { project } => {
            let id = find(admin, &project).await?.id;
            admin.set_project_works(id, false, &initiator).await?;
            say!("suspended  {project}");
        }
        What::Plan { project, plan: name, limits, json } => {
            plan(admin, &project, name, &limits, json).await?;
        }
        What::Settings { project } => {
            let id = find(admin, &project).await?.id;
            let shown = admin.settings(id).await?;
            out::json(&serde_json::to_value(&shown.settings)?)?;
        }
        What::Reactivate { project } => {
            let id = find(admin, &project).await?.id;
            admin.set_project_works(id, true, &initiator).await?;
            say!("active  {project}");
        }
    }
    Ok(())
}

fn limit(text: &str) -> Result<(PlanLimit, Option<u64>), String> {
    let all = || PlanLimit::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ");
    let (name, most) =
        text.split_once('=').ok_or("it must be a limit and a number, like users=100")?;
    let limit =
        PlanLimit::parse(name).ok_or_else(|| format!("no such limit; there are {}", all()))?;
    match most {
        "" => Ok((limit, None)),
        number => Ok((
            limit,
            Some(number.parse().map_err(|_| "the limit must be a whole number, like users=100")?),
        )),
    }
}

/// Sets what was said of a plan, if anything was, and shows it.
async fn plan(
    admin: &Admin,
    project: &str,
    name: Option<String>,
    limits: &[(PlanLimit, Option<u64>)],
    as_json: bool,
) -> Result<(), Failure> {
    let project = find(admin, project).await?;
    let mut view = admin.plan(project.id).await?;
    if name.is_some() || !limits.is_empty() {
        let mut plan = view.own;
        plan.name = name.or(plan.name);
        for (limit, most) in limits {
            *plan.limits.of_mut(*limit) = *most;
        }
        view = admin.set_plan(project.id, plan, &Initiator::system()).await?;
    }
    if as_json {
        let told = json!({ "project_id": project.id, "plan": view.name, "limits": view.limits,
                           "own_limits": view.own.limits });
        out::json(&told)?;
        return Ok(());
    }
    say!("plan  {} ({})", view.name, project.slug);
    for limit in PlanLimit::ALL {
        let most = view.limits.of(*limit).filter(|most| *most > 0);
        let most = most.map_or_else(|| "no limit".to_owned(), |most| most.to_string());
        let own = if view.own.limits.of(*limit).is_some() { "" } else { "   (the installation's)" };
        say!("{:<18}  {most}{own}", limit.as_str());
    }
    Ok(())
}

async fn list(admin: &Admin, as_json: bool) -> Result<(), Failure> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = admin.projects(None, before, PAGE).await?;
        before = page.last().map(|project| project.id);
        let more = page.len() >= usize::try_from(PAGE)?;
        all.extend(page);
        if !more {
            break;
        }
    }
    all.push(admin.project(ProjectId::PLATFORM).await?);
    if as_json {
        let told = |one: &Project| {
            json!({ "id": one.id, "slug": one.slug, "name": one.name, "status": one.status,
                    "created_at": one.created_at.rfc3339() })
        };
        out::json(&all.iter().map(told).collect())?;
        return Ok(());
    }
    for one in all {
        say!("{}  {:<9}  {:<24}  {}", one.id, one.status.as_str(), one.slug, one.name);
    }
    Ok(())
}

/// The project of that slug or id.
///
/// # Errors
/// When there is none.
pub async fn find(admin: &Admin, text: &str) -> Result<Project, Failure> {
    let found = admin.find_project(text).await?;
    found.ok_or_else(|| format!("there is no project {text:?}; see `bellbuoy project ls`").into())
}
