//! Schedules: a tick for each due time, made once, run until somebody finished it.

use std::time::Duration;

use bellbuoy_harness::{Stores, on_every_store};
use domain::id::{ProjectId, TickId};
use domain::job::{Envelope, Job, NewJob, QueueName};
use domain::schedule::Task;
use queue::Queue;
use queue::sql::SqlQueue;
use store::due::Open;

use crate::settled::OPEN;
use crate::support::{Place, at, open, start, terms};

on_every_store! {
    a_schedule_is_due_once_per_period
    concurrent_schedulers_make_one_tick
    what_was_missed_is_caught_up_once
    a_ticks_job_goes_where_it_belongs
    a_tick_is_run_until_it_is_finished
    an_abandoned_tick_comes_back
    finished_ticks_are_forgotten
}

const MINUTE: Duration = Duration::from_secs(60);
const PLATFORM: ProjectId = ProjectId::PLATFORM;

fn tick_of(job: &NewJob) -> TickId {
    match Envelope::decode(&job.body).expect("own bytes").job {
        Job::Tick(id) => id,
        other => panic!("{other:?}"),
    }
}

/// Ticks everything that is due at so many seconds; answers how many ticks that made.
async fn tick_all(place: &Place, seconds: u64) -> Vec<TickId> {
    let mut made = Vec::new();
    for schedule in place.store.due_schedules(at(seconds)).await.expect("answers") {
        let job =
            place.store.tick(schedule, at(seconds), at(seconds + 10), false).await.expect("ticks");
        made.extend(job.iter().map(tick_of));
    }
    made
}

async fn ensure(place: &Place, task: Task, every: Duration) {
    place.store.ensure_schedule(PLATFORM, task, every, start()).await.expect("a schedule");
}

async fn a_schedule_is_due_once_per_period(which: Stores) {
    let place = open(which).await;
    ensure(&place, Task::Audit, MINUTE).await;
    ensure(&place, Task::Heartbeat, 10 * MINUTE).await;
    let due = place.store.due_schedules(start()).await.expect("answers");
    assert_eq!(due.len(), 2);
    let audit = due.iter().find(|one| one.task == Task::Audit).expect("is due");
    assert_eq!((audit.project, audit.every, audit.next_run_at), (PLATFORM, MINUTE, start()));
    let made: Vec<usize> = [
        tick_all(&place, 0).await,
        tick_all(&place, 0).await,
        tick_all(&place, 59).await,
        tick_all(&place, 60).await,
    ]
    .iter()
    .map(Vec::len)
    .collect();
    assert_eq!(made, [2, 0, 0, 1]);
    // Another period holds from the next time on; making it again moves nothing.
    ensure(&place, Task::Audit, 5 * MINUTE).await;
    assert_eq!(tick_all(&place, 119).await.len(), 0);
    let due = place.store.due_schedules(at(120)).await.expect("answers");
    assert_eq!((due.len(), due[0].every), (1, 5 * MINUTE));
    assert_eq!(tick_all(&place, 120).await.len(), 1);
    assert_eq!(tick_all(&place, 419).await.len(), 0);
    assert_eq!(tick_all(&place, 420).await.len(), 1);
}

async fn concurrent_schedulers_make_one_tick(which: Stores) {
    let place = open(which).await;
    for task in Task::ALL {
        ensure(&place, *task, MINUTE).await;
    }
    let mut schedulers = Vec::new();
    for _ in 0..6 {
        let store = place.store.clone();
        schedulers.push(tokio::spawn(async move {
            let mut made = Vec::new();
            for round in 0..5 {
                let now = at(60 * round);
                for schedule in store.due_schedules(now).await.expect("answers") {
                    let job =
                        store.tick(schedule, now, now.plus(MINUTE), false).await.expect("ticks");
                    made.extend(job.iter().map(tick_of));
                }
            }
            made
        }));
    }
    let mut made = Vec::new();
    for scheduler in schedulers {
        made.extend(scheduler.await.expect("no panic"));
    }
    made.sort_unstable();
    made.dedup();
    // One that is late may catch up on what others have not come to yet, but nothing is made twice.
    assert_eq!(made.len() as i64, place.raw.count("ticks").await);
    assert_eq!(
        place.raw.count("(SELECT DISTINCT schedule_id, due_at FROM ticks) AS t").await,
        made.len() as i64
    );
    assert_eq!(
        place.raw.count("ticks WHERE started_at IS NULL AND finished_at IS NULL").await,
        made.len() as i64
    );
    assert_eq!(place.store.due_schedules(at(299)).await.expect("answers"), []);
    let tasks = Task::ALL.len();
    assert!(made.len() <= 5 * tasks && made.len() >= tasks, "{}", made.len());
}

