//! Idempotency keys: the first with a key does it, whoever else comes gets its answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bellbuoy_harness::{Stores, on_every_store};
use domain::id::{EventId, ProjectId, sha256};
use domain::time::Time;
use store::events::{Incoming, Taken};
use store::idempotency::IdempotencyKey;

use crate::support::{at, event, incoming, open, project, start};

on_every_store! {
    the_first_with_a_key_is_new_and_the_others_get_its_answer
    a_key_that_comes_twice_in_a_batch_counts_once
    a_key_in_concurrent_batches_is_new_exactly_once
    an_expired_key_is_taken_over_by_exactly_one
    another_project_is_free_to_use_the_same_key
    a_thousand_keys_are_answered_in_one_batch
    expired_keys_are_forgotten_step_by_step
}

const DAY: Duration = Duration::from_secs(86_400);

/// An event with a key, sent at `now`.
fn keyed(project: ProjectId, key: &str, body: &str, now: Time) -> Incoming {
    let (hash, body) = (sha256(key.as_bytes()), sha256(body.as_bytes()));
    let key = IdempotencyKey { hash, body, expires_at: now.plus(DAY) };
    Incoming { key: Some(key), ..incoming(project, &event("a", "{}", now)) }
}

fn id(incoming: &Incoming) -> EventId {
    incoming.event.id
}

async fn the_first_with_a_key_is_new_and_the_others_get_its_answer(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let send = async |one: Incoming| {
        let taken =
            place.store.accept_events(Arc::new(vec![one]), None, start()).await.expect("answers");
        assert_eq!(taken.len(), 1);
        taken[0]
    };
    let first = keyed(project, "k", "body", start());
    assert_eq!(send(first.clone()).await, Taken::New);
    for _ in 0..3 {
        assert_eq!(send(keyed(project, "k", "body", start())).await, Taken::Replay(id(&first)));
    }
    assert_eq!(send(keyed(project, "k", "another", start())).await, Taken::Conflict);
    assert_eq!(send(keyed(project, "K", "body", start())).await, Taken::New, "another key");
    assert_eq!(
        send(Incoming { key: None, ..keyed(project, "k", "body", start()) }).await,
        Taken::New
    );
    assert_eq!(place.raw.count("events").await, 3);
}

async fn a_key_that_comes_twice_in_a_batch_counts_once(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let batch = vec![
        keyed(project, "a", "1", start()),
        keyed(project, "b", "1", start()),
        keyed(project, "a", "1", start()),
        keyed(project, "a", "2", start()),
        Incoming { key: None, ..keyed(project, "a", "1", start()) },
    ];
    let first = id(&batch[0]);
    let taken = place.store.accept_events(Arc::new(batch), None, start()).await.expect("answers");
    assert_eq!(taken, [Taken::New, Taken::New, Taken::Replay(first), Taken::Conflict, Taken::New]);
    let again = vec![keyed(project, "a", "2", start()), keyed(project, "a", "1", start())];
    let taken = place.store.accept_events(Arc::new(again), None, start()).await.expect("answers");
    // The first of a batch stands for the others; one that is refused takes nobody else's place.
    assert_eq!(taken, [Taken::Conflict, Taken::Replay(first)]);
    assert_eq!(place.raw.count("events").await, 3);
}

async fn a_key_in_concurrent_batches_is_new_exactly_once(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let mut tasks = Vec::new();
    for task in 0..8 {
        let mut batch: Vec<Incoming> =
            (0..50).map(|n| keyed(project, &format!("k{n}"), "body", start())).collect();
        // Each in an order of its own.
        batch.rotate_left(task * 6);
        if task % 2 == 1 {
            batch.reverse();
        }
        let store = place.store.clone();
        tasks.push(tokio::spawn(async move {
            let batch = Arc::new(batch);
            let taken =
                store.accept_events(Arc::clone(&batch), None, start()).await.expect("answers");
            (batch, taken)
        }));
    }
    let (mut winners, mut replays) = (HashMap::new(), Vec::new());
    for task in tasks {
        let (batch, taken) = task.await.expect("no panic");
        for (one, taken) in batch.iter().zip(taken) {
            let key = one.key.as_ref().expect("a key").hash;
            match taken {
                Taken::New => assert_eq!(winners.insert(key, id(one)), None, "new twice"),
                Taken::Replay(first) => replays.push((key, first)),
                Taken::Conflict | Taken::Unanswered => {
                    panic!("the same body, and the store is there")
                }
            }
        }
    }
    assert_eq!((winners.len(), replays.len()), (50, 350));
    assert!(replays.iter().all(|(key, first)| winners[key] == *first));
    assert_eq!(place.raw.count("events").await, 50);
}

