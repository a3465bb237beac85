//! The TOML file: its values by dotted name, as text, each with its line.

use std::{borrow::Cow, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    gathered::{Gathered, Given, PROFILE_KEY},
    mistake::Origin,
    setting::Form,
    settings::SECTIONS,
    settings::table::{Field, Section, fields},
    suggest,
};

/// Adds what the file says. Values of unknown names are never shown: a mistyped `key` is a key.
pub(super) fn read(text: &str, path: &Path, gathered: &mut Gathered) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, path, gathered };
    if errors.is_empty() {
        reader.top(table.get_ref());
        return;
    }
    // What was recovered from a broken file is a guess; no mistakes are told on a guess.
    reader.gathered.incomplete = true;
    for error in errors {
        // The error's own rendering would show the line, and with it perhaps a secret.
        let line = error.span().map(|span| reader.line(span.start));
        let origin = Origin::File { path: path.to_owned(), line };
        let at = error.span().map_or("", |span| text.get(span.start..).unwrap_or_default());
        let is_end =
            error.span().is_some() && at.lines().next().unwrap_or_default().trim().is_empty();
        let fault = match broken(error.message()) {
            // The parser says the same of a value that is not there.
            fault if fault == UNQUOTED && is_end => MISSING.to_owned(),
            fault => fault,
        };
        reader.gathered.mistake("", None, origin, fault);
    }
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
    gathered: &'a mut Gathered,
}

type Key<'i> = Spanned<Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn top(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match SECTIONS.iter().find(|section| section.name == name) {
                Some(section) => self.section(section, key, value),
                None if name == PROFILE_KEY => match scalar(value.get_ref()) {
                    Some(text) => self.give(PROFILE_KEY, text, key),
                    None => self.mistake(PROFILE_KEY, key, "is not one word in quotes"),
                },
                None => self.unknown_top(name, key, value),
            }
        }
    }

    fn unknown_top(&mut self, name: &str, key: &Key<'_>, value: &Value<'_>) {
        let sections = SECTIONS.iter().map(|section| section.name);
        let fault = if value.get_ref().is_table() {
            format!("no such section{}", suggest::hint(name, sections))
        } else {
            let names = fields().map(|field| field.name).chain([PROFILE_KEY]);
            format!("no such setting outside of a section{}", suggest::hint(name, names))
        };
        self.mistake(name, key, fault);
    }

    fn section(&mut self, section: &Section, key: &Key<'_>, value: &Value<'_>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.mistake(
                section.name,
                key,
                format!(
                    "is the name of a section: write [{}] and the settings below it",
                    section.name
                ),
            );
        };
        for (key, value) in table {
            let found = section.fields.iter().find(|field| field.key == key.get_ref().as_ref());
            match found {
                Some(field) => self.setting(field, key, value),
                None => {
                    let name = format!("{}.{}", section.name, key.get_ref());
                    // The same section first: a slip of the pen before a slip of the mind.
                    let own = section.fields.iter().map(|field| field.name);
                    let hint = match suggest::hint(&name, own) {
                        hint if hint.is_empty() => {
                            suggest::hint(&name, fields().map(|field| field.name))
                        }
                        hint => hint,
                    };
                    self.mistake(&name, key, format!("no such setting{hint}"));
                }
            }
        }
    }

    fn setting(&mut self, field: &Field, key: &Key<'_>, value: &Value<'_>) {
        let text = match value.get_ref() {
            DeValue::Array(items) if field.form == Form::List => items
                .iter()
                .map(|item| scalar(item.get_ref()).filter(|text| !text.contains(',')))
                .collect::<Option<Vec<String>>>()
                .map(|items| items.join(",")),
            value => scalar(value),
        };
        match (text, field.form) {
            (Some(text), _) => self.give(field.name, text, key),
            (None, Form::List) => {
                let fault = format!(
                    "has an item that is no single value; it takes an array, each item a {} without a comma",
                    field.kind
                );
                self.mistake(field.name, key, fault);
            }
            (None, _) => {
                let fault = format!("is not a single value; it takes one value: {}", field.kind);
                self.mistake(field.name, key, fault);
            }
        }
    }

    fn give(&mut self, name: &str, text: String, key: &Key<'_>) {
        let origin = self.origin(key);
        self.gathered.values.insert(name.to_owned(), Given { text, origin });
    }

    fn mistake(&mut self, name: &str, key: &Key<'_>, fault: impl Into<String>) {
        let origin = self.origin(key);
        self.gathered.mistake(name, None, origin, fault);
    }

    fn origin(&self, key: &Key<'_>) -> Origin {
        Origin::File { path: self.path.to_owned(), line: Some(self.line(key.span().start)) }
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

const UNQUOTED: &str = "the value is a text, and texts stand in quotes";
const MISSING: &str = "the value behind = is missing";

/// What the parser found wrong, in plain words. Its own are about grammar; those that it has for what people get wrong
/// most are told as what they see in the file.
fn broken(message: &str) -> String {
    const PLAIN: [(&str, &str); 22] = [
        ("unclosed table", "the table header is not closed: a ] is missing"),
        ("unclosed array table", "the header is not closed: ]] is missing"),
        ("unclosed array", "the array is not closed: a ] is missing"),
        ("unclosed inline table", "the inline table is not closed: a } is missing"),
        ("key with no value", "a name stands there without = and a value"),
        ("missing value for key", "a name stands there without = and a value"),
        ("missing value", MISSING),
        ("missing key", "the name before = is missing"),
        ("extra `=`", "there is one = too many"),
        ("extra assignment", "there is one = too many"),
        ("extra comma", "there is one comma too many"),
        ("missing comma", "a comma is missing between two items"),
        ("string values must be quoted", UNQUOTED),
        (
            "invalid basic string",
            "the text in quotes is not closed, or a character in it must be escaped",
        ),
        ("invalid literal string", "the text in quotes is not closed"),
        (
            "invalid multi-line",
            "the text in triple quotes is not closed, or a character in it must be escaped",
        ),
        ("missing opening quote", "the opening quote is missing"),
        ("invalid unquoted key", "a name has other characters than letters, digits, - and _"),
        ("unquoted keys cannot be empty", "the name before = is missing"),
        ("duplicate key", "the same name is set twice in this section"),
        ("unexpected key or value", "something stands behind the value on the same line"),
        ("unexpected content", "something stands there that is neither a header nor a setting"),
    ];
    let line = message.lines().next().unwrap_or_default();
    match PLAIN.iter().find(|(start, _)| line.starts_with(start)) {
        Some((_, plain)) => (*plain).to_owned(),
        None => format!("this is no TOML: {}", message.replace('\n', ", ")),
    }
}

/// The text that stands for a single value; none for arrays, tables and dates.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        // In decimal where it fits; what does not is told apart when the setting reads it.
        DeValue::Integer(number) => Some(
            i128::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()),
        ),
        DeValue::Array(_) | DeValue::Table(_) | DeValue::Datetime(_) => None,
    }
}
