//! Access tokens: JWTs that only we make and read, signed with HMAC-SHA-256. A library would bring algorithms that must
//! then be refused; there is one here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use domain::id::{ProjectId, UserId};
use domain::time::Time;

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// In which project.
    #[serde(rename = "prj")]
    pub project: ProjectId,
    /// In which session.
    #[serde(rename = "sid")]
    pub session: Uuid,
    /// Since when, in seconds.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// Until when, in seconds.
    #[serde(rename = "exp")]
    pub expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// A key that signs.
#[derive(Clone)]
pub struct SigningKey {
    /// What tokens name it by.
    pub id: Uuid,
    key: hmac::Key,
}

impl SigningKey {
    /// The key of these bytes.
    pub fn new(id: Uuid, secret: &[u8]) -> Self {
        Self { id, key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// The token that says this.
    pub fn sign(&self, claims: &Claims) -> String {
        let header = Header { alg: ALGORITHM.into(), typ: "JWT".into(), kid: self.id.to_string() };
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let tag = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }
}

const ALGORITHM: &str = "HS256";
/// Longer than any of ours.
const MAX_LENGTH: usize = 2048;

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is none of ours.
    #[error("not a token of ours")]
    Invalid,
    /// It names a key that is not at hand.
    #[error("signed with a key that is not at hand")]
    UnknownKey,
    /// It has ended.
    #[error("the token has ended")]
    Expired,
}

/// What a token says, if one of `keys` signed it and it has not ended.
///
/// # Errors
/// When it is not ours or has ended.
pub fn read(token: &str, keys: &[SigningKey], now: Time) -> Result<Claims, TokenError> {
    if token.len() > MAX_LENGTH {
        return Err(TokenError::Invalid);
    }
    let (signed, tag) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Invalid)?;
    let header: Header = decode(header)?;
    if header.alg != ALGORITHM {
        return Err(TokenError::Invalid);
    }
    let kid: Uuid = header.kid.parse().map_err(|_| TokenError::Invalid)?;
    let key = keys.iter().find(|key| key.id == kid).ok_or(TokenError::UnknownKey)?;
    let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| TokenError::Invalid)?;
    hmac::verify(&key.key, signed.as_bytes(), &tag).map_err(|_| TokenError::Invalid)?;
    let claims: Claims = decode(claims)?;
    if claims.expires_at <= now.micros().div_euclid(1_000_000) {
        return Err(TokenError::Expired);
    }
    Ok(claims)
}

fn encode(value: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Invalid)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            user: UserId(Uuid::from_u128(1)),
            project: ProjectId(Uuid::from_u128(2)),
            session: Uuid::from_u128(3),
            issued_at: 1000,
            expires_at: 1900,
        }
    }

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_token_is_read_until_it_ends() {
        let key = SigningKey::new(Uuid::from_u128(9), &[7; 32]);
        let token = key.sign(&claims());
        assert_eq!(read(&token, std::slice::from_ref(&key), at(1899)), Ok(claims()));
        assert_eq!(read(&token, std::slice::from_ref(&key), at(1900)), Err(TokenError::Expired));
        let another = SigningKey::new(Uuid::from_u128(8), &[7; 32]);
        assert_eq!(read(&token, &[another], at(1000)), Err(TokenError::UnknownKey));
        let forged = SigningKey::new(Uuid::from_u128(9), &[8; 32]);
        assert_eq!(read(&token, &[forged], at(1000)), Err(TokenError::Invalid));
    }

    #[test]
    fn nothing_that_was_changed_is_read() {
        let key = SigningKey::new(Uuid::from_u128(9), &[7; 32]);
        let token = key.sign(&claims());
        for at_byte in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at_byte] = if changed[at_byte] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(
                read(&changed, std::slice::from_ref(&key), at(1000)).is_err(),
                "byte {at_byte}"
            );
        }
        let none = Header { alg: "none".into(), typ: "JWT".into(), kid: key.id.to_string() };
        let unsigned = format!("{}.{}.", encode(&none), encode(&claims()));
        for bad in ["", ".", "..", "a.b.c", &unsigned, &"x".repeat(5000)] {
            assert_eq!(
                read(bad, std::slice::from_ref(&key), at(1000)),
                Err(TokenError::Invalid),
                "{bad:.40}"
            );
        }
    }
}
