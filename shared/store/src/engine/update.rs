//! Statements that change or delete many rows, each in its own way, from one description: PostgreSQL takes the rows as
//! arrays in one statement, on SQLite each row has a statement, and MySQL and MariaDB join the table with rows of values.

/// What is done to which rows of a table.
#[derive(Clone, Copy)]
pub(crate) struct Update {
    /// The table.
    pub(crate) table: &'static str,
    /// The columns that are set; when there are none, the rows are deleted.
    pub(crate) set: &'static [&'static str],
    /// The columns by which rows are found.
    pub(crate) key: &'static [&'static str],
    /// Columns by which they are found as well, where a value is given.
    pub(crate) given: &'static [&'static str],
    /// What else must hold for a row, the same for all of them.
    pub(crate) and: &'static str,
    /// The columns that are read back.
    pub(crate) returning: &'static str,
}

impl Update {
    /// For one row.
    pub(crate) fn sqlite(&self) -> String {
        let place = |at: usize| format!("${}", at + 1);
        let found = self.found("", &place);
        let returning = self.returning();
        match self.set {
            [] => format!("DELETE FROM {} WHERE {found}{returning}", self.table),
            set => {
                let set = listed(set, |at, name| format!("{name} = {}", place(at)));
                format!("UPDATE {} SET {set} WHERE {found}{returning}", self.table)
            }
        }
    }

    /// For rows whose columns come as arrays of these types.
    pub(crate) fn postgres(&self, arrays: &[&str]) -> String {
        let place = |at: usize| format!("u.n{}", at + 1);
        let (table, found, returning) = (self.table, self.found("t.", &place), self.returning());
        let rows = format!(
            "unnest({}) AS u({})",
            listed(arrays, |at, array| format!("${}::{array}", at + 1)),
            listed(arrays, |at, _| format!("n{}", at + 1))
        );
        match self.set {
            [] => format!("DELETE FROM {table} t USING {rows} WHERE {found}{returning}"),
            set => {
                let set = listed(set, |at, name| format!("{name} = {}", place(at)));
                format!("UPDATE {table} t SET {set} FROM {rows} WHERE {found}{returning}")
            }
        }
    }

    /// For so many rows, whose columns are of these types. STRAIGHT_JOIN: the rows come first and the table is looked up by
    /// key, whatever the server thinks of tables that are small.
    pub(crate) fn mysql(&self, types: &[&str], rows: usize) -> String {
        let joined = self.mysql_joined(types, rows);
        match self.set {
            [] => format!("DELETE t FROM {joined}"),
            set => {
                let set = listed(set, |at, name| format!("t.{name} = u.n{}", at + 1));
                format!("UPDATE {joined} SET {set}")
            }
        }
    }

    /// Reads and locks what the statement for MySQL and MariaDB will touch, for it returns nothing.
    pub(crate) fn mysql_find(&self, types: &[&str], rows: usize) -> String {
        format!("SELECT {} FROM {} FOR UPDATE", self.returning, self.mysql_joined(types, rows))
    }

    /// The table, joined with rows of values. They have no arrays, and spell a list of rows each in its own way, so it is a
    /// union, whose types are said because a placeholder has none.
    fn mysql_joined(&self, types: &[&str], rows: usize) -> String {
        let row = listed(types, |at, kind| format!("CAST(? AS {kind}) AS n{}", at + 1));
        let rows = vec![format!("SELECT {row}"); rows].join(" UNION ALL ");
        let found = self.found("t.", &|at| format!("u.n{}", at + 1));
        format!("({rows}) u STRAIGHT_JOIN {} t ON {found}", self.table)
    }

    fn found(&self, table: &str, place: &dyn Fn(usize) -> String) -> String {
        let first = self.set.len();
        let key = self.key.iter().enumerate();
        let mut all: Vec<String> =
            key.map(|(at, name)| format!("{table}{name} = {}", place(first + at))).collect();
        let first = first + self.key.len();
        all.extend(self.given.iter().enumerate().map(|(at, name)| {
            let value = place(first + at);
            format!("({value} IS NULL OR {table}{name} = {value})")
        }));
        if !self.and.is_empty() {
            all.push(format!("({})", self.and));
        }
        all.join(" AND ")
    }

    fn returning(&self) -> String {
        match self.returning {
            "" => String::new(),
            columns => format!(" RETURNING {columns}"),
        }
    }
}

fn listed(all: &[&str], one: impl Fn(usize, &str) -> String) -> String {
    all.iter().enumerate().map(|(at, name)| one(at, name)).collect::<Vec<_>>().join(", ")
}

