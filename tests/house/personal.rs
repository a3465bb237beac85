//! Whether it is known of every column what it holds of people, so that erasing somebody forgets none.

use domain::personal::COLUMNS;

use super::schema::tables;
use super::sources::none;

#[test]
fn every_column_that_can_hold_something_of_people_is_sorted() {
    let mut there = Vec::new();
    for (table, made) in tables("postgres") {
        for (column, kind, _) in &made.columns {
            if ["text", "bytea", "json"].iter().any(|word| kind.starts_with(word)) {
                there.push(format!("{table}.{column}"));
            }
        }
    }
    let listed: Vec<String> = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<String> =
        there.iter().filter(|name| !listed.contains(name)).cloned().collect();
    none("domain/personal.rs says nothing of", &missing);
    let gone: Vec<String> = listed.iter().filter(|name| !there.contains(name)).cloned().collect();
    none("domain/personal.rs tells of columns that are not there", &gone);
    let mut sorted = listed.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), listed.len(), "a column stands there twice");
}
