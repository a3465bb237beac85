//! The address of Redis, as one URL: a server, a primary that sentinels know, or a cluster; how to log in there, and
//! which certificates to believe and to show.

mod parse;

use std::fmt;
use std::path::PathBuf;

/// A server's name or number, and its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host {
    /// Its name or number.
    pub name: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        // A number of version 6 has colons of its own.
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

/// Who logs in, and with what.
#[derive(Clone, Default)]
pub struct Login {
    /// The user, where it has users.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// How the hosts of the address belong together.
#[derive(Clone)]
pub enum Topology {
    /// One server.
    Single,
    /// Sentinels that know the primary.
    Sentinel {
        /// What they call the primary.
        name: String,
        /// How to log in to them.
        login: Login,
    },
    /// Some nodes of a cluster.
    Cluster,
}

/// Files that TLS needs besides what the system trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities to believe in place of the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, for servers that ask for one.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Where Redis is and how to get in.
#[derive(Clone)]
pub struct Address {
    /// How the hosts belong together.
    pub topology: Topology,
    /// The hosts that are named.
    pub hosts: Vec<Host>,
    /// How to log in to the nodes.
    pub login: Login,
    /// The number of the database.
    pub database: i64,
    /// Whether it is over TLS, and with which files.
    pub tls: Option<TlsFiles>,
    written: Written,
}

/// The parts of the URL as they were written, to be shown again.
#[derive(Clone, Default)]
struct Written {
    scheme: String,
    user: Option<String>,
    /// Hosts and path.
    middle: String,
    /// Names and values of the parameters.
    query: Vec<(String, String)>,
}

/// The parameter that holds a secret.
const SENTINEL_PASSWORD: &str = "sentinel_password";

impl Address {
    /// Reads a URL; the error says what would be right and repeats nothing, for a password could be anywhere.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::address(text)
    }

    /// The URL with `hidden` in place of what is secret.
    pub fn shown(&self, hidden: &str) -> String {
        let Written { scheme, user, middle, query } = &self.written;
        let mut text = format!("{scheme}://");
        if let Some(user) = user {
            text += &format!("{user}:{hidden}@");
        }
        text += middle;
        for (at, (name, value)) in query.iter().enumerate() {
            let value = if name == SENTINEL_PASSWORD { hidden } else { value };
            text += &format!("{}{name}={value}", if at == 0 { '?' } else { '&' });
        }
        text
    }

    /// Whether one of its secrets is this text.
    pub fn has_secret(&self, text: &str) -> bool {
        let of_sentinels = match &self.topology {
            Topology::Sentinel { login, .. } => login.password.as_deref(),
            Topology::Single | Topology::Cluster => None,
        };
        self.login.password.as_deref() == Some(text) || of_sentinels == Some(text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown("***"))
    }
}

#[cfg(test)]
mod tests;
