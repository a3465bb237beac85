//! Work whose process died before it told anybody, or after it had taken it.

use std::time::{Duration, Instant};

use bellbuoy_harness::Pair;
use bellbuoy_harness::cluster::Role;
use domain::job::QueueName;

use crate::handover::{BOUND, EVENTS, send};
use crate::scene::{LAG, Scene, engines_of};
use crate::verdict::judge;

mod postgres_sql {
    bellbuoy_harness::case!(
        jobs_that_a_dead_worker_held_are_done_by_another,
        bellbuoy_harness::Pair::PostgresSql
    );
}
mod postgres_redis {
    bellbuoy_harness::case!(
        jobs_that_a_dead_worker_held_are_done_by_another,
        bellbuoy_harness::Pair::PostgresRedis
    );
    bellbuoy_harness::case!(
        an_event_whose_api_died_before_it_told_the_queue_is_found,
        bellbuoy_harness::Pair::PostgresRedis
    );
}
mod mariadb_sql {
    bellbuoy_harness::case!(
        jobs_that_a_dead_worker_held_are_done_by_another,
        bellbuoy_harness::Pair::MariadbSql
    );
}
mod mariadb_redis {
    bellbuoy_harness::case!(
        jobs_that_a_dead_worker_held_are_done_by_another,
        bellbuoy_harness::Pair::MariadbRedis
    );
    bellbuoy_harness::case!(
        an_event_whose_api_died_before_it_told_the_queue_is_found,
        bellbuoy_harness::Pair::MariadbRedis
    );
}
mod postgres_sqs {
    bellbuoy_harness::case!(
        jobs_that_a_dead_worker_held_are_done_by_another,
        bellbuoy_harness::Pair::PostgresSqs
    );
}
mod postgres_sqs_fifo {
    bellbuoy_harness::case!(
        jobs_that_a_dead_worker_held_are_done_by_another,
        bellbuoy_harness::Pair::PostgresSqsFifo
    );
}

/// The api dies between the answer and the queue: there is an event, a 202, and no job.
async fn an_event_whose_api_died_before_it_told_the_queue_is_found(pair: Pair) {
    let mut redis = bellbuoy_harness::redis::Server::start();
    let mut engines = engines_of(pair).await;
    engines.queue = redis.url();
    let mut scene = Scene::with_rules(&engines).await;
    scene.cluster.start_all(&[Role::Api]).await;
    let client = scene.client();
    redis.stop();
    send(&scene, &client).await;
    scene.cluster.kill(0);
    redis.restart();
    scene.cluster.start_all(&[Role::Worker]).await;
    scene.quiet().await;
    assert_eq!(scene.unevaluated().await, EVENTS, "there is no job, and the grace is not over");
    scene.cluster.advance(LAG + Duration::from_millis(2));
    let started = Instant::now();
    scene.until("the events' evaluation", BOUND, async || scene.is_evaluated().await).await;
    println!("evaluated {:?} after the grace", started.elapsed());
    scene.finish().await;
    judge(&scene, &client.answers(), 0).await;
}

/// The worker dies between reserving and settling, with the evaluation begun.
async fn jobs_that_a_dead_worker_held_are_done_by_another(pair: Pair) {
    let mut scene = Scene::with_rules(&engines_of(pair).await).await;
    scene.cluster.start_all(&[Role::Api, Role::Worker]).await;
    let client = scene.client();
    let guard = scene.books.hold_evaluations().await;
    send(&scene, &client).await;
    let events = QueueName::Events;
    let held = async || scene.queue.depth(events).await.is_ok_and(|depth| depth.held > 0);
    scene.until("the reservation", BOUND, held).await;
    scene.cluster.kill(1);
    guard.release().await;
    assert_eq!(scene.unevaluated().await, EVENTS, "it came to nothing");
    let started = Instant::now();
    scene.cluster.start_all(&[Role::Worker]).await;
    // Time stands still for the due loop: it is the jobs that come again.
    scene.until("the events' evaluation", BOUND, async || scene.is_evaluated().await).await;
    println!("evaluated {:?} after the kill", started.elapsed());
    scene.finish().await;
    judge(&scene, &client.answers(), 0).await;
}
