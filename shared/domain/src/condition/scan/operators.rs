//! Operators, and what people write for operators elsewhere.

use super::super::ConditionError;
use super::super::number::ArithOp;
use super::super::tree::CompareOp;
use super::{Kind, Operator, Scanner};

/// Longer ones first, so that `!=` is not read as `!`.
const OPERATORS: [(&str, Operator); 14] = [
    ("==", Operator::Compare(CompareOp::Eq)),
    ("!=", Operator::Compare(CompareOp::Ne)),
    (">=", Operator::Compare(CompareOp::Ge)),
    ("<=", Operator::Compare(CompareOp::Le)),
    ("&&", Operator::And),
    ("||", Operator::Or),
    (">", Operator::Compare(CompareOp::Gt)),
    ("<", Operator::Compare(CompareOp::Lt)),
    ("!", Operator::Not),
    ("+", Operator::Arith(ArithOp::Add)),
    ("-", Operator::Arith(ArithOp::Sub)),
    ("*", Operator::Arith(ArithOp::Mul)),
    ("/", Operator::Arith(ArithOp::Div)),
    ("%", Operator::Arith(ArithOp::Rem)),
];

const ASSIGNMENT: &str = "a condition cannot assign; use == to compare";
const COMMENT: &str = "describe the rule in its description";
const QUOTES: &str = "text is written in double quotes";
const POWER: &str = "there is no power operator; multiply";

/// What is not in the language and what to write instead. Longer ones first.
const REJECTED: [(&str, &str); 33] = [
    ("&&=", ASSIGNMENT),
    ("||=", ASSIGNMENT),
    ("===", "use == to compare"),
    ("!==", "use != to compare"),
    ("<=>", "use ==, <= or >="),
    ("+=", ASSIGNMENT),
    ("-=", ASSIGNMENT),
    ("*=", ASSIGNMENT),
    ("/=", ASSIGNMENT),
    ("%=", ASSIGNMENT),
    ("^=", ASSIGNMENT),
    ("=>", "use >= to compare"),
    ("=<", "use <= to compare"),
    ("=~", "use matches(text, \"regex\")"),
    ("<>", "use != to compare"),
    ("//", COMMENT),
    ("/*", COMMENT),
    ("**", POWER),
    ("++", "write each operator once"),
    ("=", "use == to compare"),
    ("&", "use && for and"),
    ("|", "use || for or"),
    ("^", POWER),
    ("~", "use matches(text, \"regex\")"),
    (";", "join conditions with && or ||"),
    ("'", QUOTES),
    ("`", QUOTES),
    ("“", QUOTES),
    ("”", QUOTES),
    ("„", QUOTES),
    ("[", "use in(x, a, b) for a list of values"),
    ("?", "use && and ||"),
    (".", "numbers are written 0.5, names event.type"),
];

impl Scanner<'_> {
    pub(super) fn operator(&mut self) -> Result<Kind, ConditionError> {
        let rest = self.rest();
        // `a ==-1` is fine, so what is wrong is looked for only where it is not a prefix of that.
        if let Some((text, hint)) = REJECTED.iter().find(|(text, _)| is_rejected(rest, text)) {
            let message = format!("'{text}' is not part of the language");
            return Err(self.error(self.at, message).hint(*hint));
        }
        match OPERATORS.iter().find(|(text, _)| rest.starts_with(text)) {
            Some((text, operator)) => {
                self.at += text.len();
                Ok(Kind::Operator(*operator))
            }
            None => {
                let shown: String = rest.chars().take(1).flat_map(char::escape_debug).collect();
                Err(self.error(self.at, format!("unexpected character '{shown}'")))
            }
        }
    }
}

/// True if the text starts with something rejected that is not the start of an operator.
fn is_rejected(rest: &str, rejected: &str) -> bool {
    let is_comparison = rest.starts_with("==") && !rest.starts_with("===");
    rest.starts_with(rejected) && !is_comparison && !(rejected.len() == 1 && is_doubled(rest))
}

/// `&` and `|` alone are rejected, doubled they are operators.
fn is_doubled(rest: &str) -> bool {
    rest.starts_with("&&") || rest.starts_with("||")
}
