//! How a file gets to its place on disk and goes from there, so that it survives a power cut or was never there.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use config::private;

/// The folder of what is being written, beside the projects, so that a rename stays within one file system.
pub(super) const UNDER_WAY: &str = ".under-way";

/// How often a folder is made anew that a deletion took away just then.
const TRIES: usize = 64;

/// What others may do with the folder of the files they may do with what is in it: nothing, if we made it. An operator who
/// lets a public server read there, or shares it with processes of other users, says so by the folder's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Modes {
    folder: u32,
    file: u32,
}

impl Modes {
    /// Those that follow from the folder of all files.
    pub(super) fn below(root: &Path) -> Self {
        let mode = private::mode(root).unwrap_or(private::FOLDER);
        Self { folder: private::FOLDER | mode, file: private::FILE | (mode & 0o666) }
    }
}

/// Makes the folder of the files, and in it that of what is being written.
pub(super) fn open(root: &Path) -> io::Result<Modes> {
    private::folder(root, private::FOLDER)?;
    let modes = Modes::below(root);
    private::folder(&root.join(UNDER_WAY), modes.folder)?;
    Ok(modes)
}

/// A file that is being written. Dropped before it is in its place, it goes.
pub(super) struct Draft {
    path: Option<PathBuf>,
    modes: Modes,
}

impl Draft {
    /// Makes an empty file and locks it: the lock goes with the process, however it ends, and tells the sweeper.
    pub(super) fn begin((root, modes): (PathBuf, Modes)) -> io::Result<(Self, File)> {
        let folder = root.join(UNDER_WAY);
        let path = folder.join(uuid::Uuid::new_v4().to_string());
        let open = || private::file(&path, modes.file);
        let file = match open() {
            // The folder was there at the start: somebody has tidied up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private::folder(&folder, modes.folder)?;
                open()?
            }
            file => file?,
        };
        let draft = Self { path: Some(path), modes };
        file.lock()?;
        Ok((draft, file))
    }

    /// Moves it to its place, in folders that are made as needed, and syncs them.
    pub(super) fn settle(mut self, root: &Path, target: &Path) -> io::Result<()> {
        let (Some(path), Some(folder)) = (self.path.as_ref(), target.parent()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut tries = TRIES;
        loop {
            let made = private::folder(folder, self.modes.folder);
            let moved = made.and_then(|()| fs::rename(path, target));
            match moved {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => tries -= 1,
                // Another file stands where a folder is needed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
                moved => break moved?,
            }
        }
        self.path = None;
        sync_up(root, folder)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What stays is swept later.
            let _ = fs::remove_file(path);
        }
    }
}

/// Syncs a folder and those above it, up to the root: one that was only just made is an entry of the one above.
fn sync_up(root: &Path, folder: &Path) -> io::Result<()> {
    for one in folder.ancestors() {
        match File::open(one) {
            // The file was deleted as soon as it was there, and its folder with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            folder => folder?.sync_all()?,
        }
        if one == root {
            break;
        }
    }
    Ok(())
}

/// Takes a file away, and the folders that are empty then.
pub(super) fn remove(root: &Path, path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    let mut folder = path.parent();
    while let Some(one) = folder.filter(|one| *one != root) {
        // It fails as soon as something is left in there, and that is where it ends.
        if fs::remove_dir(one).is_err() {
            break;
        }
        folder = one.parent();
    }
    match folder.map(File::open) {
        // Another deletion took it away, and synced what is above.
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Some(folder) => folder?.sync_all(),
        None => Ok(()),
    }
}

/// Takes away what nobody writes any more.
pub(super) fn sweep(root: &Path, fresh: Duration) -> io::Result<u64> {
    let mut gone = 0;
    for entry in fs::read_dir(root.join(UNDER_WAY))? {
        let path = entry?.path();
        match is_left_behind(&path, fresh) {
            Ok(true) => {
                fs::remove_file(&path)?;
                gone += 1;
            }
            Ok(false) => {}
            // It got to its place meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}

fn is_left_behind(path: &Path, fresh: Duration) -> io::Result<bool> {
    let file = File::open(path)?;
    let age = SystemTime::now().duration_since(file.metadata()?.modified()?).unwrap_or_default();
    if age < fresh {
        return Ok(false);
    }
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let path = std::env::temp_dir().join(format!("bellbuoy-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(path.join(UNDER_WAY)).expect("a folder");
        path
    }

    #[test]
    fn what_is_being_written_is_not_swept_and_what_was_left_is() {
        let root = folder();
        let (draft, file) = Draft::begin((root.clone(), Modes::below(&root))).expect("begins");
        let left = root.join(UNDER_WAY).join("left");
        fs::write(&left, "half").expect("writes");
        assert_eq!(sweep(&root, Duration::from_secs(60)).expect("sweeps"), 0, "both are fresh");
        assert_eq!(sweep(&root, Duration::ZERO).expect("sweeps"), 1);
        assert!(!left.exists() && draft.path.as_ref().is_some_and(|path| path.exists()));
        drop((draft, file));
        assert_eq!(fs::read_dir(root.join(UNDER_WAY)).expect("reads").count(), 0);
        fs::remove_dir_all(root).expect("goes");
    }
}
