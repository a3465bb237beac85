//! Why the product has a queue engine of its own: the one that apalis-redis 1.0 brings wedges for good when more jobs are
//! due than Lua can unpack in one call, about 8 000.
//!
//! **When this fails, upstream may have mended it.** That is good news, and a question: is our engine still needed? Read
//! the other findings in docs/decisions first (prefetched jobs of healthy workers that run twice, handlers that are
//! dropped on any error of Redis, finished jobs that stay for ever); if they are mended too, use theirs and drop ours.

#![allow(clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apalis::prelude::{BackendExt, BoxDynError, Data, TaskSink, WorkerBuilder, WorkerBuilderExt};
use apalis_redis::{Config, RedisStorage};

/// What the script says when `unpack` gets more than fits on Lua's stack.
const WEDGED: &str = "too many results to unpack";

async fn handle(_: u32, ran: Data<Arc<AtomicU64>>) -> Result<(), BoxDynError> {
    ran.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Lets a worker run until it ends, all jobs ran, or there was ample time; answers what it ended with.
async fn work(
    storage: &RedisStorage<u32>,
    name: String,
    ran: &Arc<AtomicU64>,
    jobs: u64,
) -> String {
    let worker = WorkerBuilder::new(name.as_str())
        .backend(storage.clone().poll_with_interval(Duration::from_millis(100)))
        .concurrency(100)
        .data(Arc::clone(ran))
        .build(handle)
        .run();
    let all_ran = async {
        while ran.load(Ordering::Relaxed) < jobs {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        ended = worker => format!("{ended:?}"),
        () = all_ran => "all jobs ran".to_owned(),
        () = tokio::time::sleep(Duration::from_secs(60)) => "a minute was not enough".to_owned(),
    }
}

/// Pushes so many jobs, then works; answers how many ran and what the worker ended with.
async fn run(jobs: u64) -> (u64, String) {
    let url = std::env::var("BELLBUOY_TEST_REDIS")
        .expect("BELLBUOY_TEST_REDIS names a Redis; see tests/run");
    let queue = format!("stock-{}", uuid::Uuid::new_v4().simple());
    let connection = apalis_redis::connect(url.as_str()).await.expect("connects");
    let config = Config::default().queue(&queue).batch_size(100);
    let mut storage = RedisStorage::new(connection).with_config(config);
    for from in (0..jobs).step_by(100) {
        let chunk = (from..from + 100).map(|job| u32::try_from(job).expect("few"));
        storage.push_bulk(chunk.collect()).await.expect("pushes");
    }
    let ran = Arc::new(AtomicU64::new(0));
    let mut end = work(&storage, format!("{queue}-1"), &ran, jobs).await;
    if ran.load(Ordering::Relaxed) < jobs {
        // It was no passing trouble: a second worker, started afresh, fares no better.
        end = work(&storage, format!("{queue}-2"), &ran, jobs).await;
    }
    forget(&url, &queue).await;
    (ran.load(Ordering::Relaxed), end)
}

async fn forget(url: &str, queue: &str) {
    let client = redis::Client::open(url).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("connects");
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{queue}*"))
        .query_async(&mut connection)
        .await
        .expect("keys");
    for some in keys.chunks(1000) {
        redis::cmd("UNLINK").arg(some).exec_async(&mut connection).await.expect("goes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_apalis_redis_wedges_with_ten_thousand_due_jobs() {
    // First that this test would notice if it worked: few enough jobs do run.
    let (ran, end) = run(1000).await;
    assert_eq!(ran, 1000, "a thousand jobs should run: {end}");

    let (ran, end) = run(10_000).await;
    let news = "did upstream mend it? See the top of this file";
    assert!(ran < 10_000, "all of 10 000 jobs ran: {news}");
    assert!(
        end.contains(WEDGED),
        "{ran} of 10 000 jobs ran, and the worker ended with {end}: {news}"
    );
}
