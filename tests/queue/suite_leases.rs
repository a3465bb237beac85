//! What is true of every engine: leases that are renewed, lost, released and settled.

use std::time::{Duration, Instant};

use domain::id::JobId;
use queue::{Batch, LeaseId};

use crate::suite::{
    EVENTS, LONG, Shared, depth, job, jobs, numbers, project, reserve, settle, wait,
};

const SHORT: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(5);

fn ids(batch: &Batch, range: std::ops::Range<usize>) -> Vec<JobId> {
    batch.jobs[range].iter().map(|job| job.id).collect()
}

async fn release(queue: &Shared, batch: &Batch, jobs: Vec<JobId>, after: Duration, spent: bool) {
    queue.release(EVENTS, batch.lease, jobs, after, spent).await.expect("releases");
}

fn attempts(batch: &Batch) -> Vec<u32> {
    batch.jobs.iter().map(|job| job.attempt).collect()
}

pub async fn an_expired_lease_comes_back_in_order<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(SHORT).await;
    queue.push(jobs(project(), 9)).await.expect("pushes");
    if queue.keeps().alone {
        return the_others_wait_for_an_expired_lease(&queue).await;
    }
    // Two holders vanish with the first six.
    let start = Instant::now();
    for _ in 0..2 {
        assert_eq!(reserve(&queue, 3).await.expect("jobs").jobs.len(), 3);
    }
    let rest = reserve(&queue, 2).await.expect("jobs");
    assert_eq!(queue.in_order(numbers(&rest)), [6, 7]);
    settle(&queue, &[rest.lease]).await;
    tokio::time::sleep(SHORT.saturating_sub(start.elapsed()) + SHORT / 4).await;
    let batch = wait(&queue, 10, SOON).await.expect("they come back");
    let mut came: Vec<_> = numbers(&batch).into_iter().zip(attempts(&batch)).collect();
    came = queue.in_order(came);
    assert_eq!(came, [(0, 2), (1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (8, 1)]);
    settle(&queue, &[batch.lease]).await;
    assert_eq!(depth(&queue).await, (0, 0));
}

async fn the_others_wait_for_an_expired_lease(queue: &Shared) {
    let start = Instant::now();
    assert_eq!(numbers(&reserve(queue, 3).await.expect("jobs")), [0, 1, 2]);
    assert!(reserve(queue, 3).await.is_none(), "somebody holds jobs of this project");
    tokio::time::sleep(SHORT.saturating_sub(start.elapsed()) + SHORT / 4).await;
    let batch = wait(queue, 9, SOON).await.expect("they come back");
    assert_eq!(numbers(&batch), (0..9).collect::<Vec<_>>());
    assert_eq!(attempts(&batch), [2, 2, 2, 1, 1, 1, 1, 1, 1]);
    settle(queue, &[batch.lease]).await;
    assert_eq!(depth(queue).await, (0, 0));
}

pub async fn renewed_leases_last<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(SHORT).await;
    queue.push(jobs(project(), 3)).await.expect("pushes");
    let batch = reserve(&queue, 3).await.expect("jobs");
    for _ in 0..8 {
        tokio::time::sleep(SHORT / 4).await;
        let lost = queue.extend(EVENTS, vec![batch.lease]).await.expect("extends");
        assert_eq!(lost, []);
        assert!(reserve(&queue, 3).await.is_none(), "taken from a holder who is alive");
    }
    let again = wait(&queue, 3, SOON).await.expect("nobody renews it now");
    assert_eq!(attempts(&again), [2, 2, 2]);
}

pub async fn a_lost_lease_is_answered<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(SHORT).await;
    queue.push(jobs(project(), 2)).await.expect("pushes");
    let first = reserve(&queue, 1).await.expect("a job");
    tokio::time::sleep(SHORT * 3 / 2).await;
    let second = wait(&queue, 2, SOON).await.expect("it comes back");
    let never = LeaseId(uuid::Uuid::now_v7());
    let asked = vec![first.lease, second.lease, never];
    let lost = queue.extend(EVENTS, asked).await.expect("extends");
    assert_eq!(lost, [first.lease, never]);
    assert_eq!(queue.extend(EVENTS, Vec::new()).await.expect("extends nothing"), []);
}

pub async fn released_jobs_come_first_again<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    queue.push(jobs(project(), 6)).await.expect("pushes");
    let batch = reserve(&queue, 4).await.expect("jobs");
    release(&queue, &batch, ids(&batch, 0..2), Duration::ZERO, false).await;
    release(&queue, &batch, ids(&batch, 2..4), Duration::ZERO, true).await;
    assert_eq!(depth(&queue).await, (6, 0));
    let again = reserve(&queue, 10).await.expect("jobs");
    // Which release comes first is the engine's affair: each keeps its order, and both precede what waited.
    let order = queue.in_order(numbers(&again));
    assert!(order == [2, 3, 0, 1, 4, 5] || order == [0, 1, 2, 3, 4, 5], "{order:?}");
    for job in &again.jobs {
        let spent = [&b"2"[..], b"3"].contains(&job.body.as_slice());
        let held_before = ["0", "1"].iter().any(|body| body.as_bytes() == job.body);
        let counted = spent || held_before && !queue.keeps().counts;
        assert_eq!(job.attempt, if counted { 2 } else { 1 });
    }
}

