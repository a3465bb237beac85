//! Values during an evaluation, borrowed from the event and the condition where possible.

use std::borrow::Cow;

use serde_json::Value;

use super::number::Num;

#[derive(Clone, Debug)]
pub(super) enum Literal {
    Bool(bool),
    Num(Num),
    Text(String),
}

/// What a value is, for messages and for telling apart what cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    Empty,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl ValueKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            ValueKind::Empty => "empty",
            ValueKind::Boolean => "boolean",
            ValueKind::Number => "number",
            ValueKind::Text => "text",
            ValueKind::List => "list",
            ValueKind::Object => "object",
        }
    }
}

#[derive(Debug)]
pub(super) enum Val<'a> {
    Empty,
    Bool(bool),
    Num(Num),
    Text(Cow<'a, str>),
    List(&'a [Value]),
    Object(&'a serde_json::Map<String, Value>),
}

impl<'a> Val<'a> {
    pub(super) fn from_json(value: &'a Value) -> Self {
        match value {
            Value::Null => Val::Empty,
            Value::Bool(value) => Val::Bool(*value),
            Value::Number(number) => Num::from_json(number).map_or(Val::Empty, Val::Num),
            Value::String(text) => Val::Text(Cow::Borrowed(text)),
            Value::Array(list) => Val::List(list),
            Value::Object(object) => Val::Object(object),
        }
    }

    pub(super) fn from_literal(literal: &'a Literal) -> Self {
        match literal {
            Literal::Bool(value) => Val::Bool(*value),
            Literal::Num(number) => Val::Num(*number),
            Literal::Text(text) => Val::Text(Cow::Borrowed(text)),
        }
    }

    pub(super) fn number(value: Option<Num>) -> Self {
        value.map_or(Val::Empty, Val::Num)
    }

    pub(super) fn kind(&self) -> ValueKind {
        match self {
            Val::Empty => ValueKind::Empty,
            Val::Bool(_) => ValueKind::Boolean,
            Val::Num(_) => ValueKind::Number,
            Val::Text(_) => ValueKind::Text,
            Val::List(_) => ValueKind::List,
            Val::Object(_) => ValueKind::Object,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Val::Empty => Value::Null,
            Val::Bool(value) => Value::Bool(*value),
            Val::Num(number) => number.to_json(),
            Val::Text(text) => Value::String(text.clone().into_owned()),
            Val::List(list) => Value::Array(list.to_vec()),
            Val::Object(object) => Value::Object((*object).clone()),
        }
    }
}

impl Literal {
    pub(super) fn to_json(&self) -> Value {
        Val::from_literal(self).to_json()
    }
}
