//! The functions over texts and lists.

use std::borrow::Cow;

use super::super::EvalError;
use super::super::number::Num;
use super::super::tree::{Expr, Pattern, TextTest};
use super::super::value::Val;
use super::Evaluator;

/// Bytes of text that the smallest pattern looks at in one step.
const PATTERN_BYTES_PER_STEP: usize = 8;

impl<'a> Evaluator<'a> {
    pub(super) fn text_test(
        &mut self,
        test: TextTest,
        args: &'a [Expr; 2],
    ) -> Result<bool, EvalError> {
        let within = self.value(&args[0])?;
        let wanted = self.value(&args[1])?;
        match (test, &within, &wanted) {
            (TextTest::Contains, Val::List(list), wanted) => self.list_contains(list, wanted),
            (_, Val::Text(within), Val::Text(wanted)) => {
                self.spend_on_text(within)?;
                Ok(match test {
                    TextTest::Contains => within.contains(wanted.as_ref()),
                    TextTest::StartsWith => within.starts_with(wanted.as_ref()),
                    TextTest::EndsWith => within.ends_with(wanted.as_ref()),
                })
            }
            _ => {
                let name = match test {
                    TextTest::Contains => "contains",
                    TextTest::StartsWith => "starts_with",
                    TextTest::EndsWith => "ends_with",
                };
                self.note_not_text(name, &within);
                self.note_not_text(name, &wanted);
                Ok(false)
            }
        }
    }

    fn list_contains(
        &mut self,
        list: &'a [serde_json::Value],
        wanted: &Val<'a>,
    ) -> Result<bool, EvalError> {
        for element in list {
            if self.equal(&Val::from_json(element), wanted)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn matches(
        &mut self,
        text: &'a Expr,
        pattern: &'a Pattern,
    ) -> Result<bool, EvalError> {
        match self.value(text)? {
            Val::Text(text) => {
                let cost = text.len().saturating_mul(pattern.weight);
                self.spend(cost / PATTERN_BYTES_PER_STEP)?;
                Ok(pattern.regex.is_match(&text))
            }
            other => {
                self.note_not_text("matches", &other);
                Ok(false)
            }
        }
    }

    /// Characters of a text, elements of a list, keys of an object; else empty.
    pub(super) fn len(&mut self, inner: &'a Expr) -> Result<Val<'a>, EvalError> {
        let length = match self.value(inner)? {
            Val::Text(text) => {
                self.spend_on_text(&text)?;
                text.chars().count()
            }
            Val::List(list) => list.len(),
            Val::Object(object) => object.len(),
            other => {
                self.note_not_text("len", &other);
                return Ok(Val::Empty);
            }
        };
        Ok(Val::number(i128::try_from(length).ok().map(Num::int)))
    }

    pub(super) fn lower(&mut self, inner: &'a Expr) -> Result<Val<'a>, EvalError> {
        match self.value(inner)? {
            Val::Text(text) => {
                self.spend_on_text(&text)?;
                Ok(Val::Text(Cow::Owned(text.to_lowercase())))
            }
            other => {
                self.note_not_text("lower", &other);
                Ok(Val::Empty)
            }
        }
    }

    fn note_not_text(&mut self, function: &str, value: &Val<'a>) {
        if !matches!(value, Val::Text(_) | Val::Empty) {
            let kind = value.kind().name();
            self.note(|| format!("{function}() has no answer for this kind: {kind}"));
        }
    }
}
