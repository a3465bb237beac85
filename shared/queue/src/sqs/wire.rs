//! How a job stands in a message: its envelope as the body, its id and project beside it.

use std::collections::HashMap;

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use uuid::Uuid;

use crate::{Held, QueueError};
use domain::id::{JobId, ProjectId, time_of};
use domain::job::{Envelope, Job, NewJob, QueueName};
use domain::shard::{Shard, Shards};

/// The attribute with the job's id.
pub(super) const JOB: &str = "job";
/// The attribute with the project's id.
pub(super) const PROJECT: &str = "project";
/// How a body begins that is no text as SQS takes it.
const ENCODED: &str = "base64:";

/// How many bytes a message may have, and all messages of a request together.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) queue: QueueName,
    pub(super) project: ProjectId,
    pub(super) id: JobId,
    /// What keeps its order on a FIFO queue.
    pub(super) group: String,
    pub(super) body: String,
}

impl Outgoing {
    /// Its size as SQS counts, rounded up.
    pub(super) const fn bytes(&self) -> usize {
        self.body.len() + 200
    }
}

/// The messages for these jobs. Those that name events or deliveries become one message for each project and shard: it
/// asks a worker to take the oldest rows of that shard, however many jobs there were.
pub(super) fn outgoing(jobs: Vec<NewJob>) -> Result<Vec<Outgoing>, QueueError> {
    let mut messages = Vec::with_capacity(jobs.len().min(64));
    let mut told: HashMap<(QueueName, ProjectId), Shards> = HashMap::new();
    for job in jobs {
        let Some((shards, trace)) = shards_of(&job) else {
            messages.push(as_it_is(job));
            continue;
        };
        let known = told.entry((job.queue, job.project)).or_default();
        let fresh = shards.without(*known);
        *known = known.or(shards);
        for shard in fresh.iter() {
            messages.push(hint(&job, shard, trace.clone())?);
        }
    }
    Ok(messages)
}

/// The shards that a job is about and the trace that it continues; none for a job that travels as it is.
fn shards_of(job: &NewJob) -> Option<(Shards, Option<String>)> {
    let envelope = Envelope::decode(&job.body).ok()?;
    let shards = match &envelope.job {
        Job::Evaluate(events) => events.iter().map(|event| Shard::of(event.id.0)).collect(),
        Job::EvaluateStored(ids) => ids.iter().map(|id| Shard::of(id.0)).collect(),
        Job::Deliver(ids) => ids.iter().map(|id| Shard::of(id.0)).collect(),
        Job::EvaluateShard(shard) | Job::DeliverShard(shard) => [*shard].into_iter().collect(),
        Job::Tick(_) => return None,
    };
    Some((shards, envelope.trace))
}

fn hint(from: &NewJob, shard: Shard, trace: Option<String>) -> Result<Outgoing, QueueError> {
    let job = match from.queue {
        QueueName::Deliveries => Job::DeliverShard(shard),
        QueueName::Events | QueueName::Maintenance => Job::EvaluateShard(shard),
    };
    let body = Envelope { trace, ..Envelope::new(from.project, job) }.encode();
    let body = body.map_err(|error| QueueError(error.to_string()))?;
    Ok(Outgoing {
        queue: from.queue,
        project: from.project,
        // Each message is a job of its own, as old as the one that it stands for.
        id: JobId::fresh(time_of(from.id.0)),
        group: format!("{}-{:x}", from.project, shard.number()),
        body: text(body),
    })
}

fn as_it_is(job: NewJob) -> Outgoing {
    let NewJob { id, project, queue, body } = job;
    Outgoing { queue, project, id, group: project.to_string(), body: text(body) }
}

/// A body as SQS takes it: text in the characters of XML, and not empty.
fn text(body: Vec<u8>) -> String {
    let encoded = |body: &[u8]| format!("{ENCODED}{}", BASE64_STANDARD.encode(body));
    match String::from_utf8(body) {
        Ok(body)
            if !body.is_empty() && !body.starts_with(ENCODED) && body.chars().all(is_legal) =>
        {
            body
        }
        Ok(body) => encoded(body.as_bytes()),
        Err(error) => encoded(error.as_bytes()),
    }
}

fn bytes(body: &str) -> Vec<u8> {
    let encoded = body.strip_prefix(ENCODED).and_then(|rest| BASE64_STANDARD.decode(rest).ok());
    encoded.unwrap_or_else(|| body.as_bytes().to_vec())
}

const fn is_legal(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// A text as an attribute of a message.
pub(super) fn attribute(text: &str) -> Result<MessageAttributeValue, QueueError> {
    let value = MessageAttributeValue::builder().data_type("String").string_value(text).build();
    value.map_err(|error| QueueError(error.to_string()))
}

/// A message that was received.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) id: JobId,
    pub(super) project: ProjectId,
    pub(super) receipt: String,
    /// How often it was received, as far as SQS knows.
    pub(super) count: u32,
    /// Its id as SQS knows it.
    pub(super) message: String,
    /// When it was sent, in milliseconds.
    pub(super) sent: i64,
    pub(super) group: Option<String>,
    pub(super) body: String,
}

