//! The due loop's side: oldest first, no more than there is room for, and nothing that is paused.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bellbuoy_harness::{Stores, on_every_store};
use domain::delivery::{Next, Outcome};
use domain::id::DeliveryId;
use domain::schedule::Task;
use store::deliveries::Worked;
use store::due::Open;
use store::evaluations::ClaimTerms;

use crate::settled::{Held, OPEN};
use crate::support::{at, open, ring, sorted, start, tenant, terms};

on_every_store! {
    the_oldest_are_taken_first_and_no_more_than_there_is_room_for
    an_expired_claim_is_split_where_the_room_ends
    many_expired_claims_do_not_overrun_the_room
    a_retry_that_an_expired_claim_names_too_loses_no_attempt
    paused_queues_keep_what_is_theirs
    two_loops_at_once_never_take_the_same
    projects_with_due_are_each_named_once
}

async fn the_oldest_are_taken_first_and_no_more_than_there_is_room_for(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let claim = terms(30, start());
    let (_, done) = ring(&place.store, &tenant, 30, claim).await;
    let held = |id: &DeliveryId| Held { project: tenant.project, id: *id, token: claim.token };
    // The later in the list, the sooner it is due.
    let retry = |n: usize| Next::Retry(at(100 - n as u64));
    let settled = done
        .claimed
        .iter()
        .enumerate()
        .map(|(n, id)| held(id).settled(1, Outcome::Transient, retry(n), 1));
    let (settled, closed) = (settled.collect(), vec![(tenant.project, claim.token)]);
    let work = Worked { settled, closed, ..Worked::default() };
    place.store.record_attempts(Arc::new(work), at(2)).await.expect("records");
    let mut seen = Vec::new();
    for (now, limit, rows) in
        [(70, 9, 0), (75, 4, 4), (75, 4, 1), (75, 4, 0), (80, 9, 5), (200, 9, 9), (200, 99, 11)]
    {
        let claim = ClaimTerms { until: at(1000), ..terms(limit, at(now)) };
        let taken =
            place.store.take_due(tenant.project, OPEN, claim, 9, at(now)).await.expect("takes");
        assert_eq!(
            (taken.rows, taken.deliveries.len(), taken.expired),
            (rows, rows, 0),
            "at {now}"
        );
        seen.extend([sorted(taken.deliveries.into_iter().map(|one| one.id).collect())]);
    }
    let (mut wanted, mut rest) = (Vec::new(), done.claimed.iter().rev().copied());
    for part in &seen {
        wanted.push(sorted(rest.by_ref().take(part.len()).collect()));
    }
    assert_eq!(seen, wanted);
}

async fn an_expired_claim_is_split_where_the_room_ends(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let (_, done) = ring(&place.store, &tenant, 50, terms(50, start())).await;
    let mut seen = Vec::new();
    for size in [20, 20, 10, 0] {
        let taken = place
            .store
            .take_due(tenant.project, OPEN, terms(20, at(30)), 9, at(30))
            .await
            .expect("takes");
        assert_eq!((taken.deliveries.len(), taken.expired, taken.rows), (size, size, size));
        assert!(taken.deliveries.iter().all(|one| one.number == 2));
        seen.extend(taken.deliveries.into_iter().map(|one| one.id));
    }
    assert_eq!(sorted(seen), sorted(done.claimed));
}

async fn many_expired_claims_do_not_overrun_the_room(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    for _ in 0..10 {
        ring(&place.store, &tenant, 30, terms(30, start())).await;
    }
    let mut seen = HashSet::new();
    while seen.len() < 300 {
        let taken = place
            .store
            .take_due(tenant.project, OPEN, terms(64, at(30)), 9, at(30))
            .await
            .expect("takes");
        let count = taken.deliveries.len();
        assert!(
            (1..=64).contains(&count) && taken.rows == count,
            "{count}, and {} rows",
            taken.rows
        );
        seen.extend(taken.deliveries.into_iter().map(|one| one.id));
    }
    let none = place
        .store
        .take_due(tenant.project, OPEN, terms(64, at(30)), 9, at(30))
        .await
        .expect("takes");
    assert_eq!(none.rows, 0);
}

