//! Events that were read and judged, alone or among others.

use domain::intake::{self, Envelope};
use serde_json::value::RawValue;

use super::wire::NewEvent;
use crate::body::parse_text;
use crate::problem::Problem;

/// An event of a batch that may be accepted, or what is wrong with it.
pub struct Judged {
    /// The event.
    pub event: Result<intake::NewEvent, Problem>,
    /// Whether its key follows from that of its request.
    pub derived: bool,
}

impl From<Result<intake::NewEvent, Problem>> for Judged {
    fn from(event: Result<intake::NewEvent, Problem>) -> Self {
        Self { event, derived: false }
    }
}

/// Reads one event in our own words from its text.
pub fn judge_plain(text: &RawValue, max_payload: usize, given: Option<[u8; 32]>) -> Judged {
    let event = read(text, max_payload, given);
    let derived = event.as_ref().is_ok_and(is_derived);
    Judged { event, derived }
}

/// Reads one event from its own text, and judges it; `given` is the key that it has if it has none of its own.
pub fn read(
    text: &RawValue,
    max_payload: usize,
    given: Option<[u8; 32]>,
) -> Result<intake::NewEvent, Problem> {
    let text = text.get();
    let raw: NewEvent = parse_text(text)?;
    let envelope = Envelope { key: None, given, text: text.as_bytes(), max_payload };
    intake::validate(raw.into(), envelope).map_err(Problem::invalid)
}

/// Whether the key of an event follows from that of its request.
pub fn is_derived(event: &intake::NewEvent) -> bool {
    event.idempotency.as_ref().is_some_and(|one| one.key.is_none())
}
