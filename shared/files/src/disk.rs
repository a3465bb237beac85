//! Files on this machine's disk. A file is written beside the others, synced, and then renamed to its place: a crash
//! leaves the old file or the new one, and at worst something in the folder of what is under way, which is swept.

mod place;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::try_unfold;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::key::{FileKey, FilePrefix};
use super::link::{Signer, Terms};
use super::range::{ByteRange, Span};
use super::upload::Upload;
use super::{Answer, Body, Content, FileEngine, FileError, FileInfo, Page};
use domain::time::Time;

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// What nobody holds is left behind, unless it was only just made and is about to be held.
const FRESH: Duration = Duration::from_secs(60);

/// A folder with files.
pub struct Disk {
    root: PathBuf,
    modes: place::Modes,
    signer: Arc<Signer>,
}

impl Disk {
    /// The files below this folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn open(root: &Path, signer: Arc<Signer>) -> Result<Self, FileError> {
        let modes = place::open(root).map_err(|error| at(root, &error))?;
        match place::sweep(root, FRESH) {
            Ok(0) => {}
            Ok(swept) => tracing::info!(swept, "took away files that were never wholly stored"),
            // Whatever is wrong with them, the others can be used.
            Err(error) => tracing::warn!(%error, "what was left behind was not swept"),
        }
        Ok(Self { root: root.to_owned(), modes, signer })
    }

    fn path(&self, key: &FileKey) -> PathBuf {
        // Nothing in a key leads upwards or begins with a slash: see `key.rs`.
        self.root.join(key.as_str())
    }

    async fn write(&self, key: &FileKey, upload: &mut Upload<'_>) -> Result<(), FileError> {
        let made = blocking(place::Draft::begin, (self.root.clone(), self.modes)).await;
        let (draft, file) = made.map_err(|error| at(&self.root, &error))?;
        let mut file = File::from_std(file);
        while let Some(piece) = upload.piece().await? {
            file.write_all(&piece).await.map_err(|error| at(&self.root, &error))?;
        }
        file.flush().await.map_err(|error| at(&self.root, &error))?;
        file.sync_all().await.map_err(|error| at(&self.root, &error))?;
        let path = self.path(key);
        let (root, target) = (self.root.clone(), path.clone());
        let settle = move |draft: place::Draft| draft.settle(&root, &target);
        blocking(settle, draft).await.map_err(|error| in_the_way(&path, &error))
        // The file is open to here, so that its lock holds until it is in its place.
    }

    async fn open_file(&self, key: &FileKey) -> Result<(File, FileInfo), FileError> {
        let path = self.path(key);
        let file = File::open(&path).await.map_err(|error| at(&path, &error))?;
        let known = file.metadata().await.map_err(|error| at(&path, &error))?;
        if !known.is_file() {
            return Err(FileError::NotFound);
        }
        Ok((file, walk::info(&known)))
    }
}

impl FileEngine for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn put<'a>(
        &'a self,
        key: &'a FileKey,
        _content_type: &'a str,
        upload: &'a mut Upload<'_>,
    ) -> Answer<'a, ()> {
        Box::pin(self.write(key, upload))
    }

    fn get<'a>(&'a self, key: &'a FileKey, range: Option<ByteRange>) -> Answer<'a, Content> {
        Box::pin(async move {
            let (mut file, info) = self.open_file(key).await?;
            let span = match range {
                Some(range) => range.of(info.size).ok_or(FileError::OutOfRange)?,
                None => Span::whole(info.size),
            };
            if span.start > 0 {
                let sought = file.seek(io::SeekFrom::Start(span.start)).await;
                sought.map_err(|error| at(&self.path(key), &error))?;
            }
            Ok(Content { info, span, body: pieces(file, span.length) })
        })
    }

    fn head<'a>(&'a self, key: &'a FileKey) -> Answer<'a, FileInfo> {
        Box::pin(async move { self.open_file(key).await.map(|(_, info)| info) })
    }

    fn delete<'a>(&'a self, key: &'a FileKey) -> Answer<'a, ()> {
        Box::pin(async move {
            let (root, path) = (self.root.clone(), self.path(key));
            let done = blocking(move |path: PathBuf| place::remove(&root, &path), path.clone());
            match done.await.map_err(|error| at(&path, &error)) {
                Err(FileError::NotFound) => Ok(()),
                done => done,
            }
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a FilePrefix,
        after: Option<&'a FileKey>,
        limit: usize,
    ) -> Answer<'a, Page> {
        Box::pin(async move {
            let (root, prefix) = (self.root.clone(), prefix.as_str().to_owned());
            let after = after.map(|key| key.as_str().to_owned());
            let walk = move |root: PathBuf| walk::list(&root, &prefix, after.as_deref(), limit);
            blocking(walk, root).await.map_err(|error| at(&self.root, &error))
        })
    }

    fn link<'a>(
        &'a self,
        key: &'a FileKey,
        terms: &'a Terms,
        now: Time,
        ttl: Duration,
    ) -> Answer<'a, String> {
        Box::pin(async move { Ok(self.signer.sign(key, terms, now.plus(ttl))) })
    }

    fn sweep(&self, _now: Time) -> Answer<'_, u64> {
        Box::pin(async move {
            let sweep = |root: PathBuf| place::sweep(&root, FRESH);
            blocking(sweep, self.root.clone()).await.map_err(|error| at(&self.root, &error))
        })
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let known = tokio::fs::metadata(self.root.join(place::UNDER_WAY)).await;
            let known = known.map_err(|error| at(&self.root, &error))?;
            match known.permissions().readonly() {
                false => Ok(()),
                true => Err(FileError::Refused(format!("{} is read-only", self.root.display()))),
            }
        })
    }
}

/// The next `left` bytes of a file, in pieces.
fn pieces(file: File, left: u64) -> Body {
    try_unfold((file, left), async |(mut file, left)| {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut buffer = BytesMut::with_capacity(most);
        // The buffer has room for more than was asked for where the allocator is generous.
        let count = (&mut file).take(most as u64).read_buf(&mut buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let piece: Bytes = buffer.freeze();
        Ok(Some((piece, (file, left - count as u64))))
    })
    .boxed()
}

/// Does what would block, where it may.
async fn blocking<A, T>(
    work: impl FnOnce(A) -> io::Result<T> + Send + 'static,
    on: A,
) -> io::Result<T>
where
    A: Send + 'static,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(move || work(on)).await.map_err(io::Error::other)?
}

/// What an error of the file system means for the caller.
fn at(path: &Path, error: &io::Error) -> FileError {
    let words = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            FileError::NotFound
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            FileError::Refused(words)
        }
        _ => FileError::Unavailable(words),
    }
}

/// What it means where a file was to be put: `a` and `a/b` can't both be files here, though they can in a bucket.
fn in_the_way(path: &Path, error: &io::Error) -> FileError {
    match at(path, error) {
        FileError::NotFound => FileError::Refused(format!(
            "{}: {error}; on disk no file can stand where another one needs a folder",
            path.display()
        )),
        other => other,
    }
}
