//! Folders and files that nobody but their owner may look into, whatever the umask of the process is.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the owner of a folder alone may do.
pub const FOLDER: u32 = 0o700;
/// What the owner of a file alone may do.
pub const FILE: u32 = 0o600;
/// What others may do.
const OTHERS: u32 = 0o077;

/// Makes a folder and those above it that are missing, each with this mode; one that is there stays as it is.
pub fn folder(path: &Path, mode: u32) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        folder(above, mode)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        // The umask may have taken more away than was meant to.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a file with this mode, which must not be there, and opens it for writing.
pub fn file(path: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

/// Makes an empty file that only its owner may read, unless there is one.
pub fn touch(path: &Path) -> io::Result<()> {
    match file(path, FILE) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Puts a text into a file that only its owner may read. Of several processes that do so at once, one is first and the
/// others' texts are dropped; nobody ever sees a part of one.
pub fn write_once(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    let draft = PathBuf::from(draft);
    let written = file(&draft, FILE).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    // Unlike a rename, a link takes no other file's place.
    let placed = written.and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match placed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        placed => placed,
    }
}

/// The mode of what is there; nothing if nothing is.
pub fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|known| known.permissions().mode() & 0o777)
}

/// Says that others than the owner may look into what is there, and how that is ended; nothing if they may not.
pub fn exposed(path: &Path) -> Option<String> {
    let mode = mode(path).filter(|mode| mode & OTHERS != 0)?;
    let right = if path.is_dir() { FOLDER } else { FILE };
    let path = path.display();
    Some(format!("{path} is open to others (mode {mode:04o}): run `chmod {right:o} {path}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_the_owner_s_alone_and_what_is_there_stays() {
        let root = std::env::temp_dir().join(format!("bellbuoy-{}", uuid::Uuid::new_v4()));
        let (deep, there) = (root.join("a/b"), root.join("there"));
        folder(&deep, FOLDER).expect("makes");
        for path in [&root, &root.join("a"), &deep] {
            assert_eq!(mode(path), Some(0o700), "{}", path.display());
            assert_eq!(exposed(path), None);
        }
        fs::create_dir(&there).expect("makes");
        fs::set_permissions(&there, Permissions::from_mode(0o755)).expect("widens");
        folder(&there, FOLDER).expect("is there");
        assert_eq!(mode(&there), Some(0o755), "it is its owner's to narrow");
        let told = exposed(&there).expect("is told");
        assert!(told.contains("0755") && told.contains("chmod 700"), "{told}");
        let one = deep.join("one");
        write_once(&one, "first").expect("writes");
        write_once(&one, "second").expect("is there");
        assert_eq!(fs::read_to_string(&one).expect("reads"), "first");
        assert_eq!((mode(&one), fs::read_dir(&deep).expect("reads").count()), (Some(0o600), 1));
        touch(&one).expect("is there");
        assert_eq!(fs::read_to_string(&one).expect("reads"), "first");
        assert!(folder(&one.join("x"), FOLDER).is_err(), "a file is no folder");
        fs::remove_dir_all(root).expect("goes");
    }
}
