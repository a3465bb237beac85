//! Does every engine of the job queue keep its word? One suite, run on each of them.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod commands;
#[cfg(feature = "servers")]
use bellbuoy_harness::redis as harness;
#[cfg(feature = "servers")]
mod redis_engine;
#[cfg(feature = "servers")]
mod redis_topologies;
#[cfg(feature = "servers")]
mod sqs_engine;
#[cfg(feature = "servers")]
mod sqs_server;
mod suite;
mod suite_leases;

use std::time::Duration;

use bellbuoy_harness::{Stores, engines};
use queue::sql::SqlQueue;
use suite::Shared;

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
                a_great_many_jobs_drain
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

#[cfg(feature = "servers")]
async fn redis(url: String, lease: Duration) -> Shared {
    let queue = queue::redis::RedisQueue::open(&url, &harness::prefix(), lease);
    Shared::new(queue.expect("opens"))
}

async fn sql(store: Stores, lease: Duration) -> Shared {
    let (store, ground) = engines::store(store).await;
    Shared::on(ground, SqlQueue::new(store, lease))
}

engines! {
    sqlite: async |lease: std::time::Duration| crate::sql(bellbuoy_harness::Stores::Sqlite, lease).await;
}

#[cfg(feature = "servers")]
engines! {
    redis: async |lease| crate::redis(crate::harness::shared(), lease).await;
    redis_sentinel: async |lease| crate::redis(crate::harness::shared_sentinels(), lease).await;
    redis_cluster: async |lease| crate::redis(crate::harness::shared_cluster(), lease).await;
    redis_guarded: async |lease| crate::redis(crate::harness::shared_guarded(), lease).await;
    sqs: async |lease: std::time::Duration| crate::sqs_engine::shared(false, lease).await;
    sqs_fifo: async |lease: std::time::Duration| crate::sqs_engine::shared(true, lease).await;
    postgres: async |lease: std::time::Duration| crate::sql(bellbuoy_harness::Stores::Postgres, lease).await;
    mariadb: async |lease: std::time::Duration| crate::sql(bellbuoy_harness::Stores::Mariadb, lease).await;
}
