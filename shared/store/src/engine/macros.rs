//! The macros that verbs are written with: one statement for all engines, and what differs beside it.

/// What a verb does in its transaction, as `Store::write` and `Store::read` take it: `verb!(|tx, entry| { … })`. It may be
/// run again, so what it uses up, like `entry`, is named beside `tx` and cloned for each run.
macro_rules! verb {
    (|$tx:ident $(, $used:ident)* $(,)?| $work:block) => {
        move |$tx| {
            $( #[allow(unused_mut, reason = "few verbs change what they use")] let mut $used = $used.clone(); )*
            Box::pin(async move $work)
        }
    };
}
pub(crate) use verb;

/// One statement, written once for all engines. Where they differ: `lite` and `pg` and `my`; `lite` and `server` for both
/// servers; `any` for SQLite and PostgreSQL, and `my`. Placeholders are `$1`, `$2`, … in order.
/// `execute` answers how many rows it touched; on MySQL and MariaDB, how many it found.
macro_rules! sql {
    ($tx:expr, $method:ident $(as $t:ty)?, lite $lite:expr, pg $pg:expr, my $my:expr $(, $arg:expr)* $(,)?) => {{
        use $crate::engine::{Conn, my_text, sql};
        match $tx.conn() {
            Conn::Sqlite(c) => sql!(@query sqlx::Sqlite, $lite $(, as $t)?; $($arg),*)
                .$method(&mut *c).await.map(sql!(@result $method)),
            Conn::Postgres(c) => sql!(@query sqlx::Postgres, $pg $(, as $t)?; $($arg),*)
                .$method(&mut *c).await.map(sql!(@result $method)),
            Conn::Mysql(c) => sql!(@query sqlx::MySql, my_text!($my) $(, as $t)?; $($arg),*)
                .$method(&mut *c).await.map(sql!(@result $method)),
        }.map_err($crate::StoreError::from)
    }};
    ($tx:expr, $method:ident $(as $t:ty)?, lite $lite:expr, server $server:expr $(, $arg:expr)* $(,)?) => {
        $crate::engine::sql!($tx, $method $(as $t)?, lite $lite, pg $server, my $server $(, $arg)*)
    };
    ($tx:expr, $method:ident $(as $t:ty)?, any $any:expr, my $my:expr $(, $arg:expr)* $(,)?) => {
        $crate::engine::sql!($tx, $method $(as $t)?, lite $any, pg $any, my $my $(, $arg)*)
    };
    ($tx:expr, $method:ident $(as $t:ty)?, $text:expr $(, $arg:expr)* $(,)?) => {
        $crate::engine::sql!($tx, $method $(as $t)?, lite $text, pg $text, my $text $(, $arg)*)
    };
    (@query $db:ty, $text:expr, as $t:ty; $($arg:expr),*) => { sqlx::query_as::<$db, $t>($text)$(.bind($arg))* };
    (@query $db:ty, $text:expr; $($arg:expr),*) => { sqlx::query::<$db>($text)$(.bind($arg))* };
    (@result execute) => { |done| done.rows_affected() };
    (@result $method:ident) => { |rows| rows };
}
pub(crate) use sql;

/// A constant text with the placeholders of MySQL and MariaDB, made at compile time.
macro_rules! my_text {
    ($text:expr) => {{
        use $crate::engine::texts::{mysql_length, mysql_text};
        const TEXT: &str = $text;
        const BYTES: [u8; mysql_length(TEXT)] = mysql_text(TEXT);
        const MY: &str = match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("a text that was UTF-8 still is"),
        };
        MY
    }};
}
pub(crate) use my_text;