async fn what_was_missed_is_caught_up_once(which: Stores) {
    let place = open(which).await;
    ensure(&place, Task::Audit, MINUTE).await;
    assert_eq!(tick_all(&place, 0).await.len(), 1);
    assert_eq!(tick_all(&place, 100 * 60 + 30).await.len(), 1, "once for a hundred");
    assert_eq!(tick_all(&place, 100 * 60 + 59).await.len(), 0);
    assert_eq!(tick_all(&place, 101 * 60).await.len(), 1, "and on the old grid");
}

async fn a_ticks_job_goes_where_it_belongs(which: Stores) {
    let place = open(which).await;
    let queue = SqlQueue::new(place.store.clone(), MINUTE);
    for (seconds, here) in [(0, false), (60, true)] {
        ensure(&place, Task::Audit, MINUTE).await;
        let mut wakeups = queue.wakeups(QueueName::Maintenance);
        wakeups.mark_unchanged();
        let schedule = place.store.due_schedules(at(seconds)).await.expect("answers").remove(0);
        let job = place
            .store
            .tick(schedule, at(seconds), at(seconds + 10), here)
            .await
            .expect("ticks")
            .expect("a job");
        assert_eq!((job.queue, job.project), (QueueName::Maintenance, PLATFORM));
        assert_eq!(wakeups.has_changed().expect("open"), here);
        let batch = queue.reserve(QueueName::Maintenance, 9).await.expect("reserves");
        let bodies =
            batch.map(|batch| batch.jobs.into_iter().map(|one| one.body).collect::<Vec<_>>());
        assert_eq!(bodies, here.then(|| vec![job.body]));
    }
}

async fn a_tick_is_run_until_it_is_finished(which: Stores) {
    let place = open(which).await;
    ensure(&place, Task::MakePartitions, MINUTE).await;
    let id = tick_all(&place, 0).await[0];
    let begin = async |seconds: u64| {
        place.store.begin_tick(PLATFORM, id, at(seconds), at(seconds + 20)).await.expect("answers")
    };
    assert_eq!(begin(1).await, Some(Task::MakePartitions));
    assert_eq!(
        place.store.next_due().await.expect("answers"),
        Some(at(21)),
        "taken again unless it is finished"
    );
    assert_eq!(begin(2).await, Some(Task::MakePartitions), "a job may come twice");
    assert_eq!(place.raw.count("due").await, 1);
    let nobody = place.store.begin_tick(PLATFORM, TickId::fresh(start()), at(1), at(2)).await;
    assert_eq!(nobody.expect("answers"), None);
    place.store.finish_tick(PLATFORM, id, &"ö".repeat(700), at(3)).await.expect("finishes");
    assert_eq!(begin(4).await, None);
    assert_eq!(place.store.next_due().await.expect("answers"), None);
    assert_eq!(place.store.finished_ticks().await.expect("counts"), 1);
    let kept = format!("ticks WHERE outcome = '{}'", "ö".repeat(500));
    assert_eq!(place.raw.count(&kept).await, 1);
}

async fn an_abandoned_tick_comes_back(which: Stores) {
    let place = open(which).await;
    ensure(&place, Task::Audit, MINUTE).await;
    let id = tick_all(&place, 0).await[0];
    let take = async |seconds: u64, open: Open| {
        let now = at(seconds);
        place.store.take_due(PLATFORM, open, terms(9, now), 9, now).await.expect("takes").ticks
    };
    assert_eq!(take(9, OPEN).await, []);
    assert_eq!(take(10, OPEN).await, [id], "its job was lost");
    assert_eq!(take(34, OPEN).await, []);
    assert_eq!(take(35, OPEN).await, [id], "whoever took it was gone before they began it");
    place.store.begin_tick(PLATFORM, id, at(36), at(56)).await.expect("begins");
    assert_eq!(take(56, Open { ticks: false, deliveries: true }).await, []);
    assert_eq!(take(56, OPEN).await, [id], "whoever began it is gone");
    assert_eq!(
        place.store.begin_tick(PLATFORM, id, at(56), at(76)).await.expect("begins"),
        Some(Task::Audit)
    );
    place.store.finish_tick(PLATFORM, id, "fine", at(57)).await.expect("finishes");
    assert_eq!(take(1000, OPEN).await, []);
}

async fn finished_ticks_are_forgotten(which: Stores) {
    let place = open(which).await;
    ensure(&place, Task::Audit, MINUTE).await;
    for round in 0..5 {
        let id = tick_all(&place, 60 * round).await[0];
        if round < 4 {
            place
                .store
                .finish_tick(PLATFORM, id, "fine", at(60 * round + 1))
                .await
                .expect("finishes");
        }
    }
    assert_eq!(place.store.finished_ticks().await.expect("counts"), 4);
    assert_eq!(place.store.forget_ticks(at(121)).await.expect("forgets"), 2);
    assert_eq!(place.store.forget_ticks(at(9999)).await.expect("forgets"), 2);
    assert_eq!(place.store.forget_ticks(at(9999)).await.expect("forgets"), 0);
    assert_eq!(place.raw.count("ticks").await, 1, "what is not finished stays");
}
