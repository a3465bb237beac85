//! Silences: what is not to ring for a while, and why.

use serde::{Deserialize, Serialize};

use super::condition::{Condition, Subject};
use super::fault::{Fault, FaultCode, nul_faults};
use super::hours::Hours;
use super::rule::{Priority, Rule};
use crate::id::{AlertId, RuleId, SilenceId};
use crate::time::Time;

/// What its author says of a silence. Everything that it names must fit; what it does not name fits always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceBody {
    /// Why.
    pub reason: String,
    /// The rules that it is for.
    #[serde(default)]
    pub rules: Vec<RuleId>,
    /// How urgent what it is for may be.
    #[serde(default)]
    pub priorities: Vec<Priority>,
    /// Which events it is for, in the condition language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The alert that it is for: it ends when that is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertId>,
    /// When it begins.
    pub starts_at: Time,
    /// When it ends; never, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,
    /// The hours of a week in which it holds; always, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

/// The most rules of a silence.
const MAX_RULES: usize = 200;

impl SilenceBody {
    /// Everything that is wrong with it by itself, at `now`.
    pub fn faults(&self, now: Time) -> Vec<Fault> {
        let mut found = nul_faults(self);
        let mut invalid = |field: &'static str, right: String| {
            found.push(Fault::new(field, FaultCode::Invalid, right));
        };
        if self.reason.trim().is_empty() || self.reason.chars().count() > 500 {
            invalid("reason", "1 to 500 characters that say why".to_owned());
        }
        if self.rules.len() > MAX_RULES {
            invalid("rules", "at most 200 rules".to_owned());
        }
        if let Some(text) = &self.condition
            && let Err(error) = Condition::parse(text)
        {
            invalid("condition", error.to_string());
        }
        let names = self.alert.is_some() || self.condition.is_some();
        if !names && self.rules.is_empty() && self.priorities.is_empty() {
            let right = "name rules, priorities, an alert or a condition; for everything the condition is true";
            invalid("condition", right.to_owned());
        }
        if self.ends_at.is_some_and(|end| end <= self.starts_at) {
            invalid("ends_at", "it must be after starts_at".to_owned());
        }
        if self.ends_at.is_some_and(|end| end <= now) {
            invalid("ends_at", "it must be in the future".to_owned());
        }
        if self.ends_at.is_none() && self.alert.is_none() && self.hours.is_none() {
            let right = "a silence ends at a time, recurs by hours, or ends with its alert";
            invalid("ends_at", right.to_owned());
        }
        if let Some(hours) = &self.hours {
            found.extend(hours.faults("hours"));
        }
        found
    }
}

/// A silence that is ready to be asked.
#[derive(Debug)]
pub struct Silence {
    /// Its id.
    pub id: SilenceId,
    body: SilenceBody,
    condition: Option<Condition>,
}

impl Silence {
    /// Compiles one; `None` when it can't be read, which only an older build could have stored.
    pub fn compile(id: SilenceId, body: SilenceBody) -> Option<Self> {
        let condition = match &body.condition {
            Some(text) => Some(Condition::parse(text).ok()?),
            None => None,
        };
        Some(Self { id, body, condition })
    }

    /// Whether it is for an event that a rule matched, whenever that is. One that can't be decided hides nothing.
    pub fn fits(&self, rule: &Rule, event: Option<&Subject<'_>>, now: Time) -> bool {
        let body = &self.body;
        let named = body.rules.is_empty() || body.rules.contains(&rule.id);
        let urgent = body.priorities.is_empty() || body.priorities.contains(&rule.body.priority);
        let condition = || match (&self.condition, event) {
            (None, _) => true,
            (Some(condition), Some(event)) => condition.holds(event, now).unwrap_or(false),
            (Some(_), None) => false,
        };
        named && urgent && condition()
    }

