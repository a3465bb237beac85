//! What is true of every engine of coordination.

use std::sync::Arc;
use std::time::{Duration, Instant};

use coordination::{Coordination, Message, Spent};
use tokio::sync::broadcast::error::RecvError;

pub type Shared = Arc<dyn Coordination>;
const MINUTE: Duration = Duration::from_secs(60);

fn spent(key: &str, rate: f64, burst: f64, spent: f64) -> Spent {
    Spent { key: key.to_owned(), rate, burst, spent }
}

async fn spend(engine: &Shared, one: Spent) -> f64 {
    engine.spend(vec![one]).await.expect("spends")[0]
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn present(engine: &Shared, group: &str) -> Vec<String> {
    let mut there = engine.present(names(&[group])).await.expect("answers").remove(0);
    there.sort();
    there
}

pub async fn spending_follows_rate_and_burst<F: AsyncFn() -> Shared>(open: &F) {
    let engine = open().await;
    let start = Instant::now();
    assert_eq!(spend(&engine, spent("k", 10.0, 20.0, 0.0)).await, 20.0);
    assert_eq!(spend(&engine, spent("k", 10.0, 20.0, 20.0)).await, 0.0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let left = spend(&engine, spent("k", 10.0, 20.0, 0.0)).await;
    let most = start.elapsed().as_secs_f64() * 10.0;
    assert!((4.9..=most + 0.1).contains(&left), "{left} of at most {most}");
    tokio::time::sleep(Duration::from_millis(1700)).await;
    assert_eq!(spend(&engine, spent("k", 10.0, 20.0, 0.0)).await, 20.0, "no more than the burst");
    assert_eq!(spend(&engine, spent("other", 10.0, 20.0, 5.0)).await, 15.0);
    // A limit that was changed counts from now on.
    let left = spend(&engine, spent("other", 10.0, 8.0, 1.0)).await;
    assert_eq!(left, 7.0);
}

pub async fn debts_end_at_one_burst<F: AsyncFn() -> Shared>(open: &F) {
    let engine = open().await;
    assert_eq!(spend(&engine, spent("k", 20.0, 10.0, 1000.0)).await, -10.0);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let left = spend(&engine, spent("k", 20.0, 10.0, 0.0)).await;
    assert!(left >= 1.9, "{left}");
}

pub async fn what_is_no_limit_is_answered<F: AsyncFn() -> Shared>(open: &F) {
    let engine = open().await;
    let odd = [(0.0, 5.0, 9.0), (-1.0, 5.0, 9.0), (f64::NAN, 5.0, 9.0), (1.0, 5.0, f64::NAN)];
    let mut asked: Vec<Spent> =
        odd.iter().map(|(rate, burst, used)| spent("k", *rate, *burst, *used)).collect();
    asked.insert(2, spent("k", 1.0, 5.0, 1.0));
    let left = engine.spend(asked).await.expect("spends");
    assert_eq!(left, [5.0, 5.0, 4.0, 5.0, 5.0]);
    assert_eq!(engine.spend(Vec::new()).await.expect("spends"), Vec::<f64>::new());
    // Very slow and very fast limits are limits.
    assert_eq!(spend(&engine, spent("slow", 1e-9, 3.0, 1.0)).await, 2.0);
    assert_eq!(spend(&engine, spent("fast", 1e9, 1e12, 1.0)).await.round(), 1e12 - 1.0);
    assert_eq!(spend(&engine, spent("a b\n\0ü {x}", 1.0, 3.0, 1.0)).await, 2.0);
}

pub async fn many_limits_at_once<F: AsyncFn() -> Shared>(open: &F) {
    let engine = open().await;
    let all: Vec<Spent> =
        (0..2500).map(|n| spent(&format!("k{n}"), 0.001, 3000.0, f64::from(n))).collect();
    let left = engine.spend(all).await.expect("spends");
    assert_eq!(left.len(), 2500);
    for (n, left) in left.iter().enumerate() {
        assert!((left - (3000.0 - n as f64)).abs() < 0.1, "{n}: {left}");
    }
}

pub async fn members_are_present_until_they_leave_or_expire<F: AsyncFn() -> Shared>(open: &F) {
    let engine = open().await;
    assert_eq!(present(&engine, "g").await, names(&[]));
    let short = Duration::from_millis(400);
    engine.arrive("g".to_owned(), names(&["a", "b", "c", "d"]), short).await.expect("arrives");
    engine.arrive("g".to_owned(), names(&["b"]), MINUTE).await.expect("arrives");
    engine.leave("g".to_owned(), names(&["c", "nobody"])).await.expect("leaves");
    engine.leave("nowhere".to_owned(), names(&["c"])).await.expect("leaves");
    engine.leave("g".to_owned(), Vec::new()).await.expect("leaves");
    engine.arrive("g".to_owned(), Vec::new(), MINUTE).await.expect("arrives");
    assert_eq!(present(&engine, "g").await, names(&["a", "b", "d"]));
    for _ in 0..4 {
        tokio::time::sleep(short / 2).await;
        engine.arrive("g".to_owned(), names(&["d"]), short).await.expect("renews");
    }
    assert_eq!(present(&engine, "g").await, names(&["b", "d"]));
    tokio::time::sleep(short * 5 / 4).await;
    assert_eq!(present(&engine, "g").await, names(&["b"]));
}

pub async fn groups_do_not_touch_each_other<F: AsyncFn() -> Shared>(open: &F) {
    let engine = open().await;
    let crowd: Vec<String> = (0..2500).map(|n| n.to_string()).collect();
    engine.arrive("a}{".to_owned(), crowd.clone(), MINUTE).await.expect("arrives");
    engine.arrive("b".to_owned(), names(&["x"]), MINUTE).await.expect("arrives");
    let there = engine.present(names(&["b", "nobody", "a}{"])).await.expect("answers");
    assert_eq!(there[0], names(&["x"]));
    assert_eq!(there[1], names(&[]));
    assert_eq!(there[2].len(), crowd.len());
    assert!(engine.present(Vec::new()).await.expect("answers").is_empty());
    engine.leave("a}{".to_owned(), crowd).await.expect("leaves");
    assert_eq!(present(&engine, "b").await, names(&["x"]));
}

pub async fn messages_reach_everybody_whole<F: AsyncFn() -> Shared>(open: &F) {
    let engine = open().await;
    let mut readers = [engine.subscribe(), engine.subscribe()];
    join(&engine).await;
    let bodies = [Vec::new(), (0..=255).collect::<Vec<u8>>(), vec![0; 100_000]];
    let said: Vec<Message> = ["a", "", "ü\0{}"]
        .iter()
        .flat_map(|topic| bodies.iter().map(|body| (topic.to_string(), body.clone())))
        .map(|(topic, body)| Message { topic, body })
        .collect();
    for message in &said {
        engine.publish(message.clone()).await.expect("publishes");
    }
    for reader in &mut readers {
        let mut heard = Vec::new();
        while heard.len() < said.len() {
            let next = tokio::time::timeout(Duration::from_secs(5), reader.recv()).await;
            let message = next.expect("in time").expect("not too slow");
            if message.topic != "joined" {
                heard.push(message);
            }
        }
        assert_eq!(heard, said);
    }
}

pub async fn a_slow_reader_loses_the_oldest<F: AsyncFn() -> Shared>(open: &F) {
    let engine = open().await;
    let (mut slow, mut last) = (engine.subscribe(), engine.subscribe());
    join(&engine).await;
    for number in 0..3000_u32 {
        let body = number.to_be_bytes().to_vec();
        let message = Message { topic: "n".to_owned(), body };
        engine.publish(message).await.expect("publishes");
    }
    let end = 2999_u32.to_be_bytes();
    loop {
        match tokio::time::timeout(Duration::from_secs(5), last.recv()).await.expect("in time") {
            Ok(message) if message.body == end => break,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => panic!("it ended"),
        }
    }
    assert!(matches!(slow.recv().await, Err(RecvError::Lagged(_))));
    let next = slow.recv().await.expect("the oldest that is left");
    assert!(next.body.as_slice() >= &1900_u32.to_be_bytes()[..], "{:?}", next.body);
}

/// Waits until a subscription is heard: what is said before that is nobody's.
pub async fn join(engine: &Shared) {
    let mut reader = engine.subscribe();
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < Duration::from_secs(10), "nothing is heard");
        let message = Message { topic: "joined".to_owned(), body: Vec::new() };
        // While the engine is away this fails, and is tried again.
        let _ = engine.publish(message).await;
        if tokio::time::timeout(Duration::from_millis(50), reader.recv()).await.is_ok() {
            return;
        }
    }
}