/// Changes many rows, or deletes them where nothing is set. `key` finds a row, `given` does as well where it has a value,
/// and `and` is what else must hold for it. With `returning` it answers those columns of what it touched, which on MySQL and
/// MariaDB are asked for before, under a lock. With a bundle it goes with the other statements of it.
macro_rules! update {
    ($tx:expr, $table:literal, $rows:expr,
        $(set { $($s:ident: $st:ty = |$sr:ident| $sv:expr),+ $(,)? },)?
        key { $($k:ident: $kt:ty = |$kr:ident| $kv:expr),+ $(,)? }
        $(, given { $($g:ident: $gt:ty = |$gr:ident| $gv:expr),+ $(,)? })?
        $(, and $and:literal)? $(, returning $returning:literal as $out:ty)? $(,)?) => {{
        use $crate::engine::update::Update;
        const UPDATE: Update = Update {
            table: $table,
            set: &[$($(stringify!($s)),+)?],
            key: &[$(stringify!($k)),+],
            given: &[$($(stringify!($g)),+)?],
            and: concat!($($and)?),
            returning: concat!($($returning)?),
        };
        $crate::engine::update!(@run $tx, UPDATE, $rows, [$($out)?],
            { $($($st = |$sr| $sv,)+)? $($kt = |$kr| $kv,)+ $($($gt = |$gr| $gv,)+)? })
    }};
    ($tx:expr, in $bundle:expr, $table:literal, $rows:expr,
        set { $($s:ident: $st:ty = |$sr:ident| $sv:expr),+ $(,)? },
        key { $($k:ident: $kt:ty = |$kr:ident| $kv:expr),+ $(,)? } $(,)?) => {{
        let rows = &$rows[..];
        if let ($crate::engine::Conn::Postgres(_), false) = ($tx.conn(), rows.is_empty()) {
            use $crate::engine::update::Update;
            use $crate::types::Column;
            const UPDATE: Update = Update {
                table: $table,
                set: &[$(stringify!($s)),+],
                key: &[$(stringify!($k)),+],
                given: &[],
                and: "",
                returning: "",
            };
            let text = UPDATE.postgres(&[$(<$st as Column>::ARRAY,)+ $(<$kt as Column>::ARRAY,)+]);
            let text = $bundle.and(&text);
            $crate::engine::gather!(@push $bundle, text, rows, { $($st = |$sr| $sv,)+ $($kt = |$kr| $kv),+ });
        } else {
            $crate::engine::update!($tx, $table, rows,
                set { $($s: $st = |$sr| $sv),+ }, key { $($k: $kt = |$kr| $kv),+ });
        }
    }};
    (@run $tx:expr, $update:ident, $rows:expr, [], $values:tt) => {
        $crate::engine::update!(@all $tx, $update, $rows, query, execute, (), [], $values)
    };
    (@run $tx:expr, $update:ident, $rows:expr, [$out:ty], $values:tt) => {{
        let mut found: Vec<$out> = Vec::new();
        $crate::engine::update!(@all $tx, $update, $rows, query_as, fetch_all, found, [$out], $values);
        found
    }};
    (@all $tx:expr, $update:ident, $rows:expr, $query:ident, $method:ident, $found:tt, $out:tt, $values:tt) => {{
        use std::sync::OnceLock;
        use $crate::engine::{Conn, update};
        use $crate::engine::texts::{CHUNKS, padded_chunk};
        let rows = &$rows[..];
        if !rows.is_empty() {
            match $tx.conn() {
                Conn::Postgres(c) => {
                    static TEXT: OnceLock<String> = OnceLock::new();
                    let text: &'static str = TEXT.get_or_init(|| $update.postgres(update!(@arrays $values)));
                    let mut query = update!(@query sqlx::Postgres, $query, $out, text);
                    update!(@columns query, rows, $values);
                    update!(@keep $found, query.$method(&mut *c).await?);
                }
                Conn::Sqlite(c) => {
                    static TEXT: OnceLock<String> = OnceLock::new();
                    let text: &'static str = TEXT.get_or_init(|| $update.sqlite());
                    for row in rows {
                        let mut query = update!(@query sqlx::Sqlite, $query, $out, text);
                        update!(@bind query, std::iter::once(row), $values);
                        update!(@keep $found, query.$method(&mut *c).await?);
                    }
                }
                Conn::Mysql(c) => {
                    static TEXTS: [OnceLock<String>; CHUNKS.len()] = [const { OnceLock::new() }; CHUNKS.len()];
                    let types = update!(@types $values);
                    let mut rest = rows;
                    while !rest.is_empty() {
                        let (slot, size, taken) = padded_chunk(rest.len());
                        let chunk = || rest[..taken].iter().chain(std::iter::repeat_n(&rest[taken - 1], size - taken));
                        if update!(@find $update, c, slot, size, types, chunk, $found, $out, $values) {
                            let text: &'static str = TEXTS[slot].get_or_init(|| $update.mysql(types, size));
                            let mut query = sqlx::query::<sqlx::MySql>(sqlx::AssertSqlSafe(text));
                            update!(@bind query, chunk(), $values);
                            query.execute(&mut *c).await?;
                        }
                        rest = &rest[taken..];
                    }
                }
            }
        }
    }};
    (@keep (), $done:expr) => { let _ = $done; };
    (@keep $found:tt, $done:expr) => { $found.extend($done); };
    (@query $db:ty, query, [], $text:ident) => { sqlx::query::<$db>(sqlx::AssertSqlSafe($text)) };
    (@query $db:ty, query_as, [$out:ty], $text:ident) => { sqlx::query_as::<$db, $out>(sqlx::AssertSqlSafe($text)) };
    (@find $update:ident, $c:ident, $slot:ident, $size:ident, $types:ident, $chunk:ident, $found:tt, [], $values:tt) => {
        true
    };
    (@find $update:ident, $c:ident, $slot:ident, $size:ident, $types:ident, $chunk:ident, $found:tt, [$out:ty], $values:tt) => {{
        static FIND: [OnceLock<String>; CHUNKS.len()] = [const { OnceLock::new() }; CHUNKS.len()];
        let text: &'static str = FIND[$slot].get_or_init(|| $update.mysql_find($types, $size));
        let mut query = sqlx::query_as::<sqlx::MySql, $out>(sqlx::AssertSqlSafe(text));
        update!(@bind query, $chunk(), $values);
        let here = query.fetch_all(&mut *$c).await?;
        let any = !here.is_empty();
        $found.extend(here);
        any
    }};
    (@types { $($t:ty = |$r:ident| $value:expr),+ $(,)? }) => { &[$(<$t as $crate::types::Column>::MYSQL),+] };
    (@arrays { $($t:ty = |$r:ident| $value:expr),+ $(,)? }) => { &[$(<$t as $crate::types::Column>::ARRAY),+] };
    (@columns $query:ident, $rows:expr, { $($t:ty = |$r:ident| $value:expr),+ $(,)? }) => {
        $( $query = $query.bind($rows.iter().map(|$r| -> $t { $value }).collect::<Vec<$t>>()); )+
    };
    (@bind $query:ident, $rows:expr, { $($t:ty = |$r:ident| $value:expr),+ $(,)? }) => {
        for row in $rows {
            $( let $r = row; let value: $t = $value; $query = $query.bind(value); )+
        }
    };
}
pub(crate) use update;

