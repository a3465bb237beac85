//! How noisy rules are, as it looks on the wire.

use std::time::Duration;

use domain::noise::Noise;
use domain::rule::RuleRecord;
use domain::time::Time;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::wire::Stamp;

/// How many rules a report names.
pub const NAMED: usize = 200;

/// The period of a report when nothing is said.
pub const USUAL: Duration = Duration::from_secs(7 * 86_400);

/// The longest period of a report.
pub const LONGEST: Duration = Duration::from_secs(31 * 86_400);

/// How noisy the rules of a project were.
#[derive(Clone, Debug, Object, Serialize)]
pub struct NoiseReport {
    /// From when on was counted.
    from: Stamp,
    /// Until when.
    to: Stamp,
    /// The rules, the noisiest first: at most 200, those left out that did nothing.
    items: Vec<RuleNoise>,
}

/// How noisy a rule was.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RuleNoise {
    /// The rule.
    rule_id: Uuid,
    /// Its name.
    rule_name: String,
    /// Events that matched.
    matches: u64,
    /// Matches that did not ring.
    suppressed: u64,
    /// Notifications, whatever they came from.
    rings: u64,
    /// The same by days (UTC), those without any left out.
    rings_by_day: Vec<DayCount>,
    /// Alerts that opened.
    alerts: u64,
    /// Of those, alerts that somebody acknowledged.
    acknowledged: u64,
    /// Of those, alerts that resolved by themselves, and nobody had acknowledged them: the noise.
    untouched: u64,
    /// How many seconds it took until an alert was acknowledged: half of them took no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    median_seconds_to_acknowledge: Option<u64>,
}

/// Notifications of a day.
#[derive(Clone, Debug, Object, Serialize)]
struct DayCount {
    /// When it began.
    at: Stamp,
    /// How many.
    rings: u64,
}

impl NoiseReport {
    /// What was counted in a period.
    pub fn new((from, to): (Time, Time), mut found: Vec<(RuleRecord, Noise)>) -> Self {
        found.sort_by_key(|(_, noise)| {
            std::cmp::Reverse((noise.rings, noise.alerts, noise.matches))
        });
        found.truncate(NAMED);
        let items = found.into_iter().map(|(record, noise)| RuleNoise {
            rule_id: record.rule.id.0,
            rule_name: record.rule.body.name,
            matches: noise.matches,
            suppressed: noise.suppressed,
            rings: noise.rings,
            rings_by_day: noise
                .rings_by_day
                .into_iter()
                .map(|(at, rings)| DayCount { at: Stamp(at), rings })
                .collect(),
            alerts: noise.alerts,
            acknowledged: noise.acknowledged,
            untouched: noise.untouched,
            median_seconds_to_acknowledge: noise.median_to_acknowledge.map(|one| one.as_secs()),
        });
        Self { from: Stamp(from), to: Stamp(to), items: items.collect() }
    }
}
