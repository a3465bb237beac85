//! The condition language of rules: a small, total expression language over one event.
//!
//! A condition is scanned and checked here, so that every error has a column; only what is known
//! to be well formed and shallow reaches evalexpr's recursive parser. Its tree becomes our own,
//! because evalexpr's evaluator neither stops early nor compares numbers across int and float.

mod build;
mod check;
mod clause;
mod demand;
mod eval;
mod explain;
mod function;
mod number;
mod path;
mod scan;
mod suggest;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::time::Time;

pub use clause::{Clause, Facts};
pub use demand::Demand;
pub use explain::{Explanation, NamedValue, Part};
pub(crate) use suggest::nearest;

/// The longest condition that is accepted, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// The most operators that a condition may have.
pub const MAX_OPERATORS: usize = 500;
/// How deep parentheses, calls and signs may nest.
pub const MAX_DEPTH: usize = 64;
/// How many steps one evaluation may take; one pass over the largest payload always fits.
pub const MAX_STEPS: u32 = 256 * 1024;

/// A condition that was read and checked, ready to be evaluated; a clone shares the tree.
#[derive(Clone)]
pub struct Condition {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    root: tree::Expr,
    paths: Vec<path::Path>,
}

/// A single name of an event, such as `event.payload.host`: what groups are kept apart by.
#[derive(Clone, Debug)]
pub struct Name(path::Path);

impl Name {
    /// Reads a name; anything else is an error.
    pub fn parse(source: &str) -> Result<Self, ConditionError> {
        check::length(source)?;
        let mut tokens = scan::scan(source, path::Roots::Event)?.into_iter();
        match (tokens.next().map(|token| token.kind), tokens.next()) {
            (Some(scan::Kind::Name(path)), None) => Ok(Self(path)),
            _ => {
                Err(ConditionError::at(source, 0, "expected one name, such as event.payload.host"))
            }
        }
    }

    /// Its value in an event; null where there is none.
    pub fn value(&self, event: &Subject<'_>) -> serde_json::Value {
        match self.0.find(&path::Ground::Event(*event)) {
            path::Found::Value(value) => value.to_json(),
            path::Found::Missing | path::Found::Null => serde_json::Value::Null,
        }
    }
}

/// The event that a condition is evaluated on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The event's id.
    pub id: &'a str,
    /// The event's type, `event.type`.
    pub kind: &'a str,
    /// Where the event came from.
    pub source: &'a str,
    /// What of its source the event is about.
    pub subject: Option<&'a str>,
    /// When we accepted the event.
    pub received_at: Time,
    /// What the producer sent.
    pub payload: &'a serde_json::Value,
}

/// Why a condition was not accepted, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {position}: {message}{}", HintSuffix(.hint))]
pub struct ConditionError {
    /// The column of the offending token, in characters from 1.
    pub position: usize,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

/// Why an evaluation has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The step budget was used up.
    #[error("the condition takes too many steps on this event")]
    TooManySteps,
}

impl Condition {
    /// Reads and checks a condition.
    pub fn parse(source: &str) -> Result<Self, ConditionError> {
        Self::parse_with(source, path::Roots::Event)
    }

    /// The same with names that begin elsewhere.
    fn parse_with(source: &str, roots: path::Roots) -> Result<Self, ConditionError> {
        check::length(source)?;
        let tokens = scan::scan(source, roots)?;
        check::grammar(source, &tokens)?;
        let root = build::build(source, &tokens)?;
        Ok(Self {
            inner: Arc::new(Inner {
                source: source.to_owned(),
                root,
                paths: distinct_paths(tokens),
            }),
        })
    }

    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Evaluates; cannot panic, overflow the stack or run more than `MAX_STEPS` steps.
    pub fn holds(&self, event: &Subject<'_>, now: Time) -> Result<bool, EvalError> {
        self.holds_on(path::Ground::Event(*event), now)
    }

    fn holds_on(&self, ground: path::Ground<'_>, now: Time) -> Result<bool, EvalError> {
        eval::Evaluator::new(ground, now, MAX_STEPS).truth(&self.inner.root)
    }

    /// Evaluates every part, also those that `holds` would skip, and says why the result is so.
    pub fn explain(&self, event: &Subject<'_>, now: Time) -> Result<Explanation, EvalError> {
        explain::explain(&self.inner.source, &self.inner.root, &self.inner.paths, event, now)
    }

    /// What an event must fulfil for this condition to be able to hold; each entry is necessary.
    pub fn demands(&self) -> Vec<Demand> {
        demand::demands(&self.inner.root)
    }

    /// The canonical paths that the condition uses, sorted and unique.
    pub fn names(&self) -> Vec<String> {
        let canonical = |path: &path::Path| path.canonical().to_owned();
        self.inner.paths.iter().map(canonical).collect()
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.inner.source).finish()
    }
}

impl ConditionError {
    /// An error at a byte offset of the source.
    fn at(source: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = source.char_indices().take_while(|(i, _)| *i < offset);
        Self { position: before.count() + 1, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

struct HintSuffix<'a>(&'a Option<String>);

impl fmt::Display for HintSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

fn distinct_paths(tokens: Vec<scan::Token>) -> Vec<path::Path> {
    let paths: BTreeSet<path::Path> = tokens
        .into_iter()
        .filter_map(|token| match token.kind {
            scan::Kind::Name(path) => Some(path),
            _ => None,
        })
        .collect();
    paths.into_iter().collect()
}