#[cfg(test)]
mod tests {
    use super::Update;

    const UPDATE: Update = Update {
        table: "t",
        set: &["a", "b"],
        key: &["id"],
        given: &["held"],
        and: "state = 2",
        returning: "id, a",
    };

    #[test]
    fn an_update_is_what_each_engine_takes() {
        assert_eq!(
            UPDATE.sqlite(),
            "UPDATE t SET a = $1, b = $2 WHERE id = $3 AND ($4 IS NULL OR held = $4) AND (state = 2) RETURNING id, a"
        );
        assert_eq!(
            UPDATE.postgres(&["text[]", "text[]", "uuid[]", "uuid[]"]),
            "UPDATE t t SET a = u.n1, b = u.n2 FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[]) \
             AS u(n1, n2, n3, n4) WHERE t.id = u.n3 AND (u.n4 IS NULL OR t.held = u.n4) AND (state = 2) RETURNING id, a"
        );
        let types = ["CHAR", "CHAR", "BINARY(16)", "BINARY(16)"];
        let row = "SELECT CAST(? AS CHAR) AS n1, CAST(? AS CHAR) AS n2, CAST(? AS BINARY(16)) AS n3, CAST(? AS BINARY(16)) AS n4";
        let joined = format!(
            "({row} UNION ALL {row}) u STRAIGHT_JOIN t t ON t.id = u.n3 AND (u.n4 IS NULL OR t.held = u.n4) AND (state = 2)"
        );
        assert_eq!(UPDATE.mysql(&types, 2), format!("UPDATE {joined} SET t.a = u.n1, t.b = u.n2"));
        assert_eq!(UPDATE.mysql_find(&types, 2), format!("SELECT id, a FROM {joined} FOR UPDATE"));
    }

    #[test]
    fn what_sets_nothing_deletes() {
        let delete = Update { set: &[], given: &[], and: "", returning: "", ..UPDATE };
        assert_eq!(delete.sqlite(), "DELETE FROM t WHERE id = $1");
        assert_eq!(
            delete.postgres(&["uuid[]"]),
            "DELETE FROM t t USING unnest($1::uuid[]) AS u(n1) WHERE t.id = u.n1"
        );
        assert_eq!(
            delete.mysql(&["BINARY(16)"], 1),
            "DELETE t FROM (SELECT CAST(? AS BINARY(16)) AS n1) u STRAIGHT_JOIN t t ON t.id = u.n1"
        );
    }
}
