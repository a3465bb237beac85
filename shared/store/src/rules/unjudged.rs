//! Rules as tests of the store want them: neither is anything judged, so that there can be rules of older builds, nor is it
//! written down who did it.

use sqlx::types::Json;
use uuid::Uuid;

use super::{keep_version, watch_for_absence, write_rule};
use crate::engine::epoch::{Hold, bump_epoch, hold_epoch};
use crate::engine::{sql, verb};
use crate::rules::read::live_rule;
use crate::settings::within_plan;
use crate::{Result, Store};
use domain::id::ProjectId;
use domain::plan::PlanLimit;
use domain::rule::{Rule, RuleRecord};
use domain::time::Time;

impl Store {
    /// Keeps a new rule as its first version.
    ///
    /// # Errors
    /// A conflict when the name is taken.
    pub async fn create_rule(&self, project: ProjectId, rule: &Rule, now: Time) -> Result<()> {
        let rule = rule.clone();
        self.write("create_rule", verb!(|tx, rule| {
            let epoch = bump_epoch(tx, project).await?;
            within_plan(tx, project, PlanLimit::Rules).await?;
            sql!(
                tx, execute,
                "INSERT INTO rules (project_id, id, name, mode, version, body, live, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                project, rule.id, &rule.body.name, rule.mode.number(), rule.version, Json(&rule.body),
                Uuid::nil(), now, now
            )?;
            let new = RuleRecord { rule, created_by: None, created_at: now };
            keep_version(tx, project, &new, None, epoch, now).await?;
            watch_for_absence(tx, project, &new, now).await
        }))
        .await
    }

    /// Makes `rule` the next version of itself; answers its number.
    ///
    /// # Errors
    /// When it is not there, or its new name is taken.
    pub async fn change_rule(&self, project: ProjectId, rule: &Rule, now: Time) -> Result<i64> {
        let rule = rule.clone();
        self.write(
            "change_rule",
            verb!(|tx, rule| {
                hold_epoch(tx, project, Hold::Alone).await?;
                let old = live_rule(tx, project, rule.id).await?;
                let rule = Rule { version: old.rule.version + 1, since: now, ..rule };
                let new = RuleRecord { rule, ..old };
                write_rule(tx, project, &new, None, now).await?;
                Ok(new.rule.version)
            }),
        )
        .await
    }
}
