//! What holds for a queue on every engine, and who is there to work on it.

use bellbuoy_harness::{Stores, on_every_store};
use domain::id::{JobId, ProcessId};
use domain::job::QueueName;
use store::processes::Process;
use store::queues::DeadJob;

use crate::support::{at, open, project, start};

on_every_store! {
    queues_are_paused_and_go_on
    dead_jobs_are_kept_as_they_were
    processes_beat_until_they_are_forgotten
    the_store_answers_and_says_what_it_is
}

async fn queues_are_paused_and_go_on(which: Stores) {
    let place = open(which).await;
    let paused = async || place.store.paused_queues().await.expect("answers");
    assert_eq!(paused().await, []);
    for queue in [QueueName::Maintenance, QueueName::Events, QueueName::Events] {
        place.store.pause_queue(queue, Some(start())).await.expect("pauses");
    }
    assert_eq!(paused().await, [QueueName::Events, QueueName::Maintenance]);
    place.store.pause_queue(QueueName::Events, None).await.expect("goes on");
    place.store.pause_queue(QueueName::Deliveries, None).await.expect("was not paused");
    assert_eq!(paused().await, [QueueName::Maintenance]);
}

async fn dead_jobs_are_kept_as_they_were(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let body: Vec<u8> = (0..=255).collect();
    let dead = |n: u64, project| DeadJob {
        project,
        id: JobId::fresh(at(n)),
        queue: QueueName::ALL[n as usize % 3],
        body: body.clone(),
        error: format!("ümlaut {n}"),
    };
    let mut jobs: Vec<DeadJob> = (0..9).map(|n| dead(n, one)).collect();
    jobs.push(dead(9, other));
    place.store.bury_jobs(jobs.clone(), at(20)).await.expect("buries");
    place.store.bury_jobs(jobs.clone(), at(30)).await.expect("buries nothing more");
    place.store.bury_jobs(Vec::new(), at(30)).await.expect("buries nothing");
    let found = place.store.dead_jobs(one, 100).await.expect("answers");
    jobs.pop();
    jobs.reverse();
    assert_eq!(format!("{found:?}"), format!("{jobs:?}"));
    assert_eq!(place.store.dead_jobs(one, 4).await.expect("answers").len(), 4);
    assert_eq!(place.store.dead_jobs(other, 4).await.expect("answers").len(), 1);
}

async fn processes_beat_until_they_are_forgotten(which: Stores) {
    let place = open(which).await;
    let process = |n: u64| Process {
        id: ProcessId::fresh(at(n)),
        role: "api+worker".to_owned(),
        host: format!("host {n}"),
        pid: i64::from(u32::MAX),
        version: "0.1.0".to_owned(),
        beat: 0,
        started_at: at(n),
    };
    let mut all = vec![process(1), process(2), process(3)];
    for one in &all {
        place.store.beat(one.clone(), at(5)).await.expect("beats");
    }
    assert_eq!(place.store.processes().await.expect("answers"), all);
    all[1].beat = 9;
    place.store.beat(all[1].clone(), at(6)).await.expect("beats");
    assert_eq!(place.store.processes().await.expect("answers"), all);
    place.store.forget_process(all[0].id).await.expect("forgets");
    place.store.forget_process(all[0].id).await.expect("has forgotten");
    assert_eq!(place.store.processes().await.expect("answers"), all[1..]);
}

async fn the_store_answers_and_says_what_it_is(which: Stores) {
    let place = open(which).await;
    place.store.ping().await.expect("answers");
    let kind = match which {
        Stores::Sqlite => "sqlite",
        Stores::Postgres => "postgres",
        Stores::Mariadb => "mysql",
    };
    assert_eq!(place.store.kind(), kind);
    let (connections, resting) = place.store.pool();
    assert!(connections > 0 && resting <= connections as usize);
    assert_eq!(place.store.durability().await.expect("answers"), Vec::<String>::new());
    place.store.close().await;
    place.store.ping().await.expect_err("closed");
    place.store.pause_queue(QueueName::Events, None).await.expect_err("closed");
}