async fn an_expired_key_is_taken_over_by_exactly_one(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let batch = (0..20).map(|n| keyed(project, &format!("k{n}"), "old", start())).collect();
    place.store.accept_events(Arc::new(batch), None, start()).await.expect("keeps");
    let later = start().plus(DAY);
    let just_before = Time::from_micros(later.micros() - 1);
    let early = Arc::new(vec![keyed(project, "k0", "new", just_before)]);
    assert_eq!(
        place.store.accept_events(early, None, just_before).await.expect("answers"),
        [Taken::Conflict]
    );
    let mut tasks = Vec::new();
    for task in 0..8 {
        // Keys that expired between some that are new.
        let key = |n: usize| if n < 20 { format!("k{n}") } else { format!("new {task} {n}") };
        let batch: Vec<Incoming> = (0..30).map(|n| keyed(project, &key(n), "new", later)).collect();
        let store = place.store.clone();
        tasks.push(tokio::spawn(async move {
            store.accept_events(Arc::new(batch), None, later).await.expect("answers")
        }));
    }
    let mut fresh = 0;
    for task in tasks {
        let taken = task.await.expect("no panic");
        assert!(!taken.contains(&Taken::Conflict));
        fresh += taken.iter().filter(|taken| **taken == Taken::New).count();
    }
    assert_eq!(fresh, 20 + 8 * 10);
    assert_eq!(place.raw.count("events").await, 20 + 100);
}

async fn another_project_is_free_to_use_the_same_key(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let batch = vec![keyed(one, "k", "1", start()), keyed(other, "k", "2", start())];
    let firsts = [id(&batch[0]), id(&batch[1])];
    let taken = place.store.accept_events(Arc::new(batch), None, start()).await.expect("answers");
    assert_eq!(taken, [Taken::New, Taken::New]);
    let batch = vec![
        keyed(other, "k", "2", start()),
        keyed(one, "k", "1", start()),
        keyed(one, "k", "2", start()),
    ];
    let taken = place.store.accept_events(Arc::new(batch), None, start()).await.expect("answers");
    assert_eq!(taken, [Taken::Replay(firsts[1]), Taken::Replay(firsts[0]), Taken::Conflict]);
}

async fn a_thousand_keys_are_answered_in_one_batch(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let whose = |n: usize| if n.is_multiple_of(2) { one } else { other };
    let batch = || {
        (0..1000)
            .map(|n| keyed(whose(n), &format!("k{n}"), "body", start()))
            .collect::<Vec<Incoming>>()
    };
    let first = Arc::new(batch());
    let taken =
        place.store.accept_events(Arc::clone(&first), None, start()).await.expect("answers");
    assert_eq!(taken, vec![Taken::New; 1000]);
    let taken = place.store.accept_events(Arc::new(batch()), None, at(5)).await.expect("answers");
    assert!(taken.iter().zip(&*first).all(|(taken, first)| *taken == Taken::Replay(id(first))));
}

async fn expired_keys_are_forgotten_step_by_step(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let key = |n: u64| keyed(project, &format!("k{n}"), "body", at(n));
    place
        .store
        .accept_events(Arc::new((0..25).map(key).collect()), None, start())
        .await
        .expect("keeps");
    let now = at(20).plus(DAY);
    let mut steps = Vec::new();
    for _ in 0..4 {
        steps.push(place.store.forget_idempotency_keys(now, 8).await.expect("forgets"));
    }
    assert_eq!(steps, [8, 8, 4, 0]);
    assert_eq!(place.raw.count("idempotency_keys").await, 5);
}
