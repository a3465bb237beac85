//! Evaluations: the one transaction in which a batch of events decides what rings.

mod alerts;
mod at_once;
mod by_hand;
mod failures;
mod optimistic;
mod revisit;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use sqlx::types::Json;
use uuid::Uuid;

pub(super) use self::alerts::timer;
use self::alerts::{add_notified, gather_alerts, gather_timers};
pub use self::by_hand::ByHandVerdict;
use self::failures::forget_attempts;
pub(super) use self::optimistic::OptimisticGroups;
pub use self::revisit::Revisited;
use super::deliveries::{Placed, gather_deliveries};
pub use super::due::ClaimTerms;
use super::due::{Due, DueKind, gather_due};
use super::engine::{Bundle, Conn, Tx, gather, insert, rows_in, sql, update, verb};
use super::jobs::push_jobs;
use super::{Result, Store, StoreError};
use domain::delivery::{DeliveryState, NewDelivery};
use domain::evaluation::{
    Decision, EvaluationStatus, Looked, MatchOutcome, MatchRecord, NewNotification, decide,
};
use domain::group::GroupState;
use domain::id::{
    AlertId, DeliveryId, EventId, GroupId, JobId, NotificationId, ProjectId, RuleId, UserId,
};
use domain::job::{Envelope, Job, NewJob, QueueName};
use domain::project::ProjectStatus;
use domain::ruleset::RuleSet;
use domain::time::Time;

/// How a batch is to be evaluated.
#[derive(Clone, Debug)]
pub struct Evaluating {
    /// The rules.
    pub set: Arc<RuleSet>,
    /// What looking at the events found.
    pub looked: Arc<Vec<Looked>>,
    /// The terms for the first deliveries.
    pub claim: ClaimTerms,
    /// Whether the jobs that it makes go into this store's own queue.
    pub jobs_here: bool,
}

/// What became of a batch.
#[derive(Debug)]
pub enum Recorded {
    /// The rules have changed: read them again.
    Stale,
    /// The project does not work: its events are held.
    Held(ProjectStatus),
    /// It is decided.
    Done(Box<Done>),
}

/// What was decided.
#[derive(Debug, Default)]
pub struct Done {
    /// When.
    pub at: Time,
    /// The events that this call evaluated; the others were evaluated before.
    pub fresh: Vec<EventId>,
    /// What they decided.
    pub decision: Decision,
    /// The deliveries that the caller has claimed.
    pub claimed: Vec<DeliveryId>,
    /// The jobs for those that it has not.
    pub jobs: Vec<NewJob>,
}

impl Store {
    /// Decides on a batch of events of one project: each event once, whoever calls and how often.
    ///
    /// # Errors
    /// When nothing of it was decided.
    pub async fn record_evaluation(
        &self,
        project: ProjectId,
        batch: Evaluating,
        now: Time,
    ) -> Result<Recorded> {
        if let Some(done) = self.record_optimistic(project, &batch, now).await? {
            return Ok(Recorded::Done(Box::new(done)));
        }
        let jobs_here = batch.jobs_here;
        let (recorded, groups) = self
            .write_under_epoch(
                project,
                "record_evaluation",
                verb!(|tx, batch| {
                    let mut groups = Groups::default();
                    let recorded = record(tx, project, &batch, &mut groups, now).await?;
                    Ok((recorded, groups))
                }),
            )
            .await?;
        self.optimistic.learn(project, groups);
        if jobs_here && matches!(&recorded, Recorded::Done(done) if !done.jobs.is_empty()) {
            self.wake(QueueName::Deliveries);
        }
        Ok(recorded)
    }
}

