//! Names: the paths of `event.…`, or of `resource.…` and `user.…` in permissions, in one canonical spelling.

use std::borrow::Cow;

use serde_json::Value;

use super::value::Val;
use super::{Facts, Subject};

/// A name that was checked and resolved to a field of the event or a place in its payload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    canonical: String,
    field: Field,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Type,
    Source,
    Subject,
    Id,
    ReceivedAt,
    Payload,
    /// All of the resource: what follows are keys of it.
    Resource,
    /// All of the user, likewise.
    User,
}

/// Where the names of a condition begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// At `event`: a rule's.
    Event,
    /// At `resource` and `user`: a permission's.
    Facts,
}

impl Roots {
    /// Whether a name can begin with this word.
    pub(super) fn has(self, word: &str) -> bool {
        match self {
            Self::Event => word == "event",
            Self::Facts => matches!(word, "resource" | "user"),
        }
    }
}

/// What a condition is evaluated on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ground<'a> {
    Event(Subject<'a>),
    Facts(Facts<'a>),
}

/// One step down from `event`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// What is at a path.
pub(super) enum Found<'a> {
    Missing,
    Null,
    Value(Val<'a>),
}

/// A name that points below a field that has nothing below it.
#[derive(Debug)]
pub(super) struct BelowOwnField(pub(super) String);

impl Path {
    /// The path of the steps after `event`, of which the first is a key.
    pub(super) fn new(first: String, rest: Vec<Step>) -> Result<Self, BelowOwnField> {
        let (field, steps) = match Field::named(&first) {
            Some(field) => (field, rest),
            None => {
                let below = std::iter::once(Step::Key(first)).chain(rest);
                (Field::Payload, below.collect())
            }
        };
        if field != Field::Payload && !steps.is_empty() {
            return Err(BelowOwnField(field.name().to_owned()));
        }
        Ok(Self { canonical: canonical(field, &steps), field, steps })
    }

    /// The path of the steps after `resource` or `user`.
    pub(super) fn of_fact(root: &str, first: String, rest: Vec<Step>) -> Self {
        let field = if root == "user" { Field::User } else { Field::Resource };
        let steps: Vec<Step> = std::iter::once(Step::Key(first)).chain(rest).collect();
        Self { canonical: canonical(field, &steps), field, steps }
    }

    /// Whether it names something of the resource.
    pub(super) fn is_of_resource(&self) -> bool {
        self.field == Field::Resource
    }

    pub(super) fn canonical(&self) -> &str {
        &self.canonical
    }

    /// True for the event's own fields that are always text.
    pub(super) fn is_own_field(&self) -> bool {
        matches!(self.field, Field::Type | Field::Source | Field::Id | Field::ReceivedAt)
    }

    /// How many steps below the payload it goes.
    pub(super) fn depth(&self) -> usize {
        self.steps.len()
    }

    /// The spelling of this path with its last key replaced.
    pub(super) fn with_last_key(&self, change: impl Fn(&str) -> String) -> Option<String> {
        let (last, before) = self.steps.split_last()?;
        let Step::Key(key) = last else { return None };
        let mut steps = before.to_vec();
        steps.push(Step::Key(change(key)));
        Some(canonical(self.field, &steps))
    }

    /// The last key, as in `contains` of `event.payload.name.contains`.
    pub(super) fn last_key(&self) -> Option<&str> {
        match self.steps.last()? {
            Step::Key(key) => Some(key),
            Step::Index(_) => None,
        }
    }

    pub(super) fn find<'a>(&self, ground: &Ground<'a>) -> Found<'a> {
        let text = |text: Cow<'a, str>| Found::Value(Val::Text(text));
        match (self.field, ground) {
            (Field::Type, Ground::Event(event)) => text(event.kind.into()),
            (Field::Source, Ground::Event(event)) => text(event.source.into()),
            (Field::Subject, Ground::Event(event)) => match event.subject {
                Some(subject) => text(subject.into()),
                None => Found::Missing,
            },
            (Field::Id, Ground::Event(event)) => text(event.id.into()),
            (Field::ReceivedAt, Ground::Event(event)) => text(event.received_at.rfc3339().into()),
            (Field::Payload, Ground::Event(event)) => self.find_in(event.payload),
            (Field::Resource, Ground::Facts(facts)) => self.find_in(facts.resource),
            (Field::User, Ground::Facts(facts)) => self.find_in(facts.user),
            (_, Ground::Event(_) | Ground::Facts(_)) => Found::Missing,
        }
    }

    fn find_in<'a>(&self, payload: &'a Value) -> Found<'a> {
        let found = self.steps.iter().try_fold(payload, |value, step| match step {
            Step::Key(key) => value.as_object()?.get(key),
            Step::Index(index) => value.as_array()?.get(*index),
        });
        match found {
            None => Found::Missing,
            Some(Value::Null) => Found::Null,
            Some(value) => Found::Value(Val::from_json(value)),
        }
    }
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        match name {
            "type" => Some(Field::Type),
            "source" => Some(Field::Source),
            "subject" => Some(Field::Subject),
            "id" => Some(Field::Id),
            "received_at" => Some(Field::ReceivedAt),
            "payload" => Some(Field::Payload),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Field::Type => "type",
            Field::Source => "source",
            Field::Subject => "subject",
            Field::Id => "id",
            Field::ReceivedAt => "received_at",
            Field::Payload => "payload",
            Field::Resource => "resource",
            Field::User => "user",
        }
    }
}

/// True for a character that a key may have without being quoted.
pub(super) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn canonical(field: Field, steps: &[Step]) -> String {
    let mut text = match field {
        Field::Resource | Field::User => field.name().to_owned(),
        _ => format!("event.{}", field.name()),
    };
    for step in steps {
        match step {
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) if !key.is_empty() && key.chars().all(is_word) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Key(key) => {
                let quoted = key.replace('\\', r"\\").replace('"', "\\\"");
                text.push_str(&format!("[\"{quoted}\"]"));
            }
        }
    }
    text
}
