//! What every role of Bellbuoy shares: the domain, the doors to the engines, configuration and telemetry.

pub mod accept;
pub mod access;
pub mod app;
pub mod clock;
pub mod config;
pub mod coordination;
pub mod domain;
pub mod epochs;
pub mod events;
pub mod id;
pub mod limits;
pub mod onboarding;
pub mod ops;
pub mod process;
pub mod queue;
pub mod registry;
pub mod rulesets;
pub mod seal;
pub mod store;
pub mod telemetry;
pub mod time;

mod link;
