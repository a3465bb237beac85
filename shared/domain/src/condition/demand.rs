//! What a condition demands of an event, so that rules can be found by it.

use serde_json::Value;

use super::path::Path;
use super::tree::{CompareOp, Expr, ExprKind};
use super::value::Literal;

/// The value at a path must equal one of these literals (numbers by value: 1 is 1.0).
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// The canonical path, such as `event.type`.
    pub path: String,
    /// The values of which it must have one.
    pub any_of: Vec<Value>,
}

/// Everything that must be fulfilled; one path may be named more than once.
pub(super) fn demands(expr: &Expr) -> Vec<Demand> {
    match &expr.kind {
        ExprKind::All(parts) => parts.iter().flat_map(demands).collect(),
        ExprKind::Any(parts) => common(parts),
        ExprKind::Compare(CompareOp::Eq, sides) => equality(&sides[0], &sides[1]),
        ExprKind::In(value, candidates) => membership(value, candidates),
        _ => Vec::new(),
    }
}

/// Of alternatives only a path that each of them demands is demanded, with all their values.
fn common(parts: &[Expr]) -> Vec<Demand> {
    let mut parts = parts.iter();
    let mut common = parts.next().map(demands).unwrap_or_default();
    for part in parts {
        let other = demands(part);
        common.retain_mut(|demand| {
            let same = other.iter().find(|other| other.path == demand.path);
            if let Some(same) = same {
                demand.any_of.extend(same.any_of.iter().cloned());
            }
            same.is_some()
        });
    }
    common.iter_mut().for_each(deduplicate);
    common
}

fn equality(a: &Expr, b: &Expr) -> Vec<Demand> {
    match (&a.kind, &b.kind) {
        (ExprKind::Path(path), ExprKind::Literal(literal))
        | (ExprKind::Literal(literal), ExprKind::Path(path)) => {
            vec![demand(path, vec![literal.to_json()])]
        }
        _ => Vec::new(),
    }
}

fn membership(value: &Expr, candidates: &[Expr]) -> Vec<Demand> {
    let ExprKind::Path(path) = &value.kind else {
        return Vec::new();
    };
    let literals: Option<Vec<Value>> =
        candidates.iter().map(|candidate| as_literal(candidate).map(Literal::to_json)).collect();
    literals.map(|any_of| vec![demand(path, any_of)]).unwrap_or_default()
}

fn as_literal(expr: &Expr) -> Option<&Literal> {
    match &expr.kind {
        ExprKind::Literal(literal) => Some(literal),
        _ => None,
    }
}

fn demand(path: &Path, any_of: Vec<Value>) -> Demand {
    let mut demand = Demand { path: path.canonical().to_owned(), any_of };
    deduplicate(&mut demand);
    demand
}

fn deduplicate(demand: &mut Demand) {
    let mut kept: Vec<Value> = Vec::new();
    for value in demand.any_of.drain(..) {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    demand.any_of = kept;
}
