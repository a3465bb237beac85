//! What users do to an alert.

use std::collections::BTreeMap;

use super::Decision;
use super::decide::Decider;
use crate::alert::{Acknowledgement, AlertChange, Resolver};
use crate::group::GroupState;
use crate::id::{AlertId, GroupId, UserId};
use crate::ruleset::{CompiledRule, RuleSet};
use crate::time::Time;

/// What a user wants to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByHand {
    /// Acknowledge it, until a time if one is given.
    Acknowledge {
        /// Until when; until it is resolved, if nothing is said.
        until: Option<Time>,
    },
    /// Take an acknowledgement back.
    Unacknowledge,
    /// Resolve it.
    Resolve,
}

/// Why it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandError {
    /// It is resolved, and what is resolved stays so.
    #[error("the alert is resolved")]
    Resolved,
    /// It was not acknowledged.
    #[error("the alert is not acknowledged")]
    NotAcknowledged,
}

/// Does to an alert what a user wants. `rule` is the rule, as it stands or stood; a rule that is off still has its alerts.
///
/// # Errors
/// When the alert does not stand so that it can be done.
#[allow(clippy::too_many_arguments)]
pub fn by_hand(
    set: &RuleSet,
    rule: &CompiledRule,
    id: GroupId,
    alert: AlertId,
    groups: &mut BTreeMap<GroupId, GroupState>,
    wanted: ByHand,
    by: Option<UserId>,
    now: Time,
) -> Result<Decision, HandError> {
    let mut decider = Decider { set, groups, now, decision: Decision::default() };
    let mut hand = decider.take(rule, id);
    let open = hand.state.alert.as_mut().filter(|open| open.id == alert);
    let Some(open) = open else {
        decider.groups.insert(id, hand.state);
        return Err(HandError::Resolved);
    };
    match wanted {
        ByHand::Acknowledge { until } => {
            open.acknowledged = Some(Acknowledgement { by, at: hand.at, until });
            hand.state.pending = None;
            decider.happened(&hand, AlertChange::Acknowledged, by, None);
        }
        ByHand::Unacknowledge => {
            if open.acknowledged.take().is_none() {
                decider.groups.insert(id, hand.state);
                return Err(HandError::NotAcknowledged);
            }
            decider.happened(&hand, AlertChange::Unacknowledged, by, None);
        }
        ByHand::Resolve => decider.resolve(&mut hand, Resolver::User, by, None),
    }
    decider.put_back(hand);
    Ok(decider.decision)
}
