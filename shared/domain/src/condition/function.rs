//! The functions of the language, and what people call them elsewhere.

use super::suggest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    In,
    Contains,
    StartsWith,
    EndsWith,
    Len,
    Exists,
    Lower,
    Matches,
    NowHour,
}

/// Name, function, least and most arguments, how to write it.
type Entry = (&'static str, Function, usize, usize, &'static str);

const FUNCTIONS: [Entry; 9] = [
    ("in", Function::In, 2, usize::MAX, "in(x, a, b, …)"),
    ("contains", Function::Contains, 2, 2, "contains(text or list, x)"),
    ("starts_with", Function::StartsWith, 2, 2, "starts_with(text, start)"),
    ("ends_with", Function::EndsWith, 2, 2, "ends_with(text, end)"),
    ("len", Function::Len, 1, 1, "len(text or list)"),
    ("exists", Function::Exists, 1, 1, "exists(event.payload.x)"),
    ("lower", Function::Lower, 1, 1, "lower(text)"),
    ("matches", Function::Matches, 2, 2, "matches(text, \"regex\")"),
    ("now_hour", Function::NowHour, 1, 1, "now_hour(\"Europe/Berlin\")"),
];

/// Words from other languages for which the edit distance is of no use.
const ALIASES: [(&str, &str); 19] = [
    ("includes", "contains"),
    ("include", "contains"),
    ("has", "exists"),
    ("defined", "exists"),
    ("is_set", "exists"),
    ("length", "len"),
    ("size", "len"),
    ("count", "len"),
    ("regex", "matches"),
    ("regex_matches", "matches"),
    ("regexp", "matches"),
    ("like", "matches"),
    ("to_lowercase", "lower"),
    ("tolower", "lower"),
    ("lowercase", "lower"),
    ("lcase", "lower"),
    ("hour", "now_hour"),
    ("any_of", "in"),
    ("one_of", "in"),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
    }

    pub(super) fn usage(self) -> &'static str {
        self.entry().map_or("", |entry| entry.4)
    }

    /// What is wrong with so many arguments, if anything is.
    pub(super) fn arity_error(self, given: usize) -> Option<String> {
        let (name, _, least, most, _) = self.entry()?;
        if (*least..=*most).contains(&given) {
            return None;
        }
        let at_least = if least == most { "" } else { "at least " };
        let plural = if *least == 1 { "" } else { "s" };
        Some(format!("{name} takes {at_least}{least} argument{plural}, here are {given}"))
    }

    fn entry(self) -> Option<&'static Entry> {
        FUNCTIONS.iter().find(|entry| entry.1 == self)
    }
}

/// What to say about a function that there is not.
pub(super) fn hint_for_unknown(name: &str) -> String {
    let bare = name.rsplit("::").next().unwrap_or(name);
    let known = FUNCTIONS.iter().map(|entry| entry.0);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == bare);
    let meant = match alias {
        Some((_, meant)) => Some(*meant),
        None => suggest::nearest(bare, known.clone()),
    };
    match meant {
        Some(meant) => format!("did you mean '{meant}'?"),
        None => format!("the functions are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for (name, function, ..) in FUNCTIONS {
            assert_eq!(Function::named(name), Some(function));
            assert!(function.usage().starts_with(name));
        }
        for (_, meant) in ALIASES {
            assert!(Function::named(meant).is_some());
        }
    }
}
