//! What only Redis can do to us: vanish, forget, hang, hold garbage.

use std::time::{Duration, Instant};

use domain::job::{NewJob, QueueName};
use queue::Batch;
use queue::redis::RedisQueue;
use tokio_util::sync::CancellationToken;

use crate::harness::{Server, ask, prefix, shared};
use crate::suite::{
    EVENTS, LONG, Shared, depth, job, jobs, numbers, project, reserve, settle, wait,
};

const SHORT: Duration = Duration::from_secs(1);

fn open(server: &Server, lease: Duration) -> Shared {
    Shared::new(RedisQueue::open(&server.url(), "t", lease).expect("opens"))
}

/// Does `work` again and again until it succeeds; answers how long that took.
async fn until<T, E>(work: impl AsyncFn() -> Result<T, E>) -> Duration {
    let start = Instant::now();
    while work().await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "it does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    start.elapsed()
}

#[tokio::test]
async fn a_drained_queue_has_no_keys_and_no_memory() {
    let server = Server::start();
    let queue = open(&server, LONG);
    let memory = || {
        let info: String = server.ask(&["INFO", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.expect("a line").trim().parse::<i64>().expect("a number")
    };
    queue.push(jobs(project(), 1)).await.expect("pushes");
    let batch = reserve(&queue, 1).await.expect("a job");
    settle(&queue, &[batch.lease]).await;
    let before = memory();
    for round in 0..20 {
        let mine = project();
        queue.push(jobs(mine, 2000)).await.expect("pushes");
        while let Some(batch) = reserve(&queue, 300).await {
            let back = batch.jobs.iter().take(7).map(|job| job.id).collect();
            let after = Duration::from_millis(round % 2);
            if batch.jobs[0].attempt == 1 {
                queue.release(EVENTS, batch.lease, back, after, true).await.expect("releases");
            }
            settle(&queue, &[batch.lease]).await;
        }
    }
    while let Some(batch) = wait(&queue, 300, Duration::from_millis(100)).await {
        settle(&queue, &[batch.lease]).await;
    }
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "*"]), Vec::<String>::new());
    // The buffers of a connection that had much to say shrink once it has been idle for some seconds.
    let start = Instant::now();
    while memory() - before >= 500_000 {
        let grown = memory() - before;
        assert!(start.elapsed() < Duration::from_secs(20), "{grown} bytes stay");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn it_opens_while_the_server_is_away_and_calls_fail_in_time() {
    let mut server = Server::start();
    server.stop();
    let queue = open(&server, LONG);
    let mut wakeups = queue.wakeups(EVENTS);
    for _ in 0..3 {
        let start = Instant::now();
        assert!(queue.push(jobs(project(), 1)).await.is_err());
        assert!(queue.reserve(EVENTS, 1).await.is_err());
        assert!(queue.ping().await.is_err());
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    server.restart();
    wakeups.mark_unchanged();
    assert!(until(async || queue.ping().await).await < Duration::from_secs(1));
    let moved = tokio::time::timeout(Duration::from_secs(2), wakeups.changed()).await;
    moved.expect("it listens again").expect("the queue is there");
}

#[tokio::test]
async fn five_seconds_away_and_back() {
    let mut server = Server::start();
    let (queue, producer) = (open(&server, LONG), open(&server, LONG));
    let mut wakeups = queue.wakeups(EVENTS);
    queue.push(jobs(project(), 1)).await.expect("pushes");
    server.stop();
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(5) {
        let start = Instant::now();
        assert!(queue.reserve(EVENTS, 1).await.is_err());
        assert!(start.elapsed() < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    server.restart();
    let took = until(async || queue.reserve(EVENTS, 1).await).await;
    assert!(took < Duration::from_secs(1), "back after {took:?}");
    assert_eq!(depth(&queue).await, (0, 0), "the server came back empty");
    // Wake-ups come back as well: this push is another process's.
    tokio::time::sleep(Duration::from_secs(1)).await;
    wakeups.mark_unchanged();
    producer.push(jobs(project(), 1)).await.expect("pushes");
    let moved = tokio::time::timeout(Duration::from_secs(1), wakeups.changed()).await;
    moved.expect("within a second").expect("the queue is there");
    assert_eq!(reserve(&queue, 9).await.expect("a job").jobs.len(), 1);
}

#[tokio::test]
async fn a_server_that_hangs_is_not_waited_for() {
    let server = Server::start();
    let queue = open(&server, LONG);
    queue.push(jobs(project(), 3)).await.expect("pushes");
    server.freeze();
    let start = Instant::now();
    let (one, other) = tokio::join!(queue.reserve(EVENTS, 1), queue.push(jobs(project(), 1)));
    assert!(one.is_err() && other.is_err());
    assert!(queue.ping().await.is_err());
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    server.thaw();
    assert!(until(async || queue.ping().await).await < Duration::from_secs(1));
    assert!(reserve(&queue, 9).await.is_some());
}

#[tokio::test]
async fn a_server_that_restarts_empty_in_the_middle_harms_nobody() {
    let mut server = Server::start();
    let queue = open(&server, SHORT);
    queue.push(jobs(project(), 10)).await.expect("pushes");
    let batch = reserve(&queue, 5).await.expect("jobs");
    server.restart();
    until(async || queue.ping().await).await;
    assert_eq!(queue.extend(EVENTS, vec![batch.lease]).await.expect("extends"), [batch.lease]);
    let back = vec![batch.jobs[0].id];
    queue.release(EVENTS, batch.lease, back, Duration::ZERO, true).await.expect("releases");
    settle(&queue, &[batch.lease]).await;
    assert!(reserve(&queue, 5).await.is_none());
    queue.push(jobs(project(), 3)).await.expect("pushes");
    assert_eq!(numbers(&reserve(&queue, 5).await.expect("jobs")), [0, 1, 2]);
}

#[tokio::test]
async fn flushed_keys_and_scripts_harm_nobody() {
    let server = Server::start();
    let queue = open(&server, LONG);
    let mine = project();
    queue.push(jobs(mine, 10)).await.expect("pushes");
    let batch = reserve(&queue, 5).await.expect("jobs");
    server.ask::<()>(&["FLUSHALL"]);
    assert_eq!(queue.extend(EVENTS, vec![batch.lease]).await.expect("extends"), [batch.lease]);
    settle(&queue, &[batch.lease]).await;
    assert!(reserve(&queue, 5).await.is_none());
    for _ in 0..3 {
        server.ask::<()>(&["SCRIPT", "FLUSH"]);
        queue.push(jobs(mine, 2500)).await.expect("pushes");
        server.ask::<()>(&["SCRIPT", "FLUSH"]);
        let batch = reserve(&queue, 1000).await.expect("jobs");
        server.ask::<()>(&["SCRIPT", "FLUSH"]);
        assert_eq!(queue.extend(EVENTS, vec![batch.lease]).await.expect("extends"), []);
        server.ask::<()>(&["SCRIPT", "FLUSH"]);
        settle(&queue, &[batch.lease]).await;
        server.ask::<()>(&["SCRIPT", "FLUSH"]);
        assert_eq!(depth(&queue).await, (1500, 0));
        while let Some(batch) = reserve(&queue, 1000).await {
            settle(&queue, &[batch.lease]).await;
        }
    }
    // A project whose place in the ring was lost finds it again.
    queue.push(jobs(mine, 2)).await.expect("pushes");
    server.ask::<()>(&["DEL", "{t:events}:ring"]);
    assert!(reserve(&queue, 5).await.is_none());
    queue.push(vec![job(mine, 2)]).await.expect("pushes");
    assert_eq!(numbers(&reserve(&queue, 5).await.expect("jobs")), [0, 1, 2]);
}

#[tokio::test]
async fn garbage_is_put_aside() {
    let server = Server::start();
    let queue = open(&server, LONG);
    let mine = project();
    queue.push(vec![job(mine, 0)]).await.expect("pushes");
    // A list of a readable name, in the ring under it, so that garbage can be pushed by hand.
    for number in 0..250 {
        server.ask::<()>(&["RPUSH", "{t:events}:p:by-hand", &number.to_string()]);
    }
    server.ask::<()>(&["SET", "{t:events}:p:not-a-list", "x"]);
    for project in ["by-hand", "not-a-list", "not-there"] {
        server.ask::<()>(&["ZADD", "{t:events}:ring", "0", project]);
    }
    server.ask::<()>(&["ZADD", "{t:events}:leases", "1", "not-there"]);
    queue.push(vec![job(mine, 1)]).await.expect("pushes");
    let mut seen = Vec::new();
    for _ in 0..50 {
        if let Some(batch) = reserve(&queue, 10).await {
            seen.extend(numbers(&batch));
            settle(&queue, &[batch.lease]).await;
        }
    }
    assert_eq!(seen, [0, 1]);
    assert_eq!(depth(&queue).await, (0, 0));
    assert_eq!(server.ask::<usize>(&["LLEN", "{t:events}:garbage"]), 100);
    assert!(server.ask::<i64>(&["TTL", "{t:events}:garbage"]) > 0);
    server.ask::<()>(&["DEL", "{t:events}:p:not-a-list", "{t:events}:garbage"]);
    assert_eq!(server.ask::<usize>(&["DBSIZE"]), 0);
}

#[tokio::test]
async fn many_expired_leases_come_back_bit_by_bit() {
    let server = Server::start();
    let queue = open(&server, SHORT);
    queue.push((0..30_000).map(|n| job(project(), n)).collect()).await.expect("pushes");
    let mut held = 0;
    while let Some(batch) = reserve(&queue, 100).await {
        held += batch.jobs.len();
    }
    assert!(held >= 30_000);
    assert!(server.ask::<usize>(&["ZCARD", "{t:events}:leases"]) <= 300);
    tokio::time::sleep(SHORT * 3 / 2).await;
    let (start, mut seen, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    loop {
        let call = Instant::now();
        let Some(batch) = reserve(&queue, 100).await else { break };
        slowest = slowest.max(call.elapsed());
        seen += batch.jobs.len();
        settle(&queue, &[batch.lease]).await;
    }
    println!("30 000 expired jobs of as many projects: {:?}, slowest {slowest:?}", start.elapsed());
    assert!(seen >= 30_000);
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert_eq!(server.ask::<usize>(&["DBSIZE"]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_wakes_and_an_idle_one_costs_nothing() {
    let server = Server::start();
    let (worker, producer) = (open(&server, LONG), open(&server, LONG));
    let mut wakeups = worker.wakeups(QueueName::Deliveries);
    // It may have joined before we asked.
    let joined = wakeups.wait_for(|count| *count > 0);
    let joined = tokio::time::timeout(Duration::from_secs(20), joined).await;
    joined.expect("it joins").expect("the queue is there");
    let mut took = Vec::new();
    for number in 0..200 {
        let start = Instant::now();
        let pushed = NewJob { queue: QueueName::Deliveries, ..job(project(), number) };
        producer.push(vec![pushed]).await.expect("pushes");
        let moved = tokio::time::timeout(Duration::from_secs(10), wakeups.changed()).await;
        moved.expect("in time").expect("the queue is there");
        let batch = worker.reserve(QueueName::Deliveries, 10).await.expect("reserves");
        took.push(start.elapsed());
        let leases = vec![batch.expect("the job").lease];
        worker.settle(QueueName::Deliveries, leases).await.expect("settles");
    }
    took.sort();
    println!(
        "push in one process to reserved in another: p50 {:?}, p99 {:?}",
        took[100], took[198]
    );
    let commands = || {
        let info: String = server.ask(&["INFO", "stats"]);
        let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.expect("a line").trim().parse::<u64>().expect("a number")
    };
    let before = commands();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Whoever counts connects anew each time, which is said to cost three commands.
    assert!(commands() - before <= 5);
}

#[tokio::test]
async fn what_is_no_address_or_prefix_is_refused() {
    for (url, prefix) in [("postgres://x", "t"), ("", "t"), (&*shared(), ""), (&*shared(), "a{b}")]
    {
        assert!(RedisQueue::open(url, prefix, LONG).is_err(), "{url} {prefix}");
    }
    assert!(RedisQueue::open("redis://127.0.0.1:1", "t", Duration::ZERO).is_err());
    assert!(RedisQueue::open("rediss://127.0.0.1:1", "t", LONG).is_ok());
    assert_eq!(ask::<String>(&shared(), &["PING"]), "PONG");
    assert!(!prefix().is_empty());
}

#[tokio::test]
async fn a_queue_lives_in_one_slot_of_a_cluster() {
    let server = Server::start_cluster();
    let queue = open(&server, SHORT);
    let pushed = (0..30).map(|n| NewJob { queue: QueueName::ALL[n % 3], ..job(project(), n) });
    queue.push(pushed.collect()).await.expect("pushes");
    let batch = reserve(&queue, 10).await.expect("jobs");
    assert_eq!(queue.extend(EVENTS, vec![batch.lease]).await.expect("extends"), []);
    for (range, after) in [(0..3, Duration::ZERO), (3..6, SHORT)] {
        let jobs = batch.jobs[range].iter().map(|job| job.id).collect();
        queue.release(EVENTS, batch.lease, jobs, after, true).await.expect("releases");
    }
    assert_eq!(depth(&queue).await, (3, 7));
    tokio::time::sleep(SHORT * 3 / 2).await;
    let batch = wait(&queue, 10, SHORT).await.expect("they come back");
    assert_eq!(batch.jobs.len(), 10);
    settle(&queue, &[batch.lease]).await;
    assert_eq!(depth(&queue).await, (0, 0));
}

/// Jobs, waiting or handed over, as a worker takes them.
async fn take(queue: &Shared) -> Option<Batch> {
    queue.take(EVENTS, 10, CancellationToken::new()).await.expect("takes")
}

/// A worker that listens and has found nothing, so that it waits.
async fn waiting(server: &Server, lease: Duration) -> Shared {
    let worker = open(server, lease);
    let mut wakeups = worker.wakeups(EVENTS);
    let joined = tokio::time::timeout(LONG, wakeups.wait_for(|count| *count > 0)).await;
    joined.expect("it joins").expect("the queue is there");
    assert!(take(&worker).await.is_none());
    worker
}

#[tokio::test]
async fn whoever_waits_is_handed_what_comes() {
    let server = Server::start();
    let producer = open(&server, LONG);
    let (first, second) = (waiting(&server, LONG).await, waiting(&server, LONG).await);
    for (worker, number) in [(&second, 1), (&first, 2)] {
        let mut wakeups = worker.wakeups(EVENTS);
        wakeups.mark_unchanged();
        producer.push(vec![job(project(), number)]).await.expect("pushes");
        assert_eq!(depth(&producer).await, (0, 1), "nobody had to ask for it");
        let moved = tokio::time::timeout(LONG, wakeups.changed()).await;
        moved.expect("in time").expect("the queue is there");
        let batch = take(worker).await.expect("the job");
        assert_eq!((numbers(&batch), batch.jobs[0].attempt), (vec![number], 1));
        settle(worker, &[batch.lease]).await;
    }
    producer.push(vec![job(project(), 3)]).await.expect("pushes");
    assert_eq!(depth(&producer).await, (1, 0), "nobody waits any more");
    let batch = take(&first).await.expect("the job");
    settle(&first, &[batch.lease]).await;
    assert_eq!(server.ask::<usize>(&["DBSIZE"]), 0);
}

#[tokio::test]
async fn what_a_process_that_goes_was_handed_goes_to_others() {
    let server = Server::start();
    let (producer, other) = (open(&server, LONG), open(&server, LONG));
    // It goes before anything comes, and after.
    for before in [true, false] {
        let worker = waiting(&server, LONG).await;
        if !before {
            producer.push(vec![job(project(), 1)]).await.expect("pushes");
            assert_eq!(depth(&producer).await, (0, 1));
        }
        worker.leave(EVENTS).await.expect("leaves");
        if before {
            producer.push(vec![job(project(), 1)]).await.expect("pushes");
        }
        let batch = take(&other).await.expect("the job");
        assert_eq!((numbers(&batch), batch.jobs[0].attempt), (vec![1], 1), "{before}");
        settle(&other, &[batch.lease]).await;
    }
    // It vanishes without a word: what it is handed while nobody listens goes the usual way.
    let worker = waiting(&server, LONG).await;
    server.ask::<usize>(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    producer.push(vec![job(project(), 2)]).await.expect("pushes");
    assert_eq!(numbers(&take(&other).await.expect("the job")), [2]);
    drop(worker);
}

#[tokio::test]
async fn what_is_handed_over_and_not_taken_comes_back_with_its_lease() {
    let server = Server::start();
    let producer = open(&server, SHORT);
    let worker = waiting(&server, SHORT).await;
    producer.push(vec![job(project(), 1)]).await.expect("pushes");
    assert_eq!(depth(&producer).await, (0, 1));
    let batch = wait(&producer, 10, Duration::from_secs(5)).await.expect("the job");
    assert_eq!((numbers(&batch), batch.jobs[0].attempt), (vec![1], 2));
    assert!(take(&worker).await.is_none(), "what it missed is not its own any more");
}
