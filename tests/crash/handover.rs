//! A process dies at the worst moment of a piece of work: others take it up.

use std::time::{Duration, Instant};

use bellbuoy_harness::cluster::{Cluster, Role};
use bellbuoy_harness::sink::Reply;
use bellbuoy_harness::{Chance, Pair, on_pairs};
use serde_json::json;

use crate::scene::{PROGRAM, Scene, engines_of};
use crate::verdict::judge;

on_pairs! {
    what_was_sent_and_not_recorded_is_sent_again_under_the_same_id
}

/// Within this, another worker has a dead one's work.
pub const BOUND: Duration = Duration::from_secs(30);

/// How many events are sent.
pub const EVENTS: usize = 12;

/// Sends payments that ring.
pub async fn send(scene: &Scene, client: &crate::load::Client) {
    let mut chance = Chance::fresh();
    for number in 0..EVENTS {
        let body =
            json!({ "type": "payment", "payload": { "amount": 101 + number, "group": "a" } });
        client.send(&format!("event-{number}"), &body, &mut chance).await;
    }
    assert_eq!(scene.books.events().await.len(), EVENTS);
}

/// The worker dies between sending and recording; this one goes by the machine's clock.
async fn what_was_sent_and_not_recorded_is_sent_again_under_the_same_id(pair: Pair) {
    let mut cluster = Cluster::new(PROGRAM, &engines_of(pair).await);
    cluster.use_real_time();
    // Long enough that everything is claimed, and nothing answered, when the kill comes.
    cluster.set("DELIVERY_CLAIM", "5s");
    cluster.set("WEBHOOKS_TIMEOUT", "4s");
    let mut scene = Scene::of(cluster).await;
    scene.usual_rules().await;
    scene.sink.answer(|_, before| match before {
        0 => Reply { after: Duration::from_millis(3500), ..Reply::status(204) },
        _ => Reply::status(204),
    });
    let roles = if pair == Pair::SqliteSql { &[Role::Up][..] } else { &[Role::Api, Role::Worker] };
    scene.cluster.start_all(roles).await;
    let client = scene.client();
    send(&scene, &client).await;
    let all = async || scene.sink.open() > 3 && scene.claimed().await == EVENTS as i64;
    scene.until("sending", BOUND, all).await;
    scene.cluster.kill(roles.len() - 1);
    let in_flight = scene.claimed().await;
    assert!(in_flight > 3, "{in_flight} were claimed at the kill");
    let started = Instant::now();
    scene.cluster.start_all(&[*roles.last().expect("one")]).await;
    scene.until("the end of all work", BOUND, async || scene.at_rest().await).await;
    println!("done {:?} after the kill", started.elapsed());
    judge(&scene, &client.answers(), in_flight).await;
    assert!(
        scene.books.unknown_attempts().await > 3,
        "nobody knows what became of what was in flight"
    );
    let twice = scene.sink.arrivals().values().filter(|count| **count == 2).count();
    assert!(twice > 3, "{twice} messages came twice, under the same id");
}
