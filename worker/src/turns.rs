//! Whose turn it is in a project: batches of events that come while one of it is evaluated wait, and are evaluated
//! together as the next. Most of them would wait for each other's groups in the store anyway, and one transaction for
//! all of them costs little more than one of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shared::crowd::Last;
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

/// How long others are waited for at most.
const GATHERING: Duration = Duration::from_millis(4);

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
        if last.crowd(0, Instant::now()).is_some() {
            tokio::time::sleep(last.patience(GATHERING)).await;
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
        *last = Last::new(count, began);
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
