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
        let path =
            text.strip_prefix("mailbox:").map(|path| path.strip_prefix("//").unwrap_or(path));
        match path {
            None => Err("does not begin with mailbox:, and there is nothing else yet; it takes a folder, like mailbox:./data/mailbox".to_owned()),
            Some("" | "/") => {
                Err("names no folder; it takes a folder, like mailbox:./data/mailbox".to_owned())
            }
            Some(path) if path.contains(['?', '\0']) => {
                Err("has parameters behind a ?; it takes a path without parameters, like mailbox:./data/mailbox".to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes() {
        for (text, path) in [
            ("mailbox:./data/mailbox", Some("./data/mailbox")),
            ("mailbox:///var/mail", Some("/var/mail")),
            ("mailbox:/var/mail", Some("/var/mail")),
            ("mailbox:", None),
            ("mailbox:///", None),
            ("mailbox:./a?b=c", None),
            ("smtp://host", None),
            ("", None),
        ] {
            let read = MailUrl::parse(text).ok();
            assert_eq!(read, path.map(MailUrl::mailbox), "{text}");
            let again = read.as_ref().map(|url| MailUrl::parse(&url.print()));
            assert_eq!(again.and_then(Result::ok), read, "{text}");
        }
    }
}
