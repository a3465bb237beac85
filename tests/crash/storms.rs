//! Very many events at once.

use std::time::Duration;

use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::{Pair, on_pairs};
use domain::job::QueueName;
use serde_json::{Value, json};

use crate::by_length;
use crate::load::Client;
use crate::scene::{Scene, engines_of};
use crate::verdict::judge;

on_pairs! {
    events_that_wait_make_no_more_jobs_than_there_are_events
}

/// Sends so many events in batches.
pub async fn send(client: &Client, count: usize, event: impl Fn(usize) -> Value) {
    let all: Vec<usize> = (0..count).collect();
    for chunk in all.chunks(1000) {
        let events: Vec<Value> = chunk.iter().map(|number| event(*number)).collect();
        client.batch(&events).await;
    }
}

async fn events_that_wait_make_no_more_jobs_than_there_are_events(pair: Pair) {
    let events: usize = by_length(20_000, 200_000);
    let mut scene = Scene::with_rules(&engines_of(pair).await).await;
    scene.store.pause_queue(QueueName::Events, Some(scene.start)).await.expect("pauses");
    let roles = if pair == Pair::SqliteSql {
        &[Role::Up][..]
    } else {
        &[Role::Api, Role::Worker, Role::Worker, Role::Scheduler]
    };
    scene.cluster.start_all(roles).await;
    let client = scene.client();
    // One in a hundred rings.
    send(&client, events, |number| json!({ "type": "payment", "payload": { "amount": 1 + number % 101, "group": "a" } })).await;
    let made = scene.depth(QueueName::Events).await;
    assert!(0 < made && made <= events as u64, "{made} jobs for {events} events");
    for _ in 0..60 {
        scene.cluster.advance(Duration::from_secs(3));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let jobs = scene.depth(QueueName::Events).await;
        assert!(jobs <= made, "{jobs} jobs, and there were {made} for {events} events");
    }
    assert_eq!(scene.unevaluated().await, events, "the queue is paused");
    scene.store.pause_queue(QueueName::Events, None).await.expect("goes on");
    scene
        .until("the end of the storm", Duration::from_secs(by_length(60, 600)), async || {
            scene.is_evaluated().await
        })
        .await;
    scene.finish().await;
    judge(&scene, &client.answers(), 0).await;
}
