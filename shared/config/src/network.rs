//! Networks of IP addresses.

use ipnet::IpNet;

use super::setting::Setting;

impl Setting for IpNet {
    const KIND: &'static str = "network";

    fn parse(text: &str) -> Result<Self, String> {
        const RIGHT: &str = "it takes a network, like 10.0.0.0/8 or fd00::/8";
        let network: Self = text.parse().map_err(|_| {
            if text.parse::<std::net::IpAddr>().is_ok() {
                return format!("is an address without the length of a network: for one address add /32, of IPv6 /128; {RIGHT}");
            }
            match text.split_once('/') {
                Some((address, _)) if address.parse::<std::net::IpAddr>().is_ok() => {
                    format!("has a wrong length behind the slash: up to /32, of IPv6 up to /128; {RIGHT}")
                }
                _ => format!("is no network; {RIGHT}"),
            }
        })?;
        // `10.1.2.3/8` is a slip as often as it means the network: let the operator say which.
        if network != network.trunc() {
            return Err(format!(
                "is an address within a network: the network itself is {}",
                network.trunc()
            ));
        }
        Ok(network)
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

/// Networks in which our own machine and its cloud's metadata service answer.
const OURSELVES: [&str; 8] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "::/127",
    "fe80::/10",
    "::ffff:0.0.0.0/104",
    "::ffff:127.0.0.0/104",
    "::ffff:169.254.0.0/112",
];

/// Whether the network reaches this machine itself or link-local addresses.
pub(super) fn reaches_ourselves(network: &IpNet) -> bool {
    OURSELVES
        .iter()
        .filter_map(|ours| ours.parse::<IpNet>().ok())
        .any(|ours| ours.contains(network) || network.contains(&ours))
}

/// Whether a network of proxies is so wide that strangers are in it: they would choose the address by which they are
/// counted.
pub(super) fn believes_strangers(network: &IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() < 8,
        IpNet::V6(network) => {
            let private = network.addr().segments()[0] & 0xfe00 == 0xfc00;
            // All of IPv4 is within ::ffff:0:0/96.
            let mapped = network.addr().to_ipv4_mapped().is_some();
            let least = if private {
                7
            } else if mapped {
                96 + 8
            } else {
                16
            };
            network.prefix_len() < least
        }
    }
}

/// `127.0.0.0/8` and `::1/128`.
pub(super) fn loopback() -> Vec<IpNet> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    vec![
        IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
        IpNet::V6(ipnet::Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    ]
}
