//! Equality and order.

use std::cmp::Ordering;

use serde_json::Value;

use super::super::EvalError;
use super::super::tree::{CompareOp, Expr};
use super::super::value::Val;
use super::super::value::ValueKind;
use super::Evaluator;

/// Bytes of text that are looked at in one step.
const BYTES_PER_STEP: usize = 64;

impl<'a> Evaluator<'a> {
    pub(super) fn compare(
        &mut self,
        op: CompareOp,
        sides: &'a [Expr; 2],
    ) -> Result<bool, EvalError> {
        let a = self.value(&sides[0])?;
        let b = self.value(&sides[1])?;
        if matches!(op, CompareOp::Eq | CompareOp::Ne) {
            self.note_kinds(&a, &b);
            return Ok(self.equal(&a, &b)? == (op == CompareOp::Eq));
        }
        let Some(order) = self.order(&a, &b)? else {
            return Ok(false);
        };
        Ok(match op {
            CompareOp::Gt => order.is_gt(),
            CompareOp::Lt => order.is_lt(),
            CompareOp::Ge => order.is_ge(),
            CompareOp::Le => order.is_le(),
            CompareOp::Eq | CompareOp::Ne => false,
        })
    }

    pub(super) fn is_in(
        &mut self,
        value: &'a Expr,
        candidates: &'a [Expr],
    ) -> Result<bool, EvalError> {
        let value = self.value(value)?;
        for candidate in candidates {
            let candidate = self.value(candidate)?;
            if self.equal(&value, &candidate)? {
                return Ok(true);
            }
            if matches!(candidate, Val::List(_)) {
                self.note(|| {
                    "in() compares a list as a whole; contains(list, x) looks inside".to_owned()
                });
            }
        }
        Ok(false)
    }

    /// Equality: numbers by value, empty only with empty, different kinds never.
    pub(super) fn equal(&mut self, a: &Val<'a>, b: &Val<'a>) -> Result<bool, EvalError> {
        let mut pairs: Vec<(&'a Value, &'a Value)> = Vec::new();
        if !self.equal_but_for(a, b, &mut pairs)? {
            return Ok(false);
        }
        // A list of what is still to be compared, because recursion would follow the payload.
        while let Some((a, b)) = pairs.pop() {
            if !self.equal_but_for(&Val::from_json(a), &Val::from_json(b), &mut pairs)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Compares all but the elements of lists and objects, which it adds to the pairs.
    fn equal_but_for(
        &mut self,
        a: &Val<'a>,
        b: &Val<'a>,
        pairs: &mut Vec<(&'a Value, &'a Value)>,
    ) -> Result<bool, EvalError> {
        self.spend(1)?;
        match (a, b) {
            (Val::Empty, Val::Empty) => Ok(true),
            (Val::Bool(a), Val::Bool(b)) => Ok(a == b),
            (Val::Num(a), Val::Num(b)) => Ok(a.compare(*b).is_eq()),
            (Val::Text(a), Val::Text(b)) if a.len() == b.len() => {
                self.spend_on_text(a)?;
                Ok(a == b)
            }
            (Val::List(a), Val::List(b)) if a.len() == b.len() => {
                self.spend(a.len())?;
                pairs.extend(a.iter().zip(b.iter()));
                Ok(true)
            }
            (Val::Object(a), Val::Object(b)) if a.len() == b.len() => {
                self.spend(a.len())?;
                for (key, value) in a.iter() {
                    match b.get(key) {
                        Some(other) => pairs.push((value, other)),
                        None => return Ok(false),
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The order of two numbers or two texts; nothing else has one.
    fn order(&mut self, a: &Val<'a>, b: &Val<'a>) -> Result<Option<Ordering>, EvalError> {
        match (a, b) {
            (Val::Num(a), Val::Num(b)) => Ok(Some(a.compare(*b))),
            (Val::Text(a), Val::Text(b)) => {
                self.spend_on_text(if a.len() < b.len() { a } else { b })?;
                Ok(Some(a.cmp(b)))
            }
            _ if a.kind() == b.kind() => {
                let kind = a.kind().name();
                self.note(|| format!("{kind} values have no order"));
                Ok(None)
            }
            _ => {
                self.note_kinds(a, b);
                Ok(None)
            }
        }
    }

    fn note_kinds(&mut self, a: &Val<'a>, b: &Val<'a>) {
        let (a, b) = (a.kind(), b.kind());
        // That something is empty was noted where it was looked up.
        if a != b && a != ValueKind::Empty && b != ValueKind::Empty {
            self.note(|| format!("different kinds: {} and {}", a.name(), b.name()));
        }
    }

    pub(super) fn spend_on_text(&mut self, text: &str) -> Result<(), EvalError> {
        self.spend(text.len() / BYTES_PER_STEP)
    }
}
