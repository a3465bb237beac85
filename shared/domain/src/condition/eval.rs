//! The evaluator: total, bounded by a step budget, and silent unless somebody wants notes.

mod compare;
mod text;

use chrono::{TimeZone, Timelike};
use chrono_tz::Tz;

use super::EvalError;
use super::number::ArithOp;
use super::number::Num;
use super::path::{Found, Ground, Path};
use super::tree::{Expr, ExprKind};
use super::value::Val;
use super::value::ValueKind;
use crate::time::Time;

/// One evaluation of one condition.
pub(super) struct Evaluator<'a> {
    ground: Ground<'a>,
    now: Time,
    steps_left: u32,
    /// Why things are as they are; collected only for an explanation.
    notes: Option<Vec<String>>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(ground: Ground<'a>, now: Time, steps: u32) -> Self {
        Self { ground, now, steps_left: steps, notes: None }
    }

    pub(super) fn collect_notes(&mut self) {
        self.notes = Some(Vec::new());
    }

    pub(super) fn take_notes(&mut self) -> Vec<String> {
        self.notes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether it is true; what is neither true nor false is false.
    pub(super) fn truth(&mut self, expr: &'a Expr) -> Result<bool, EvalError> {
        self.spend(1)?;
        match &expr.kind {
            ExprKind::Not(inner) => Ok(!self.truth(inner)?),
            ExprKind::All(parts) => self.stops_at(parts, false),
            ExprKind::Any(parts) => self.stops_at(parts, true),
            ExprKind::Compare(op, sides) => self.compare(*op, sides),
            ExprKind::In(value, candidates) => self.is_in(value, candidates),
            ExprKind::Text(test, args) => self.text_test(*test, args),
            ExprKind::Matches(text, pattern) => self.matches(text, pattern),
            ExprKind::Exists(path) => Ok(self.look_up(path)?.kind() != ValueKind::Empty),
            _ => {
                let value = self.value(expr)?;
                Ok(self.as_truth(&value))
            }
        }
    }

    /// Evaluates until one part has this result, which then is the result of the chain.
    fn stops_at(&mut self, parts: &'a [Expr], decisive: bool) -> Result<bool, EvalError> {
        for part in parts {
            if self.truth(part)? == decisive {
                return Ok(decisive);
            }
        }
        Ok(!decisive)
    }

    fn as_truth(&mut self, value: &Val<'a>) -> bool {
        match value {
            Val::Bool(value) => *value,
            other => {
                let kind = other.kind().name();
                self.note(|| format!("{kind} is neither true nor false, so it counts as false"));
                false
            }
        }
    }

    fn value(&mut self, expr: &'a Expr) -> Result<Val<'a>, EvalError> {
        self.spend(1)?;
        match &expr.kind {
            ExprKind::Literal(literal) => Ok(Val::from_literal(literal)),
            ExprKind::Path(path) => self.look_up(path),
            ExprKind::Negate(inner) => {
                let inner = self.value(inner)?;
                Ok(Val::number(self.as_number(&inner).map(Num::negate)))
            }
            ExprKind::Arith(first, rest) => self.arith(first, rest),
            ExprKind::Len(inner) => self.len(inner),
            ExprKind::Lower(inner) => self.lower(inner),
            ExprKind::NowHour(zone) => Ok(Val::number(hour(self.now, *zone))),
            _ => Ok(Val::Bool(self.truth(expr)?)),
        }
    }

    fn look_up(&mut self, path: &Path) -> Result<Val<'a>, EvalError> {
        self.spend(path.depth())?;
        match path.find(&self.ground) {
            Found::Value(value) => Ok(value),
            Found::Missing => {
                self.note(|| format!("{} is missing", path.canonical()));
                Ok(Val::Empty)
            }
            Found::Null => {
                self.note(|| format!("{} is null", path.canonical()));
                Ok(Val::Empty)
            }
        }
    }

    fn arith(
        &mut self,
        first: &'a Expr,
        rest: &'a [(ArithOp, Expr)],
    ) -> Result<Val<'a>, EvalError> {
        let first = self.value(first)?;
        let mut result = self.as_number(&first);
        for (op, operand) in rest {
            let operand = self.value(operand)?;
            let operand = self.as_number(&operand);
            let (Some(a), Some(b)) = (result, operand) else {
                result = None;
                continue;
            };
            result = a.apply(*op, b);
            if result.is_none() {
                self.note(|| match op {
                    ArithOp::Div | ArithOp::Rem => "division by zero gives empty".to_owned(),
                    _ => "the number is too large and gives empty".to_owned(),
                });
            }
        }
        Ok(Val::number(result))
    }

    fn as_number(&mut self, value: &Val<'a>) -> Option<Num> {
        match value {
            Val::Num(number) => Some(*number),
            Val::Empty => None,
            other => {
                let kind = other.kind().name();
                self.note(|| format!("arithmetic with {kind} gives empty"));
                None
            }
        }
    }

    /// Takes steps from the budget.
    fn spend(&mut self, steps: usize) -> Result<(), EvalError> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.steps_left.checked_sub(steps));
        // What is used up stays used up, so that an explanation cannot go on after the error.
        self.steps_left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(EvalError::TooManySteps)
    }

    fn note(&mut self, note: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            let note = note();
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
}

/// The hour of the day in a timezone; nothing for a time outside the calendar.
fn hour(now: Time, zone: Tz) -> Option<Num> {
    let utc = chrono::DateTime::from_timestamp_micros(now.micros())?;
    let local = zone.from_utc_datetime(&utc.naive_utc());
    Some(Num::Int(local.hour().into()))
}
