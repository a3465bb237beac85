//! Many workers on the events of one group.

use bellbuoy_harness::Pair;
use bellbuoy_harness::cluster::Role;
use domain::rule::Suppression;
use serde_json::json;

use crate::scene::{Scene, engines_of};
use crate::storms::send;
use crate::verdict::judge;

mod postgres_sql {
    bellbuoy_harness::case!(
        a_group_rings_as_often_as_its_window_says,
        bellbuoy_harness::Pair::PostgresSql
    );
}
mod postgres_redis {
    bellbuoy_harness::case!(
        a_group_rings_as_often_as_its_window_says,
        bellbuoy_harness::Pair::PostgresRedis
    );
}
mod mariadb_sql {
    bellbuoy_harness::case!(
        a_group_rings_as_often_as_its_window_says,
        bellbuoy_harness::Pair::MariadbSql
    );
}
mod mariadb_redis {
    bellbuoy_harness::case!(
        a_group_rings_as_often_as_its_window_says,
        bellbuoy_harness::Pair::MariadbRedis
    );
}
mod postgres_sqs {
    bellbuoy_harness::case!(
        a_group_rings_as_often_as_its_window_says,
        bellbuoy_harness::Pair::PostgresSqs
    );
}
mod postgres_sqs_fifo {
    bellbuoy_harness::case!(
        a_group_rings_as_often_as_its_window_says,
        bellbuoy_harness::Pair::PostgresSqsFifo
    );
}

/// How many workers there are.
const WORKERS: usize = 4;

/// How often the group may ring.
const RINGS: u32 = 100;

async fn a_group_rings_as_often_as_its_window_says(pair: Pair) {
    let mut scene = Scene::new(&engines_of(pair).await).await;
    let window = Suppression::new(RINGS, 3600);
    scene.rule("Door open", r#"event.type == "door""#, Some(window)).await;
    let mut roles = vec![Role::Api];
    roles.extend([Role::Worker; WORKERS]);
    scene.cluster.start_all(&roles).await;
    let client = scene.client();
    // The server that stands for SQS looks through all it holds at every call.
    let fake = matches!(pair, Pair::PostgresSqs | Pair::PostgresSqsFifo);
    send(
        &client,
        if fake { 2000 } else { 10_000 },
        |_| json!({ "type": "door", "payload": { "group": "front" } }),
    )
    .await;
    scene.finish().await;
    judge(&scene, &client.answers(), 0).await;
    assert_eq!(scene.sink.count(), RINGS as usize);
}
