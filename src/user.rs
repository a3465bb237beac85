//! `bellbuoy user`: makes accounts, the first super admin among them.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use config::Config;
use domain::user::{PasswordPolicy, normal_email, password_fault};
use runtime::process::Failure;
use serde_json::json;
use services::admin::{Admin, Invitee};
use services::audit::Doer;

use crate::out::{self, say};
use crate::project::find;

/// What to do.
#[derive(Subcommand)]
pub enum What {
    /// Creates an account that works at once. The first super admin: `--project platform --roles super_admin`.
    Create {
        /// The project: its slug or id.
        #[arg(long)]
        project: String,
        /// The address of its holder.
        #[arg(long)]
        email: String,
        /// What they are called.
        #[arg(long, alias = "name")]
        full_name: String,
        /// Roles of it, with commas between them.
        #[arg(long, alias = "role", value_delimiter = ',')]
        roles: Vec<String>,
        #[command(flatten)]
        password: Password,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Where a password comes from; one is made and shown if nobody says.
#[derive(Args)]
pub struct Password {
    /// Reads the password from the first line of the standard input, so that it stands in no list of processes.
    #[arg(long)]
    password_stdin: bool,
}

impl Password {
    /// The password, and whether it was chosen rather than made.
    ///
    /// # Errors
    /// When the standard input can't be read.
    pub fn take(&self, email: &str, policy: PasswordPolicy) -> Result<(String, bool), Failure> {
        if !self.password_stdin {
            return Ok((made(email, policy), false));
        }
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        Ok((line.trim_end_matches(['\r', '\n']).to_owned(), true))
    }
}

/// A password that nobody guesses, and that can be typed: letters without those that look alike, in groups of five,
/// as long as the policy demands. One that happens to hold the holder's name is drawn again.
pub fn made(email: &str, policy: PasswordPolicy) -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let group = || -> String {
        (0..5).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect()
    };
    let groups = (policy.min_length + 1).div_ceil(6).max(4);
    loop {
        let made = (0..groups).map(|_| group()).collect::<Vec<_>>().join("-");
        if password_fault(&made, &normal_email(email), policy).is_none() {
            return made;
        }
    }
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
    let (user, roles) = admin.create_user(project.id, new, &Doer::system()).await?;
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

#[cfg(test)]
mod tests {
    use super::{PasswordPolicy, made, password_fault};

    #[test]
    fn a_made_password_is_good_enough() {
        // Short names are in one of two thousand by chance.
        for min_length in [8, 23, 24, 64, 128] {
            let policy = PasswordPolicy { min_length };
            for email in ["ana@example.com", "Eve@example.com", "a@example.com"] {
                for _ in 0..500 {
                    let made = made(email, policy);
                    let fault = password_fault(&made, &email.to_lowercase(), policy);
                    assert!(fault.is_none(), "{made} for {email}: {fault:?}");
                }
            }
        }
    }
}
