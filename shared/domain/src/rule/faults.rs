//! What is wrong with a rule by itself; what it names is checked where the names are known.

use std::collections::BTreeSet;

use super::{MAX_WINDOW_COUNT, RuleBody, RuleKind, Suppression, Threshold};
use crate::absence::{Absence, Deadlines};
use crate::condition::{Condition, Name};
use crate::fault::{Fault, FaultCode, nul_faults};

/// The longest window: 31 days.
const MAX_SECONDS: u32 = 31 * 86_400;
/// The most paths, roles, users or inhibitions of a rule.
const MAX_LIST: usize = 100;
/// The most paths that keep groups apart.
const MAX_GROUP_BY: usize = 8;
/// The longest wait for an inhibiting alert.
const MAX_HOLD: u32 = 60;

impl RuleBody {
    /// Everything that is wrong with it by itself.
    pub fn faults(&self) -> Vec<Fault> {
        let mut found = Vec::new();
        self.texts(&mut found);
        self.conditions(&mut found);
        self.kinds(&mut found);
        self.recipients(&mut found);
        self.quieting(&mut found);
        found
    }

    fn texts(&self, found: &mut Vec<Fault>) {
        if self.name.trim().is_empty() || self.name.chars().count() > 200 {
            found.push(invalid("name", "1 to 200 characters"));
        }
        if self.description.chars().count() > 2000 {
            found.push(invalid("description", "at most 2000 characters"));
        }
        found.extend(nul_faults(self));
        if let Some(action) = &self.action {
            if action.label.trim().is_empty() || action.label.chars().count() > 60 {
                found.push(invalid("action.label", "1 to 60 characters"));
            }
            let url = url::Url::parse(&action.url).ok();
            if action.url.len() > 2000 || url.is_none_or(|url| url.scheme() != "https") {
                found.push(invalid("action.url", "an https address of at most 2000 characters"));
            }
        }
    }

    fn conditions(&self, found: &mut Vec<Fault>) {
        let resolve = self.resolve_condition.as_deref().map(|text| ("resolve_condition", text));
        for (field, text) in std::iter::once(("condition", self.condition.as_str())).chain(resolve)
        {
            if let Err(error) = Condition::parse(text) {
                found.push(invalid(field, error.to_string()));
            }
        }
        if self.group_by.len() > MAX_GROUP_BY {
            found.push(Fault::new("group_by", FaultCode::TooLong, "at most 8 paths"));
        }
        paths("group_by", &self.group_by, found);
        if let Some(path) = &self.target_path
            && let Err(error) = Name::parse(path)
        {
            found.push(invalid("target_path", error.to_string()));
        }
    }

    fn kinds(&self, found: &mut Vec<Fault>) {
        let (counts, waits) = (self.kind == RuleKind::Count, self.kind == RuleKind::Absence);
        match &self.threshold {
            Some(Threshold { count, seconds }) if counts => {
                if !(2..=MAX_WINDOW_COUNT).contains(count) {
                    found.push(invalid("threshold.count", "2 to 1000"));
                }
                span("threshold.seconds", *seconds, found);
            }
            None if counts => {
                let right =
                    "a rule of the kind count says how many matches within how many seconds";
                found.push(Fault::new("threshold", FaultCode::Required, right));
            }
            Some(_) => found.push(invalid("threshold", "only for rules of the kind count")),
            None => {}
        }
        match &self.absence {
            Some(absence) if waits => absence_faults(absence, found),
            None if waits => {
                let right = "a rule of the kind absence says after which time, or by which times, an event is missing";
                found.push(Fault::new("absence", FaultCode::Required, right));
            }
            Some(_) => found.push(invalid("absence", "only for rules of the kind absence")),
            None => {}
        }
        if let Some(seconds) = self.resolve_after_seconds {
            if waits {
                let right = "the next event resolves an alert of the kind absence: leave it out";
                found.push(invalid("resolve_after_seconds", right));
            }
            span("resolve_after_seconds", seconds, found);
        }
        if waits && self.resolve_condition.is_some() {
            let right = "the next event resolves an alert of the kind absence: leave it out";
            found.push(invalid("resolve_condition", right));
        }
    }

    fn recipients(&self, found: &mut Vec<Fault>) {
        for (field, count) in [
            ("target_roles", self.target_roles.len()),
            ("target_users", self.target_users.len()),
            ("inhibited_by", self.inhibited_by.len()),
        ] {
            if count > MAX_LIST {
                found.push(Fault::new(field, FaultCode::TooLong, "at most 100 of them"));
            }
        }
        let mut seen = BTreeSet::new();
        for (at, role) in self.target_roles.iter().enumerate() {
            if !seen.insert(role) {
                let field = format!("target_roles[{at}]");
                found.push(Fault::new(field, FaultCode::Duplicate, "it is named before"));
            }
        }
    }

    fn quieting(&self, found: &mut Vec<Fault>) {
        if let Some(Suppression { count, seconds, .. }) = self.suppression {
            if !(1..=MAX_WINDOW_COUNT).contains(&count) {
                found.push(invalid("suppression.count", "1 to 1000"));
            }
            span("suppression.seconds", seconds, found);
        }
        for (at, other) in self.inhibited_by.iter().enumerate().take(MAX_LIST) {
            paths(&format!("inhibited_by[{at}].equal"), &other.equal, found);
            if other.hold_seconds > MAX_HOLD {
                let field = format!("inhibited_by[{at}].hold_seconds");
                found.push(invalid(field, "0 to 60"));
            }
        }
        if let Some(hours) = &self.active_hours {
            found.extend(hours.faults("active_hours"));
        }
    }
}

