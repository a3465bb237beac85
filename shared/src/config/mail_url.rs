//! How mails leave, chosen by a URL.

use std::path::PathBuf;

use super::setting::Setting;

/// How mails leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailUrl {
    /// A folder on this machine, with a file for each mail.
    Mailbox {
        /// The folder; relative to the working directory.
        path: PathBuf,
    },
}

impl MailUrl {
    /// The mailbox in this folder.
    pub fn mailbox(path: impl Into<PathBuf>) -> Self {
        Self::Mailbox { path: path.into() }
    }
}

impl Setting for MailUrl {
    const KIND: &'static str = "mail URL";

    fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("mailbox:").map(|path| path.strip_prefix("//").unwrap_or(path));
        match path {
            Some("" | "/") | None => Err("a folder, like mailbox:./data/mailbox".to_owned()),
            Some(path) if path.contains(['?', '\0']) => {
                Err("a path without parameters, like mailbox:./data/mailbox".to_owned())
            }
            Some(path) => Ok(Self::mailbox(path)),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Mailbox { path } => format!("mailbox:{}", path.display()),
        }
    }
}
