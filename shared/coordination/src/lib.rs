//! The coordination door: request limits, presence and broadcast between processes. It may vanish at any time without
//! harm: what it knows is either counted on without it or told again.

pub mod memory;
pub mod redis;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::broadcast;

/// What an engine can't do just now; callers go on without it.
#[derive(Debug, thiserror::Error)]
#[error("coordination: {0}")]
pub struct CoordinationError(pub String);

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, CoordinationError>> + Send + 'a>>;

/// What a process used of one limit since it last said so.
#[derive(Clone, Debug, PartialEq)]
pub struct Spent {
    /// Whose limit: it begins with the project or the kind of limit.
    pub key: String,
    /// How many a second come back.
    pub rate: f64,
    /// How many there are at most.
    pub burst: f64,
    /// How many were used; more than there were leave a debt of at most one burst.
    pub spent: f64,
}

impl Spent {
    /// Whether this limits anything: what has no rate, or is no number, is answered with its burst and not kept.
    pub fn is_limited(&self) -> bool {
        let sane = |number: f64| number.is_finite() && number >= 0.0;
        self.rate > 0.0 && self.rate.is_finite() && sane(self.burst) && sane(self.spent)
    }
}

/// Something told to every process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub topic: String,
    /// What is said.
    pub body: Vec<u8>,
}

/// An engine that lets processes know of each other.
pub trait Coordination: Send + Sync + 'static {
    /// Takes note of what was spent and answers what is left of each limit, in order, over all processes.
    fn spend(&self, spent: Vec<Spent>) -> Answer<'_, Vec<f64>>;
    /// Says that `members` of `group` are there for `ttl`; saying it again renews it.
    fn arrive(&self, group: String, members: Vec<String>, ttl: Duration) -> Answer<'_, ()>;
    /// Says that `members` have left `group`.
    fn leave(&self, group: String, members: Vec<String>) -> Answer<'_, ()>;
    /// Who of each group is there.
    fn present(&self, groups: Vec<String>) -> Answer<'_, Vec<Vec<String>>>;
    /// Tells every process, this one included.
    fn publish(&self, message: Message) -> Answer<'_, ()>;
    /// What is told from now on; a reader that is too slow loses the oldest.
    fn subscribe(&self) -> broadcast::Receiver<Message>;
    /// Whether the engine answers.
    fn ping(&self) -> Answer<'_, ()>;
    /// Where it is now, in words for operators, if there is something to tell.
    fn place(&self) -> Option<String> {
        None
    }
}
