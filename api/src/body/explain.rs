//! What is wrong with a body that could not be read. Only then it is read again, with an eye on where it goes wrong.

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use shared::domain::fault::{Fault, FaultCode};

use crate::problem::{Code, Problem};

/// How much of a client's own words is told, in characters.
const TOLD: usize = 300;

/// What is wrong with `text`, which was not read as a `T` because of `error`.
pub fn problem<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> Problem {
    if text.trim().is_empty() {
        return Problem::new(Code::MalformedJson, "The body is empty; JSON is wanted.");
    }
    match error.classify() {
        Category::Data if !text.trim_ascii_start().starts_with('{') => no_object(),
        Category::Data => Problem::invalid(faults::<T>(text)),
        _ => Problem::new(Code::MalformedJson, format!("The body is not JSON: {error}.")),
    }
}

/// What is wrong with a text that is some other JSON.
pub fn no_object() -> Problem {
    Problem::invalid(vec![Fault::new("", FaultCode::WrongType, "a JSON object is wanted")])
}

/// The faults of a text that is no `T`; one, for reading ends at the first.
fn faults<T: DeserializeOwned>(text: &str) -> Vec<Fault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize::<_, T>(&mut reader);
    match read {
        Err(error) => {
            let path = error.path().to_string();
            vec![fault(&path, error.inner())]
        }
        Ok(_) => {
            let words = reader.end().err().map(|error| error.to_string()).unwrap_or_default();
            vec![Fault::new("", FaultCode::MalformedJson, words)]
        }
    }
}

fn fault(path: &str, error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let words = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    if !matches!(error.classify(), Category::Data) {
        return Fault::new("", FaultCode::MalformedJson, text);
    }
    let named = || words.split('`').nth(1).unwrap_or_default();
    let kinds: [(&str, FaultCode); 5] = [
        ("missing field", FaultCode::Required),
        ("unknown field", FaultCode::Unknown),
        ("duplicate field", FaultCode::Duplicate),
        ("invalid type", FaultCode::WrongType),
        ("invalid length", FaultCode::TooLong),
    ];
    let kind = kinds.iter().find(|(start, _)| words.starts_with(start));
    let code = kind.map_or(FaultCode::Invalid, |(_, code)| *code);
    // serde names the field of these three in its words, and the path ends before it.
    let about_name = [FaultCode::Required, FaultCode::Unknown, FaultCode::Duplicate];
    let field = if about_name.contains(&code) {
        join(parent(path, named()), named())
    } else {
        short(tidy(path))
    };
    let message = match code {
        FaultCode::Required => "this field must be there".to_owned(),
        FaultCode::Duplicate => "this field stands there twice".to_owned(),
        FaultCode::Unknown => {
            let known = words.split_once(", expected ").map_or("none", |(_, known)| known);
            format!("there is no such field; {}", known.replace('`', ""))
        }
        _ => short(&words.replace('`', "")),
    };
    Fault::new(field, code, message)
}

/// The path without what serde_path_to_error puts for "here" and "somewhere".
fn tidy(path: &str) -> &str {
    if path == "." { "" } else { path.trim_end_matches(".?").trim_end_matches('?') }
}

/// The path of the object that holds the field `name`.
fn parent<'a>(path: &'a str, name: &str) -> &'a str {
    let path = tidy(path);
    match path.strip_suffix(name) {
        Some("") => "",
        Some(parent) => parent.strip_suffix('.').unwrap_or(path),
        None => path,
    }
}

/// The path of a field, as far as it is told: its name is the client's, and may be as long as the body.
fn join(parent: &str, name: &str) -> String {
    let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
    short(&path)
}

/// The beginning of what may be long.
fn short(text: &str) -> String {
    text.chars().take(TOLD).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        name: String,
        raw: Option<Box<RawValue>>,
        inner: Option<Inner>,
        list: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        count: u8,
    }

    #[test]
    fn faults_name_the_field() {
        for (text, field, code) in [
            (r#"{}"#, "name", "required"),
            (r#"{"name":1}"#, "name", "wrong_type"),
            (r#"{"name":"a","x":1}"#, "x", "unknown_field"),
            (r#"{"name":"a","name":"b"}"#, "name", "duplicate"),
            (r#"{"name":"a","inner":{}}"#, "inner.count", "required"),
            (r#"{"name":"a","inner":{"y":1}}"#, "inner.y", "unknown_field"),
            (r#"{"name":"a","inner":{"count":300}}"#, "inner.count", "invalid"),
            (r#"{"name":"a","list":[{"count":1},{"count":"2"}]}"#, "list[1].count", "wrong_type"),
            (r#"{"name":"a","list":[{"count":1},{}]}"#, "list[1].count", "required"),
            (r#"{"name":"a","inner":7}"#, "inner", "wrong_type"),
            (r#"[]"#, "", "wrong_type"),
            (r#""x""#, "", "wrong_type"),
            (r#"{"name":"a","raw":[1, 2.50],"inner":{"count":true}}"#, "inner.count", "wrong_type"),
        ] {
            let error = serde_json::from_str::<Outer>(text).expect_err(text);
            let problem = problem::<Outer>(text, &error);
            let fault = problem.faults.first().expect(text);
            assert_eq!((&*fault.field, fault.code.as_str()), (field, code), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        for text in ["", "  ", "{", "{\"name\":\"a\"} x", "{\"name\":\"a\",}", "nope"] {
            let error = serde_json::from_str::<Outer>(text).expect_err(text);
            assert_eq!(problem::<Outer>(text, &error).code, Code::MalformedJson, "{text}: {error}");
        }
    }
}
