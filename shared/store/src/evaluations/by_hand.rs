//! What users do to alerts, in one transaction with its audit row.

use std::sync::Arc;

use sqlx::types::Json;
use uuid::Uuid;

use super::{ClaimTerms, Groups, add_notified, gather_decision, gather_notifications, read_groups};
use crate::audit::note;
use crate::callers::caller;
use crate::engine::{Bundle, Tx, sql, verb};
use crate::jobs::push_jobs;
use crate::{Result, Store, StoreError};
use domain::alert::AlertState;
use domain::audit::{Actor, Entry};
use domain::authority::Target;
use domain::evaluation::{ByHand, Decision, HandError, by_hand};
use domain::facts::alert_facts;
use domain::id::{AlertId, GroupId, ProjectId, RuleId};
use domain::job::{NewJob, QueueName};
use domain::rule::{Priority, Rule, RuleBody, RuleMode};
use domain::ruleset::{CompiledRule, RuleSet};
use domain::time::Time;

/// What became of it.
#[derive(Debug)]
pub enum ByHandVerdict {
    /// The rules have changed: read them again.
    Stale,
    /// The alert does not stand so that it can be done.
    Refused(HandError),
    /// It was done, with the jobs of what it made.
    Done(Vec<NewJob>),
}

impl Store {
    /// Does to an alert what a user wants.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    #[allow(clippy::too_many_arguments)]
    pub async fn change_alert(
        &self,
        project: ProjectId,
        alert: AlertId,
        wanted: ByHand,
        set: &Arc<RuleSet>,
        jobs_here: bool,
        entry: &Entry,
        now: Time,
    ) -> Result<ByHandVerdict> {
        let (set, entry) = (Arc::clone(set), entry.clone());
        let done = self
            .write_under_epoch(
                project,
                "change_alert",
                verb!(|tx, set, entry| {
                    let caller = caller(tx, &mut entry, now).await?;
                    let found = find(tx, project, alert).await?;
                    let found = found.ok_or(StoreError::NotFound("alert"))?;
                    caller.may(Target::Thing(&found.facts))?;
                    let (epoch,) = sql!(
                        tx,
                        fetch_one as (i64,),
                        "SELECT epoch FROM projects WHERE id = $1",
                        project
                    )?;
                    if epoch != set.epoch {
                        return Ok(ByHandVerdict::Stale);
                    }
                    // A rule that is off, or gone, still has its alerts.
                    let off = match set.place_of(found.rule) {
                        Some(_) => None,
                        None => Some(rule_off(tx, project, found.rule).await?),
                    };
                    let place = set.place_of(found.rule);
                    let rule = off.as_ref().or_else(|| place.map(|place| set.rule(place)));
                    let rule = rule.ok_or(StoreError::NotFound("rule"))?;
                    let states = read_groups(tx, project, vec![found.group]).await?;
                    let mut groups = Groups { found: states.clone(), left: states };
                    let by = match entry.actor {
                        Actor::User(user) => Some(user),
                        _ => None,
                    };
                    let decided =
                        by_hand(&set, rule, found.group, alert, &mut groups.left, wanted, by, now);
                    let mut decision = match decided {
                        Ok(decision) => decision,
                        Err(error) => return Ok(ByHandVerdict::Refused(error)),
                    };
                    add_notified(tx, project, &set, &mut decision).await?;
                    let jobs = write(tx, project, &groups, &decision, jobs_here, now).await?;
                    note(tx, project, &entry, now).await?;
                    Ok(ByHandVerdict::Done(jobs))
                }),
            )
            .await?;
        if jobs_here && matches!(&done, ByHandVerdict::Done(jobs) if !jobs.is_empty()) {
            self.wake(QueueName::Deliveries);
        }
        Ok(done)
    }
}

async fn write(
    tx: &mut Tx,
    project: ProjectId,
    groups: &Groups,
    decision: &Decision,
    jobs_here: bool,
    now: Time,
) -> Result<Vec<NewJob>> {
    let mut bundle = Bundle::default();
    gather_decision(tx, &mut bundle, project, groups, decision, now).await?;
    let claim = ClaimTerms { token: Uuid::nil(), until: now, limit: 0, planned_at: now };
    let (_, jobs) = gather_notifications(tx, &mut bundle, project, &claim, decision, now).await?;
    bundle.run(tx).await?;
    if jobs_here {
        push_jobs(tx, &jobs).await?;
    }
    Ok(jobs)
}

struct Found {
    rule: RuleId,
    group: GroupId,
    facts: serde_json::Value,
}

type Row = (RuleId, Vec<u8>, String, i16, i16);

async fn find(tx: &mut Tx, project: ProjectId, id: AlertId) -> Result<Option<Found>> {
    let row = sql!(
        tx,
        fetch_optional as Row,
        "SELECT rule_id, group_hash, title, priority, state FROM alerts WHERE project_id = $1 AND id = $2",
        project,
        id
    )?;
    let Some((rule, hash, title, priority, state)) = row else { return Ok(None) };
    let group = super::group_id(hash)?;
    let facts = alert_facts(
        id,
        rule,
        &title,
        Priority::from_number(priority),
        AlertState::from_number(state),
    );
    Ok(Some(Found { rule, group, facts }))
}

/// A rule that does not work, so that it is in no rule set.
async fn rule_off(tx: &mut Tx, project: ProjectId, id: RuleId) -> Result<CompiledRule> {
    let row = sql!(
        tx,
        fetch_optional as (i64, Time, Json<RuleBody>),
        "SELECT version, updated_at, body FROM rules WHERE project_id = $1 AND id = $2",
        project,
        id
    )?;
    let (version, since, Json(body)) = row.ok_or(StoreError::NotFound("rule"))?;
    let rule = Rule { id, version, mode: RuleMode::Off, since, body };
    CompiledRule::compile(rule, None)
        .ok_or_else(|| StoreError::Corrupt(format!("rule {id} does not compile")))
}
