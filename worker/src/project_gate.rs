//! The gate of each project: batches of events that come while one of it is evaluated wait, and are evaluated
//! together as the next. Most of them would wait for each other's groups in the store anyway, and one transaction for
//! all of them costs little more than one of them. So while many come, this process takes what there is less often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::event::Event;
use domain::id::ProjectId;
use services::batching::Last;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::Worker;
use crate::jobs::evaluate::evaluate;

/// The gates of all projects.
#[derive(Default)]
pub(crate) struct ProjectGate {
    projects: Mutex<HashMap<ProjectId, Arc<Gate>>>,
    /// The batch before, of any project.
    last: Mutex<Last>,
}

/// A project's.
#[derive(Default)]
struct Gate {
    waiting: Mutex<Vec<Waiting>>,
    at_work: tokio::sync::Mutex<()>,
}

/// How long this process rests before it takes more events, while many come: a batch has a price of its own for the queue, the
/// store and this process.
const REST: Duration = Duration::from_millis(16);

/// A batch, and where to say what became of it.
struct Waiting {
    events: Vec<Event>,
    done: oneshot::Sender<bool>,
}

/// How many projects are remembered before those that nobody works for are forgotten.
const REMEMBERED: usize = 10_000;

impl ProjectGate {
    /// Evaluates events of one project, together with those of others that wait; `false` when they must come again.
    pub(crate) async fn evaluate(
        &self,
        worker: &Arc<Worker>,
        project: ProjectId,
        events: Vec<Event>,
    ) -> bool {
        let gate = self.of(project);
        let (done, mut outcome) = oneshot::channel();
        gate.waiting().push(Waiting { events, done });
        let _at_work = gate.at_work.lock().await;
        match outcome.try_recv() {
            // Whoever had the turn before took these along.
            Ok(fine) => return fine,
            // They did, and did not come to an end.
            Err(TryRecvError::Closed) => return false,
            Err(TryRecvError::Empty) => {}
        }
        let waiting = std::mem::take(&mut *gate.waiting());
        let (mut events, mut told) = (Vec::new(), Vec::with_capacity(waiting.len()));
        for one in waiting {
            events.extend(one.events);
            told.push(one.done);
        }
        metrics::histogram!("bellbuoy_evaluate_batch_events").record(events.len() as f64);
        let (count, began) = (events.len(), Instant::now());
        let fine = evaluate(worker, project, events, false).await;
        *self.last() = Last::new(count, began);
        for done in told {
            // It is this batch's own, or that of somebody who waits for the gate.
            let _ = done.send(fine);
        }
        fine
    }

    /// How long to rest before taking more; what comes alone is never kept waiting.
    pub(crate) fn rest(&self) -> Duration {
        let expected = self.last().expected(0, REST * 2, Instant::now());
        expected.map_or(Duration::ZERO, |_| REST)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, project: ProjectId) -> Arc<Gate> {
        let mut turns = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() > REMEMBERED {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(project).or_default())
    }
}

impl Gate {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_while_many_come_does_it_rest() {
        let turns = ProjectGate::default();
        assert_eq!(turns.rest(), Duration::ZERO, "there was none yet");
        *turns.last() = Last::new(1, Instant::now());
        assert_eq!(turns.rest(), Duration::ZERO, "it was alone");
        *turns.last() = Last::new(100, Instant::now());
        assert_eq!(turns.rest(), REST);
    }
}
