//! Links between pages, and what the pages must name.

use std::collections::BTreeSet;

use config::Config;
use domain::delivery::{DeliveryState, Outcome};
use domain::fault::FaultCode;
use domain::reason::Reason;

use super::pages::{code, prose, table};
use super::sources::{SHIPPED, files, none, read, root};

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in files(&["."], ".md") {
        let text = read(&page);
        for target in targets(&prose(&text)) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let folder = root().join(&page).parent().expect("a folder").to_owned();
            let path = if path.is_empty() { root().join(&page) } else { folder.join(path) };
            let there = path.exists();
            let has_anchor = || {
                anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&path).expect("a page")).contains(anchor)
            };
            if !there || !has_anchor() {
                wrong.push(format!("{page}: {target}"));
            }
        }
    }
    none("links that lead nowhere", &wrong);
}

/// The targets of all links.
fn targets(text: &str) -> Vec<String> {
    let target = |part: &str| part.split([')', ' ']).next().unwrap_or_default().to_owned();
    text.split("](").skip(1).map(target).collect()
}

/// The names by which a page's headings are linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let slug = |line: &str| {
        let words: String =
            line.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect();
        words.replace(' ', "-")
    };
    prose(text).lines().filter(|line| line.starts_with('#')).map(slug).collect()
}

#[test]
fn decisions_are_in_their_index() {
    let index = targets(&read("docs/decisions/README.md"));
    let mut wrong = Vec::new();
    for (at, path) in files(&["docs/decisions"], ".md")
        .iter()
        .filter(|path| !path.ends_with("README.md"))
        .enumerate()
    {
        let name = path.trim_start_matches("docs/decisions/");
        if !name.starts_with(&format!("{:04}-", at + 1)) {
            wrong.push(format!("{name} is number {}", at + 1));
        }
        let title = format!("# {}. ", at + 1);
        if !read(path).starts_with(&title) {
            wrong.push(format!("{name} does not begin with {title:?}"));
        }
        if !index.iter().any(|target| target == name) {
            wrong.push(format!("{name} is not linked"));
        }
        for part in ["## Context", "## Decision", "## Consequences"] {
            if !read(path).contains(part) {
                wrong.push(format!("{name} has no {part}"));
            }
        }
    }
    none("docs/decisions/README.md", &wrong);
}

#[test]
fn every_problem_is_explained() {
    let page = read("docs/users/sending-events.md");
    let told: Vec<(String, String)> =
        table(&page, "code").iter().map(|row| (code(&row[0]).to_owned(), row[1].clone())).collect();
    let known: Vec<(String, String)> = api::Code::ALL
        .iter()
        .map(|code| (code.as_str().to_owned(), code.status().as_u16().to_string()))
        .collect();
    assert_eq!(told, known, "the table of problems, in the order of the code");
    let told: Vec<String> =
        table(&page, "field code").iter().map(|row| code(&row[0]).to_owned()).collect();
    let known: Vec<&str> = FaultCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(told, known, "the table of mistakes in fields");
}

#[test]
fn every_reason_and_state_is_explained() {
    let page = read("docs/users/sending-events.md");
    let told = |first| -> Vec<String> {
        table(&page, first).iter().map(|row| code(&row[0]).to_owned()).collect()
    };
    let known: Vec<&str> = Reason::ALL.iter().map(|one| one.as_str()).collect();
    assert_eq!(told("reason"), known);
    let page = read("docs/users/webhooks.md");
    let told = |first| -> Vec<String> {
        table(&page, first).iter().map(|row| code(&row[0]).to_owned()).collect()
    };
    let known: Vec<&str> = DeliveryState::ALL.iter().map(|one| one.as_str()).collect();
    assert_eq!(told("state"), known);
    let known: Vec<&str> = Outcome::ALL.iter().map(|one| one.as_str()).collect();
    assert_eq!(told("outcome"), known);
}

#[test]
fn the_retry_schedule_is_the_default_one() {
    let page = read("docs/users/webhooks.md");
    let told: Vec<u64> =
        table(&page, "attempt").iter().skip(1).map(|row| seconds(&row[1])).collect();
    let known: Vec<u64> =
        Config::development().delivery.backoff.iter().map(std::time::Duration::as_secs).collect();
    assert_eq!(told, known);
}

/// `2 min` in seconds.
fn seconds(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or_else(|| panic!("no duration: {text}"));
    let number: u64 = number.parse().unwrap_or_else(|_| panic!("no duration: {text}"));
    match unit {
        "s" => number,
        "min" => number * 60,
        "h" => number * 3600,
        _ => panic!("no duration: {text}"),
    }
}

#[test]
fn every_metric_is_explained() {
    let page = read("docs/operators/running.md");
    let told: BTreeSet<String> =
        table(&page, "metric").iter().map(|row| code(&row[0]).to_owned()).collect();
    let mut known = BTreeSet::new();
    for path in files(&SHIPPED, ".rs").iter().filter(|path| !path.contains("/tests")) {
        let text = read(path);
        for start in [
            "counter!(\"",
            "gauge!(\"",
            "histogram!(\"",
            "counter!(\n",
            "gauge!(\n",
            "histogram!(\n",
        ] {
            known.extend(text.split(start).skip(1).filter_map(first_text));
        }
    }
    let missing: Vec<&String> = known.difference(&told).collect();
    let gone: Vec<&String> = told.difference(&known).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not in the page: {missing:?}; not in the code: {gone:?}"
    );
}

/// The name at the beginning of what follows a macro's opening.
fn first_text(rest: &str) -> Option<String> {
    let rest = rest.trim_start().trim_start_matches('"');
    let name: String =
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn the_rules_of_the_house_are_written_down() {
    // A newcomer reads the page, the tests hold everybody to it: neither may know of less than the other.
    let page = read("ARCHITECTURE.md");
    for name in ["sqlx", "redis", "poem", "apalis", "evalexpr", "reqwest", "hyper", "ring"] {
        assert!(
            table(&page, "crate").iter().any(|row| row[0].contains(&format!("`{name}`"))),
            "{name} is not there"
        );
    }
}
