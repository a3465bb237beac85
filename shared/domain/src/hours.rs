//! Hours of a week on the clock of a place: when a rule is active, when a silence recurs, when it is quiet.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, LocalResult, NaiveDateTime, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultCode};
use super::names::words;
use super::profile::timezone_fault;
use crate::time::Time;

words! {
    /// A day of the week.
    Day {
        /// The first, as ISO 8601 has it.
        Monday = 1 "mon",
        /// The second.
        Tuesday = 2 "tue",
        /// The third.
        Wednesday = 3 "wed",
        /// The fourth.
        Thursday = 4 "thu",
        /// The fifth.
        Friday = 5 "fri",
        /// The sixth.
        Saturday = 6 "sat",
        /// The seventh.
        Sunday = 7 "sun",
    }
}

/// Hours that come again each week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Where the clock hangs, such as `Europe/Vienna`.
    pub timezone: String,
    /// The days on which they begin; every day, if there are none.
    #[serde(default)]
    pub days: BTreeSet<Day>,
    /// When they begin, like `22:00`.
    pub from: String,
    /// When they end, on the next day if that is earlier.
    pub to: String,
}

impl Hours {
    /// Whether a time is within them. Hours that can't be read have no end: rather one alert too many.
    pub fn holds(&self, at: Time) -> bool {
        within(&self.timezone, &self.days, &self.from, &self.to, at).unwrap_or(true)
    }

    /// When what `holds` says changes next.
    pub fn changes(&self, after: Time) -> Option<Time> {
        let zone: Tz = self.timezone.parse().ok()?;
        let (from, to) = (minute(&self.from)?, minute(&self.to)?);
        let today = zone.from_utc_datetime(&after.utc().naive_utc()).date_naive();
        let mut edges: Vec<Time> = (0..=8)
            .filter_map(|days| today.checked_add_days(Days::new(days)))
            .flat_map(|day| [from, to].map(|minute| (day, minute)))
            .filter_map(|(day, minute)| {
                let time = NaiveTime::from_hms_opt(minute / 60, minute % 60, 0)?;
                on_wall(zone, day.and_time(time))
            })
            .filter(|edge| *edge > after)
            .collect();
        edges.sort_unstable();
        let now = self.holds(after);
        edges.into_iter().find(|edge| self.holds(*edge) != now)
    }

    /// What is wrong with them, as the field `field`.
    pub fn faults(&self, field: &str) -> Vec<Fault> {
        let mut faults: Vec<Fault> =
            timezone_fault(format!("{field}.timezone"), &self.timezone).into_iter().collect();
        for (name, text) in [("from", &self.from), ("to", &self.to)] {
            if minute(text).is_none() {
                let right = "it must be hours and minutes, like 22:00";
                faults.push(Fault::new(format!("{field}.{name}"), FaultCode::Invalid, right));
            }
        }
        if self.from == self.to {
            let right = "it must be another time than from";
            faults.push(Fault::new(format!("{field}.to"), FaultCode::Invalid, right));
        }
        faults
    }
}

/// Whether a time is within hours of a week; `None` when they can't be read.
pub fn within(
    timezone: &str,
    days: &BTreeSet<Day>,
    from: &str,
    to: &str,
    at: Time,
) -> Option<bool> {
    let (zone, from, to) = (timezone.parse::<Tz>().ok()?, minute(from)?, minute(to)?);
    let local = zone.from_utc_datetime(&at.utc().naive_utc());
    let at = local.hour() * 60 + local.minute();
    let on = |back: u32| {
        let number = (local.weekday().number_from_monday() + 6 - back) % 7 + 1;
        let day = i16::try_from(number).ok().and_then(Day::from_number);
        days.is_empty() || day.is_some_and(|day| days.contains(&day))
    };
    if from < to {
        return Some((from..to).contains(&at) && on(0));
    }
    Some((at >= from && on(0)) || (at < to && on(1)))
}

/// The time at which the clock of a place shows this; where it is turned forward over it, the first time after.
fn on_wall(zone: Tz, wall: NaiveDateTime) -> Option<Time> {
    let shown = |wall: NaiveDateTime| match zone.from_local_datetime(&wall) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => {
            Some(Time::from_micros(time.timestamp_micros()))
        }
        LocalResult::None => None,
    };
    shown(wall).or_else(|| {
        // Clocks are turned by whole quarters of an hour, and never by more than a day.
        (1..=96).find_map(|quarters| shown(wall + chrono::TimeDelta::minutes(15 * quarters)))
    })
}

/// The minute of the day that `22:00` means.
pub fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| digits)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::parse(text).expect(text)
    }

    fn hours(days: &[Day], from: &str, to: &str) -> Hours {
        Hours {
            timezone: "Europe/Vienna".to_owned(),
            days: days.iter().copied().collect(),
            from: from.to_owned(),
            to: to.to_owned(),
        }
    }

    #[test]
    fn they_change_when_the_clock_on_the_wall_says_so() {
        // Monday the 2nd of March 2026; on the 29th Vienna's clocks go from 02:00 to 03:00, on October the 25th back.
        for (days, from, to, time, holds, changes) in [
            (&[][..], "08:00", "18:00", "2026-03-02T06:59:00Z", false, "2026-03-02T07:00:00.000Z"),
            (&[], "08:00", "18:00", "2026-03-02T07:00:00Z", true, "2026-03-02T17:00:00.000Z"),
            (&[], "22:00", "07:00", "2026-03-02T22:00:00Z", true, "2026-03-03T06:00:00.000Z"),
            (
                &[Day::Monday],
                "22:00",
                "07:00",
                "2026-03-03T03:00:00Z",
                true,
                "2026-03-03T06:00:00.000Z",
            ),
            (
                &[Day::Monday],
                "22:00",
                "07:00",
                "2026-03-03T07:00:00Z",
                false,
                "2026-03-09T21:00:00.000Z",
            ),
            (&[], "02:30", "08:00", "2026-03-28T23:00:00Z", false, "2026-03-29T01:00:00.000Z"),
            (&[], "08:00", "18:00", "2026-03-28T18:00:00Z", false, "2026-03-29T06:00:00.000Z"),
            (&[], "08:00", "18:00", "2026-10-24T18:00:00Z", false, "2026-10-25T07:00:00.000Z"),
        ] {
            let hours = hours(days, from, to);
            assert_eq!(hours.holds(at(time)), holds, "{days:?} {from}-{to} at {time}");
            let next = hours.changes(at(time)).map(Time::rfc3339);
            assert_eq!(next.as_deref(), Some(changes), "{days:?} {from}-{to} after {time}");
        }
    }

    #[test]
    fn faults_name_their_fields() {
        let wrong = Hours { timezone: "Vienna".into(), ..hours(&[], "24:00", "7:00") };
        let fields: Vec<String> =
            wrong.faults("active_hours").iter().map(|fault| fault.field.to_string()).collect();
        assert_eq!(fields, ["active_hours.timezone", "active_hours.from", "active_hours.to"]);
        assert_eq!(hours(&[], "07:00", "07:00").faults("h")[0].field, "h.to");
        assert!(hours(&[], "07:00", "08:00").faults("h").is_empty());
    }
}