/// A worker that dies with part of its claim settled leaves both: the claim, and the retries that it noted.
async fn a_retry_that_an_expired_claim_names_too_loses_no_attempt(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let claim = terms(9, start());
    let (_, done) = ring(&place.store, &tenant, 2, claim).await;
    let (settled, lost) = (done.claimed[0], done.claimed[1]);
    let held = Held { project: tenant.project, id: settled, token: claim.token };
    let settled = vec![held.settled(1, Outcome::Transient, Next::Retry(at(5)), 1)];
    let work = Worked { settled, ..Worked::default() };
    place.store.record_attempts(Arc::new(work), at(2)).await.expect("records");
    let taken = place
        .store
        .take_due(tenant.project, OPEN, terms(9, at(60)), 2, at(60))
        .await
        .expect("takes");
    assert_eq!((taken.expired, taken.deliveries.len()), (1, 2));
    assert!(taken.deliveries.iter().all(|one| one.number == 2), "each made one attempt");
    assert_eq!(place.raw.count("deliveries WHERE outcome = 'transient'").await, 1);
    let lost = format!("deliveries WHERE outcome = 'unknown' AND id = {}", place.raw.id(lost.0));
    assert_eq!(place.raw.count(&lost).await, 1);
    assert_eq!(place.raw.count("attempts").await, 0);
}

async fn paused_queues_keep_what_is_theirs(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    ring(&place.store, &tenant, 4, terms(2, start())).await;
    let every = Duration::from_secs(60);
    place
        .store
        .ensure_schedule(tenant.project, Task::Audit, every, start())
        .await
        .expect("a schedule");
    let schedule = place.store.due_schedules(start()).await.expect("answers").remove(0);
    place.store.tick(schedule, start(), at(10), false).await.expect("ticks").expect("a job");
    let take = async |deliveries: bool, ticks: bool| {
        let open = Open { deliveries, ticks };
        let taken = place
            .store
            .take_due(tenant.project, open, terms(99, at(90)), 9, at(90))
            .await
            .expect("takes");
        (taken.deliveries.len(), taken.expired, taken.ticks.len())
    };
    assert_eq!(take(false, false).await, (0, 0, 0));
    assert_eq!(take(false, true).await, (0, 0, 1));
    assert_eq!(take(true, false).await, (4, 2, 0));
    assert_eq!(take(true, true).await, (0, 0, 0));
}

async fn two_loops_at_once_never_take_the_same(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    // Some wait, some were lost with their holder.
    let (_, done) = ring(&place.store, &tenant, 300, terms(100, start())).await;
    let (mut loops, taken) = (Vec::new(), Arc::new(AtomicUsize::new(0)));
    let deadline = Instant::now() + Duration::from_secs(30);
    for _ in 0..4 {
        let (store, count) = (place.store.clone(), Arc::clone(&taken));
        loops.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            // One may find nothing because another is just taking it.
            while count.load(Ordering::Relaxed) < 300 && Instant::now() < deadline {
                let taken = store.take_due(tenant.project, OPEN, terms(7, at(30)), 9, at(30)).await;
                let taken = taken.expect("takes").deliveries;
                count.fetch_add(taken.len(), Ordering::Relaxed);
                mine.extend(taken.into_iter().map(|one| one.id));
            }
            mine
        }));
    }
    let mut all = Vec::new();
    for one in loops {
        all.extend(one.await.expect("no panic"));
    }
    let wanted = done.decision.deliveries.iter().map(|one| one.id).collect();
    assert_eq!(sorted(all), sorted(wanted));
    assert_eq!(place.raw.count("attempts").await, 0);
    assert_eq!(place.raw.count("deliveries WHERE outcome = 'unknown'").await, 100);
}

async fn projects_with_due_are_each_named_once(which: Stores) {
    let place = open(which).await;
    assert_eq!(place.store.projects_with_due(at(1000)).await.expect("answers"), []);
    assert_eq!(place.store.next_due().await.expect("answers"), None);
    let mut wanted = Vec::new();
    for number in 0..12 {
        let tenant = tenant(&place.store, &format!("project{number}"), 1, None).await;
        match number % 3 {
            0 => wanted
                .push((tenant.project, ring(&place.store, &tenant, 5, terms(0, start())).await)),
            1 => drop(ring(&place.store, &tenant, 5, terms(5, at(100))).await),
            _ => {}
        }
    }
    let mut wanted: Vec<_> = wanted.into_iter().map(|(project, _)| project).collect();
    wanted.sort_unstable();
    assert_eq!(place.store.projects_with_due(at(9)).await.expect("answers"), []);
    assert_eq!(place.store.projects_with_due(at(10)).await.expect("answers"), wanted);
    assert_eq!(place.store.projects_with_due(at(125)).await.expect("answers").len(), 8);
    assert_eq!(place.store.next_due().await.expect("answers"), Some(at(10)));
}
