//! Queues in SQS that producers fill: one for each project, made at its first use where that is allowed. They are no
//! queues of jobs: what is in them is received, and deleted once it is kept.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use tokio_util::sync::CancellationToken;

use super::batch::{self, MOST};
use super::client::{Client, Refusal, seconds};
use super::{FAREWELL, Place, Received, chunks};
use crate::{Depth, QueueError};

/// How long SQS keeps what nobody receives: as long as it can.
const KEPT: &str = "1209600";

/// A message of a producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id, which stays the same however often it is received.
    pub id: String,
    /// When it was sent, in milliseconds; 0 if SQS does not say.
    pub sent: i64,
    /// What it says.
    pub body: String,
    /// What it is deleted by.
    pub receipt: Receipt,
}

/// What a message is deleted by, as long as it is hidden from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt(String);

/// The queues of producers.
pub struct SqsIntake {
    client: Client,
    wait: Duration,
    visibility: Duration,
}

impl SqsIntake {
    /// Queues at `place`, whose messages are hidden for `visibility` once they were received; SQS need not be there yet.
    ///
    /// # Errors
    /// When the numbers are none that SQS knows.
    pub fn open(place: Place, visibility: Duration) -> Result<Self, QueueError> {
        place.check()?;
        let wait = place.wait;
        Ok(Self { client: Client::new(place), wait, visibility })
    }

    /// How long a call may wait for messages.
    pub const fn wait(&self) -> Duration {
        self.wait
    }

    /// The URL of a queue, which is made if it is not there.
    ///
    /// # Errors
    /// When SQS does not answer, or does not let us: then it says what is missing.
    pub async fn find(&self, name: &str) -> Result<String, QueueError> {
        match self.client.url(name).await {
            Ok(url) => return Ok(url),
            Err(refusal) if refusal.is_missing() => {}
            Err(refusal) => return Err(refusal.into()),
        }
        let attributes = HashMap::from([
            (Attribute::VisibilityTimeout, seconds(self.visibility).to_string()),
            (Attribute::ReceiveMessageWaitTimeSeconds, seconds(self.wait).to_string()),
            (Attribute::MessageRetentionPeriod, KEPT.to_owned()),
        ]);
        self.client.create(name, attributes).await.map_err(|refusal| {
            QueueError(format!(
                "there is no SQS queue {name}, and it can't be made here ({refusal}): make a standard queue of that name, \
                 or allow sqs:CreateQueue"
            ))
        })
    }

    /// Receives up to `most` messages; waits for the first of them, until `stop` at the longest.
    ///
    /// # Errors
    /// When SQS does not answer or does not let us.
    pub async fn receive(
        &self,
        url: &str,
        most: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Message>, QueueError> {
        let receiving = self.client.receive(url, most.min(MOST), wait, seconds(self.visibility));
        tokio::pin!(receiving);
        let received = tokio::select! {
            received = &mut receiving => received,
            // What SQS hands out at that moment is taken rather than hidden until its time is over.
            () = stop.cancelled() => {
                tokio::time::timeout(FAREWELL, receiving).await.unwrap_or(Ok(Vec::new()))
            }
        };
        let received = received.map_err(|refusal| named(url, refusal))?;
        let message = |one: Received| Message {
            id: one.message,
            sent: one.sent,
            body: one.body,
            receipt: Receipt(one.receipt),
        };
        Ok(received.into_iter().map(message).collect())
    }

    /// Deletes messages that are done.
    ///
    /// # Errors
    /// When some are not deleted: they come again.
    pub async fn delete(&self, url: &str, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        let total = receipts.len();
        let call = async |chunk: Vec<Receipt>| {
            self.client.delete(url, chunk.into_iter().map(|one| one.0).collect()).await
        };
        batch::told("delete", total, &batch::run("delete", chunks(receipts), call).await)
    }

    /// Hides messages until they are to be received again.
    ///
    /// # Errors
    /// When some are not hidden: they come again when their time is over.
    pub async fn put_off(
        &self,
        url: &str,
        receipts: Vec<Receipt>,
        span: Duration,
    ) -> Result<(), QueueError> {
        let total = receipts.len();
        let call = async |chunk: Vec<Receipt>| {
            let receipts = chunk.into_iter().map(|one| one.0).collect();
            self.client.change_visibility(url, receipts, seconds(span)).await
        };
        batch::told("put off", total, &batch::run("hide", chunks(receipts), call).await)
    }

    /// How much there is, as SQS believes.
    ///
    /// # Errors
    /// When SQS does not answer or does not let us.
    pub async fn depth(&self, url: &str) -> Result<Depth, QueueError> {
        let names = [
            Attribute::ApproximateNumberOfMessages,
            Attribute::ApproximateNumberOfMessagesNotVisible,
            Attribute::ApproximateNumberOfMessagesDelayed,
        ];
        let all = self.client.attributes(url, &names).await;
        let all = all.map_err(|refusal| named(url, refusal))?;
        let [waiting, hidden, delayed] =
            names.map(|name| all.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0));
        Ok(Depth { waiting: waiting + delayed, held: hidden })
    }
}

/// A refusal in the words of who fills the queue: the migrations of an installation make none of these.
fn named(url: &str, refusal: Refusal) -> QueueError {
    if refusal.is_missing() {
        return QueueError(format!("there is no SQS queue at {url}"));
    }
    refusal.into()
}
