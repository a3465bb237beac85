//! `bellbuoy project`: makes and lists projects, suspends them and brings them back.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use shared::admin::{Admin, Onboarding};
use shared::audit::Doer;
use shared::config::Config;
use shared::domain::project::Project;
use shared::process::Failure;

use crate::user::Password;

/// What to do.
#[derive(Subcommand)]
pub enum What {
    /// Makes a project with its first admin and its first key, which is shown this once.
    Create {
        /// Its short name in addresses: 3 to 48 of a-z, 0-9 and -.
        #[arg(long)]
        slug: String,
        /// Its name.
        #[arg(long)]
        name: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// The address of its first admin.
        #[arg(long)]
        admin_email: String,
        /// What they are called.
        #[arg(long)]
        admin_name: String,
        #[command(flatten)]
        password: Password,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lists projects, newest first.
    Ls {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Keeps its keys and people out and holds its events.
    Suspend {
        /// Its slug or id.
        project: String,
    },
    /// Lets it work again.
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
    let doer = Doer::system();
    match what {
        What::Create { slug, name, description, admin_email, admin_name, password, json } => {
            let (admin_password, chosen) = password.take()?;
            let new = Onboarding {
                slug,
                name,
                description,
                admin_email: admin_email.clone(),
                admin_name,
                admin_password: admin_password.clone(),
            };
            let made = admin.onboard(new, &doer).await?;
            let key = made.key.1.text();
            let password = (!chosen).then_some(admin_password);
            if json {
                let told = json!({
                    "id": made.project.id, "slug": made.project.slug, "admin_id": made.admin,
                    "admin_password": password, "key_id": made.key.0, "api_key": key,
                });
                println!("{}", serde_json::to_string_pretty(&told)?);
                return Ok(());
            }
            println!("project   {} ({})", made.project.slug, made.project.id);
            println!("admin     {admin_email}");
            if let Some(password) = password {
                println!("password  {password}   (shown this once)");
            }
            println!("API key   {key}   (shown this once)");
        }
        What::Ls { json } => list(admin, json).await?,
        What::Suspend { project } => {
            let id = find(admin, &project).await?.id;
            admin.set_project_works(id, false, &doer).await?;
            println!("suspended  {project}");
        }
        What::Reactivate { project } => {
            let id = find(admin, &project).await?.id;
            admin.set_project_works(id, true, &doer).await?;
            println!("active  {project}");
        }
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
    if as_json {
        let told = |one: &Project| {
            json!({ "id": one.id, "slug": one.slug, "name": one.name, "status": one.status,
                    "created_at": one.created_at.rfc3339() })
        };
        println!("{}", serde_json::to_string_pretty(&all.iter().map(told).collect::<Vec<_>>())?);
        return Ok(());
    }
    for one in all {
        println!("{}  {:<9}  {:<24}  {}", one.id, one.status.as_str(), one.slug, one.name);
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
