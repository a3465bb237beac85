//! The files door: what projects keep as files, on this machine's disk or in an S3 bucket. What a file is called and of
//! what kind it is, is for the store to know; here it is a key and bytes.

pub mod disk;
pub mod key;
pub mod link;
pub mod range;
pub mod s3;
pub mod sniff;
pub mod upload;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use config::{FilesConfig, FilesUrl};
use disk::Disk;
use domain::id::ProjectId;
use domain::time::Time;
use key::{BadKey, FileKey, FilePrefix};
use link::{Link, LinkError, LinkOptions, Signer, Terms};
use range::{ByteRange, Span};
use s3::S3;
use upload::Upload;

/// The most files that one page lists.
pub const PAGE: usize = 1000;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The key is none.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// It is not there.
    #[error("there is no such file")]
    NotFound,
    /// It is larger than `files.max_size`.
    #[error("the file has more than {limit} bytes, which is the most (files.max_size)")]
    TooLarge {
        /// The most bytes that a file may have.
        limit: u64,
    },
    /// The range lies outside of the file.
    #[error("the range lies outside of the file")]
    OutOfRange,
    /// What was to be stored did not come to its end.
    #[error("what was to be stored broke off: {0}")]
    BrokenOff(io::Error),
    /// The engine refuses, and will do so again.
    #[error("{0}")]
    Refused(String),
    /// The engine is away or busy; later it may work.
    #[error("{0}")]
    Unavailable(String),
}

impl FileError {
    /// Its word in metrics.
    const fn outcome(&self) -> &'static str {
        match self {
            Self::Key(_) => "bad_key",
            Self::NotFound => "not_found",
            Self::TooLarge { .. } => "too_large",
            Self::OutOfRange => "out_of_range",
            Self::BrokenOff(_) => "broken_off",
            Self::Refused(_) => "refused",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, FileError>> + Send + 'a>>;

/// The bytes of a file, in pieces.
pub type Body = BoxStream<'static, io::Result<Bytes>>;

/// What was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How many bytes it has.
    pub length: u64,
    /// What they hash to.
    pub sha256: [u8; 32],
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// How many bytes it has.
    pub size: u64,
    /// When it was stored.
    pub modified: Time,
    /// Changes whenever the file does; with its quotes, as HTTP writes it.
    pub etag: String,
}

/// A file, or a part of one, to be read.
pub struct Content {
    /// The whole file.
    pub info: FileInfo,
    /// The part that is read.
    pub span: Span,
    /// Its bytes.
    pub body: Body,
}

/// A file in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub key: FileKey,
    /// How many bytes it has.
    pub size: u64,
    /// When it was stored.
    pub modified: Time,
}

/// Some files, in the order of the bytes of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The files.
    pub files: Vec<Listed>,
    /// The one after which the next page begins, if there is one.
    pub next: Option<FileKey>,
}

/// An engine that keeps files.
pub trait FileEngine: Send + Sync + 'static {
    /// Its name in metrics and messages.
    fn name(&self) -> &'static str;
    /// Stores all of `upload` or nothing: who reads sees the file as it was before, or as it is when this has answered,
    /// whatever ends in between. An engine that can't keep `content_type` leaves it.
    fn put<'a>(
        &'a self,
        key: &'a FileKey,
        content_type: &'a str,
        upload: &'a mut Upload<'_>,
    ) -> Answer<'a, ()>;
    /// Opens a file, or a part of it.
    fn get<'a>(&'a self, key: &'a FileKey, range: Option<ByteRange>) -> Answer<'a, Content>;
    /// What is known of a file without reading it.
    fn head<'a>(&'a self, key: &'a FileKey) -> Answer<'a, FileInfo>;
    /// Takes a file away; one that is not there is gone already.
    fn delete<'a>(&'a self, key: &'a FileKey) -> Answer<'a, ()>;
    /// At most `limit` files that begin so, after that one.
    fn list<'a>(
        &'a self,
        prefix: &'a FilePrefix,
        after: Option<&'a FileKey>,
        limit: usize,
    ) -> Answer<'a, Page>;
    /// A link with which anybody can read the file from `now` on for `ttl`.
    fn link<'a>(
        &'a self,
        key: &'a FileKey,
        terms: &'a Terms,
        now: Time,
        ttl: Duration,
    ) -> Answer<'a, String>;
    /// Takes away what was left behind by stores that never ended; answers how many.
    fn sweep(&self, now: Time) -> Answer<'_, u64>;
    /// Whether the engine answers.
    fn ping(&self) -> Answer<'_, ()>;
}

