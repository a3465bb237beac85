//! How somebody wants to be told: on which channels, about what, and when. It is decided here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::delivery::Channel;
use super::fault::{Fault, FaultCode};
use super::hours::{Day, minute, within};
use super::intake::is_event_type;
use super::names::words;
use super::profile::timezone_fault;
use super::rule::Priority;
use crate::id::RuleId;
use crate::time::Time;

words! {
    /// Why somebody is not told something.
    Withheld {
        /// They switched the channel off.
        ChannelOff = 1 "channel_off",
        /// They muted the rule or the type of event.
        Muted = 2 "muted",
        /// It is their quiet time, and it is not urgent enough to break through.
        QuietHours = 3 "quiet_hours",
    }
}

/// What somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preferences {
    /// Channels and whether they are on; what is not named is on.
    pub channels: BTreeMap<Channel, bool>,
    /// What they don't want to hear of.
    pub mutes: Vec<Mute>,
    /// When only what is urgent may be told.
    pub quiet_hours: Option<QuietHours>,
    /// Whether they want one summary instead of single alerts.
    pub digest: Option<Digest>,
}

/// A rule or a type of event that somebody does not want to hear of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// The rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<RuleId>,
    /// Or the type of event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Until when; for ever, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// When only what is urgent may be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// Where the clock hangs.
    pub timezone: String,
    /// The days on which it begins; every day, if there are none.
    #[serde(default)]
    pub days: BTreeSet<Day>,
    /// When it begins, like `22:00`.
    pub from: String,
    /// When it ends, on the next day if that is earlier.
    pub to: String,
    /// What is as urgent as this, or more, is told all the same.
    pub breaks_through: Priority,
}

/// One summary instead of single alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// How often it comes.
    pub every_minutes: u32,
    /// What is as urgent as this, or more, is told by itself at once.
    pub breaks_through: Priority,
}

/// The most mutes.
pub const MAX_MUTES: usize = 200;

/// What is to be told to somebody.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// On which channel.
    pub channel: Channel,
    /// By which rule, if one rang.
    pub rule: Option<RuleId>,
    /// About an event of which type, if about one.
    pub event_type: Option<&'a str>,
    /// How urgent it is.
    pub priority: Priority,
}

/// What somebody's preferences say about telling them something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Tell it now.
    Deliver,
    /// Put it into the summary that comes every so many minutes.
    Digest(u32),
    /// Don't tell it.
    Withhold(Withheld),
}

/// What is wished, at a time.
pub fn decide(wanted: &Preferences, telling: &Telling<'_>, now: Time) -> Wish {
    if wanted.channels.get(&telling.channel) == Some(&false) {
        return Wish::Withhold(Withheld::ChannelOff);
    }
    if wanted.mutes.iter().any(|mute| mute.covers(telling, now)) {
        return Wish::Withhold(Withheld::Muted);
    }
    let urgent = |bar: Priority| telling.priority.number() <= bar.number();
    if let Some(quiet) = &wanted.quiet_hours
        && !urgent(quiet.breaks_through)
        && quiet.holds(now)
    {
        return Wish::Withhold(Withheld::QuietHours);
    }
    match &wanted.digest {
        Some(digest) if !urgent(digest.breaks_through) => Wish::Digest(digest.every_minutes),
        _ => Wish::Deliver,
    }
}

impl Mute {
    fn covers(&self, telling: &Telling<'_>, now: Time) -> bool {
        let lasts = self.until.is_none_or(|until| now < until);
        let rule = self.rule_id.is_some() && self.rule_id == telling.rule;
        let kind = self.event_type.is_some() && self.event_type.as_deref() == telling.event_type;
        lasts && (rule || kind)
    }
}

impl QuietHours {
    /// Whether it is quiet at a time. What can't be read is never quiet: rather one alert too many.
    fn holds(&self, now: Time) -> bool {
        within(&self.timezone, &self.days, &self.from, &self.to, now).unwrap_or(false)
    }
}

