//! Does any module lead back to itself? Between crates the compiler sees to it; inside of one nothing does.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Source, none, shipped, words};

/// A module's path within its crate; the root has none.
type Module = Vec<String>;

#[test]
fn no_module_leads_back_to_itself() {
    let mut crates: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    for source in shipped() {
        let at = source.path.find("src/").expect("code is below a folder src") + "src/".len();
        crates.entry(source.path[..at].to_owned()).or_default().push(source);
    }
    let mut wrong = Vec::new();
    for (folder, sources) in crates {
        let modules: BTreeMap<Module, &str> = sources
            .iter()
            .map(|source| (module_of(&source.path[folder.len()..]), source.code.as_str()))
            .collect();
        let edges = edges(&modules);
        wrong.extend(circles(&edges).into_iter().map(|circle| format!("{folder}: {circle}")));
    }
    none("modules that need each other belong into one, or what both need into a third", &wrong);
}

/// The module that a file is, by its path within the crate.
fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs");
    if matches!(path, "lib" | "main") {
        return Vec::new();
    }
    path.split('/').map(str::to_owned).collect()
}

/// Which modules use which: between the branches of the tree at which they part, for a module and what is below it are
/// one thing to those beside it.
fn edges(modules: &BTreeMap<Module, &str>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, code) in modules {
        for used in used(code, module, modules) {
            let shared = module.iter().zip(&used).take_while(|(a, b)| a == b).count();
            if module.len() > shared && used.len() > shared {
                let from = module[..=shared].to_vec();
                edges.entry(from).or_default().insert(used[..=shared].to_vec());
            }
        }
    }
    edges
}

/// The modules of its crate that the code of a module names.
fn used(code: &str, module: &Module, modules: &BTreeMap<Module, &str>) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    for (word, up) in [("crate", module.len()), ("super", 1), ("self", 0)] {
        for at in words(code, word) {
            // The second `super` of a path was read with the first.
            if code[..at].ends_with("super::") {
                continue;
            }
            let mut base = module[..module.len().saturating_sub(up)].to_vec();
            let mut rest = &code[at + word.len()..];
            while let Some(after) = rest.strip_prefix("::super") {
                base.pop();
                rest = after;
            }
            let Some(path) = rest.strip_prefix("::") else { continue };
            for names in paths(path) {
                let mut whole = base.clone();
                whole.extend(names);
                // What is named last may be a type or a function of its module.
                while !whole.is_empty() && !modules.contains_key(&whole) {
                    whole.pop();
                }
                found.insert(whole);
            }
        }
    }
    found
}

/// The paths that begin here: one, or as many as a group has.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 {
            names.push(rest[..end].to_owned());
        }
        match rest[end..].strip_prefix("::") {
            Some(after) => rest = after,
            None => {
                rest = &rest[end..];
                break;
            }
        }
    }
    let Some(group) = rest.strip_prefix('{') else { return vec![names] };
    let inside = parts(group).into_iter().flat_map(|part| paths(part.trim_start()));
    inside.map(|part| names.iter().cloned().chain(part).collect()).collect()
}

/// What stands between the commas of a group, up to its end.
fn parts(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// One circle through each module that is on one, as a line of words.
fn circles(edges: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in edges.keys() {
        let mut before: BTreeMap<&Module, &Module> = BTreeMap::new();
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for next in edges.get(at).into_iter().flatten() {
                if next == start {
                    let mut circle = vec![at];
                    while let Some(one) = before.get(circle[circle.len() - 1]) {
                        circle.push(one);
                    }
                    let words: BTreeSet<String> = circle.iter().map(|one| one.join("::")).collect();
                    found.insert(words.into_iter().collect::<Vec<_>>().join(", "));
                } else if !before.contains_key(next) {
                    before.insert(next, at);
                    open.push(next);
                }
            }
        }
    }
    found
}

#[test]
fn a_circle_is_found() {
    let code = [
        ("lib.rs", "use a::A; mod a;"),
        ("a.rs", "use crate::{b::{self, B}, c}; use self::x::X;"),
        ("a/x.rs", "use super::super::b; use super::A;"),
        ("b.rs", "use super::c::d::D;"),
        ("c/d.rs", "fn f() { crate::a::x::g() }"),
        ("c.rs", "mod d;"),
    ];
    let modules = code.iter().map(|(path, code)| (module_of(path), *code)).collect();
    assert_eq!(circles(&edges(&modules)), BTreeSet::from(["a, b, c", "a, c"].map(str::to_owned)));
    let without: BTreeMap<Module, &str> =
        code[..4].iter().map(|(path, code)| (module_of(path), *code)).collect();
    assert!(circles(&edges(&without)).is_empty());
}
