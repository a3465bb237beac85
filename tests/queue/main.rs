//! Does every engine of the job queue keep its word? One suite, run on each of them.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use bellbuoy_harness::redis as harness;
mod redis_engine;
mod suite;
mod suite_leases;

use std::sync::Arc;
use std::time::Duration;

use shared::queue::Queue;
use shared::queue::redis::RedisQueue;

/// One test per case and engine; an engine is a name and an async function that opens it empty with a given lease.
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
                settled_jobs_leave_nothing
                projects_keep_their_order
                a_flood_gets_its_share_and_no_more
                many_projects_take_turns
                who_keeps_pushing_keeps_its_turn
                queues_do_not_touch_each_other
                a_hundred_thousand_jobs_drain
                concurrent_workers_never_share_a_job
                pushes_wake
                bodies_are_bytes
            }
            suite_leases {
                an_expired_lease_comes_back_in_order
                renewed_leases_last
                a_lost_lease_is_answered
                released_jobs_come_first_again
                rested_jobs_come_back_in_time
                settling_an_expired_lease_harms_nobody
                what_is_released_is_not_settled
                unknown_leases_are_no_trouble
            }
        }
    )* };
}

async fn redis(lease: Duration) -> Arc<dyn Queue> {
    let queue = RedisQueue::open(&harness::shared(), &harness::prefix(), lease);
    Arc::new(queue.expect("opens"))
}

engines! {
    redis: crate::redis;
}
