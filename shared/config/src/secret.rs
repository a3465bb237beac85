//! Values that are never shown.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, PAD};

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

/// Standard base64 with its padding. The last letter may have bits that mean nothing: such a key was good once, and rows are
/// sealed with it.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, PAD.with_decode_allow_trailing_bits(true));

impl Setting for SealKey {
    const KIND: &'static str = "32 bytes in base64";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        const RIGHT: &str =
            "it takes 32 random bytes in base64, as `openssl rand -base64 32` prints them";
        if text.is_empty() {
            return Err(format!("is empty; {RIGHT}"));
        }
        let bytes = BASE64.decode(text).map_err(|_| format!("is not base64; {RIGHT}"))?;
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
