//! Does every engine of the store keep its word? One suite, run on each of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod deliveries;
mod due;
mod evaluations;
mod events;
mod idempotency;
mod keys;
mod migrations;
#[cfg(feature = "servers")]
mod partitions;
#[cfg(feature = "servers")]
mod postgres;
mod projects;
mod queues;
mod races;
mod rules;
mod schedules;
#[cfg(feature = "servers")]
mod server;
mod settled;
mod sqlite;
mod support;
mod trace;
mod upkeep;
