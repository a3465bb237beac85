//! What a request proves its caller with: a key or a token, out of the two headers in which they may stand.

use domain::fault::FaultCode;
use poem::Request;
use services::access::AuthError;

use super::{only, refusal};
use crate::problem::{Code, Problem};

/// What an API key begins with, and no access token does.
const KEY_PREFIX: &str = "bb_";

/// What a request proves its caller with. Many senders can set no header but `Authorization`, so a key may stand there.
pub(super) struct Credentials<'r> {
    /// The API key.
    pub key: Option<&'r str>,
    /// The access token.
    pub token: Option<&'r str>,
}

impl<'r> Credentials<'r> {
    /// What `request` has of both.
    ///
    /// # Errors
    /// When a header can't be read, or both hold a key and not the same one.
    pub fn of(request: &'r Request) -> Result<Self, Problem> {
        let key = only(request, "x-api-key").map_err(|()| refusal(AuthError::Unknown))?;
        // What is no text is no key either, and is refused and counted as one that nobody has.
        let key = key.map(|key| key.to_str().unwrap_or_default());
        let bearer = bearer(request)?;
        let Some(sent) = bearer.filter(|text| text.starts_with(KEY_PREFIX)) else {
            return Ok(Self { key, token: bearer });
        };
        if key.is_some_and(|key| key != sent) {
            let message = "the header X-API-Key holds another key; send one of the two headers";
            return Err(Problem::parameter("Authorization", FaultCode::Mismatch, message));
        }
        Ok(Self { key: Some(sent), token: None })
    }
}

/// What follows `Authorization: Bearer`.
fn bearer(request: &Request) -> Result<Option<&str>, Problem> {
    let invalid = || Problem::new(Code::InvalidToken, MALFORMED);
    let Some(value) = only(request, "authorization").map_err(|()| invalid())? else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| invalid())?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(invalid()),
    }
}

const MALFORMED: &str = "The header Authorization must be sent once, as Bearer, a blank, and an access token or an API key.";
