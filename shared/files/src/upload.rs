//! What is being stored: it comes in pieces, is counted, limited and hashed as it passes, and is never held whole.

use std::io;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use ring::digest::{Context, SHA256};

use super::{FileError, Stored};

/// A file on its way in. An engine asks for one piece after the other, and keeps nothing if one of them fails.
pub struct Upload<'a> {
    body: BoxStream<'a, io::Result<Bytes>>,
    limit: u64,
    length: u64,
    hash: Context,
}

impl<'a> Upload<'a> {
    pub(super) fn new(body: BoxStream<'a, io::Result<Bytes>>, limit: u64) -> Self {
        Self { body, limit, length: 0, hash: Context::new(&SHA256) }
    }

    /// The next piece; nothing at the end.
    ///
    /// # Errors
    /// When it breaks off or gets too long.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, FileError> {
        let Some(piece) = self.body.next().await else { return Ok(None) };
        let piece = piece.map_err(FileError::BrokenOff)?;
        self.length = self.length.saturating_add(piece.len() as u64);
        if self.length > self.limit {
            return Err(FileError::TooLarge { limit: self.limit });
        }
        self.hash.update(&piece);
        Ok(Some(piece))
    }

    /// How much has passed so far.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn finish(self) -> Stored {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.hash.finish().as_ref());
        Stored { length: self.length, sha256 }
    }
}
