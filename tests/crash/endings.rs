//! A process that is asked to end does so in order, whatever is going on.

use std::time::{Duration, Instant};

use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::{Chance, Pair, on_main_pairs};

use crate::by_length;
use crate::kills::answer_badly;
use crate::load::Load;
use crate::scene::{Scene, TWO_OF_EACH, engines_of};
use crate::verdict::judge;

on_main_pairs! {
    a_process_that_is_asked_to_end_leaves_nothing_behind
}

/// What `worker.shutdown_grace` and `http.shutdown_grace` are set to.
const GRACE: Duration = Duration::from_secs(10);

async fn a_process_that_is_asked_to_end_leaves_nothing_behind(pair: Pair) {
    let mut chance = Chance::announced("endings");
    let mut scene = Scene::with_rules(&engines_of(pair).await).await;
    for name in ["WORKER_SHUTDOWN_GRACE", "HTTP_SHUTDOWN_GRACE"] {
        scene.cluster.set(name, "10s");
    }
    answer_badly(&scene.sink, chance.branch());
    let roles = if pair == Pair::SqliteSql { &[Role::Up][..] } else { &TWO_OF_EACH[..] };
    scene.cluster.start_all(roles).await;
    let load = Load::start(scene.client(), 8, usize::MAX, &mut chance);
    for round in 0..by_length(6, 30) {
        load.reach(200 * (round + 1)).await;
        scene.cluster.ready().await;
        let at = usize::try_from(chance.below(roles.len() as u64)).expect("an index");
        let started = Instant::now();
        scene.cluster.terminate(at);
        let status = scene.cluster.ended(at).await;
        assert!(status.success(), "{:?} ended with {status}", roles[at]);
        assert!(started.elapsed() < GRACE, "{:?} took {:?}", roles[at], started.elapsed());
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
