//! Jobs: hints that name the rows they move. One may be lost, doubled or late without harm.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::event::Event;
use crate::id::{DeliveryId, EventId, JobId, ProjectId, TickId};
use crate::shard::Shard;

/// The queues there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueName {
    /// Accepted events that wait for their rules.
    Events,
    /// Deliveries that wait for a worker.
    Deliveries,
    /// Housekeeping that the scheduler asks for.
    Maintenance,
}

impl QueueName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Events, Self::Deliveries, Self::Maintenance];

    /// Its name in configuration, keys and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Deliveries => "deliveries",
            Self::Maintenance => "maintenance",
        }
    }

    /// The queue of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == name)
    }
}

/// What is to be done; every kind names the rows that it moves, or the shard that they are in.
#[derive(Clone, Debug)]
pub enum Job {
    /// Decide on these events, which travel along so that nobody reads back what was just written.
    Evaluate(Vec<Event>),
    /// Decide on these events, which are too large to travel.
    EvaluateStored(Vec<EventId>),
    /// Send these deliveries.
    Deliver(Vec<DeliveryId>),
    /// Decide on the oldest events of this shard that nobody decided on.
    EvaluateShard(Shard),
    /// Send the oldest deliveries of this shard that wait.
    DeliverShard(Shard),
    /// Do what this tick of a schedule is for.
    Tick(TickId),
}

impl Job {
    /// The queue that a job of this kind waits in.
    pub const fn queue(&self) -> QueueName {
        match self {
            Self::Evaluate(_) | Self::EvaluateStored(_) | Self::EvaluateShard(_) => {
                QueueName::Events
            }
            Self::Deliver(_) | Self::DeliverShard(_) => QueueName::Deliveries,
            Self::Tick(_) => QueueName::Maintenance,
        }
    }

    /// Its name in envelopes, logs and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Evaluate(_) => "evaluate",
            Self::EvaluateStored(_) => "evaluate_stored",
            Self::Deliver(_) => "deliver",
            Self::EvaluateShard(_) => "evaluate_shard",
            Self::DeliverShard(_) => "deliver_shard",
            Self::Tick(_) => "tick",
        }
    }

    /// The shard that it is about, unless it names its rows.
    pub const fn shard(&self) -> Option<Shard> {
        match self {
            Self::EvaluateShard(shard) | Self::DeliverShard(shard) => Some(*shard),
            Self::Evaluate(_) | Self::EvaluateStored(_) | Self::Deliver(_) | Self::Tick(_) => None,
        }
    }

    fn data(&self) -> serde_json::Result<Box<RawValue>> {
        match self {
            Self::Evaluate(events) => to_raw_value(events),
            Self::EvaluateStored(ids) => to_raw_value(ids),
            Self::Deliver(ids) => to_raw_value(ids),
            Self::EvaluateShard(shard) | Self::DeliverShard(shard) => to_raw_value(shard),
            Self::Tick(id) => to_raw_value(id),
        }
    }

    fn read(kind: &str, data: &str) -> Option<serde_json::Result<Self>> {
        Some(match kind {
            "evaluate" => serde_json::from_str(data).map(Self::Evaluate),
            "evaluate_stored" => serde_json::from_str(data).map(Self::EvaluateStored),
            "deliver" => serde_json::from_str(data).map(Self::Deliver),
            "evaluate_shard" => serde_json::from_str(data).map(Self::EvaluateShard),
            "deliver_shard" => serde_json::from_str(data).map(Self::DeliverShard),
            "tick" => serde_json::from_str(data).map(Self::Tick),
            _ => return None,
        })
    }
}

/// The version of the format that this build writes; a greater one comes from a newer build.
pub const VERSION: u16 = 1;

/// A job as it travels: with its version, tenant and the trace that it belongs to.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The tenant whose rows it moves.
    pub project: ProjectId,
    /// The W3C trace that it continues.
    pub trace: Option<String>,
    /// What to do.
    pub job: Job,
}

/// Why the body of a job can't be run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// A build newer than this one wrote it: somebody else will know it.
    #[error("a job of kind {kind:?}, version {version}, that this build does not know")]
    Unknown {
        /// The kind it names.
        kind: String,
        /// The version it names.
        version: u16,
    },
    /// Nobody can run it.
    #[error("a job that can't be read: {0}")]
    Broken(String),
}

// The data stays raw until the kind is known: a tagged enum would buffer it and lose the payloads' bytes.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    v: u16,
    kind: std::borrow::Cow<'a, str>,
    project: ProjectId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    data: Box<RawValue>,
}

impl Envelope {
    /// An envelope around `job`.
    pub const fn new(project: ProjectId, job: Job) -> Self {
        Self { project, trace: None, job }
    }

    /// The bytes that travel.
    ///
    /// # Errors
    /// Never in practice: nothing in a job fails to become JSON.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Wire {
            v: VERSION,
            kind: self.job.kind().into(),
            project: self.project,
            trace: self.trace.clone(),
            data: self.job.data()?,
        })
    }

    /// Reads what `encode` wrote.
    ///
    /// # Errors
    /// When it is of an unknown kind or version, or broken.
    pub fn decode(body: &[u8]) -> Result<Self, Undecodable> {
        let broken = |error: serde_json::Error| Undecodable::Broken(error.to_string());
        let wire: Wire<'_> = serde_json::from_slice(body).map_err(broken)?;
        let unknown = || Undecodable::Unknown { kind: wire.kind.to_string(), version: wire.v };
        if wire.v > VERSION {
            return Err(unknown());
        }
        let job = Job::read(&wire.kind, wire.data.get()).ok_or_else(unknown)?.map_err(broken)?;
        Ok(Self { project: wire.project, trace: wire.trace, job })
    }
}

/// A job on its way into a queue.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// The tenant that it is counted for.
    pub project: ProjectId,
    /// Where it goes.
    pub queue: QueueName,
    /// The encoded envelope.
    pub body: Vec<u8>,
}

/// The lease under which a batch of jobs is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub Uuid);

/// Jobs that are held under one lease.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its lease.
    pub lease: LeaseId,
    /// The jobs, of one or several projects.
    pub jobs: Vec<Held>,
}

/// A job that is held.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its id.
    pub id: JobId,
    /// The tenant that it is counted for.
    pub project: ProjectId,
    /// How often it was reserved, this time included; where the engine does not count exactly, this is a hint.
    pub attempt: u32,
    /// The encoded envelope.
    pub body: Vec<u8>,
}

/// How much there is in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Jobs that may be reserved.
    pub waiting: u64,
    /// Jobs that are held under a lease or rest until they may be taken again.
    pub held: u64,
}
