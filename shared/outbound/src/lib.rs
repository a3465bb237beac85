//! Calls to the outside: bounded in time and size, never redirected, and never to addresses that a tenant has no
//! business with. This is hyper's own client: what a larger one does besides costs more than the call itself.

mod addresses;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use config::WebhooksConfig;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
pub use hyper::header::HeaderName;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;

use addresses::{AddressRules, FORBIDDEN, Resolver};

/// The HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client: {0}")]
pub struct StartError(String);

/// Calls out.
pub struct Outbound {
    /// Calls what tenants name.
    tenants: Caller,
    /// Calls what the operator names.
    operator: Caller,
    timeout: Duration,
    max_response: usize,
}

type Http = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// A client with its rules.
struct Caller {
    client: Http,
    rules: Arc<AddressRules>,
    user_agent: HeaderValue,
    /// What was made of the URLs that are called: reading one takes longer than much else of a call.
    places: Mutex<HashMap<String, Arc<Place>>>,
}

/// Where a URL leads.
struct Place {
    uri: Uri,
    /// Its user and password.
    authorization: Option<HeaderValue>,
}

/// How many URLs are remembered before all are forgotten.
const REMEMBERED: usize = 10_000;

/// Why a call had no answer.
#[derive(Debug)]
pub enum CallError {
    /// The address is one that we do not call.
    Forbidden(String),
    /// The URL can't be called at all.
    Unusable(String),
    /// No connection, no answer, or not in time.
    Failed(String),
}

/// An answer.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// When it asks us to come back.
    pub retry_after: Option<Duration>,
    /// The beginning of what it said.
    pub words: String,
}

/// How much of an answer is kept for the record.
const WORDS: usize = 500;

/// How many connections to one target rest, and how long.
const IDLE_CONNECTIONS: usize = 64;
const IDLE: Duration = Duration::from_secs(30);

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

impl Outbound {
    /// Makes the clients.
    ///
    /// # Errors
    /// When the system has no certificates to trust, or the configured name can't be one.
    pub fn new(config: &WebhooksConfig) -> Result<Self, StartError> {
        let agent = HeaderValue::from_str(&config.user_agent);
        let agent = agent.map_err(|error| StartError(format!("webhooks.user_agent: {error}")))?;
        let tls = tls()?;
        let caller = |rules| Caller::new(&tls, Arc::new(rules), agent.clone(), config.timeout);
        Ok(Self {
            tenants: caller(AddressRules::Public(config.allow_networks.clone())),
            operator: caller(AddressRules::All),
            timeout: config.timeout,
            max_response: config.max_response.as_usize(),
        })
    }

