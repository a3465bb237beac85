//! What keeps the store in order: the walk over events, the auditor's questions, a former self.

use std::time::Duration;

use bellbuoy_harness::{Stores, on_every_store};
use domain::event::Event;
use domain::id::{JobId, ProcessId, ProjectId};
use domain::job::{NewJob, QueueName};
use domain::project::ProjectStatus;
use domain::schedule::Task;
use queue::Queue;
use queue::sql::SqlQueue;
use store::maintenance::Findings;
use store::processes::Process;

use crate::settled::OPEN;
use crate::support::{
    at, done, evaluating, event, keep, open, payment, project, ring, rule_set, start, tenant, terms,
};

on_every_store! {
    the_walk_finds_the_oldest_events_that_nobody_evaluated
    watermarks_never_go_back
    the_auditor_counts_what_is_late
    a_store_is_idle_when_nothing_is_due_or_claimed
    a_former_self_gives_back_what_it_held
}

async fn the_walk_finds_the_oldest_events_that_nobody_evaluated(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let events: Vec<Event> = (0..20).map(|n| event("payment", r#"{"group":1}"#, at(n))).collect();
    keep(&place.store, tenant.project, &events).await;
    let stranger = project(&place.store, "stranger").await;
    keep(&place.store, stranger, &[payment(1)]).await;
    let set = rule_set(&place.store, tenant.project).await;
    let some: Vec<Event> = events.iter().step_by(2).cloned().collect();
    let batch = evaluating(&set, &some, terms(99, at(20)));
    done(place.store.record_evaluation(tenant.project, batch, at(20)).await.expect("records"));
    place
        .store
        .fail_event(tenant.project, events[1].id, "given up", at(20))
        .await
        .expect("fails it");
    let found = async |from: u64, before: u64, limit: i64| {
        let ids = place
            .store
            .unevaluated(tenant.project, at(from), at(before), limit)
            .await
            .expect("answers");
        let place_of = |id| events.iter().position(|event| event.id == id).expect("one of them");
        ids.into_iter().map(place_of).collect::<Vec<_>>()
    };
    assert_eq!(found(0, 100, 99).await, [3, 5, 7, 9, 11, 13, 15, 17, 19]);
    assert_eq!(found(0, 100, 3).await, [3, 5, 7]);
    assert_eq!(found(5, 11, 99).await, [5, 7, 9], "from one on, before the other");
    assert_eq!(found(12, 13, 99).await, [0; 0]);
    assert_eq!(found(50, 10, 99).await, [0; 0]);
}

async fn watermarks_never_go_back(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    assert_eq!(place.store.watermarks().await.expect("answers"), []);
    let mut tasks = Vec::new();
    for n in 0..20 {
        let store = place.store.clone();
        tasks.push(tokio::spawn(async move {
            store.set_watermark(one, at((n * 7) % 20)).await.expect("sets")
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    place.store.set_watermark(one, at(3)).await.expect("sets nothing");
    place.store.set_watermark(other, at(1)).await.expect("sets");
    let mut found = place.store.watermarks().await.expect("answers");
    found.sort_unstable();
    let mut wanted = [(one, at(19)), (other, at(1))];
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}

async fn the_auditor_counts_what_is_late(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    ring(&place.store, &tenant, 5, terms(2, start())).await;
    ring(&place.store, &tenant, 5, terms(5, at(100))).await;
    let findings = |stale_claims, stale_due| Findings { stale_claims, stale_due };
    // Planned until 10, claimed until 25 and 125.
    for (late, wanted) in
        [(10, findings(0, 0)), (11, findings(0, 3)), (26, findings(1, 3)), (126, findings(2, 3))]
    {
        let found = place.store.audit(at(late)).await.expect("answers");
        assert_eq!(found, wanted, "at {late}");
        assert_eq!(found.total(), wanted.stale_claims + wanted.stale_due);
    }
    while place
        .store
        .take_due(tenant.project, OPEN, terms(9, at(200)), 1, at(200))
        .await
        .expect("takes")
        .rows
        > 0
    {}
    assert_eq!(place.store.audit(at(201)).await.expect("answers"), findings(0, 0));
}

async fn a_store_is_idle_when_nothing_is_due_or_claimed(which: Stores) {
    let place = open(which).await;
    let idle = async |seconds: u64| place.store.is_idle(at(seconds)).await.expect("answers");
    assert!(idle(0).await);
    let tenant = tenant(&place.store, "acme", 1, None).await;
    keep(&place.store, tenant.project, &[payment(1)]).await;
    assert!(!idle(0).await, "an event waits for its evaluation");
    place
        .store
        .set_project_status(tenant.project, ProjectStatus::Suspended, None, start())
        .await
        .expect("suspends");
    assert!(idle(0).await, "unless it is held");
    place.raw.run("DELETE FROM events").await.expect("deletes");
    place
        .store
        .set_project_status(tenant.project, ProjectStatus::Active, None, start())
        .await
        .expect("goes on");
    ring(&place.store, &tenant, 1, terms(1, start())).await;
    assert!(!idle(1).await, "a delivery is claimed");
    place.store.take_due(tenant.project, OPEN, terms(9, at(30)), 1, at(30)).await.expect("takes");
    assert!(idle(30).await);
    ring(&place.store, &tenant, 1, terms(0, at(30))).await;
    assert!(!idle(30).await, "a delivery may be taken");
    place.raw.run("DELETE FROM deliveries").await.expect("deletes");
    assert!(idle(39).await && !idle(40).await, "a row falls due");
    place.raw.run("DELETE FROM due").await.expect("deletes");
    place
        .store
        .ensure_schedule(ProjectId::PLATFORM, Task::Audit, Duration::from_secs(60), start())
        .await
        .expect("makes it");
    assert!(idle(10_000).await, "schedules are always due some time");
}

async fn a_former_self_gives_back_what_it_held(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let (_, done) = ring(&place.store, &tenant, 3, terms(2, start())).await;
    let lease = Duration::from_secs(3600);
    let queue = SqlQueue::new(place.store.clone(), lease);
    let job = |n: u8| {
        let id = JobId::fresh(start());
        NewJob { id, project: tenant.project, queue: QueueName::Events, body: vec![n] }
    };
    queue.push((0..5).map(job).collect()).await.expect("pushes");
    let held = queue.reserve(QueueName::Events, 3).await.expect("reserves").expect("jobs");
    let process = Process {
        id: ProcessId::fresh(start()),
        role: "api".to_owned(),
        host: String::new(),
        pid: 1,
        version: String::new(),
        beat: 1,
        started_at: start(),
    };
    place.store.beat(process, start()).await.expect("beats");
    assert_eq!(
        place.store.release_former_self(at(1)).await.expect("releases"),
        2,
        "a lease and a claim"
    );
    assert_eq!(place.store.processes().await.expect("answers"), []);
    let again = queue.reserve(QueueName::Events, 9).await.expect("reserves").expect("jobs");
    assert!(again.jobs.iter().map(|job| (job.body[0], job.attempt)).eq([
        (0, 2),
        (1, 2),
        (2, 2),
        (3, 1),
        (4, 1)
    ]));
    let lost = queue.extend(QueueName::Events, vec![held.lease]).await.expect("extends");
    assert_eq!(lost, [held.lease]);
    let taken =
        place.store.take_due(tenant.project, OPEN, terms(9, at(1)), 9, at(1)).await.expect("takes");
    let mut ids: Vec<_> = taken.deliveries.iter().map(|one| one.id).collect();
    ids.sort_unstable();
    let mut claimed = done.claimed;
    claimed.sort_unstable();
    assert_eq!((ids, taken.expired), (claimed, 2), "what only waited, waits");
    assert_eq!(place.store.release_former_self(at(1)).await.expect("releases"), 2);
}
