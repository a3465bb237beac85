//! The Redis engine of the job queue.
//!
//! A queue is the keys that begin with its hash tag `{prefix:queue}`, so that all of it lives in one slot of a cluster:
//!
//! | key | type | holds |
//! | --- | --- | --- |
//! | `:p:<project>` | list | its waiting jobs: attempts (1 byte), project (16), job (16), body |
//! | `:ring` | sorted set | the projects that have waiting jobs, in the order of their turns |
//! | `:lease:<lease>` | list | what is held under a lease or rests, in order |
//! | `:leases` | sorted set | when the leases end, in ms of the server's clock |
//! | `:idle` | sorted set | the processes that wait for jobs, and until when they may be handed some |
//! | `:garbage` | list | the last 100 elements that were no jobs, for a day |
//!
//! Every verb is one script, every loop in it is bounded, and what is finished leaves no key. The ring is sorted rather
//! than a list because a place can then be claimed again without looking for it first; leases are lists because a hash
//! forgets the order.
//!
//! Jobs that come while a process waits are handed to it by the script that pushes them, under a lease as if it had reserved
//! them; not in a cluster, where a script is not told whether anybody hears what it says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Answer, Batch, Depth, Held, LeaseId, Queue, QueueError, Wakeups};
use domain::id::{JobId, ProjectId};
use domain::job::{NewJob, QueueName};
use redis_link::listener::{Heard, Listener};
use redis_link::{Call, Link, Script};

/// How long a call may take: Redis being away is said, never waited for.
const PATIENCE: Duration = Duration::from_millis(1800);
/// How many jobs, leases or bytes one script gets: a script stops everybody else on the server.
const MOST: usize = 1000;
const MOST_BYTES: usize = 1 << 20;
const HEADER: usize = 33;
/// For how many seconds a process that waits may be handed jobs, unless it asks again.
const WAITING: u64 = 10;
/// How long what is handed over may be on its way to whoever leaves.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

struct Scripts {
    push: Script,
    reserve: Script,
    extend: Script,
    settle: Script,
    release: Script,
    depth: Script,
}

struct QueueState {
    queue: QueueName,
    key: String,
    /// The channel that tells all workers of jobs.
    wakes: String,
    /// The channel on which this process is handed some; none where that can't be.
    hands: Option<String>,
    wake: watch::Sender<u64>,
    /// What was handed over and is not taken yet, and since when.
    handed: Mutex<VecDeque<(Instant, Batch)>>,
}

impl QueueState {
    fn bump(&self) {
        self.wake.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn hear(&self, channel: &str, body: &[u8]) {
        if channel == self.wakes {
            self.bump();
        } else if self.hands.as_deref() == Some(channel)
            && let Some(batch) = handed_over(body)
        {
            self.handed().push_back((Instant::now(), batch));
            self.bump();
        }
    }

    fn handed(&self) -> MutexGuard<'_, VecDeque<(Instant, Batch)>> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was handed over, unless nobody took it for so long that its lease may be about to end.
    fn take_handed(&self, lease: Duration) -> Option<Batch> {
        let mut handed = self.handed();
        handed.retain(|(since, _)| since.elapsed() < lease / 2);
        handed.pop_front().map(|(_, batch)| batch)
    }
}

/// Queues in Redis.
pub struct RedisQueue {
    link: Link,
    states: std::sync::Arc<[QueueState; QueueName::ALL.len()]>,
    scripts: Scripts,
    lease: Duration,
    /// Who we are, so that we don't wake for what we said ourselves.
    nonce: [u8; 16],
    /// What we are called by those who hand us jobs; nothing where they can't.
    name: Option<String>,
    listener: Mutex<Option<Listener>>,
}

impl RedisQueue {
    /// Queues under `prefix` at `url`; the server need not be there yet.
    ///
    /// # Errors
    /// When the address is none, the prefix can't be part of a hash tag or the lease is shorter than a millisecond.
    pub fn open(url: &str, prefix: &str, lease: Duration) -> Result<Self, QueueError> {
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            return Err(QueueError(format!(
                "{prefix:?} can't be a prefix: it is empty or has braces"
            )));
        }
        if lease < Duration::from_millis(1) {
            return Err(QueueError("a lease must last a millisecond at least".to_owned()));
        }
        let nonce = Uuid::new_v4();
        let link = Link::open(url, PATIENCE).map_err(QueueError)?;
        let name = link.is_heard_by_all().then(|| nonce.simple().to_string());
        let state = |queue: QueueName| {
            let key = format!("{{{prefix}:{}}}", queue.as_str());
            QueueState {
                queue,
                wakes: format!("{key}:wake"),
                hands: name.as_ref().map(|name| format!("{key}:to:{name}")),
                key,
                wake: watch::Sender::new(0),
                handed: Mutex::default(),
            }
        };
        Ok(Self {
            states: std::sync::Arc::new(QueueName::ALL.map(state)),
            name,
            link,
            scripts: Scripts {
                push: Script::new(include_str!("redis/push.lua")),
                reserve: Script::new(include_str!("redis/reserve.lua")),
                extend: Script::new(include_str!("redis/extend.lua")),
                settle: Script::new(include_str!("redis/settle.lua")),
                release: Script::new(include_str!("redis/release.lua")),
                depth: Script::new(include_str!("redis/depth.lua")),
            },
            lease,
            nonce: *nonce.as_bytes(),
            listener: Mutex::new(None),
        })
    }

