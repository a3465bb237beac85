//! What this process depends on, and whether it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Mutex;

use domain::clock::Clock;
use domain::time::Time;

/// How long a report is good for: however many ask, each dependency is asked once in that time.
const GOOD_FOR: Duration = Duration::from_secs(1);

type Ask = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;
type Place = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// Something that this process depends on.
pub struct Check {
    name: &'static str,
    needed: bool,
    timeout: Duration,
    ask: Ask,
    place: Option<Place>,
}

impl Check {
    /// Without it this process can't do its job and is not ready.
    pub fn needed<A, F>(name: &'static str, timeout: Duration, ask: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self::new(name, true, timeout, ask)
    }

    /// Without it this process goes on, with less.
    pub fn useful<A, F>(name: &'static str, timeout: Duration, ask: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self::new(name, false, timeout, ask)
    }

    fn new<A, F>(name: &'static str, needed: bool, timeout: Duration, ask: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, needed, timeout, ask: Box::new(move || Box::pin(ask())), place: None }
    }

    /// The same, with words about where it is.
    #[must_use]
    pub fn at(mut self, place: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    async fn run(&self) -> (Duration, Option<String>) {
        let started = Instant::now();
        let error = match tokio::time::timeout(self.timeout, (self.ask)()).await {
            Ok(answer) => answer.err(),
            Err(_) => Some(format!("no answer within {} ms", self.timeout.as_millis())),
        };
        (started.elapsed(), error)
    }
}

/// How one dependency is.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its name.
    pub name: &'static str,
    /// Whether this process is of no use without it.
    pub needed: bool,
    /// How long it took to answer.
    pub latency: Duration,
    /// Where it is, if there is more than one possibility.
    pub place: Option<String>,
    /// What is wrong with it now.
    pub error: Option<String>,
    /// What was wrong with it last, and when.
    pub last_error: Option<(Time, String)>,
}

/// How all of them are.
#[derive(Clone, Debug)]
pub struct Report {
    /// One for each, in the order in which they were given.
    pub standings: Vec<Standing>,
    /// Whether this process is stopping.
    pub draining: bool,
}

impl Report {
    /// What is needed and fails.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        let fails = |one: &&Standing| one.needed && one.error.is_some();
        self.standings.iter().filter(fails).map(|one| one.name)
    }
}

/// How this process and what it depends on are.
pub struct Health {
    checks: Vec<Check>,
    clock: Clock,
    draining: AtomicBool,
    // Whoever holds the lock asks; the others wait and find the fresh report.
    last: Mutex<Option<(Instant, Arc<Report>)>>,
}

impl Health {
    /// The health of a process that depends on these.
    pub fn new(checks: Vec<Check>, clock: Clock) -> Self {
        Self { checks, clock, draining: AtomicBool::new(false), last: Mutex::new(None) }
    }

    /// Says that this process is stopping: from now on it is not ready.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether this process is stopping.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// How everything is; at most a second old.
    pub async fn report(&self) -> Arc<Report> {
        let mut last = self.last.lock().await;
        let draining = self.is_draining();
        if let Some((at, report)) = &*last
            && at.elapsed() < GOOD_FOR
            && report.draining == draining
        {
            return Arc::clone(report);
        }
        let answers = join_all(self.checks.iter().map(Check::run)).await;
        let before = last.as_ref().map(|(_, report)| Arc::clone(report));
        let standings = self.checks.iter().zip(answers).enumerate().map(|(at, (check, answer))| {
            let (latency, error) = answer;
            let earlier = || before.as_ref()?.standings.get(at)?.last_error.clone();
            let last_error = match &error {
                Some(words) => Some((self.clock.now(), words.clone())),
                None => earlier(),
            };
            let place = check.place.as_ref().and_then(|place| place());
            Standing { name: check.name, needed: check.needed, latency, place, error, last_error }
        });
        let report = Arc::new(Report { standings: standings.collect(), draining });
        *last = Some((Instant::now(), Arc::clone(&report)));
        report
    }
}
