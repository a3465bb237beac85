//! Looking at a group again whose time has come, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::types::Json;
use uuid::Uuid;

use super::{
    ClaimTerms, Groups, add_notified, gather_decision, gather_notifications, others, read_groups,
};
use crate::due::{DueKind, delete_due};
use crate::engine::{Bundle, Tx, sql, verb};
use crate::jobs::push_jobs;
use crate::{Result, Store, StoreError};
use domain::evaluation::{Decision, Revisit, look_at, revisit};
use domain::group::GroupState;
use domain::id::{EventId, GroupId, ProjectId, RuleId, floor};
use domain::job::{NewJob, QueueName};
use domain::project::ProjectStatus;
use domain::ruleset::RuleSet;
use domain::time::Time;

/// What became of looking at a group again.
#[derive(Debug)]
pub enum Revisited {
    /// The rules, or the group, have changed: read them again.
    Stale,
    /// It was done, by this call or another one.
    Done(Box<(Decision, Vec<NewJob>)>),
}

impl Store {
    /// Looks at a group again for a row of what is due. `jobs_here` says whether jobs go into this store's own queue.
    ///
    /// # Errors
    /// When nothing of it was done.
    pub async fn revisit_group(
        &self,
        project: ProjectId,
        row: Uuid,
        group: GroupId,
        set: &Arc<RuleSet>,
        jobs_here: bool,
        now: Time,
    ) -> Result<Revisited> {
        let set = Arc::clone(set);
        let done = self
            .write_under_epoch(
                project,
                "revisit_group",
                verb!(|tx, set| {
                    let again = Again { set: &set, row, group, jobs_here };
                    again.run(tx, project, now).await
                }),
            )
            .await?;
        if jobs_here && matches!(&done, Revisited::Done(done) if !done.1.is_empty()) {
            self.wake(QueueName::Deliveries);
        }
        Ok(done)
    }
}

struct Again<'a> {
    set: &'a RuleSet,
    row: Uuid,
    group: GroupId,
    jobs_here: bool,
}

impl Again<'_> {
    async fn run(&self, tx: &mut Tx, project: ProjectId, now: Time) -> Result<Revisited> {
        let head = sql!(
            tx,
            fetch_optional as (i64, i16),
            "SELECT epoch, status FROM projects WHERE id = $1",
            project
        )?;
        let (epoch, status) = head.ok_or(StoreError::NotFound("project"))?;
        if epoch != self.set.epoch {
            return Ok(Revisited::Stale);
        }
        let nothing = Revisited::Done(Box::default());
        if status != ProjectStatus::Active.number() {
            // It stays due: what a suspended project waits for comes when it works again.
            return Ok(nothing);
        }
        delete_due(tx, &[(project, DueKind::Group, self.row)]).await?;
        let Some((rule, before)) = self.read(tx, project).await? else { return Ok(nothing) };
        let place = self.set.place_of(rule);
        let known = self.known(tx, project, place, &before, now).await?;
        let mut states = self.lock(tx, project, &known).await?;
        let locked = states.get(&self.group).ok_or(StoreError::NotFound("group"))?;
        if locked.pending != before.pending || locked.seen != before.seen {
            return Err(StoreError::Again("a group changed while it was looked at again".into()));
        }
        let found = states.clone();
        let mut decision = revisit(self.set, place, self.group, &mut states, &known, now);
        let groups = Groups { found, left: states };
        add_notified(tx, project, self.set, &mut decision).await?;
        let mut bundle = Bundle::default();
        gather_decision(tx, &mut bundle, project, &groups, &decision, now).await?;
        // Nobody has these in their hands: the due loop takes them, or whoever gets the job.
        let claim = ClaimTerms { token: Uuid::nil(), until: now, limit: 0, planned_at: now };
        let (_, jobs) =
            gather_notifications(tx, &mut bundle, project, &claim, &decision, now).await?;
        bundle.run(tx).await?;
        if self.jobs_here {
            push_jobs(tx, &jobs).await?;
        }
        Ok(Revisited::Done(Box::new((decision, jobs))))
    }

    async fn read(&self, tx: &mut Tx, project: ProjectId) -> Result<Option<(RuleId, GroupState)>> {
        let row = sql!(
            tx,
            fetch_optional as (RuleId, Json<GroupState>),
            "SELECT rule_id, state FROM rule_groups WHERE project_id = $1 AND group_hash = $2",
            project,
            self.group.0.to_vec()
        )?;
        Ok(row.map(|(rule, Json(state))| (rule, state)))
    }

    /// What has to be known besides the group.
    async fn known(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        place: Option<usize>,
        state: &GroupState,
        now: Time,
    ) -> Result<Revisit> {
        let mut known = Revisit::default();
        let Some(place) = place else { return Ok(known) };
        if let Some(pending) = &state.pending {
            let rows = crate::events::by_id(tx, project, &[pending.event]).await?;
            if let Some(row) = rows.into_iter().next() {
                let looked = look_at(self.set, &crate::events::event(row)?, &[place], now);
                known.pending =
                    Some(looked.map_err(|error| StoreError::Corrupt(error.to_string()))?);
            }
        }
        let rule = self.set.rule(place);
        if let Some(deadlines) = &rule.deadlines {
            let since = state.seen.map_or(rule.rule.since, |seen| seen.max(rule.rule.since));
            if let Some(deadline) = deadlines.first(since, state.missed) {
                known.behind = is_behind(tx, project, since, deadline).await?;
                (known.down, known.is_down) = crate::gaps::down(tx, since, deadline, now).await?;
            }
        }
        Ok(known)
    }

    /// Locks the group and those that may keep its match quiet.
    async fn lock(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        known: &Revisit,
    ) -> Result<BTreeMap<GroupId, GroupState>> {
        let mut all: BTreeSet<GroupId> = others(known.pending.iter());
        all.insert(self.group);
        read_groups(tx, project, all.into_iter().collect()).await
    }
}

/// Whether an event that was received until a deadline is not evaluated yet.
async fn is_behind(tx: &mut Tx, project: ProjectId, since: Time, deadline: Time) -> Result<bool> {
    // Ids order by milliseconds, so that those of the deadline's own count too.
    let (from, to) = (floor(since), floor(deadline.plus(Duration::from_millis(1))));
    let found = sql!(
        tx,
        fetch_optional as (EventId,),
        "SELECT e.id FROM events e WHERE e.project_id = $1 AND e.id >= $2 AND e.id < $3
           AND (SELECT 1 FROM evaluations v WHERE v.project_id = e.project_id AND v.id = e.id) IS NULL
         ORDER BY e.id LIMIT 1",
        project,
        from,
        to
    )?;
    Ok(found.is_some())
}
