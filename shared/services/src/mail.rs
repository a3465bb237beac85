//! The mail door: how mails leave. An engine hands one over and says where it went; what is sealed, when it is tried and
//! what becomes of it is not its business.

mod mailbox;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use config::{MailConfig, MailUrl};
use domain::mail::Message;

/// Why a mail was not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It may work later.
    #[error("{0}")]
    Passing(String),
    /// It never will.
    #[error("{0}")]
    Permanent(String),
}

/// Hands mails over. One that comes twice, after a crash, has the same id and bytes: the second must do no harm.
pub trait Mailer: Send + Sync + 'static {
    /// Hands a mail over; answers where it went, for the log: nothing personal.
    fn send(&self, message: Message) -> BoxFuture<'_, Result<String, MailError>>;
}

/// The engine that the configuration chose. Nothing is touched before the first mail.
pub fn open(config: &MailConfig) -> Arc<dyn Mailer> {
    match &config.url {
        MailUrl::Mailbox { path } => Arc::new(mailbox::Mailbox::new(path.clone())),
    }
}
