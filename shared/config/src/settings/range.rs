//! What a setting must be within: the bounds stand beside its default, and the reference page shows them.

use std::ops::{RangeFrom, RangeInclusive};

use super::Config;
use crate::setting::Setting;

/// The bounds of one setting, without its type.
pub(crate) struct Range {
    /// Whether its value is within them.
    pub(crate) holds: fn(&Config) -> bool,
    /// The bounds in words.
    pub(crate) words: fn() -> String,
}

/// Bounds of values of type `T`.
pub(crate) trait Within<T> {
    fn holds(&self, value: &T) -> bool;
    fn words(&self) -> String;
}

impl<T: Setting + PartialOrd> Within<T> for RangeInclusive<T> {
    fn holds(&self, value: &T) -> bool {
        self.contains(value)
    }

    fn words(&self) -> String {
        format!("from {} to {}", self.start().print(), self.end().print())
    }
}

impl<T: Setting + PartialOrd> Within<T> for RangeFrom<T> {
    fn holds(&self, value: &T) -> bool {
        self.contains(value)
    }

    fn words(&self) -> String {
        format!("at least {}", self.start.print())
    }
}
