//! Which events a list shows, and a bulk action is about.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::condition::{Name, Subject};
use super::event::{Event, EventStatus};
use super::fault::{Fault, FaultCode};
use super::intake::{MAX_SOURCE, MAX_SUBJECT, is_event_type};
use crate::id::RuleId;
use crate::time::Time;

/// The most places of the payload that a filter looks at.
pub const MAX_PLACES: usize = 10;

/// The most characters of a path, a value or a text that is looked for.
pub const MAX_TEXT: usize = 200;

/// Which events: all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    /// Of that type.
    pub kind: Option<String>,
    /// From there.
    pub source: Option<String>,
    /// About that.
    pub subject: Option<String>,
    /// Received at or after.
    pub from: Option<Time>,
    /// Received before.
    pub to: Option<Time>,
    /// That came so far.
    pub status: Option<EventStatus>,
    /// That this rule matched.
    pub rule: Option<RuleId>,
    /// With these values in their payload.
    pub payload: Vec<PayloadValue>,
    /// With this in their type, source, subject or payload, in any case.
    pub text: Option<String>,
}

/// A place of a payload, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadValue {
    /// Its path, as in conditions behind `event.payload.`.
    pub path: String,
    /// The text that stands there, or that of a number, `true`, `false` or `null`; of a list, any of its items.
    pub value: String,
}

impl PayloadValue {
    fn name(&self) -> Option<Name> {
        Name::parse(&format!("event.payload.{}", self.path)).ok()
    }
}

impl EventFilter {
    /// What is wrong with it. Fields are named with `prefix` before them.
    pub fn faults(&self, prefix: &str) -> Vec<Fault> {
        let mut found = Vec::new();
        let mut say = |field: &str, code, right: String| {
            found.push(Fault::new(format!("{prefix}{field}"), code, right));
        };
        if self.kind.as_deref().is_some_and(|kind| !is_event_type(kind)) {
            say("type", FaultCode::Invalid, "it must be a type of event, like order.paid".into());
        }
        for (name, text, max) in
            [("source", &self.source, MAX_SOURCE), ("subject", &self.subject, MAX_SUBJECT)]
        {
            if text.as_deref().is_some_and(|text| !fits(text, max)) {
                say(name, FaultCode::Invalid, format!("it must have at most {max} characters"));
            }
        }
        if self.text.as_deref().is_some_and(|text| text.is_empty() || !fits(text, MAX_TEXT)) {
            say("q", FaultCode::Invalid, format!("it must have 1 to {MAX_TEXT} characters"));
        }
        if self.payload.len() > MAX_PLACES {
            say("payload", FaultCode::TooLong, format!("it must have at most {MAX_PLACES} values"));
        }
        for one in self.payload.iter().take(MAX_PLACES) {
            if one.name().is_none() || !fits(&one.path, MAX_TEXT) {
                let right = format!("{:?} is no path in a payload, like order.id", one.path);
                say("payload", FaultCode::Invalid, right);
            } else if !fits(&one.value, MAX_TEXT) {
                let right = format!("a value must have at most {MAX_TEXT} characters");
                say("payload", FaultCode::Invalid, right);
            }
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            say("to", FaultCode::Invalid, "it must be a time after from".into());
        }
        found
    }

    /// Whether it says nothing, so that all events fit it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same, of what was received before `now`.
    pub fn before(&self, now: Time) -> Self {
        Self { to: Some(self.to.map_or(now, |to| to.min(now))), ..self.clone() }
    }

    /// Whether it asks for what only a look at the event itself tells.
    pub fn looks_inside(&self) -> bool {
        !self.payload.is_empty() || self.text.is_some()
    }

    /// Whether an event has what only a look at itself tells.
    pub fn holds_inside(&self, event: &Event) -> bool {
        let text = self.text.as_deref().is_none_or(|text| has_text(event, text));
        text && (self.payload.is_empty() || has_values(event, &self.payload))
    }
}

fn fits(text: &str, max: usize) -> bool {
    !text.contains('\0') && text.chars().count() <= max
}

fn has_values(event: &Event, wanted: &[PayloadValue]) -> bool {
    let Ok(payload) = serde_json::from_str::<Value>(event.payload.get()) else { return false };
    let subject = Subject {
        id: "",
        kind: &event.kind,
        source: &event.source,
        subject: event.subject.as_deref(),
        received_at: event.received_at,
        payload: &payload,
    };
    wanted.iter().all(|one| one.name().is_some_and(|name| is(&name.value(&subject), &one.value)))
}