    fn keys(&self) -> [&str; QueueName::ALL.len()] {
        std::array::from_fn(|at| self.states.get(at).map_or("", |state| state.key.as_str()))
    }

    fn state(&self, queue: QueueName) -> Result<&QueueState, QueueError> {
        let state = self.states.iter().find(|state| state.queue == queue);
        state.ok_or_else(|| QueueError(format!("no queue {}", queue.as_str())))
    }

    /// Starts to listen when the first worker asks: a process that only pushes needs no second connection.
    fn listen(&self) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_some() {
            return;
        }
        let (states, nonce) = (self.states.clone(), self.nonce);
        let wakes = states.iter().map(|state| Some(state.wakes.clone()));
        let hands = states.iter().map(|state| state.hands.clone());
        let channels = wakes.chain(hands).flatten().collect();
        *listener = self.link.listen(channels, move |heard| match heard {
            Heard::Joined => states.iter().for_each(QueueState::bump),
            Heard::Message { body, .. } if body == nonce => {}
            Heard::Message { channel, body } => {
                states.iter().for_each(|state| state.hear(&channel, &body));
            }
        });
    }

    /// Reserves; `name` waits if there is nothing.
    async fn ask_for(
        &self,
        queue: QueueName,
        max: usize,
        name: Option<&str>,
    ) -> Result<Option<Batch>, QueueError> {
        if max == 0 {
            return Ok(None);
        }
        let lease = LeaseId(Uuid::now_v7());
        let mut call = Call::new(&self.scripts.reserve, &self.state(queue)?.key)
            .arg(*lease.0.as_bytes())
            .number(self.lease.as_millis())
            .number(max.min(MOST));
        if let Some(name) = name {
            call = call.arg(name).number(WAITING);
        }
        let answer = self.link.one(call).await.map_err(QueueError)?;
        let (garbage, elements): (u64, Vec<Vec<u8>>) =
            redis::from_redis_value(answer).map_err(|error| QueueError(error.to_string()))?;
        if garbage > 0 {
            tracing::warn!(queue = queue.as_str(), garbage, "put aside what was no job");
        }
        let jobs: Vec<Held> = elements.into_iter().filter_map(held).collect();
        Ok((!jobs.is_empty()).then_some(Batch { lease, jobs }))
    }

    fn push_calls<'a>(&'a self, jobs: &[NewJob]) -> Result<Vec<Call<'a>>, QueueError> {
        let mut states: BTreeMap<QueueName, Vec<&NewJob>> = BTreeMap::new();
        for job in jobs {
            states.entry(job.queue).or_default().push(job);
        }
        let mut calls = Vec::new();
        for (queue, jobs) in states {
            let state = self.state(queue)?;
            let mut rest = jobs.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(portion(rest));
                rest = later;
                calls.push(self.push_call(state, now));
            }
        }
        Ok(calls)
    }

    fn push_call<'a>(&'a self, state: &'a QueueState, jobs: &[&NewJob]) -> Call<'a> {
        // Projects in the order of their first job, so that they take their turns in it.
        let mut projects: Vec<(ProjectId, Vec<Vec<u8>>)> = Vec::new();
        let mut places: BTreeMap<ProjectId, usize> = BTreeMap::new();
        for job in jobs {
            let place = *places.entry(job.project).or_insert_with(|| {
                projects.push((job.project, Vec::new()));
                projects.len() - 1
            });
            if let Some((_, elements)) = projects.get_mut(place) {
                elements.push(element(job));
            }
        }
        projects.into_iter().fold(
            Call::new(&self.scripts.push, &state.key)
                .arg(self.nonce)
                .arg(*Uuid::now_v7().as_bytes())
                .number(self.lease.as_millis()),
            |call, (project, elements)| {
                call.arg(project.bytes()).number(elements.len()).args(elements)
            },
        )
    }
}

