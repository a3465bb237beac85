//! URLs of servers. They may hold a password, so what is shown of them is masked.

use std::fmt;

use url::Url;

use super::setting::{HIDDEN, Setting, quote};

/// The URL of a server that we log in to; shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(Url);

impl ServerUrl {
    /// Reads a URL that has one of these schemes; else says what is wrong, without a word of the text.
    pub(super) fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        let list = schemes.iter().map(|one| format!("{one}://")).collect::<Vec<_>>().join(" or ");
        match scheme {
            None if text.is_empty() => return Err("is empty".to_owned()),
            None => return Err(format!("does not begin with {list}")),
            Some(scheme) if !schemes.contains(&&*scheme) => {
                return Err(format!("does not begin with {list}"));
            }
            Some(_) => {}
        }
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => "has no host".to_owned(),
            // Which part it takes for the port may be a password's.
            url::ParseError::InvalidPort => {
                "has no number as its port, or a user or password whose special characters are \
                 not %-escaped"
                    .to_owned()
            }
            error => format!("can't be read as a URL ({error})"),
        })?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err("has no host".to_owned());
        }
        // The masked form of a URL is not a URL to connect to, see `Config::print`.
        let masked = url.password() == Some(HIDDEN)
            || url.query_pairs().any(|(name, value)| is_secret(&name) && value == HIDDEN);
        if masked {
            return Err("has *** in it, which is printed in place of a secret".to_owned());
        }
        Ok(Self(url))
    }

    /// The URL with its password: for connecting, not for showing.
    pub const fn expose(&self) -> &Url {
        &self.0
    }

    /// The name of the database in its path.
    pub fn database(&self) -> &str {
        self.0.path().trim_start_matches('/')
    }

    /// The URL as it may be shown.
    pub fn masked(&self) -> String {
        let mut url = self.0.clone();
        if url.password().is_some() {
            // It only fails on URLs without a host, and ours all have one.
            let _ = url.set_password(Some(HIDDEN));
        }
        if url.query_pairs().any(|(name, _)| is_secret(&name)) {
            let pairs: Vec<_> = self.0.query_pairs().collect();
            url.query_pairs_mut().clear().extend_pairs(pairs.iter().map(|(name, value)| {
                (name.as_ref(), if is_secret(name) { HIDDEN } else { value.as_ref() })
            }));
        }
        url.to_string()
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Whether a query parameter of this name holds a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["pass", "secret", "token", "key", "auth"].iter().any(|part| name.contains(part))
}

/// What may be shown of a text that should have been a URL but can't be read as one: where in
/// it a password might stand can't be known, so whatever could hold one is hidden.
pub(super) fn mask_malformed(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let harmless = !rest.contains([':', '@', '?', '&', '=']) && !scheme.contains([':', '@']);
    let of_scheme = |b: u8| b.is_ascii_alphanumeric() || b == b'+';
    let scheme_is_one = scheme.trim_end_matches("://").bytes().all(of_scheme);
    match (harmless || rest.is_empty(), scheme_is_one) {
        (true, _) => quote(text),
        (false, true) => quote(&format!("{scheme}{HIDDEN}")),
        (false, false) => HIDDEN.to_owned(),
    }
}

/// An `http:` or `https:` URL; shown without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(ServerUrl);

impl HttpUrl {
    /// The URL of what listens there, over plain http, as somebody on the same machine reaches it.
    pub fn of(address: std::net::SocketAddr) -> Self {
        let (ip, port) = (address.ip(), address.port());
        let text = if ip.is_unspecified() {
            format!("http://localhost:{port}")
        } else {
            format!("http://{address}")
        };
        match Url::parse(&text) {
            Ok(url) => Self(ServerUrl(url)),
            Err(_) => unreachable!("an address makes a URL"),
        }
    }

    /// The URL itself: for connecting, not for showing.
    pub const fn expose(&self) -> &Url {
        self.0.expose()
    }

    /// Whether it is over TLS.
    pub fn is_https(&self) -> bool {
        self.expose().scheme() == "https"
    }

    /// Whether it is nothing but scheme, host, port and perhaps a path.
    pub(super) fn is_plain(&self) -> bool {
        let url = self.expose();
        let bare = url.username().is_empty() && url.password().is_none();
        bare && url.query().is_none() && url.fragment().is_none()
    }

    /// The URL without a slash at its end, as it may be shown and as paths are put behind it.
    pub fn base(&self) -> String {
        let shown = self.0.masked();
        shown.strip_suffix('/').map(str::to_owned).unwrap_or(shown)
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.print())
    }
}

impl Setting for HttpUrl {
    const KIND: &'static str = "http or https URL";

    fn parse(text: &str) -> Result<Self, String> {
        ServerUrl::parse(text, &["https", "http"])
            .map(Self)
            .map_err(|why| format!("{why}; it takes a URL, like https://alerts.example.com"))
    }

    fn print(&self) -> String {
        // "http://host/" is how the URL standard writes what people write as "http://host".
        let plain_host = self.expose().path() == "/" && self.is_plain();
        if plain_host { self.base() } else { self.0.masked() }
    }

    fn mask(text: &str) -> String {
        match Self::parse(text) {
            Ok(url) => quote(&url.print()),
            Err(_) => mask_malformed(text),
        }
    }
}