fn is(found: &Value, wanted: &str) -> bool {
    match found {
        Value::String(text) => text == wanted,
        Value::Number(number) => {
            let as_number = |text: &str| text.parse::<f64>().ok().filter(|one| one.is_finite());
            let found = number.to_string();
            found == wanted
                || as_number(&found).zip(as_number(wanted)).is_some_and(|(one, other)| one == other)
        }
        Value::Bool(found) => wanted == if *found { "true" } else { "false" },
        Value::Null => wanted == "null",
        Value::Array(items) => items.iter().any(|item| !item.is_array() && is(item, wanted)),
        Value::Object(_) => false,
    }
}

fn has_text(event: &Event, wanted: &str) -> bool {
    let wanted = wanted.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&wanted);
    let payload = event.payload.get();
    has(&event.kind)
        || has(&event.source)
        || event.subject.as_deref().is_some_and(has)
        || has(payload)
        // What is written with escapes is looked at without them.
        || payload.contains('\\')
            && serde_json::from_str::<Value>(payload).is_ok_and(|payload| within(&payload, &has))
}

fn within(value: &Value, has: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => has(text),
        Value::Array(items) => items.iter().any(|item| within(item, has)),
        Value::Object(fields) => fields.iter().any(|(name, value)| has(name) || within(value, has)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::id::EventId;

    fn event(payload: &str) -> Event {
        Event {
            id: EventId::fresh(Time::default()),
            kind: "order.paid".into(),
            source: "shop".into(),
            subject: Some("Order 7".into()),
            payload: RawValue::from_string(payload.into()).expect("JSON"),
            occurred_at: None,
            received_at: Time::default(),
            idempotency_key: None,
            correlation_id: None,
            replay_of: None,
            key_id: None,
        }
    }

    #[test]
    fn values_of_payloads_are_found_by_their_paths() {
        let event = event(
            r#"{"order":{"id":"A-17","total":129.90,"open":true,"note":null},"tags":["a",7],"big":1e3}"#,
        );
        for (path, value, wanted) in [
            ("order.id", "A-17", true),
            ("order.id", "a-17", false),
            ("order.total", "129.90", true),
            ("order.total", "129.9", true),
            ("order.total", "129", false),
            ("order.open", "true", true),
            ("order.open", "1", false),
            ("order.note", "null", true),
            ("tags", "a", true),
            ("tags", "7", true),
            ("tags", "b", false),
            ("big", "1000", true),
            ("order", "A-17", false),
            ("nothing", "A-17", false),
        ] {
            let payload = vec![PayloadValue { path: path.into(), value: value.into() }];
            let filter = EventFilter { payload, ..EventFilter::default() };
            assert_eq!(filter.faults(""), []);
            assert_eq!(filter.holds_inside(&event), wanted, "{path}={value}");
        }
    }

    #[test]
    fn texts_are_found_in_any_case_and_behind_escapes() {
        let event = event(r#"{"who":"J\u00fcrgen","what":"Disk \"full\"","n":4711}"#);
        for (text, wanted) in [
            ("ORDER.P", true),
            ("shop", true),
            ("order 7", true),
            ("j\u{fc}rgen", true),
            ("disk \"FULL\"", true),
            ("4711", true),
            ("empty", false),
        ] {
            let filter = EventFilter { text: Some(text.into()), ..EventFilter::default() };
            assert_eq!(filter.holds_inside(&event), wanted, "{text}");
        }
    }

    #[test]
    fn faults_name_their_field() {
        let place = |path: &str| vec![PayloadValue { path: path.into(), value: "x".into() }];
        let all = EventFilter::default;
        let at = Time::default();
        for (filter, wanted) in [
            (all(), None),
            (EventFilter { kind: Some("a b".into()), ..all() }, Some("events.type")),
            (EventFilter { source: Some("x".repeat(201)), ..all() }, Some("events.source")),
            (EventFilter { text: Some(String::new()), ..all() }, Some("events.q")),
            (EventFilter { text: Some("a\0".into()), ..all() }, Some("events.q")),
            (EventFilter { payload: place("a..b"), ..all() }, Some("events.payload")),
            (EventFilter { payload: place(""), ..all() }, Some("events.payload")),
            (
                EventFilter { payload: vec![place("a").remove(0); 11], ..all() },
                Some("events.payload"),
            ),
            (EventFilter { from: Some(at), to: Some(at), ..all() }, Some("events.to")),
        ] {
            let found = filter.faults("events.");
            let fields: Vec<&str> = found.iter().map(|fault| fault.field.as_ref()).collect();
            assert_eq!(fields, Vec::from_iter(wanted), "{filter:?}");
        }
    }
}
