//! Connections per address. Without a limit one address can take all of them and keep everybody else out.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::net::TcpStream;

/// What is said to one that is too many. It can't be said in the words of its request, which is not read.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 186\r\n\r\n\
    {\"type\":\"urn:bellbuoy:problem:rate_limited\",\"title\":\"Too many requests\",\"status\":429,\
    \"code\":\"rate_limited\",\"detail\":\"Too many connections from this address at once; close some of them.\"}";

/// How many connections there are from each address.
pub struct Addresses {
    most: usize,
    exempt: Vec<IpNet>,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place, until it is dropped.
pub struct Place(Option<(Arc<Addresses>, IpAddr)>);

impl Addresses {
    /// At most `most` from each, 0 for any number, but from those networks, where proxies stand for many clients.
    pub fn new(most: usize, exempt: Vec<IpNet>) -> Self {
        Self { most, exempt, held: Mutex::default() }
    }

    /// A place for a connection from there, if there is one.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        if self.most == 0 || self.exempt.iter().any(|network| network.contains(&peer)) {
            return Some(Place(None));
        }
        let address = network_of(peer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), address))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((addresses, address)) = self.0.take() else { return };
        let mut held = addresses.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&address);
            }
        }
    }
}

/// Whoever has one address of IPv6 has all of its network.
const fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Says that it was one too many, and hangs up. Nothing here waits.
pub fn turn_away(socket: TcpStream) {
    metrics::counter!("bellbuoy_http_connections_refused_total").increment(1);
    let Ok(mut socket) = socket.into_std() else { return };
    // What has come by now is read, so that the close does not overtake the answer.
    let mut come = [0; 4096];
    let _ = socket.write(TURNED_AWAY).and_then(|_| socket.read(&mut come));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_address() {
        let proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        let addresses = Arc::new(Addresses::new(2, proxies));
        let enter = |text: &str| addresses.enter(text.parse().expect("an address"));
        let first = enter("203.0.113.9").expect("a place");
        let mapped = enter("::ffff:203.0.113.9").expect("a place");
        assert!(enter("203.0.113.9").is_none());
        let one = enter("2001:db8::1").expect("a place");
        let two = enter("2001:db8::2").expect("a place");
        assert!(enter("2001:db8:0:0:ffff::3").is_none() && enter("2001:db8:0:1::3").is_some());
        let proxies: Vec<_> = (0..9).map(|_| enter("10.1.2.3").expect("a place")).collect();
        drop(first);
        assert!(enter("203.0.113.9").is_some());
        drop((mapped, one, two, proxies));
        assert!(addresses.held.lock().expect("a lock").is_empty());
        let any = Arc::new(Addresses::new(0, Vec::new()));
        let address = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let all: Vec<_> = (0..9).map(|_| any.enter(address)).collect();
        assert!(all.iter().all(Option::is_some));
    }

    #[test]
    fn the_refusal_is_whole() {
        let text = std::str::from_utf8(TURNED_AWAY).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((&problem["code"], &problem["status"]), (&"rate_limited".into(), &429.into()));
    }
}
