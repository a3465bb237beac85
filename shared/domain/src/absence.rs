//! When an event is missing: the deadlines of rules that wait for one.

use std::time::Duration;

use chrono::TimeZone;
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultCode};
use super::profile::timezone_fault;
use crate::time::Time;

/// When the next matching event is missing: after a time, or at times of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absence {
    /// The longest time from one to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// Or the times, as a cron expression of five fields, before each of which one must have come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Where the clock of the cron expression hangs; UTC if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// The deadlines by which events must come.
#[derive(Clone, Debug)]
pub enum Deadlines {
    /// So long after the last one.
    After(Duration),
    /// At each of these times there must have been one since the time before.
    At(Box<Cron>, Tz),
}

impl Deadlines {
    /// The deadlines that a rule says.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(absence: &Absence) -> Result<Self, Fault> {
        if let Some(seconds) = absence.seconds {
            return Ok(Self::After(Duration::from_secs(seconds.into())));
        }
        let right = "a cron expression of five fields, like 30 5 * * mon-fri";
        let text = absence.cron.as_deref().unwrap_or_default();
        let invalid = |why: String| Fault::new("absence.cron", FaultCode::Invalid, why);
        if text.len() > 100 {
            return Err(invalid(right.to_owned()));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let cron =
            parser.parse(text).map_err(|error| invalid(format!("{error}; write {right}")))?;
        let name = absence.timezone.as_deref().unwrap_or("UTC");
        if let Some(fault) = timezone_fault("absence.timezone", name) {
            return Err(fault);
        }
        let deadlines = Self::At(Box::new(cron), name.parse().unwrap_or(Tz::UTC));
        match deadlines.next(Time::default()) {
            Some(_) => Ok(deadlines),
            None => Err(invalid("it never comes".to_owned())),
        }
    }

    /// The first deadline that counts when the last event, or the rule itself, is of `since`, and the deadline `missed`
    /// was missed already.
    pub fn first(&self, since: Time, missed: Option<Time>) -> Option<Time> {
        match self {
            Self::After(span) => {
                let deadline = since.plus(*span);
                missed.is_none_or(|missed| missed < deadline).then_some(deadline)
            }
            // The event stands for the time that comes next; the one after it is the first that it can't stand for.
            Self::At(..) => {
                let deadline = self.next(self.next(since)?)?;
                match missed {
                    Some(missed) if missed >= deadline => self.next(missed),
                    _ => Some(deadline),
                }
            }
        }
    }

    /// The first time of a schedule after `after`.
    fn next(&self, after: Time) -> Option<Time> {
        let Self::At(cron, zone) = self else { return None };
        let local = zone.from_utc_datetime(&after.utc().naive_utc());
        let next = cron.find_next_occurrence(&local, false).ok()?;
        Some(Time::from_micros(next.timestamp_micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::parse(text).expect(text)
    }

    fn cron(text: &str, timezone: &str) -> Result<Deadlines, Fault> {
        Deadlines::new(&Absence {
            seconds: None,
            cron: Some(text.to_owned()),
            timezone: Some(timezone.to_owned()),
        })
    }

    #[test]
    fn after_a_time_there_is_one_deadline() {
        let minute = Deadlines::After(Duration::from_secs(60));
        let since = at("2026-03-02T12:00:00Z");
        let deadline = at("2026-03-02T12:01:00Z");
        assert_eq!(minute.first(since, None), Some(deadline));
        assert_eq!(minute.first(since, Some(deadline)), None);
        assert_eq!(minute.first(deadline, Some(deadline)), Some(at("2026-03-02T12:02:00Z")));
    }

    #[test]
    fn a_schedule_has_a_deadline_each_time() {
        let nightly = cron("0 3 * * *", "Europe/Vienna").expect("fine");
        for (since, missed, first) in [
            ("2026-03-02T12:00:00Z", None, "2026-03-04T02:00:00.000Z"),
            ("2026-03-02T01:59:00Z", None, "2026-03-03T02:00:00.000Z"),
            ("2026-03-02T12:00:00Z", Some("2026-03-04T02:00:00Z"), "2026-03-05T02:00:00.000Z"),
            // In the night to the 29th the clocks go forward.
            ("2026-03-27T12:00:00Z", None, "2026-03-29T01:00:00.000Z"),
        ] {
            let found = nightly.first(at(since), missed.map(at)).map(Time::rfc3339);
            assert_eq!(found.as_deref(), Some(first), "{since} {missed:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, timezone, field) in [
            ("* * * *", "UTC", "absence.cron"),
            ("0 0 3 * * *", "UTC", "absence.cron"),
            ("61 * * * *", "UTC", "absence.cron"),
            ("0 0 31 2 *", "UTC", "absence.cron"),
            ("0 3 * * *", "Vienna", "absence.timezone"),
        ] {
            let fault = cron(text, timezone).expect_err(text);
            assert_eq!(fault.field, field, "{text}: {fault:?}");
        }
    }
}
