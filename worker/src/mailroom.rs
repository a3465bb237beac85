//! Hands claimed mails over, a few at a time and beside the due loop, so that a slow mail server holds nothing up.

use std::sync::Arc;

use crypto::seal::SealError;
use domain::id::ProjectId;
use domain::mail::{Handed, after_failure};
use runtime::app::App;
use services::mail::MailError;
use services::mails::Mails;
use store::mails::ClaimedMail;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Mails under way at once.
const AT_ONCE: usize = 8;

/// Where mails leave. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mailroom {
    app: Arc<App>,
    mails: Mails,
    room: Arc<Semaphore>,
    sending: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Mailroom {
    pub(crate) fn new(app: &Arc<App>) -> Self {
        Self {
            mails: app.sessions.mails.clone(),
            room: Arc::new(Semaphore::new(app.config.due.batch * 2)),
            sending: Arc::new(Semaphore::new(AT_ONCE)),
            tasks: TaskTracker::new(),
            app: Arc::clone(app),
        }
    }

    /// Whether there is room for all mails that one look at what is due can bring.
    pub(crate) fn is_open(&self) -> bool {
        self.room.available_permits() >= self.app.config.due.batch
    }

    /// Hands mails over and records what came of it. One that finds no room stays claimed and is due again.
    pub(crate) fn send(&self, project: ProjectId, mails: Vec<ClaimedMail>) {
        for mail in mails {
            let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else { return };
            let mailroom = self.clone();
            self.tasks.spawn(async move {
                mailroom.hand_over(project, mail).await;
                drop(room);
            });
        }
    }

    /// Waits until everything that was claimed is handed over and recorded.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn hand_over(&self, project: ProjectId, mail: ClaimedMail) {
        let claim = self.app.config.delivery.claim;
        // The last fifth of a claim belongs to writing down what came of it; the wait for a turn is in the rest.
        let deadline = tokio::time::Instant::now() + claim * 4 / 5;
        let Ok(Ok(_turn)) = tokio::time::timeout_at(deadline, self.sending.acquire()).await else {
            return;
        };
        let handed = match self.try_to(project, &mail, deadline).await {
            Ok(place) => {
                tracing::info!(%project, mail = %mail.id, kind = mail.kind.as_str(), place, "a mail was handed over");
                Handed::Sent
            }
            Err(error) => self.judge(project, &mail, error),
        };
        let outcome = match &handed {
            Handed::Sent => "sent",
            Handed::Again(..) => "retried",
            Handed::Dead(_) => "dead",
        };
        metrics::counter!("bellbuoy_mails_total", "kind" => mail.kind.as_str(), "outcome" => outcome)
            .increment(1);
        let now = self.app.clock.now();
        let settled = self.app.store.settle_mail(project, mail.id, mail.number, &handed, now);
        if let Err(error) = settled.await {
            tracing::warn!(%project, mail = %mail.id, %error, "what came of a mail was not recorded; it is handed over again");
        }
    }

    async fn try_to(
        &self,
        project: ProjectId,
        mail: &ClaimedMail,
        deadline: tokio::time::Instant,
    ) -> Result<String, MailError> {
        let message = self.mails.open(project, mail);
        let message = message.map_err(|error| match error {
            // It opens once the key is configured.
            SealError::UnknownKey(_) => MailError::Passing(error.to_string()),
            _ => MailError::Permanent(error.to_string()),
        })?;
        match tokio::time::timeout_at(deadline, self.app.mail.send(message)).await {
            Ok(sent) => sent,
            Err(_) => Err(MailError::Passing("it took too long".to_owned())),
        }
    }

    fn judge(&self, project: ProjectId, mail: &ClaimedMail, error: MailError) -> Handed {
        let passing = matches!(error, MailError::Passing(_));
        let (backoff, now) = (&self.app.config.delivery.backoff, self.app.clock.now());
        let why = error.to_string();
        let handed = after_failure(passing, why, mail.number, backoff, now, rand::random());
        let (id, kind) = (mail.id, mail.kind.as_str());
        match &handed {
            Handed::Dead(why) => {
                tracing::error!(%project, mail = %id, kind, why, "a mail is given up");
            }
            _ => {
                tracing::warn!(%project, mail = %id, kind, %error, "a mail was not handed over; it is tried again")
            }
        }
        handed
    }
}