impl Queue for RedisQueue {
    fn push(&self, jobs: Vec<NewJob>) -> Answer<'_, ()> {
        Box::pin(async move {
            let calls = self.push_calls(&jobs)?;
            if calls.is_empty() {
                return Ok(());
            }
            self.link.call(&calls).await.map_err(QueueError)?;
            // Our own workers start without waiting for the network to tell them.
            for state in self.states.iter() {
                if jobs.iter().any(|job| job.queue == state.queue) {
                    state.bump();
                }
            }
            Ok(())
        })
    }

    fn reserve(&self, queue: QueueName, max: usize) -> Answer<'_, Option<Batch>> {
        Box::pin(self.ask_for(queue, max, None))
    }

    fn take(
        &self,
        queue: QueueName,
        max: usize,
        _: CancellationToken,
    ) -> Answer<'_, Option<Batch>> {
        Box::pin(async move {
            match self.state(queue)?.take_handed(self.lease) {
                Some(batch) => Ok(Some(batch)),
                None => self.ask_for(queue, max, self.name.as_deref()).await,
            }
        })
    }

    fn leave(&self, queue: QueueName) -> Answer<'_, ()> {
        Box::pin(async move {
            let (state, Some(name)) = (self.state(queue)?, &self.name) else { return Ok(()) };
            let mut command = redis::cmd("ZREM");
            command.arg(format!("{}:idle", state.key)).arg(name);
            let waited = self.link.send(&state.key, command).await.map_err(QueueError)?;
            if waited != redis::Value::Int(1) {
                // If we waited, somebody has just handed us something.
                let mut wake = state.wake.subscribe();
                wake.mark_unchanged();
                if state.handed().is_empty() {
                    let _ = tokio::time::timeout(ON_ITS_WAY, wake.changed()).await;
                }
            }
            while let Some(batch) = state.take_handed(self.lease) {
                let jobs = batch.jobs.iter().map(|job| job.id).collect();
                self.release(queue, batch.lease, jobs, Duration::ZERO, false).await?;
            }
            Ok(())
        })
    }

    fn extend(&self, queue: QueueName, leases: Vec<LeaseId>) -> Answer<'_, Vec<LeaseId>> {
        Box::pin(async move {
            let key = &self.state(queue)?.key;
            let chunks = leases.chunks(MOST).map(|chunk| {
                Call::new(&self.scripts.extend, key)
                    .number(self.lease.as_millis())
                    .args(chunk.iter().map(|lease| lease.0.as_bytes().to_vec()))
            });
            let calls: Vec<Call<'_>> = chunks.collect();
            if calls.is_empty() {
                return Ok(Vec::new());
            }
            let mut lost = Vec::new();
            for answer in self.link.call(&calls).await.map_err(QueueError)? {
                let ids: Vec<Vec<u8>> = redis::from_redis_value(answer)
                    .map_err(|error| QueueError(error.to_string()))?;
                lost.extend(ids.iter().filter_map(|id| Uuid::from_slice(id).ok()).map(LeaseId));
            }
            Ok(lost)
        })
    }

    fn settle(&self, queue: QueueName, leases: Vec<LeaseId>) -> Answer<'_, ()> {
        Box::pin(async move {
            let key = &self.state(queue)?.key;
            let chunks = leases.chunks(MOST).map(|chunk| {
                let leases = chunk.iter().map(|lease| lease.0.as_bytes().to_vec());
                Call::new(&self.scripts.settle, key).args(leases)
            });
            let calls: Vec<Call<'_>> = chunks.collect();
            if !calls.is_empty() {
                self.link.call(&calls).await.map_err(QueueError)?;
            }
            Ok(())
        })
    }

    fn release(
        &self,
        queue: QueueName,
        lease: LeaseId,
        jobs: Vec<JobId>,
        after: Duration,
        spent: bool,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            if jobs.is_empty() {
                return Ok(());
            }
            let state = self.state(queue)?;
            // Rounded up: what is to rest for less than a millisecond rests all the same.
            let millis = after.as_nanos().div_ceil(1_000_000).min(u128::from(u32::MAX) * 1000);
            let call = Call::new(&self.scripts.release, &state.key)
                .arg(*lease.0.as_bytes())
                .number(millis)
                .number(u8::from(spent))
                .arg(*Uuid::now_v7().as_bytes())
                .arg(self.nonce)
                .args(jobs.iter().map(|job| job.bytes().to_vec()));
            self.link.one(call).await.map_err(QueueError)?;
            if millis == 0 {
                state.bump();
            }
            Ok(())
        })
    }

    fn depth(&self, queue: QueueName) -> Answer<'_, Depth> {
        Box::pin(async move {
            let call = Call::new(&self.scripts.depth, &self.state(queue)?.key);
            let answer = self.link.one(call).await.map_err(QueueError)?;
            let (waiting, held) =
                redis::from_redis_value(answer).map_err(|error| QueueError(error.to_string()))?;
            Ok(Depth { waiting, held })
        })
    }

    fn wakeups(&self, queue: QueueName) -> Wakeups {
        self.listen();
        match self.state(queue) {
            Ok(state) => state.wake.subscribe(),
            Err(_) => watch::channel(0).1,
        }
    }

    fn lease(&self) -> Duration {
        self.lease
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.link.ping(&self.keys()).await.map_err(QueueError) })
    }

    fn place(&self) -> Option<String> {
        Some(self.link.place(&self.keys()))
    }
}

