//! Attempts: every outcome is recorded once, under the claim that it was made under.

use std::sync::Arc;
use std::time::Duration;

use bellbuoy_harness::{Stores, on_every_store};
use domain::delivery::{Attempt, DeliveryState, Next, Outcome};
use domain::event::Event;
use domain::id::{DeliveryId, ProjectId};
use domain::reason::Reason;
use store::deliveries::{Settled, Snoozed, Worked};
use store::due::Open;
use uuid::Uuid;

use crate::support::{Place, at, delivery, open, ring, start, tenant, terms};

on_every_store! {
    every_outcome_has_its_state
    the_first_attempt_stands_in_the_row_and_later_ones_follow
    a_result_under_an_old_claim_is_ignored
    a_late_success_tells_what_nobody_knew
    a_delivery_that_was_not_tried_has_made_no_attempt
    a_closed_claim_leaves_no_due_row
    results_of_many_projects_and_sizes_share_a_commit
}

pub const OPEN: Open = Open { deliveries: true, ticks: true };

pub fn attempt(outcome: Outcome, seconds: u64) -> Attempt {
    Attempt {
        outcome,
        status_code: Some(207),
        detail: Some(format!("said at {seconds}")),
        reason: None,
        retry_after: None,
        started_at: at(seconds),
        took: Duration::from_millis(1234),
    }
}

pub struct Held {
    pub project: ProjectId,
    pub id: DeliveryId,
    pub token: Uuid,
}

impl Held {
    pub fn settled(&self, number: i64, outcome: Outcome, next: Next, seconds: u64) -> Settled {
        let attempt = attempt(outcome, seconds);
        Settled {
            project: self.project,
            id: self.id,
            token: self.token,
            mail: None,
            number,
            attempt,
            next,
        }
    }
}

async fn record(place: &Place, settled: Vec<Settled>, seconds: u64) {
    let work = Worked { settled, ..Worked::default() };
    place.store.record_attempts(Arc::new(work), at(seconds)).await.expect("records");
}

/// Rings once and claims it; answers the event and what is held.
async fn held(place: &Place, slug: &str) -> (Event, Held) {
    let tenant = tenant(&place.store, slug, 1, None).await;
    let claim = terms(9, start());
    let (mut events, done) = ring(&place.store, &tenant, 1, claim).await;
    (events.remove(0), Held { project: tenant.project, id: done.claimed[0], token: claim.token })
}

async fn every_outcome_has_its_state(which: Stores) {
    let place = open(which).await;
    let cases = [
        (Outcome::Delivered, Next::Delivered, DeliveryState::Delivered, None),
        (Outcome::Transient, Next::Retry(at(60)), DeliveryState::Retrying, Some(at(60))),
        (Outcome::Throttled, Next::Retry(at(90)), DeliveryState::Retrying, Some(at(90))),
        (Outcome::Unknown, Next::Retry(at(99)), DeliveryState::Retrying, Some(at(99))),
        (Outcome::Permanent, Next::Dead(Reason::TargetGone), DeliveryState::Dead, None),
        (Outcome::Transient, Next::Dead(Reason::AttemptsSpent), DeliveryState::Dead, None),
    ];
    for (number, (outcome, next, state, again)) in cases.into_iter().enumerate() {
        let (event, held) = held(&place, &format!("project{number}")).await;
        record(&place, vec![held.settled(1, outcome, next, 2)], 3).await;
        let stands = delivery(&place.store, held.project, &event).await;
        assert_eq!((stands.state, stands.next_attempt_at), (state, again), "{outcome}");
        let reason = if let Next::Dead(reason) = next { Some(reason) } else { None };
        assert_eq!(stands.reason, reason);
        let told = &stands.attempts[..];
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].number, told[0].outcome.as_str()), (1, outcome.as_str()));
        assert_eq!(
            (told[0].status_code, told[0].detail.as_deref()),
            (Some(207), Some("said at 2"))
        );
        assert_eq!((told[0].started_at, told[0].took_ms), (at(2), 1234));
        assert_eq!(place.raw.count("deliveries WHERE claim_token IS NOT NULL").await, 0);
    }
    assert_eq!(place.raw.count("attempts").await, 0);
}

