//! The page about conditions: every example on it is evaluated.

use domain::condition::{Condition, MAX_DEPTH, MAX_LENGTH, MAX_OPERATORS, MAX_STEPS, Subject};
use domain::time::Time;
use serde_json::Value;

use super::pages::{blocks, code, table};
use super::sources::{none, read};

const PAGE: &str = "docs/users/conditions.md";

/// The event of the page, and the time at which its conditions are evaluated.
struct Example {
    event: Value,
    received_at: Time,
    now: Time,
}

impl Example {
    fn read(page: &str) -> Self {
        let block =
            blocks(page).into_iter().find(|block| block.language == "json").expect("an event");
        let event: Value = serde_json::from_str(&block.text).expect("JSON");
        let received_at =
            Time::parse(event["received_at"].as_str().expect("a time")).expect("a time");
        let now = page
            .split_once("evaluated at `")
            .expect("a time")
            .1
            .split_once('`')
            .expect("its end")
            .0;
        Self { received_at, now: Time::parse(now).expect("a time"), event }
    }

    fn subject(&self) -> Subject<'_> {
        let text = |name: &str| self.event[name].as_str().expect("a text");
        Subject {
            id: text("id"),
            kind: text("type"),
            source: text("source"),
            subject: self.event["subject"].as_str(),
            received_at: self.received_at,
            payload: &self.event["payload"],
        }
    }
}

#[test]
fn examples_say_what_the_page_says() {
    let page = read(PAGE);
    let example = Example::read(&page);
    let rows = table(&page, "condition");
    assert!(rows.len() >= 60, "only {} examples were found", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let (source, told) = (code(&row[0]), code(&row[1]));
        match (Condition::parse(source), told) {
            (Err(error), _) => wrong.push(format!("{source}: {error}")),
            (Ok(condition), told) => {
                let holds = condition.holds(&example.subject(), example.now).expect("few steps");
                let explained =
                    condition.explain(&example.subject(), example.now).expect("few steps");
                if holds.to_string() != told || explained.result != holds {
                    wrong.push(format!("{source}: the page says {told}, it is {holds}"));
                }
            }
        }
    }
    none(PAGE, &wrong);
}

#[test]
fn mistakes_are_answered_as_the_page_says() {
    let page = read(PAGE);
    let mut wrong = Vec::new();
    let rows = table(&page, "mistake");
    assert!(rows.len() >= 8, "only {} mistakes were found", rows.len());
    for row in rows {
        let (source, told) = (code(&row[0]), code(&row[1]));
        match Condition::parse(source) {
            Ok(_) => wrong.push(format!("{source} is accepted")),
            Err(error) if error.to_string() == told => {}
            Err(error) => wrong.push(format!("{source}: {error}")),
        }
    }
    none(PAGE, &wrong);
}

#[test]
fn every_function_and_limit_is_on_the_page() {
    let page = read(PAGE);
    // The language names its functions to whoever calls one that it does not have.
    let error = Condition::parse("zzzzzzzzzz(1)").expect_err("no such function");
    let hint = error.hint.expect("a hint");
    let known: Vec<&str> =
        hint.strip_prefix("the functions are ").expect("a list").split(", ").collect();
    let told: Vec<String> =
        table(&page, "function").iter().map(|row| code(&row[0]).to_owned()).collect();
    let told: Vec<&str> =
        told.iter().map(|usage| usage.split('(').next().unwrap_or_default()).collect();
    assert_eq!(told, known);
    for limit in [MAX_LENGTH, MAX_OPERATORS, MAX_DEPTH, MAX_STEPS as usize] {
        assert!(page.contains(&format!(" {limit} ")), "the limit {limit} is not on the page");
    }
}
