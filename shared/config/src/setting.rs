//! `Setting`: how one kind of value is read from text and shown; and the plain kinds.

use std::{net::SocketAddr, path::PathBuf};

/// What stands for a hidden part of a value. Secrets refuse it as input, see `Config::print`.
pub(super) const HIDDEN: &str = "***";

/// The longest text of a mistaken value that is repeated in a message.
const SHOWN: usize = 120;

/// How a value is written in TOML and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In quotes.
    Text,
    /// As it is: numbers and booleans.
    Bare,
    /// An array of texts.
    List,
}

/// A type that a setting can have.
pub(super) trait Setting: Sized {
    /// What its values look like, in words, for the reference page.
    const KIND: &'static str;
    /// How its values are written.
    const FORM: Form = Form::Text;
    /// Whether its values are never shown.
    const SECRET: bool = false;

    /// Reads a value; the error says what is wrong and what would be right, and never repeats the
    /// value.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value as it may be shown; for what is not secret, `parse` gives it back.
    fn print(&self) -> String;

    /// A text that was meant as a value, as it may be shown, malformed or not.
    fn mask(text: &str) -> String {
        quote(text)
    }
}

/// The text in quotes, escaped, and cut where it gets long.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

impl Setting for bool {
    const KIND: &'static str = "true or false";
    const FORM: Form = Form::Bare;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be true or false".to_owned())
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            const KIND: &'static str = "whole number";
            const FORM: Form = Form::Bare;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| {
                    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                    let why = match text {
                        "" => "is empty",
                        text if digits(text) => "is too large",
                        text if text.strip_prefix('-').is_some_and(digits) => "is negative",
                        _ => "is not a whole number",
                    };
                    format!("{why}; it takes a whole number from {} to {}", Self::MIN, Self::MAX)
                })
            }

            fn print(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

integers!(u16, u32, u64, usize);

impl Setting for f64 {
    const KIND: &'static str = "number";
    const FORM: Form = Form::Bare;

    fn parse(text: &str) -> Result<Self, String> {
        match text.parse::<Self>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err("is not a number; it takes a number, like 0.25".to_owned()),
        }
    }

    fn print(&self) -> String {
        // Debug keeps the ".0" that makes it a float in TOML.
        format!("{self:?}")
    }
}

impl Setting for String {
    const KIND: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn print(&self) -> String {
        self.clone()
    }
}

impl Setting for PathBuf {
    const KIND: &'static str = "path";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty; it takes a path, like ./data/files".to_owned());
        }
        if text.contains('\0') {
            return Err("has a NUL in it, which no path has".to_owned());
        }
        Ok(Self::from(text))
    }

    fn print(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for SocketAddr {
    const KIND: &'static str = "IP address and port";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            let why = address_fault(text);
            format!("{why}; it takes an IP address and a port, like 127.0.0.1:8080 or [::1]:8080")
        })
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

/// Why a text is no IP address with a port.
fn address_fault(text: &str) -> &'static str {
    use std::net::{IpAddr, Ipv6Addr};
    if text.is_empty() {
        return "is empty";
    }
    if text.parse::<IpAddr>().is_ok() {
        return "has no port (and an address of IPv6 stands in brackets before it)";
    }
    let Some((host, port)) = text.rsplit_once(':') else { return "has no port" };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_address = match bare {
        Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok(),
    };
    match (host, port.parse::<u16>()) {
        ("", _) => "has no IP address before the port (0.0.0.0 is all of this machine's)",
        (_, Err(_)) => "has no port from 0 to 65535 at its end",
        _ if is_address => "is an address of IPv6 without brackets around it",
        _ => "has no IP address before the port (no host name is taken)",
    }
}

/// Empty text is "not set", so that a variable can clear what a file sets.
impl<T: Setting> Setting for Option<T> {
    const KIND: &'static str = T::KIND;
    const FORM: Form = T::FORM;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        // Who gets a secret wrong does not want to go without.
        let hint = if T::SECRET { "" } else { "; or empty for none" };
        T::parse(text).map(Some).map_err(|fault| fault + hint)
    }

    fn print(&self) -> String {
        self.as_ref().map(T::print).unwrap_or_default()
    }

    fn mask(text: &str) -> String {
        T::mask(text)
    }
}

/// Items between commas; no kind of item has a comma in it.
impl<T: Setting> Setting for Vec<T> {
    const KIND: &'static str = T::KIND;
    const FORM: Form = Form::List;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::new());
        }
        let item = |(position, item): (usize, &str)| {
            let item = item.trim();
            if item.is_empty() {
                return Err(format!(
                    "item {} is empty; there must be a value between all commas",
                    position + 1
                ));
            }
            T::parse(item).map_err(|fault| format!("item {} {fault}", position + 1))
        };
        text.split(',').enumerate().map(item).collect()
    }

    fn print(&self) -> String {
        let items: Vec<String> = self.iter().map(T::print).collect();
        items.join(",")
    }

    fn mask(text: &str) -> String {
        T::mask(text)
    }
}
