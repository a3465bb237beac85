//! How noisy rules are: what they rang for, and what users did about it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::RuleId;
use crate::time::Time;

/// How noisy a rule was in a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noise {
    /// Events that matched.
    pub matches: u64,
    /// Matches that did not ring.
    pub suppressed: u64,
    /// Notifications, whatever they came from.
    pub rings: u64,
    /// The same by days, those without any left out.
    pub rings_by_day: BTreeMap<Time, u64>,
    /// Alerts that opened.
    pub alerts: u64,
    /// Of those, alerts that somebody acknowledged.
    pub acknowledged: u64,
    /// Of those, alerts that were resolved, and nobody had acknowledged them.
    pub untouched: u64,
    /// How long it took until an alert was acknowledged: half of them took no longer.
    pub median_to_acknowledge: Option<Duration>,
}

/// When things happened to an alert of a rule.
#[derive(Clone, Copy, Debug)]
pub struct AlertTimes {
    /// The rule.
    pub rule: RuleId,
    /// When it opened.
    pub opened_at: Time,
    /// When it was acknowledged first.
    pub acknowledged_at: Option<Time>,
    /// When it was resolved, and by whom: `true` is a user.
    pub resolved_by_user: Option<bool>,
}

/// Adds alerts to what is known of their rules.
pub fn add_alerts(noise: &mut BTreeMap<RuleId, Noise>, alerts: &[AlertTimes]) {
    let mut waits: BTreeMap<RuleId, Vec<Duration>> = BTreeMap::new();
    for alert in alerts {
        let found = noise.entry(alert.rule).or_default();
        found.alerts += 1;
        match (alert.acknowledged_at, alert.resolved_by_user) {
            (Some(at), _) => {
                found.acknowledged += 1;
                waits.entry(alert.rule).or_default().push(at.since(alert.opened_at));
            }
            // Who resolves it has taken care of it.
            (None, Some(false)) => found.untouched += 1,
            (None, _) => {}
        }
    }
    for (rule, mut waits) in waits {
        waits.sort_unstable();
        let median = waits.get((waits.len().max(1) - 1) / 2).copied();
        noise.entry(rule).or_default().median_to_acknowledge = median;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_users_did_about_alerts_is_counted() {
        let rule = |number| RuleId(Uuid::from_u128(number));
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000);
        let alert = |number, acknowledged: Option<i64>, resolved_by_user| AlertTimes {
            rule: rule(number),
            opened_at: at(100),
            acknowledged_at: acknowledged.map(at),
            resolved_by_user,
        };
        let mut noise = BTreeMap::new();
        let alerts = [
            alert(1, Some(130), Some(true)),
            alert(1, Some(110), None),
            alert(1, Some(190), Some(false)),
            alert(1, None, Some(false)),
            alert(1, None, Some(true)),
            alert(1, None, None),
            alert(2, None, None),
        ];
        add_alerts(&mut noise, &alerts);
        let one = &noise[&rule(1)];
        assert_eq!((one.alerts, one.acknowledged, one.untouched), (6, 3, 1));
        assert_eq!(one.median_to_acknowledge, Some(Duration::from_secs(30)));
        let other = &noise[&rule(2)];
        assert_eq!((other.alerts, other.acknowledged, other.untouched), (1, 0, 0));
        assert_eq!(other.median_to_acknowledge, None);
    }
}
