//! Events: accepted once, never changed.

mod at_once;
mod delete;
mod find;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::engine::{Tx, insert, rows_in, verb};
use super::idempotency::{Claim, Claiming, IdempotencyKey, claim};
use super::jobs::push_jobs;
use super::{Result, Store, StoreError};
use domain::event::Event;
use domain::id::{EventId, KeyId, ProjectId};
use domain::job::NewJob;
use domain::time::Time;

/// An event that asks to be taken.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Whose it is.
    pub project: ProjectId,
    /// The event, with the id that it gets.
    pub event: Event,
    /// Its idempotency key.
    pub key: Option<IdempotencyKey>,
    /// The W3C trace that it belongs to.
    pub trace: Option<String>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is kept.
    New,
    /// The same was kept before, under that id.
    Replay(EventId),
    /// Its key was used for another body.
    Conflict,
    /// Its key was used, and the store went away before it said for what.
    Unanswered,
}

/// Makes the jobs for what was kept of one project.
pub type MakeJobs = Arc<dyn Fn(ProjectId, &[&Incoming]) -> Vec<NewJob> + Send + Sync>;

pub(super) type Row = (
    EventId,
    String,
    String,
    Option<String>,
    Vec<u8>,
    Option<Time>,
    Time,
    Option<String>,
    Option<String>,
    Option<EventId>,
    Option<KeyId>,
);

pub(super) fn event(row: Row) -> Result<Event> {
    let (
        id,
        kind,
        source,
        subject,
        payload,
        occurred_at,
        received_at,
        idempotency_key,
        correlation_id,
        replay_of,
        key_id,
    ) = row;
    let corrupt = || StoreError::Corrupt(format!("payload of event {id}"));
    let payload = String::from_utf8(payload).map_err(|_| corrupt())?;
    let payload = RawValue::from_string(payload).map_err(|_| corrupt())?;
    Ok(Event {
        id,
        kind,
        source,
        subject,
        payload,
        occurred_at,
        received_at,
        idempotency_key,
        correlation_id,
        replay_of,
        key_id,
    })
}

impl Store {
    /// Keeps events, of any projects, in one commit, and answers what became of each, in order. With `jobs` the jobs go
    /// in with them: that is for a queue that lives in this store.
    ///
    /// # Errors
    /// When nothing of it was kept.
    pub async fn accept_events(
        &self,
        incoming: Arc<Vec<Incoming>>,
        jobs: Option<MakeJobs>,
        now: Time,
    ) -> Result<Vec<Taken>> {
        let enqueues = jobs.is_some();
        if !enqueues && self.engine.postgres().is_some() {
            return self.accept_at_once(&incoming, now).await;
        }
        let taken = self
            .write(
                "accept_events",
                verb!(|tx, incoming, jobs| { accept(tx, &incoming, jobs, now).await }),
            )
            .await?;
        if enqueues {
            self.wake(domain::job::QueueName::Events);
        }
        Ok(taken)
    }

    /// The events of a project with these ids, in no order.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn events(&self, project: ProjectId, ids: &[EventId]) -> Result<Vec<Event>> {
        let ids = ids.to_vec();
        let rows = self.read("events", verb!(|tx, ids| { by_id(tx, project, &ids).await })).await?;
        rows.into_iter().map(event).collect()
    }
}

pub(super) async fn by_id(tx: &mut Tx, project: ProjectId, ids: &[EventId]) -> Result<Vec<Row>> {
    Ok(rows_in!(
        tx,
        as Row,
        "SELECT id, kind, source, subject, payload, occurred_at, received_at, idempotency_key, correlation_id, replay_of, key_id
         FROM events WHERE project_id = $1 AND id",
        [project],
        ids,
        lite "",
        server ""
    ))
}

async fn accept(
    tx: &mut Tx,
    incoming: &[Incoming],
    jobs: Option<MakeJobs>,
    now: Time,
) -> Result<Vec<Taken>> {
    let taken = decide(tx, incoming, now).await?;
    let fresh: Vec<&Incoming> = incoming
        .iter()
        .zip(&taken)
        .filter(|(_, taken)| **taken == Taken::New)
        .map(|(one, _)| one)
        .collect();
    insert!(
        tx,
        "INSERT INTO events (project_id, id, kind, source, subject, payload, occurred_at, received_at, idempotency_key, correlation_id, replay_of, key_id)",
        fresh,
        "",
        {
            ProjectId = |one| one.project,
            EventId = |one| one.event.id,
            String = |one| one.event.kind.clone(),
            String = |one| one.event.source.clone(),
            Option<String> = |one| one.event.subject.clone(),
            Vec<u8> = |one| one.event.payload.get().as_bytes().to_vec(),
            Option<Time> = |one| one.event.occurred_at,
            Time = |one| one.event.received_at,
            Option<String> = |one| one.event.idempotency_key.clone(),
            Option<String> = |one| one.event.correlation_id.clone(),
            Option<EventId> = |one| one.event.replay_of,
            Option<KeyId> = |one| one.event.key_id,
        }
    );
    if let Some(make) = jobs {
        let jobs = jobs_for(&fresh, &make);
        push_jobs(tx, &jobs).await?;
    }
    Ok(taken)
}

/// The jobs for what was kept, project by project.
pub fn jobs_for(fresh: &[&Incoming], make: &MakeJobs) -> Vec<NewJob> {
    let mut by_project: BTreeMap<ProjectId, Vec<&Incoming>> = BTreeMap::new();
    for one in fresh {
        by_project.entry(one.project).or_default().push(one);
    }
    by_project.into_iter().flat_map(|(project, events)| make(project, &events)).collect()
}

/// Which of them are new. Within the batch the first with a key stands for the others.
async fn decide(tx: &mut Tx, incoming: &[Incoming], now: Time) -> Result<Vec<Taken>> {
    let mut first: HashMap<(ProjectId, [u8; 32]), usize> = HashMap::new();
    let mut claims = Vec::new();
    for (at, one) in incoming.iter().enumerate() {
        let Some(key) = &one.key else { continue };
        first.entry((one.project, key.hash)).or_insert_with(|| {
            claims.push(Claiming { project: one.project, key: key.clone(), result: one.event.id });
            at
        });
    }
    if claims.is_empty() {
        return Ok(vec![Taken::New; incoming.len()]);
    }
    let claimed: HashMap<EventId, Claim> = claim(tx, claims, now).await?.into_iter().collect();
    let fate = |(at, one): (usize, &Incoming)| {
        let Some(key) = &one.key else { return Taken::New };
        let Some(leader) = first.get(&(one.project, key.hash)) else { return Taken::New };
        let leads = *leader == at;
        let leader = &incoming[*leader];
        let led_by = leader.key.as_ref().map(|leader| leader.body);
        match claimed.get(&leader.event.id) {
            Some(Claim::Won) if leads => Taken::New,
            Some(Claim::Won) if led_by == Some(key.body) => Taken::Replay(leader.event.id),
            Some(Claim::Kept { result, body }) if *body == key.body => Taken::Replay(*result),
            _ => Taken::Conflict,
        }
    };
    Ok(incoming.iter().enumerate().map(fate).collect())
}
