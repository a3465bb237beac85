//! Migrations: the same on every engine, one table each.

use super::sources::{files, read};

/// The engines, by the names of their folders.
pub const ENGINES: [&str; 3] = ["mysql", "postgres", "sqlite"];

/// The names of an engine's migrations in one direction, in order.
pub fn names(engine: &str, direction: &str) -> Vec<String> {
    let (folder, end) = (format!("migrations/{engine}"), format!(".{direction}.sql"));
    let name = |path: String| {
        path.trim_start_matches(&folder).trim_start_matches('/').trim_end_matches(&end).to_owned()
    };
    files(&[folder.as_str()], &end).into_iter().map(name).collect()
}

#[test]
fn names_are_the_same_everywhere_and_in_the_code() {
    let wanted = names("sqlite", "up");
    for engine in ENGINES {
        for direction in ["up", "down"] {
            assert_eq!(names(engine, direction), wanted, "{engine}, {direction}");
        }
        let all = files(&[format!("migrations/{engine}").as_str()], "");
        assert_eq!(all.len(), wanted.len() * 2, "{engine} has files that are no migrations");
    }
    let code = read("shared/store/src/migrate.rs");
    let listed =
        code.split_once("migrations![").expect("the list").1.split_once("];").expect("its end").0;
    let listed: Vec<&str> = listed.split('"').skip(1).step_by(2).collect();
    assert_eq!(listed, wanted, "the list in migrate.rs");
}

#[test]
fn numbers_have_no_gaps() {
    for (at, name) in names("sqlite", "up").iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}_", at + 1)), "{name} is number {}", at + 1);
    }
}

/// Each commits by itself there: one that ended half-way could neither go on nor back.
#[test]
fn a_migration_of_mysql_is_one_statement() {
    for direction in ["up", "down"] {
        for name in names("mysql", direction) {
            let text = read(&format!("migrations/mysql/{name}.{direction}.sql"));
            assert_eq!(text.matches(';').count(), 1, "mysql/{name}.{direction}.sql");
            let made = text.contains("CREATE TABLE");
            let fine = !made || text.ends_with(") ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;\n");
            assert!(fine, "mysql/{name}.{direction}.sql leaves engine or collation to the server");
        }
    }
}

#[test]
fn a_migration_makes_one_table_of_its_name() {
    for engine in ENGINES {
        for name in names(engine, "up") {
            let text = read(&format!("migrations/{engine}/{name}.up.sql"));
            let (_, table) = name.split_once('_').expect("a number");
            // A later migration changes a table instead.
            if text.contains("CREATE TABLE") {
                let made =
                    text.matches("CREATE TABLE").count() - text.matches(" PARTITION OF ").count();
                assert_eq!(made, 1, "{engine}/{name}");
                assert!(text.contains(&format!("CREATE TABLE {table} (")), "{engine}/{name}");
            }
            let back = read(&format!("migrations/{engine}/{name}.down.sql"));
            assert!(back.contains(table), "{engine}/{name}.down.sql does not take {table} back");
        }
    }
}
