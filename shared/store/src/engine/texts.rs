//! The texts of statements, as each engine takes them: constant for each number of rows, so that every connection
//! prepares them once.

/// The numbers of rows that one statement takes, where an engine has no arrays.
pub(crate) const CHUNKS: [usize; 4] = [256, 64, 8, 1];

/// As `CHUNKS`, for inserts on MySQL and MariaDB, where a statement more is a round trip more.
pub(crate) const POWERS: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];

/// How many bytes of values one statement to MySQL or MariaDB may carry: a quarter of the smallest packet that their
/// servers are accepted with (`PACKET` in `mysql.rs`).
const WEIGHT: usize = 4 << 20;

/// The greatest chunk that `len` rows fill: its place in `CHUNKS` and its size.
pub(crate) fn chunk(len: usize) -> (usize, usize) {
    let slot = CHUNKS.iter().position(|size| *size <= len).unwrap_or(CHUNKS.len() - 1);
    (slot, CHUNKS[slot])
}

/// The greatest chunk of rows, of these weights, that fits into a packet; a row that is too heavy goes alone. Where a row
/// that comes twice is as one, rows that fill three quarters of a chunk fill it up with the last of them. Answers the
/// chunk's place and size, and how many rows it takes.
pub(crate) fn light_chunk(
    weights: impl Iterator<Item = usize>,
    tail: &str,
) -> (usize, usize, usize) {
    let (mut fit, mut sum, mut last) = (0_usize, 0_usize, 0_usize);
    for weight in weights.take(POWERS[0]) {
        if sum.saturating_add(weight) > WEIGHT {
            break;
        }
        (fit, sum, last) = (fit + 1, sum + weight, weight);
    }
    let fills = |slot: &usize| {
        let padding = (POWERS[*slot] - fit).saturating_mul(last);
        keeps(tail) && fit * 4 >= POWERS[*slot] * 3 && sum.saturating_add(padding) <= WEIGHT
    };
    match POWERS.iter().rposition(|size| *size >= fit).filter(fills) {
        Some(slot) => (slot, POWERS[slot], fit),
        None => {
            let below = POWERS.iter().position(|size| *size <= fit).unwrap_or(POWERS.len() - 1);
            (below, POWERS[below], POWERS[below])
        }
    }
}

/// Whether an insert leaves what is there already as it is.
fn keeps(tail: &str) -> bool {
    tail.starts_with("ON CONFLICT DO NOTHING")
}

/// As `chunk`, for statements on MySQL and MariaDB to which a row that comes twice is as one: rows that fill more than half
/// of a chunk fill it up with the last of them. Answers the chunk's place and size, and how many rows it takes.
pub(crate) fn padded_chunk(len: usize) -> (usize, usize, usize) {
    let slot = CHUNKS.iter().rposition(|size| *size >= len).filter(|slot| CHUNKS[*slot] < len * 2);
    match slot {
        Some(slot) => (slot, CHUNKS[slot], len),
        None => {
            let (slot, size) = chunk(len);
            (slot, size, size)
        }
    }
}

pub(crate) fn unnest_text(head: &str, arrays: &[&str], tail: &str) -> String {
    let list: Vec<String> =
        arrays.iter().enumerate().map(|(at, array)| format!("${}::{array}", at + 1)).collect();
    format!("{head} SELECT * FROM unnest({}) {tail}", list.join(", "))
}

/// The text of a statement over rows that PostgreSQL gets as arrays. Where they are one, it gets the values themselves: to
/// make arrays and a set of rows out of them is a good part of what a small statement costs.
pub(crate) fn rows_text(text: String, one: bool) -> String {
    if !one {
        return text;
    }
    const ARRAYS: &str = "unnest(";
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, (list, after))) =
        rest.split_once(ARRAYS).and_then(|(before, after)| Some((before, after.split_once(')')?)))
    {
        let values = list.replace("[]", "");
        match before.strip_suffix("SELECT * FROM ") {
            Some(before) => out.extend([before, "SELECT ", &values]),
            None => out.extend([before, "(SELECT ", &values, ")"]),
        }
        rest = after;
    }
    out + rest
}

pub(crate) fn values_text(head: &str, columns: usize, rows: usize, tail: &str) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    format!("{head} VALUES {} {tail}", vec![row; rows].join(", "))
}

/// As `values_text`, for MySQL and MariaDB: what is there already is left as it is by setting its first column to itself.
/// INSERT IGNORE would do so too, and would also turn bad data into a warning.
pub(crate) fn mysql_values_text(head: &str, columns: usize, rows: usize, tail: &str) -> String {
    let first = head.split_once('(').and_then(|(_, rest)| rest.split([',', ')']).next());
    let keep = first.filter(|_| keeps(tail));
    let tail = keep.map(|column| format!("ON DUPLICATE KEY UPDATE {column} = {column}"));
    values_text(head, columns, rows, tail.as_deref().unwrap_or_default())
}

pub(crate) fn any_text(head: &str, before: usize, tail: &str) -> String {
    format!("{head} = ANY(${}) {tail}", before + 1)
}

pub(crate) fn in_text(head: &str, before: usize, ids: usize, tail: &str) -> String {
    let list: Vec<String> = (1..=ids).map(|at| format!("${}", before + at)).collect();
    format!("{head} IN ({}) {tail}", list.join(", "))
}

