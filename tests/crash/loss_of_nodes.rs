//! A primary under sentinels, or a node of a cluster, is killed in mid load, and another takes over: what it took with it
//! was nudges.

use std::time::{Duration, Instant};

use bellbuoy_harness::Chance;
use bellbuoy_harness::Pair;
use bellbuoy_harness::redis::{Group, RedisCluster, Sentinels, Server};
use domain::job::QueueName;

use crate::by_length;
use crate::load::Load;
use crate::scene::{Scene, TWO_OF_EACH, engines_of};
use crate::verdict::judge;

/// How soon each worker takes jobs once the new primary serves.
const BACK: Duration = Duration::from_secs(10);
/// How long the servers may take among themselves.
const AGREED: Duration = Duration::from_secs(40);

/// Servers of which one may go.
trait Failing: Group {
    /// Every server that has keys.
    fn nodes(&mut self) -> &mut [Server];
    /// Which of them serves the queue of events.
    fn serving(&self, prefix: &str) -> Option<usize>;
}

impl Failing for Sentinels {
    fn nodes(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    fn serving(&self, _: &str) -> Option<usize> {
        self.primary()
    }
}

impl Failing for RedisCluster {
    fn nodes(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    fn serving(&self, prefix: &str) -> Option<usize> {
        self.owner(&format!("{{{prefix}:events}}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_under_sentinels_loses_nothing() {
    a_node_goes_in_mid_load(Sentinels::start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_a_cluster_node_loses_nothing() {
    a_node_goes_in_mid_load(RedisCluster::start()).await;
}

async fn a_node_goes_in_mid_load(mut group: impl Failing) {
    let mut chance = Chance::announced("loss of a node");
    let mut engines = engines_of(Pair::PostgresSql).await;
    (engines.queue, engines.coordination) = (group.url(), group.url());
    let mut scene = Scene::with_rules(&engines).await;
    let prefix = scene.cluster.config().queue.prefix;
    crate::kills::answer_badly(&scene.sink, chance.branch());
    scene.cluster.start_all(&TWO_OF_EACH).await;
    let load = Load::start(scene.client(), 8, usize::MAX, &mut chance);
    for round in 0..by_length(1, 5) {
        load.reach(load.client.accepted() + 300).await;
        wait_for_work(&scene, &jobs_taken(&scene).await, Duration::from_secs(30)).await;
        let at = group.serving(&prefix).expect("somebody serves");
        group.nodes()[at].stop();
        let gone = Instant::now();
        while group.serving(&prefix).is_none() {
            assert!(gone.elapsed() < AGREED, "nobody takes over");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (away, before) = (gone.elapsed(), jobs_taken(&scene).await);
        let back = wait_for_work(&scene, &before, BACK).await;
        println!("round {round}: nobody served for {away:?}, every worker was back {back:?} later");
        group.nodes()[at].restart();
        let follows = || group.nodes()[at].try_ask::<String>(&["INFO", "replication"]);
        let in_step = |info: String| info.contains("master_link_status:up");
        wait_for_replica(follows, in_step).await;
    }
    load.reach(load.client.accepted() + 300).await;
    let answers = load.end().await;
    assert!(answers.statuses.keys().all(|status| *status == 202), "{:?}", answers.statuses);
    scene.finish().await;
    judge(&scene, &answers, 0).await;
    for name in QueueName::ALL {
        assert_eq!(scene.depth(name).await, 0);
    }
    let pattern = format!("{{{prefix}:*}}*");
    for server in group.nodes() {
        let mut kept: Vec<String> = server.ask(&["KEYS", &pattern]);
        // The workers still wait for jobs.
        kept.retain(|key| !key.ends_with(":idle"));
        assert!(kept.is_empty(), "a drained queue leaves nothing: {kept:?}");
    }
}

/// Waits until a server that came back follows its successor.
async fn wait_for_replica(
    mut ask: impl FnMut() -> Option<String>,
    in_step: impl Fn(String) -> bool,
) {
    let start = Instant::now();
    while !ask().is_some_and(&in_step) {
        assert!(start.elapsed() < AGREED, "the old primary does not follow");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until every worker has taken more jobs than `before`; answers how long that took.
async fn wait_for_work(scene: &Scene, before: &[f64], limit: Duration) -> Duration {
    let start = Instant::now();
    loop {
        let now = jobs_taken(scene).await;
        if now.iter().zip(before).all(|(now, before)| now > before) {
            return start.elapsed();
        }
        assert!(start.elapsed() < limit, "workers took {before:?}, then {now:?} within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many jobs each worker took from the queue of events.
async fn jobs_taken(scene: &Scene) -> Vec<f64> {
    let mut taken = Vec::new();
    for node in scene.cluster.nodes.iter().filter(|node| node.role.works()) {
        let page = reqwest::get(format!("http://{}/metrics", node.ops)).await.expect("an answer");
        let page = page.text().await.expect("a page");
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix("bellbuoy_jobs_total{queue=\"events\"} "));
        taken.push(line.map_or(0.0, |number| number.parse().expect("a number")));
    }
    taken
}
