//! Lists come in pages: `?limit=&cursor=`, newest first.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::fault::FaultCode;
use domain::id::{ProjectId, sha256};
use uuid::Uuid;

use crate::problem::Problem;

/// How many there are on a page when nobody says.
pub const DEFAULT: u32 = 50;
/// The most on a page.
pub const MAX: u32 = 200;

/// The first byte of a cursor; another layout gets another.
const VERSION: u8 = 1;
const SUM: usize = 8;
const LEN: usize = 1 + 16 + SUM;

/// The default of `limit`, for the macro that wants a function.
pub const fn default_limit() -> u32 {
    DEFAULT
}

/// One list with its filters: cursors of any other don't fit.
pub struct List {
    seed: [u8; 32],
}

impl List {
    /// The list `name` of a project, with everything that chooses what is on it.
    pub fn new(name: &str, project: ProjectId, filters: &impl std::fmt::Debug) -> Self {
        Self { seed: sha256(format!("{name}\0{project}\0{filters:?}").as_bytes()) }
    }

    /// The cursor that goes on behind `last`.
    pub fn cursor(&self, last: Uuid) -> String {
        let mut bytes = [VERSION; LEN];
        bytes[1..17].copy_from_slice(last.as_bytes());
        bytes[17..].copy_from_slice(&self.sum(last));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// When it is not one of this list.
    pub fn read(&self, cursor: Option<&str>) -> Result<Option<Uuid>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
        let last = match bytes.as_slice() {
            [VERSION, rest @ ..] if bytes.len() == LEN => Uuid::from_slice(&rest[..16]).ok(),
            _ => None,
        };
        match last {
            Some(last) if bytes[17..] == self.sum(last) => Ok(Some(last)),
            _ => Err(Problem::parameter("cursor", FaultCode::Invalid, FOREIGN)),
        }
    }

    // A sum without a secret: it catches slips, and who makes one up still reads nothing but their own project, for
    // every question is about one.
    fn sum(&self, last: Uuid) -> [u8; SUM] {
        let mut text = [0; 48];
        text[..32].copy_from_slice(&self.seed);
        text[32..].copy_from_slice(last.as_bytes());
        let mut sum = [0; SUM];
        sum.copy_from_slice(&sha256(&text)[..SUM]);
        sum
    }
}

const FOREIGN: &str =
    "it must be the next_cursor of the page before, of the same list with the same filters";

/// Cuts what was read with one more than `limit` down to a page; answers it with its cursor.
pub fn cut<T>(
    mut rows: Vec<T>,
    limit: u32,
    list: &List,
    id: impl Fn(&T) -> Uuid,
) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return (rows, None);
    }
    rows.truncate(limit);
    let cursor = rows.last().map(|last| list.cursor(id(last)));
    (rows, cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cursor_of_the_same_list_is_read() {
        let project = ProjectId(Uuid::from_u128(1));
        let list = List::new("events", project, &Some("a"));
        let last = Uuid::from_u128(7);
        let cursor = list.cursor(last);
        assert_eq!(list.read(Some(&cursor)).expect("own"), Some(last));
        assert_eq!(list.read(None).expect("none"), None);
        for other in [
            List::new("rules", project, &Some("a")),
            List::new("events", ProjectId(Uuid::from_u128(2)), &Some("a")),
            List::new("events", project, &Some("b")),
        ] {
            assert!(other.read(Some(&cursor)).is_err());
        }
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(bytes).expect("ASCII");
            assert!(list.read(Some(&tampered)).is_err(), "{at}");
        }
        for bad in ["", "x", "AQ", "====", &cursor[1..], &format!("{cursor}A"), "ä"] {
            assert!(list.read(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_has_a_cursor_when_there_is_more() {
        let list = List::new("x", ProjectId::PLATFORM, &());
        let rows: Vec<u128> = (1..=3).collect();
        let id = |row: &u128| Uuid::from_u128(*row);
        assert_eq!(cut(rows.clone(), 3, &list, id), (rows.clone(), None));
        let (page, cursor) = cut(rows, 2, &list, id);
        assert_eq!(page, [1, 2]);
        assert_eq!(list.read(cursor.as_deref()).expect("own"), Some(Uuid::from_u128(2)));
    }
}
