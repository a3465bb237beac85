//! SQS hangs or forgets everything: all it held was nudges.

use std::time::Duration;

use bellbuoy_harness::Chance;
use bellbuoy_harness::Pair;
use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::sqs::Server;
use queue::open::Opened;
use serde_json::json;

use crate::by_length;
use crate::load::Load;
use crate::scene::{LAG, Scene, TWO_OF_EACH, engines_of};
use crate::verdict::judge;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A scene whose queue is in an SQS of its own.
async fn scene(sqs: &Server, fifo: bool) -> Scene {
    let mut engines = engines_of(Pair::PostgresSqs).await;
    engines.queue = sqs.url(fifo);
    Scene::with_rules(&engines).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_processed_whatever_becomes_of_sqs() {
    let mut chance = Chance::announced("loss of SQS");
    let mut sqs = Server::start();
    let mut scene = scene(&sqs, chance.below(2) == 0).await;
    crate::kills::answer_badly(&scene.sink, chance.branch());
    scene.cluster.start_all(&TWO_OF_EACH).await;
    let load = Load::start(scene.client(), 4, usize::MAX, &mut chance);
    sqs.freeze();
    let before = load.client.accepted();
    tokio::time::sleep(Duration::from_secs(by_length(5, 60))).await;
    let meanwhile = load.client.accepted() - before;
    sqs.thaw();
    println!("{meanwhile} events were accepted while SQS did not answer");
    assert!(meanwhile > 50, "{meanwhile} events were accepted while SQS did not answer");
    for _ in 0..by_length(1, 5) {
        tokio::time::sleep(Duration::from_millis(500 + chance.below(500))).await;
        sqs.restart();
        // As an operator would after somebody deleted the queues.
        let opened = Opened::open(&scene.cluster.config(), &scene.store).expect("opens");
        bellbuoy_harness::sqs::prepare(&opened).await;
    }
    load.reach(by_length(800, 5000)).await;
    let answers = load.end().await;
    assert!(answers.statuses.keys().all(|status| *status == 202), "{:?}", answers.statuses);
    scene.finish().await;
    judge(&scene, &answers, 0).await;
}

/// Nobody gets to the queue from the start: what is due is found in the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_found_without_sqs_while_it_is_away() {
    const EACH: usize = 40;
    let (sqs, mut chance) = (Server::start(), Chance::fresh());
    let mut scene = scene(&sqs, false).await;
    scene.cluster.start_all(&[Role::Api, Role::Worker, Role::Scheduler]).await;
    let client = scene.client();
    sqs.freeze();
    let body = json!({ "type": "payment", "payload": { "amount": 500, "group": "a" } });
    for number in 0..EACH {
        client.send(&format!("event-{number}"), &body, &mut chance).await;
    }
    scene.cluster.advance(LAG + Duration::from_millis(2));
    scene.until("the evaluation", LIMIT, async || scene.is_evaluated().await).await;
    let delivered = async || {
        // What the due loop plans waits for the grace, once more.
        scene.cluster.advance(Duration::from_millis(50));
        scene.sink.count() == EACH
    };
    scene.until("every message", LIMIT, delivered).await;
    sqs.thaw();
    scene.finish().await;
    judge(&scene, &client.answers(), 0).await;
}
