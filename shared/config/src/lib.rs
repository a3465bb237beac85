//! The typed configuration: every setting of the product, in one structure.
//!
//! `config/settings.rs` is the single list. Loading, `config print`, `.env.example` and the
//! reference page all follow from it, so that a setting can't exist without its documentation.

pub mod address;
mod choices;
mod engines;
mod file;
mod files_url;
mod gathered;
mod json;
mod load;
mod mail_url;
mod mistake;
mod network;
mod pages;
mod print;
pub mod private;
mod redis_url;
mod secret;
mod server_url;
mod setting;
mod settings;
mod sqs_url;
mod suggest;
mod units;
mod validate;

#[cfg(test)]
mod tests;

pub use choices::{LogFormat, Profile, WorkerQueue};
pub use engines::{CoordinationUrl, QueueUrl, StoreUrl};
pub use files_url::{FilesUrl, S3Url};
pub use load::Sources;
pub use mail_url::MailUrl;
pub use mistake::{ConfigErrors, Mistake, Origin};
pub use redis_url::RedisUrl;
pub use secret::{SealKey, Secret};
pub use server_url::{HttpUrl, ServerUrl};
pub use settings::{
    AcceptConfig, AuditorConfig, AuthConfig, CacheConfig, Config, CoordinationConfig,
    DeliveryConfig, DemoConfig, DueConfig, EvaluateConfig, FilesConfig, HttpConfig, LimitsConfig,
    LogConfig, MailConfig, OpsConfig, OtlpConfig, PlanConfig, QueueConfig, RegistryConfig,
    SchedulerConfig, SealConfig, StoreConfig, WebhooksConfig, WorkerConfig,
};
pub use sqs_url::SqsUrl;
pub use units::ByteSize;

impl Config {
    /// Reads and judges all sources; on failure the error holds every mistake that was found.
    pub fn load(sources: Sources) -> Result<Self, ConfigErrors> {
        load::load(&sources)
    }

    /// The defaults of the development profile, from no file and no environment; for tests.
    pub fn development() -> Self {
        Self::defaults(Profile::Development)
    }

    /// Every setting with its value and source as TOML text. Secrets are shown as `***`, which
    /// no setting accepts: a printed file with a secret in it can't be started by accident.
    pub fn print(&self) -> String {
        print::toml(self)
    }

    /// Every setting with its value and source as one JSON object; secrets are shown as `***`.
    pub fn print_json(&self) -> String {
        json::json(self)
    }

    /// The text of `.env.example`: every setting, commented out, with its meaning and default.
    pub fn env_example() -> String {
        pages::env_example()
    }

    /// The reference page in Markdown: one table per section.
    pub fn reference() -> String {
        pages::reference()
    }

    /// The Redis whose streams projects may be sent events by: that of the queue, or else of the coordination.
    pub const fn intake_redis(&self) -> Option<&RedisUrl> {
        match (&self.queue.url, &self.coordination.url) {
            (QueueUrl::Redis(url), _) | (_, CoordinationUrl::Redis(url)) => Some(url),
            _ => None,
        }
    }

    /// The SQS whose queues projects may be sent events by: that of the queue.
    pub const fn intake_sqs(&self) -> Option<&SqsUrl> {
        match &self.queue.url {
            QueueUrl::Sqs(url) => Some(url),
            QueueUrl::Sql | QueueUrl::Redis(_) => None,
        }
    }

    /// A mistake of the setting of this name, with its value as it may be shown and where that came from.
    pub fn mistake(&self, name: &str, fault: impl Into<String>) -> Option<Mistake> {
        validate::mistake(self, name, fault)
    }

    /// Where the value of a setting, like `http.listen`, came from.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).cloned().unwrap_or(Origin::Default)
    }
}

impl HttpConfig {
    /// How people and programs outside reach the API: as set, else on this machine, where it listens.
    pub fn public_url(&self) -> HttpUrl {
        self.public_url.clone().unwrap_or_else(|| HttpUrl::of(self.listen))
    }

    /// Whether answers carry Strict-Transport-Security: as set, else when the public URL is https.
    pub fn sends_hsts(&self) -> bool {
        self.hsts.unwrap_or_else(|| self.public_url().is_https())
    }
}
