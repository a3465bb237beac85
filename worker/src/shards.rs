//! What this worker knows of shards: which it is at work on, and up to where they are known to be evaluated.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::id::ProjectId;
use domain::job::QueueName;
use domain::shard::{Shard, Shards};
use domain::time::Time;
use store::Store;
use tokio::sync::OnceCell;

/// The shards of all projects, as far as this worker had to do with them.
#[derive(Default)]
pub(crate) struct ShardHolds {
    busy: Mutex<HashMap<(QueueName, ProjectId), Busy>>,
    evaluated: Mutex<HashMap<ProjectId, [Time; Shard::COUNT as usize]>>,
    watermarks: OnceCell<HashMap<ProjectId, Time>>,
}

#[derive(Clone, Copy, Default)]
struct Busy {
    running: Shards,
    /// Those of which somebody was told, while they ran, that there is more.
    again: Shards,
}

impl ShardHolds {
    /// Begins work on those of these shards on which nobody in this process works; who does so looks at them again before
    /// it ends. Two workers on one shard would do the same work twice, and one of them for nothing.
    pub(crate) fn begin(
        &self,
        queue: QueueName,
        project: ProjectId,
        shards: Shards,
    ) -> Option<AtWork<'_>> {
        let mut all = lock(&self.busy);
        let busy = all.entry((queue, project)).or_default();
        busy.again = busy.again.or(shards.and(busy.running));
        let mine = shards.without(busy.running);
        busy.running = busy.running.or(mine);
        if mine.is_empty() {
            return None;
        }
        Some(AtWork { holds: self, key: (queue, project), shards: mine })
    }

    /// From when on there may be events of these shards that nobody evaluated.
    ///
    /// # Errors
    /// When the store is away.
    pub(crate) async fn evaluated_to(
        &self,
        store: &Store,
        project: ProjectId,
        shards: Shards,
    ) -> store::Result<Time> {
        let load = async || store.watermarks().await.map(|all| all.into_iter().collect());
        let written = self.watermarks.get_or_try_init(load).await?;
        let written = written.get(&project).copied().unwrap_or_default();
        let known = lock(&self.evaluated);
        let Some(times) = known.get(&project) else { return Ok(written) };
        let times = shards.iter().map(|shard| times[usize::from(shard.number())]);
        Ok(times.min().unwrap_or_default().max(written))
    }

    /// Takes note that there are none of these shards from before `to`. Called with what was seen, never with what ought
    /// to be so, for an event that fails is not evaluated.
    pub(crate) fn set_evaluated_to(&self, project: ProjectId, shards: Shards, to: Time) {
        let mut known = lock(&self.evaluated);
        let times = known.entry(project).or_default();
        for shard in shards.iter() {
            let time = &mut times[usize::from(shard.number())];
            *time = to.max(*time);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work on some shards of a project; it ends when this is dropped.
pub(crate) struct AtWork<'d> {
    holds: &'d ShardHolds,
    key: (QueueName, ProjectId),
    shards: Shards,
}

impl AtWork<'_> {
    /// The shards.
    pub(crate) const fn shards(&self) -> Shards {
        self.shards
    }

    /// Ends the work unless somebody was told meanwhile that there is more; answers whether it goes on.
    pub(crate) fn goes_on(&mut self) -> bool {
        let mut all = lock(&self.holds.busy);
        let Some(busy) = all.get_mut(&self.key) else { return false };
        let again = busy.again.and(self.shards);
        if again.is_empty() {
            self.finish(&mut all);
            return false;
        }
        busy.again = busy.again.without(again);
        true
    }

    fn finish(&mut self, all: &mut HashMap<(QueueName, ProjectId), Busy>) {
        if let Some(busy) = all.get_mut(&self.key) {
            busy.running = busy.running.without(self.shards);
            busy.again = busy.again.without(self.shards);
            if busy.running.is_empty() {
                all.remove(&self.key);
            }
        }
        self.shards = Shards::default();
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        // Also after a panic: then the job comes back, and whoever gets it sees what others were told.
        let holds = self.holds;
        self.finish(&mut lock(&holds.busy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(numbers: &[u8]) -> Shards {
        numbers.iter().filter_map(|number| Shard::try_from(*number).ok()).collect()
    }

    #[test]
    fn nobody_works_where_somebody_does() {
        let (holds, project) = (ShardHolds::default(), ProjectId::fresh(Time::default()));
        let begin = |numbers| holds.begin(QueueName::Events, project, shards(numbers));
        let mut first = begin(&[1, 2]).expect("free");
        let second = begin(&[2, 3]).expect("one of them is free");
        assert_eq!(second.shards(), shards(&[3]));
        assert!(begin(&[1]).is_none());
        assert!(holds.begin(QueueName::Deliveries, project, shards(&[1])).is_some());
        drop(second);
        assert!(first.goes_on(), "it was told twice that there is more");
        assert!(!first.goes_on());
        assert_eq!(begin(&[1, 2, 3]).expect("free").shards(), shards(&[1, 2, 3]));
        drop(first);
        assert!(lock(&holds.busy).is_empty(), "what nobody works on is forgotten");
    }

    #[test]
    fn a_time_never_goes_back() {
        let (holds, project) = (ShardHolds::default(), ProjectId::fresh(Time::default()));
        let at = Time::from_micros;
        holds.set_evaluated_to(project, shards(&[1, 2]), at(20));
        holds.set_evaluated_to(project, shards(&[2]), at(10));
        holds.set_evaluated_to(project, shards(&[1]), at(30));
        let known = lock(&holds.evaluated)[&project];
        assert_eq!((known[0], known[1], known[2]), (at(0), at(30), at(20)));
    }
}
