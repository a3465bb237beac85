//! From the request that brings an event to the webhook that tells of it: under as much load as 32 connections make, and
//! at rest. Every accepted event must arrive, and once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::echo;
use crate::bench::Bench;
use crate::explain::Histograms;
use crate::load::{self, Load, Outcome};
use crate::machine;
use crate::product::{Installation, Running, await_idle};
use crate::report::Goal;
use crate::seed::seed;
use crate::stats::{Sample, rate};

/// Measures PostgreSQL and Redis with a process for each role.
pub async fn separate(bench: &mut Bench) -> anyhow::Result<()> {
    let database = bench.engines.postgres.database().await?;
    let installation =
        bench.installation(database.url.clone(), Some(bench.engines.redis.url.clone()))?;
    let goals = Goals { throughput: Some(0.15), p50: Some(2.5), p99: Some(6.0) };
    measure(bench, &installation, "event → webhook", &["api", "worker", "scheduler"], goals)
        .await?;
    bench.engines.redis.forget(&installation.prefix).await?;
    bench.engines.postgres.drop(database).await
}

/// Measures MariaDB and Redis with a process for each role, compared to PostgreSQL where that was measured.
pub async fn mariadb(bench: &mut Bench) -> anyhow::Result<()> {
    let mariadb = bench.engines.mariadb.as_ref().context("MariaDB was not started")?;
    let (url, database) = mariadb.database().await?;
    let installation = bench.installation(url, Some(bench.engines.redis.url.clone()))?;
    let name = "MariaDB: event → webhook";
    measure(bench, &installation, name, &["api", "worker", "scheduler"], Goals::default()).await?;
    bench.engines.redis.forget(&installation.prefix).await?;
    match &bench.engines.mariadb {
        Some(mariadb) => mariadb.drop(&database).await,
        None => Ok(()),
    }
}

/// Measures SQLite with everything in one process.
pub async fn embedded(bench: &mut Bench) -> anyhow::Result<()> {
    let file = bench.folder.path().join("bench.db");
    let installation = bench.installation(format!("sqlite://{}", file.display()), None)?;
    measure(bench, &installation, "SQLite: event → webhook", &["up"], Goals::default()).await
}

/// How many connections busy producers have together: more than the 32 at which the echo is measured, so that commits
/// are as large as they come.
const MANY: usize = 128;

#[derive(Default)]
struct Goals {
    throughput: Option<f64>,
    p50: Option<f64>,
    p99: Option<f64>,
}

async fn measure(
    bench: &mut Bench,
    installation: &Installation,
    name: &str,
    roles: &[&str],
    goals: Goals,
) -> anyhow::Result<()> {
    let store = installation.store().await?;
    let key = seed(&store, &bench.sink.url()).await?;
    store.close().await;
    let running = installation.start(roles).await?;
    let product = Product { installation, running, key, name };
    let done = async {
        product.send(bench, 32, 2000, Duration::ZERO).await?;
        product.settle().await?;
        product.under_load(bench, 32, goals.throughput).await?;
        product.settle().await?;
        product.under_load(bench, MANY, None).await?;
        product.settle().await?;
        product.at_rest(bench, goals.p50, goals.p99).await
    };
    done.await.with_context(|| product.running.last_words())
}

struct Product<'a> {
    installation: &'a Installation,
    running: Running,
    key: String,
    name: &'a str,
}