/// The door.
#[derive(Clone)]
pub struct Files {
    engine: Arc<dyn FileEngine>,
    /// Knows the links to files that we serve ourselves.
    signer: Option<Arc<Signer>>,
    public_url: Option<String>,
    ttl: Duration,
    max_size: u64,
}

/// What the URL of the files leaves out, if anything; nothing is asked of the engine.
pub fn url_fault(config: &FilesConfig) -> Option<String> {
    match &config.url {
        FilesUrl::Disk { .. } => None,
        FilesUrl::S3(url) => s3::region(url).err(),
    }
}

impl Files {
    /// Opens the configured engine. `base` is the public URL of the API, and `key` signs links below it; those that a
    /// `previous` one signed hold as well.
    ///
    /// # Errors
    /// When the folder can't be made, or the bucket's URL leaves something out.
    pub fn open(
        config: &FilesConfig,
        base: &str,
        key: [u8; 32],
        previous: &[[u8; 32]],
    ) -> Result<Self, FileError> {
        let (engine, signer): (Arc<dyn FileEngine>, _) = match &config.url {
            FilesUrl::Disk { path } => {
                let signer = Arc::new(Signer::new(key, previous, base));
                (Arc::new(Disk::open(path, Arc::clone(&signer))?), Some(signer))
            }
            FilesUrl::S3(url) => (Arc::new(S3::open(url, config)?), None),
        };
        Ok(Self {
            engine,
            signer,
            public_url: config.public_url.as_ref().map(config::HttpUrl::base),
            ttl: config.url_ttl,
            max_size: config.max_size.bytes(),
        })
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        self.engine.name()
    }

    /// Stores a file, in place of one that is there; answers when it can't be lost any more.
    ///
    /// # Errors
    /// When it is too large, broke off, or the engine does not take it; then nothing is stored.
    pub async fn put(
        &self,
        key: &FileKey,
        content_type: &str,
        body: BoxStream<'_, io::Result<Bytes>>,
    ) -> Result<Stored, FileError> {
        let mut upload = Upload::new(body, self.max_size);
        let done = self.timed("put", self.engine.put(key, content_type, &mut upload)).await;
        self.moved("in", upload.length());
        done.map(|()| upload.finish())
    }

    /// Opens a file, or a part of it.
    ///
    /// # Errors
    /// When it is not there, the range lies outside, or the engine is away.
    pub async fn get(&self, key: &FileKey, range: Option<ByteRange>) -> Result<Content, FileError> {
        let mut content = self.timed("get", self.engine.get(key, range)).await?;
        let read = metrics::counter!("bellbuoy_files_bytes_total",
            "engine" => self.engine(), "direction" => "out");
        content.body = content
            .body
            .inspect(move |piece| {
                if let Ok(piece) = piece {
                    read.increment(piece.len() as u64);
                }
            })
            .boxed();
        Ok(content)
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// When it is not there, or the engine is away.
    pub async fn head(&self, key: &FileKey) -> Result<FileInfo, FileError> {
        self.timed("head", self.engine.head(key)).await
    }

    /// Takes a file away; one that is not there is gone already.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn delete(&self, key: &FileKey) -> Result<(), FileError> {
        self.timed("delete", self.engine.delete(key)).await
    }

