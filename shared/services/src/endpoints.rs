//! Webhook endpoints as they are called: opened, signed for, and tested.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use config::{Config, WebhooksConfig};
use crypto::seal::Sealer;
use domain::id::{EndpointId, ProjectId};
use domain::time::Time;
use domain::webhook::{Endpoint, FormerSecret, SigningSecret, TestMessage};
use outbound::{HeaderName, Outbound};
use store::StoreError;
use store::rules::SealedEndpoint;
use tokio::sync::Semaphore;
use uuid::Uuid;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The headers of a message to an endpoint, which sign it.
pub fn signed_headers(
    endpoint: &Endpoint,
    id: String,
    now: Time,
    body: &[u8],
) -> [(HeaderName, String); 3] {
    let (seconds, signatures) = endpoint.sign(&id, now, body);
    [(WEBHOOK_ID, id), (WEBHOOK_TIMESTAMP, seconds.to_string()), (WEBHOOK_SIGNATURE, signatures)]
}

/// An endpoint with its secrets opened.
///
/// # Errors
/// When no known key opens its secret.
pub fn opened(
    sealer: &Sealer,
    project: ProjectId,
    sealed: SealedEndpoint,
) -> Result<Endpoint, StoreError> {
    let SealedEndpoint { id, url, secret, former, filter, .. } = sealed;
    let open = |bytes: &[u8]| {
        let opened = sealer.open_sealed(project, id.bytes(), bytes).inspect_err(|error| {
            tracing::error!(%project, endpoint = %id, %error, "the secret of an endpoint can't be opened");
        });
        opened.map(SigningSecret::from_bytes)
    };
    // Without the former secret the new one still signs.
    let former =
        former.and_then(|(bytes, until)| Some(FormerSecret { secret: open(&bytes).ok()?, until }));
    Ok(Endpoint { id, url, secret: open(&secret)?, former, filter })
}

/// What came of a test.
#[derive(Clone, Debug)]
pub struct EndpointTest {
    /// The id of the message.
    pub message: String,
    /// The status of the answer, if there was one.
    pub status_code: Option<u16>,
    /// The beginning of the answer.
    pub answer: Option<String>,
    /// Why there was none.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl EndpointTest {
    /// Whether the endpoint took the message.
    pub fn is_delivered(&self) -> bool {
        self.status_code.is_some_and(|status| (200..300).contains(&status))
    }
}

/// How many tests a process sends at the same time.
const AT_ONCE: usize = 8;
/// How long a test may take, and no longer than half of what a request may.
const LONGEST: Duration = Duration::from_secs(10);

/// Sends tests to endpoints.
pub(crate) struct Tester {
    pub(crate) webhooks: WebhooksConfig,
    /// Made when it is needed: few processes send tests.
    outbound: OnceLock<Result<Outbound, String>>,
    permits: Semaphore,
    longest: Duration,
}

impl Tester {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            webhooks: config.webhooks.clone(),
            outbound: OnceLock::new(),
            permits: Semaphore::new(AT_ONCE),
            longest: LONGEST.min(config.http.request_timeout / 2),
        }
    }

    /// Sends one, at once and only once.
    pub(crate) async fn send(&self, endpoint: &Endpoint, now: Time) -> EndpointTest {
        let message = test_id(now);
        let started = Instant::now();
        let deadline = tokio::time::Instant::now() + self.longest;
        let called = self.call(endpoint, message.clone(), now, deadline).await;
        let took = started.elapsed();
        match called {
            Ok(answer) => EndpointTest {
                message,
                status_code: Some(answer.status),
                answer: Some(answer.words),
                error: None,
                took,
            },
            Err(error) => {
                EndpointTest { message, status_code: None, answer: None, error: Some(error), took }
            }
        }
    }

    async fn call(
        &self,
        endpoint: &Endpoint,
        message: String,
        now: Time,
        deadline: tokio::time::Instant,
    ) -> Result<outbound::Answer, String> {
        let permit = tokio::time::timeout_at(deadline, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            return Err("too many tests are under way; try again".to_owned());
        };
        let outbound = self
            .outbound
            .get_or_init(|| Outbound::new(&self.webhooks).map_err(|error| error.to_string()));
        let outbound = outbound.as_ref().map_err(Clone::clone)?;
        let body = serde_json::to_vec(&TestMessage::new(endpoint.id, now));
        let body = body.map_err(|error| error.to_string())?;
        let headers = signed_headers(endpoint, message, now, &body);
        let called = outbound.post(&endpoint.url, headers, body, deadline).await;
        called.map_err(outbound::CallError::into_words)
    }
}

/// The id of a test, which no delivery has.
fn test_id(now: Time) -> String {
    let id: Uuid = domain::id::fresh(now);
    format!("msg_{}", id.simple())
}

/// A new secret for an endpoint, and that sealed.
///
/// # Errors
/// When it can't be sealed.
pub(crate) fn fresh_secret(
    sealer: &Sealer,
    project: ProjectId,
    id: EndpointId,
) -> Result<(SigningSecret, Vec<u8>), StoreError> {
    let secret = SigningSecret::fresh();
    let sealed = sealer.seal(project, id.bytes(), secret.bytes())?;
    Ok((secret, sealed))
}
