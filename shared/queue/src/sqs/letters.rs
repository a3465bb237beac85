//! Dead letters: messages that were received too often without an end, which SQS put aside. They are only hints; the
//! rows that they are about were taken by the due loop long ago.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;

use super::batch::MOST;
use super::client::seconds;
use super::wire::Received;
use super::{QueueState, SqsQueue, missing};
use crate::QueueError;
use domain::id::{JobId, ProjectId};
use domain::job::QueueName;
use domain::time::Time;

/// How long a letter is kept from others while it is looked at.
const LOOKED_AT: Duration = Duration::from_secs(60);

/// How often SQS may say that there is nothing before we believe it: it asks only some of its servers.
const EMPTY: u32 = 2;

/// A message that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its id in SQS.
    pub message: String,
    /// The job.
    pub job: JobId,
    /// The tenant that it was counted for.
    pub project: ProjectId,
    /// When it was sent.
    pub sent_at: Time,
    /// How often it was received.
    pub received: u32,
    /// What it says.
    pub body: Vec<u8>,
}

impl SqsQueue {
    /// The first dead letters of a queue, at most `most`; they stay where they are. A FIFO queue shows no more than ten
    /// of a project's shard at once.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn peek_letters(
        &self,
        queue: QueueName,
        most: usize,
    ) -> Result<Vec<Letter>, QueueError> {
        let state = self.state(queue)?;
        let mut found = Vec::new();
        self.walk(
            state,
            |_| true,
            async |letters: Vec<Received>| {
                found.extend(letters.iter().map(letter));
                Ok(found.len() < most)
            },
        )
        .await?;
        found.truncate(most);
        Ok(found)
    }

    /// Sends dead letters back to their queue, all or the one of that id; answers how many.
    ///
    /// # Errors
    /// When SQS does not answer; what was not sent back stays where it is.
    pub async fn redrive_letters(
        &self,
        queue: QueueName,
        only: Option<&str>,
    ) -> Result<usize, QueueError> {
        let state = self.state(queue)?;
        let (url, dead) = (self.url(state).await?, self.dead_url(state).await?);
        let mut count = 0;
        let wanted = |letter: &Received| only.is_none_or(|only| letter.message == only);
        self.walk(state, wanted, async |letters: Vec<Received>| {
            let copies = letters.iter().map(|one| one.copy(queue)).collect();
            // Sent before it is deleted: a death in between doubles a hint and loses none.
            self.send(url, copies, Duration::ZERO).await?;
            count += letters.len();
            self.delete(dead, letters).await?;
            Ok(only.is_none())
        })
        .await?;
        state.bump();
        Ok(count)
    }

    /// Deletes dead letters, all or the one of that id; answers how many.
    ///
    /// # Errors
    /// When SQS does not answer; what was not deleted stays where it is.
    pub async fn discard_letters(
        &self,
        queue: QueueName,
        only: Option<&str>,
    ) -> Result<usize, QueueError> {
        let state = self.state(queue)?;
        let dead = self.dead_url(state).await?;
        let mut count = 0;
        let wanted = |letter: &Received| only.is_none_or(|only| letter.message == only);
        self.walk(state, wanted, async |letters: Vec<Received>| {
            count += letters.len();
            self.delete(dead, letters).await?;
            Ok(only.is_none())
        })
        .await?;
        Ok(count)
    }

    /// How many dead letters there are, as far as SQS knows.
    pub(super) async fn count_letters(&self, queue: QueueName) -> Result<u64, QueueError> {
        let state = self.state(queue)?;
        let names = [
            Attribute::ApproximateNumberOfMessages,
            Attribute::ApproximateNumberOfMessagesNotVisible,
        ];
        let all = self.client.attributes(self.dead_url(state).await?, &names).await;
        let all = all.map_err(|refusal| missing(&state.dead_name, refusal))?;
        Ok(names.iter().filter_map(|name| all.get(name)?.parse::<u64>().ok()).sum())
    }

    /// Shows letters to `see`, those that are `wanted`, until it says that it has seen enough or there are no more; then
    /// lets others see again what is still there.
    async fn walk<S>(
        &self,
        state: &QueueState,
        wanted: impl Fn(&Received) -> bool,
        mut see: S,
    ) -> Result<(), QueueError>
    where
        S: AsyncFnMut(Vec<Received>) -> Result<bool, QueueError>,
    {
        let url = self.dead_url(state).await?;
        let (mut shown, mut empty, mut once) = (Vec::new(), 0, HashSet::new());
        let walked = loop {
            let wait = Duration::from_secs(1);
            let letters = match self.client.receive(url, MOST, wait, seconds(LOOKED_AT)).await {
                Ok(letters) => letters,
                Err(refusal) => break Err(missing(&state.dead_name, refusal)),
            };
            if letters.is_empty() {
                empty += 1;
                if empty == EMPTY {
                    break Ok(());
                }
                continue;
            }
            empty = 0;
            // Once around: what is shown a second time has come back meanwhile.
            if letters.iter().any(|one| !once.insert(one.message.clone())) {
                shown.extend(letters);
                break Ok(());
            }
            shown.extend(letters.iter().cloned());
            let letters: Vec<Received> = letters.into_iter().filter(&wanted).collect();
            if letters.is_empty() {
                continue;
            }
            match see(letters).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // What was deleted can't be shown again, and what is not shown now comes back within a minute.
        let hidden = self.hide(url, shown, Duration::ZERO).await;
        if hidden.iter().any(|one| !one.for_good) {
            tracing::debug!(queue = state.dead_name, "dead letters stay hidden for a minute");
        }
        walked
    }
}

fn letter(received: &Received) -> Letter {
    Letter {
        message: received.message.clone(),
        job: received.id,
        project: received.project,
        sent_at: Time::from_micros(received.sent.saturating_mul(1000)),
        received: received.count,
        body: received.held().body,
    }
}
