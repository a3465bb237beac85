//! URLs of Redis: what they may look like is for the link to say, what may be shown of them is decided here.

use std::fmt;

use super::setting::HIDDEN;
use crate::address::Address;

/// The URL of a Redis server, of its sentinels or of a cluster; shown without its passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    text: String,
    shown: String,
}

impl RedisUrl {
    /// Reads a URL; the error says what is wrong and repeats nothing.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let address = Address::parse(text)?;
        // The masked form of a URL is not a URL to connect to, see `Config::print`.
        if address.has_secret(HIDDEN) {
            return Err(
                "has *** in it, which is printed in place of a secret; it takes the password itself"
                    .to_owned(),
            );
        }
        Ok(Self { text: text.to_owned(), shown: address.shown(HIDDEN) })
    }

    /// The URL with its passwords: for connecting, not for showing.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The URL as it may be shown.
    pub fn masked(&self) -> &str {
        &self.shown
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
