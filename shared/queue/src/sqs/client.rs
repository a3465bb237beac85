//! The calls on SQS, each with its bounds. Credentials come from where AWS keeps them: the environment, a container's or
//! a machine's role.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use aws_sdk_sqs::config::{Config, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use uuid::Uuid;

use super::batch::{Failure, MOST};
use super::place::Place;
use super::wire::{JOB, Outgoing, PROJECT, Received, attribute};
use crate::QueueError;
use aws::{self, Credentials};

/// How long a connection may take: SQS being away is said, never waited for.
const CONNECT: Duration = Duration::from_secs(1);
/// How long one try of a call may take, and all of them together.
const TRY: Duration = Duration::from_secs(2);
const CALL: Duration = Duration::from_secs(5);
/// How often the client tries a call that was throttled or failed on the other side.
const TRIES: u32 = 3;

/// Why SQS did not do something.
#[derive(Debug)]
pub(super) struct Refusal {
    /// SQS' word for it; none when there was no answer.
    pub(super) code: Option<String>,
    text: String,
}

impl Refusal {
    fn of<E>(error: &SdkError<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let code = error.code().map(str::to_owned);
        let text = match (&code, error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.clone(),
            (None, _) => aws::chain(error),
        };
        Self { code, text }
    }

    /// Whether there is no queue of that name.
    pub(super) fn is_missing(&self) -> bool {
        self.code.as_deref().is_some_and(|code| {
            code.ends_with("NonExistentQueue") || code.ends_with("QueueDoesNotExist")
        })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SQS: {}", self.text)?;
        if self.is_missing() { f.write_str("; run `bellbuoy migrate`") } else { Ok(()) }
    }
}

impl From<Refusal> for QueueError {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.to_string())
    }
}

/// What a call answers.
pub(super) type Answered<T> = Result<T, Refusal>;

/// The client; credentials are looked for when they are first needed.
pub(super) struct Client {
    place: Place,
    sdk: aws_sdk_sqs::Client,
}

impl Client {
    pub(super) fn new(place: Place) -> Self {
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES)
            .with_initial_backoff(Duration::from_millis(100))
            .with_max_backoff(Duration::from_secs(1));
        let mut config = Config::builder()
            .behavior_version(aws::behavior())
            .credentials_provider(Credentials::new(None))
            .http_client(aws::http_client())
            .region(Region::new(place.region.clone()))
            .retry_config(retries)
            .timeout_config(patience(TRY, CALL));
        if let Some(endpoint) = &place.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Self { sdk: aws_sdk_sqs::Client::from_conf(config.build()), place }
    }

    pub(super) async fn url(&self, name: &str) -> Answered<String> {
        let answer = self.sdk.get_queue_url().queue_name(name).send().await;
        let answer = answer.map_err(|error| Refusal::of(&error))?;
        let nowhere = || Refusal { code: None, text: format!("queue {name} has no address") };
        answer.queue_url.ok_or_else(nowhere)
    }

    pub(super) async fn create(
        &self,
        name: &str,
        attributes: HashMap<QueueAttributeName, String>,
    ) -> Answered<String> {
        let call = self.sdk.create_queue().queue_name(name);
        let answer = call.set_attributes(Some(attributes)).send().await;
        let answer = answer.map_err(|error| Refusal::of(&error))?;
        let nowhere = || Refusal { code: None, text: format!("queue {name} has no address") };
        answer.queue_url.ok_or_else(nowhere)
    }

    pub(super) async fn change(
        &self,
        url: &str,
        attributes: HashMap<QueueAttributeName, String>,
    ) -> Answered<()> {
        let call = self.sdk.set_queue_attributes().queue_url(url);
        let answer = call.set_attributes(Some(attributes)).send().await;
        answer.map(|_| ()).map_err(|error| Refusal::of(&error))
    }

    pub(super) async fn attributes(
        &self,
        url: &str,
        names: &[QueueAttributeName],
    ) -> Answered<HashMap<QueueAttributeName, String>> {
        let call = self.sdk.get_queue_attributes().queue_url(url);
        let answer = call.set_attribute_names(Some(names.to_vec())).send().await;
        Ok(answer.map_err(|error| Refusal::of(&error))?.attributes.unwrap_or_default())
    }

    /// Receives at most ten messages that belong to us for as long as `visibility`; waits for them as long as `wait`.
    pub(super) async fn receive(
        &self,
        url: &str,
        most: usize,
        wait: Duration,
        visibility: i32,
    ) -> Answered<Vec<Received>> {
        let (once, all) = (wait + TRY, wait + CALL);
        let most = i32::try_from(most.clamp(1, MOST)).unwrap_or(1);
        let answer = self
            .sdk
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(most)
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(visibility)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_attribute_names(JOB)
            .message_attribute_names(PROJECT)
            .customize()
            .config_override(
                aws_sdk_sqs::config::Builder::new().timeout_config(patience(once, all)),
            )
            .send()
            .await
            .map_err(|error| Refusal::of(&error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(Received::read).collect())
    }

    /// Sends at most ten messages. Each comes with the id under which SQS knows a repetition of it on a FIFO queue.
    pub(super) async fn send(
        &self,
        url: &str,
        messages: Vec<(Outgoing, Uuid)>,
        delay: Duration,
    ) -> Result<Vec<Failure>, QueueError> {
        let mut entries = Vec::with_capacity(messages.len());
        for (place, (message, once)) in messages.into_iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_attributes(JOB, attribute(&message.id.to_string())?)
                .message_attributes(PROJECT, attribute(&message.project.to_string())?)
                .message_body(message.body);
            let entry = if self.place.fifo {
                entry.message_group_id(message.group).message_deduplication_id(once.to_string())
            } else {
                entry.delay_seconds(seconds(delay).min(900))
            };
            entries.push(entry.build().map_err(|error| QueueError(error.to_string()))?);
        }
        let call = self.sdk.send_message_batch().queue_url(url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|error| Refusal::of(&error))?;
        Ok(answer.failed().iter().map(Failure::read).collect())
    }

    pub(super) async fn delete(
        &self,
        url: &str,
        receipts: Vec<String>,
    ) -> Result<Vec<Failure>, QueueError> {
        let mut entries = Vec::with_capacity(receipts.len());
        for (place, receipt) in receipts.into_iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
            let entry = entry.receipt_handle(receipt).build();
            entries.push(entry.map_err(|error| QueueError(error.to_string()))?);
        }
        let call = self.sdk.delete_message_batch().queue_url(url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|error| Refusal::of(&error))?;
        Ok(answer.failed().iter().map(Failure::read).collect())
    }

    pub(super) async fn change_visibility(
        &self,
        url: &str,
        receipts: Vec<String>,
        visibility: i32,
    ) -> Result<Vec<Failure>, QueueError> {
        let mut entries = Vec::with_capacity(receipts.len());
        for (place, receipt) in receipts.into_iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
            let entry = entry.receipt_handle(receipt).visibility_timeout(visibility).build();
            entries.push(entry.map_err(|error| QueueError(error.to_string()))?);
        }
        let call = self.sdk.change_message_visibility_batch().queue_url(url);
        let answer = call.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| Refusal::of(&error))?;
        Ok(answer.failed().iter().map(Failure::read).collect())
    }
}

fn patience(once: Duration, all: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(once)
        .operation_timeout(all)
        .build()
}

/// Whole seconds, rounded up, as SQS counts: what is to rest for less than one rests all the same.
pub(super) fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    // Twelve hours are the longest that a message can be hidden.
    i32::try_from(whole.min(43_200)).unwrap_or(43_200)
}
