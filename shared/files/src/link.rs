//! Signed links to files that we serve ourselves: whoever has one may read that one file until it ends, and nothing else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use url::form_urlencoded;

use super::key::FileKey;
use domain::time::Time;

/// Where the API serves files.
pub const PATH: &str = "/files/";

/// What is signed begins with this, so that no other signature of ours will ever do.
const PURPOSE: &str = "bellbuoy file link 1";

/// What a browser may show; anything else is only saved. Markup and scripts are not among them.
const SHOWN: [&str; 12] = [
    "application/pdf",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/webm",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
    "text/csv",
];

/// How a file is to be handed out.
#[derive(Clone, Debug, Default)]
pub struct LinkOptions {
    /// For how long; `files.url_ttl` when it is not said.
    pub ttl: Option<Duration>,
    /// Its media type.
    pub content_type: Option<String>,
    /// The name under which it is saved.
    pub name: Option<String>,
    /// Whether a browser may show it, if it is of a kind that does no harm.
    pub inline: bool,
}

/// How a file is handed out, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The header Content-Type.
    pub content_type: String,
    /// The header Content-Disposition.
    pub disposition: String,
}

impl Terms {
    pub(super) fn of(options: &LinkOptions) -> Self {
        let asked = options.content_type.as_deref().filter(|text| is_media_type(text));
        let content_type = asked.unwrap_or("application/octet-stream").to_owned();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let inline = options.inline && SHOWN.contains(&kind);
        let mut disposition = if inline { "inline" } else { "attachment" }.to_owned();
        if let Some(name) = options.name.as_deref().filter(|name| !name.is_empty()) {
            disposition.push_str(&file_name(name));
        }
        Self { content_type, disposition }
    }
}

/// Whether it is a media type in ASCII that can stand in a header as it is.
fn is_media_type(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-+.;= /_".contains(&byte);
    text.len() <= 100 && text.matches('/').count() == 1 && text.bytes().all(plain)
}

/// The name for old readers, in ASCII, and for all others (RFC 6266).
fn file_name(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(120).collect();
    let plain = |c: char| if c.is_ascii() && !matches!(c, '"' | '\\' | '%') { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// A link that was found to be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The file.
    pub key: FileKey,
    /// How it is handed out.
    pub terms: Terms,
    /// How long it is still good.
    pub left: Duration,
}

/// Why a link is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It was not signed by us, or was changed since.
    #[error("the link was not signed here, or was changed since")]
    Unsigned,
    /// It has ended.
    #[error("the link has ended")]
    Expired,
    /// The files are elsewhere, and are not served here.
    #[error("files are not served here")]
    NotServed,
}

/// Signs links and knows its own.
pub struct Signer {
    key: hmac::Key,
    /// What these signed holds until it ends.
    previous: Vec<hmac::Key>,
    base: String,
}

impl Signer {
    /// A signer of links below `base`, the public URL of the API, with `key`; links of `previous` keys are known too.
    pub fn new(key: [u8; 32], previous: &[[u8; 32]], base: &str) -> Self {
        let made = |key: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, key);
        let previous = previous.iter().map(made).collect();
        Self { key: made(&key), previous, base: base.to_owned() }
    }

    fn known(&self) -> impl Iterator<Item = &hmac::Key> {
        std::iter::once(&self.key).chain(&self.previous)
    }

    pub(super) fn sign(&self, key: &FileKey, terms: &Terms, until: Time) -> String {
        let expires = (until.micros().div_euclid(1_000_000)).to_string();
        let tag = hmac::sign(&self.key, &signed(key.as_str(), &expires, terms));
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("expires", &expires)
            .append_pair("type", &terms.content_type)
            .append_pair("disposition", &terms.disposition)
            .append_pair("signature", &URL_SAFE_NO_PAD.encode(tag))
            .finish();
        format!("{}{PATH}{key}?{query}", self.base)
    }

    /// What a link says, if it is ours and still good: `path` is what follows `/files/`.
    pub(super) fn open(&self, path: &str, query: &str, now: Time) -> Result<Link, LinkError> {
        let mut said: [Option<String>; 4] = Default::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let names = ["expires", "type", "disposition", "signature"];
            let place = names.iter().position(|one| *one == name).ok_or(LinkError::Unsigned)?;
            // Whoever says something twice means two things.
            if said[place].replace(value.into_owned()).is_some() {
                return Err(LinkError::Unsigned);
            }
        }
        let [Some(expires), Some(content_type), Some(disposition), Some(signature)] = said else {
            return Err(LinkError::Unsigned);
        };
        let terms = Terms { content_type, disposition };
        let tag = URL_SAFE_NO_PAD.decode(signature).map_err(|_| LinkError::Unsigned)?;
        let signed = signed(path, &expires, &terms);
        if !self.known().any(|key| hmac::verify(key, &signed, &tag).is_ok()) {
            return Err(LinkError::Unsigned);
        }
        // From here on everything was written by us.
        let key = FileKey::parse(path).map_err(|_| LinkError::Unsigned)?;
        let expires: i64 = expires.parse().map_err(|_| LinkError::Unsigned)?;
        let left = Time::from_micros(expires.saturating_mul(1_000_000)).since(now);
        if left.is_zero() {
            return Err(LinkError::Expired);
        }
        Ok(Link { key, terms, left })
    }
}

