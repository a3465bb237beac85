//! Evaluating on PostgreSQL in one statement that is its own transaction, where this process was the last to touch the
//! groups: then it knows their state, decides beforehand, and the statement does nothing if it was mistaken. Four round
//! trips less are most of the time of a single event, and a good part of the price of a small batch.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Arguments as _;
use sqlx::types::Json;

use super::{
    Done, Evaluating, Groups, Wanted, gather_decision, gather_notifications, others, wanted,
};
use crate::engine::epoch::lock_key;
use crate::engine::texts::rows_text;
use crate::engine::{Bundle, Tx, add_column};
use crate::{Result, Store};
use domain::evaluation::{Decision, EvaluationStatus, Looked, decide};
use domain::group::GroupState;
use domain::id::{DeliveryId, EventId, GroupId, ProjectId};
use domain::job::NewJob;
use domain::project::ProjectStatus;
use domain::time::Time;

/// How many groups are remembered before all are forgotten.
const REMEMBERED: usize = 10_000;

/// How many times of a window are worth to be sent along, to be compared.
const RINGS: usize = 64;

/// What this process expects of groups. It is never trusted: a statement compares it with what is there.
#[derive(Default)]
pub(crate) struct OptimisticGroups(Mutex<HashMap<(ProjectId, GroupId), Expected>>);

struct Expected {
    state: GroupState,
    /// Whether it was right the last time. Where several processes work for a group it is wrong most of the time, and
    /// a mistake costs a statement.
    sure: bool,
}

impl OptimisticGroups {
    /// The states of groups, if all of them are likely to be right.
    fn of(&self, project: ProjectId, wanted: &Wanted<'_>) -> Option<BTreeMap<GroupId, GroupState>> {
        let known = self.all();
        let state = |group: &GroupId| {
            let one = known.get(&(project, *group))?;
            let fits = one.sure && one.state.rings.len() <= RINGS;
            fits.then(|| (*group, one.state.clone()))
        };
        wanted.keys().map(state).collect()
    }

    /// Learns how groups were found, which tells whether what was expected was right, and how they were left.
    pub(super) fn learn(&self, project: ProjectId, groups: Groups) {
        let mut known = self.all();
        if known.len() + groups.left.len() > REMEMBERED {
            known.clear();
        }
        for (group, state) in groups.left {
            let before = known.get(&(project, group)).map(|one| &one.state);
            let sure = before.is_some() && before == groups.found.get(&group);
            known.insert((project, group), Expected { state, sure });
        }
    }