async fn record(
    tx: &mut Tx,
    project: ProjectId,
    batch: &Evaluating,
    states: &mut Groups,
    now: Time,
) -> Result<Recorded> {
    let begun = match begin(tx, project, batch, now).await? {
        Ok(begun) => begun,
        Err(other) => return Ok(other),
    };
    let Begun { fresh, attempted, groups } = begun;
    // An event that the batch holds twice is decided on once.
    let mut mine: HashSet<EventId> = fresh.iter().copied().collect();
    let looked: Vec<&Looked> = batch.looked.iter().filter(|one| mine.remove(&one.event)).collect();
    if attempted {
        // Also those that somebody else evaluated: whoever began an attempt may be gone.
        let all: Vec<EventId> = batch.looked.iter().map(|one| one.event).collect();
        forget_attempts(tx, project, &all).await?;
    }
    if looked.iter().all(|one| one.matches.is_empty()) {
        return Ok(Recorded::Done(Box::new(Done { at: now, fresh, ..Done::default() })));
    }
    let wanted = wanted(batch, looked.iter().copied());
    let others = others(looked.iter().copied());
    states.found = lock_groups(tx, project, &wanted, &others, groups, now).await?;
    states.left.clone_from(&states.found);
    let mut decision = decide(&batch.set, &looked, &mut states.left, now);
    add_notified(tx, project, &batch.set, &mut decision).await?;
    let mut bundle = Bundle::default();
    gather_decision(tx, &mut bundle, project, states, &decision, now).await?;
    let (claimed, jobs) =
        gather_notifications(tx, &mut bundle, project, &batch.claim, &decision, now).await?;
    bundle.run(tx).await?;
    if batch.jobs_here {
        push_jobs(tx, &jobs).await?;
    }
    Ok(Recorded::Done(Box::new(Done { at: now, fresh, decision, claimed, jobs })))
}

/// Writes what is decided, but for what rings.
async fn gather_decision(
    tx: &mut Tx,
    bundle: &mut Bundle,
    project: ProjectId,
    groups: &Groups,
    decision: &Decision,
    now: Time,
) -> Result<()> {
    write_groups(tx, bundle, project, groups, now).await?;
    gather_matches(tx, bundle, project, decision).await?;
    gather_alerts(tx, bundle, project, decision, now).await?;
    gather_timers(tx, bundle, project, &decision.timers).await
}

/// The groups of an evaluation, before and after it.
#[derive(Clone, Default)]
struct Groups {
    found: BTreeMap<GroupId, GroupState>,
    left: BTreeMap<GroupId, GroupState>,
}

/// What an evaluation stands on.
struct Begun {
    /// The events whose evaluation this transaction inserted.
    fresh: Vec<EventId>,
    /// Whether attempts of any event of the project are counted.
    attempted: bool,
    /// The groups of the batch that were there, locked, if that was done already.
    groups: Option<BTreeMap<GroupId, GroupState>>,
}

/// Inserts the evaluations if the project works and the rules are those of its epoch; else answers what is the matter.
async fn begin(
    tx: &mut Tx,
    project: ProjectId,
    batch: &Evaluating,
    now: Time,
) -> Result<std::result::Result<Begun, Recorded>> {
    let mut rows: Vec<&Looked> = batch.looked.iter().collect();
    rows.sort_by_key(|one| one.event);
    rows.dedup_by_key(|one| one.event);
    if let Conn::Postgres(c) = tx.conn() {
        return at_once::begin(c, project, batch, &rows, now).await;
    }
    let head = sql!(
        tx,
        fetch_optional as (i64, i16, bool),
        "SELECT epoch, status, EXISTS (SELECT 1 FROM evaluation_attempts a WHERE a.project_id = projects.id)
         FROM projects WHERE id = $1",
        project
    )?;
    let (epoch, status, attempted) = head.ok_or(StoreError::NotFound("project"))?;
    if let Some(other) = obstacle(batch, epoch, status) {
        return Ok(Err(other));
    }
    let fresh = insert_evaluations(tx, project, batch, &rows, now).await?;
    Ok(Ok(Begun { fresh, attempted, groups: None }))
}

/// Why a batch can't be evaluated now.
fn obstacle(batch: &Evaluating, epoch: i64, status: i16) -> Option<Recorded> {
    let status = ProjectStatus::from_number(status).unwrap_or(ProjectStatus::Suspended);
    if status != ProjectStatus::Active {
        return Some(Recorded::Held(status));
    }
    (epoch != batch.set.epoch).then_some(Recorded::Stale)
}

async fn insert_evaluations(
    tx: &mut Tx,
    project: ProjectId,
    batch: &Evaluating,
    rows: &[&Looked],
    now: Time,
) -> Result<Vec<EventId>> {
    // This transaction's own: where an insert returns nothing, it tells the rows that went in.
    let run = domain::id::fresh(now);
    let ids: Vec<EventId> = rows.iter().map(|one| one.event).collect();
    let fresh = insert!(
        tx,
        "INSERT INTO evaluations (project_id, id, run, status, ruleset, looked, matched, evaluated_at)",
        rows,
        "ON CONFLICT DO NOTHING RETURNING id",
        as (EventId,),
        {
            ProjectId = |_one| project,
            EventId = |one| one.event,
            Uuid = |_one| run,
            i16 = |_one| EvaluationStatus::Processed.number(),
            i64 = |_one| batch.set.epoch,
            i64 = |one| one.looked,
            i64 = |one| one.matches.len() as i64,
            Time = |_one| now,
        },
        my rows_in!(
            tx,
            as (EventId,),
            "SELECT id FROM evaluations WHERE project_id = $1 AND run = $2 AND id",
            [project, run],
            ids,
            lite "",
            server ""
        )
    );
    Ok(fresh.into_iter().map(|(id,)| id).collect())
}

