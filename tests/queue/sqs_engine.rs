//! What only the engine in SQS does: it makes its queues, puts aside, and waits by itself.

use std::time::{Duration, Instant};

use bellbuoy_harness::sqs::{Server, ask, endpoint};
use domain::id::JobId;
use domain::job::{NewJob, QueueName};
use queue::sqs::{Place, SqsQueue};
use queue::{Batch, Queue};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::suite::{EVENTS, Keeps, LONG, Shared, job, jobs, project};

fn place(endpoint: String, fifo: bool) -> Place {
    telemetry::install_tls();
    Place {
        region: "us-east-1".to_owned(),
        prefix: format!("t{}", uuid::Uuid::new_v4().simple()),
        endpoint: Some(endpoint),
        fifo,
        max_receives: 10,
        wait: Duration::from_secs(1),
    }
}

async fn open(place: &Place, lease: Duration) -> SqsQueue {
    let queue = SqsQueue::open(place.clone(), lease).expect("opens");
    queue.prepare().await.expect("prepares");
    queue
}

pub async fn shared(fifo: bool, lease: Duration) -> Shared {
    let queue = open(&place(endpoint(), fifo), lease).await;
    let keeps = Keeps {
        order: fifo,
        alone: fifo,
        turns: false,
        counts: false,
        // What is no text is a third longer in a message.
        bytes: 1 << 19,
        many: 2000,
    };
    Shared::keeping(queue, keeps)
}

async fn get(queue: &SqsQueue) -> Option<Batch> {
    queue.reserve(EVENTS, 10).await.expect("reserves")
}

async fn give_back(queue: &SqsQueue, batch: &Batch, spent: bool) {
    let ids = batch.jobs.iter().map(|job| job.id).collect();
    queue.release(EVENTS, batch.lease, ids, Duration::ZERO, spent).await.expect("releases");
}

#[tokio::test]
async fn queues_are_made_once_and_put_right() {
    for fifo in [false, true] {
        let place = place(endpoint(), fifo);
        let queue = SqsQueue::open(place.clone(), LONG).expect("opens");
        let error = queue.push(jobs(project(), 1)).await.expect_err("there is no queue");
        assert!(error.0.contains("run `bellbuoy migrate`"), "{error}");
        assert_eq!(queue.check().await.expect("answers").len(), 6, "all are missing");
        assert_eq!(queue.prepare().await.expect("prepares").len(), 6);
        assert_eq!(queue.prepare().await.expect("prepares"), [""; 0]);
        assert_eq!(queue.check().await.expect("answers"), [""; 0]);
        let other = Place { max_receives: 3, ..place };
        let other = SqsQueue::open(other, LONG).expect("opens");
        let wrong = other.check().await.expect("answers");
        assert!(wrong.len() == 3 && wrong[0].contains("RedrivePolicy"), "{wrong:?}");
        let done = other.prepare().await.expect("prepares");
        assert!(done.len() == 3 && done[0].contains("RedrivePolicy"), "{done:?}");
        assert_eq!(other.check().await.expect("answers"), [""; 0]);
    }
}

#[tokio::test]
async fn what_only_comes_back_is_put_aside_and_can_be_sent_again() {
    for fifo in [false, true] {
        let queue = open(&Place { max_receives: 2, ..place(endpoint(), fifo) }, LONG).await;
        let (mine, other) = (project(), project());
        queue.push(vec![job(mine, 7), job(other, 8)]).await.expect("pushes");
        assert_eq!(queue.dead_letters(EVENTS).await.expect("counts"), Some(0));
        for _ in 0..2 {
            let batch = get(&queue).await.expect("jobs");
            assert_eq!(batch.jobs.len(), 2);
            give_back(&queue, &batch, true).await;
        }
        assert!(get(&queue).await.is_none(), "twice was enough");
        assert_eq!(queue.dead_letters(EVENTS).await.expect("counts"), Some(2));
        let letters = queue.peek_letters(EVENTS, 10).await.expect("peeks");
        assert_eq!(letters.len(), 2);
        let letter = letters.iter().find(|one| one.project == mine).expect("mine");
        assert_eq!(letter.body, b"7");
        assert_eq!(queue.peek_letters(EVENTS, 1).await.expect("peeks").len(), 1);
        let sent = queue.redrive_letters(EVENTS, Some(&letter.message)).await.expect("sends");
        assert_eq!(sent, 1);
        let batch = get(&queue).await.expect("the job");
        assert_eq!((batch.jobs[0].id, batch.jobs[0].attempt), (letter.job, 1));
        assert_eq!((batch.jobs[0].project, &batch.jobs[0].body[..]), (mine, &b"7"[..]));
        assert_eq!(queue.discard_letters(EVENTS, Some("nobody")).await.expect("discards"), 0);
        assert_eq!(queue.discard_letters(EVENTS, None).await.expect("discards"), 1);
        assert_eq!(queue.dead_letters(EVENTS).await.expect("counts"), Some(0));
    }
}

