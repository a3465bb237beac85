//! Calls to the outside: bounded in time and size, never redirected, and never to addresses that a tenant has no
//! business with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use shared::config::WebhooksConfig;

/// The HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client: {0}")]
pub struct StartError(String);

/// Calls out.
pub(crate) struct Outbound {
    client: reqwest::Client,
    rules: Arc<AddressRules>,
    timeout: Duration,
    max_response: usize,
}

/// Why a call had no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The address is one that we do not call.
    Forbidden(String),
    /// The URL can't be called at all.
    Unusable(String),
    /// No connection, no answer, or not in time.
    Failed(String),
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// The beginning of what it said.
    pub(crate) words: String,
}

/// How much of an answer is kept for the record.
const WORDS: usize = 500;

impl Outbound {
    pub(crate) fn new(config: &WebhooksConfig) -> Result<Self, StartError> {
        let rules = Arc::new(AddressRules { allowed: config.allow_networks.clone() });
        let client = reqwest::Client::builder()
            .user_agent(&config.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Resolver(Arc::clone(&rules))))
            .pool_max_idle_per_host(64)
            .pool_idle_timeout(Duration::from_secs(30))
            .connect_timeout(config.timeout)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| StartError(error.to_string()))?;
        Ok(Self {
            client,
            rules,
            timeout: config.timeout,
            max_response: config.max_response.as_usize(),
        })
    }

    /// Posts JSON and reads the beginning of the answer.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        deadline: tokio::time::Instant,
    ) -> Result<Answer, CallError> {
        let url: url::Url =
            url.parse().map_err(|error| CallError::Unusable(format!("not a URL: {error}")))?;
        self.rules.check_literal(&url)?;
        let mut request =
            self.client.post(url).header("content-type", "application/json").body(body);
        // The trace goes on at the other side, if it wants to.
        if let Some(trace) = shared::telemetry::current_traceparent() {
            request = request.header("traceparent", trace);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let latest = deadline.min(tokio::time::Instant::now() + self.timeout);
        tokio::time::timeout_at(latest, self.call(request))
            .await
            .unwrap_or_else(|_| Err(CallError::Failed("no answer in time".to_owned())))
    }

    /// Calls a URL that the operator configured, wherever it is.
    pub(crate) async fn get(&self, url: &str) -> Result<(), String> {
        let answer = self
            .client
            .get(url)
            .timeout(self.timeout)
            .send()
            .await
            .map_err(|error| words_of(&error))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(format!("answered {}", answer.status()))
        }
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Answer, CallError> {
        let mut response = request.send().await.map_err(refine)?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .and_then(seconds);
        // Read to the end where that is short, so that the connection can be used again.
        let (mut words, mut read) = (Vec::new(), 0);
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            words.extend_from_slice(&chunk[..chunk.len().min(WORDS.saturating_sub(words.len()))]);
            if read > self.max_response {
                break;
            }
        }
        Ok(Answer { status, retry_after, words: printable(&words) })
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Text as it can be stored and shown.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

fn refine(error: reqwest::Error) -> CallError {
    let words = words_of(&error);
    if words.contains(FORBIDDEN) {
        CallError::Forbidden(words)
    } else if error.is_builder() {
        CallError::Unusable(words)
    } else {
        CallError::Failed(words)
    }
}

/// An error with its causes, which is where reqwest says what really happened.
fn words_of(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        words = format!("{words}: {one}");
        cause = one.source();
    }
    words.chars().take(WORDS).collect()
}

const FORBIDDEN: &str = "an address that webhooks may not call";

/// Which addresses may be called.
struct AddressRules {
    allowed: Vec<IpNet>,
}

impl AddressRules {
    fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|net| net.contains(&address)) || is_public(address)
    }

    /// A host that is an address never reaches the resolver.
    fn check_literal(&self, url: &url::Url) -> Result<(), CallError> {
        let address = match url.host() {
            Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
            Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
            Some(url::Host::Domain(_)) => return Ok(()),
            None => return Err(CallError::Unusable("the URL has no host".to_owned())),
        };
        if self.allows(address) {
            Ok(())
        } else {
            Err(CallError::Forbidden(format!("{address} is {FORBIDDEN}")))
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

const fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let protocol = a == 192 && b == 0 && c == 0;
    let benchmark = a == 198 && b & 0xfe == 18;
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_broadcast()
        || v4.is_documentation()
        || v4.is_multicast()
        || a == 0
        || a >= 240
        || shared
        || protocol
        || benchmark)
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    // Only global unicast is public, and of that not what carries an IPv4 address inside or is for documentation.
    a & 0xe000 == 0x2000 && a != 0x2002 && !(a == 0x2001 && (b == 0 || b == 0x0db8)) && a != 0x3fff
}

/// Looks names up, and answers only with addresses that may be called: so a name can't be turned to a private one
/// between a check and the call.
struct Resolver(Arc<AddressRules>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let fine: Vec<SocketAddr> =
                found.iter().copied().filter(|one| rules.allows(one.ip())).collect();
            if fine.is_empty() && !found.is_empty() {
                return Err(format!("{} is {FORBIDDEN}", name.as_str()).into());
            }
            Ok(Box::new(fine.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_called() {
        let rules = AddressRules { allowed: vec!["10.1.0.0/16".parse().expect("net")] };
        for (text, fine) in [
            ("8.8.8.8", true),
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("192.168.1.1", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("2606:4700::1111", true),
            ("::1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
        ] {
            assert_eq!(rules.allows(text.parse().expect("address")), fine, "{text}");
        }
        for (url, fine) in [
            ("http://10.2.0.1/", false),
            ("http://[::1]/", false),
            ("http://2130706433/", false),
            ("https://example.org/", true),
        ] {
            assert_eq!(rules.check_literal(&url.parse().expect("url")).is_ok(), fine, "{url}");
        }
    }
}