/// As `in_text`, with the placeholders of MySQL and MariaDB.
pub(crate) fn mysql_in_text(head: &str, ids: usize, tail: &str) -> String {
    let mut text = String::with_capacity(head.len() + ids * 3);
    let mut rest = head;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        text.push('?');
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    format!("{text}{rest} IN ({}) {tail}", vec!["?"; ids].join(", "))
}

/// How long `mysql_text` of this text is.
pub(crate) const fn mysql_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut length, mut quoted) = (0, 0, false);
    while at < bytes.len() {
        quoted ^= bytes[at] == b'\'';
        let placeholder = bytes[at] == b'$' && !quoted;
        at += 1;
        while placeholder && at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        length += 1;
    }
    length
}

/// The text with `?` for `$1`, `$2`, …, made at compile time. It does not compile unless those stand there once each and
/// in order, for MySQL and MariaDB tell their placeholders by the place alone.
pub(crate) const fn mysql_text<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    let mut out = [0; N];
    let (mut at, mut length, mut quoted, mut next) = (0, 0, false, 1);
    while at < bytes.len() {
        quoted ^= bytes[at] == b'\'';
        let placeholder = bytes[at] == b'$' && !quoted;
        out[length] = if placeholder { b'?' } else { bytes[at] };
        at += 1;
        if placeholder {
            let mut number = 0;
            while at < bytes.len() && bytes[at].is_ascii_digit() {
                number = number * 10 + (bytes[at] - b'0') as u32;
                at += 1;
            }
            assert!(
                number == next,
                "placeholders are $1, $2, … once each and in order; or write a text for `my`"
            );
            next += 1;
        }
        length += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_each_engine_takes() {
        assert_eq!(
            unnest_text("INSERT INTO t (a, b)", &["uuid[]", "text[]"], "ON CONFLICT DO NOTHING"),
            "INSERT INTO t (a, b) SELECT * FROM unnest($1::uuid[], $2::text[]) ON CONFLICT DO NOTHING"
        );
        for (many, one) in [
            (
                "INSERT INTO t (a, b) SELECT * FROM unnest($1::uuid[], $2::text[]) WHERE c",
                "INSERT INTO t (a, b) SELECT $1::uuid, $2::text WHERE c",
            ),
            (
                "UPDATE t SET a = u.a FROM unnest($1::uuid[], $2::text[]) AS u(a, b) WHERE t.b = u.b",
                "UPDATE t SET a = u.a FROM (SELECT $1::uuid, $2::text) AS u(a, b) WHERE t.b = u.b",
            ),
        ] {
            assert_eq!(rows_text(many.to_owned(), true), one);
            assert_eq!(rows_text(many.to_owned(), false), many);
        }
        assert_eq!(
            values_text("INSERT INTO t (a, b)", 2, 2, ""),
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) "
        );
        assert_eq!(
            mysql_values_text("INSERT INTO t (a, b)", 2, 1, "ON CONFLICT DO NOTHING RETURNING a"),
            "INSERT INTO t (a, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE a = a"
        );
        assert_eq!(
            in_text("SELECT a FROM t WHERE p = $1 AND a", 1, 2, ""),
            "SELECT a FROM t WHERE p = $1 AND a IN ($2, $3) "
        );
        assert_eq!(
            mysql_in_text("SELECT a FROM t WHERE p = $1 AND a", 2, ""),
            "SELECT a FROM t WHERE p = ? AND a IN (?, ?) "
        );
    }

    #[test]
    fn placeholders_lose_their_numbers() {
        const TEXT: &str = "SELECT '$1' FROM t WHERE a = $1 AND b < $2";
        const BYTES: [u8; mysql_length(TEXT)] = mysql_text(TEXT);
        assert_eq!(BYTES, *b"SELECT '$1' FROM t WHERE a = ? AND b < ?");
    }

    #[test]
    fn chunks_cover_any_length() {
        for len in 1..1000 {
            let mut rest = len;
            while rest > 0 {
                rest -= chunk(rest).1;
            }
        }
        assert_eq!(chunk(300), (0, 256));
        assert_eq!(chunk(7), (3, 1));
    }

    #[test]
    fn heavy_rows_go_in_smaller_chunks() {
        let (again, once) = ("ON CONFLICT DO NOTHING", "");
        assert_eq!(light_chunk([100; 300].into_iter(), once), (0, 256, 256));
        assert_eq!(light_chunk([256 << 10; 300].into_iter(), again), (4, 16, 16));
        assert_eq!(light_chunk([WEIGHT + 1; 300].into_iter(), again), (8, 1, 1));
        assert_eq!(light_chunk([100; 7].into_iter(), once), (6, 4, 4));
        assert_eq!(light_chunk([100; 7].into_iter(), again), (5, 8, 7));
        assert_eq!(light_chunk([100; 5].into_iter(), again), (6, 4, 4));
        let heavy_last = [100, 100, 100, 100, 100, 100, WEIGHT / 2];
        assert_eq!(light_chunk(heavy_last.into_iter(), again), (6, 4, 4));
    }

    #[test]
    fn chunks_are_filled_up_when_that_is_less_than_half() {
        assert_eq!(padded_chunk(1), (3, 1, 1));
        assert_eq!(padded_chunk(5), (2, 8, 5));
        assert_eq!(padded_chunk(4), (3, 1, 1));
        assert_eq!(padded_chunk(9), (2, 8, 8));
        assert_eq!(padded_chunk(200), (0, 256, 200));
        assert_eq!(padded_chunk(1000), (0, 256, 256));
    }
}
