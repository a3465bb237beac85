//! The server of the store is killed and started again under load.

use std::time::Duration;

use bellbuoy_harness::cluster::Engines;
use bellbuoy_harness::engines::{self, StoreServer};
use bellbuoy_harness::{Chance, mariadb, postgres};

use crate::by_length;
use crate::load::Load;
use crate::scene::{Scene, TWO_OF_EACH};
use crate::verdict::judge;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_outlives_postgres_with_its_queue() {
    outlives(postgres::Server::start(), "sql:".into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_outlives_postgres_with_the_queue_in_redis() {
    outlives(postgres::Server::start(), engines::redis_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_outlives_mariadb_with_its_queue() {
    outlives(mariadb::Server::start(), "sql:".into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_outlives_mariadb_with_the_queue_in_redis() {
    outlives(mariadb::Server::start(), engines::redis_url()).await;
}

async fn outlives(mut server: impl StoreServer, queue: String) {
    let mut chance = Chance::announced("loss of the store");
    let engines = Engines { store: Some(server.url()), queue, coordination: engines::redis_url() };
    let mut scene = Scene::with_rules(&engines).await;
    crate::kills::answer_badly(&scene.sink, chance.branch());
    scene.cluster.start_all(&TWO_OF_EACH).await;
    let load = Load::start(scene.client(), 8, usize::MAX, &mut chance);
    for _ in 0..by_length(3, 12) {
        let before = load.client.accepted();
        load.reach(before + 300).await;
        tokio::time::sleep(Duration::from_millis(chance.below(300))).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(200 + chance.below(1500))).await;
        server.restart();
    }
    let before = load.client.accepted();
    load.reach(before + 300).await;
    let answers = load.end().await;
    assert!(answers.statuses.contains_key(&503), "{:?}", answers.statuses);
    assert!(
        answers.statuses.keys().all(|status| [202, 503].contains(status)),
        "{:?}",
        answers.statuses
    );
    scene.quiet().await;
    // Claims whose commit was not answered: nobody works under them.
    let in_flight = scene.claimed().await;
    scene.finish().await;
    judge(&scene, &answers, in_flight).await;
}
