//! What every round stands on: engines, a project with rules and a receiver, and the processes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellbuoy_harness::books::Books;
use bellbuoy_harness::cluster::{Cluster, Engines, Role};
use bellbuoy_harness::{Pair, Sink, Stores, engines};
use crypto::seal::Sealer;
use domain::id::{EventId, ProjectId, time_of};
use domain::job::QueueName;
use domain::key::PlainKey;
use domain::rule::{RuleBody, Suppression};
use domain::time::Time;
use queue::open::Opened;
use queue::{Depth, Queue};
use services::onboarding;
use store::{Step, Store};

use crate::by_length;

/// The product.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_bellbuoy");

/// Two of each: what one leaves undone, another finds.
pub const TWO_OF_EACH: [Role; 6] =
    [Role::Api, Role::Api, Role::Worker, Role::Worker, Role::Scheduler, Role::Scheduler];

/// How old an event must be before the due loop takes it (`due.watermark_lag` of the cluster).
pub const LAG: Duration = Duration::from_secs(2);

/// How long anything may take before it counts as stuck.
fn stuck() -> Duration {
    Duration::from_secs(by_length(60, 900))
}

const END_OF_TIME: Time = Time::from_micros(i64::MAX / 2);

/// How often a group of the rule with a window may ring in an hour.
pub const WINDOW: u32 = 3;

/// A project, its receiver, and the processes that serve it.
pub struct Scene {
    /// The processes; they end first.
    pub cluster: Cluster,
    /// The store, as the product sees it.
    pub store: Store,
    /// The store, as it is.
    pub books: Books,
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// The project.
    pub project: ProjectId,
    /// Its key.
    pub key: PlainKey,
    /// Its receiver.
    pub sink: Sink,
    /// When it began.
    pub start: Time,
}

/// The engines of a pair, for several processes if it has a server.
pub async fn engines_of(pair: Pair) -> Engines {
    let store = match pair.store() {
        Stores::Sqlite => None,
        Stores::Postgres => Some(engines::postgres_database().await),
        Stores::Mariadb => Some(engines::mariadb_database().await),
    };
    let queue = pair.queue_url().unwrap_or_else(|| "sql:".to_owned());
    let coordination =
        store.as_ref().map_or_else(|| "memory:".to_owned(), |_| engines::redis_url());
    Engines { store, queue, coordination }
}

impl Scene {
    /// A project on these engines; no process serves it yet.
    pub async fn new(engines: &Engines) -> Self {
        Self::of(Cluster::new(PROGRAM, engines)).await
    }

    /// A project for a cluster whose settings are made.
    pub async fn of(cluster: Cluster) -> Self {
        let (config, now) = (cluster.config(), cluster.now());
        let store =
            Store::open(&config.store, Duration::from_secs(5)).await.expect("the store opens");
        store.migrate(Step::Up).await.expect("the store migrates");
        let (project, key) =
            onboarding::project(&store, "acme", "Acme", now).await.expect("a project");
        onboarding::responder(&store, project, "on_call", "night@example.com", "Night Watch", now)
            .await
            .expect("a responder");
        let (sink, sealer) = (Sink::start().await, Sealer::open(&config).expect("a sealer"));
        onboarding::endpoint(&store, &sealer, project, "sink", &sink.url(), now)
            .await
            .expect("an endpoint");
        let opened = Opened::open(&config, &store).expect("a queue");
        bellbuoy_harness::sqs::prepare(&opened).await;
        let queue = opened.queue();
        let books = Books::open(&config.store).await;
        Self { cluster, store, books, queue, project, key, sink, start: now }
    }

    /// A project with a rule that always rings and one that does so thrice an hour.
    pub async fn with_rules(engines: &Engines) -> Self {
        let scene = Self::new(engines).await;
        scene.usual_rules().await;
        scene
    }

