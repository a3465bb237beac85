//! What a request proves its caller with: a key or a token, out of the two headers in which they may stand.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::Request;
use services::access::AuthError;

use super::{only, refusal};
use crate::problem::{Code, Problem};

/// What an API key begins with, and no access token does.
const KEY_PREFIX: &str = "bb_";

/// What a request proves its caller with. Many senders can set no header but `Authorization`, so a key may stand there.
pub(super) struct Credentials<'r> {
    /// The API key.
    pub key: Option<Cow<'r, str>>,
    /// Another API key, in the other header.
    pub other: Option<Cow<'r, str>>,
    /// The access token.
    pub token: Option<Cow<'r, str>>,
}

impl<'r> Credentials<'r> {
    /// What `request` has of both.
    ///
    /// # Errors
    /// When a header can't be read.
    pub fn of(request: &'r Request) -> Result<Self, Problem> {
        let key = only(request, "x-api-key").map_err(|()| refusal(AuthError::Unknown))?;
        // What is no text is no key either, and is refused and counted as one that nobody has.
        let key = key.map(|key| Cow::from(key.to_str().unwrap_or_default()));
        let Some(sent) = authorization(request)? else {
            return Ok(Self { key, other: None, token: None });
        };
        if !sent.starts_with(KEY_PREFIX) {
            return Ok(Self { key, other: None, token: Some(sent) });
        }
        match key {
            Some(key) if key != sent => Ok(Self { key: Some(key), other: Some(sent), token: None }),
            _ => Ok(Self { key: Some(sent), other: None, token: None }),
        }
    }
}

/// What follows `Authorization: Bearer`, or the key that is the password of `Authorization: Basic`: all that SNS can send.
fn authorization(request: &Request) -> Result<Option<Cow<'_, str>>, Problem> {
    let invalid = || Problem::new(Code::InvalidToken, MALFORMED);
    let Some(value) = only(request, "authorization").map_err(|()| invalid())? else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| invalid())?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Some(token.trim().into()))
        }
        Some((scheme, text)) if scheme.eq_ignore_ascii_case("basic") => {
            password(text.trim()).map(Some).ok_or_else(invalid)
        }
        _ => Err(invalid()),
    }
}

/// The key that stands as a password in the text of `Basic`. No one else's password is anything here.
fn password(text: &str) -> Option<Cow<'_, str>> {
    let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (_, password) = plain.split_once(':')?;
    password.starts_with(KEY_PREFIX).then(|| password.to_owned().into())
}

const MALFORMED: &str = "The header Authorization must be sent once, as Bearer, a blank, and an access token or an API key; or as Basic with an API key as the password.";