pub async fn rested_jobs_come_back_in_time<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    queue.push(jobs(project(), 3)).await.expect("pushes");
    let batch = reserve(&queue, 3).await.expect("jobs");
    let start = Instant::now();
    release(&queue, &batch, ids(&batch, 0..1), SHORT, false).await;
    release(&queue, &batch, ids(&batch, 1..2), SHORT, true).await;
    assert_eq!(depth(&queue).await, (0, 3));
    assert!(reserve(&queue, 3).await.is_none(), "it rests");
    settle(&queue, &[batch.lease]).await;
    assert_eq!(depth(&queue).await, (0, 2), "who rests is not settled with the others");
    let mut back = Vec::new();
    while back.len() < 2 && start.elapsed() < SOON {
        if let Some(batch) = wait(&queue, 3, SOON).await {
            // The server's clock counts whole milliseconds.
            let passed = start.elapsed() + Duration::from_millis(5);
            assert!(passed >= SHORT, "after {passed:?}");
            back.extend(numbers(&batch).into_iter().zip(attempts(&batch)));
            settle(&queue, &[batch.lease]).await;
        }
    }
    back.sort_unstable();
    assert_eq!(back, [(0, if queue.keeps().counts { 1 } else { 2 }), (1, 2)]);
    assert_eq!(depth(&queue).await, (0, 0));
}

pub async fn settling_an_expired_lease_harms_nobody<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(SHORT).await;
    queue.push(jobs(project(), 4)).await.expect("pushes");
    let slow = reserve(&queue, 2).await.expect("jobs");
    tokio::time::sleep(SHORT * 3 / 2).await;
    let next = wait(&queue, 4, SOON).await.expect("they come back");
    assert_eq!(next.jobs.len(), 4);
    settle(&queue, &[slow.lease]).await;
    release(&queue, &slow, ids(&slow, 0..2), Duration::ZERO, true).await;
    assert_eq!(depth(&queue).await, (0, 4), "the next holder lost its jobs to the slow one");
    settle(&queue, &[next.lease]).await;
    settle(&queue, &[next.lease]).await;
    assert_eq!(depth(&queue).await, (0, 0));
}

pub async fn what_is_released_is_not_settled<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let (one, other) = (project(), project());
    let pushed = (0..10).map(|n| job(if n % 2 == 0 { one } else { other }, n)).collect();
    queue.push(pushed).await.expect("pushes");
    let batch = reserve(&queue, 10).await.expect("jobs");
    let back: Vec<_> =
        batch.jobs.iter().filter(|job| job.project == one).map(|job| job.id).collect();
    release(&queue, &batch, back[..3].to_vec(), Duration::ZERO, false).await;
    let lost = queue.extend(EVENTS, vec![batch.lease]).await.expect("extends");
    assert_eq!(lost, [], "the others are still held");
    assert_eq!(depth(&queue).await, (3, 7));
    settle(&queue, &[batch.lease]).await;
    assert_eq!(depth(&queue).await, (3, 0));
    let again = reserve(&queue, 10).await.expect("jobs");
    let came = again.jobs.iter().map(|job| job.id).collect();
    assert_eq!(queue.in_order(came), queue.in_order(back[..3].to_vec()));
    release(&queue, &again, ids(&again, 0..3), Duration::ZERO, true).await;
    let lost = queue.extend(EVENTS, vec![again.lease]).await.expect("extends");
    assert_eq!(lost, [again.lease], "nothing is held under it any more");
}

pub async fn unknown_leases_are_no_trouble<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    queue.push(jobs(project(), 1)).await.expect("pushes");
    let batch = reserve(&queue, 1).await.expect("a job");
    let never = Batch { lease: LeaseId(uuid::Uuid::now_v7()), jobs: Vec::new() };
    settle(&queue, &[never.lease]).await;
    settle(&queue, &[]).await;
    release(&queue, &never, ids(&batch, 0..1), Duration::ZERO, true).await;
    release(&queue, &batch, Vec::new(), Duration::ZERO, true).await;
    let stranger = JobId(uuid::Uuid::now_v7());
    release(&queue, &batch, vec![stranger], Duration::ZERO, true).await;
    assert_eq!(depth(&queue).await, (0, 1));
    // More leases at once than one statement or script takes.
    settle(&queue, &vec![never.lease; 5000]).await;
    let mut many = vec![never.lease; 5000];
    many.push(batch.lease);
    assert_eq!(queue.extend(EVENTS, many).await.expect("extends").len(), 5000);
}
