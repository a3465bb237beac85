//! What only Redis can do to us: be away, hang, forget.

use std::sync::Arc;
use std::time::{Duration, Instant};

use coordination::redis::RedisCoordination;
use coordination::{Message, Spent};
use services::limits::{Limit, Limiter, Verdict};
use tokio_util::sync::CancellationToken;

use crate::harness::Server;
use crate::limiter::storm;
use crate::suite::{Shared, join};

const TIMEOUT: Duration = Duration::from_millis(50);

fn open(server: &Server) -> Shared {
    Arc::new(RedisCoordination::open(&server.url(), "t", TIMEOUT).expect("opens"))
}

fn spent(key: &str) -> Vec<Spent> {
    vec![Spent { key: key.to_owned(), rate: 10.0, burst: 5.0, spent: 2.0 }]
}

async fn fails_fast(engine: &Shared) {
    let start = Instant::now();
    let message = Message { topic: "t".to_owned(), body: Vec::new() };
    assert!(engine.spend(spent("k")).await.is_err());
    assert!(engine.arrive("g".into(), vec!["m".into()], TIMEOUT).await.is_err());
    assert!(engine.leave("g".into(), vec!["m".into()]).await.is_err());
    assert!(engine.present(vec!["g".into()]).await.is_err());
    assert!(engine.publish(message).await.is_err());
    assert!(engine.ping().await.is_err());
    assert!(start.elapsed() < 6 * TIMEOUT + Duration::from_millis(200), "{:?}", start.elapsed());
}

async fn returns(engine: &Shared) {
    let start = Instant::now();
    while engine.ping().await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(2), "it does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_it_fails_fast_and_comes_back_with_its_readers() {
    let mut server = Server::start();
    server.stop();
    let engine = open(&server);
    let mut reader = engine.subscribe();
    fails_fast(&engine).await;
    server.restart();
    returns(&engine).await;
    join(&engine).await;
    assert_eq!(engine.spend(spent("k")).await.expect("spends"), [3.0]);
    server.stop();
    fails_fast(&engine).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    fails_fast(&engine).await;
    while reader.try_recv().is_ok() {}
    server.restart();
    returns(&engine).await;
    join(&engine).await;
    let told = Message { topic: "t".to_owned(), body: b"x".to_vec() };
    engine.publish(told.clone()).await.expect("publishes");
    let heard = async { while reader.recv().await.expect("it goes on") != told {} };
    tokio::time::timeout(Duration::from_secs(2), heard).await.expect("the reader resumes");
    assert_eq!(engine.spend(spent("k")).await.expect("it forgot"), [3.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_not_waited_for() {
    let server = Server::start();
    let engine = open(&server);
    returns(&engine).await;
    server.freeze();
    fails_fast(&engine).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    fails_fast(&engine).await;
    server.thaw();
    returns(&engine).await;
}

#[tokio::test]
async fn nothing_is_kept_that_says_nothing() {
    let server = Server::start();
    let engine = open(&server);
    returns(&engine).await;
    engine.spend(spent("k")).await.expect("spends");
    let ttl = Duration::from_millis(300);
    engine.arrive("g".into(), vec!["a".into(), "b".into()], ttl).await.expect("arrives");
    engine.arrive("h".into(), vec!["a".into()], ttl * 1000).await.expect("arrives");
    engine.leave("h".into(), vec!["a".into()]).await.expect("leaves");
    assert_eq!(server.ask::<usize>(&["DBSIZE"]), 2);
    server.ask::<()>(&["SCRIPT", "FLUSH"]);
    assert!(engine.spend(spent("k")).await.expect("spends")[0] < 3.0);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "*"]), Vec::<String>::new());
    // What somebody else put there is no reason to fail.
    server.ask::<()>(&["SET", "{t:limits}:k", "garbage"]);
    assert_eq!(engine.spend(spent("k")).await.expect("spends"), [3.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_and_never_wait_while_it_is_away() {
    let mut server = Server::start();
    let (engine, stop) = (open(&server), CancellationToken::new());
    let limiter = |_| Arc::new(Limiter::new(engine.clone(), TIMEOUT, || 4));
    let limiters: Vec<Arc<Limiter>> = (0..4).map(limiter).collect();
    for limiter in &limiters {
        tokio::spawn(limiter.clone().run(stop.clone()));
    }
    let start = Instant::now();
    let mut granted = storm(&limiters, Duration::from_secs(1)).await;
    server.freeze();
    let limits = [Limit { key: "key:b", rate: 1e6, burst: 1e6 }];
    let mut slowest = Duration::ZERO;
    for _ in 0..1000 {
        let one = Instant::now();
        assert!(matches!(limiters[0].take(&limits, 1.0), Verdict::Granted(_)));
        slowest = slowest.max(one.elapsed());
    }
    assert!(slowest < Duration::from_millis(20), "{slowest:?}");
    granted += storm(&limiters, Duration::from_secs(1)).await;
    server.thaw();
    granted += storm(&limiters, Duration::from_secs(1)).await;
    server.stop();
    granted += storm(&limiters, Duration::from_secs(1)).await;
    server.restart();
    granted += storm(&limiters, Duration::from_secs(1)).await;
    let exact = 100.0 + 200.0 * start.elapsed().as_secs_f64();
    println!("away and back: {granted} of {exact:.0}");
    assert!((exact * 0.8..=exact * 1.3).contains(&f64::from(granted)), "{granted} of {exact}");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_in_a_cluster() {
    let server = Server::start_cluster();
    let engine = open(&server);
    returns(&engine).await;
    let mut all = spent("a");
    all.extend(spent("b}{"));
    assert_eq!(engine.spend(all).await.expect("spends"), [3.0, 3.0]);
    for group in ["g", "h", "{a}"] {
        engine.arrive(group.into(), vec!["m".into()], TIMEOUT * 100).await.expect("arrives");
    }
    let there = engine.present(vec!["g".into(), "h".into(), "{a}".into()]).await.expect("answers");
    assert!(there.iter().all(|members| members == &["m"]));
    join(&engine).await;
}
