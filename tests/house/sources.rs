//! The files of this repository, and Rust code without what is not code.

use std::path::{Path, PathBuf};

/// The folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file, by its path from the root.
pub fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below these folders whose name ends so, by its path from the root, in order.
pub fn files(folders: &[&str], end: &str) -> Vec<String> {
    let mut found = Vec::new();
    for folder in folders {
        walk(&root().join(folder), end, &mut found);
    }
    let relative = |path: PathBuf| {
        path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/")
    };
    let mut found: Vec<String> = found.into_iter().map(relative).collect();
    found.sort();
    found.dedup();
    found
}

fn walk(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for entry in
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let entry = entry.expect("readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().expect("a type").is_dir() {
            let is_ours = !matches!(name.as_str(), "target" | "data" | "node_modules")
                && !name.starts_with('.');
            if is_ours {
                walk(&entry.path(), end, found);
            }
        } else if name.ends_with(end) {
            found.push(entry.path());
        }
    }
}

/// The folders whose code ships.
pub const SHIPPED: [&str; 5] = ["src", "api/src", "worker/src", "scheduler/src", "shared"];

/// A file of Rust.
pub struct Source {
    /// Its path from the root.
    pub path: String,
    /// Its code: without comments, without what stands in strings, and without tests.
    pub code: String,
}

/// Everything that ships, without its tests.
pub fn shipped() -> Vec<Source> {
    let is_code = |path: &String| !path.ends_with("/tests.rs") && !path.contains("/tests/");
    let paths = files(&SHIPPED, ".rs").into_iter().filter(is_code);
    paths.map(|path| Source { code: without_tests(&bare(&read(&path))), path }).collect()
}

/// Rust without comments and without what stands in strings: blanks stand in their place, lines stay where they are.
pub fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let in_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (kept, skipped) = match first {
            '/' if rest.starts_with("//") => (0, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (0, rest.find("*/").map_or(rest.len(), |at| at + 2)),
            '"' => (1, string(rest)),
            'r' | 'b' if !in_word && raw(rest).is_some() => (1, raw(rest).unwrap_or(1)),
            '\'' => (0, character(rest)),
            other => (other.len_utf8(), other.len_utf8()),
        };
        out.push_str(&rest[..kept]);
        out.extend(rest[kept..skipped].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[skipped..];
    }
    out
}

/// How long the string at the beginning of `text` is.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// How long the raw string at the beginning of `text` is, if there is one.
fn raw(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end)? + end.len();
    Some(text.len() - inside.len() + length)
}

/// How long the character at the beginning of `text` is; a lifetime is left as it stands.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => text[3..].find('\'').map_or(text.len(), |at| at + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// Bare code without what is compiled for tests alone.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let end = match (item.find('{'), item.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => {
                closing(item, open)
            }
            (_, Some(semicolon)) => semicolon + 1,
            _ => item.len(),
        };
        rest = &item[end..];
    }
    out + rest
}

/// Where the block that opens at `open` has ended.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Where `word` stands as a word of its own.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !code[..*at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
    })
}

/// The line, from 1, of a place.
pub fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Fails with all of it, unless there is nothing.
#[track_caller]
pub fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn code_is_told_from_the_rest() {
    let text = r##"
        // sqlx::a
        let x = "sqlx::b \" {"; /* sqlx::c */ let y = r#"sqlx::"d"#; let c = '{'; let d = '\''; fn f<'a>() {}
        sqlx::real();
        #[cfg(test)]
        mod tests { fn f() { if a { sqlx::e(); } } }
        after();
    "##;
    let code = without_tests(&bare(text));
    assert_eq!(words(&code, "sqlx").count(), 1, "{code}");
    assert!(code.contains("after()") && code.contains("f< a>() {}"), "{code}");
}