    /// The two rules that the load has events for.
    pub async fn usual_rules(&self) {
        self.rule(
            "Large payment",
            r#"event.type == "payment" && event.payload.amount > 100"#,
            None,
        )
        .await;
        let window = Suppression::new(WINDOW, 3600);
        self.rule("Login failed", r#"event.type == "login.failed""#, Some(window)).await;
    }

    /// An active rule that keeps `event.payload.group` apart.
    pub async fn rule(&self, name: &str, condition: &str, suppression: Option<Suppression>) {
        let body = RuleBody {
            target_roles: vec!["on_call".to_owned()],
            group_by: vec!["event.payload.group".to_owned()],
            suppression,
            ..RuleBody::new(name, condition)
        };
        onboarding::rule(&self.store, self.project, body, self.cluster.now())
            .await
            .expect("a rule");
    }

    /// How many jobs a queue has, waiting or held.
    pub async fn depth(&self, queue: QueueName) -> u64 {
        // A server that was just started again refuses the connection that knew the old one.
        for _ in 0..50 {
            if let Ok(Depth { waiting, held }) = self.queue.depth(queue).await {
                return waiting + held;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the queue does not answer");
    }

    async fn jobs(&self) -> u64 {
        let mut all = 0;
        for queue in QueueName::ALL {
            all += self.depth(queue).await;
        }
        all
    }

    /// The deliveries that somebody has claimed: what is in flight, or was when its worker was killed.
    pub async fn claimed(&self) -> i64 {
        self.books.count("deliveries", "state = 2").await
    }

    /// How many events nobody has evaluated.
    pub async fn unevaluated(&self) -> usize {
        self.older_than(END_OF_TIME, i64::MAX).await.len()
    }

    /// Whether somebody has evaluated every event.
    pub async fn is_evaluated(&self) -> bool {
        self.older_than(END_OF_TIME, 1).await.is_empty()
    }

    async fn older_than(&self, time: Time, most: i64) -> Vec<EventId> {
        let found = self.store.unevaluated(self.project, Time::default(), time, most).await;
        found.expect("the store answers")
    }

    /// Waits until the processes have done all that can be done at this time of the clock.
    pub async fn quiet(&self) {
        let started = Instant::now();
        let mut looks = 0;
        while looks < 2 {
            looks = if self.is_busy().await { 0 } else { looks + 1 };
            assert!(started.elapsed() < stuck(), "something is stuck: {}", self.state().await);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }

    async fn is_busy(&self) -> bool {
        let now = self.cluster.now();
        let due =
            self.store.next_due().await.expect("the store answers").is_some_and(|at| at <= now);
        let scheduled =
            self.cluster.nodes.iter().any(|node| matches!(node.role, Role::Up | Role::Scheduler));
        let ticks = scheduled
            && !self.store.due_schedules(now).await.expect("the store answers").is_empty();
        let late = !self.older_than(now.minus(LAG), 1).await.is_empty();
        due || ticks || late || self.sink.open() > 0 || self.jobs().await > 0
    }

    /// Moves the clock from one thing that falls due to the next until nothing is left.
    pub async fn finish(&mut self) {
        let started = Instant::now();
        loop {
            self.quiet().await;
            let Some(next) = self.next().await else { break };
            // A little further, for what falls due soon after; not so far that a claim ends while somebody works under it.
            self.cluster.set_clock(next.max(self.cluster.now()).plus(Duration::from_millis(500)));
            assert!(started.elapsed() < stuck() * 2, "it never ends: {}", self.state().await);
        }
        let fallen = self.cluster.fallen();
        assert!(fallen.is_empty(), "processes ended by themselves: {fallen:?}");
    }

    /// Whether nothing is left to do, now or later.
    pub async fn at_rest(&self) -> bool {
        !self.is_busy().await && self.next().await.is_none()
    }

    async fn next(&self) -> Option<Time> {
        let due = self.store.next_due().await.expect("the store answers");
        let oldest = self.older_than(END_OF_TIME, 1).await;
        // Ids carry milliseconds, and the due loop looks at what is older than its lag.
        let past_lag = |at: Time| at.plus(LAG + Duration::from_millis(2));
        let oldest = oldest.first().map(|id| past_lag(time_of(id.0)));
        due.into_iter().chain(oldest).min()
    }

    /// What is left to do, for whoever reads a failure.
    pub async fn state(&self) -> String {
        let mut text = format!(
            "{} events not evaluated, {} jobs",
            self.unevaluated().await,
            self.jobs().await
        );
        for kind in 1..=4 {
            text += &format!(
                ", {} due of kind {kind}",
                self.books.count("due", &format!("kind = {kind}")).await
            );
        }
        for state in 0..=9 {
            let count = self.books.count("deliveries", &format!("state = {state}")).await;
            if count > 0 {
                text += &format!(", {count} deliveries in state {state}");
            }
        }
        text
    }

    /// Waits until something is so; not longer than `limit`.
    pub async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        limit: Duration,
        mut so: impl FnMut() -> F,
    ) {
        let started = Instant::now();
        while !so().await {
            assert!(started.elapsed() < limit, "{what} does not come: {}", self.state().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A client of the API for `Load`.
    pub fn client(&self) -> Arc<crate::load::Client> {
        Arc::new(crate::load::Client::new(self.cluster.bases(), self.key.text()))
    }
}