    /// Whether it holds at a time, for an alert, and until when that is known.
    pub fn holds(&self, alert: Option<AlertId>, at: Time) -> Option<Option<Time>> {
        let body = &self.body;
        let wanted = body.alert.is_none() || body.alert == alert;
        if !wanted || at < body.starts_at || body.ends_at.is_some_and(|end| end <= at) {
            return None;
        }
        let hours = match &body.hours {
            Some(hours) if !hours.holds(at) => return None,
            Some(hours) => hours.changes(at),
            None => None,
        };
        Some(match (body.ends_at, hours) {
            (Some(end), Some(hours)) => Some(end.min(hours)),
            (end, hours) => end.or(hours),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{RuleBody, RuleMode};
    use serde_json::json;

    fn at(text: &str) -> Time {
        Time::parse(text).expect(text)
    }

    fn body() -> SilenceBody {
        SilenceBody {
            reason: "maintenance".into(),
            rules: Vec::new(),
            priorities: Vec::new(),
            condition: Some("true".into()),
            alert: None,
            starts_at: at("2026-03-02T12:00:00Z"),
            ends_at: Some(at("2026-03-02T13:00:00Z")),
            hours: None,
        }
    }

    fn silence(change: impl FnOnce(&mut SilenceBody)) -> Silence {
        let mut body = body();
        change(&mut body);
        Silence::compile(SilenceId(uuid::Uuid::nil()), body).expect("compiles")
    }

    fn nightly() -> Hours {
        Hours {
            timezone: "UTC".into(),
            days: std::collections::BTreeSet::new(),
            from: "22:00".into(),
            to: "06:00".into(),
        }
    }

    #[test]
    fn it_holds_in_its_time() {
        let alert = AlertId(uuid::Uuid::from_u128(7));
        type Change = fn(&mut SilenceBody);
        let cases: [(Change, &str, Option<Option<&str>>); 8] = [
            (|_| {}, "2026-03-02T11:59:59Z", None),
            (|_| {}, "2026-03-02T12:00:00Z", Some(Some("2026-03-02T13:00:00.000Z"))),
            (|_| {}, "2026-03-02T13:00:00Z", None),
            (|one| one.hours = Some(nightly()), "2026-03-02T12:30:00Z", None),
            (
                |one| {
                    one.hours = Some(nightly());
                    one.ends_at = None;
                },
                "2026-03-02T23:00:00Z",
                Some(Some("2026-03-03T06:00:00.000Z")),
            ),
            (
                |one| {
                    one.hours = Some(nightly());
                    one.ends_at = Some(Time::parse("2026-03-02T23:30:00Z").expect("fine"));
                },
                "2026-03-02T23:00:00Z",
                Some(Some("2026-03-02T23:30:00.000Z")),
            ),
            (
                |one| {
                    one.alert = Some(AlertId(uuid::Uuid::from_u128(7)));
                    one.ends_at = None;
                },
                "2026-03-02T23:00:00Z",
                Some(None),
            ),
            (
                |one| one.alert = Some(AlertId(uuid::Uuid::from_u128(8))),
                "2026-03-02T12:30:00Z",
                None,
            ),
        ];
        for (number, (change, time, wanted)) in cases.into_iter().enumerate() {
            let found = silence(change).holds(Some(alert), at(time));
            let found = found.map(|until| until.map(Time::rfc3339));
            let wanted = wanted.map(|until| until.map(str::to_owned));
            assert_eq!(found, wanted, "case {number}");
        }
    }

    #[test]
    fn everything_that_it_names_must_fit() {
        let rule = Rule {
            id: RuleId(uuid::Uuid::from_u128(1)),
            version: 1,
            mode: RuleMode::Live,
            since: Time::default(),
            body: RuleBody::new("n", "true"),
        };
        let payload = json!({ "host": "a" });
        let event = Subject {
            id: "e",
            kind: "disk.full",
            source: "",
            subject: None,
            received_at: Time::default(),
            payload: &payload,
        };
        let fits = |change: fn(&mut SilenceBody)| {
            let one = silence(change);
            (one.fits(&rule, Some(&event), Time::default()), one.fits(&rule, None, Time::default()))
        };
        assert_eq!(fits(|_| {}), (true, false));
        assert_eq!(fits(|one| one.condition = Some("event.host == \"a\"".into())), (true, false));
        assert_eq!(fits(|one| one.condition = Some("event.host == \"b\"".into())), (false, false));
        assert_eq!(fits(|one| one.condition = None), (true, true));
        assert_eq!(fits(|one| one.priorities = vec![Priority::Low]), (false, false));
        assert_eq!(
            fits(|one| {
                one.condition = None;
                one.rules = vec![RuleId(uuid::Uuid::from_u128(1))];
            }),
            (true, true)
        );
        assert_eq!(fits(|one| one.rules = vec![RuleId(uuid::Uuid::from_u128(2))]), (false, false));
    }

    #[test]
    fn faults_name_their_fields() {
        type Change = fn(&mut SilenceBody);
        let now = at("2026-03-02T12:00:00Z");
        let cases: [(Change, &[&str]); 7] = [
            (|_| {}, &[]),
            (|one| one.reason = String::new(), &["reason"]),
            (|one| one.reason = "a\0".into(), &["reason"]),
            (|one| one.condition = None, &["condition"]),
            (|one| one.condition = Some("event.".into()), &["condition"]),
            (|one| one.ends_at = None, &["ends_at"]),
            (|one| one.ends_at = Some(Time::default()), &["ends_at", "ends_at"]),
        ];
        for (number, (change, wanted)) in cases.into_iter().enumerate() {
            let mut one = body();
            change(&mut one);
            let found: Vec<String> =
                one.faults(now).iter().map(|fault| fault.field.to_string()).collect();
            assert_eq!(found, wanted, "case {number}");
        }
    }
}
