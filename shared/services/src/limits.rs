//! Request limits, leased ahead: a request asks this process only, and a loop tells the others what was used.
//!
//! Each window, one call says what this process spent and learns what is left over all processes; its share of that is
//! what it may spend until it hears again. Processes that took the same room at the same time leave a debt, which later
//! windows pay back. When the door is away, each process goes on at its share of the rate.

mod ledger;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use coordination::Coordination;
use ledger::Ledger;

/// How many limits one call tells of; the others follow in the next windows.
const MOST: usize = 2000;
/// How many limits are known at a time.
const KNOWN: usize = 100_000;
/// How long a limit that is full again is remembered.
const IDLE: Duration = Duration::from_secs(30);
/// How often to look for those.
const TIDY: Duration = Duration::from_secs(10);

/// A limit that a request falls under.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// Whose limit: it begins with the project or the kind of limit.
    pub key: &'a str,
    /// How many a second; 0 is no limit.
    pub rate: f64,
    /// How many at once. More than that pass only while nothing was used, and leave a debt.
    pub burst: f64,
}

/// How a limit stands, for the headers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many there are at most.
    pub limit: u64,
    /// How many are left, over all processes as far as this one knows.
    pub remaining: u64,
    /// When all of them are there again.
    pub reset: Duration,
}

/// Whether a request may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may; the tightest of its limits, if it has any.
    Granted(Option<Quota>),
    /// It may not, and nothing was charged.
    Denied {
        /// The limit that takes longest to have room.
        key: String,
        /// How it stands.
        quota: Quota,
        /// When there will be room.
        retry_after: Duration,
    },
}

/// The limits that this process knows of.
pub struct Limiter {
    ledger: Mutex<Ledger>,
    coordination: Arc<dyn Coordination>,
    window: Duration,
    processes: Box<dyn Fn() -> u32 + Send + Sync>,
    away: AtomicBool,
}

impl Limiter {
    /// Limits shared through `coordination` once a `window` between as many processes as `processes` says are alive.
    pub fn new(
        coordination: Arc<dyn Coordination>,
        window: Duration,
        processes: impl Fn() -> u32 + Send + Sync + 'static,
    ) -> Self {
        Self {
            ledger: Mutex::new(Ledger::new(KNOWN, IDLE)),
            coordination,
            window,
            processes: Box::new(processes),
            away: AtomicBool::new(false),
        }
    }

    /// Charges `n` to each of these limits if all of them have room, else to none. Never waits.
    pub fn take(&self, limits: &[Limit<'_>], n: f64) -> Verdict {
        let shares = self.shares();
        self.ledger().take(Instant::now(), shares, limits, n)
    }

    /// Tells once a window what was spent and learns what is left, until told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tidied = Instant::now();
        while stop.run_until_cancelled(tokio::time::sleep(self.window)).await.is_some() {
            self.round().await;
            if tidied.elapsed() >= TIDY {
                tidied = Instant::now();
                self.ledger().tidy(tidied, self.shares());
            }
        }
        // The others should know of what was used last; whoever takes part in it has its own timeout.
        self.round().await;
    }

    async fn round(&self) {
        let spent = self.ledger().collect(MOST);
        if spent.is_empty() {
            return;
        }
        match self.coordination.spend(spent.clone()).await {
            Ok(left) => {
                self.away.store(false, Ordering::Relaxed);
                self.ledger().learn(Instant::now(), self.shares(), &spent, &left);
            }
            // What was spent is not told later: it may have been heard, and our share was bounded without it.
            Err(error) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "limits go on locally");
                }
            }
        }
    }

    fn shares(&self) -> f64 {
        f64::from((self.processes)().max(1))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
