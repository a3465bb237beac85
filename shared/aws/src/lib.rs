//! What our clients of AWS have in common: how they connect, who they are, how patient they are, and what their errors
//! mean. The SDK's own `aws-config` is not used: it brings clients of three further services to find credentials.

mod credentials;

use std::time::Duration;

use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

pub use credentials::Credentials;

/// The SDK's defaults, as they were when this was written: a newer version changes them only together with this line.
pub fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// The HTTP client: the one TLS stack of this product, and the machine's own roots.
pub fn http_client() -> SharedHttpClient {
    Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

/// How long to wait for a connection and for the beginning of an answer. Bodies may take longer as long as they move.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(30))
        .build()
}

/// Three attempts, as the SDKs have it: more only pile up before a service that is down.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3)
}

/// The region: the one that was said, or that of the environment.
pub fn region(said: Option<&str>) -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    said.map(str::to_owned)
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
}

/// What an error of a service means.
#[derive(Debug)]
pub enum Trouble {
    /// The service is there, and says no: its word for it, and all that it said.
    Refused {
        /// The service's word, like `NoSuchKey`.
        code: String,
        /// The status of its answer.
        status: u16,
        /// For people.
        words: String,
    },
    /// It could not be reached, did not answer in time, or is busy: later it may work.
    Away(String),
}

impl Trouble {
    /// What it means.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let words = match error.as_service_error() {
            Some(service) => match (service.code(), service.message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.to_owned(),
                // Answers to HEAD have no words, and those of a proxy are not the service's.
                _ => format!("the service answers {}", status(error).unwrap_or_default()),
            },
            None => chain(error),
        };
        match (error, status(error)) {
            (SdkError::ServiceError(service), Some(status)) if status < 500 && status != 429 => {
                let code = service.err().code().unwrap_or_default().to_owned();
                Self::Refused { code, status, words }
            }
            // A request that can't even be made will not be made later either.
            (SdkError::ConstructionFailure(_), _) => {
                Self::Refused { code: String::new(), status: 0, words }
            }
            _ => Self::Away(words),
        }
    }
}

/// What an error and its causes say, each once. The SDK's own words for this end in pages of its structures.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(one) = next {
        let text = one.to_string();
        // Some say what their cause says as well.
        if !words.iter().any(|before| before.contains(&text)) {
            words.push(text);
        }
        next = one.source();
    }
    words.join(": ")
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}