#[tokio::test]
async fn what_is_only_given_back_is_never_put_aside() {
    for fifo in [false, true] {
        let queue = open(&Place { max_receives: 4, ..place(endpoint(), fifo) }, LONG).await;
        let pushed = job(project(), 7);
        queue.push(vec![pushed.clone()]).await.expect("pushes");
        for _ in 0..20 {
            let batch = get(&queue).await.expect("it comes again");
            assert_eq!((batch.jobs.len(), batch.jobs[0].id), (1, pushed.id));
            give_back(&queue, &batch, false).await;
        }
        assert_eq!(queue.dead_letters(EVENTS).await.expect("counts"), Some(0));
    }
}

#[tokio::test]
async fn a_wait_ends_with_a_job_or_when_it_is_told_to() {
    let place = Place { wait: Duration::from_secs(20), ..place(endpoint(), false) };
    let queue = std::sync::Arc::new(open(&place, LONG).await);
    let take = |stop: &CancellationToken| {
        let (queue, stop) = (queue.clone(), stop.clone());
        tokio::spawn(async move { queue.take(EVENTS, 10, stop).await.expect("takes") })
    };
    let stop = CancellationToken::new();
    let (start, taking) = (Instant::now(), take(&stop));
    tokio::time::sleep(Duration::from_millis(200)).await;
    queue.push(jobs(project(), 1)).await.expect("pushes");
    let batch = taking.await.expect("no panic").expect("a job");
    queue.settle(EVENTS, vec![batch.lease]).await.expect("settles");
    let taking = take(&stop);
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.cancel();
    // What comes in the very moment of the end is answered, so that the caller gives it back.
    queue.push(jobs(project(), 1)).await.expect("pushes");
    let batch = taking.await.expect("no panic").expect("the job that came late");
    assert_eq!(batch.jobs.len(), 1);
    assert!(take(&stop).await.expect("no panic").is_none());
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_is_no_job_of_ours_is_not_lost() {
    let place = place(endpoint(), false);
    let queue = open(&place, LONG).await;
    let name = json!({ "QueueName": place.name(EVENTS) });
    let (_, url) = ask(&endpoint(), "GetQueueUrl", &name).await;
    let message = json!({ "QueueUrl": url["QueueUrl"], "MessageBody": "hello" });
    assert_eq!(ask(&endpoint(), "SendMessage", &message).await.0, 200);
    let batch = get(&queue).await.expect("it comes as a job that nobody can run");
    assert_eq!(batch.jobs[0].body, b"hello");
    assert_eq!(batch.jobs[0].project, domain::id::ProjectId::PLATFORM);
}

#[tokio::test]
async fn a_job_that_is_too_large_is_refused() {
    let queue = open(&place(endpoint(), false), LONG).await;
    let large = NewJob { body: vec![b'x'; 1 << 20], ..job(project(), 0) };
    let error = queue.push(vec![large]).await.expect_err("too large");
    assert!(error.0.contains("does not fit"), "{error}");
}

#[tokio::test]
async fn an_engine_that_is_away_is_told_and_comes_back() {
    let mut server = Server::start();
    let queue = open(&place(server.endpoint(), false), LONG).await;
    queue.ping().await.expect("answers");
    server.freeze();
    let start = Instant::now();
    queue.ping().await.expect_err("it hangs");
    assert!(start.elapsed() < Duration::from_secs(3), "asked for {:?}", start.elapsed());
    queue.push(jobs(project(), 1)).await.expect_err("it hangs");
    assert!(start.elapsed() < Duration::from_secs(15), "pushed for {:?}", start.elapsed());
    server.thaw();
    queue.ping().await.expect("it is back");
    server.stop();
    queue.depth(EVENTS).await.expect_err("it is gone");
    server.restart();
    let error = queue.push(jobs(project(), 1)).await.expect_err("the queues are gone");
    assert!(error.0.contains("migrate"), "{error}");
    queue.prepare().await.expect("prepares");
    let job = NewJob {
        queue: QueueName::Deliveries,
        id: JobId::fresh(domain::clock::Clock::System.now()),
        ..job(project(), 1)
    };
    queue.push(vec![job]).await.expect("pushes");
}
