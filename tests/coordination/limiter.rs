//! The limiter over a real engine: several processes share one limit, and a request never waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use services::limits::{Limit, Limiter, Verdict};
use tokio_util::sync::CancellationToken;

use crate::suite::Shared;

const WINDOW: Duration = Duration::from_millis(50);

/// Asks each of `limiters` as often as it can for `time`; answers how many were granted in all.
pub async fn storm(limiters: &[Arc<Limiter>], time: Duration) -> u32 {
    let (start, mut granted) = (Instant::now(), 0);
    while start.elapsed() < time {
        for limiter in limiters {
            let limits = [
                Limit { key: "key:a", rate: 200.0, burst: 100.0 },
                Limit { key: "system", rate: 0.0, burst: 0.0 },
            ];
            granted += u32::from(matches!(limiter.take(&limits, 1.0), Verdict::Granted(_)));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    granted
}

pub async fn a_limit_holds_over_processes<F: AsyncFn() -> Shared>(open: &F) {
    for processes in [1_u32, 4] {
        let (engine, stop) = (open().await, CancellationToken::new());
        let limiter = |_| Arc::new(Limiter::new(engine.clone(), WINDOW, move || processes));
        let limiters: Vec<Arc<Limiter>> = (0..processes).map(limiter).collect();
        let loops: Vec<_> = limiters
            .iter()
            .map(|limiter| tokio::spawn(limiter.clone().run(stop.clone())))
            .collect();
        let start = Instant::now();
        let granted = f64::from(storm(&limiters, Duration::from_secs(2)).await);
        let exact = 100.0 + 200.0 * start.elapsed().as_secs_f64();
        // One process never grants more; several may be a window ahead of each other.
        let most = if processes == 1 { exact + 1.0 } else { exact * 1.15 };
        println!("{processes} processes: {granted} of {exact:.0}");
        assert!((exact * 0.8..=most).contains(&granted), "{granted} of {exact}");
        stop.cancel();
        for one in loops {
            one.await.expect("it ends");
        }
    }
}
