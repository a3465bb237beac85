//! Engines that only one process can use are refused to a second one, until the first is gone.

use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::{Pair, on_pairs};

use crate::scene::{Scene, engines_of};

on_pairs! {
    a_second_process_is_refused_what_only_one_can_use
}

async fn a_second_process_is_refused_what_only_one_can_use(pair: Pair) {
    let mut engines = engines_of(pair).await;
    engines.coordination = "memory:".into();
    let mut scene = Scene::with_rules(&engines).await;
    scene.cluster.start_all(&[Role::Up]).await;
    let refusal = if pair == Pair::SqliteSql {
        "another process serves"
    } else {
        "coordination.url is memory:"
    };
    for role in [Role::Up, Role::Worker] {
        let second = scene.cluster.start(role);
        let status = scene.cluster.ended(second).await;
        let said = scene.cluster.said(second);
        assert!(!status.success(), "{role:?} ended with {status}");
        assert!(
            said.contains(refusal)
                && said.lines().filter(|line| line.starts_with("bellbuoy:")).count() == 1,
            "{said}"
        );
    }
    let fallen = scene.cluster.fallen();
    assert!(fallen.is_empty(), "the first one does not mind: {fallen:?}");
    scene.cluster.kill(0);
    scene.cluster.start_all(&[Role::Up]).await;
    scene.finish().await;
}
