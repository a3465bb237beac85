//! Why a user was, or was not, notified of an event: one answer for each rule that was tried, from what a trace tells.

use super::evaluation::MatchOutcome;
use super::names::words;
use super::reason::Reason;
use super::rule::RuleBody;
use super::trace::{TraceNotification, TraceRule};
use crate::id::UserId;

words! {
    /// What a rule had to do with a user.
    Fate {
        /// The user was notified.
        Notified = 1 "notified",
        /// It rang, and the user was not among the recipients.
        NotRecipient = 2 "not_recipient",
        /// It was held back from everybody.
        Suppressed = 3 "suppressed",
        /// It ended an alert, or would have.
        Resolved = 4 "resolved",
        /// Its condition could not be evaluated.
        Failed = 5 "failed",
        /// Its condition did not hold.
        NoMatch = 6 "no_match",
    }
}

/// Whom the question is about.
#[derive(Clone, Debug)]
pub struct Whom {
    /// The user.
    pub id: UserId,
    /// The names of their roles as they are now.
    pub roles: Vec<String>,
    /// Whether their account works.
    pub is_active: bool,
}

/// What a rule had to do with a user, and that in words. `body` is the rule as it was then.
pub fn why_not(rule: &TraceRule, body: &RuleBody, whom: &Whom) -> (Fate, String) {
    let outcome = rule.outcome.and_then(MatchOutcome::parse);
    match (outcome, &rule.notification) {
        (None, _) => (Fate::NoMatch, unmatched(rule)),
        (Some(MatchOutcome::Failed), _) => {
            let told = "its condition could not be evaluated on this event";
            (Fate::Failed, told.to_owned())
        }
        (Some(MatchOutcome::Rang), Some(notification)) => rang(notification, body, whom),
        (Some(MatchOutcome::Resolved), Some(notification))
            if role_of(notification, whom).is_some() =>
        {
            rang(notification, body, whom)
        }
        (Some(MatchOutcome::Resolved), _) => {
            (Fate::Resolved, "it ends alerts, and notifies nobody new".to_owned())
        }
        (Some(_), _) => (Fate::Suppressed, held(rule.reason)),
    }
}

/// The first part of the condition that was false, the smallest that there is.
fn unmatched(rule: &TraceRule) -> String {
    let whole = rule.parts.first();
    let part = rule.parts.iter().skip(1).find(|part| part.result == Some(false)).or(whole);
    let Some(part) = part else { return "its condition does not hold".to_owned() };
    let values: Vec<String> = rule
        .values
        .iter()
        .filter(|(name, _)| part.text.contains(name.as_str()))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let values =
        if values.is_empty() { String::new() } else { format!(", with {}", values.join(", ")) };
    let note = part.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    format!("its condition does not hold: {} is false{values}{note}", part.text)
}

/// The role through which somebody was chosen, if they were; nothing within where they were named.
fn role_of<'a>(notification: &'a TraceNotification, whom: &Whom) -> Option<Option<&'a str>> {
    let found = notification.recipients.iter().find(|(id, ..)| *id == whom.id);
    found.map(|(_, _, role)| role.as_deref())
}

fn rang(notification: &TraceNotification, body: &RuleBody, whom: &Whom) -> (Fate, String) {
    match role_of(notification, whom) {
        Some(Some(role)) => {
            (Fate::Notified, format!("it notified this user, through the role {role}"))
        }
        Some(None) => (Fate::Notified, "it notified this user, whom it names".to_owned()),
        None => (Fate::NotRecipient, unchosen(body, whom)),
    }
}

fn unchosen(body: &RuleBody, whom: &Whom) -> String {
    let mut targets = Vec::new();
    if !body.target_roles.is_empty() {
        targets.push(format!("the roles {}", body.target_roles.join(", ")));
    }
    if !body.target_users.is_empty() {
        targets.push(format!("{} named users", body.target_users.len()));
    }
    if let Some(path) = &body.target_path {
        targets.push(format!("whom {path} names"));
    }
    let targets = targets.join(" and ");
    if !whom.is_active {
        return format!("it notified {targets}; the account of this user does not work");
    }
    let fits = body.target_users.contains(&whom.id)
        || whom.roles.iter().any(|role| body.target_roles.contains(role));
    if fits {
        return format!(
            "it notified {targets}; this user would be among them now, and was not then"
        );
    }
    let roles = if whom.roles.is_empty() { "none".to_owned() } else { whom.roles.join(", ") };
    format!("it notified {targets}; the roles of this user are: {roles}")
}

