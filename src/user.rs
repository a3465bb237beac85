//! `bellbuoy user`: makes accounts, the first super admin among them.

use std::process::ExitCode;

use clap::Subcommand;
use config::Config;
use runtime::process::Failure;
use serde_json::json;
use services::admin::{Admin, Invitee};
use services::audit::Initiator;

use crate::out::{self, say};
use crate::password::Password;
use crate::project::find;

/// What to do.
#[derive(Subcommand)]
pub enum What {
    /// Creates an active account. The first super admin: `--project platform --roles super_admin`.
    Create {
        /// The project: its slug or id.
        #[arg(long)]
        project: String,
        /// The email address of its user.
        #[arg(long)]
        email: String,
        /// The full name of its user.
        #[arg(long, alias = "name")]
        full_name: String,
        /// Its roles, with commas between them.
        #[arg(long, alias = "role", value_delimiter = ',')]
        roles: Vec<String>,
        #[command(flatten)]
        password: Password,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does it and says what it did.
pub async fn run(config: Config, what: What) -> Result<ExitCode, Failure> {
    let admin = Admin::beside(&config).await?;
    let done = work(&admin, what).await;
    admin.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn work(admin: &Admin, what: What) -> Result<(), Failure> {
    let What::Create { project, email, full_name, roles, password, json } = what;
    let project = find(admin, &project).await?;
    let (password, chosen) = password.take(&email, admin.password_policy(project.id))?;
    let new = Invitee { email, full_name, password: Some(password.clone()), roles };
    let (user, roles) = admin.create_user(project.id, new, &Initiator::system()).await?;
    let password = (!chosen).then_some(password);
    if json {
        let told = json!({ "id": user.id, "project_id": project.id, "email": user.email,
                           "roles": roles, "password": password });
        out::json(&told)?;
        return Ok(());
    }
    say!("account   {} in {} ({})", user.email, project.slug, user.id);
    say!("roles     {}", if roles.is_empty() { "none".to_owned() } else { roles.join(", ") });
    if let Some(password) = password {
        say!("password  {password}   (shown this once)");
    }
    Ok(())
}
