//! The stages that a match goes through before it rings.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::Found;
use crate::group::{GroupState, Window};
use crate::id::GroupId;
use crate::reason::Reason;
use crate::rule::Over;
use crate::ruleset::{CompiledRule, RuleSet};
use crate::time::Time;

/// A match on its way.
pub(super) struct Candidate<'a> {
    pub(super) set: &'a RuleSet,
    pub(super) rule: &'a CompiledRule,
    pub(super) found: &'a Found,
    pub(super) group: &'a GroupState,
    /// The other groups, for alerts that keep this one quiet.
    pub(super) others: &'a BTreeMap<GroupId, GroupState>,
    pub(super) at: Time,
    /// Whether it waited already for another alert to open.
    pub(super) waited: bool,
}

/// Why a stage holds a match back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) reason: Reason,
    /// Until when, where that is known.
    pub(super) until: Option<Time>,
    /// What does it.
    pub(super) cause: Option<Uuid>,
    /// When it is decided on again: a reason that passes must not swallow an alert that is still open then.
    pub(super) again: Option<Time>,
}

impl Held {
    const fn because(reason: Reason) -> Self {
        Self { reason, until: None, cause: None, again: None }
    }
}

/// How often it is looked whether a reason has passed whose end is not known.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The stages in order; the first that holds a match back gives the reason.
pub(super) const STAGES: [fn(&Candidate<'_>) -> Option<Held>; 6] =
    [silence, inhibition, acknowledged, window, recipients, targets];

fn silence(candidate: &Candidate<'_>) -> Option<Held> {
    let alert = candidate.group.alert.as_ref().map(|alert| alert.id);
    candidate.found.silences.iter().find_map(|place| {
        let silence = &candidate.set.silences[*place];
        let until = silence.holds(alert, candidate.at)?;
        Some(Held {
            until,
            cause: Some(silence.id.0),
            again: Some(until.unwrap_or_else(|| candidate.at.plus(LOOK_AGAIN))),
            ..Held::because(Reason::Silenced)
        })
    })
}

fn inhibition(candidate: &Candidate<'_>) -> Option<Held> {
    let open =
        |group: &GroupId| candidate.others.get(group).is_some_and(|other| other.alert.is_some());
    if let Some((rule, _)) = candidate.found.inhibitors.iter().find(|(_, group)| open(group)) {
        return Some(Held {
            cause: Some(rule.0),
            again: Some(candidate.at.plus(LOOK_AGAIN)),
            ..Held::because(Reason::Inhibited)
        });
    }
    let rules = &candidate.rule.rule.body.inhibited_by;
    let (hold, rule) = rules.iter().map(|one| (one.hold_seconds, one.rule)).max()?;
    let rang = candidate.group.alert.as_ref().is_some_and(|alert| alert.rang);
    if hold == 0 || candidate.waited || rang {
        return None;
    }
    // A match that comes meanwhile does not put off the end of the wait.
    let end = candidate.at.plus(Duration::from_secs(hold.into()));
    let end = candidate.group.pending.as_ref().map_or(end, |pending| pending.again.min(end));
    Some(Held {
        until: Some(end),
        cause: Some(rule.0),
        again: Some(end),
        ..Held::because(Reason::Waiting)
    })
}

fn acknowledged(candidate: &Candidate<'_>) -> Option<Held> {
    let acknowledged = candidate.group.acknowledged(candidate.at)?;
    Some(Held { until: acknowledged.until, ..Held::because(Reason::Acknowledged) })
}

fn window(candidate: &Candidate<'_>) -> Option<Held> {
    let suppression = candidate.rule.suppression;
    let over = suppression.map_or(Over::Drop, |window| window.over);
    let digested = |until| Held { until: Some(until), ..Held::because(Reason::Digested) };
    // What comes while a summary is gathered goes into it, so that nothing overtakes what came before.
    if let (Over::Digest, Some(digest)) = (over, &candidate.group.digest) {
        return Some(digested(digest.until));
    }
    match (candidate.group.window(suppression, candidate.at), over) {
        (Window::Open, _) => None,
        (Window::Full { until }, Over::Digest) => Some(digested(until)),
        (Window::Full { until }, Over::Drop) => {
            Some(Held { until: Some(until), ..Held::because(Reason::WindowFull) })
        }
    }
}

fn recipients(candidate: &Candidate<'_>) -> Option<Held> {
    let Candidate { set, rule, found, .. } = candidate;
    (!set.has_recipients(rule, &found.named)).then_some(Held::because(Reason::NoRecipient))
}

fn targets(candidate: &Candidate<'_>) -> Option<Held> {
    let rule = &candidate.rule.rule;
    let mut endpoints = candidate.set.endpoints.iter();
    let wanted = endpoints.any(|one| one.wants(rule.id, rule.body.priority));
    (!wanted).then_some(Held::because(Reason::NoTarget))
}
