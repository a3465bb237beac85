//! Redis forgets everything, is started again, or is away: all it held was nudges.

use std::time::Duration;

use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::redis::Server;
use bellbuoy_harness::{Chance, Pair};
use domain::job::QueueName;
use serde_json::json;

use crate::by_length;
use crate::load::Load;
use crate::scene::{LAG, Scene, TWO_OF_EACH, engines_of};
use crate::verdict::judge;

/// A scene whose queue and coordination are in a Redis of its own.
async fn scene(redis: &Server) -> Scene {
    let mut engines = engines_of(Pair::PostgresRedis).await;
    (engines.queue, engines.coordination) = (redis.url(), redis.url());
    Scene::with_rules(&engines).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_processed_whatever_becomes_of_redis() {
    let mut chance = Chance::announced("loss of Redis");
    let mut redis = Server::start();
    let mut scene = scene(&redis).await;
    crate::kills::answer_badly(&scene.sink, chance.branch());
    scene.cluster.start_all(&TWO_OF_EACH).await;
    let load = Load::start(scene.client(), 8, usize::MAX, &mut chance);
    for _ in 0..by_length(4, 20) {
        tokio::time::sleep(Duration::from_millis(100 + chance.below(400))).await;
        redis.ask::<()>(&["FLUSHALL"]);
    }
    for _ in 0..by_length(2, 10) {
        tokio::time::sleep(Duration::from_millis(100 + chance.below(400))).await;
        redis.stop();
        tokio::time::sleep(Duration::from_millis(chance.below(1000))).await;
        redis.restart();
    }
    redis.freeze();
    let before = load.client.accepted();
    tokio::time::sleep(Duration::from_secs(by_length(5, 120))).await;
    let meanwhile = load.client.accepted() - before;
    redis.thaw();
    load.reach(2000).await;
    let answers = load.end().await;
    println!("{meanwhile} events were accepted while Redis did not answer");
    assert!(meanwhile > 100, "{meanwhile} events were accepted while Redis did not answer");
    assert!(answers.statuses.keys().all(|status| *status == 202), "{:?}", answers.statuses);
    scene.finish().await;
    judge(&scene, &answers, 0).await;
}

/// What becomes of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Flushed,
    Restarted,
    Away,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_every_kind_that_a_flush_took_are_made_good() {
    every_kind(Loss::Flushed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_every_kind_that_a_restart_took_are_made_good() {
    every_kind(Loss::Restarted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_every_kind_are_done_without_redis_while_it_is_away() {
    every_kind(Loss::Away).await;
}

/// Fills every queue while it is paused, loses what is in it, and goes on.
async fn every_kind(loss: Loss) {
    const EACH: usize = 40;
    let (mut redis, mut chance) = (Server::start(), Chance::fresh());
    let mut scene = scene(&redis).await;
    pause(&scene, &[QueueName::Deliveries, QueueName::Maintenance], true).await;
    scene.cluster.start_all(&[Role::Api, Role::Worker, Role::Worker, Role::Scheduler]).await;
    let client = scene.client();
    let body = json!({ "type": "payment", "payload": { "amount": 500, "group": "a" } });
    for number in 0..EACH {
        client.send(&format!("first-{number}"), &body, &mut chance).await;
    }
    scene.until("the first evaluation", LIMIT, async || scene.is_evaluated().await).await;
    pause(&scene, &[QueueName::Events], true).await;
    // Every process has seen the pause once this one is not evaluated.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for number in 0..EACH {
        client.send(&format!("second-{number}"), &body, &mut chance).await;
    }
    let filled = async || {
        let mut all = true;
        for queue in QueueName::ALL {
            all &= scene.depth(queue).await > 0;
        }
        all
    };
    scene.until("a job of every kind", LIMIT, filled).await;
    let ticks = scene.store.finished_ticks().await.expect("ticks");
    match loss {
        Loss::Flushed => redis.ask::<()>(&["FLUSHALL"]),
        Loss::Restarted => redis.restart(),
        Loss::Away => redis.freeze(),
    }
    if loss != Loss::Away {
        for queue in QueueName::ALL {
            assert_eq!(scene.depth(queue).await, 0, "nothing is left");
        }
    }
    pause(&scene, &QueueName::ALL, false).await;
    assert_eq!(scene.unevaluated().await, EACH);
    scene.cluster.advance(LAG + Duration::from_millis(2));
    scene.until("the second evaluation", LIMIT, async || scene.is_evaluated().await).await;
    let delivered = async || {
        // What the due loop plans waits for the grace, once more.
        scene.cluster.advance(Duration::from_millis(50));
        scene.sink.count() == 2 * EACH
    };
    scene.until("every message", LIMIT, delivered).await;
    let run = async || scene.store.finished_ticks().await.is_ok_and(|run| run > ticks);
    scene.until("a tick's end", LIMIT, run).await;
    if loss == Loss::Away {
        redis.thaw();
    }
    scene.finish().await;
    judge(&scene, &client.answers(), 0).await;
}

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(30);

async fn pause(scene: &Scene, queues: &[QueueName], paused: bool) {
    for queue in queues {
        scene
            .store
            .pause_queue(*queue, paused.then_some(scene.start))
            .await
            .expect("the store answers");
    }
}
