//! Opens the queue that the configuration names.

use std::sync::Arc;

use crate::redis::RedisQueue;
use crate::sql::SqlQueue;
use crate::sqs::{Place, SqsQueue};
use crate::{Answer, Queue, QueueError};
use config::{Config, QueueUrl, SqsUrl};
use store::Store;

/// The queue, with what only one kind of it can do.
#[derive(Clone)]
pub enum Opened {
    /// In the store: jobs are committed with what they are about.
    Sql(Arc<SqlQueue>),
    /// In Redis.
    Redis(Arc<RedisQueue>),
    /// In SQS.
    Sqs(Arc<SqsQueue>),
}

impl Opened {
    /// Opens it; a server need not be there yet.
    ///
    /// # Errors
    /// When the configuration names something that can't be a queue.
    pub fn open(config: &Config, store: &Store) -> Result<Self, QueueError> {
        let lease = config.queue.lease;
        Ok(match &config.queue.url {
            QueueUrl::Sql => Self::Sql(Arc::new(SqlQueue::new(store.clone(), lease))),
            QueueUrl::Redis(url) => {
                let (url, prefix) = (url.expose(), &config.queue.prefix);
                Self::Redis(Arc::new(RedisQueue::open(url, prefix, lease)?))
            }
            QueueUrl::Sqs(url) => Self::Sqs(Arc::new(sqs(config, url)?)),
        })
    }

    /// The queue, whatever it is.
    pub fn queue(&self) -> Arc<dyn Queue> {
        match self {
            Self::Sql(queue) => Arc::clone(queue) as _,
            Self::Redis(queue) => Arc::clone(queue) as _,
            Self::Sqs(queue) => Arc::clone(queue) as _,
        }
    }

    /// Which engine it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sql(_) => "sql",
            Self::Redis(_) => "redis",
            Self::Sqs(_) => "sqs",
        }
    }

    /// Whether it lives in the store.
    pub const fn is_in_store(&self) -> bool {
        matches!(self, Self::Sql(_))
    }

    /// Makes what the queue needs and does not make by itself; answers what it did.
    ///
    /// # Errors
    /// When the engine does not answer or does not let us.
    pub fn prepare(&self) -> Answer<'_, Vec<String>> {
        // Boxed: the client's futures are deep, and the compiler follows them into whoever starts the product.
        match self {
            Self::Sql(_) | Self::Redis(_) => Box::pin(async { Ok(Vec::new()) }),
            Self::Sqs(queue) => Box::pin(queue.prepare()),
        }
    }
}

/// Where the queues of SQS are that a URL names.
pub fn place(config: &Config, url: &SqsUrl) -> Place {
    Place {
        region: url.region.clone(),
        prefix: url.prefix.clone().unwrap_or_else(|| config.queue.prefix.clone()),
        endpoint: url.endpoint.as_ref().map(|endpoint| endpoint.expose().to_string()),
        fifo: url.fifo,
        max_receives: url.max_receives,
        wait: url.wait,
    }
}

/// The queues of SQS that a URL names.
///
/// # Errors
/// When SQS has no such names.
pub fn sqs(config: &Config, url: &SqsUrl) -> Result<SqsQueue, QueueError> {
    SqsQueue::open(place(config, url), config.queue.lease)
}
