//! PostgreSQL's partitions: a table's rows of a month lie together.

use bellbuoy_harness::Stores;
use domain::event::Event;
use domain::id::EventId;
use domain::time::Time;

use crate::settled::OPEN;
use crate::support::{Place, another, at, event, keep, open, project, ring, start, tenant, terms};

const TABLES: i64 = 7;

async fn make(place: &Place, now: Time) -> i64 {
    let made = place.store.make_partitions(now).await.expect("makes");
    i64::try_from(made).expect("a few")
}

fn time(text: &str) -> Time {
    Time::parse(text).expect("a time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_lie_in_the_partition_of_their_month() {
    let place = open(Stores::Postgres).await;
    assert_eq!(make(&place, start()).await, 3 * TABLES);
    assert_eq!(make(&place, start()).await, 0, "they are there");
    let tenant = tenant(&place.store, "acme", 1, None).await;
    ring(&place.store, &tenant, 5, terms(5, start())).await;
    for round in 1..=2 {
        let now = at(30 * round);
        place.store.take_due(tenant.project, OPEN, terms(5, now), 9, now).await.expect("takes");
    }
    for table in ["events", "evaluations", "notifications", "recipients", "deliveries", "attempts"]
    {
        assert_eq!(place.raw.count(&format!("{table}_202603")).await, 5, "{table}");
        assert_eq!(place.raw.count(&format!("{table}_default")).await, 0, "{table}");
    }
    assert_eq!(make(&place, time("2026-04-30T23:59:59Z")).await, TABLES, "one month more");
    assert_eq!(make(&place, start()).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_end_where_they_end() {
    let place = open(Stores::Postgres).await;
    let project = project(&place.store, "acme").await;
    assert_eq!(make(&place, time("2027-11-30T12:00:00Z")).await, 3 * TABLES);
    let times = [
        "2027-10-31T23:59:59.999Z",
        "2027-11-01T00:00:00Z",
        "2027-12-31T23:59:59.999999Z",
        "2028-01-01T00:00:00Z",
    ];
    for text in times {
        let mut one = event("a", "{}", time(text));
        // The smallest id there can be.
        one.id = EventId(domain::id::floor(time(text)));
        keep(&place.store, project, &[one]).await;
    }
    for month in ["default", "202711", "202712", "202801"] {
        assert_eq!(place.raw.count(&format!("events_{month}")).await, 1, "{month}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_make_each_partition_once() {
    let place = open(Stores::Postgres).await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let store = another(&place.ground).await;
        tasks.push(tokio::spawn(
            async move { store.make_partitions(start()).await.expect("makes") },
        ));
    }
    let mut made = 0;
    for task in tasks {
        made += task.await.expect("no panic");
    }
    assert_eq!(made, 3 * TABLES.unsigned_abs());
}

/// Nobody made partitions for a while: the rows came to the default one, which forbids to make theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_in_the_default_partition_stop_nothing() {
    let place = open(Stores::Postgres).await;
    let project = project(&place.store, "acme").await;
    let events: Vec<Event> = (0..3).map(|n| event("a", "{}", at(n))).collect();
    keep(&place.store, project, &events).await;
    assert_eq!(place.raw.count("events_default").await, 3);
    assert_eq!(make(&place, start()).await, 3 * TABLES - 1);
    assert_eq!(make(&place, start()).await, 0);
    keep(
        &place.store,
        project,
        &[event("a", "{}", at(9)), event("a", "{}", time("2026-04-02T00:00:00Z"))],
    )
    .await;
    assert_eq!(place.raw.count("events_default").await, 4);
    assert_eq!(place.raw.count("events_202604").await, 1);
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    assert_eq!(place.store.events(project, &ids).await.expect("reads").len(), 3);
    place.raw.run("DELETE FROM events_default").await.expect("deletes");
    assert_eq!(make(&place, start()).await, 1);
}
