//! Networks of IP addresses.

use ipnet::IpNet;

use super::setting::Setting;

impl Setting for IpNet {
    const KIND: &'static str = "network";

    fn parse(text: &str) -> Result<Self, String> {
        let network: Self = text
            .parse()
            .map_err(|_| "a network, like 10.0.0.0/8 or fd00::/8 (one address: /32 or /128)")?;
        // `10.1.2.3/8` is a slip as often as it means the network: let the operator say which.
        if network != network.trunc() {
            return Err(format!("a network without host bits, like {}", network.trunc()));
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

/// `127.0.0.0/8` and `::1/128`.
pub(super) fn loopback() -> Vec<IpNet> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    vec![
        IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
        IpNet::V6(ipnet::Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    ]
}
