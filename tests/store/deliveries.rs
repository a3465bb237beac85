//! Deliveries that wait: claimed by one, told what they say, and unknown when their holder is gone.

use std::collections::BTreeMap;

use bellbuoy_harness::{Stores, on_every_store};
use domain::delivery::DeliveryState;
use domain::event::Event;
use domain::id::DeliveryId;
use domain::rule::Priority;
use store::deliveries::{Claimed, Content, NotificationContent};

use crate::settled::OPEN;
use crate::support::{
    at, deliveries, delivery, keep, open, payment, ring, sorted, start, tenant, terms,
};

on_every_store! {
    a_job_claims_what_waits_and_nothing_else
    a_claimed_delivery_knows_what_it_says
    a_delivery_whose_event_is_gone_still_says_what_it_can
    a_delivery_that_this_build_can_not_read_waits_for_another
    concurrent_claims_never_share_a_delivery
    an_expired_claim_is_an_attempt_whose_outcome_nobody_knows
    a_delivery_without_attempts_left_stays_unknown
    a_claim_with_some_attempts_left_and_some_spent_is_told_apart
}

async fn a_job_claims_what_waits_and_nothing_else(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let one = tenant(store, "one", 1, None).await;
    let other = tenant(store, "other", 1, None).await;
    let (_, done) = ring(store, &one, 10, terms(3, start())).await;
    let ids: Vec<DeliveryId> = done.decision.deliveries.iter().map(|one| one.id).collect();
    let claim = terms(0, at(1));
    let stolen = store.claim_deliveries(other.project, &ids, claim, at(1)).await.expect("answers");
    assert!(stolen.is_empty(), "another project's");
    let mut asked = ids[..8].to_vec();
    asked.push(DeliveryId::fresh(start()));
    let mine = store.claim_deliveries(one.project, &asked, claim, at(1)).await.expect("claims");
    assert_eq!(sorted(mine.iter().map(|one| one.id).collect()), sorted(ids[3..8].to_vec()));
    for held in &mine {
        assert_eq!((held.token, held.until, held.number), (claim.token, claim.until, 1));
        assert_eq!(held.project, one.project);
    }
    assert_eq!(place.raw.count("due WHERE kind = 3").await, 2, "only what still waits");
    assert_eq!(place.raw.count("due WHERE kind = 1").await, 2, "two claims");
    let again =
        store.claim_deliveries(one.project, &asked, terms(0, at(2)), at(2)).await.expect("answers");
    assert!(again.is_empty());
    assert_eq!(place.raw.count("due WHERE kind = 1").await, 2, "nothing claimed, no claim");
    assert!(
        store.claim_deliveries(one.project, &[], claim, at(2)).await.expect("answers").is_empty()
    );
}

async fn a_claimed_delivery_knows_what_it_says(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 2, None).await;
    let (events, done) = ring(&place.store, &tenant, 1, terms(0, start())).await;
    let ids: Vec<DeliveryId> = done.decision.deliveries.iter().map(|one| one.id).collect();
    let mine = place
        .store
        .claim_deliveries(tenant.project, &ids, terms(0, at(1)), at(1))
        .await
        .expect("claims");
    assert_eq!(mine.len(), 2);
    let made = &done.decision.notifications[0];
    for held in &mine {
        let content = notification(held);
        assert_eq!((content.notification, content.round), (made.id, 1));
        assert_eq!(
            (content.title.as_str(), content.body.as_str()),
            ("Payments", "Payments happened")
        );
        assert_eq!((content.priority, content.alert), (Priority::High, Some(made.alert)));
        assert_eq!((content.rule, content.created_at), (Some((tenant.rule.id, 1)), start()));
        let event = content.event.as_ref().expect("kept");
        assert_eq!((event.id, event.kind.as_str()), (events[0].id, "payment"));
        assert_eq!((event.received_at, event.payload.get()), (start(), events[0].payload.get()));
    }
    let targets: BTreeMap<_, _> =
        done.decision.deliveries.iter().map(|one| (one.id, one.target)).collect();
    assert!(mine.iter().all(|held| targets[&held.id] == held.target));
}

async fn a_delivery_whose_event_is_gone_still_says_what_it_can(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let (_, done) = ring(&place.store, &tenant, 1, terms(0, start())).await;
    place.raw.run("DELETE FROM events").await.expect("deletes");
    let ids = [done.decision.deliveries[0].id];
    let mine = place
        .store
        .claim_deliveries(tenant.project, &ids, terms(0, at(1)), at(1))
        .await
        .expect("claims");
    let content = notification(&mine[0]);
    assert!(content.event.is_none());
    assert_eq!(content.title, "Payments");
}

fn notification(held: &Claimed) -> &NotificationContent {
    match &held.content {
        Content::Notification(content) => content,
        Content::Mail(mail) => panic!("an account mail: {mail:?}"),
    }
}