async fn the_first_attempt_stands_in_the_row_and_later_ones_follow(which: Stores) {
    let place = open(which).await;
    let (event, mut held) = held(&place, "acme").await;
    for number in 1..=3 {
        let (now, retry) = (100 * number, Next::Retry(at(100 * number + 50)));
        record(&place, vec![held.settled(number as i64, Outcome::Transient, retry, now)], now + 1)
            .await;
        let claim = terms(9, at(now + 50));
        let taken =
            place.store.take_due(held.project, OPEN, claim, 9, at(now + 50)).await.expect("takes");
        assert_eq!(taken.deliveries.len(), 1);
        assert_eq!(
            (taken.deliveries[0].number, taken.deliveries[0].token),
            (number as i64 + 1, claim.token)
        );
        assert_eq!(taken.expired, 0, "the claim was never closed, but nothing is held under it");
        held.token = claim.token;
    }
    record(&place, vec![held.settled(4, Outcome::Delivered, Next::Delivered, 400)], 401).await;
    let stands = delivery(&place.store, held.project, &event).await;
    assert_eq!(stands.state, DeliveryState::Delivered);
    let told: Vec<_> = stands
        .attempts
        .iter()
        .map(|one| (one.number, one.outcome.as_str(), one.started_at))
        .collect();
    let failed = |number: u64| (number as i64, "transient", at(100 * number));
    assert_eq!(told, [failed(1), failed(2), failed(3), (4, "delivered", at(400))]);
    assert_eq!(place.raw.count("attempts").await, 3);
    assert_eq!(place.raw.count("due WHERE kind <> 1").await, 0);
}

async fn a_result_under_an_old_claim_is_ignored(which: Stores) {
    let place = open(which).await;
    let (event, held) = held(&place, "acme").await;
    let claim = terms(9, at(30));
    let taken = place.store.take_due(held.project, OPEN, claim, 9, at(30)).await.expect("takes");
    assert_eq!((taken.deliveries[0].number, taken.expired), (2, 1));
    let late = [
        held.settled(1, Outcome::Delivered, Next::Delivered, 31),
        held.settled(1, Outcome::Permanent, Next::Dead(Reason::Refused), 31),
        held.settled(1, Outcome::Transient, Next::Retry(at(99)), 31),
        held.settled(2, Outcome::Transient, Next::Retry(at(99)), 31),
        Held { token: Uuid::nil(), ..held }.settled(
            2,
            Outcome::Permanent,
            Next::Dead(Reason::Refused),
            31,
        ),
    ];
    for late in late {
        record(&place, vec![late], 31).await;
    }
    let stands = delivery(&place.store, taken.deliveries[0].project, &event).await;
    assert_eq!(
        (stands.state, stands.next_attempt_at),
        (DeliveryState::Claimed, None),
        "the new holder decides"
    );
    assert_eq!(stands.attempts.len(), 1);
    assert_eq!(stands.attempts[0].outcome, "unknown");
    let mine = Held {
        project: taken.deliveries[0].project,
        id: taken.deliveries[0].id,
        token: claim.token,
    };
    record(&place, vec![mine.settled(2, Outcome::Delivered, Next::Delivered, 33)], 34).await;
    // What was settled is settled.
    record(&place, vec![mine.settled(2, Outcome::Permanent, Next::Dead(Reason::Refused), 35)], 35)
        .await;
    let stands = delivery(&place.store, mine.project, &event).await;
    assert_eq!((stands.state, stands.attempts.len()), (DeliveryState::Delivered, 2));
}

async fn a_late_success_tells_what_nobody_knew(which: Stores) {
    let place = open(which).await;
    let (event, held) = held(&place, "acme").await;
    let taken =
        place.store.take_due(held.project, OPEN, terms(9, at(30)), 1, at(30)).await.expect("takes");
    assert_eq!((taken.deliveries.len(), taken.expired), (0, 1));
    let stands = delivery(&place.store, held.project, &event).await;
    assert_eq!(stands.state, DeliveryState::Unknown);
    record(&place, vec![held.settled(1, Outcome::Transient, Next::Retry(at(60)), 31)], 31).await;
    record(&place, vec![held.settled(1, Outcome::Permanent, Next::Dead(Reason::Refused), 31)], 31)
        .await;
    let stands = delivery(&place.store, held.project, &event).await;
    assert_eq!(
        (stands.state, stands.next_attempt_at),
        (DeliveryState::Unknown, None),
        "a failure tells nothing"
    );
    let stranger =
        Held { project: tenant(&place.store, "stranger", 0, None).await.project, ..held };
    record(&place, vec![stranger.settled(1, Outcome::Delivered, Next::Delivered, 31)], 32).await;
    assert_eq!(delivery(&place.store, held.project, &event).await.state, DeliveryState::Unknown);
    record(&place, vec![held.settled(1, Outcome::Delivered, Next::Delivered, 31)], 32).await;
    assert_eq!(delivery(&place.store, held.project, &event).await.state, DeliveryState::Delivered);
}

