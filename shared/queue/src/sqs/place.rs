//! Where the queues are: a region, perhaps an endpoint, and their names.

use std::time::Duration;

use crate::QueueError;
use domain::job::QueueName;

/// How long SQS lets a receiver wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// How often a message may be received at most before a redrive policy puts it aside.
pub const MOST_RECEIVES: u32 = 1000;

/// The longest name that a queue can have.
const LONGEST_NAME: usize = 80;

/// Which queues, and how they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The AWS region.
    pub region: String,
    /// What the names of all queues begin with.
    pub prefix: String,
    /// Where to ask instead of AWS.
    pub endpoint: Option<String>,
    /// Whether they are FIFO queues.
    pub fifo: bool,
    /// How often a message may be received before it is put aside.
    pub max_receives: u32,
    /// How long a receiver waits for messages.
    pub wait: Duration,
}

impl Place {
    /// The name of a queue.
    pub fn name(&self, queue: QueueName) -> String {
        self.named(queue, "")
    }

    /// The name of the queue that takes what could not be worked off.
    pub fn dead_name(&self, queue: QueueName) -> String {
        self.named(queue, "-dlq")
    }

    fn named(&self, queue: QueueName, role: &str) -> String {
        // SQS wants the names of FIFO queues, and of no others, to end like this.
        let end = if self.fifo { ".fifo" } else { "" };
        format!("{}-{}{role}{end}", self.prefix, queue.as_str())
    }

    /// Says what is wrong with the names and numbers.
    ///
    /// # Errors
    /// The first thing that is.
    pub fn check(&self) -> Result<(), QueueError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let longest = QueueName::ALL.map(|queue| self.dead_name(queue).len());
        let longest = longest.into_iter().max().unwrap_or_default();
        if self.prefix.is_empty() || !self.prefix.bytes().all(allowed) || longest > LONGEST_NAME {
            let most = LONGEST_NAME - (longest - self.prefix.len());
            return Err(QueueError(format!(
                "{:?} can't begin the names of SQS queues: 1 to {most} letters, digits, or any of _ - can",
                self.prefix
            )));
        }
        if !(1..=MOST_RECEIVES).contains(&self.max_receives) {
            return Err(QueueError(format!(
                "a message can be received 1 to {MOST_RECEIVES} times, not {}",
                self.max_receives
            )));
        }
        if self.wait > LONGEST_WAIT {
            return Err(QueueError(format!(
                "SQS lets a receiver wait for {} s at most",
                LONGEST_WAIT.as_secs()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(prefix: &str, fifo: bool) -> Place {
        let (region, prefix) = ("eu-central-1".to_owned(), prefix.to_owned());
        let wait = Duration::from_secs(20);
        Place { region, prefix, endpoint: None, fifo, max_receives: 10, wait }
    }

    #[test]
    fn queues_have_names_that_sqs_accepts() {
        assert_eq!(place("a", false).name(QueueName::Events), "a-events");
        assert_eq!(place("a", false).dead_name(QueueName::Events), "a-events-dlq");
        assert_eq!(place("a", true).name(QueueName::Deliveries), "a-deliveries.fifo");
        assert_eq!(place("a", true).dead_name(QueueName::Deliveries), "a-deliveries-dlq.fifo");
        for (prefix, fine) in [
            ("bellbuoy", true),
            ("", false),
            ("a.b", false),
            ("a:b", false),
            (&"x".repeat(59), true),
            (&"x".repeat(60), false),
        ] {
            assert_eq!(place(prefix, true).check().is_ok(), fine, "{prefix}");
        }
    }

    #[test]
    fn numbers_have_bounds() {
        for receives in [0, MOST_RECEIVES + 1] {
            assert!(Place { max_receives: receives, ..place("a", false) }.check().is_err());
        }
        let wait = LONGEST_WAIT + Duration::from_secs(1);
        assert!(Place { wait, ..place("a", false) }.check().is_err());
    }
}
