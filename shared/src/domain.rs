//! The domain: pure functions and types. No I/O, no async; what time it is, is a parameter.

pub mod audit;
pub mod condition;
pub mod csv;
pub mod delivery;
pub mod evaluation;
pub mod event;
pub mod fault;
pub mod group;
pub mod intake;
pub mod job;
pub mod key;
pub mod names;
pub mod permission;
pub mod project;
pub mod reason;
pub mod retry;
pub mod role;
pub mod rule;
pub mod ruleset;
pub mod schedule;
pub mod shard;
pub mod trace;
pub mod user;
pub mod webhook;
