//! The page of the database schema, made from the migrations.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::migrations::names;
use super::pages::{code, table};
use super::sources::read;

/// A table as the migrations make it on one engine.
#[derive(Default)]
pub struct Table {
    pub columns: Vec<(String, String, bool)>,
    keys: Vec<String>,
    partitioned: Option<String>,
    indexes: Vec<String>,
}

/// The tables of an engine, in the order of their migrations.
pub fn tables(engine: &str) -> Vec<(String, Table)> {
    let mut found: Vec<(String, Table)> = Vec::new();
    for name in names(engine, "up") {
        let text = read(&format!("migrations/{engine}/{name}.up.sql"));
        for statement in statements(&text) {
            if statement.contains(" PARTITION OF ") {
                continue;
            }
            if let Some(rest) = statement.strip_prefix("CREATE TABLE ") {
                let (table, rest) = rest.split_once(" (").expect("a list of columns");
                found.push((table.to_owned(), read_table(rest)));
            } else if let Some(rest) = statement
                .strip_prefix("CREATE INDEX ")
                .or(statement.strip_prefix("CREATE UNIQUE INDEX "))
            {
                let (_, rest) = rest.split_once(" ON ").expect("its table");
                let (table, columns) = rest.split_once(' ').expect("its columns");
                let known = found
                    .iter_mut()
                    .find(|(name, _)| name == table)
                    .unwrap_or_else(|| panic!("no table {table}"));
                known.1.indexes.push(columns.to_owned());
            } else if let Some((table, column)) = statement
                .strip_prefix("ALTER TABLE ")
                .and_then(|rest| rest.split_once(" ADD COLUMN "))
            {
                let known = found
                    .iter_mut()
                    .find(|(name, _)| name == table)
                    .unwrap_or_else(|| panic!("no table {table}"));
                known.1.columns.push(read_column(column));
            } else if let Some((table, (from, to))) = statement
                .strip_prefix("ALTER TABLE ")
                .and_then(|rest| rest.split_once(" RENAME COLUMN "))
                .and_then(|(table, names)| Some((table, names.split_once(" TO ")?)))
            {
                let columns = found.iter_mut().find(|(name, _)| name == table);
                let columns = columns.map(|(_, table)| table.columns.iter_mut());
                let mut columns = columns.unwrap_or_else(|| panic!("no table {table}"));
                let renamed = columns.find(|(name, ..)| name == from);
                renamed.unwrap_or_else(|| panic!("no column {from}")).0 = to.to_owned();
            } else if let Some((table, columns)) = statement
                .strip_prefix("ALTER TABLE ")
                .and_then(|rest| rest.split_once(" DROP COLUMN "))
            {
                let known = found.iter_mut().find(|(name, _)| name == table);
                let known = known.unwrap_or_else(|| panic!("no table {table}"));
                for column in columns.split(", DROP COLUMN ") {
                    let before = known.1.columns.len();
                    known.1.columns.retain(|(name, ..)| name != column);
                    assert_eq!(known.1.columns.len(), before - 1, "no column {column}");
                }
            } else if !["INSERT INTO ", "UPDATE "].iter().any(|start| statement.starts_with(start))
            {
                panic!("the schema page does not understand {engine}/{name}: {statement}");
            }
        }
    }
    found
}

/// The statements of a script, each on one line and without comments.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    text.split(';').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

fn read_table(rest: &str) -> Table {
    let end = closing(rest);
    let mut table = Table::default();
    for part in split(&rest[..end]) {
        // MySQL makes a table with its indexes in one statement, for each of its statements commits by itself.
        if let Some(index) = part.strip_prefix("INDEX ") {
            let (_, columns) = index.split_once(' ').expect("its columns");
            table.indexes.push(columns.to_owned());
            continue;
        }
        let is_key = ["PRIMARY KEY", "UNIQUE", "FOREIGN KEY", "CHECK"]
            .iter()
            .any(|start| part.starts_with(start));
        if is_key {
            table.keys.push(part);
            continue;
        }
        table.columns.push(read_column(&part));
    }
    table.partitioned = rest[end..].split_once("PARTITION BY ").map(|(_, by)| by.to_owned());
    table
}