    /// Forgets what turned out to be wrong.
    fn forget(&self, project: ProjectId, groups: impl Iterator<Item = GroupId>) {
        let mut known = self.all();
        for group in groups {
            known.remove(&(project, group));
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(ProjectId, GroupId), Expected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is decided beforehand.
#[derive(Clone)]
struct Plan {
    batch: Evaluating,
    events: Vec<Event>,
    groups: Groups,
    decision: Decision,
}

/// An event, how many rules were looked at, and how many matched.
type Event = (EventId, i64, i64);

impl Store {
    /// Records an evaluation if all of its events are new and what is expected of its groups is right; else does nothing,
    /// and the general way finds out why.
    pub(super) async fn record_optimistic(
        &self,
        project: ProjectId,
        batch: &Evaluating,
        now: Time,
    ) -> Result<Option<Done>> {
        if self.engine.postgres().is_none() {
            return Ok(None);
        }
        let mut rows: Vec<&Looked> = batch.looked.iter().collect();
        rows.sort_by_key(|one| one.event);
        rows.dedup_by_key(|one| one.event);
        let wanted = wanted(batch, rows.iter().copied());
        let Some(found) = self.optimistic.of(project, &wanted) else { return Ok(None) };
        let mut left = found.clone();
        if !others(rows.iter().copied()).is_empty() {
            // Groups of other rules are not remembered.
            return Ok(None);
        }
        let decision = decide(&batch.set, &rows, &mut left, now);
        if !decision.resolutions.is_empty() {
            // Who is to hear of it has to be read.
            return Ok(None);
        }
        if batch.jobs_here && decision.deliveries.len() > batch.claim.limit {
            // There are jobs to be committed with it.
            return Ok(None);
        }
        let event = |one: &&Looked| (one.event, one.looked, one.matches.len() as i64);
        let events: Vec<Event> = rows.iter().map(event).collect();
        let groups = Groups { found, left };
        let plan = Arc::new(Plan { batch: batch.clone(), events, groups, decision });
        let sent = Arc::clone(&plan);
        let recorded = self
            .write_single("record_optimistic", move |tx| {
                let plan = Arc::clone(&sent);
                Box::pin(async move { record(tx, project, &plan, now).await })
            })
            .await;
        match recorded {
            Ok(Some((claimed, jobs))) => {
                // The statement is done with it, so that it is next to never copied.
                let Plan { events, groups, decision, .. } = Arc::unwrap_or_clone(plan);
                self.optimistic.learn(project, groups);
                let fresh = events.into_iter().map(|(event, ..)| event).collect();
                Ok(Some(Done { at: now, fresh, decision, claimed, jobs }))
            }
            Ok(None) => {
                self.optimistic.forget(project, wanted.into_keys());
                Ok(None)
            }
            Err(error) => {
                self.optimistic.forget(project, wanted.into_keys());
                if error.is_passing() {
                    return Err(error);
                }
                // Most likely an event was evaluated before; the general way leaves it out.
                tracing::debug!(%project, %error, "an evaluation was not recorded at once");
                Ok(None)
            }
        }
    }
}

/// Looks whether all is as expected, and holds it. Nobody else may evaluate for the project or change its rules meanwhile;
/// no lock is waited for, so that the order in which rows are locked is nobody's concern. An event that was evaluated
/// before makes the insert fail, and with it all of the statement.
///
/// What this statement sees was there when it began, which may be before it had the first lock. So the epoch is read
/// through a lock of its row, which follows to the newest one. It has to be `SHARE`: `KEY SHARE` gets along with changes
/// of what is no key, and reads what was there before them.
const VERDICT: &str = "alone AS MATERIALIZED (
         SELECT pg_try_advisory_xact_lock($12) AS got),
     head AS MATERIALIZED (
         SELECT epoch, status FROM projects WHERE id = $1 AND (SELECT got FROM alone)
         FOR SHARE SKIP LOCKED),
     same AS MATERIALIZED (
         SELECT g.group_hash FROM rule_groups g JOIN unnest($2::bytea[], $3::jsonb[]) AS u(hash, state)
             ON g.project_id = $1 AND g.group_hash = u.hash AND g.state = u.state
         WHERE (SELECT epoch = $4 AND status = $5 FROM head)
         ORDER BY g.group_hash FOR UPDATE OF g SKIP LOCKED),
     verdict AS MATERIALIZED (
         SELECT (SELECT epoch = $4 AND status = $5 FROM head)
                AND (SELECT COUNT(*) FROM same) = $13
                AND NOT EXISTS (SELECT 1 FROM evaluation_attempts WHERE project_id = $1) AS ok),
     fresh AS (
         INSERT INTO evaluations (project_id, id, run, status, ruleset, looked, matched, evaluated_at)
         SELECT $1, u.id, $6, $7, $4, u.looked, u.matched, $8
         FROM unnest($9::uuid[], $10::bigint[], $11::bigint[]) AS u(id, looked, matched)
         WHERE (SELECT ok FROM verdict))";

async fn record(
    tx: &mut Tx,
    project: ProjectId,
    plan: &Plan,
    now: Time,
) -> Result<Option<(Vec<DeliveryId>, Vec<NewJob>)>> {
    let Plan { batch, events, groups, decision } = plan;
    let one = groups.found.len() == 1 && events.len() == 1;
    let mut bundle = Bundle::under(&rows_text(VERDICT.to_owned(), one), |arguments| {
        let hashes = groups.found.keys().map(|group| group.0.to_vec());
        let states = groups.found.values().cloned().map(Json);
        arguments.add(project)?;
        add_column(arguments, one, hashes)?;
        add_column(arguments, one, states)?;
        arguments.add(batch.set.epoch)?;
        arguments.add(ProjectStatus::Active.number())?;
        arguments.add(batch.claim.token)?;
        arguments.add(EvaluationStatus::Processed.number())?;
        arguments.add(now)?;
        add_column(arguments, one, events.iter().map(|(id, ..)| *id))?;
        add_column(arguments, one, events.iter().map(|(_, looked, _)| *looked))?;
        add_column(arguments, one, events.iter().map(|(.., matched)| *matched))?;
        arguments.add(lock_key(project))?;
        arguments.add(groups.found.len() as i64)?;
        Ok(())
    })?;
    gather_decision(tx, &mut bundle, project, groups, decision, now).await?;
    let made = gather_notifications(tx, &mut bundle, project, &batch.claim, decision, now).await?;
    Ok(bundle.run_if(tx).await?.then_some(made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::RuleId;

    #[test]
    fn what_was_expected_is_used_once_it_was_right() {
        let (known, project) = (OptimisticGroups::default(), ProjectId(uuid::Uuid::nil()));
        let group = GroupId([1; 32]);
        let wanted = Wanted::from([(group, (RuleId(uuid::Uuid::nil()), ""))]);
        let state = |decided| GroupState { decided, ..GroupState::default() };
        let map = |decided| BTreeMap::from([(group, state(decided))]);
        let learn = |found, left| {
            known.learn(project, Groups { found: map(found), left: map(left) });
            known.of(project, &wanted).map(|states| states[&group].decided)
        };
        assert_eq!(known.of(project, &wanted), None);
        assert_eq!(known.of(project, &Wanted::new()), Some(BTreeMap::new()), "nothing is known");
        for (found, left, expected, why) in [
            (0, 1, None, "it was not known before"),
            (1, 2, Some(2), "it was right"),
            (2, 3, Some(3), "and again"),
            (5, 6, None, "somebody else was there"),
            (6, 7, Some(7), "it was right"),
        ] {
            assert_eq!(learn(found, left), expected, "{why}");
        }
        known.forget(project, [group].into_iter());
        assert_eq!(known.of(project, &wanted), None);
        assert_eq!(learn(7, 8), None, "it was forgotten");
    }
}
