//! Does every engine of the store keep its word? One suite, run on each of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod audit;
mod deliveries;
mod due;
mod endpoints;
mod evaluations;
mod event_types;
mod events;
mod idempotency;
mod intake;
mod keys;
#[cfg(feature = "servers")]
mod mariadb;
mod migrations;
#[cfg(feature = "servers")]
mod partitions;
#[cfg(feature = "servers")]
mod postgres;
mod probe;
mod projects;
mod queues;
mod races;
mod roles;
mod rules;
mod schedules;
#[cfg(feature = "servers")]
mod server;
mod settled;
mod shards;
mod sqlite;
mod support;
mod trace;
mod upkeep;