    /// Posts JSON and reads the beginning of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(
        &self,
        url: &str,
        headers: [(HeaderName, String); 3],
        body: Vec<u8>,
        deadline: tokio::time::Instant,
    ) -> Result<Answer, CallError> {
        let mut request = self.tenants.request(Method::POST, url, Full::from(body))?;
        let all = request.headers_mut();
        all.insert(header::CONTENT_TYPE, JSON);
        // The trace goes on at the other side, if it wants to.
        let trace = telemetry::current_traceparent().map(|trace| (TRACEPARENT, trace));
        for (name, value) in headers.into_iter().chain(trace) {
            let value = HeaderValue::try_from(value);
            all.insert(name, value.map_err(|error| CallError::Unusable(error.to_string()))?);
        }
        let latest = deadline.min(tokio::time::Instant::now() + self.timeout);
        tokio::time::timeout_at(latest, self.call(request))
            .await
            .unwrap_or_else(|_| Err(CallError::Failed("no answer in time".to_owned())))
    }

    /// Calls a URL that the operator configured, wherever it is.
    ///
    /// # Errors
    /// With the words of what went wrong, or the status if it is not one of success.
    pub async fn get(&self, url: &str) -> Result<(), String> {
        let request = self.operator.request(Method::GET, url, Full::default());
        let request = request.map_err(CallError::into_words)?;
        let answer = tokio::time::timeout(self.timeout, self.operator.client.request(request));
        let answer = answer.await.map_err(|_| "no answer in time".to_owned())?;
        match answer.map_err(|error| words_of(&error))?.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("answered {status}")),
        }
    }

    /// Posts JSON to what an operator names, wherever it is; answers the status, the answer, of which `most` bytes are read, and
    /// when it asks us to come back.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(
        &self,
        url: &str,
        headers: impl IntoIterator<Item = (&'static str, String)>,
        body: Vec<u8>,
        most: usize,
    ) -> Result<(u16, Bytes, Option<Duration>), CallError> {
        let mut request = self.operator.request(Method::POST, url, Full::from(body))?;
        let all = request.headers_mut();
        all.insert(header::CONTENT_TYPE, JSON);
        for (name, value) in headers {
            let value = HeaderValue::try_from(value);
            let value = value.map_err(|error| CallError::Unusable(format!("{name}: {error}")))?;
            all.insert(HeaderName::from_static(name), value);
        }
        let sent = async {
            let response = self.operator.client.request(request).await;
            let response = response.map_err(|error| refused(&error))?;
            let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
            let body = Limited::new(response.into_body(), most).collect().await;
            let body = body.map_err(|error| CallError::Failed(words_of(&*error)))?;
            Ok((status, body.to_bytes(), retry_after))
        };
        tokio::time::timeout(self.timeout, sent)
            .await
            .unwrap_or_else(|_| Err(CallError::Failed("no answer in time".to_owned())))
    }

    /// Reads what is at a URL, of which a stranger may have said where it is: at a public address, or if `anywhere` at any.
    ///
    /// # Errors
    /// When there is no answer, it is not one of success, or it has more than `most` bytes.
    pub async fn fetch(&self, url: &str, anywhere: bool, most: usize) -> Result<Bytes, CallError> {
        let caller = if anywhere { &self.operator } else { &self.tenants };
        let request = caller.request(Method::GET, url, Full::default())?;
        let fetched = async {
            let response = caller.client.request(request).await.map_err(|error| refused(&error))?;
            if !response.status().is_success() {
                return Err(CallError::Failed(format!("answered {}", response.status())));
            }
            let body = Limited::new(response.into_body(), most).collect().await;
            body.map(Collected::to_bytes).map_err(|error| CallError::Failed(words_of(&*error)))
        };
        tokio::time::timeout(self.timeout, fetched)
            .await
            .unwrap_or_else(|_| Err(CallError::Failed("no answer in time".to_owned())))
    }

    async fn call(&self, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
        let response = self.tenants.client.request(request).await;
        let response = response.map_err(|error| refused(&error))?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
        let words = self.beginning(response).await;
        Ok(Answer { status, retry_after, words: printable(&words) })
    }

    /// Reads to the end where that is short, so that the connection can be used again.
    async fn beginning(&self, response: Response<Incoming>) -> Vec<u8> {
        let mut body = response.into_body();
        let (mut words, mut read) = (Vec::new(), 0);
        while let Some(Ok(frame)) = body.frame().await {
            let Some(chunk) = frame.data_ref() else { continue };
            read += chunk.len();
            words.extend_from_slice(&chunk[..chunk.len().min(WORDS.saturating_sub(words.len()))]);
            if read > self.max_response {
                break;
            }
        }
        words
    }
}

fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?;
    value.to_str().ok().and_then(seconds)
}

