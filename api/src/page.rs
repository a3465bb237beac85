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

/// How many rows that may not be seen are passed over before a page is short.
const PASSED_OVER: usize = 1000;

/// Reads until a page is full of what may be seen. The cursor stands behind a row of the page and comes only if there is
/// another one that may be seen: neither says anything of those that may not. `read` answers as many rows as it is
/// asked for, from behind an id.
pub async fn seen<T, E, F>(
    limit: u32,
    list: &List,
    mut after: Option<Uuid>,
    read: impl Fn(Option<Uuid>, usize) -> F,
    id: impl Fn(&T) -> Uuid,
    may: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, Option<String>), E>
where
    F: Future<Output = Result<Vec<T>, E>>,
{
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut rows, mut looked, mut count) = (Vec::new(), 0, most + 1);
    loop {
        let found = read(after, count).await?;
        let is_last = found.len() < count;
        looked += found.len();
        after = found.last().map(&id).or(after);
        rows.extend(found.into_iter().filter(&may));
        if rows.len() > most || is_last {
            return Ok(cut(rows, limit, list, id));
        }
        if looked > PASSED_OVER {
            return Ok((rows, after.map(|last| list.cursor(last))));
        }
        count = count.max(PASSED_OVER / 5);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_tells_nothing_of_what_may_not_be_seen() {
        let list = List::new("x", ProjectId::PLATFORM, &());
        let id = |row: &u128| Uuid::from_u128(*row);
        let page = async |all: &[u128], limit: u32, after: Option<u128>| {
            let read = |after: Option<Uuid>, count: usize| {
                let after = after.map_or(0, |id| id.as_u128());
                let rows: Vec<u128> =
                    all.iter().copied().filter(|row| *row > after).take(count).collect();
                async move { Ok::<_, ()>(rows) }
            };
            let after = after.map(Uuid::from_u128);
            let (rows, cursor) = seen(limit, &list, after, read, id, |row| row % 10 == 0).await?;
            let cursor = list.read(cursor.as_deref()).expect("own");
            Ok::<_, ()>((rows, cursor.map(|id| id.as_u128())))
        };
        let all: Vec<u128> = (1..=39).collect();
        // What may not be seen makes no page short, and no cursor stands on it.
        assert_eq!(page(&all, 2, None).await, Ok((vec![10, 20], Some(20))));
        assert_eq!(page(&all, 2, Some(20)).await, Ok((vec![30], None)));
        assert_eq!(page(&all, 3, None).await, Ok((vec![10, 20, 30], None)));
        assert_eq!(page(&all[30..], 1, None).await, Ok((vec![], None)));
        // But nobody reads a whole table for a page.
        let hidden: Vec<u128> = (1..5000).map(|row| row * 10 + 1).collect();
        let (rows, cursor) = page(&hidden, 1, None).await.expect("a page");
        assert!(rows.is_empty() && cursor.is_some_and(|at| at < 15_000), "{cursor:?}");
    }

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
