//! Looking at a group again when its time has come: summaries, lapsed acknowledgements, matches that waited, events that
//! are missing, and alerts that resolve by age.

use std::collections::BTreeMap;
use std::time::Duration;

use super::decide::{Decider, LATE};
use super::{Decision, Looked, Origin};
use crate::alert::Resolver;
use crate::group::{GroupState, Window};
use crate::id::{GroupId, derived, floor};
use crate::rule::RuleMode;
use crate::ruleset::RuleSet;
use crate::time::Time;

/// What is known besides the groups.
#[derive(Clone, Debug, Default)]
pub struct Revisit {
    /// The event of the match that waits, as it is looked at now.
    pub pending: Option<Looked>,
    /// Whether events that were received before the deadline are not evaluated yet.
    pub behind: bool,
    /// How long no events could be received since the last one.
    pub down: Duration,
    /// Whether none can be received right now.
    pub is_down: bool,
}

/// Looks at a group again. A rule that is gone or off decides nothing.
pub fn revisit(
    set: &RuleSet,
    place: Option<usize>,
    id: GroupId,
    groups: &mut BTreeMap<GroupId, GroupState>,
    known: &Revisit,
    now: Time,
) -> Decision {
    let mut decider = Decider { set, groups, now, decision: Decision::default() };
    let Some(place) = place else {
        if let Some(state) = decider.groups.get_mut(&id) {
            (state.due, state.pending, state.digest) = (None, None, None);
        }
        return decider.decision;
    };
    decider.revisit(place, id, known);
    decider.decision
}

impl Decider<'_> {
    fn revisit(&mut self, place: usize, id: GroupId, known: &Revisit) {
        let rule = self.set.rule(place);
        let mut hand = self.take(rule, id);
        if hand.state.due.is_some_and(|due| due <= self.now) {
            hand.state.due = None;
        }
        let at = hand.at;
        let is_due = |time: Option<Time>| time.is_some_and(|time| time <= at);
        let live = rule.rule.mode == RuleMode::Live;

        let age = rule.age();
        let aged = hand.state.alert.as_ref().zip(age).map(|(alert, age)| {
            hand.state.matched.map_or(alert.opened_at, |matched| matched.at).plus(age)
        });
        if is_due(aged) {
            self.resolve(&mut hand, Resolver::Age, None, None);
        }
        if self.lapse(&mut hand) && live {
            let id = hand.state.alert.as_ref().map(|alert| alert.id.0);
            self.ring(&mut hand, Origin::Reminder, id.unwrap_or_default(), &[]);
        }
        if is_due(hand.state.pending.as_ref().map(|pending| pending.again)) {
            self.again(&mut hand, known);
        }
        if is_due(hand.state.digest.as_ref().map(|digest| digest.until)) {
            match hand.state.window(rule.suppression, at) {
                Window::Full { until } => {
                    if let Some(digest) = &mut hand.state.digest {
                        digest.until = until;
                    }
                }
                Window::Open => self.send_digest(&mut hand, live),
            }
        }
        if let Some(deadline) = hand.deadline() {
            // Nothing is missed while it could not be received, or while what was received is not evaluated.
            let is_over = deadline.plus(known.down).plus(LATE) <= at;
            if is_over && !known.behind && !known.is_down {
                self.miss(&mut hand, deadline, live);
            }
        }
        self.put_back(hand);
    }

    /// Decides on a match again that waited.
    fn again(&mut self, hand: &mut super::decide::Hand<'_>, known: &Revisit) {
        let Some(pending) = hand.state.pending.take() else { return };
        let looked = known.pending.as_ref().filter(|looked| looked.event == pending.event);
        let found = looked.and_then(|looked| {
            let mine =
                |one: &&super::Found| one.group.as_ref().is_some_and(|(id, _)| *id == hand.id);
            looked.matches.iter().find(mine)
        });
        // A rule that was changed and does not match any more or notifies nobody now, or an alert that is over.
        let may_ring = hand.rule.rule.mode == RuleMode::Live && hand.state.alert.is_some();
        let Some(found) = found.filter(|found| !found.resolves && may_ring) else { return };
        // Its record stays as it was: the notification tells that it rang after all.
        self.through_stages(hand, found, pending.event, pending.waited);
    }

    fn send_digest(&mut self, hand: &mut super::decide::Hand<'_>, live: bool) {
        let quiet = hand.state.acknowledged(hand.at).is_some();
        if let Some(digest) = hand.state.digest.clone()
            && live
            && !quiet
            && self.set.has_recipients(hand.rule, &[])
        {
            self.ring(hand, Origin::Digest, digest.id.0, &[]);
        }
        hand.state.digest = None;
    }

    fn miss(&mut self, hand: &mut super::decide::Hand<'_>, deadline: Time, live: bool) {
        hand.state.missed = Some(deadline);
        if hand.rule.rule.body.active_hours.as_ref().is_some_and(|hours| !hours.holds(deadline)) {
            return;
        }
        if !live {
            hand.state.rang(hand.at, hand.rule.remembered());
            return;
        }
        self.open(hand, None);
        let micros = deadline.micros().to_be_bytes();
        let origin = derived(floor(deadline), "deadline", &[&hand.id.0, &micros]);
        let silences = self.set.silences.iter();
        let alert = hand.state.alert.as_ref().map(|alert| alert.id);
        let silent = silences
            .filter(|one| one.fits(&hand.rule.rule, None, self.now))
            .any(|one| one.holds(alert, hand.at).is_some());
        let quiet = silent || hand.state.acknowledged(hand.at).is_some();
        let full = hand.state.window(hand.rule.suppression, hand.at) != Window::Open;
        if !quiet && !full && self.set.has_recipients(hand.rule, &[]) {
            self.ring(hand, Origin::Absence, origin, &[]);
        }
    }
}
