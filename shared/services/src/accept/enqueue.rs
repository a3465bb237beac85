//! The jobs that follow a commit: they carry the events while these are small and the queue carries events.

use domain::id::{JobId, ProjectId};
use domain::job::{Envelope, Job, NewJob};
use domain::time::Time;
use store::events::Incoming;

/// How many events one job carries at most.
const PER_JOB: usize = 64;

/// How many events a job names that carries none.
const PER_NAMING_JOB: usize = 1000;

/// What an event takes in a job besides its payload, roughly.
const AROUND: usize = 300;

/// The jobs for these events of one project, each of about `inline` bytes at most.
pub(super) fn jobs(
    project: ProjectId,
    events: &[&Incoming],
    inline: usize,
    now: Time,
) -> Vec<NewJob> {
    let mut chunks: Vec<Vec<&Incoming>> = Vec::new();
    let mut size = 0;
    for event in events {
        let bytes = event.event.payload.get().len() + AROUND;
        let full =
            chunks.last().is_none_or(|chunk| chunk.len() >= PER_JOB || size + bytes > inline);
        if full {
            chunks.push(Vec::new());
            size = 0;
        }
        size += bytes;
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(event);
        }
    }
    chunks.into_iter().filter_map(|chunk| job(project, &chunk, Some(inline), now)).collect()
}

/// The jobs for these events of one project, for a queue that carries none of them.
pub(super) fn names(project: ProjectId, events: &[&Incoming], now: Time) -> Vec<NewJob> {
    events.chunks(PER_NAMING_JOB).filter_map(|chunk| job(project, chunk, None, now)).collect()
}

/// One job; without `inline` it carries no event.
fn job(
    project: ProjectId,
    chunk: &[&Incoming],
    inline: Option<usize>,
    now: Time,
) -> Option<NewJob> {
    let large = |inline| matches!(chunk, [one] if one.event.payload.get().len() > inline);
    let job = if inline.is_none_or(large) {
        Job::EvaluateStored(chunk.iter().map(|one| one.event.id).collect())
    } else {
        Job::Evaluate(chunk.iter().map(|one| one.event.clone()).collect())
    };
    let queue = job.queue();
    // A job continues one trace: that of its first event.
    let trace = chunk.first().and_then(|one| one.trace.clone());
    let body = Envelope { trace, ..Envelope::new(project, job) }.encode();
    // An event that can't be encoded is still kept, and the due loop finds it.
    body.ok().map(|body| NewJob { id: JobId::fresh(now), project, queue, body })
}