/// A group that events touch: its rule and its key as people read it.
type Wanted<'a> = BTreeMap<GroupId, (RuleId, &'a str)>;

/// The groups of the matches.
fn wanted<'a>(batch: &Evaluating, looked: impl Iterator<Item = &'a Looked>) -> Wanted<'a> {
    let mut wanted = Wanted::new();
    for found in looked.flat_map(|one| &one.matches) {
        if let Some((group, key)) = &found.group {
            wanted.insert(*group, (batch.set.rule(found.place).rule.id, key));
        }
    }
    wanted
}

/// The groups of other rules that may keep matches quiet.
fn others<'a>(looked: impl Iterator<Item = &'a Looked>) -> BTreeSet<GroupId> {
    looked
        .flat_map(|one| &one.matches)
        .flat_map(|found| &found.inhibitors)
        .map(|(_, group)| *group)
        .collect()
}

/// Locks the groups in key order, making those that are missing, and those of `others` that are there; `held` are those of
/// a larger batch that were there.
async fn lock_groups(
    tx: &mut Tx,
    project: ProjectId,
    wanted: &Wanted<'_>,
    others: &BTreeSet<GroupId>,
    held: Option<BTreeMap<GroupId, GroupState>>,
    now: Time,
) -> Result<BTreeMap<GroupId, GroupState>> {
    let mut groups = match held {
        Some(held) => held,
        None => {
            let all: BTreeSet<GroupId> = wanted.keys().chain(others).copied().collect();
            read_groups(tx, project, all.into_iter().collect()).await?
        }
    };
    groups.retain(|group, _| wanted.contains_key(group) || others.contains(group));
    let missing: Vec<(&GroupId, &(RuleId, &str))> =
        wanted.iter().filter(|(group, _)| !groups.contains_key(*group)).collect();
    if missing.is_empty() {
        return Ok(groups);
    }
    insert!(
        tx,
        "INSERT INTO rule_groups (project_id, rule_id, group_hash, group_key, state, updated_at)",
        missing,
        "ON CONFLICT DO NOTHING",
        {
            ProjectId = |_one| project,
            RuleId = |one| one.1.0,
            Vec<u8> = |one| one.0.0.to_vec(),
            String = |one| one.1.1.to_owned(),
            Json<GroupState> = |_one| Json(GroupState::default()),
            Time = |_one| now,
        }
    );
    groups.extend(
        read_groups(tx, project, missing.iter().map(|(group, _)| **group).collect()).await?,
    );
    Ok(groups)
}

async fn read_groups(
    tx: &mut Tx,
    project: ProjectId,
    ids: Vec<GroupId>,
) -> Result<BTreeMap<GroupId, GroupState>> {
    let hashes: Vec<Vec<u8>> = ids.iter().map(|id| id.0.to_vec()).collect();
    let rows = rows_in!(
        tx,
        as (Vec<u8>, Json<GroupState>),
        "SELECT group_hash, state FROM rule_groups WHERE project_id = $1 AND group_hash",
        [project],
        hashes,
        lite "",
        server "ORDER BY group_hash FOR UPDATE"
    );
    rows.into_iter().map(|(hash, Json(state))| Ok((group_id(hash)?, state))).collect()
}

fn group_id(hash: Vec<u8>) -> Result<GroupId> {
    let hash = hash.try_into().map_err(|_| StoreError::Corrupt("hash of a group".into()))?;
    Ok(GroupId(hash))
}

async fn write_groups(
    tx: &mut Tx,
    bundle: &mut Bundle,
    project: ProjectId,
    groups: &Groups,
    now: Time,
) -> Result<()> {
    let changed = |(id, state): &(&GroupId, &GroupState)| groups.found.get(*id) != Some(*state);
    let rows: Vec<(&GroupId, &GroupState)> = groups.left.iter().filter(changed).collect();
    update!(
        tx,
        in bundle,
        "rule_groups",
        rows,
        set {
            state: Json<GroupState> = |one| Json(one.1.clone()),
            updated_at: Time = |_one| now,
        },
        key {
            project_id: ProjectId = |_one| project,
            group_hash: Vec<u8> = |one| one.0.0.to_vec(),
        },
    );
    Ok(())
}

