//! What lies on this machine and others than its owner may look into: it is told at the start and by `bellbuoy doctor`.

use std::path::{Path, PathBuf};

use config::private::{exposed, mode};
use config::{Config, FilesUrl, MailUrl, StoreUrl};

/// What others may read or change of what this installation keeps on disk, a sentence each. What is not there is told
/// by whoever needs it.
pub fn exposures(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    if let StoreUrl::Sqlite { path } = &config.store.url {
        found.extend(around(path));
        for end in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            found.extend(exposed(&PathBuf::from(name)));
        }
    }
    if config.seal.key.is_none() {
        found.extend(around(&config.seal.dev_key_path));
        found.extend(exposed(&config.seal.dev_key_path));
    }
    if let FilesUrl::Disk { path } = &config.files.url {
        // A public server may read them, if there is one.
        let public = config.files.public_url.is_some();
        let shared_on_purpose = public && mode(path).is_none_or(|mode| mode & 0o022 == 0);
        found.extend(exposed(path).filter(|_| !shared_on_purpose));
    }
    let MailUrl::Mailbox { path } = &config.mail.url;
    found.extend(exposed(path));
    found.sort();
    found.dedup();
    found
}

/// The folder around a file, unless that is the one that we were started in: it is not ours.
fn around(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !matches!(folder.to_str(), Some("" | ".")))?;
    exposed(folder)
}