impl Caller {
    fn new(
        tls: &ClientConfig,
        rules: Arc<AddressRules>,
        user_agent: HeaderValue,
        connect_timeout: Duration,
    ) -> Self {
        let mut http = HttpConnector::new_with_resolver(Resolver(Arc::clone(&rules)));
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connect_timeout));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(https);
        Self { client, rules, user_agent, places: Mutex::default() }
    }

    fn request(
        &self,
        method: Method,
        url: &str,
        body: Full<Bytes>,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let place = self.place(url)?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = place.uri.clone();
        let headers = request.headers_mut();
        headers.reserve(10);
        headers.insert(header::USER_AGENT, self.user_agent.clone());
        headers.insert(header::ACCEPT, ANYTHING);
        if let Some(authorization) = &place.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    fn place(&self, url: &str) -> Result<Arc<Place>, CallError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(url) {
            return Ok(Arc::clone(place));
        }
        let place = Arc::new(self.read(url)?);
        if places.len() >= REMEMBERED {
            places.clear();
        }
        places.insert(url.to_owned(), Arc::clone(&place));
        Ok(place)
    }

    fn read(&self, url: &str) -> Result<Place, CallError> {
        let mut url = judged(url, &self.rules)?;
        let authorization = basic(&url);
        // What is said in a header does not stand in the address as well.
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return Err(CallError::Unusable("the URL has no host".to_owned()));
        }
        url.set_fragment(None);
        let uri = url
            .as_str()
            .parse()
            .map_err(|error| CallError::Unusable(format!("a URL that HTTP can't say: {error}")))?;
        Ok(Place { uri, authorization })
    }
}

/// What is wrong with a URL that a tenant names, as far as that shows without a call: where a name leads is judged when it is
/// called.
pub fn url_fault(url: &str, config: &WebhooksConfig) -> Option<String> {
    let rules = AddressRules::Public(config.allow_networks.clone());
    judged(url, &rules).err().map(CallError::into_words)
}

/// A URL that may be called by its text.
fn judged(url: &str, rules: &AddressRules) -> Result<url::Url, CallError> {
    let url: url::Url =
        url.parse().map_err(|error| CallError::Unusable(format!("not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(CallError::Unusable("only http and https can be called".to_owned()));
    }
    rules.check_literal(&url)?;
    Ok(url)
}

/// What the system trusts.
fn tls() -> Result<ClientConfig, StartError> {
    let failed = |error: rustls::Error| StartError(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .try_with_platform_verifier()
        .map_err(failed)?;
    Ok(config.with_no_client_auth())
}

/// The user and password of a URL, as HTTP says them.
fn basic(url: &url::Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut plain: Vec<u8> = percent_decode_str(url.username()).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl CallError {
    /// What went wrong, in words.
    pub fn into_words(self) -> String {
        match self {
            Self::Forbidden(words) | Self::Unusable(words) | Self::Failed(words) => words,
        }
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Why a request had no answer.
fn refused(error: &dyn std::error::Error) -> CallError {
    let words = words_of(error);
    if words.contains(FORBIDDEN) { CallError::Forbidden(words) } else { CallError::Failed(words) }
}

/// Text as it can be stored and shown.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

/// An error with its causes, which is where hyper says what really happened.
fn words_of(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        words = format!("{words}: {one}");
        cause = one.source();
    }
    words.chars().take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_what_http_says() {
        let rules = Arc::new(AddressRules::Public(Vec::new()));
        let tls = tls().expect("TLS");
        let caller = Caller::new(&tls, rules, ANYTHING, Duration::from_secs(1));
        for (url, uri, authorization) in [
            ("https://example.org/a?b=c#d", "https://example.org/a?b=c", None),
            ("http://example.org:8080", "http://example.org:8080/", None),
            ("https://Ann:p%40ss@example.org/x", "https://example.org/x", Some("Ann:p@ss")),
            ("https://b\u{fc}ro.example/ü", "https://xn--bro-hoa.example/%C3%BC", None),
        ] {
            let place = caller.place(url).expect(url);
            assert_eq!(place.uri, uri, "{url}");
            let wanted = authorization.map(|plain| format!("Basic {}", STANDARD.encode(plain)));
            let given = place.authorization.as_ref().map(|value| value.to_str().expect("ASCII"));
            assert_eq!(given, wanted.as_deref(), "{url}");
        }
        for url in ["ftp://example.org/", "example.org", "mailto:a@example.org", "data:,x"] {
            assert!(matches!(caller.place(url), Err(CallError::Unusable(_))), "{url}");
        }
        assert!(matches!(caller.place("http://127.0.0.1/"), Err(CallError::Forbidden(_))));
    }
}
