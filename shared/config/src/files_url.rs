//! Where files are kept, chosen by a URL.

use std::path::PathBuf;

use url::Url;

use super::{
    server_url::{HttpUrl, mask_malformed},
    setting::{Setting, quote},
};

/// Where files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesUrl {
    /// A folder on this machine.
    Disk {
        /// The folder; relative to the working directory.
        path: PathBuf,
    },
    /// A bucket of S3, or of a server that speaks its protocol.
    S3(S3Url),
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Url {
    /// Its name.
    pub bucket: String,
    /// What stands before all keys; empty or with a slash at its end.
    pub prefix: String,
    /// Its region; that of the environment if it is not said.
    pub region: Option<String>,
    /// The server, if it is not AWS.
    pub endpoint: Option<HttpUrl>,
    /// Whether the bucket stands in the path of the server's URL and not in its host name.
    pub path_style: bool,
}

/// The most bytes of a prefix: keys are longer already than most, and S3 allows 1024.
const LONGEST_PREFIX: usize = 200;

const RIGHT: &str = "it takes file://./data/files or s3://bucket/prefix?region=…, for another server than AWS with \
     &endpoint=https://host:9000&path_style=true";

impl FilesUrl {
    /// The files in this folder.
    pub fn disk(path: impl Into<PathBuf>) -> Self {
        Self::Disk { path: path.into() }
    }
}

impl Setting for FilesUrl {
    const KIND: &'static str = "files URL";

    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("file:") {
            Some(path) => disk(path.strip_prefix("//").unwrap_or(path)),
            None => s3(text).map(Self::S3),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Disk { path } => format!("file://{}", path.display()),
            Self::S3(url) => url.print(),
        }
    }

    fn mask(text: &str) -> String {
        match Self::parse(text) {
            Ok(url) => quote(&url.print()),
            Err(_) => mask_malformed(text),
        }
    }
}

fn disk(path: &str) -> Result<FilesUrl, String> {
    match path {
        "" => Err("has no path; it takes a folder, like file://./data/files".to_owned()),
        "/" => Err("is the root of the file system; it takes a folder, like file://./data/files"
            .to_owned()),
        path if path.contains(['?', '\0']) => {
            Err("has parameters behind a ?; it takes a path without parameters".to_owned())
        }
        path => Ok(FilesUrl::disk(path)),
    }
}

fn s3(text: &str) -> Result<S3Url, String> {
    if text.is_empty() {
        return Err(format!("is empty; {RIGHT}"));
    }
    if !text.starts_with("s3:") {
        return Err(format!("is of no kind of engine that is known; {RIGHT}"));
    }
    let url = Url::parse(text).map_err(|_| format!("can't be read as a URL; {RIGHT}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "has a user or password in it: keys are files.access_key_id and files.secret_access_key".into()
        );
    }
    let bucket = url.host_str().filter(|name| is_bucket(name)).ok_or(
        "names no bucket as its host: 3 to 63 lower-case letters, digits, dots and hyphens",
    )?;
    if url.port().is_some() || url.fragment().is_some() {
        return Err(
            "has a port or a fragment: another server than AWS is said with endpoint=…".to_owned()
        );
    }
    let mut found = S3Url {
        bucket: bucket.to_owned(),
        prefix: prefix(url.path())?,
        region: None,
        endpoint: None,
        path_style: false,
    };
    for (name, value) in url.query_pairs() {
        match &*name {
            "region" if is_region(&value) => found.region = Some(value.into_owned()),
            "region" => {
                return Err(
                    "has a region that is none; it takes a region like eu-central-1".to_owned()
                );
            }
            "endpoint" => found.endpoint = Some(endpoint(&value)?),
            "path_style" => {
                found.path_style = bool::parse(&value)
                    .map_err(|fault| format!("has a path_style that {fault}"))?;
            }
            _ => {
                return Err(format!(
                    "has an unknown parameter: there is no parameter but region, endpoint and path_style; {RIGHT}"
                ));
            }
        }
    }
    Ok(found)
}

fn endpoint(text: &str) -> Result<HttpUrl, String> {
    HttpUrl::parse(text).ok().filter(HttpUrl::is_plain).ok_or_else(|| {
        "has an endpoint that is none; it takes an endpoint like https://host:9000, without user, password and query"
            .to_owned()
    })
}

fn prefix(path: &str) -> Result<String, String> {
    let path = path.trim_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
    match path {
        "" => Ok(String::new()),
        path if path.len() < LONGEST_PREFIX && path.split('/').all(is_part) => {
            Ok(format!("{path}/"))
        }
        _ => Err(
            "has a prefix that can't be one: a prefix has up to 200 letters, digits and any of - _ . in parts with / between them"
                .into(),
        ),
    }
}

fn is_bucket(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (3..=63).contains(&name.len())
        && name.bytes().all(plain)
        && ends(bytes.first())
        && ends(bytes.last())
}

fn is_region(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=40).contains(&name.len()) && name.bytes().all(plain)
}

impl S3Url {
    fn print(&self) -> String {
        let mut text = format!("s3://{}", self.bucket);
        if !self.prefix.is_empty() {
            text.push('/');
            text.push_str(self.prefix.trim_end_matches('/'));
        }
        let mut sign = '?';
        let style = self.path_style.then(|| "true".to_owned());
        for (name, value) in [
            ("region", self.region.clone()),
            ("endpoint", self.endpoint.as_ref().map(HttpUrl::base)),
            ("path_style", style),
        ] {
            if let Some(value) = value {
                text.push_str(&format!("{sign}{name}={value}"));
                sign = '&';
            }
        }
        text
    }
}
