//! Looking through the folders of files, in the order in which a bucket lists its keys.

use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::super::key::FileKey;
use super::super::{FileInfo, Listed, Page};
use domain::time::Time;

/// What is known of a file.
pub(super) fn info(known: &Metadata) -> FileInfo {
    let modified = modified(known);
    // A file is only ever replaced by another one, so its inode tells two apart that are equally long and equally old.
    let inode = std::os::unix::fs::MetadataExt::ino(known);
    let etag = format!("\"{:x}-{:x}-{inode:x}\"", modified.micros(), known.len());
    FileInfo { size: known.len(), modified, etag }
}

fn modified(known: &Metadata) -> Time {
    let since = known.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let micros = since.and_then(|since| i64::try_from(since.as_micros()).ok());
    Time::from_micros(micros.unwrap_or_default())
}

/// At most `limit` files whose keys begin with `prefix`, after `after`.
pub(super) fn list(
    root: &Path,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> io::Result<Page> {
    let (folder, _) = prefix.rsplit_once('/').unwrap_or_default();
    // One more than is asked for tells whether there is a next page.
    let mut walk =
        Walk { prefix, after: after.unwrap_or_default(), most: limit + 1, found: vec![] };
    walk.look(&root.join(folder), &format!("{folder}/"))?;
    let mut page = Page { files: walk.found, next: None };
    if page.files.len() > limit {
        page.files.truncate(limit);
        page.next = page.files.last().map(|one| one.key.clone());
    }
    Ok(page)
}

struct Walk<'a> {
    prefix: &'a str,
    after: &'a str,
    most: usize,
    found: Vec<Listed>,
}

impl Walk<'_> {
    /// Looks through one folder, whose keys begin with `above`.
    fn look(&mut self, folder: &Path, above: &str) -> io::Result<()> {
        for (key, entry) in entries(folder, above)? {
            if self.found.len() >= self.most {
                return Ok(());
            }
            if key.ends_with('/') {
                let may_hold = key.starts_with(self.prefix) || self.prefix.starts_with(&key);
                // A folder lies behind the cursor as a whole, unless the cursor is in it.
                let is_behind = key.as_str() < self.after && !self.after.starts_with(&key);
                if may_hold && !is_behind {
                    self.look(&entry.path(), &key)?;
                }
            } else if key.starts_with(self.prefix) && key.as_str() > self.after {
                self.take(&key, &entry)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, key: &str, entry: &DirEntry) -> io::Result<()> {
        // What is none of ours was put there by somebody else, and is not shown.
        let Ok(key) = FileKey::parse(key) else { return Ok(()) };
        match entry.metadata() {
            Ok(known) if known.is_file() => {
                self.found.push(Listed { key, size: known.len(), modified: modified(&known) });
            }
            Ok(_) => {}
            // It went while we were looking.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// What is in a folder by its key, folders with a slash at their end: their order is that of the keys below them.
fn entries(folder: &Path, above: &str) -> io::Result<Vec<(String, DirEntry)>> {
    let mut found = Vec::new();
    let read = match fs::read_dir(folder) {
        // Nothing was stored there yet, or it went while we were looking.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(found),
        read => read?,
    };
    for entry in read {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        found.push((format!("{above}{name}{slash}"), entry));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}
