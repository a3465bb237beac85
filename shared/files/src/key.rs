//! Names of files. Each begins with its project, and the type has no way to say anything that lies outside of it.

use std::fmt;

use domain::id::ProjectId;

/// What stands before the project in every key.
const ROOT: &str = "projects/";

/// The most bytes of a path within its project. With the project and an operator's prefix it stays below the 1024 bytes
/// that S3 allows.
const LONGEST: usize = 700;

/// The most bytes between two slashes. File systems allow 255.
const LONGEST_PART: usize = 200;

/// A path that can't be a file's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}: a path within a project has up to 700 bytes of letters, digits and any of - _ . in parts of up to 200 bytes \
     with a single / between them, and no part begins with a dot"
)]
pub struct BadKey(String);

/// The name of a file: its project, and a path within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey {
    project: ProjectId,
    text: String,
}

impl FileKey {
    /// The file at `path` of a project, like `sounds/0198c1/bell.mp3`.
    ///
    /// # Errors
    /// When the path is none that we would make.
    pub fn new(project: ProjectId, path: &str) -> Result<Self, BadKey> {
        let fine = path.len() <= LONGEST && path.split('/').all(is_part);
        if !fine {
            return Err(bad(path));
        }
        Ok(Self { project, text: within(project, path) })
    }

    /// Reads a whole key, as `as_str` writes it.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let (project, path) = text
            .strip_prefix(ROOT)
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(|| bad(text))?;
        let id: ProjectId = project.parse().map_err(|_| bad(text))?;
        // An id can be written in several ways; a key in one.
        if id.to_string() != project {
            return Err(bad(text));
        }
        Self::new(id, path)
    }

    /// Whose file it is.
    pub const fn project(&self) -> ProjectId {
        self.project
    }

    /// Its path within the project.
    pub fn path(&self) -> &str {
        &self.text[within(self.project, "").len()..]
    }

    /// The whole key: `projects/<id>/<path>`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the keys of some files of a project begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePrefix {
    project: ProjectId,
    text: String,
}

impl FilePrefix {
    /// What begins like `path`, which may end within a part; all files of the project when it is empty.
    ///
    /// # Errors
    /// When no file's path begins like that.
    pub fn new(project: ProjectId, path: &str) -> Result<Self, BadKey> {
        let (before, last) = path.rsplit_once('/').map_or((None, path), |(b, l)| (Some(b), l));
        let fine = path.len() <= LONGEST
            && before.is_none_or(|before| before.split('/').all(is_part))
            && (last.is_empty() || is_part(last));
        if !fine {
            return Err(bad(path));
        }
        Ok(Self { project, text: within(project, path) })
    }

    /// Whose files they are.
    pub const fn project(&self) -> ProjectId {
        self.project
    }

    /// What whole keys begin with.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn within(project: ProjectId, path: &str) -> String {
    format!("{ROOT}{project}/{path}")
}

/// Without a dot at its beginning a part is neither `.` nor `..`, nor one of our own hidden folders.
fn is_part(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_PART).contains(&part.len()) && !part.starts_with('.') && part.bytes().all(plain)
}

fn bad(text: &str) -> BadKey {
    BadKey(format!("{:?}", text.chars().take(80).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: ProjectId = ProjectId(uuid::Uuid::from_u128(7));

    #[test]
    fn keys_stay_within_their_project() {
        for path in ["a", "a/b.mp3", "sounds/0198/Bell-1_x.tar.gz", "a..b", "a."] {
            let key = FileKey::new(MINE, path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((key.path(), key.project()), (path, MINE));
            assert_eq!(FileKey::parse(key.as_str()), Ok(key));
        }
        let long = ["a".repeat(201), "ab/".repeat(240) + "c"];
        let wrong = [
            "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a/./b", ".hidden",
            "a/.b", "a\0", "a b", "a\\b", "a%2e", "ä", "a\n", "a?b", "C:", "~",
        ];
        for path in wrong.into_iter().chain(long.iter().map(String::as_str)) {
            assert!(FileKey::new(MINE, path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn whole_keys_are_written_in_one_way() {
        let id = "00000000-0000-0000-0000-00000000000a";
        assert!(FileKey::parse(&format!("projects/{id}/a")).is_ok());
        for text in [
            format!("projects/{}/a", id.to_uppercase()),
            format!("projects/{}/a", id.replace('-', "")),
            format!("projects/{{{id}}}/a"),
            format!("/projects/{id}/a"),
            format!("projects//{id}/a"),
            format!("projects/{id}"),
            format!("projects/{id}/"),
            format!("projects/{id}/../x/a"),
            "projects/../a".to_owned(),
            String::new(),
        ] {
            assert!(FileKey::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn prefixes_stay_within_their_project() {
        for path in ["", "a", "a/", "a/b", "a/b."] {
            assert!(FilePrefix::new(MINE, path).is_ok(), "{path:?}");
        }
        for path in ["/", "..", "a/..", "../", "a//", ".", "a\0", "a/../b"] {
            assert!(FilePrefix::new(MINE, path).is_err(), "{path:?}");
        }
    }
}
