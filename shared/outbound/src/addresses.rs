//! Which addresses may be called: none that a tenant has no business with, and that is judged where names are looked up,
//! so that a name can't be turned to a private address between a check and the call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use ipnet::IpNet;
use tower::Service;

use super::CallError;

/// What an error says about an address that may not be called.
pub(super) const FORBIDDEN: &str = "an address that webhooks may not call";

/// Which addresses may be called.
pub(super) enum AddressRules {
    /// Public ones, and those in these networks.
    Public(Vec<IpNet>),
    /// All of them: the operator's own URLs.
    All,
}

impl AddressRules {
    fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::All => true,
            Self::Public(others) => {
                is_public(address) || others.iter().any(|net| net.contains(&address))
            }
        }
    }

    /// A host that is an address never reaches the resolver.
    pub(super) fn check_literal(&self, url: &url::Url) -> Result<(), CallError> {
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
    // Where 6to4 began: nothing answers there that is not someone else's mistake.
    let relay = a == 192 && b == 88 && c == 99;
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
        || relay
        || benchmark)
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    // Only global unicast is public, and of that not what carries an IPv4 address inside or is for documentation.
    a & 0xe000 == 0x2000
        && a != 0x2002
        && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8))
        && a != 0x3fff
}

/// Looks names up, and answers only with addresses that may be called.
#[derive(Clone)]
pub(super) struct Resolver(pub(super) Arc<AddressRules>);

type Looking =
    Pin<Box<dyn Future<Output = Result<std::vec::IntoIter<SocketAddr>, std::io::Error>> + Send>>;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Looking;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Looking {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let fine: Vec<SocketAddr> =
                found.iter().copied().filter(|one| rules.allows(one.ip())).collect();
            if fine.is_empty() && !found.is_empty() {
                return Err(std::io::Error::other(format!("{} is {FORBIDDEN}", name.as_str())));
            }
            Ok(fine.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_called() {
        let rules = AddressRules::Public(vec!["10.1.0.0/16".parse().expect("net")]);
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
            ("192.88.99.1", false),
            ("192.88.98.1", true),
            ("2001:2::1", false),
            ("2001:20::1", false),
            ("2001:200::1", true),
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
