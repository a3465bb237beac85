//! What every role does with the engines: the one home of each verb that the API, the worker and the CLI share.

pub mod accept;
pub mod access;
pub mod accounts;
pub mod admin;
pub mod alerts;
pub mod audit;
pub mod batching;
pub mod catalogues;
pub mod endpoints;
pub mod epochs;
pub mod events;
pub mod intake;
pub mod limits;
pub mod login_throttle;
pub mod mails;
pub mod onboarding;
pub mod pace;
pub mod probe;
pub mod rates;
pub mod registry;
pub mod reseal;
pub mod rulesets;
pub mod sessions;
pub mod sns;
pub mod tenants;
