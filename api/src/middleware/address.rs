//! The client's address. Anybody can write `X-Forwarded-For`; only what our own proxies added to it is believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use poem::http::HeaderMap;
use poem::{Addr, Request};

/// The networks of the proxies in front of us.
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Proxies in these networks.
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Who sent `request`.
    pub fn client(&self, request: &Request) -> IpAddr {
        match &request.remote_addr().0 {
            Addr::SocketAddr(peer) => self.behind(peer.ip().to_canonical(), request.headers()),
            // A local socket is a proxy on this machine.
            _ => self.last_stranger(LOCAL, request.headers()),
        }
    }

    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        // Most requests of an API without a proxy end here, without a look at the header.
        if self.trusts(peer) { self.last_stranger(peer, headers) } else { peer }
    }

    /// Walks from our end of the chain to the first address that is not a proxy of ours: it told that proxy, and
    /// whatever stands before it is its own invention.
    fn last_stranger(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let lines: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .map(|line| line.to_str().unwrap_or_default())
            .collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Some(address) = read(hop.trim()) else { return client };
            client = address;
            if !self.trusts(address) {
                return client;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An address as proxies write it: alone, in brackets, or with a port.
fn read(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
        let proxies = Proxies::new(networks.to_vec());
        for (peer, lines, want) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.9.9.9"], "198.51.100.1"),
            ("10.0.0.1", &["10.7.7.7,10.9.9.9"], "10.7.7.7"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1,"], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().expect("a header"));
            }
            let peer: IpAddr = peer.parse().expect("an address");
            let client = proxies.behind(peer.to_canonical(), &headers);
            assert_eq!(client.to_string(), want, "{peer} {lines:?}");
        }
    }
}
