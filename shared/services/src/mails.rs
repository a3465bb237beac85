//! Mails on their way into the store and out of it: they are written here, sealed, and opened again by whoever sends them.

use std::time::Duration;

use crate::reseal::mail_row;
use config::Config;
use crypto::seal::{SealError, Sealer};
use domain::id::{MailId, ProjectId, UserId};
use domain::mail::{Link, MailKind, MailText, Message, Site, letter};
use domain::project::Project;
use domain::time::Time;
use store::StoreError;
use store::deliveries::MailContent;
use store::mails::NewMail;

/// Whom a mail is for.
#[derive(Clone, Copy, Debug)]
pub struct Addressee<'a> {
    /// The project that it is about.
    pub project: &'a Project,
    /// The account, if there is one.
    pub user: Option<UserId>,
    /// The address.
    pub email: &'a str,
}

/// Writes and opens mails. Cheap to clone.
#[derive(Clone)]
pub struct Mails {
    sealer: Sealer,
    base: String,
    host: String,
    from: String,
    per_hour: i64,
}

/// What addresses are hashed for.
const ADDRESS: &str = "addresses of mails";

impl Mails {
    /// With the links, the sender and the limits that are configured.
    pub fn new(config: &Config, sealer: Sealer) -> Self {
        let url = config.http.public_url();
        Self {
            sealer,
            base: url.base(),
            host: url.expose().host_str().unwrap_or("localhost").to_owned(),
            from: config.mail.from.clone(),
            per_hour: config.mail.per_address_hourly.into(),
        }
    }

    /// A mail that is ready to be kept in the transaction that causes it.
    ///
    /// # Errors
    /// Never in practice.
    pub fn write(
        &self,
        kind: MailKind,
        whom: Addressee<'_>,
        link: Option<&Link>,
        detail: Option<&str>,
        now: Time,
    ) -> Result<NewMail, StoreError> {
        let site = Site { base: self.base.clone(), project: whom.project.name.clone() };
        let letter = letter(kind, &site, link, detail);
        let content =
            MailText { to: whom.email.to_owned(), subject: letter.subject, text: letter.text };
        let (project, id) = (whom.project.id, MailId::fresh(now));
        let plain =
            serde_json::to_vec(&content).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        // Counted by a hash that nobody can make who has only the store: addresses are easily guessed.
        let address = [project.bytes(), whom.email.as_bytes()].concat();
        Ok(NewMail {
            id,
            user: whom.user,
            kind,
            address: self.sealer.sign(ADDRESS, &address).map_err(broken)?,
            content: self.sealer.seal(project, &mail_row(id.0), &plain).map_err(broken)?,
            per_hour: self.per_hour,
        })
    }

    /// What a mail says, for the `attempt`th time.
    ///
    /// # Errors
    /// When it was sealed with another key, is damaged, or says nothing any more.
    pub fn open(
        &self,
        project: ProjectId,
        mail: &MailContent,
        attempt: i64,
    ) -> Result<Message, SealError> {
        let sealed = mail.sealed.as_deref().ok_or(SealError::Unopenable)?;
        let plain = self.sealer.open_sealed(project, &mail_row(mail.id.0), sealed)?;
        let content: MailText =
            serde_json::from_slice(&plain).map_err(|_| SealError::Unopenable)?;
        Ok(Message {
            id: mail.id.0,
            attempt,
            from: self.from.clone(),
            to: content.to,
            subject: content.subject,
            text: content.text,
            at: mail.created_at,
            host: self.host.clone(),
        })
    }
}

fn broken(error: SealError) -> StoreError {
    error.into()
}

/// How long something is good for, in words.
pub fn in_words(time: Duration) -> String {
    let (count, unit) = match time.as_secs() {
        seconds if seconds >= 172_800 => (seconds / 86_400, "day"),
        seconds if seconds >= 7_200 => (seconds / 3_600, "hour"),
        seconds => (seconds.div_ceil(60), "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_words() {
        for (seconds, words) in [
            (30, "1 minute"),
            (3_600, "60 minutes"),
            (7_200, "2 hours"),
            (86_400, "24 hours"),
            (7 * 86_400, "7 days"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