fn absence_faults(absence: &Absence, found: &mut Vec<Fault>) {
    match (absence.seconds, &absence.cron) {
        (Some(seconds), None) => {
            span("absence.seconds", seconds, found);
            if absence.timezone.is_some() {
                found.push(invalid("absence.timezone", "only with cron"));
            }
        }
        (None, Some(_)) => {
            if let Err(fault) = Deadlines::new(absence) {
                found.push(fault);
            }
        }
        _ => found.push(invalid("absence", "give either seconds or cron, and not both")),
    }
}

fn paths(field: &str, paths: &[String], found: &mut Vec<Fault>) {
    for (at, path) in paths.iter().enumerate().take(MAX_LIST) {
        if let Err(error) = Name::parse(path) {
            found.push(invalid(format!("{field}[{at}]"), error.to_string()));
        }
    }
}

fn span(field: &'static str, seconds: u32, found: &mut Vec<Fault>) {
    if !(1..=MAX_SECONDS).contains(&seconds) {
        found.push(invalid(field, "1 to 2678400 (31 days)"));
    }
}

fn invalid(
    field: impl Into<std::borrow::Cow<'static, str>>,
    right: impl Into<std::borrow::Cow<'static, str>>,
) -> Fault {
    Fault::new(field, FaultCode::Invalid, right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hours::Hours;
    use crate::id::RuleId;
    use crate::rule::{Action, Inhibition, Over};

    fn fields(change: impl FnOnce(&mut RuleBody)) -> Vec<String> {
        let mut body = RuleBody::new("n", "true");
        change(&mut body);
        body.faults().iter().map(|fault| fault.field.to_string()).collect()
    }

    #[test]
    fn each_fault_names_its_field() {
        type Change = fn(&mut RuleBody);
        let cases: [(Change, &[&str]); 22] = [
            (|_| {}, &[]),
            (|one| one.name = " ".into(), &["name"]),
            (|one| one.description = "\0".into(), &["description"]),
            (|one| one.target_roles = vec!["a\0".into()], &["target_roles"]),
            (|one| one.condition = "event.type =".into(), &["condition"]),
            (|one| one.resolve_condition = Some("1".into()), &["resolve_condition"]),
            (|one| one.group_by = vec!["event.type".into(), "x".into()], &["group_by[1]"]),
            (|one| one.target_path = Some("owner".into()), &["target_path"]),
            (|one| one.target_roles = vec!["a".into(), "a".into()], &["target_roles[1]"]),
            (|one| one.kind = RuleKind::Count, &["threshold"]),
            (|one| one.threshold = Some(Threshold { count: 5, seconds: 5 }), &["threshold"]),
            (
                |one| {
                    one.kind = RuleKind::Count;
                    one.threshold = Some(Threshold { count: 1, seconds: 0 });
                },
                &["threshold.count", "threshold.seconds"],
            ),
            (|one| one.kind = RuleKind::Absence, &["absence"]),
            (
                |one| {
                    one.kind = RuleKind::Absence;
                    one.absence = Some(Absence { seconds: None, cron: None, timezone: None });
                    one.resolve_condition = Some("true".into());
                    one.resolve_after_seconds = Some(5);
                },
                &["absence", "resolve_after_seconds", "resolve_condition"],
            ),
            (
                |one| {
                    one.kind = RuleKind::Absence;
                    let cron = Some("0 25 * * *".into());
                    one.absence = Some(Absence { seconds: None, cron, timezone: None });
                },
                &["absence.cron"],
            ),
            (
                |one| {
                    one.kind = RuleKind::Absence;
                    let (cron, timezone) = (Some("0 5 * * *".into()), Some("Vienna".into()));
                    one.absence = Some(Absence { seconds: None, cron, timezone });
                },
                &["absence.timezone"],
            ),
            (
                |one| {
                    one.kind = RuleKind::Absence;
                    let timezone = Some("Europe/Vienna".into());
                    one.absence = Some(Absence { seconds: Some(60), cron: None, timezone });
                },
                &["absence.timezone"],
            ),
            (
                |one| {
                    one.suppression = Some(Suppression { count: 0, seconds: 0, over: Over::Drop });
                },
                &["suppression.count", "suppression.seconds"],
            ),
            (
                |one| {
                    let rule = RuleId(uuid::Uuid::nil());
                    let equal = vec!["nothing".into()];
                    one.inhibited_by = vec![Inhibition { rule, equal, hold_seconds: 61 }];
                },
                &["inhibited_by[0].equal[0]", "inhibited_by[0].hold_seconds"],
            ),
            (
                |one| {
                    one.active_hours = Some(Hours {
                        timezone: "UTC".into(),
                        days: BTreeSet::new(),
                        from: "8".into(),
                        to: "18:00".into(),
                    });
                },
                &["active_hours.from"],
            ),
            (
                |one| {
                    one.action = Some(Action { label: String::new(), url: "http://x".into() });
                },
                &["action.label", "action.url"],
            ),
            (|one| one.resolve_after_seconds = Some(0), &["resolve_after_seconds"]),
        ];
        for (at, (change, wanted)) in cases.into_iter().enumerate() {
            assert_eq!(fields(change), wanted, "case {at}");
        }
    }

    #[test]
    fn what_an_older_build_stored_is_read() {
        let old = r#"{"name":"n","condition":"true","priority":"high","suppression":{"count":1,"seconds":2}}"#;
        let body: RuleBody = serde_json::from_str(old).expect("reads");
        assert_eq!(body.kind, RuleKind::Match);
        assert!(body.notify_resolved);
        assert_eq!(body.suppression.map(|one| one.over), Some(Over::Drop));
    }
}
