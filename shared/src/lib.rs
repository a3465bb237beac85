//! What every role of Bellbuoy shares: the domain, the doors to the engines, configuration and telemetry.

pub mod accept;
pub mod access;
pub mod admin;
pub mod app;
pub mod attempts;
pub mod audit;
pub mod clock;
pub mod config;
pub mod coordination;
pub mod domain;
pub mod epochs;
pub mod events;
pub mod files;
pub mod id;
pub mod limits;
pub mod mail;
pub mod mails;
pub mod onboarding;
pub mod ops;
pub mod passwords;
pub mod people;
pub mod process;
pub mod queue;
pub mod queues;
pub mod registry;
pub mod reseal;
pub mod rulesets;
pub mod seal;
pub mod sessions;
pub mod store;
pub mod telemetry;
pub mod tenants;
pub mod time;
pub mod tokens;

mod aws;
mod link;
