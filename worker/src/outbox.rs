//! Sends claimed deliveries, within the room that this worker has and before their claims end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::delivery::{Attempt, Next};
use domain::id::ProjectId;
use domain::retry;
use outbound::{Outbound, StartError};
use runtime::app::App;
use store::deliveries::{Claimed, Content, Settled, Snoozed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use crate::channels::{Channels, Sent};
use crate::circuit_breaker::{Breakers, Pass, Provider};
use crate::recorder::{Recorder, Report};

/// How many deliveries may wait here for each one that is being sent.
const AHEAD: usize = 4;

/// How long an evaluation waits for room: what targets that answer at once need to make it.
const MOMENT: Duration = Duration::from_millis(50);

/// How often it looks.
const GLANCE: Duration = Duration::from_millis(2);

/// Where deliveries leave. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outbox {
    app: Arc<App>,
    room: Arc<Semaphore>,
    sending: Arc<Semaphore>,
    breakers: Arc<Breakers>,
    channels: Arc<Channels>,
    outbound: Arc<Outbound>,
    recorder: Recorder,
    tasks: TaskTracker,
}

/// Room for some deliveries; what is not used of it is free again when it is dropped.
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Room {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

/// A claim of which some deliveries are not settled yet.
struct Open {
    project: ProjectId,
    token: Uuid,
    left: AtomicUsize,
}

impl Outbox {
    pub(crate) fn start(app: &Arc<App>) -> Result<Self, StartError> {
        let config = &app.config.delivery;
        let outbound = Arc::new(Outbound::new(&app.config.webhooks)?);
        Ok(Self {
            room: Arc::new(Semaphore::new(config.concurrency * AHEAD)),
            sending: Arc::new(Semaphore::new(config.concurrency)),
            breakers: Arc::new(Breakers::new(config)),
            channels: Arc::new(Channels::new(app, &outbound)),
            outbound,
            recorder: Recorder::start(app),
            tasks: TaskTracker::new(),
            app: Arc::clone(app),
        })
    }

    /// Room for `wanted` deliveries, or as much as there is when it does not come soon; none while deliveries are paused.
    pub(crate) async fn room(&self, wanted: usize) -> Room {
        if wanted == 0 || self.app.epochs.is_paused(domain::job::QueueName::Deliveries) {
            return Room(None);
        }
        // What is not taken now has to be written down as waiting and claimed by itself, which costs far more than a
        // moment. It is no more than a moment, for targets that are slow must not hold up evaluating; and whoever waits
        // here holds nothing meanwhile, so that an evaluation that wants little goes ahead.
        let most = self.app.config.delivery.concurrency * AHEAD;
        let latest = tokio::time::Instant::now() + MOMENT;
        while self.free() < wanted.min(most) && tokio::time::Instant::now() < latest {
            tokio::time::sleep(GLANCE).await;
        }
        let count = wanted.min(self.free());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        // Others may take room at the same time: then there is none, and what waits is taken by whoever is free.
        let permit = (count > 0).then(|| Arc::clone(&self.room).try_acquire_many_owned(count).ok());
        Room(permit.flatten())
    }

    /// Waits until there is room for `count` deliveries, or for as many as fit at all.
    pub(crate) async fn room_for(&self, count: usize) -> Room {
        let most = self.app.config.delivery.concurrency * AHEAD;
        let count = u32::try_from(count.min(most)).unwrap_or(u32::MAX);
        Room(Arc::clone(&self.room).acquire_many_owned(count).await.ok())
    }

    /// How many deliveries there is room for.
    pub(crate) fn free(&self) -> usize {
        self.room.available_permits()
    }

    /// Sends deliveries of one claim; what becomes of them is recorded.
    pub(crate) fn send(&self, claimed: Vec<Claimed>, room: Room) {
        let Some(first) = claimed.first() else { return };
        let left = AtomicUsize::new(claimed.len());
        let open = Arc::new(Open { project: first.project, token: first.token, left });
        let mut room = room.0;
        for delivery in claimed {
            let permit = room.as_mut().and_then(|room| room.split(1));
            let (outbox, open) = (self.clone(), Arc::clone(&open));
            let span = tracing::error_span!("delivery", id = %delivery.id);
            let sending = async move {
                let report = outbox.deliver(delivery).await;
                let last = open.left.fetch_sub(1, Ordering::AcqRel) == 1;
                outbox.recorder.report(report, last.then_some((open.project, open.token)));
                drop(permit);
            };
            self.tasks.spawn(sending.instrument(span));
        }
    }

    /// Waits until everything that was claimed is sent and recorded.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.recorder.drain().await;
    }

    /// Calls a URL of the operator's own.
    pub(crate) async fn get(&self, url: &str) -> Result<(), String> {
        self.outbound.get(url).await
    }

    async fn deliver(&self, delivery: Claimed) -> Report {
        // The last fifth of a claim belongs to writing down what came of it.
        let whole = delivery.until.since(self.app.clock.now());
        let deadline = tokio::time::Instant::now() + whole * 4 / 5;
        let breaker = self.breakers.of(Provider::of(&delivery));
        let pass = match breaker.enter(deadline).await {
            Pass::Go(pass) => pass,
            Pass::Wait(pause) => return self.snooze(&delivery, pause),
        };
        let Ok(Ok(_slot)) = tokio::time::timeout_at(deadline, self.sending.acquire()).await else {
            return self.snooze(&delivery, Duration::ZERO);
        };
        let (started_at, started) = (self.app.clock.now(), std::time::Instant::now());
        let attempt = match self.channels.send(&delivery, deadline).await {
            Sent::Ended(attempt) => Attempt { started_at, took: started.elapsed(), ..attempt },
            Sent::Wait(pause) => return self.snooze(&delivery, pause),
        };
        breaker.learn(attempt.outcome);
        drop(pass);
        self.settle(&delivery, attempt)
    }

    fn settle(&self, delivery: &Claimed, attempt: Attempt) -> Report {
        let now = self.app.clock.now();
        let backoff = &self.app.config.delivery.backoff;
        let next = retry::after(&attempt, delivery.number, backoff, now, rand::random());
        let (channel, outcome) = (delivery.channel.as_str(), attempt.outcome.as_str());
        metrics::counter!("bellbuoy_deliveries_total", "channel" => channel, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("bellbuoy_delivery_seconds", "channel" => channel)
            .record(attempt.took.as_secs_f64());
        let mail = match &delivery.content {
            Content::Mail(mail) => Some(mail.id),
            Content::Notification(content) => {
                if attempt.outcome.is_success()
                    && let Some(event) = &content.event
                {
                    let took = now.since(event.received_at).as_secs_f64();
                    metrics::histogram!("bellbuoy_accept_to_delivered_seconds").record(took);
                }
                None
            }
        };
        if let Next::Dead(reason) = next {
            let project = delivery.project;
            tracing::warn!(%project, channel, %reason, attempts = delivery.number, "a delivery is given up");
        }
        Report::Settled(Box::new(Settled {
            project: delivery.project,
            id: delivery.id,
            token: delivery.token,
            mail,
            number: delivery.number,
            attempt,
            next,
        }))
    }

    fn snooze(&self, delivery: &Claimed, pause: Duration) -> Report {
        Report::Snoozed(Snoozed {
            project: delivery.project,
            id: delivery.id,
            token: delivery.token,
            until: self.app.clock.now().plus(pause),
        })
    }
}
