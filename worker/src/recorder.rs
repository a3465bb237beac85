//! Writes down what became of deliveries: those that end at the same time share a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::id::ProjectId;
use runtime::app::App;
use store::deliveries::{Settled, Snoozed, Worked};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

/// What became of one delivery.
pub(crate) enum Report {
    Settled(Box<Settled>),
    Snoozed(Snoozed),
}

type Entry = (Report, Option<(ProjectId, Uuid)>);

/// Takes reports. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    reports: mpsc::UnboundedSender<Entry>,
    open: Arc<AtomicUsize>,
    written: Arc<Notify>,
}

/// How many reports share a commit at most.
const SHARED: usize = 256;
/// How long a report waits at most for others of its claim: far less than the part of a claim that is left for writing.
const LINGER: Duration = Duration::from_millis(10);

impl Recorder {
    pub(crate) fn start(app: &Arc<App>) -> Self {
        // Its length is bounded by the room of the outbox, whose claims the reports are about.
        let (reports, mut waiting) = mpsc::unbounded_channel::<Entry>();
        let recorder = Self { reports, open: Arc::default(), written: Arc::default() };
        let (app, open, written) =
            (Arc::clone(app), Arc::clone(&recorder.open), Arc::clone(&recorder.written));
        tokio::spawn(async move {
            let mut entries = Vec::with_capacity(SHARED);
            while waiting.recv_many(&mut entries, SHARED).await > 0 {
                gather(&mut waiting, &mut entries).await;
                let count = entries.len();
                write(&app, collect(entries.drain(..))).await;
                open.fetch_sub(count, Ordering::AcqRel);
                written.notify_waiters();
            }
        });
        recorder
    }

    /// Takes a report; `closed` is the claim of which this was the last.
    pub(crate) fn report(&self, report: Report, closed: Option<(ProjectId, Uuid)>) {
        self.open.fetch_add(1, Ordering::AcqRel);
        if self.reports.send((report, closed)).is_err() {
            self.open.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Waits until everything reported so far is written.
    pub(crate) async fn drain(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            // A wake-up between the look and the wait is made up for by the next look.
            let _ = tokio::time::timeout(Duration::from_millis(50), self.written.notified()).await;
        }
    }
}

/// Waits a little for the rest of a claim: most of its deliveries end soon after one another, and nobody waits for the
/// record of one. A claim that is over is written at once.
async fn gather(waiting: &mut mpsc::UnboundedReceiver<Entry>, entries: &mut Vec<Entry>) {
    let is_over = |entries: &[Entry]| entries.iter().any(|(_, closed)| closed.is_some());
    let rest = async {
        while entries.len() < SHARED && !is_over(entries) {
            let room = SHARED - entries.len();
            if waiting.recv_many(entries, room).await == 0 {
                return;
            }
        }
    };
    // What was received so far is in the list, however the waiting ends.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

fn collect(entries: impl Iterator<Item = Entry>) -> Worked {
    let mut worked = Worked::default();
    for (report, closed) in entries {
        match report {
            Report::Settled(settled) => worked.settled.push(*settled),
            Report::Snoozed(snoozed) => worked.snoozed.push(snoozed),
        }
        worked.closed.extend(closed);
    }
    worked
}

/// Writes until the store takes it. Should this process end before, the claims expire and the attempts count as unknown.
async fn write(app: &App, worked: Worked) {
    let worked = Arc::new(worked);
    let mut pause = Duration::from_millis(50);
    loop {
        match app.store.record_attempts(Arc::clone(&worked), app.clock.now()).await {
            Ok(()) => return,
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, attempts = worked.settled.len(), "attempts were not recorded; once more");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            Err(error) => {
                tracing::error!(%error, attempts = worked.settled.len(), "attempts can't be recorded; their claims will expire");
                return;
            }
        }
    }
}