/// What the signature is over: each part with its length, so that none runs into the next.
fn signed(key: &str, expires: &str, terms: &Terms) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [PURPOSE, key, expires, &terms.content_type, &terms.disposition] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::ProjectId;

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn options(kind: &str, name: Option<&str>, inline: bool) -> LinkOptions {
        LinkOptions {
            ttl: None,
            content_type: Some(kind.to_owned()),
            name: name.map(str::to_owned),
            inline,
        }
    }

    #[test]
    fn a_link_is_good_as_it_was_signed_and_in_its_time() {
        let signer = Signer::new([3; 32], &[], "https://a.example");
        let key = FileKey::new(ProjectId(uuid::Uuid::from_u128(5)), "a/b.png").expect("a key");
        let terms = Terms::of(&options("image/png", Some("Ein \"Bild\" ä.png"), true));
        let url = signer.sign(&key, &terms, at(1000));
        let rest = url.strip_prefix("https://a.example/files/").expect("the base");
        let (path, query) = rest.split_once('?').expect("a query");
        let (link, link_key) = (signer.open(path, query, at(990)).expect("good"), key.clone());
        assert_eq!((link.key, link.terms, link.left.as_secs()), (key, terms, 10));
        assert_eq!(signer.open(path, query, at(1000)), Err(LinkError::Expired));
        let other = Signer::new([4; 32], &[], "https://a.example");
        assert_eq!(other.open(path, query, at(990)), Err(LinkError::Unsigned));
        let newer = Signer::new([4; 32], &[[3; 32]], "https://a.example");
        assert!(newer.open(path, query, at(990)).is_ok(), "a link of the key before");
        let again = newer.sign(&link_key, &Terms::of(&options("", None, false)), at(1000));
        let (path_again, query_again) =
            again["https://a.example/files/".len()..].split_once('?').expect("a query");
        assert!(other.open(path_again, query_again, at(990)).is_ok(), "the newest key signs");
        for wrong in [
            (path.replace("b.png", "c.png"), query.to_owned()),
            (path.to_owned(), query.replace("expires=1000", "expires=9000")),
            (path.to_owned(), query.replace("inline", "attachment")),
            (path.to_owned(), query.replace("image%2Fpng", "text%2Fhtml")),
            (path.to_owned(), format!("{query}&expires=9000")),
            (path.to_owned(), format!("{query}&more=1")),
            (path.to_owned(), query.replace("signature=", "signature=A")),
            (path.to_owned(), String::new()),
        ] {
            assert_eq!(
                signer.open(&wrong.0, &wrong.1, at(990)),
                Err(LinkError::Unsigned),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn what_could_do_harm_is_only_saved() {
        for (kind, inline, wanted) in [
            ("image/png", true, "inline"),
            ("image/png", false, "attachment"),
            ("text/plain; charset=utf-8", true, "inline"),
            ("text/html", true, "attachment"),
            ("image/svg+xml", true, "attachment"),
            ("application/octet-stream", true, "attachment"),
        ] {
            let terms = Terms::of(&options(kind, None, inline));
            assert_eq!((terms.disposition.as_str(), terms.content_type.as_str()), (wanted, kind));
        }
        for kind in ["a/b\r\nX: y", "no type", "a/b/c", "image/png\"", ""] {
            let terms = Terms::of(&options(kind, None, true));
            assert_eq!(terms.content_type, "application/octet-stream", "{kind:?}");
        }
        let named = Terms::of(&options("image/png", Some("a\"b\r\nX: ä%"), false));
        assert_eq!(
            named.disposition,
            "attachment; filename=\"a_bX: __\"; filename*=UTF-8''a%22bX%3A%20%C3%A4%25"
        );
    }
}
