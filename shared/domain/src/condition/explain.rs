//! Why a condition holds or does not.

use serde::Serialize;
use serde_json::Value;

use super::eval::Evaluator;
use super::path::{Found, Ground, Path};
use super::tree::{Expr, ExprKind};
use super::{EvalError, MAX_STEPS, Subject};
use crate::time::Time;

/// An explanation looks at all parts, so it may take more steps than an evaluation.
const STEPS: u32 = MAX_STEPS * 8;

/// The result of a condition and what it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What `holds` says.
    pub result: bool,
    /// Every name that is used, in order.
    pub values: Vec<NamedValue>,
    /// The parts of the outermost chain, or the whole condition if it is no chain.
    pub parts: Vec<Part>,
}

/// A name and what the event has there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedValue {
    /// The canonical path.
    pub name: String,
    /// The value, `null` if there is none.
    pub value: Value,
}

/// A part of a condition and its own result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// The part as it was written, without parentheses around it.
    pub text: String,
    /// Its own result, also where an earlier part had decided already.
    pub result: bool,
    /// What is remarkable about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What it is made of, if it is a chain or the negation of one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

pub(super) fn explain(
    source: &str,
    root: &Expr,
    paths: &[Path],
    event: &Subject<'_>,
    now: Time,
) -> Result<Explanation, EvalError> {
    let ground = Ground::Event(*event);
    let mut evaluator = Evaluator::new(ground, now, STEPS);
    evaluator.collect_notes();
    let mut explainer = Explainer { source, evaluator };
    let whole = explainer.part(root)?;
    Ok(Explanation {
        result: whole.result,
        values: paths.iter().map(|path| named_value(path, &ground)).collect(),
        parts: match root.kind {
            ExprKind::All(_) | ExprKind::Any(_) => whole.parts,
            _ => vec![whole],
        },
    })
}

struct Explainer<'a> {
    source: &'a str,
    evaluator: Evaluator<'a>,
}

impl<'a> Explainer<'a> {
    fn part(&mut self, expr: &'a Expr) -> Result<Part, EvalError> {
        let (result, parts) = match &expr.kind {
            ExprKind::All(parts) => self.chain(parts, false)?,
            ExprKind::Any(parts) => self.chain(parts, true)?,
            ExprKind::Not(inner) if is_composite(inner) => {
                let inner = self.part(inner)?;
                (!inner.result, vec![inner])
            }
            _ => (self.evaluator.truth(expr)?, Vec::new()),
        };
        let notes = self.evaluator.take_notes();
        Ok(Part {
            text: self.source.get(expr.span.clone()).unwrap_or_default().to_owned(),
            result,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            parts,
        })
    }

    /// The parts of a chain and its result; what stands after the decisive part is marked.
    fn chain(&mut self, parts: &'a [Expr], decisive: bool) -> Result<(bool, Vec<Part>), EvalError> {
        let mut decided = false;
        let mut explained = Vec::with_capacity(parts.len());
        for part in parts {
            let mut part = self.part(part)?;
            if decided {
                add_note(&mut part, "not needed for the result");
            }
            decided |= part.result == decisive;
            explained.push(part);
        }
        Ok((decided == decisive, explained))
    }
}

fn is_composite(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::All(_) | ExprKind::Any(_) | ExprKind::Not(_))
}

fn add_note(part: &mut Part, note: &str) {
    part.note = Some(match part.note.take() {
        Some(before) => format!("{before}; {note}"),
        None => note.to_owned(),
    });
}

fn named_value(path: &Path, ground: &Ground<'_>) -> NamedValue {
    NamedValue {
        name: path.canonical().to_owned(),
        value: match path.find(ground) {
            Found::Value(value) => value.to_json(),
            Found::Missing | Found::Null => Value::Null,
        },
    }
}
