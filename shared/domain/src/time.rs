//! Points in time: microseconds since 1970 in UTC, the same resolution on every engine.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, in microseconds UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

impl Time {
    /// The time that lies `micros` microseconds after the start of 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start of 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the start of 1970, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This time and `by` more.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    /// This time less `by`.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// When the hour of this time began.
    #[must_use]
    pub const fn hour(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(HOUR)))
    }

    /// When the hour of this time ends.
    #[must_use]
    pub const fn next_hour(self) -> Self {
        Self(self.hour().0.saturating_add(HOUR))
    }

    /// RFC 3339 in UTC with milliseconds: how times look on the wire.
    pub fn rfc3339(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Reads RFC 3339; `None` for anything else and for years that no engine can hold.
    pub fn parse(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros();
        (MIN..=MAX).contains(&time).then_some(Self(time))
    }

    /// The same time as chrono has it.
    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

/// An hour in microseconds.
const HOUR: i64 = 3_600_000_000;

// The years 1000 to 9999 are what every engine can store.
const MIN: i64 = -30_610_224_000_000_000;
const MAX: i64 = 253_402_300_799_999_999;

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.utc().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("expected a time as RFC 3339, such as 2026-01-31T09:30:00Z")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_rfc3339() {
        let time = Time::parse("2026-01-31T10:30:00.123456+01:00").expect("valid");
        assert_eq!(time.rfc3339(), "2026-01-31T09:30:00.123Z");
        assert_eq!(serde_json::to_string(&time).expect("json"), "\"2026-01-31T09:30:00.123456Z\"");
        for bad in ["", "2026-01-31", "2026-01-31T10:30:00", "0200-01-01T00:00:00Z", "yesterday"] {
            assert_eq!(Time::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let time = Time::from_micros(5);
        assert_eq!(time.plus(Duration::MAX).micros(), i64::MAX);
        assert_eq!(time.since(Time::from_micros(9)), Duration::ZERO);
        assert_eq!(time.plus(Duration::from_secs(1)).since(time), Duration::from_secs(1));
    }
}
