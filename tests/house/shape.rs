//! How files look.

use super::sources::{Source, files, line, none, read, shipped, words};

/// All Rust of the repository.
const ALL: [&str; 7] = ["src", "api", "bench", "scheduler", "shared", "tests", "worker"];

/// The most lines of a file.
const LINES: usize = 600;

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 8] =
    ["common", "helper", "helpers", "lib_utils", "misc", "mod", "util", "utils"];

#[test]
fn files_are_short() {
    let count = |path: String| (read(&path).lines().count(), path);
    let long: Vec<String> = files(&ALL, ".rs")
        .into_iter()
        .map(count)
        .filter(|(lines, _)| *lines > LINES)
        .map(|(lines, path)| format!("{path} has {lines}"))
        .collect();
    none("at most 600 lines, then it is two files", &long);
}

#[test]
fn names_say_what_is_inside() {
    let says_nothing = |path: &String| {
        let mut parts = path.trim_end_matches(".rs").split('/');
        parts.any(|part| EMPTY_NAMES.contains(&part))
    };
    let found: Vec<String> = files(&ALL, ".rs").into_iter().filter(says_nothing).collect();
    none("foo.rs and foo/, not mod.rs; and no drawer for the rest", &found);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = |source: &Source| !read(&source.path).starts_with("//! ");
    let silent: Vec<String> =
        shipped().into_iter().filter(silent).map(|source| source.path).collect();
    none("a file begins with a sentence about it", &silent);
}

#[test]
fn nothing_that_ships_gives_up() {
    let mut found = Vec::new();
    for source in shipped() {
        for word in ["unwrap", "expect"] {
            let calls = |at: &usize| {
                source.code[..*at].ends_with('.')
                    && source.code[at + word.len()..].trim_start().starts_with('(')
            };
            let told = |at| format!("{}:{}: {word}", source.path, line(&source.code, at));
            found.extend(words(&source.code, word).filter(calls).map(told));
        }
        for word in ["unsafe", "todo", "unimplemented", "dbg"] {
            found.extend(
                words(&source.code, word)
                    .map(|at| format!("{}:{}: {word}", source.path, line(&source.code, at))),
            );
        }
    }
    none("outside of tests there is another way", &found);
}
