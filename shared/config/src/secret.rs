//! Values that are never shown.

use std::fmt;

use super::setting::{HIDDEN, Setting};

/// A value that neither `Debug` nor `Display` nor any message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T = String>(T);

impl<T> Secret<T> {
    /// Hides the value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: for where it is used, not for where it is talked about.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T: Setting> Setting for Secret<T> {
    const KIND: &'static str = T::KIND;
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        if text == HIDDEN {
            return Err(
                "is what is printed in place of a secret; it takes the secret itself".to_owned()
            );
        }
        T::parse(text).map(Self)
    }

    fn print(&self) -> String {
        HIDDEN.to_owned()
    }

    fn mask(_: &str) -> String {
        HIDDEN.to_owned()
    }
}

/// The key that sealed fields are encrypted with.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey([u8; 32]);

impl SealKey {
    /// The key of these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({HIDDEN})")
    }
}

impl Setting for SealKey {
    const KIND: &'static str = "32 bytes in base64";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        const RIGHT: &str =
            "it takes 32 random bytes in base64, as `openssl rand -base64 32` prints them";
        if text.is_empty() {
            return Err(format!("is empty; {RIGHT}"));
        }
        let bytes = base64(text).ok_or_else(|| format!("is not base64; {RIGHT}"))?;
        let bytes: [u8; 32] =
            bytes.try_into().map_err(|_| format!("is not of 32 bytes; {RIGHT}"))?;
        Ok(Self(bytes))
    }

    fn print(&self) -> String {
        HIDDEN.to_owned()
    }

    fn mask(_: &str) -> String {
        HIDDEN.to_owned()
    }
}

/// Decodes standard base64 with its padding. Written out, because one key is all it is for.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            // The mask leaves exactly the eight bits that are complete.
            bytes.push(((bits >> count) & 0xff) as u8);
        }
    }
    Some(bytes)
}
