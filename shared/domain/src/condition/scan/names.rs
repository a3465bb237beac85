//! Words: names, functions, `true` and `false`.

use super::super::ConditionError;
use super::super::function::{Function, hint_for_unknown};
use super::super::number::ArithOp;
use super::super::path::{Path, Roots, Step, is_word};
use super::super::suggest;
use super::super::value::Literal;
use super::{Kind, Operator, Scanner};

const NAMES: &str = "names are event.type, event.source, event.subject, event.id, event.received_at and event.payload.…";

const FACTS: &str = "names are resource.… and user.…, like resource.status or user.id";

impl Scanner<'_> {
    /// The names that there are, for messages.
    fn names(&self) -> &'static str {
        match self.roots {
            Roots::Event => NAMES,
            Roots::Facts => FACTS,
        }
    }

    pub(super) fn word(&mut self) -> Result<Kind, ConditionError> {
        let start = self.at;
        let word = self.take_while(is_word);
        if self.rest().starts_with("::") {
            return Err(self.namespaced(start));
        }
        if self.roots.has(word) {
            return self.name(start, word);
        }
        if self.rest().trim_start().starts_with('(') {
            return match Function::named(word) {
                Some(function) => Ok(Kind::Function(function)),
                None => Err(self.unknown_function(start, word)),
            };
        }
        match word {
            "true" => Ok(Kind::Literal(Literal::Bool(true))),
            "false" => Ok(Kind::Literal(Literal::Bool(false))),
            _ => Err(self.unknown_word(start, word)),
        }
    }

    /// Reads what follows the word that a name begins with.
    fn name(&mut self, start: usize, root: &str) -> Result<Kind, ConditionError> {
        if !self.rest().starts_with('.') {
            let error = self.error(start, format!("'{root}' alone is not a value"));
            return Err(error.hint(self.names()));
        }
        let first = self.key()?;
        let mut rest = Vec::new();
        loop {
            if self.rest().starts_with('.') {
                rest.push(Step::Key(self.key()?));
            } else if self.rest().starts_with('[') {
                rest.push(self.bracket()?);
            } else {
                break;
            }
        }
        let path = match self.roots {
            Roots::Facts => Path::of_fact(root, first, rest),
            Roots::Event => {
                Path::new(first, rest).map_err(|below| self.below_own_field(start, &below.0))?
            }
        };
        if self.rest().trim_start().starts_with('(') {
            return Err(self.called_name(start, &path));
        }
        Ok(Kind::Name(path))
    }

    /// Reads `.key`; the scanner stands on the dot.
    fn key(&mut self) -> Result<String, ConditionError> {
        self.at += 1;
        let at = self.at;
        let key = self.take_while(is_word);
        if key.is_empty() {
            return Err(self
                .error(at, "a field name is missing after '.'")
                .hint("an unusual key is written event.payload[\"the key\"]"));
        }
        Ok(key.to_owned())
    }

    /// Reads `[0]` or `["key"]`; the scanner stands on the bracket.
    fn bracket(&mut self) -> Result<Step, ConditionError> {
        let open = self.at;
        self.at += 1;
        self.skip_space();
        let step = if self.rest().starts_with('"') {
            Step::Key(self.string()?)
        } else {
            let digits = self.take_while(|c| c.is_ascii_digit());
            // Nine digits are more than any payload holds, and they fit a usize everywhere.
            match digits.parse() {
                Ok(index) if digits.len() <= 9 => Step::Index(index),
                _ => return Err(self.bad_bracket(open)),
            }
        };
        self.skip_space();
        if !self.rest().starts_with(']') {
            return Err(self.bad_bracket(open));
        }
        self.at += 1;
        Ok(step)
    }

    fn bad_bracket(&self, open: usize) -> ConditionError {
        self.error(open, "brackets hold an index or a key")
            .hint("write event.payload.items[0] or event.payload[\"the key\"]")
    }

    fn below_own_field(&self, start: usize, field: &str) -> ConditionError {
        let message = format!("event.{field} is a text and has nothing below it");
        self.error(start, message).hint(format!("the payload's is event.payload.{field}"))
    }

    fn called_name(&self, start: usize, path: &Path) -> ConditionError {
        let error = self.error(start, format!("{} is not a function", path.canonical()));
        let function = path.last_key().and_then(Function::named);
        error.maybe_hint(function.map(|function| format!("write {}", function.usage())))
    }

    fn namespaced(&mut self, start: usize) -> ConditionError {
        self.take_while(|c| is_word(c) || c == ':');
        self.unknown_function(start, &self.source[start..self.at])
    }

    fn unknown_function(&self, start: usize, name: &str) -> ConditionError {
        let error = self.error(start, format!("unknown function '{}'", shown(name)));
        match name {
            "and" | "or" | "not" => error.maybe_hint(operator_for(name)),
            _ => error.hint(hint_for_unknown(name)),
        }
    }

    fn unknown_word(&mut self, start: usize, word: &str) -> ConditionError {
        let end = self.at;
        let dotted = self.take_while(|c| is_word(c) || c == '.');
        let name = format!("{word}{dotted}");
        let error = self.error(start, format!("unknown name '{}'", shown(&name)));
        let hint = operator_for(word)
            .filter(|_| dotted.is_empty())
            .or_else(|| self.hyphenated(start, &self.source[start..end]))
            .unwrap_or_else(|| self.hint_for_name(word, dotted));
        error.hint(hint)
    }

    fn hint_for_name(&self, word: &str, dotted: &str) -> String {
        match self.roots {
            Roots::Event => hint_for_event_name(word, dotted),
            Roots::Facts if dotted.is_empty() => {
                format!("text is written \"{}\"; {FACTS}", shown(word))
            }
            Roots::Facts => FACTS.to_owned(),
        }
    }

    /// For `event.payload.order-id`, which reads as a subtraction.
    fn hyphenated(&self, start: usize, word: &str) -> Option<String> {
        let [.., name, minus] = self.tokens.as_slice() else {
            return None;
        };
        let Kind::Name(path) = &name.kind else {
            return None;
        };
        let is_minus = matches!(minus.kind, Kind::Operator(Operator::Arith(ArithOp::Sub)));
        if !is_minus || name.end != minus.start || minus.end != start {
            return None;
        }
        let meant = path.with_last_key(|key| format!("{key}-{word}"))?;
        Some(format!("a key with a hyphen is written {}", shown(&meant)))
    }
}

fn operator_for(word: &str) -> Option<String> {
    let meant = match word.to_lowercase().as_str() {
        "and" => "use && for and",
        "or" => "use || for or",
        "not" => "use ! for not",
        "true" => "write true",
        "false" => "write false",
        "null" | "nil" | "none" | "undefined" | "empty" => {
            "use exists(event.payload.x) or !exists(event.payload.x)"
        }
        _ => return None,
    };
    Some(meant.to_owned())
}

fn hint_for_event_name(word: &str, dotted: &str) -> String {
    if let Some(function) = Function::named(word).filter(|_| dotted.is_empty()) {
        return format!("write {}", function.usage());
    }
    let own = ["type", "source", "subject", "id", "received_at", "payload"];
    if own.contains(&word) {
        return format!("did you mean 'event.{}'? {NAMES}", shown(&format!("{word}{dotted}")));
    }
    if !dotted.is_empty() && suggest::nearest(word, ["event"]).is_some() {
        return format!("did you mean 'event{}'? {NAMES}", shown(dotted));
    }
    if dotted.is_empty() {
        return format!("text is written \"{}\"; {NAMES}", shown(word));
    }
    NAMES.to_owned()
}

/// A name short enough for a message.
fn shown(name: &str) -> String {
    match name.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