/// A column's name and type, and whether it may be null.
fn read_column(text: &str) -> (String, String, bool) {
    let (name, rest) = text.split_once(' ').expect("a column's type");
    (name.to_owned(), rest.replace(" NOT NULL", ""), !rest.contains("NOT NULL"))
}

/// Where the parenthesis that was opened before `text` closes.
fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return at,
            ')' => depth -= 1,
            _ => {}
        }
    }
    panic!("an open parenthesis in {text}");
}

/// The parts between commas that stand outside of parentheses.
fn split(text: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0_usize, vec![String::new()]);
    for c in text.chars() {
        match (c, parts.last_mut()) {
            (',', _) if depth == 0 => parts.push(String::new()),
            (c, Some(part)) => {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                part.push(c);
            }
            (_, None) => {}
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

/// What each table holds, in the words of ARCHITECTURE.md.
fn sentences() -> BTreeMap<String, String> {
    let rows = table(&read("ARCHITECTURE.md"), "table");
    rows.into_iter().map(|row| (code(&row[0]).to_owned(), row[1].clone())).collect()
}

const HEAD: &str = "# Database schema

Generated from the migrations; do not edit. The tables are the same on every engine, and so are the names of their
columns; types are given for PostgreSQL, for MySQL and MariaDB, and for SQLite. Rules that hold for all of them are in
[ARCHITECTURE.md](../ARCHITECTURE.md#the-schema-at-a-glance). SQLite keeps times as microseconds since 1970, ids as 16
bytes and JSON as text. MySQL and MariaDB keep times in UTC, ids as 16 bytes, and compare text byte by byte. Besides
these there is `schema_migrations`, with the names of the migrations that are applied.
";

/// The page.
pub fn page() -> String {
    let (postgres, mysql, sqlite) = (tables("postgres"), tables("mysql"), tables("sqlite"));
    let mut sentences = sentences();
    let mut page = HEAD.to_owned();
    for (((name, table), (same, my)), (other, lite)) in postgres.iter().zip(&mysql).zip(&sqlite) {
        assert!(name == other && name == same, "the engines have other tables");
        let sentence = sentences
            .remove(name)
            .unwrap_or_else(|| panic!("ARCHITECTURE.md says nothing of {name}"));
        write!(page, "\n## {name}\n\n{sentence}\n\n").expect("a text");
        page.push_str(
            "| column | PostgreSQL | MySQL, MariaDB | SQLite | may be null |\n| --- | --- | --- | --- | --- |\n",
        );
        let count = table.columns.len();
        assert_eq!((count, count), (my.columns.len(), lite.columns.len()), "columns of {name}");
        for ((column, my), lite) in table.columns.iter().zip(&my.columns).zip(&lite.columns) {
            for other in [my, lite] {
                assert_eq!((&column.0, column.2), (&other.0, other.2), "{name} differs");
            }
            let null = if column.2 { "yes" } else { "" };
            writeln!(page, "| `{}` | {} | {} | {} | {null} |", column.0, column.1, my.1, lite.1)
                .expect("a text");
        }
        page.push('\n');
        let partitions =
            table.partitioned.iter().map(|by| format!("Partitioned on PostgreSQL by {by}"));
        let indexes = table.indexes.iter().map(|columns| format!("Index on {columns}"));
        for line in table.keys.iter().cloned().chain(indexes).chain(partitions) {
            writeln!(page, "- {line}").expect("a text");
        }
    }
    assert!(
        sentences.is_empty(),
        "ARCHITECTURE.md tells of tables that are not there: {sentences:?}"
    );
    page
}

#[test]
fn keys_are_the_same_on_every_engine() {
    for engine in ["mysql", "sqlite"] {
        for ((name, table), (_, other)) in tables("postgres").iter().zip(&tables(engine)) {
            assert_eq!(table.keys, other.keys, "{name} on {engine}");
            assert_eq!(table.indexes, other.indexes, "{name} on {engine}");
        }
    }
}

#[test]
fn a_reference_carries_the_rows_own_project() {
    for (name, table) in tables("postgres") {
        for key in table.keys.iter().filter(|key| key.starts_with("FOREIGN KEY")) {
            assert!(key.starts_with("FOREIGN KEY (project_id"), "{name}: {key}");
        }
    }
}