fn held(reason: Option<Reason>) -> String {
    let why = match reason {
        Some(Reason::WindowFull) => "its group had rung as often as the window allows",
        Some(Reason::Digested) => "the window was full, and it went into the summary that follows",
        Some(Reason::NoRecipient) => "nobody whom the rule names was there",
        Some(Reason::NoTarget) => "there was nowhere to send to",
        Some(Reason::Silenced) => "a silence hid it",
        Some(Reason::Inhibited) => {
            "the alert of another rule, which keeps this one quiet, was open"
        }
        Some(Reason::Waiting) => "it waits whether the alert of another rule opens",
        Some(Reason::Acknowledged) => "the alert was acknowledged",
        Some(Reason::AlreadyResolved) => "a later event had resolved it before",
        Some(Reason::OutsideHours) => "it was outside the active hours of the rule",
        Some(Reason::BelowThreshold) => "too few events had come for the rule's threshold",
        Some(Reason::Shadow) => "the rule is in shadow mode: it would have rung",
        Some(Reason::NothingOpen) => "nothing was open that could be resolved",
        Some(other) => return format!("it was held back: {other}"),
        None => "it was held back",
    };
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::{NotificationId, RuleId};
    use crate::trace::TracePart;

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    fn rule(outcome: Option<&'static str>, reason: Option<Reason>) -> TraceRule {
        let part = |text: &str, result| TracePart {
            text: text.to_owned(),
            result: Some(result),
            note: None,
        };
        let notification = (outcome == Some("rang")).then(|| TraceNotification {
            id: NotificationId(Uuid::from_u128(3)),
            title: "Payments".into(),
            recipients: vec![
                (user(1), "Ada".into(), Some("on_call".into())),
                (user(2), "Bo".into(), None),
            ],
            deliveries: Vec::new(),
        });
        TraceRule {
            id: RuleId(Uuid::from_u128(1)),
            name: "Payments".into(),
            version: 1,
            matched: outcome.is_some(),
            condition: "event.type == \"payment\" && event.payload.amount > 100".into(),
            values: vec![
                ("event.payload.amount".into(), "7".into()),
                ("event.type".into(), "\"payment\"".into()),
            ],
            parts: vec![
                part("event.type == \"payment\" && event.payload.amount > 100", false),
                part("event.type == \"payment\"", true),
                part("event.payload.amount > 100", false),
            ],
            outcome,
            reason,
            until: None,
            group: None,
            alert: None,
            cause: None,
            notification,
        }
    }

    #[test]
    fn every_fate_is_told() {
        let body = RuleBody {
            target_roles: vec!["on_call".into()],
            target_users: vec![user(2)],
            ..RuleBody::new("Payments", "true")
        };
        let whom = |id: u128, roles: &[&str]| Whom {
            id: user(id),
            roles: roles.iter().map(|&role| role.into()).collect(),
            is_active: id != 9,
        };
        for (outcome, reason, whom, fate, told) in [
            (
                None,
                None,
                whom(1, &["on_call"]),
                Fate::NoMatch,
                "its condition does not hold: event.payload.amount > 100 is false, with event.payload.amount = 7",
            ),
            (
                Some("rang"),
                None,
                whom(1, &["on_call"]),
                Fate::Notified,
                "it notified this user, through the role on_call",
            ),
            (
                Some("rang"),
                None,
                whom(2, &[]),
                Fate::Notified,
                "it notified this user, whom it names",
            ),
            (
                Some("rang"),
                None,
                whom(4, &["member"]),
                Fate::NotRecipient,
                "it notified the roles on_call and 1 named users; the roles of this user are: member",
            ),
            (
                Some("rang"),
                None,
                whom(5, &["on_call"]),
                Fate::NotRecipient,
                "it notified the roles on_call and 1 named users; this user would be among them now, and was not then",
            ),
            (
                Some("rang"),
                None,
                whom(9, &["on_call"]),
                Fate::NotRecipient,
                "it notified the roles on_call and 1 named users; the account of this user does not work",
            ),
            (
                Some("suppressed"),
                Some(Reason::Silenced),
                whom(1, &["on_call"]),
                Fate::Suppressed,
                "a silence hid it",
            ),
            (
                Some("resolved"),
                None,
                whom(1, &["on_call"]),
                Fate::Resolved,
                "it ends alerts, and notifies nobody new",
            ),
            (
                Some("failed"),
                None,
                whom(1, &["on_call"]),
                Fate::Failed,
                "its condition could not be evaluated on this event",
            ),
        ] {
            let found = why_not(&rule(outcome, reason), &body, &whom);
            assert_eq!(found, (fate, told.to_owned()));
        }
    }
}
