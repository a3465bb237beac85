//! What is left when processes and engines are killed in the middle of it? Real processes on real engines; time stands
//! still unless a round says otherwise, and each round prints the seed of its chances (`BELLBUOY_TEST_SEED` repeats it).
//! `BELLBUOY_TEST_FULL=1` makes the rounds longer.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that can't go on says so at once"
)]

mod alone;
#[cfg(feature = "servers")]
mod bursts;
mod durable;
mod endings;
mod handover;
mod kills;
mod load;
#[cfg(feature = "servers")]
mod loss_of_nodes;
#[cfg(feature = "servers")]
mod loss_of_redis;
#[cfg(feature = "servers")]
mod loss_of_sqs;
#[cfg(feature = "servers")]
mod loss_of_store;
#[cfg(feature = "servers")]
mod orphans;
mod reference;
mod scene;
mod storms;
mod verdict;

/// `short` in the usual run, `long` in the full one.
fn by_length<T>(short: T, long: T) -> T {
    if std::env::var_os("BELLBUOY_TEST_FULL").is_some() { long } else { short }
}