impl Received {
    /// Reads a message. One that is no job of ours becomes a job that nobody can run, so that it is buried with a reason
    /// rather than lost.
    pub(super) fn read(message: Message) -> Option<Self> {
        let attribute = |name: &str| {
            let value = message.message_attributes.as_ref()?.get(name)?;
            value.string_value.as_ref()?.parse::<Uuid>().ok()
        };
        let (job, project) = (attribute(JOB), attribute(PROJECT));
        let system = |name: MessageSystemAttributeName| {
            message.attributes.as_ref().and_then(|all| all.get(&name)).cloned()
        };
        let number = |name| system(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let count = number(MessageSystemAttributeName::ApproximateReceiveCount);
        let sent = number(MessageSystemAttributeName::SentTimestamp);
        let group = system(MessageSystemAttributeName::MessageGroupId);
        Some(Self {
            id: JobId(job.unwrap_or_else(Uuid::now_v7)),
            project: project.map_or(ProjectId::PLATFORM, ProjectId),
            receipt: message.receipt_handle?,
            count: u32::try_from(count).unwrap_or(u32::MAX).max(1),
            message: message.message_id.unwrap_or_default(),
            sent,
            group,
            body: message.body.unwrap_or_default(),
        })
    }

    /// The job in it.
    pub(super) fn held(&self) -> Held {
        let body = bytes(&self.body);
        Held { id: self.id, project: self.project, attempt: self.count, body }
    }

    /// The same job as a message of its own.
    pub(super) fn copy(&self, queue: QueueName) -> Outgoing {
        let (project, id, body) = (self.project, self.id, self.body.clone());
        let group = self.group.clone().unwrap_or_else(|| project.to_string());
        Outgoing { queue, project, id, group, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::{DeliveryId, EventId, TickId};
    use domain::time::Time;

    const NOW: Time = Time::from_micros(1_700_000_000_123_456);

    fn new_job(project: ProjectId, job: Job) -> NewJob {
        let queue = job.queue();
        let body = Envelope::new(project, job).encode().expect("encodes");
        NewJob { id: JobId::fresh(NOW), project, queue, body }
    }

    #[test]
    fn a_thousand_events_are_sixteen_messages() {
        let (one, two) = (ProjectId::fresh(NOW), ProjectId::fresh(NOW));
        let ids = || (0..500).map(|_| EventId::fresh(NOW)).collect::<Vec<_>>();
        let jobs = [one, one, two]
            .map(|project| new_job(project, Job::EvaluateStored(ids())))
            .into_iter()
            .chain([new_job(one, Job::Deliver(vec![DeliveryId::fresh(NOW)]))])
            .collect();
        let messages = outgoing(jobs).expect("messages");
        let events = |project| {
            messages
                .iter()
                .filter(|one| one.project == project && one.queue == QueueName::Events)
                .count()
        };
        assert_eq!((events(one), events(two), messages.len()), (16, 16, 33));
        let mut groups: Vec<_> = messages.iter().map(|one| (&one.group, one.queue)).collect();
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(groups.len(), 33, "a group is a project and a shard");
        let mut ids: Vec<_> = messages.iter().map(|one| one.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 33);
        assert!(messages.iter().all(|one| one.bytes() < 500), "a hint carries no event");
    }

    #[test]
    fn a_hint_leads_to_the_shard_of_its_row() {
        let (project, event) = (ProjectId::fresh(NOW), EventId::fresh(NOW));
        let messages = outgoing(vec![new_job(project, Job::EvaluateStored(vec![event]))]);
        let messages = messages.expect("messages");
        let envelope = Envelope::decode(messages[0].body.as_bytes()).expect("decodes");
        assert!(matches!(envelope.job, Job::EvaluateShard(shard) if shard == Shard::of(event.0)));
        assert_eq!((messages.len(), envelope.project), (1, project));
    }

    #[test]
    fn ticks_and_strangers_travel_as_they_are() {
        let project = ProjectId::fresh(NOW);
        let tick = new_job(project, Job::Tick(TickId::fresh(NOW)));
        let stranger = NewJob { body: b"not a job".to_vec(), ..tick.clone() };
        let messages = outgoing(vec![tick.clone(), stranger]).expect("messages");
        assert_eq!(messages[0].body.as_bytes(), tick.body);
        assert_eq!((messages[0].id, &*messages[1].body), (tick.id, "not a job"));
    }

    #[test]
    fn every_body_comes_back() {
        for body in [
            Vec::new(),
            vec![0],
            (0..=255).collect(),
            b"base64:".to_vec(),
            b"base64:!".to_vec(),
            "h\u{e9}llo \u{1f600}".into(),
            "\u{fffe}".into(),
        ] {
            let sent = text(body.clone());
            assert!(!sent.is_empty() && sent.chars().all(is_legal), "{sent:?}");
            assert_eq!(bytes(&sent), body);
        }
        assert_eq!(text(br#"{"v":1}"#.to_vec()), r#"{"v":1}"#, "what is text stays readable");
    }
}
