//! What all sources say, before it is applied.

use std::collections::BTreeMap;

use super::mistake::{Mistake, Origin};

/// The name under which the profile stands among the values.
pub(super) const PROFILE_KEY: &str = "profile";

/// A value that was given, not yet understood.
pub(super) struct Given {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// What the sources say: the winning values by dotted name, and the mistakes so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) values: BTreeMap<String, Given>,
    pub(super) mistakes: Vec<Mistake>,
    /// A source could not be read, so what was not found may still have been given.
    pub(super) incomplete: bool,
}

impl Gathered {
    pub(super) fn mistake(
        &mut self,
        key: impl Into<String>,
        value: Option<String>,
        origin: Origin,
        fault: impl Into<String>,
    ) {
        self.mistakes.push(Mistake { key: key.into(), value, origin, fault: fault.into() });
    }
}
