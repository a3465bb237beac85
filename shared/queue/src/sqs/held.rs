//! Which messages this process holds, under which lease and until when.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::batch::Undone;
use super::wire::Received;
use crate::LeaseId;
use domain::id::JobId;

struct Lease {
    /// Until when SQS surely hides its messages. After it they may be another's: deleting them would take them from a
    /// holder who is alive.
    until: Instant,
    messages: Vec<Received>,
}

/// How long a lease that nobody asks about any more is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The leases on one queue.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<LeaseId, Lease>>);

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseId, Lease>> {
        // Nothing in here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hold(&self, lease: LeaseId, received: Vec<Received>, until: Instant) {
        let mut leases = self.lock();
        // Whoever panicked settles nothing.
        leases.retain(|_, lease| lease.until.elapsed() < REMEMBERED);
        leases.insert(lease, Lease { until, messages: received });
    }

    /// The messages of these leases, and the leases that are lost.
    pub(super) fn of(&self, wanted: &[LeaseId]) -> (Vec<Received>, Vec<LeaseId>) {
        let (leases, now) = (self.lock(), Instant::now());
        let (mut messages, mut lost) = (Vec::new(), Vec::new());
        for id in wanted {
            match leases.get(id).filter(|lease| lease.until > now && !lease.messages.is_empty()) {
                Some(lease) => messages.extend(lease.messages.iter().cloned()),
                None => lost.push(*id),
            }
        }
        (messages, lost)
    }

    /// Takes note of a renewal and of what it left undone. Answers the leases of which nothing is left.
    pub(super) fn renew(
        &self,
        wanted: &[LeaseId],
        undone: &[Undone<Received>],
        until: Instant,
    ) -> Vec<LeaseId> {
        let failed = |message: &Received| {
            undone.iter().find(|one| one.item.receipt == message.receipt).map(|one| one.for_good)
        };
        let (mut leases, now) = (self.lock(), Instant::now());
        let mut lost = Vec::new();
        for id in wanted {
            let Some(lease) = leases.get_mut(id).filter(|lease| lease.until > now) else {
                continue;
            };
            // What SQS refuses to renew is somebody else's.
            lease.messages.retain(|message| failed(message) != Some(true));
            if lease.messages.is_empty() {
                lost.push(*id);
            } else if lease.messages.iter().all(|message| failed(message).is_none()) {
                lease.until = until;
            }
        }
        lost
    }

    /// Forgets these leases; answers their messages, without those that may be another's by now.
    pub(super) fn drop(&self, wanted: &[LeaseId]) -> Vec<Received> {
        let (mut leases, now) = (self.lock(), Instant::now());
        let dropped = wanted.iter().filter_map(|id| leases.remove(id));
        dropped.filter(|lease| lease.until > now).flat_map(|lease| lease.messages).collect()
    }

    /// Takes some jobs out of a lease; none when they may be another's by now.
    pub(super) fn take(&self, id: LeaseId, jobs: &[JobId]) -> Vec<Received> {
        let (mut leases, now) = (self.lock(), Instant::now());
        let Some(lease) = leases.get_mut(&id).filter(|lease| lease.until > now) else {
            return Vec::new();
        };
        let all = std::mem::take(&mut lease.messages);
        let (taken, left) = all.into_iter().partition(|message| jobs.contains(&message.id));
        lease.messages = left;
        taken
    }
}
