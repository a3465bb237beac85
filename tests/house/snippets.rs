//! The shell examples of the pages: one name for the address of the API, everything defined before it is used, and what
//! can be given and does nothing yet is told. That the examples work is asked by `tests/newcomer`.

use std::collections::BTreeSet;

use domain::key::Scope;
use domain::permission::Resource;

use super::pages::{blocks, prose, table};
use super::sources::{files, none, read};

/// The variable that says where the API is.
const ADDRESS: &str = "$BELLBUOY/api/v1/";

/// The texts of a page's shell blocks, in order.
fn shell(page: &str) -> Vec<String> {
    blocks(page)
        .into_iter()
        .filter(|block| block.language == "sh")
        .map(|block| block.text)
        .collect()
}

#[test]
fn examples_use_one_address_and_define_what_they_use() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for path in files(&["."], ".md") {
        let page = read(&path);
        let mut defined = BTreeSet::new();
        for block in shell(&page) {
            let calls = block.contains("curl ");
            for line in block.lines() {
                defined.extend(definitions(line).into_iter().map(|(name, _)| name));
                let address = definitions(line).iter().any(|(name, _)| *name == "BELLBUOY");
                if calls && line.contains("http://") && !address {
                    wrong.push(format!("{path}: {line}: say $BELLBUOY"));
                }
            }
            if !calls {
                continue;
            }
            seen += 1;
            let calls = block.lines().filter(|line| line.starts_with("curl "));
            let elsewhere = calls.filter(|line| !line.contains(ADDRESS));
            wrong.extend(elsewhere.map(|line| format!("{path}: {line}: call {ADDRESS}…")));
            let unknown = used(&block).into_iter().filter(|name| !defined.contains(name));
            wrong.extend(
                unknown.map(|name| format!("{path}: ${name} is used before it is defined")),
            );
        }
    }
    assert!(seen > 10, "only {seen} examples were found");
    none("the examples of the pages", &wrong);
}

/// What a line defines, if it is one that only defines: `export A=1 B=2  # why`.
fn definitions(line: &str) -> Vec<(String, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let words: Vec<&str> = line.split(" #").next().unwrap_or_default().split_whitespace().collect();
    let pair = |word: &&str| {
        let (name, value) = word.split_once('=')?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        is_name.then(|| (name.to_owned(), value.to_owned()))
    };
    let found: Vec<_> = words.iter().filter_map(pair).collect();
    if found.len() == words.len() { found } else { Vec::new() }
}

/// The names of the variables that a text uses.
fn used(text: &str) -> BTreeSet<String> {
    let name = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect()
    };
    text.split('$').skip(1).map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn what_does_nothing_yet_is_told() {
    let document = api::openapi();
    let page = read("docs/users/roles.md");
    let idle: Vec<String> = Resource::ALL
        .iter()
        .map(ToString::to_string)
        .filter(|resource| !document.contains(&format!("`{resource}:")))
        .map(|resource| format!("`{resource}`"))
        .collect();
    let sentence = format!("until their operations come: {}.", idle.join(", "));
    let text = prose(&page).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&sentence), "docs/users/roles.md should say: {sentence}");
    let rows = table(&read("docs/users/people.md"), "scope");
    let mut wrong = Vec::new();
    for scope in Scope::ALL {
        let row = rows.iter().find(|row| row[0].contains(&format!("`{scope}`")));
        let idle = !document.contains(&format!("the scope `{scope}`"));
        let told = row.is_some_and(|row| row[1].starts_with("nothing yet"));
        if row.is_none() || idle != told {
            wrong.push(format!("{scope} does {}", if idle { "nothing yet" } else { "something" }));
        }
    }
    none("the table of scopes in docs/users/people.md", &wrong);
}
