//! Events: kept as they came, in batches of any size, with or without their jobs.

use std::sync::Arc;

use bellbuoy_harness::{Stores, on_every_store};
use domain::event::{Event, EventStatus};
use domain::event_filter::EventFilter;
use domain::id::{EventId, JobId, KeyId, ProjectId};
use domain::job::{NewJob, QueueName};
use queue::sql::SqlQueue;
use queue::{Depth, Queue};
use serde_json::value::RawValue;
use std::time::Duration;
use store::StoreError;
use store::events::{Incoming, MakeJobs, Taken};

use crate::support::{at, event, incoming, keep, open, project, start};

on_every_store! {
    events_are_kept_as_they_came
    events_come_in_batches_of_any_size
    events_of_many_projects_share_a_commit
    events_commit_with_their_jobs
    events_that_are_refused_leave_nothing
    events_are_listed_newest_first_in_pages
    events_are_found_by_type_source_subject_and_time
    events_of_another_project_are_not_found
}

const LEASE: Duration = Duration::from_secs(60);

fn batch(project: ProjectId, events: &[Event]) -> Arc<Vec<Incoming>> {
    Arc::new(events.iter().map(|event| incoming(project, event)).collect())
}

fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

async fn events_are_kept_as_they_came(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let large = format!(r#"{{"text":"{}"}}"#, "ä€🚨x".repeat(256 * 1024 / 10));
    let payloads = [
        "{}",
        r#"{"b":1,"a":2,"b":3}"#,
        "{ \"spaces\" :\t[ 1.0,1e2 , 12345678901234567890.123 ]\r\n}",
        r#"{"escapes":"\u00e9\/\ud83d\ude00\\","ünïcode 名":"é"}"#,
        &large,
    ];
    let mut events: Vec<Event> =
        payloads.iter().map(|payload| event("a.b", payload, start())).collect();
    let full = &mut events[0];
    full.source = "Straße 5 ".to_owned();
    full.subject = Some("ß".repeat(256));
    full.occurred_at =
        Some(domain::time::Time::parse("1999-12-31T23:59:59.123456Z").expect("a time"));
    full.idempotency_key = Some("key ".to_owned());
    full.correlation_id = Some("c".repeat(200));
    full.replay_of = Some(EventId::fresh(start()));
    full.key_id = Some(KeyId::fresh(start()));
    keep(&place.store, project, &events).await;
    let mut kept = place.store.events(project, &ids(&events)).await.expect("reads");
    kept.sort_by_key(|event| event.id);
    assert_eq!(kept.len(), events.len());
    for (kept, sent) in kept.iter().zip(&events) {
        assert_eq!(kept.payload.get(), sent.payload.get(), "byte for byte");
        let same = |event: &Event| {
            let payload = RawValue::from_string("0".to_owned()).expect("json");
            format!("{:?}", Event { payload, ..event.clone() })
        };
        assert_eq!(same(kept), same(sent));
    }
}

async fn events_come_in_batches_of_any_size(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    for size in [0, 1, 7, 8, 63, 64, 65, 255, 256, 257, 1000] {
        let events: Vec<Event> =
            (0..size).map(|n| event("a", &format!(r#"{{"n":{n}}}"#), start())).collect();
        let taken = place.store.accept_events(batch(project, &events), None, start()).await;
        assert_eq!(taken.expect("keeps"), vec![Taken::New; size]);
        let mut kept = place.store.events(project, &ids(&events)).await.expect("reads");
        kept.sort_by_key(|event| event.id);
        assert!(
            kept.iter().map(|one| one.payload.get()).eq(events.iter().map(|one| one.payload.get())),
            "{size}"
        );
    }
    assert_eq!(place.raw.count("events").await, 1976);
}

async fn events_of_many_projects_share_a_commit(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let events: Vec<Event> = (0..20).map(|_| event("a", "{}", start())).collect();
    let whose = |at: usize| if at.is_multiple_of(3) { one } else { other };
    let of = |(at, event): (usize, &Event)| incoming(whose(at), event);
    let mixed = Arc::new(events.iter().enumerate().map(of).collect());
    let taken = place.store.accept_events(mixed, None, start()).await.expect("keeps");
    assert_eq!(taken, [Taken::New; 20]);
    assert_eq!(place.store.events(one, &ids(&events)).await.expect("reads").len(), 7);
    assert_eq!(place.store.events(other, &ids(&events)).await.expect("reads").len(), 13);
}

fn one_job_per_event() -> MakeJobs {
    Arc::new(|project, events| {
        let job = |one: &&Incoming| NewJob {
            id: JobId::fresh(start()),
            project,
            queue: QueueName::Events,
            body: one.event.id.to_string().into_bytes(),
        };
        events.iter().map(job).collect()
    })
}

async fn events_commit_with_their_jobs(which: Stores) {
    let place = open(which).await;
    let queue = SqlQueue::new(place.store.clone(), LEASE);
    let project = project(&place.store, "acme").await;
    let mut wakeups = queue.wakeups(QueueName::Events);
    wakeups.mark_unchanged();
    let events: Vec<Event> = (0..300).map(|_| event("a", "{}", start())).collect();
    let nudge = Some(one_job_per_event());
    place.store.accept_events(batch(project, &events), nudge, start()).await.expect("keeps");
    assert!(wakeups.has_changed().expect("open"), "workers are told");
    let batch = queue.reserve(QueueName::Events, 1000).await.expect("reserves").expect("jobs");
    let named = batch.jobs.iter().map(|job| String::from_utf8_lossy(&job.body).into_owned());
    assert!(named.eq(events.iter().map(|event| event.id.to_string())), "in order");
}

async fn events_that_are_refused_leave_nothing(which: Stores) {
    let place = open(which).await;
    let queue = SqlQueue::new(place.store.clone(), LEASE);
    let project = project(&place.store, "acme").await;
    let mut events: Vec<Event> = (0..5).map(|_| event("a", "{}", start())).collect();
    events.push(events[2].clone());
    let nudge = Some(one_job_per_event());
    let refused = place.store.accept_events(batch(project, &events), nudge, start()).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(place.raw.count("events").await, 0);
    assert_eq!(queue.depth(QueueName::Events).await.expect("counts"), Depth::default());
}

async fn events_are_listed_newest_first_in_pages(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let events: Vec<Event> = (0..25).map(|n| event("a", "{}", at(n / 5))).collect();
    keep(&place.store, project, &events).await;
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = place
            .store
            .list_events(project, EventFilter::default(), before, 10)
            .await
            .expect("a page");
        assert!(page.len() <= 10);
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(ids(&page));
    }
    seen.reverse();
    assert_eq!(seen, ids(&events));
}

async fn events_are_found_by_type_source_subject_and_time(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let of = |n: u64| {
        let kind = if n.is_multiple_of(2) { "payment" } else { "Payment" };
        let source = if n.is_multiple_of(3) { "till" } else { "till " };
        let subject = n.is_multiple_of(4).then(|| format!("till {n}"));
        Event { source: source.to_owned(), subject, ..event(kind, "{}", at(n)) }
    };
    let events: Vec<Event> = (0..12).map(of).collect();
    keep(&place.store, project, &events).await;
    let found = async |filter: EventFilter| {
        let page = place.store.list_events(project, filter, None, 100).await.expect("a page");
        let place_of =
            |event: Event| events.iter().position(|one| one.id == event.id).expect("one of them");
        page.into_iter().rev().map(place_of).collect::<Vec<_>>()
    };
    let all = EventFilter::default;
    assert_eq!(
        found(EventFilter { kind: Some("payment".into()), ..all() }).await,
        [0, 2, 4, 6, 8, 10]
    );
    assert_eq!(found(EventFilter { source: Some("till".into()), ..all() }).await, [0, 3, 6, 9]);
    assert_eq!(found(EventFilter { source: Some(String::new()), ..all() }).await, [0; 0]);
    assert_eq!(found(EventFilter { subject: Some("till 4".into()), ..all() }).await, [4]);
    assert_eq!(found(EventFilter { subject: Some(String::new()), ..all() }).await, [0; 0]);
    assert_eq!(found(EventFilter { from: Some(at(3)), to: Some(at(6)), ..all() }).await, [3, 4, 5]);
    assert_eq!(found(EventFilter { from: Some(at(11)), ..all() }).await, [11]);
    assert_eq!(found(EventFilter { to: Some(at(1)), ..all() }).await, [0]);
    let every = EventFilter {
        kind: Some("payment".into()),
        source: Some("till".into()),
        subject: None,
        from: Some(at(1)),
        ..all()
    };
    assert_eq!(found(every.clone()).await, [6]);
    let status = |status| EventFilter { status: Some(status), ..all() };
    assert_eq!(found(status(EventStatus::Accepted)).await.len(), 12);
    assert_eq!(found(status(EventStatus::Processed)).await, [0; 0]);
    let count = async |filter| place.store.count_events(project, filter).await.expect("a count");
    assert_eq!((count(all()).await, count(every.clone()).await), (12, 1));
    // In the order of their receipt, from behind any of them.
    let mut after = None;
    let mut seen = Vec::new();
    loop {
        let page = place.store.events_in_order(project, all(), after, 5).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|event| event.id));
    }
    assert_eq!(seen, ids(&events));
    // What nobody evaluated is not deleted.
    assert_eq!(place.store.delete_events(project, &ids(&events)).await.expect("deletes"), 0);
    assert_eq!(count(all()).await, 12);
}

async fn events_of_another_project_are_not_found(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let events = [event("a", "{}", start())];
    keep(&place.store, one, &events).await;
    assert!(place.store.events(other, &ids(&events)).await.expect("reads").is_empty());
    assert!(
        place
            .store
            .list_events(other, EventFilter::default(), None, 9)
            .await
            .expect("reads")
            .is_empty()
    );
    assert!(place.store.event_states(other, &ids(&events)).await.expect("reads").is_empty());
    let trace = place.store.trace(other, events[0].id).await;
    assert!(matches!(trace, Err(StoreError::NotFound(_))), "{trace:?}");
    let state = place.store.event_state(other, events[0].id).await;
    assert!(matches!(state, Err(StoreError::NotFound(_))), "{state:?}");
}
