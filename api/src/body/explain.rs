//! What is wrong with a body that could not be read. Only then it is read again, with an eye on where it goes wrong.

use domain::fault::{Fault, FaultCode};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use crate::problem::{AN_ID, Code, Problem};

/// How much of a client's own words is told, in characters.
const TOLD: usize = 300;

/// What is wrong with `text`, which was not read as a `T` because of `error`.
pub fn problem<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> Problem {
    if text.trim().is_empty() {
        return Problem::new(Code::MalformedJson, "The body is empty; send a JSON object.");
    }
    match error.classify() {
        Category::Data if !text.trim_ascii_start().starts_with('{') => no_object(),
        Category::Data => Problem::invalid(faults::<T>(text)),
        // An object may be read from a list as far as that goes, and what is left over then is no fault of the JSON.
        _ if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
            Problem::invalid(faults::<T>(text))
        }
        _ => {
            let (cause, line, column) = (cause(error), error.line(), error.column());
            let detail = format!("The body is not JSON: {cause} at line {line} column {column}.");
            Problem::new(Code::MalformedJson, detail)
        }
    }
}

/// What is wrong with a text that is no JSON, without the place.
pub fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    match words {
        // The parser's word for true, false or null.
        "expected ident" => "this is no JSON value; texts stand in double quotes".to_owned(),
        words => words.replace('`', ""),
    }
}

/// What is wrong with a text that is some other JSON.
pub fn no_object() -> Problem {
    Problem::invalid(vec![Fault::new(
        "",
        FaultCode::WrongType,
        "it must be a JSON object, like {\"name\": \"value\"}",
    )])
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
        let message = "it must be an object, and is a list";
        return Fault::new(tidy(path).to_owned(), FaultCode::WrongType, message);
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
        FaultCode::Required => "this field is required".to_owned(),
        FaultCode::Duplicate => "this field is there twice; send it once".to_owned(),
        FaultCode::Unknown => {
            let known =
                words.split_once(", expected ").map_or("there are none", |(_, known)| known);
            format!("there is no such field; {}", expected(known))
        }
        _ => short(&mismatch(words)),
    };
    Fault::new(field, code, message)
}

/// serde's list of what would have been right, as people write one.
fn expected(list: &str) -> String {
    match list.strip_prefix("one of ") {
        Some(all) => format!("there are {}", all.replace('`', "")),
        None => format!("there is {}", list.replace('`', "")),
    }
}

/// What a value is and what it should be, without the parser's names for them.
fn mismatch(words: &str) -> String {
    let plain = words.replace('`', "");
    if plain.starts_with("UUID parsing failed") {
        return AN_ID.to_owned();
    }
    if let Some((variant, list)) =
        words.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        let shown: String = variant.replace('`', "").chars().take(MAX_SHOWN).collect();
        return format!("{shown} is not known here; {}", expected(list));
    }
    let found =
        ["invalid type: ", "invalid value: "].iter().find_map(|kind| plain.strip_prefix(kind));
    match found.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((is, should)) => format!("it must be {}, and is {}", wanted(should), given(is)),
        None => plain,
    }
}

/// The most of a value that is shown to whoever sent it.
const MAX_SHOWN: usize = 64;

/// The parser's word for what should be there.
fn wanted(word: &str) -> &str {
    match word {
        "a map" => "an object",
        word if word.starts_with("struct ") => "an object",
        "a sequence" => "a list",
        "a string" | "a borrowed string" => "a text",
        "a boolean" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        word => word,
    }
}

/// The parser's word for what is there. Texts are not shown again: they may be long, or secret.
fn given(word: &str) -> String {
    let (kind, value) = word.split_once(' ').unwrap_or((word, ""));
    match (kind, value) {
        ("map", _) => "an object".to_owned(),
        ("sequence", _) => "a list".to_owned(),
        ("string", _) => "a text".to_owned(),
        ("integer", number) => number.to_owned(),
        ("floating", rest) => rest.trim_start_matches("point ").to_owned(),
        ("boolean", value) => value.to_owned(),
        _ => word.chars().take(MAX_SHOWN).collect(),
    }
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
        kind: Option<Kind>,
        id: Option<uuid::Uuid>,
    }

    #[derive(Debug, Deserialize)]
    enum Kind {
        A,
        B,
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
    fn messages_say_what_is_there_and_what_should_be() {
        for (text, message) in [
            (r#"{}"#, "this field is required"),
            (r#"{"name":1}"#, "it must be a text, and is 1"),
            (r#"{"name":null}"#, "it must be a text, and is null"),
            (
                r#"{"name":"a","inner":{"count":300}}"#,
                "it must be a whole number from 0 to 255, and is 300",
            ),
            (
                r#"{"name":"a","inner":{"count":"a secret"}}"#,
                "it must be a whole number from 0 to 255, and is a text",
            ),
            (r#"{"name":"a","inner":[1,2]}"#, "it must be an object, and is a list"),
            (r#"{"name":"a","list":{}}"#, "it must be a list, and is an object"),
            (
                r#"{"name":"a","x":1}"#,
                "there is no such field; there are name, raw, inner, list, kind, id",
            ),
            (r#"{"name":"a","inner":{"y":1}}"#, "there is no such field; there is count"),
            (r#"{"name":"a","name":"b"}"#, "this field is there twice; send it once"),
            (r#"{"name":"a","kind":"C"}"#, "C is not known here; there is A or B"),
            (r#"{"name":"a","id":"acme"}"#, AN_ID),
        ] {
            let error = serde_json::from_str::<Outer>(text).expect_err(text);
            let problem = problem::<Outer>(text, &error);
            assert_eq!(problem.faults.first().expect(text).message, message, "{text}: {error}");
        }
        for (text, detail) in [
            ("", "The body is empty; send a JSON object."),
            ("{\n  nope", "The body is not JSON: key must be a string at line 2 column 3."),
        ] {
            let error = serde_json::from_str::<Outer>(text).expect_err(text);
            assert_eq!(problem::<Outer>(text, &error).detail, detail, "{text}");
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