/// Inserts many rows by statements of constant text: arrays on PostgreSQL, elsewhere chunks of 256, 64, 8 and 1.
/// With `returning … as T` answers what they return; as MySQL returns nothing, `my` is what finds that there.
macro_rules! insert {
    ($tx:expr, $head:literal, $rows:expr, $tail:literal, { $($t:ty = |$r:ident| $value:expr),+ $(,)? }) => {
        $crate::engine::insert!(@each $tx, $head, $rows, $tail, { $($t = |$r| $value),+ },
            q, c, { q.execute(&mut *c).await?; }, ())
    };
    ($tx:expr, $head:literal, $rows:expr, $tail:literal, as $out:ty, { $($t:ty = |$r:ident| $value:expr),+ $(,)? }, my $my:expr) => {{
        let mut found: Vec<$out> = Vec::new();
        $crate::engine::insert!(@each $tx, $head, $rows, $tail, { $($t = |$r| $value),+ },
            q, c, found.extend(q.try_map(|row| <$out as sqlx::FromRow<_>>::from_row(&row)).fetch_all(&mut *c).await?),
            found.extend($my));
        found
    }};
    (@each $tx:expr, $head:literal, $rows:expr, $tail:literal, { $($t:ty = |$r:ident| $value:expr),+ },
        $q:ident, $c:ident, $run:expr, $my:expr) => {{
        use std::sync::OnceLock;
        use $crate::engine::Conn;
        use $crate::engine::texts::{CHUNKS, POWERS, chunk, light_chunk, mysql_values_text, unnest_text, values_text};
        use $crate::types::Column;
        let rows = &$rows[..];
        if !rows.is_empty() {
            let arrays: &[&str] = &[$(<$t as Column>::ARRAY),+];
            match $tx.conn() {
                Conn::Postgres($c) => {
                    static TEXT: OnceLock<String> = OnceLock::new();
                    let text: &'static str = TEXT.get_or_init(|| unnest_text($head, arrays, $tail));
                    let $q = sqlx::query::<sqlx::Postgres>(sqlx::AssertSqlSafe(text))
                        $(.bind(rows.iter().map(|$r| -> $t { $value }).collect::<Vec<$t>>()))+;
                    $run;
                }
                Conn::Sqlite($c) => {
                    static TEXTS: [OnceLock<String>; CHUNKS.len()] = [const { OnceLock::new() }; CHUNKS.len()];
                    let mut rest = rows;
                    while !rest.is_empty() {
                        let (slot, size) = chunk(rest.len());
                        let text: &'static str = TEXTS[slot].get_or_init(|| values_text($head, arrays.len(), size, $tail));
                        let mut query = sqlx::query::<sqlx::Sqlite>(sqlx::AssertSqlSafe(text));
                        for row in &rest[..size] {
                            $( let $r = row; let value: $t = $value; query = query.bind(value); )+
                        }
                        let $q = query;
                        $run;
                        rest = &rest[size..];
                    }
                }
                Conn::Mysql(c) => {
                    static TEXTS: [OnceLock<String>; POWERS.len()] = [const { OnceLock::new() }; POWERS.len()];
                    let mut rest = rows;
                    while !rest.is_empty() {
                        let weights = rest.iter().map(|row| 0 $(+ { let $r = row; let value: $t = $value; Column::weight(&value) })+);
                        let (slot, size, taken) = light_chunk(weights, $tail);
                        let text: &'static str = TEXTS[slot].get_or_init(|| mysql_values_text($head, arrays.len(), size, $tail));
                        let mut query = sqlx::query::<sqlx::MySql>(sqlx::AssertSqlSafe(text));
                        for row in rest[..taken].iter().chain(std::iter::repeat_n(&rest[taken - 1], size - taken)) {
                            $( let $r = row; let value: $t = $value; query = query.bind(value); )+
                        }
                        query.execute(&mut *c).await?;
                        rest = &rest[taken..];
                    }
                    $my
                }
            }
        }
    }};
}
pub(crate) use insert;

/// The rows whose last-named column is one of `ids`: `head` ends in that column's name and has `$1`… for `binds`. Both
/// servers take the same tail.
macro_rules! rows_in {
    ($tx:expr, as $out:ty, $head:literal, [$($bind:expr),*], $ids:expr, lite $lite:literal, server $server:literal) => {{
        use std::sync::OnceLock;
        use $crate::engine::Conn;
        use $crate::engine::texts::{CHUNKS, any_text, chunk, in_text, mysql_in_text, padded_chunk};
        let ids = &$ids[..];
        let mut found: Vec<$out> = Vec::new();
        if !ids.is_empty() {
            let before = [$(stringify!($bind)),*].len();
            match $tx.conn() {
                Conn::Postgres(c) => {
                    static TEXT: OnceLock<String> = OnceLock::new();
                    let text: &'static str = TEXT.get_or_init(|| any_text($head, before, $server));
                    found = sqlx::query_as::<sqlx::Postgres, $out>(sqlx::AssertSqlSafe(text))
                        $(.bind($bind))*.bind(ids.to_vec()).fetch_all(&mut *c).await?;
                }
                Conn::Sqlite(c) => {
                    static TEXTS: [OnceLock<String>; CHUNKS.len()] = [const { OnceLock::new() }; CHUNKS.len()];
                    let mut rest = ids;
                    while !rest.is_empty() {
                        let (slot, size) = chunk(rest.len());
                        let text: &'static str = TEXTS[slot].get_or_init(|| in_text($head, before, size, $lite));
                        let mut query = sqlx::query_as::<sqlx::Sqlite, $out>(sqlx::AssertSqlSafe(text))$(.bind($bind))*;
                        for id in &rest[..size] {
                            query = query.bind(id.clone());
                        }
                        found.extend(query.fetch_all(&mut *c).await?);
                        rest = &rest[size..];
                    }
                }
                Conn::Mysql(c) => {
                    static TEXTS: [OnceLock<String>; CHUNKS.len()] = [const { OnceLock::new() }; CHUNKS.len()];
                    let mut rest = ids;
                    while !rest.is_empty() {
                        let (slot, size, taken) = padded_chunk(rest.len());
                        let text: &'static str = TEXTS[slot].get_or_init(|| mysql_in_text($head, size, $server));
                        let mut query = sqlx::query_as::<sqlx::MySql, $out>(sqlx::AssertSqlSafe(text))$(.bind($bind))*;
                        for id in rest[..taken].iter().chain(std::iter::repeat_n(&rest[taken - 1], size - taken)) {
                            query = query.bind(id.clone());
                        }
                        found.extend(query.fetch_all(&mut *c).await?);
                        rest = &rest[taken..];
                    }
                }
            }
        }
        found
    }};
}
pub(crate) use rows_in;
