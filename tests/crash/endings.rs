//! A process that is asked to end does so in order, whatever is going on.

use std::time::Instant;

use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::{Chance, Pair, on_pairs};
use domain::job::QueueName;
use serde_json::json;

use crate::by_length;
use crate::handover::BOUND;
use crate::kills::answer_badly;
use crate::load::Load;
use crate::scene::{Scene, TWO_OF_EACH, engines_of};
use crate::verdict::judge;

on_pairs! {
    a_process_that_is_asked_to_end_leaves_nothing_behind
}

mod postgres_redis_held {
    bellbuoy_harness::case!(
        what_is_not_begun_is_left_to_others,
        bellbuoy_harness::Pair::PostgresRedis
    );
}
mod mariadb_sqs_held {
    bellbuoy_harness::case!(
        what_is_not_begun_is_left_to_others,
        bellbuoy_harness::Pair::MariadbSqs
    );
}

async fn a_process_that_is_asked_to_end_leaves_nothing_behind(pair: Pair) {
    let mut chance = Chance::announced("endings");
    let mut scene = Scene::with_rules(&engines_of(pair).await).await;
    // A process says itself whether its grace was enough; on a busy machine ten seconds may not be.
    for name in ["WORKER_SHUTDOWN_GRACE", "HTTP_SHUTDOWN_GRACE"] {
        scene.cluster.set(name, "60s");
    }
    answer_badly(&scene.sink, chance.branch());
    let roles = if pair == Pair::SqliteSql { &[Role::Up][..] } else { &TWO_OF_EACH[..] };
    scene.cluster.start_all(roles).await;
    let load = Load::start(scene.client(), 8, usize::MAX, &mut chance);
    for round in 0..by_length(6, 30) {
        load.reach(200 * (round + 1)).await;
        scene.cluster.ready().await;
        let at = usize::try_from(chance.below(roles.len() as u64)).expect("an index");
        scene.cluster.terminate(at);
        let status = scene.cluster.ended(at).await;
        assert!(status.success(), "{:?} ended with {status}", roles[at]);
        let said = scene.cluster.said(at);
        assert!(
            !said.contains("left undone") && !said.contains("cut off"),
            "{:?} did not get done",
            roles[at]
        );
        if roles[at].works() && roles.len() == 1 {
            assert_eq!(scene.claimed().await, 0, "what it had claimed is not settled");
        }
        scene.cluster.restart(at);
    }
    load.reach(1500).await;
    let answers = load.end().await;
    scene.quiet().await;
    assert_eq!(scene.claimed().await, 0, "what was claimed by those that ended is not settled");
    scene.finish().await;
    judge(&scene, &answers, 0).await;
}

/// A worker has more in hand than it could get done in its grace, and is asked to end.
async fn what_is_not_begun_is_left_to_others(pair: Pair) {
    let mut scene = Scene::with_rules(&engines_of(pair).await).await;
    scene.cluster.set("EVALUATE_MAX_EVENTS_PER_TRANSACTION", "5");
    scene.cluster.start_all(&[Role::Api, Role::Worker]).await;
    let client = scene.client();
    let guard = scene.books.hold_evaluations().await;
    let events: Vec<_> = (0..50)
        .map(|number| {
            json!({ "type": "payment", "payload": { "amount": 500, "group": format!("g-{number}") } })
        })
        .collect();
    client.batch(&events).await;
    let held =
        async || scene.queue.depth(QueueName::Events).await.is_ok_and(|depth| depth.held > 0);
    scene.until("the reservation", BOUND, held).await;
    scene.cluster.terminate(1);
    let asked = async || scene.cluster.said(1).contains("stopping");
    scene.until("the wish to end", BOUND, asked).await;
    guard.release().await;
    assert!(scene.cluster.ended(1).await.success());
    let left = scene.unevaluated().await;
    assert!(left >= 40, "only {left} events were left to others");
    let started = Instant::now();
    scene.cluster.restart(1);
    // Time stands still for the due loop: it is the jobs that come again.
    scene.until("the events' evaluation", BOUND, async || scene.is_evaluated().await).await;
    println!("evaluated {:?} after the end", started.elapsed());
    scene.finish().await;
    judge(&scene, &client.answers(), 0).await;
}
