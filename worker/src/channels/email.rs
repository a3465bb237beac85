//! Email. A mailer hands a message over; what the message says is opened here, and nothing of it outlives the attempt.

mod mailbox;

use std::sync::Arc;

use config::MailUrl;
use crypto::seal::SealError;
use domain::delivery::{Attempt, Outcome};
use domain::mail::Message;
use domain::reason::Reason;
use futures_util::future::BoxFuture;
use runtime::app::App;
use services::mails::Mails;
use store::deliveries::{Claimed, Content, MailContent};

use super::{Sender, Sent};

/// Why a mail was not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum MailError {
    /// It may work later.
    #[error("{0}")]
    Passing(String),
    /// It never will.
    #[error("{0}")]
    Permanent(String),
}

/// Hands mails over. One that comes twice, after a crash, has the same id and bytes: the second must do no harm.
trait Mailer: Send + Sync {
    /// Hands a mail over; answers where it went, for the log: nothing personal.
    fn send(&self, message: Message) -> BoxFuture<'_, Result<String, MailError>>;
}

/// Sends account mails through the mailer that the configuration chose.
pub(super) struct Email {
    mails: Mails,
    mailer: Box<dyn Mailer>,
}

impl Email {
    /// Nothing is touched before the first mail.
    pub(super) fn new(app: &Arc<App>) -> Self {
        let mailer = match &app.config.mail.url {
            MailUrl::Mailbox { path } => Box::new(mailbox::Mailbox::new(path.clone())),
        };
        Self { mails: app.sessions.mails.clone(), mailer }
    }

    async fn hand_over(&self, delivery: &Claimed, mail: &MailContent) -> Result<(), MailError> {
        let project = delivery.project;
        let message =
            self.mails.open(project, mail, delivery.number).map_err(|error| match error {
                // It opens once the key is configured.
                SealError::UnknownKey(_) => MailError::Passing(error.to_string()),
                _ => MailError::Permanent(error.to_string()),
            })?;
        let place = self.mailer.send(message).await?;
        tracing::info!(%project, mail = %mail.id, kind = mail.kind.as_str(), place, "a mail was handed over");
        Ok(())
    }
}

impl Sender for Email {
    fn send<'a>(
        &'a self,
        delivery: &'a Claimed,
        deadline: tokio::time::Instant,
    ) -> BoxFuture<'a, Sent> {
        Box::pin(async move {
            let Content::Mail(mail) = &delivery.content else {
                return Sent::refused("this is no mail");
            };
            let handed = tokio::time::timeout_at(deadline, self.hand_over(delivery, mail)).await;
            Sent::Ended(match handed {
                Ok(Ok(())) => Attempt::ended(Outcome::Sent, None, None),
                Ok(Err(MailError::Passing(why))) => failed(Outcome::Transient, None, &why),
                Ok(Err(MailError::Permanent(why))) => {
                    failed(Outcome::Permanent, Some(Reason::Refused), &why)
                }
                Err(_) => failed(Outcome::Transient, None, "it took too long"),
            })
        })
    }
}

/// How much of a mail server's words is kept for the record.
const WORDS: usize = 500;

fn failed(outcome: Outcome, reason: Option<Reason>, why: &str) -> Attempt {
    let why = why.chars().filter(|c| *c != '\0').take(WORDS).collect();
    Attempt::ended(outcome, reason, Some(why))
}