async fn gather_matches(
    tx: &mut Tx,
    bundle: &mut Bundle,
    project: ProjectId,
    decision: &Decision,
) -> Result<()> {
    // One that rang is told by its notification, so that what rings once has a row less.
    let silent: Vec<&MatchRecord> =
        decision.matches.iter().filter(|one| one.outcome != MatchOutcome::Rang).collect();
    gather!(
        tx,
        bundle,
        "INSERT INTO matches (project_id, event_id, rule_id, rule_version, outcome, reason, until, alert_id, cause)",
        silent,
        "",
        {
            ProjectId = |_one| project,
            EventId = |one| one.event,
            RuleId = |one| one.rule,
            i64 = |one| one.rule_version,
            i16 = |one| one.outcome.number(),
            Option<String> = |one| one.reason.map(|reason| reason.as_str().to_owned()),
            Option<Time> = |one| one.until,
            Option<AlertId> = |one| one.alert,
            Option<Uuid> = |one| one.cause,
        }
    );
    Ok(())
}

async fn gather_notifications(
    tx: &mut Tx,
    bundle: &mut Bundle,
    project: ProjectId,
    claim: &ClaimTerms,
    decision: &Decision,
    now: Time,
) -> Result<(Vec<DeliveryId>, Vec<NewJob>)> {
    // None of these can be there already, for this transaction inserted the evaluations that they follow from; so they
    // are not looked for, and a row that is there all the same stops the transaction.
    notifications(tx, bundle, project, &decision.notifications, now).await?;
    gather!(
        tx,
        bundle,
        "INSERT INTO recipients (project_id, notification_id, user_id, role, created_at)",
        decision.recipients,
        "",
        {
            ProjectId = |_one| project,
            NotificationId = |one| one.0,
            UserId = |one| one.1.user,
            Option<String> = |one| one.1.role.as_deref().map(str::to_owned),
            Time = |_one| now,
        }
    );
    let (mine, waiting) = decision.deliveries.split_at(claim.limit.min(decision.deliveries.len()));
    let claimed = mine.iter().map(|one| (one, DeliveryState::Claimed, Some(claim.token)));
    let planned = waiting.iter().map(|one| (one, DeliveryState::Planned, None));
    let rows: Vec<Placed<'_>> = claimed.chain(planned).collect();
    gather_deliveries(tx, bundle, project, &rows, now).await?;
    let claimed: Vec<DeliveryId> = mine.iter().map(|one| one.id).collect();
    let mut due: Vec<Due> = waiting
        .iter()
        .map(|one| Due {
            project,
            kind: DueKind::Planned,
            row: one.id.0,
            at: claim.planned_at,
            data: None,
        })
        .collect();
    due.extend(Due::claim(project, claim, &claimed));
    gather_due(tx, bundle, &due).await?;
    Ok((claimed, deliver_jobs(project, waiting, now)?))
}

/// How many deliveries one job names.
const PER_JOB: usize = 64;

fn deliver_jobs(project: ProjectId, waiting: &[NewDelivery], now: Time) -> Result<Vec<NewJob>> {
    let job = |chunk: &[NewDelivery]| {
        let job = Job::Deliver(chunk.iter().map(|one| one.id).collect());
        let body = Envelope::new(project, job.clone()).encode();
        let body = body.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(NewJob { id: JobId::fresh(now), project, queue: job.queue(), body })
    };
    waiting.chunks(PER_JOB).map(job).collect()
}

async fn notifications(
    tx: &mut Tx,
    bundle: &mut Bundle,
    project: ProjectId,
    rows: &[NewNotification],
    now: Time,
) -> Result<()> {
    gather!(
        tx,
        bundle,
        "INSERT INTO notifications (project_id, id, kind, origin_id, rule_id, rule_version, alert_id, round, title, body, priority, created_at)",
        rows,
        "",
        {
            ProjectId = |_one| project,
            NotificationId = |one| one.id,
            i16 = |one| one.origin.number(),
            Uuid = |one| one.origin_id,
            RuleId = |one| one.rule,
            i64 = |one| one.rule_version,
            AlertId = |one| one.alert,
            i64 = |one| one.round,
            String = |one| one.title.clone(),
            String = |one| one.body.clone(),
            i16 = |one| one.priority.number(),
            Time = |_one| now,
        }
    );
    Ok(())
}
