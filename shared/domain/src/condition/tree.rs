//! Our own condition tree. Chains are flat, so its depth is bounded by the nesting guard.

use std::ops::Range;

use chrono_tz::Tz;
use regex::Regex;

use super::number::ArithOp;
use super::path::Path;
use super::value::{Literal, ValueKind};

/// A node and where it stands in the source, without parentheses around it.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Range<usize>,
}

#[derive(Debug)]
pub(super) enum ExprKind {
    Literal(Literal),
    Path(Path),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Compare(CompareOp, Box<[Expr; 2]>),
    /// A chain such as `a * b + c`, applied from the left.
    Arith(Box<Expr>, Vec<(ArithOp, Expr)>),
    /// The first is looked for among the others.
    In(Box<Expr>, Vec<Expr>),
    Text(TextTest, Box<[Expr; 2]>),
    Matches(Box<Expr>, Pattern),
    Exists(Path),
    Len(Box<Expr>),
    Lower(Box<Expr>),
    NowHour(Tz),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompareOp {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// A regular expression and what each byte of text costs, which grows with its compiled size.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    pub(super) weight: usize,
}

impl Expr {
    /// The kind that this has on every event, if it is the same on every event.
    pub(super) fn known_kind(&self) -> Option<ValueKind> {
        use ExprKind as E;
        match &self.kind {
            E::Literal(Literal::Num(_)) => Some(ValueKind::Number),
            E::Literal(Literal::Text(_)) | E::Lower(_) => Some(ValueKind::Text),
            E::Negate(_) | E::Arith(..) | E::Len(_) | E::NowHour(_) => Some(ValueKind::Number),
            E::Path(path) if path.is_own_field() => Some(ValueKind::Text),
            E::Path(_) => None,
            E::Literal(Literal::Bool(_))
            | E::Not(_)
            | E::All(_)
            | E::Any(_)
            | E::Compare(..)
            | E::In(..)
            | E::Text(..)
            | E::Matches(..)
            | E::Exists(_) => Some(ValueKind::Boolean),
        }
    }
}
