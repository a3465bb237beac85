//! The engines, each opened empty, and what only a test asks of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bellbuoy::roles::Roles;
use bellbuoy_harness::{Pair, TestApp};
use config::{Config, Sources};
use domain::clock::Clock;
use domain::id::ProjectId;
use domain::time::Time;
use files::key::{FileKey, FilePrefix};
use files::range::ByteRange;
use files::{FileError, Files, Stored};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use uuid::Uuid;

use super::s3_server::{KEY, S3Server, SECRET};

/// The largest file in these tests.
pub const MAX_SIZE: u64 = 24 << 20;

/// How long something may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// An engine, and whatever stands behind it.
pub struct Place {
    pub files: Files,
    pub clock: Clock,
    kind: Kind,
}

enum Kind {
    /// The API serves the files of the disk.
    Disk(Box<TestApp>),
    S3(S3Server),
}

impl Place {
    pub async fn disk() -> Self {
        let roles = Roles { api: true, ..Roles::none() };
        let limit = config::ByteSize::mib((MAX_SIZE >> 20) as u32);
        let app = TestApp::with(Pair::SqliteSql, roles, |config| config.files.max_size = limit);
        let app = Box::new(app.await);
        let (files, clock) = (app.app.files.clone(), app.app.clock.clone());
        Self { files, clock, kind: Kind::Disk(app) }
    }

    pub async fn s3() -> Self {
        let server = S3Server::start().await;
        let files = open_s3(&server.url(), SECRET);
        Self { files, clock: Clock::System, kind: Kind::S3(server) }
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Where a link leads in this test: the API listens on a free port.
    pub fn reach(&self, link: &str) -> String {
        match &self.kind {
            Kind::Disk(app) => {
                let base = app.app.config.http.public_url().base();
                let rest = link.strip_prefix(&base).expect("the public URL");
                format!("{}{rest}", app.base)
            }
            Kind::S3(_) => link.to_owned(),
        }
    }

    /// Where what is under way is kept.
    fn folder(&self) -> PathBuf {
        match &self.kind {
            Kind::Disk(app) => match &app.app.config.files.url {
                config::FilesUrl::Disk { path } => path.clone(),
                other => panic!("{other:?}"),
            },
            Kind::S3(server) => server.folder().to_owned(),
        }
    }

    /// Waits until nothing is left of stores that did not end.
    pub async fn expect_nothing_under_way(&self) {
        let folder = self.folder();
        eventually("something is left behind", || leftovers(&folder).is_empty()).await;
    }

    pub async fn put(&self, key: &FileKey, bytes: &[u8]) -> Stored {
        self.files.put(key, "text/plain", body(bytes, 1000)).await.expect("is stored")
    }

    pub async fn read(&self, key: &FileKey, range: Option<ByteRange>) -> Vec<u8> {
        let mut content = self.files.get(key, range).await.expect("is there");
        let mut all = Vec::new();
        while let Some(piece) = content.body.next().await {
            all.extend_from_slice(&piece.expect("is read"));
        }
        assert_eq!(all.len() as u64, content.span.length);
        all
    }

    pub async fn expect_missing(&self, key: &FileKey) {
        let head = self.files.head(key).await;
        assert!(matches!(head, Err(FileError::NotFound)), "{head:?}");
        let got = self.files.get(key, None).await.map(|_| ());
        assert!(matches!(got, Err(FileError::NotFound)), "{got:?}");
        let all = FilePrefix::new(key.project(), "").expect("a prefix");
        let page = self.files.list(&all, None, 100).await.expect("lists");
        assert!(page.files.iter().all(|one| one.key != *key), "{page:?}");
    }
}

/// What stores leave where they keep what is under way: drafts on disk, uploads and their parts in the server's folder.
pub fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in [folder.to_owned(), folder.join(".under-way")] {
        let Ok(entries) = std::fs::read_dir(&place) else { continue };
        let hidden = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            place.ends_with(".under-way") || name.starts_with(".upload")
        };
        found.extend(entries.map(|entry| entry.expect("an entry").path()).filter(hidden));
    }
    found
}

/// Waits until it is so.
pub async fn eventually(otherwise: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{otherwise}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn open_s3(url: &str, secret: &str) -> Files {
    telemetry::install_tls();
    let max = format!("{}MiB", MAX_SIZE >> 20);
    let env = [
        ("BELLBUOY_FILES_URL", url),
        ("BELLBUOY_FILES_ACCESS_KEY_ID", KEY),
        ("BELLBUOY_FILES_SECRET_ACCESS_KEY", secret),
        ("BELLBUOY_FILES_MAX_SIZE", &max),
        ("BELLBUOY_FILES_PUBLIC_URL", "https://cdn.example.com/files/"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources { file: None, default_file: "none.toml".into(), env: env.into() };
    let config = Config::load(sources).expect("a configuration");
    Files::open(&config.files, "http://unused", [0; 32], &[]).expect("opens")
}

pub fn project() -> ProjectId {
    ProjectId(Uuid::new_v4())
}

pub fn key(path: &str) -> FileKey {
    FileKey::new(project(), path).expect("a key")
}

/// Bytes in pieces of so many.
pub fn body(bytes: &[u8], piece: usize) -> BoxStream<'_, std::io::Result<bytes::Bytes>> {
    let pieces = bytes.chunks(piece).map(|one| Ok(bytes::Bytes::copy_from_slice(one)));
    futures_util::stream::iter(pieces).boxed()
}

/// Bytes that tell where they are from.
pub fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(length)
    .collect()
}