impl Product<'_> {
    /// Sends events and waits until all of them arrived; answers when the last did.
    async fn send(
        &self,
        bench: &mut Bench,
        connections: usize,
        full: u64,
        pause: Duration,
    ) -> anyhow::Result<(Outcome, Instant)> {
        let count = bench.scaled(full);
        let numbers = bench.numbers(count);
        bench.sink.expect(numbers.clone());
        let load = Load {
            target: self.running.api,
            key: self.key.clone(),
            expect: 202,
            connections,
            first: numbers.start,
            count,
            pause,
            limit: Duration::from_secs(300),
        };
        let outcome = load::run(load).await?;
        let last = bench.sink.wait().await?;
        Ok((outcome, last))
    }

    /// Waits until what was delivered is also written down.
    async fn settle(&self) -> anyhow::Result<()> {
        let store = self.installation.store().await?;
        let idle = await_idle(&store).await;
        store.close().await;
        idle
    }

    async fn under_load(
        &self,
        bench: &mut Bench,
        connections: usize,
        goal: Option<f64>,
    ) -> anyhow::Result<()> {
        let name = match connections {
            32 => self.name.to_owned(),
            more => format!("{}, {more} connections", self.name),
        };
        let told = self.histograms().await?;
        let before = self.cpu_times(bench);
        let (outcome, last) = self.send(bench, connections, 20_000, Duration::ZERO).await?;
        let after = self.cpu_times(bench);
        let count = outcome.sent.len() as u64;
        let whole = rate(count, last - outcome.began);
        let figure = bench.report.compare(name.clone(), whole, "events/s", echo::NAME);
        if let Some(goal) = goal {
            figure.goal(Goal::RatioAtLeast(goal));
        }
        let sample = Sample::of(outcome.sent.iter().map(|one| one.took).collect());
        bench.report.add(format!("{name}, accepted p99"), sample.millis(0.99), "ms");
        let lag = last.saturating_duration_since(outcome.began + outcome.took);
        bench.report.add(
            format!("{name}, last webhook after last answer"),
            lag.as_secs_f64() * 1e3,
            "ms",
        );
        for (who, time) in after {
            let spent = time.saturating_sub(before.get(&who).copied().unwrap_or_default());
            if spent.is_zero() {
                continue;
            }
            let each = spent.as_secs_f64() * 1e6 / count as f64;
            bench.report.add(format!("{name}, processor time: {who}"), each, "µs/event");
        }
        self.explain(bench, &told, count).await
    }

    /// Says where the time went since, if that is asked for.
    async fn explain(&self, bench: &Bench, told: &Histograms, count: u64) -> anyhow::Result<()> {
        if bench.explain {
            self.histograms().await?.since(told, count).iter().for_each(|line| println!("{line}"));
        }
        Ok(())
    }

    async fn histograms(&self) -> anyhow::Result<Histograms> {
        let mut all = Histograms::default();
        for (role, text) in self.running.metrics().await? {
            all.read(&role, &text);
        }
        Ok(all)
    }

    /// Who has used how much of the cores, as far as it can be told: roles, engines that are ours, and the bench.
    fn cpu_times(&self, bench: &Bench) -> BTreeMap<String, Duration> {
        let mut all: BTreeMap<String, Duration> = self.running.cpu_times().into_iter().collect();
        let others = [
            // A PostgreSQL is a family: one process for each connection.
            ("PostgreSQL", bench.engines.postgres.id.and_then(machine::family_time)),
            (
                "MariaDB",
                bench.engines.mariadb.as_ref().and_then(|one| one.id).and_then(machine::cpu_time),
            ),
            ("Redis", bench.engines.redis.id.and_then(machine::cpu_time)),
            ("load and sink", machine::cpu_time(std::process::id())),
        ];
        for (who, time) in others {
            if let Some(time) = time {
                all.insert(who.to_owned(), time);
            }
        }
        all
    }

    async fn at_rest(
        &self,
        bench: &mut Bench,
        p50: Option<f64>,
        p99: Option<f64>,
    ) -> anyhow::Result<()> {
        let told = self.histograms().await?;
        let (outcome, _) = self.send(bench, 1, 500, Duration::from_millis(20)).await?;
        self.explain(bench, &told, outcome.sent.len() as u64).await?;
        let mut all = Vec::with_capacity(outcome.sent.len());
        for sent in &outcome.sent {
            let came = bench.sink.when(sent.number).context("an event that came is not known")?;
            all.push(came.saturating_duration_since(sent.began));
        }
        let (whole, accepted) =
            (Sample::of(all), Sample::of(outcome.sent.iter().map(|one| one.took).collect()));
        for (part, share, goal) in [("p50", 0.5, p50), ("p99", 0.99, p99)] {
            let figure = bench.report.add(
                format!("{} at rest, {part}", self.name),
                whole.millis(share),
                "ms",
            );
            if let Some(goal) = goal {
                figure.goal(Goal::AtMost(goal));
            }
            bench.report.add(
                format!("{} at rest, accepted {part}", self.name),
                accepted.millis(share),
                "ms",
            );
        }
        Ok(())
    }
}