/// What is wrong with preferences, as far as that can be seen without the project's rules.
pub fn faults(wanted: &Preferences) -> Vec<Fault> {
    let mut faults = Vec::new();
    if wanted.mutes.len() > MAX_MUTES {
        faults.push(Fault::new("mutes", FaultCode::TooLong, "at most 200 mutes"));
    }
    for (at, mute) in wanted.mutes.iter().enumerate().take(MAX_MUTES) {
        match (&mute.rule_id, &mute.event_type) {
            (Some(_), None) => {}
            (None, Some(kind)) if is_event_type(kind) => {}
            (None, Some(_)) => {
                let field = format!("mutes[{at}].event_type");
                faults.push(Fault::new(
                    field,
                    FaultCode::Invalid,
                    "it must be a type of event, like order.paid",
                ));
            }
            _ => {
                let right = "give either rule_id or event_type, and not both";
                faults.push(Fault::new(format!("mutes[{at}]"), FaultCode::Invalid, right));
            }
        }
    }
    if let Some(quiet) = &wanted.quiet_hours {
        faults.extend(timezone_fault("quiet_hours.timezone", &quiet.timezone));
        for (field, text) in [("quiet_hours.from", &quiet.from), ("quiet_hours.to", &quiet.to)] {
            if minute(text).is_none() {
                faults.push(Fault::new(
                    field,
                    FaultCode::Invalid,
                    "it must be hours and minutes, like 22:00",
                ));
            }
        }
        if quiet.from == quiet.to {
            let right = "it must be another time than from";
            faults.push(Fault::new("quiet_hours.to", FaultCode::Invalid, right));
        }
    }
    if let Some(digest) = &wanted.digest
        && !(5..=1440).contains(&digest.every_minutes)
    {
        let right = "it must be 5 to 1440 minutes";
        faults.push(Fault::new("digest.every_minutes", FaultCode::Invalid, right));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(number: u128) -> RuleId {
        RuleId(uuid::Uuid::from_u128(number))
    }

    fn at(text: &str) -> Time {
        Time::parse(text).expect(text)
    }

    fn telling(channel: Channel, priority: Priority) -> Telling<'static> {
        Telling { channel, rule: Some(rule(1)), event_type: Some("order.paid"), priority }
    }

    #[test]
    fn channels_and_mutes() {
        use Channel::{Email, Sms};
        let mute = |rule_id, event_type: Option<&str>, until| Mute {
            rule_id,
            event_type: event_type.map(str::to_owned),
            until,
        };
        let now = at("2026-03-02T12:00:00Z");
        let later = Some(at("2026-03-02T12:00:01Z"));
        for (mutes, channel, wanted) in [
            (vec![], Email, Wish::Deliver),
            (vec![], Sms, Wish::Withhold(Withheld::ChannelOff)),
            (vec![mute(Some(rule(1)), None, None)], Email, Wish::Withhold(Withheld::Muted)),
            (vec![mute(Some(rule(2)), None, None)], Email, Wish::Deliver),
            (vec![mute(Some(rule(1)), None, later)], Email, Wish::Withhold(Withheld::Muted)),
            (vec![mute(Some(rule(1)), None, Some(now))], Email, Wish::Deliver),
            (vec![mute(None, Some("order.paid"), None)], Email, Wish::Withhold(Withheld::Muted)),
            (vec![mute(None, Some("order"), None)], Email, Wish::Deliver),
        ] {
            let wishes = Preferences {
                channels: BTreeMap::from([(Sms, false), (Email, true)]),
                mutes: mutes.clone(),
                ..Preferences::default()
            };
            let told = telling(channel, Priority::Critical);
            assert_eq!(decide(&wishes, &told, now), wanted, "{mutes:?} {channel}");
        }
        let direct = Telling { rule: None, event_type: None, ..telling(Email, Priority::Low) };
        let wishes = Preferences { mutes: vec![mute(None, None, None)], ..Preferences::default() };
        assert_eq!(decide(&wishes, &direct, now), Wish::Deliver, "a mute of nothing mutes nothing");
    }

    #[test]
    fn quiet_hours_follow_the_clock_on_the_wall() {
        use Priority::{Critical, High, Normal};
        let quiet = Wish::Withhold(Withheld::QuietHours);
        // Monday the 2nd of March 2026; Vienna is an hour ahead of UTC, and two from the 29th on.
        for (days, from, to, time, priority, wanted) in [
            (&[][..], "22:00", "07:00", "2026-03-02T20:59:00Z", Normal, Wish::Deliver),
            (&[], "22:00", "07:00", "2026-03-02T21:00:00Z", Normal, quiet),
            (&[], "22:00", "07:00", "2026-03-03T05:59:00Z", Normal, quiet),
            (&[], "22:00", "07:00", "2026-03-03T06:00:00Z", Normal, Wish::Deliver),
            (&[], "22:00", "07:00", "2026-03-30T04:59:00Z", Normal, quiet),
            (&[], "22:00", "07:00", "2026-03-30T05:00:00Z", Normal, Wish::Deliver),
            (&[], "22:00", "07:00", "2026-03-02T22:00:00Z", High, Wish::Deliver),
            (&[], "22:00", "07:00", "2026-03-02T22:00:00Z", Critical, Wish::Deliver),
            (&[Day::Monday], "22:00", "07:00", "2026-03-02T22:00:00Z", Normal, quiet),
            (&[Day::Monday], "22:00", "07:00", "2026-03-03T03:00:00Z", Normal, quiet),
            (&[Day::Monday], "22:00", "07:00", "2026-03-03T22:00:00Z", Normal, Wish::Deliver),
            (&[Day::Sunday], "22:00", "07:00", "2026-03-02T03:00:00Z", Normal, quiet),
            (&[Day::Monday], "12:00", "14:00", "2026-03-02T12:00:00Z", Normal, quiet),
            (&[Day::Tuesday], "12:00", "14:00", "2026-03-02T12:00:00Z", Normal, Wish::Deliver),
            (&[], "soon", "14:00", "2026-03-02T12:00:00Z", Normal, Wish::Deliver),
        ] {
            let wishes = Preferences {
                quiet_hours: Some(QuietHours {
                    timezone: "Europe/Vienna".to_owned(),
                    days: days.iter().copied().collect(),
                    from: from.to_owned(),
                    to: to.to_owned(),
                    breaks_through: High,
                }),
                ..Preferences::default()
            };
            let told = telling(Channel::Push, priority);
            assert_eq!(decide(&wishes, &told, at(time)), wanted, "{days:?} {from}-{to} at {time}");
        }
    }

    #[test]
    fn a_digest_takes_what_is_not_urgent() {
        let digest = Digest { every_minutes: 60, breaks_through: Priority::High };
        let wishes = Preferences { digest: Some(digest), ..Preferences::default() };
        for (priority, wanted) in [
            (Priority::Critical, Wish::Deliver),
            (Priority::High, Wish::Deliver),
            (Priority::Normal, Wish::Digest(60)),
            (Priority::Low, Wish::Digest(60)),
        ] {
            let told = telling(Channel::Email, priority);
            assert_eq!(decide(&wishes, &told, at("2026-03-02T12:00:00Z")), wanted, "{priority}");
        }
    }

    #[test]
    fn every_fault_is_named() {
        let mute = Mute { rule_id: None, event_type: None, until: None };
        let wishes = Preferences {
            mutes: vec![mute.clone(), Mute { event_type: Some("a b".to_owned()), ..mute }],
            quiet_hours: Some(QuietHours {
                timezone: "Vienna".to_owned(),
                days: BTreeSet::new(),
                from: "24:00".to_owned(),
                to: "7:00".to_owned(),
                breaks_through: Priority::Critical,
            }),
            digest: Some(Digest { every_minutes: 1, breaks_through: Priority::High }),
            ..Preferences::default()
        };
        let told = faults(&wishes);
        let fields: Vec<&str> = told.iter().map(|fault| &*fault.field).collect();
        let all = [
            "mutes[0]",
            "mutes[1].event_type",
            "quiet_hours.timezone",
            "quiet_hours.from",
            "quiet_hours.to",
            "digest.every_minutes",
        ];
        assert_eq!(fields, all);
        assert!(faults(&Preferences::default()).is_empty());
    }
}
