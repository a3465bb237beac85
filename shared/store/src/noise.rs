//! How noisy rules are, counted from the records of a period.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::engine::{Tx, sql, verb};
use super::{Result, Store};
use domain::alert::{AlertChange, Resolver};
use domain::evaluation::{MatchOutcome, Origin};
use domain::id::{ProjectId, RuleId, floor};
use domain::noise::{AlertTimes, Noise, add_alerts};
use domain::time::Time;

/// The most alerts that are looked at.
const MAX_ALERTS: i64 = 100_000;

/// How much later than what it came from a notification is at most, as far as this counts.
const LATENESS: Duration = Duration::from_secs(7 * 86_400);

/// The microseconds of a day.
const DAY: i64 = 86_400_000_000;

impl Store {
    /// How noisy the rules of a project were in a period, those left out that did nothing.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn noise(
        &self,
        project: ProjectId,
        (from, to): (Time, Time),
    ) -> Result<BTreeMap<RuleId, Noise>> {
        let period = (floor(from), floor(to));
        self.read(
            "noise",
            verb!(|tx| {
                let mut noise = BTreeMap::new();
                add_suppressed(tx, project, period, &mut noise).await?;
                add_rings(tx, project, (from, to), &mut noise).await?;
                let alerts = alerts(tx, project, period).await?;
                add_alerts(&mut noise, &alerts);
                Ok(noise)
            }),
        )
        .await
    }
}

/// Matches that rang are counted by their notifications.
async fn add_suppressed(
    tx: &mut Tx,
    project: ProjectId,
    (from, to): (Uuid, Uuid),
    noise: &mut BTreeMap<RuleId, Noise>,
) -> Result<()> {
    let counted = sql!(
        tx, fetch_all as (RuleId, i64),
        "SELECT rule_id, COUNT(*) FROM matches
         WHERE project_id = $1 AND event_id >= $2 AND event_id < $3 AND outcome = $4 GROUP BY rule_id",
        project, from, to, MatchOutcome::Suppressed.number()
    )?;
    for (rule, count) in counted {
        let found = noise.entry(rule).or_default();
        found.matches += count.unsigned_abs();
        found.suppressed += count.unsigned_abs();
    }
    Ok(())
}

async fn add_rings(
    tx: &mut Tx,
    project: ProjectId,
    (from, to): (Time, Time),
    noise: &mut BTreeMap<RuleId, Noise>,
) -> Result<()> {
    // An id carries the time of what it came from, which is before the notification, but not by much: it spares reading all.
    let lower = floor(from.minus(LATENESS));
    let counted = sql!(
        tx, fetch_all as (RuleId, i16, Time, i64),
        lite "SELECT rule_id, kind, MIN(created_at), COUNT(*) FROM notifications
              WHERE project_id = $1 AND id >= $2 AND created_at >= $3 AND created_at < $4 AND rule_id IS NOT NULL
              GROUP BY rule_id, kind, created_at / 86400000000",
        pg "SELECT rule_id, kind, MIN(created_at), COUNT(*) FROM notifications
            WHERE project_id = $1 AND id >= $2 AND created_at >= $3 AND created_at < $4 AND rule_id IS NOT NULL
            GROUP BY rule_id, kind, (created_at AT TIME ZONE 'UTC')::date",
        my "SELECT rule_id, kind, MIN(created_at), COUNT(*) FROM notifications
            WHERE project_id = $1 AND id >= $2 AND created_at >= $3 AND created_at < $4 AND rule_id IS NOT NULL
            GROUP BY rule_id, kind, DATE(created_at)",
        project, lower, from, to
    )?;
    for (rule, kind, first, count) in counted {
        let found = noise.entry(rule).or_default();
        let count = count.unsigned_abs();
        found.rings += count;
        if Origin::from_number(kind) == Some(Origin::Event) {
            found.matches += count;
        }
        let day = Time::from_micros(first.micros().div_euclid(DAY) * DAY);
        *found.rings_by_day.entry(day).or_default() += count;
    }
    Ok(())
}

async fn alerts(
    tx: &mut Tx,
    project: ProjectId,
    (from, to): (Uuid, Uuid),
) -> Result<Vec<AlertTimes>> {
    let rows = sql!(
        tx, fetch_all as (RuleId, Time, Option<i16>, Option<Time>),
        "SELECT a.rule_id, a.opened_at, a.resolver,
                (SELECT MIN(e.at) FROM alert_entries e
                 WHERE e.project_id = a.project_id AND e.alert_id = a.id AND e.change_kind = $1)
         FROM alerts a WHERE a.project_id = $2 AND a.id >= $3 AND a.id < $4 ORDER BY a.id DESC LIMIT $5",
        AlertChange::Acknowledged.number(), project, from, to, MAX_ALERTS
    )?;
    let times = |(rule, opened_at, resolver, acknowledged_at): (_, _, Option<i16>, _)| {
        let resolver = resolver.and_then(Resolver::from_number);
        let resolved_by_user = resolver.map(|resolver| resolver == Resolver::User);
        AlertTimes { rule, opened_at, acknowledged_at, resolved_by_user }
    };
    Ok(rows.into_iter().map(times).collect())
}
