//! The examples of requests: what the pages send would be accepted, and what they sign is signed so.

use domain::cloud_event::structured;
use domain::intake::{Envelope, RawEvent, validate};
use domain::members::Members;
use domain::webhook::SigningSecret;
use serde_json::Value;

use super::pages::{blocks, table};
use super::sources::{files, none, read};

const MAX_PAYLOAD: usize = 256 * 1024;

/// Every event that is sent somewhere in the pages, with the page that it stands on.
fn sent() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for page in files(&["."], ".md") {
        for block in blocks(&read(&page)) {
            match block.language.as_str() {
                // In the binary mode of CloudEvents, the body is no event.
                "sh" if block.text.contains("ce-specversion") => {}
                "sh" if block.text.contains("/api/v1/events") => {
                    found.extend(bodies(&block.text).map(|body| (page.clone(), body)));
                }
                "ndjson" => {
                    found.extend(block.text.lines().map(|line| (page.clone(), line.to_owned())))
                }
                _ => {}
            }
        }
    }
    found
}

/// What curl is given to send: behind `-d`, in quotes.
fn bodies(script: &str) -> impl Iterator<Item = String> {
    let given = script.split("-d '").skip(1);
    given.map(|rest| {
        rest.split_once('\'').unwrap_or_else(|| panic!("an open quote: {rest}")).0.to_owned()
    })
}

#[test]
fn events_in_the_pages_are_accepted() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (page, body) in sent() {
        let value: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{page}: {error} in {body}"));
        let events = match value.get("events").or(Some(&value)).filter(|one| one.is_array()) {
            Some(events) => {
                events.as_array().expect("a list").iter().map(Value::to_string).collect()
            }
            None => vec![body.clone()],
        };
        for text in events {
            count += 1;
            if let Some(fault) = fault(&text) {
                wrong.push(format!("{page}: {fault} in {text}"));
            }
        }
    }
    assert!(count >= 8, "only {count} events were found");
    none("would not be accepted", &wrong);
}

fn fault(text: &str) -> Option<String> {
    let members: Members = serde_json::from_str(text).expect("an object");
    let read = match members.get("specversion") {
        Some(_) => {
            structured(&members).map(|one| one.event).map_err(|faults| format!("{faults:?}"))
        }
        None => serde_json::from_str(text).map_err(|error| error.to_string()),
    };
    let raw: RawEvent = match read {
        Ok(raw) => raw,
        Err(error) => return Some(error),
    };
    let envelope =
        Envelope { key: None, given: None, text: text.as_bytes(), max_payload: MAX_PAYLOAD };
    validate(raw, envelope).err().map(|faults| format!("{faults:?}"))
}

#[test]
fn answers_in_the_pages_are_json() {
    for page in files(&["."], ".md") {
        for block in blocks(&read(&page)).into_iter().filter(|block| block.language == "json") {
            let read: Result<Value, _> = serde_json::from_str(&block.text);
            assert!(read.is_ok(), "{page}, {}: {read:?}", block.heading);
        }
    }
}

#[test]
fn the_example_of_a_signature_is_right() {
    use base64::Engine as _;
    let page = read("docs/users/webhooks.md");
    let rows = table(&page, "part");
    let part = |name: &str| {
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no {name}"));
        super::pages::code(&row[1]).to_owned()
    };
    let secret = part("secret");
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .expect("base64");
    let signed = SigningSecret::from_bytes(bytes).sign(
        &part("webhook-id"),
        part("webhook-timestamp").parse().expect("seconds"),
        part("body").as_bytes(),
    );
    assert_eq!(signed, part("webhook-signature"));
}
