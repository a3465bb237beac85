//! What many workers do to one project at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellbuoy_harness::{Stores, on_every_store};
use domain::event::Event;
use domain::rule::Suppression;
use store::evaluations::Recorded;

use crate::support::{done, evaluating, event, open, payment, rule_set, start, tenant, terms};

on_every_store! {
    a_window_that_many_workers_fill_rings_exactly_as_often_as_it_says
    groups_that_many_workers_make_are_made_once
    no_evaluation_under_old_rules_commits_after_the_change
    a_change_of_rules_gets_its_turn_among_evaluations
}

/// The issue's own criterion: ten thousand matching events, several workers, a window of seven.
async fn a_window_that_many_workers_fill_rings_exactly_as_often_as_it_says(which: Stores) {
    let place = open(which).await;
    let window = Some(Suppression::new(7, 60));
    let tenant = tenant(&place.store, "acme", 1, window).await;
    let set = rule_set(&place.store, tenant.project).await;
    let events: Arc<Vec<Event>> = Arc::new((0..10_000).map(|_| payment(1)).collect());
    let mut workers = Vec::new();
    for worker in 0..4 {
        let (store, set, events) = (place.store.clone(), Arc::clone(&set), Arc::clone(&events));
        workers.push(tokio::spawn(async move {
            let mut rang = 0;
            for (at, chunk) in events.chunks(100).enumerate() {
                // Every chunk comes to two of the workers, as after a redelivery.
                if at % 4 == worker || (at + 1) % 4 == worker {
                    let batch = evaluating(&set, chunk, terms(100, start()));
                    let recorded = store.record_evaluation(tenant.project, batch, start()).await;
                    rang += done(recorded.expect("records")).decision.notifications.len();
                }
            }
            rang
        }));
    }
    let mut rang = 0;
    for worker in workers {
        rang += worker.await.expect("no panic");
    }
    assert_eq!(rang, 7);
    for (table, rows) in
        [("evaluations", 10_000), ("matches", 9_993), ("notifications", 7), ("deliveries", 7)]
    {
        assert_eq!(place.raw.count(table).await, rows, "{table}");
    }
    assert_eq!(
        place.raw.count("matches WHERE reason = 'window_full' AND until IS NOT NULL").await,
        9_993
    );
}

async fn groups_that_many_workers_make_are_made_once(which: Stores) {
    let place = open(which).await;
    let window = Some(Suppression::new(1, 60));
    let tenant = tenant(&place.store, "acme", 1, window).await;
    let set = rule_set(&place.store, tenant.project).await;
    let mut workers = Vec::new();
    for worker in 0..8 {
        // Each has events of its own, of the same groups in another order, some of them later than others.
        let mut events: Vec<Event> = (0..60).map(|n| payment((n * 7 + worker) % 60)).collect();
        if worker % 2 == 1 {
            events.reverse();
        }
        let (store, set) = (place.store.clone(), Arc::clone(&set));
        workers.push(tokio::spawn(async move {
            let mut rang = 0;
            for chunk in events.chunks(13) {
                let batch = evaluating(&set, chunk, terms(100, start()));
                let recorded = store.record_evaluation(tenant.project, batch, start()).await;
                rang += done(recorded.expect("records")).decision.notifications.len();
            }
            rang
        }));
    }
    let mut rang = 0;
    for worker in workers {
        rang += worker.await.expect("no panic");
    }
    assert_eq!(rang, 60);
    for (table, rows) in
        [("rule_groups", 60), ("evaluations", 480), ("matches", 420), ("notifications", 60)]
    {
        assert_eq!(place.raw.count(table).await, rows, "{table}");
    }
}

async fn no_evaluation_under_old_rules_commits_after_the_change(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    for _ in 0..10 {
        let old = rule_set(&place.store, tenant.project).await;
        let mut workers = Vec::new();
        for _ in 0..4 {
            let (store, set) = (place.store.clone(), Arc::clone(&old));
            workers.push(tokio::spawn(async move {
                loop {
                    let batch = evaluating(&set, &[payment(1), payment(2)], terms(9, start()));
                    let recorded = store.record_evaluation(tenant.project, batch, start()).await;
                    if matches!(recorded.expect("answers"), Recorded::Stale) {
                        return;
                    }
                }
            }));
        }
        let under_old = format!("evaluations WHERE ruleset = {}", old.epoch);
        while place.raw.count(&under_old).await == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        place.store.change_rule(tenant.project, &tenant.rule, start()).await.expect("changes");
        let at_the_answer = place.raw.count(&under_old).await;
        for worker in workers {
            worker.await.expect("no panic");
        }
        assert_eq!(place.raw.count(&under_old).await, at_the_answer);
    }
    let epochs = place.raw.count("(SELECT DISTINCT ruleset FROM evaluations) AS e").await;
    assert_eq!(epochs, 10);
}

/// Evaluations share the epoch's lock: they must not keep a change out for as long as there are any.
async fn a_change_of_rules_gets_its_turn_among_evaluations(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for _ in 0..6 {
        let (store, stop) = (place.store.clone(), Arc::clone(&stop));
        workers.push(tokio::spawn(async move {
            let mut epochs = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                let set = rule_set(&store, tenant.project).await;
                for _ in 0..20 {
                    let events: Vec<Event> =
                        (0..20).map(|_| event("payment", r#"{"group":1}"#, start())).collect();
                    let batch = evaluating(&set, &events, terms(9, start()));
                    let recorded = store.record_evaluation(tenant.project, batch, start()).await;
                    match recorded.expect("answers") {
                        Recorded::Done(_) => epochs.insert(set.epoch),
                        Recorded::Stale | Recorded::Held(_) => break,
                    };
                }
            }
            epochs
        }));
    }
    let begun = std::time::Instant::now();
    for _ in 0..10 {
        place.store.change_rule(tenant.project, &tenant.rule, start()).await.expect("changes");
    }
    println!("ten changes among six workers took {:?}", begun.elapsed());
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.expect("no panic");
    }
    let version = rule_set(&place.store, tenant.project).await.rule(0).rule.version;
    assert_eq!(version, 11);
}
