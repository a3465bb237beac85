//! Whose turn it is in a project: batches of events that come while one of it is evaluated wait, and are evaluated
//! together as the next. Most of them would wait for each other's groups in the store anyway, and one transaction for
//! all of them costs little more than one of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shared::domain::event::Event;
use shared::id::ProjectId;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::Worker;
use crate::jobs::evaluate::evaluate;

/// The turns of all projects.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<ProjectId, Arc<Turn>>>);

/// A project's.
#[derive(Default)]
struct Turn {
    waiting: Mutex<Vec<Waiting>>,
    at_work: tokio::sync::Mutex<Last>,
}

/// The batch before.
#[derive(Clone, Copy, Default)]
struct Last {
    events: usize,
    took: Duration,
    ended: Option<Instant>,
}

/// From how many events in a batch on others are waited for: fewer are evaluated as they come.
const CROWD: usize = 8;

/// How long others are waited for at most.
const GATHERING: Duration = Duration::from_millis(4);

impl Last {
    /// How long the next batch waits for more, if it comes while many do: a batch has a price of its own, so that larger
    /// ones leave more of the machine to everybody, and nobody waits for longer than it would take.
    fn patience(self, now: Instant) -> Option<Duration> {
        let rested = now.saturating_duration_since(self.ended?);
        (self.events >= CROWD && rested <= self.took).then_some(self.took.min(GATHERING))
    }
}

/// A batch, and where to say what became of it.
struct Waiting {
    events: Vec<Event>,
    done: oneshot::Sender<bool>,
}

/// How many projects are remembered before those that nobody works for are forgotten.
const REMEMBERED: usize = 10_000;

impl Turns {
    /// Evaluates events of one project, together with those of others that wait; `false` when they must come again.
    pub(crate) async fn evaluate(
        &self,
        worker: &Arc<Worker>,
        project: ProjectId,
        events: Vec<Event>,
    ) -> bool {
        let turn = self.of(project);
        let (done, mut outcome) = oneshot::channel();
        turn.waiting().push(Waiting { events, done });
        let mut last = turn.at_work.lock().await;
        match outcome.try_recv() {
            // Whoever had the turn before took these along.
            Ok(fine) => return fine,
            // They did, and did not come to an end.
            Err(TryRecvError::Closed) => return false,
            Err(TryRecvError::Empty) => {}
        }
        if let Some(patience) = last.patience(Instant::now()) {
            tokio::time::sleep(patience).await;
        }
        let waiting = std::mem::take(&mut *turn.waiting());
        let (mut events, mut told) = (Vec::new(), Vec::with_capacity(waiting.len()));
        for one in waiting {
            events.extend(one.events);
            told.push(one.done);
        }
        metrics::histogram!("bellbuoy_evaluate_batch_events").record(events.len() as f64);
        let (count, began) = (events.len(), Instant::now());
        let fine = evaluate(worker, project, events, false).await;
        let ended = Instant::now();
        *last = Last { events: count, took: ended - began, ended: Some(ended) };
        for done in told {
            // It is this batch's own, or that of somebody who waits for the turn.
            let _ = done.send(fine);
        }
        fine
    }

    fn of(&self, project: ProjectId) -> Arc<Turn> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() > REMEMBERED {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(project).or_default())
    }
}

impl Turn {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_waits_for_others_only_while_many_come() {
        let ended = Instant::now();
        let ms = Duration::from_millis;
        for (events, took, rested, patience) in [
            (50, ms(3), ms(1), Some(ms(3))),
            (50, ms(30), ms(20), Some(ms(4))),
            (7, ms(3), ms(0), None),
            (50, ms(3), ms(4), None),
        ] {
            let last = Last { events, took, ended: Some(ended) };
            assert_eq!(last.patience(ended + rested), patience, "{events} {took:?} {rested:?}");
        }
        assert_eq!(Last::default().patience(ended), None, "there was no batch yet");
    }
}