async fn a_delivery_that_this_build_can_not_read_waits_for_another(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 2, None).await;
    let (_, done) = ring(&place.store, &tenant, 1, terms(0, start())).await;
    let ids: Vec<DeliveryId> = done.decision.deliveries.iter().map(|one| one.id).collect();
    place.raw.run("UPDATE deliveries SET channel = 99 WHERE target = (SELECT id FROM webhook_endpoints ORDER BY id LIMIT 1)").await.expect("a newer build's");
    let claim = terms(0, at(1));
    let mine = place.store.claim_deliveries(tenant.project, &ids, claim, at(1)).await;
    assert_eq!(mine.expect("claims").len(), 1, "its neighbour is claimed all the same");
    assert_eq!(
        place.raw.count("deliveries WHERE channel = 99 AND state = 5 AND attempts = 0").await,
        1
    );
    assert_eq!(place.raw.count("due WHERE kind = 2").await, 1, "it comes again");
}

async fn concurrent_claims_never_share_a_delivery(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let (_, done) = ring(&place.store, &tenant, 200, terms(0, start())).await;
    let ids: Vec<DeliveryId> = done.decision.deliveries.iter().map(|one| one.id).collect();
    let mut workers = Vec::new();
    for worker in 0..8 {
        let (store, mut ids) = (place.store.clone(), ids.clone());
        ids.rotate_left(worker * 25);
        workers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            for chunk in ids.chunks(10) {
                // Half of them come from a job, half from the due loop.
                let claim = terms(10, at(10));
                let held = if worker % 2 == 0 {
                    store
                        .claim_deliveries(tenant.project, chunk, claim, at(10))
                        .await
                        .expect("claims")
                } else {
                    store
                        .take_due(tenant.project, OPEN, claim, 9, at(10))
                        .await
                        .expect("takes")
                        .deliveries
                };
                mine.extend(held.into_iter().map(|one| one.id));
            }
            mine
        }));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.expect("no panic"));
    }
    assert_eq!(sorted(all), sorted(ids));
    assert_eq!(place.raw.count("due WHERE kind = 3").await, 0);
}

async fn an_expired_claim_is_an_attempt_whose_outcome_nobody_knows(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let first = terms(9, start());
    let (events, done) = ring(&place.store, &tenant, 1, first).await;
    let early = place
        .store
        .take_due(tenant.project, OPEN, terms(9, at(24)), 3, at(24))
        .await
        .expect("takes");
    assert_eq!((early.rows, early.expired), (0, 0));
    let mut tokens = vec![first.token];
    for number in 1..=2 {
        let now = at(25 * number);
        let claim = terms(9, now);
        let taken = place.store.take_due(tenant.project, OPEN, claim, 3, now).await.expect("takes");
        assert_eq!((taken.rows, taken.expired, taken.deliveries.len()), (1, 1, 1));
        let held = &taken.deliveries[0];
        assert_eq!((held.id, held.token), (done.claimed[0], claim.token));
        assert_eq!((held.number, held.until), (number as i64 + 1, at(25 * number + 25)));
        tokens.push(held.token);
        let stands = delivery(&place.store, tenant.project, &events[0]).await;
        assert_eq!(
            (stands.state, stands.attempts.len()),
            (DeliveryState::Claimed, number as usize)
        );
        assert!(stands.attempts.iter().all(|one| one.outcome == "unknown" && one.detail.is_some()));
    }
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 3, "every claim has a token of its own");
}

async fn a_delivery_without_attempts_left_stays_unknown(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let (events, _) = ring(&place.store, &tenant, 1, terms(9, start())).await;
    for (round, left) in [(1, 1), (2, 0)] {
        let now = at(25 * round);
        let taken =
            place.store.take_due(tenant.project, OPEN, terms(9, now), 2, now).await.expect("takes");
        assert_eq!((taken.expired, taken.deliveries.len()), (1, left));
    }
    let stands = delivery(&place.store, tenant.project, &events[0]).await;
    assert_eq!((stands.state, stands.next_attempt_at), (DeliveryState::Unknown, None));
    assert_eq!(stands.attempts.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(place.raw.count("deliveries WHERE claim_token IS NOT NULL").await, 0);
    assert_eq!(place.store.next_due().await.expect("answers"), None, "nothing waits for it");
    assert!(place.store.is_idle(at(100_000)).await.expect("answers"));
}

async fn a_claim_with_some_attempts_left_and_some_spent_is_told_apart(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let (events, _) = ring(&place.store, &tenant, 3, terms(2, start())).await;
    // The third waited, was taken at 10 and has its first attempt; the others have lost theirs.
    place.store.take_due(tenant.project, OPEN, terms(9, at(10)), 2, at(10)).await.expect("takes");
    place.store.take_due(tenant.project, OPEN, terms(9, at(25)), 2, at(25)).await.expect("takes");
    let taken = place
        .store
        .take_due(tenant.project, OPEN, terms(9, at(60)), 2, at(60))
        .await
        .expect("takes");
    assert_eq!((taken.expired, taken.rows, taken.deliveries.len()), (3, 3, 1));
    assert_eq!(taken.deliveries[0].number, 2);
    let mut states = Vec::new();
    for event in &events {
        states.push(delivery(&place.store, tenant.project, event).await.state);
    }
    assert_eq!(states, [DeliveryState::Unknown, DeliveryState::Unknown, DeliveryState::Claimed]);
    let more: Vec<Event> = vec![payment(7)];
    keep(&place.store, tenant.project, &more).await;
    assert!(
        deliveries(&place.store, tenant.project, &more[0]).await.is_empty(),
        "not evaluated yet"
    );
}
