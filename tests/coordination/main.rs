//! Does every engine of coordination keep its word? One suite, run on each of them; and the limiter on top of it.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use bellbuoy_harness::redis as harness;
mod limiter;
mod redis_engine;
mod suite;

use std::sync::Arc;
use std::time::Duration;

use coordination::Coordination;
use coordination::memory::MemoryCoordination;
use coordination::redis::RedisCoordination;

/// One test per case and engine; an engine is a name and an async function that opens it empty.
macro_rules! conformance {
    ($engine:ident, $open:expr; $($module:ident { $($case:ident)* })*) => {
        mod $engine {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$module::$case(&$open).await;
                }
            )*)*
        }
    };
}

macro_rules! engines {
    ($($engine:ident: $open:expr;)*) => { $(
        conformance! { $engine, $open;
            suite {
                spending_follows_rate_and_burst
                debts_end_at_one_burst
                what_is_no_limit_is_answered
                many_limits_at_once
                members_are_present_until_they_leave_or_expire
                groups_do_not_touch_each_other
                messages_reach_everybody_whole
                a_slow_reader_loses_the_oldest
            }
            limiter {
                a_limit_holds_over_processes
            }
        }
    )* };
}

async fn memory() -> Arc<dyn Coordination> {
    Arc::new(MemoryCoordination::new())
}

// A test's machine may be busy: how fast a call fails is tested where that is the question.
async fn redis(url: String) -> Arc<dyn Coordination> {
    let patience = Duration::from_secs(5);
    let engine = RedisCoordination::open(&url, &harness::prefix(), patience);
    Arc::new(engine.expect("opens"))
}

engines! {
    memory: crate::memory;
    redis: async || crate::redis(crate::harness::shared()).await;
    redis_sentinel: async || crate::redis(crate::harness::shared_sentinels()).await;
    redis_cluster: async || crate::redis(crate::harness::shared_cluster()).await;
    redis_guarded: async || crate::redis(crate::harness::shared_guarded()).await;
}
