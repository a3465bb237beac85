//! Traces: from the records alone, why something rang or did not.

use std::sync::Arc;

use bellbuoy_harness::{Stores, on_every_store};
use domain::delivery::{Channel, DeliveryState, Next, Outcome};
use domain::evaluation::{EvaluationStatus, MatchOutcome};
use domain::event::Event;
use domain::id::KeyId;
use domain::key::{ApiKey, PlainKey, Scope};
use domain::reason::Reason;
use domain::rule::Suppression;
use store::deliveries::Worked;

use crate::settled::Held;
use crate::support::{
    at, done, evaluating, event, keep, open, payment, ring, rule_set, start, tenant, terms,
};

on_every_store! {
    a_trace_tells_everything_that_followed
    a_trace_of_what_was_held_back_says_until_when
    a_trace_of_an_event_that_nobody_looked_at_is_short
    states_are_told_of_many_events_newest_first
}

async fn a_trace_tells_everything_that_followed(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 2, None).await;
    let plain = PlainKey::fresh();
    let key = ApiKey {
        id: KeyId::fresh(start()),
        project: tenant.project,
        name: "the till".to_owned(),
        prefix: plain.prefix.clone(),
        secret_hash: plain.hash(),
        scopes: vec![Scope::EventsWrite],
        expires_at: None,
        revoked_at: None,
    };
    place.store.create_key(tenant.project, &key, None, start()).await.expect("a key");
    let event = Event { key_id: Some(key.id), ..payment(1) };
    keep(&place.store, tenant.project, std::slice::from_ref(&event)).await;
    let (set, claim) = (rule_set(&place.store, tenant.project).await, terms(9, at(1)));
    let batch = evaluating(&set, std::slice::from_ref(&event), claim);
    let decided =
        done(place.store.record_evaluation(tenant.project, batch, at(1)).await.expect("records"));
    let held =
        |at: usize| Held { project: tenant.project, id: decided.claimed[at], token: claim.token };
    let settled = vec![
        held(0).settled(1, Outcome::Delivered, Next::Delivered, 2),
        held(1).settled(1, Outcome::Throttled, Next::Retry(at(77)), 2),
    ];
    let work = Worked { settled, ..Worked::default() };
    place.store.record_attempts(Arc::new(work), at(3)).await.expect("records");

    let trace = place.store.trace(tenant.project, event.id).await.expect("a trace");
    assert_eq!(trace.key_name.as_deref(), Some("the till"));
    assert_eq!(trace.state.event.id, event.id);
    let evaluation = trace.state.evaluation.expect("an evaluation");
    assert_eq!(
        (evaluation.status, evaluation.ruleset, evaluation.at),
        (EvaluationStatus::Processed, set.epoch, at(1))
    );
    assert_eq!((evaluation.looked, evaluation.matched, evaluation.suppressed), (1, 1, 0));
    assert_eq!(trace.rules.len(), 1);
    assert_eq!(trace.matches.len(), 1);
    let told = &trace.matches[0];
    assert_eq!(
        (told.rule, told.rule_version, told.outcome),
        (tenant.rule.id, 1, MatchOutcome::Rang)
    );
    assert_eq!((told.reason, told.until), (None, None));
    assert_eq!(told.alert, Some(decided.decision.notifications[0].alert));
    let notified = told.notification.as_ref().expect("a notification");
    assert_eq!((notified.title.as_str(), notified.created_at), ("Payments", at(1)));
    assert_eq!(
        notified.recipients,
        [(tenant.user, "Night Watch".to_owned(), Some("on_call".to_owned()))]
    );
    assert_eq!(notified.deliveries.len(), 2);
    for delivery in &notified.deliveries {
        assert_eq!((delivery.channel, delivery.reason), (Channel::Webhook, None));
        let (id, name, url) = &delivery.target;
        assert!(name.as_ref().is_some_and(|name| name.starts_with("sink ")));
        assert_eq!(url.as_deref(), Some(format!("http://127.0.0.1/{id}").as_str()));
        let first = delivery.id == decided.claimed[0];
        let (state, next) = if first {
            (DeliveryState::Delivered, None)
        } else {
            (DeliveryState::Retrying, Some(at(77)))
        };
        assert_eq!(
            (delivery.state, delivery.next_attempt_at, delivery.attempts.len()),
            (state, next, 1)
        );
    }
}

async fn a_trace_of_what_was_held_back_says_until_when(which: Stores) {
    let place = open(which).await;
    let window = Some(Suppression::new(1, 60));
    let tenant = tenant(&place.store, "acme", 1, window).await;
    let events = [payment(1), payment(1)];
    keep(&place.store, tenant.project, &events).await;
    let batch = evaluating(&rule_set(&place.store, tenant.project).await, &events, terms(9, at(4)));
    done(place.store.record_evaluation(tenant.project, batch, at(4)).await.expect("records"));
    let rang = place.store.trace(tenant.project, events[0].id).await.expect("a trace").matches;
    let held = place.store.trace(tenant.project, events[1].id).await.expect("a trace").matches;
    assert_eq!((rang[0].outcome, held[0].outcome), (MatchOutcome::Rang, MatchOutcome::Suppressed));
    assert_eq!((held[0].reason, held[0].until), (Some(Reason::WindowFull), Some(at(64))));
    assert_eq!(held[0].alert, rang[0].alert, "it belongs to the same alert");
    assert!(held[0].notification.is_none());
}

async fn a_trace_of_an_event_that_nobody_looked_at_is_short(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let event = Event { key_id: Some(KeyId::fresh(start())), ..payment(1) };
    keep(&place.store, tenant.project, std::slice::from_ref(&event)).await;
    let trace = place.store.trace(tenant.project, event.id).await.expect("a trace");
    assert!(trace.state.evaluation.is_none() && trace.state.attempts.is_none());
    assert!(trace.rules.is_empty() && trace.matches.is_empty());
    assert_eq!(trace.key_name, None, "the key is gone");
}

async fn states_are_told_of_many_events_newest_first(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let (evaluated, _) = ring(&place.store, &tenant, 270, terms(999, start())).await;
    let waiting: Vec<Event> = (0..30).map(|n| event("other", "{}", at(n + 1))).collect();
    keep(&place.store, tenant.project, &waiting).await;
    let mut ids: Vec<_> = evaluated.iter().chain(&waiting).map(|event| event.id).collect();
    ids.push(domain::id::EventId::fresh(start()));
    let states = place.store.event_states(tenant.project, &ids).await.expect("states");
    ids.pop();
    ids.reverse();
    assert!(states.iter().map(|state| state.event.id).eq(ids));
    assert_eq!(states.iter().filter(|state| state.evaluation.is_some()).count(), 270);
    assert!(place.store.event_states(tenant.project, &[]).await.expect("states").is_empty());
}
