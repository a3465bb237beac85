//! What there is of a project, counted where that is cheap.

use uuid::Uuid;

use super::engine::{sql, verb};
use super::{Result, Store};
use domain::id::{ProjectId, floor};
use domain::rule::RuleMode;
use domain::time::Time;

/// What there is of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Accounts that wait for approval.
    pub users_pending: u64,
    /// Accounts that work.
    pub users_active: u64,
    /// Accounts that are suspended.
    pub users_suspended: u64,
    /// Rules.
    pub rules: u64,
    /// Those of them that are live.
    pub rules_active: u64,
    /// Keys that were not taken back.
    pub keys: u64,
    /// Roles.
    pub roles: u64,
    /// Webhook endpoints.
    pub endpoints: u64,
    /// Events since the time that was asked for, counted up to `MOST_EVENTS`.
    pub events: u64,
}

/// Up to so many events are counted: a read of that much of an index takes milliseconds.
pub const MOST_EVENTS: i64 = 100_000;

impl Store {
    /// What there is of a project, and how many events it had since a time.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn stats(&self, project: ProjectId, since: Time) -> Result<Stats> {
        self.read("stats", verb!(|tx| {
            let nil = Uuid::nil();
            let users = sql!(
                tx,
                fetch_all as (i16, i64),
                "SELECT status, COUNT(*) FROM users WHERE project_id = $1 AND live = $2 GROUP BY status",
                project,
                nil
            )?;
            let rules = sql!(
                tx,
                fetch_all as (i16, i64),
                "SELECT mode, COUNT(*) FROM rules WHERE project_id = $1 AND live = $2 GROUP BY mode",
                project,
                nil
            )?;
            let (keys, roles, endpoints, events) = sql!(
                tx, fetch_one as (i64, i64, i64, i64),
                "SELECT (SELECT COUNT(*) FROM api_keys WHERE project_id = $1 AND revoked_at IS NULL),
                        (SELECT COUNT(*) FROM roles WHERE project_id = $2 AND live = $3),
                        (SELECT COUNT(*) FROM webhook_endpoints WHERE project_id = $4 AND live = $5),
                        (SELECT COUNT(*) FROM (SELECT id FROM events WHERE project_id = $6 AND id >= $7
                                               LIMIT $8) e)",
                project, project, nil, project, nil, project, floor(since), MOST_EVENTS
            )?;
            let of = |rows: &[(i16, i64)], wanted: i16| {
                let found = rows.iter().find(|row| row.0 == wanted);
                found.map_or(0, |row| row.1.unsigned_abs())
            };
            Ok(Stats {
                users_pending: of(&users, 0),
                users_active: of(&users, 1),
                users_suspended: of(&users, 2),
                rules: RuleMode::ALL.iter().map(|mode| of(&rules, mode.number())).sum(),
                rules_active: of(&rules, RuleMode::Live.number()),
                keys: keys.unsigned_abs(),
                roles: roles.unsigned_abs(),
                endpoints: endpoints.unsigned_abs(),
                events: events.unsigned_abs(),
            })
        }))
        .await
    }
}