async fn a_delivery_that_was_not_tried_has_made_no_attempt(which: Stores) {
    let place = open(which).await;
    let (event, held) = held(&place, "acme").await;
    let snooze = async |token: Uuid, seconds: u64| {
        let snoozed =
            vec![Snoozed { project: held.project, id: held.id, token, until: at(seconds) }];
        let work = Worked { snoozed, closed: vec![(held.project, token)], ..Worked::default() };
        place.store.record_attempts(Arc::new(work), start()).await.expect("records");
    };
    snooze(Uuid::nil(), 5).await;
    assert_eq!(delivery(&place.store, held.project, &event).await.state, DeliveryState::Claimed);
    snooze(held.token, 40).await;
    let stands = delivery(&place.store, held.project, &event).await;
    assert_eq!((stands.state, stands.next_attempt_at), (DeliveryState::Retrying, Some(at(40))));
    assert_eq!(stands.attempts.len(), 0);
    let early =
        place.store.take_due(held.project, OPEN, terms(9, at(39)), 9, at(39)).await.expect("takes");
    assert_eq!((early.deliveries.len(), early.rows), (0, 0));
    let taken =
        place.store.take_due(held.project, OPEN, terms(9, at(40)), 9, at(40)).await.expect("takes");
    assert_eq!(
        (taken.deliveries[0].number, taken.expired),
        (1, 0),
        "its first attempt is still to come"
    );
}

async fn a_closed_claim_leaves_no_due_row(which: Stores) {
    let place = open(which).await;
    let (_, held) = held(&place, "acme").await;
    assert_eq!(place.store.next_due().await.expect("answers"), Some(at(25)));
    let settled = vec![held.settled(1, Outcome::Delivered, Next::Delivered, 2)];
    let work = Worked { settled, closed: vec![(held.project, held.token)], ..Worked::default() };
    let work = Arc::new(work);
    place.store.record_attempts(Arc::clone(&work), at(3)).await.expect("records");
    assert_eq!(place.store.next_due().await.expect("answers"), None);
    assert!(place.store.is_idle(at(1000)).await.expect("answers"));
    place.store.record_attempts(work, at(4)).await.expect("records nothing more");
}

async fn results_of_many_projects_and_sizes_share_a_commit(which: Stores) {
    let place = open(which).await;
    let (mut settled, mut closed) = (Vec::new(), Vec::new());
    for (slug, count) in [("one", 1), ("two", 70), ("three", 300)] {
        let tenant = tenant(&place.store, slug, 1, None).await;
        let claim = terms(1000, start());
        let (_, done) = ring(&place.store, &tenant, count, claim).await;
        closed.push((tenant.project, claim.token));
        settled.extend(done.claimed.into_iter().enumerate().map(|(at_place, id)| {
            let held = Held { project: tenant.project, id, token: claim.token };
            match at_place % 3 {
                0 => held.settled(1, Outcome::Delivered, Next::Delivered, 1),
                1 => held.settled(1, Outcome::Transient, Next::Retry(at(60)), 1),
                _ => held.settled(1, Outcome::Permanent, Next::Dead(Reason::Refused), 1),
            }
        }));
    }
    let work = Arc::new(Worked { settled, closed, ..Worked::default() });
    place.store.record_attempts(work, at(2)).await.expect("records");
    for (state, count) in [(4, 1 + 24 + 100), (5, 23 + 100), (7, 23 + 100)] {
        assert_eq!(
            place.raw.count(&format!("deliveries WHERE state = {state}")).await,
            count,
            "state {state}"
        );
    }
    assert_eq!(place.raw.count("due").await, 123);
}