/// How many of these jobs go to one script: at least one, however large.
fn portion(jobs: &[&NewJob]) -> usize {
    let mut bytes = 0;
    let fits = |job: &&&NewJob| {
        bytes += job.body.len();
        bytes <= MOST_BYTES
    };
    jobs.iter().take(MOST).take_while(fits).count().max(1)
}

fn element(job: &NewJob) -> Vec<u8> {
    let mut element = Vec::with_capacity(HEADER + job.body.len());
    element.push(0);
    element.extend_from_slice(job.project.bytes());
    element.extend_from_slice(job.id.bytes());
    element.extend_from_slice(&job.body);
    element
}

fn held(mut element: Vec<u8>) -> Option<Held> {
    let attempt = u32::from(*element.first()?);
    let project = ProjectId(Uuid::from_slice(element.get(1..17)?).ok()?);
    let id = JobId(Uuid::from_slice(element.get(17..HEADER)?).ok()?);
    element.drain(..HEADER);
    Some(Held { id, project, attempt, body: element })
}

/// What the script that pushes hands over: a lease, and the elements, each with its length before it.
fn handed_over(message: &[u8]) -> Option<Batch> {
    let (lease, mut rest) = message.split_at_checked(16)?;
    let mut jobs = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (element, after) = after.split_at_checked(length)?;
        jobs.push(held(element.to_vec())?);
        rest = after;
    }
    let batch = Batch { lease: LeaseId(Uuid::from_slice(lease).ok()?), jobs };
    (!batch.jobs.is_empty()).then_some(batch)
}