    /// At most `limit` files that begin so, after that one, and never more than `PAGE`.
    ///
    /// # Errors
    /// When `after` is another project's, or the engine is away.
    pub async fn list(
        &self,
        prefix: &FilePrefix,
        after: Option<&FileKey>,
        limit: usize,
    ) -> Result<Page, FileError> {
        if after.is_some_and(|after| after.project() != prefix.project()) {
            return Err(FileError::Refused("the cursor is not of this project".to_owned()));
        }
        self.timed("list", self.engine.list(prefix, after, limit.clamp(1, PAGE))).await
    }

    /// A link with which anybody can read the file for a while.
    ///
    /// # Errors
    /// When it can't be signed.
    pub async fn link(
        &self,
        key: &FileKey,
        options: &LinkOptions,
        now: Time,
    ) -> Result<String, FileError> {
        let ttl = options.ttl.unwrap_or(self.ttl).min(LONGEST_TTL);
        let terms = Terms::of(options);
        self.timed("link", self.engine.link(key, &terms, now, ttl)).await
    }

    /// Where a file is for everybody and for ever, if the operator has put a public server before the files.
    pub fn public_url(&self, key: &FileKey) -> Option<String> {
        self.public_url.as_ref().map(|base| format!("{base}/{key}"))
    }

    /// What a link to a file that we serve ourselves says: `path` is what follows `/files/`.
    ///
    /// # Errors
    /// When it is not ours or has ended, or files are not served here.
    pub fn open_link(&self, path: &str, query: &str, now: Time) -> Result<Link, LinkError> {
        self.signer.as_ref().ok_or(LinkError::NotServed)?.open(path, query, now)
    }

    /// Takes away what was left behind by stores that never ended; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn sweep(&self, now: Time) -> Result<u64, FileError> {
        self.timed("sweep", self.engine.sweep(now)).await
    }

    /// Whether the engine answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), FileError> {
        self.engine.ping().await
    }

    /// Stores, reads and takes away a small file of the platform's own: whether everything is allowed that is needed.
    ///
    /// # Errors
    /// What is not.
    pub async fn probe(&self) -> Result<(), FileError> {
        let key = FileKey::new(ProjectId::PLATFORM, &format!("probes/{}", uuid::Uuid::new_v4()))?;
        let said = Bytes::from_static(b"Bellbuoy's doctor was here.");
        let body = futures_util::stream::iter([Ok(said.clone())]).boxed();
        let pinged = self.ping().await;
        // A bucket says more of what is wrong to one who stores than to one who asks, so that comes first.
        self.put(&key, "text/plain", body).await?;
        let read = self.read_all(&key).await;
        // It goes, whatever was read.
        self.delete(&key).await?;
        pinged?;
        match read? == said {
            true => Ok(()),
            false => Err(FileError::Refused("what was stored was not what was read".to_owned())),
        }
    }

    async fn read_all(&self, key: &FileKey) -> Result<Vec<u8>, FileError> {
        let mut content = self.get(key, None).await?;
        let mut all = Vec::new();
        while let Some(piece) = content.body.next().await {
            all.extend_from_slice(&piece.map_err(|error| unavailable(&error))?);
        }
        Ok(all)
    }

    async fn timed<T>(&self, call: &'static str, work: Answer<'_, T>) -> Result<T, FileError> {
        let started = Instant::now();
        let done = work.await;
        let outcome = done.as_ref().map_or_else(FileError::outcome, |_| "ok");
        let engine = self.engine();
        metrics::counter!("bellbuoy_files_calls_total",
            "engine" => engine, "call" => call, "outcome" => outcome)
        .increment(1);
        metrics::histogram!("bellbuoy_files_seconds", "engine" => engine, "call" => call)
            .record(started.elapsed().as_secs_f64());
        done
    }

    fn moved(&self, direction: &'static str, bytes: u64) {
        metrics::counter!("bellbuoy_files_bytes_total",
            "engine" => self.engine(), "direction" => direction)
        .increment(bytes);
    }
}

/// The longest that S3 lets a signature live, and so the longest with any engine.
const LONGEST_TTL: Duration = Duration::from_secs(7 * 86_400);

fn unavailable(error: &dyn std::fmt::Display) -> FileError {
    FileError::Unavailable(error.to_string())
}
