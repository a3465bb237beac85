//! Deliveries: claimed, sent, and what came of it.

mod claim;
mod load;
mod record;

use std::sync::Arc;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::due::{ClaimTerms, DueKind, Open, delete_due, take_due};
use super::engine::{Bundle, Tx, gather, verb};
use super::{Result, Store};
use claim::{Wanted, claim, hold, take};
use domain::delivery::{Attempt, Channel, DeliveryState, NewDelivery, Next, Target};
use domain::id::{AlertId, DeliveryId, EventId, MailId, NotificationId, ProjectId, RuleId, TickId};
use domain::mail::MailKind;
use domain::rule::Priority;
use domain::time::Time;
use load::load;
use record::{record, snooze};

/// A delivery that its holder is to send.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Whose it is.
    pub project: ProjectId,
    /// Its id.
    pub id: DeliveryId,
    /// The claim under which it is held.
    pub token: Uuid,
    /// Until when the claim holds.
    pub until: Time,
    /// Which attempt this is, from 1.
    pub number: i64,
    /// How it is sent.
    pub channel: Channel,
    /// Where it goes.
    pub target: Target,
    /// What it says.
    pub content: Content,
}

/// What a delivery says.
#[derive(Clone, Debug)]
pub enum Content {
    /// A notification.
    Notification(NotificationContent),
    /// An account mail.
    Mail(MailContent),
}

/// What an account mail says.
#[derive(Clone, Debug)]
pub struct MailContent {
    /// Its id.
    pub id: MailId,
    /// What it is about.
    pub kind: MailKind,
    /// What it says and to whom, sealed; nothing once it was given up or its holder was erased.
    pub sealed: Option<Vec<u8>>,
    /// When it was written.
    pub created_at: Time,
}

/// What a notification says.
#[derive(Clone, Debug)]
pub struct NotificationContent {
    /// The notification.
    pub notification: NotificationId,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// How urgent it is.
    pub priority: Priority,
    /// The alert.
    pub alert: Option<AlertId>,
    /// The alert's round.
    pub round: i64,
    /// The rule and its version.
    pub rule: Option<(RuleId, i64)>,
    /// When the notification was made.
    pub created_at: Time,
    /// The event that it came from, while it is kept.
    pub event: Option<ContentEvent>,
}

/// The event in a delivery.
#[derive(Clone, Debug)]
pub struct ContentEvent {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// Where it comes from.
    pub source: String,
    /// What of its source it is about.
    pub subject: Option<String>,
    /// When it was accepted.
    pub received_at: Time,
    /// Its payload.
    pub payload: Box<RawValue>,
}

/// An attempt that ended.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Whose it is.
    pub project: ProjectId,
    /// The delivery.
    pub id: DeliveryId,
    /// The claim under which it was made.
    pub token: Uuid,
    /// The account mail that it delivers, if it does.
    pub mail: Option<MailId>,
    /// Which attempt it was.
    pub number: i64,
    /// How it went.
    pub attempt: Attempt,
    /// What follows.
    pub next: Next,
}

/// A delivery that was not tried after all.
#[derive(Clone, Debug)]
pub struct Snoozed {
    /// Whose it is.
    pub project: ProjectId,
    /// The delivery.
    pub id: DeliveryId,
    /// The claim under which it was held.
    pub token: Uuid,
    /// Until when it waits; this is no attempt.
    pub until: Time,
}

/// What a worker did with what it had claimed.
#[derive(Clone, Debug, Default)]
pub struct Worked {
    /// Attempts that ended.
    pub settled: Vec<Settled>,
    /// Deliveries that were not tried.
    pub snoozed: Vec<Snoozed>,
    /// Claims of which nothing is left.
    pub closed: Vec<(ProjectId, Uuid)>,
}

/// What the due loop took of one project.
#[derive(Debug, Default)]
pub struct Taken {
    /// The deliveries to send.
    pub deliveries: Vec<Claimed>,
    /// The ticks to run.
    pub ticks: Vec<TickId>,
    /// How many claims had expired: what they held is unknown.
    pub expired: usize,
    /// How much was worked off; a full batch says that there may be more.
    pub rows: usize,
}

impl Store {
    /// Records what became of claims. An attempt whose claim was lost counts only if it succeeded and nobody knows better.
    ///
    /// # Errors
    /// When nothing of it was recorded.
    pub async fn record_attempts(&self, work: Arc<Worked>, now: Time) -> Result<()> {
        self.write(
            "record_attempts",
            verb!(|tx, work| {
                // Due rows before deliveries, as the due loop locks them.
                let closed: Vec<(ProjectId, DueKind, Uuid)> = work
                    .closed
                    .iter()
                    .map(|(project, token)| (*project, DueKind::Claim, *token))
                    .collect();
                delete_due(tx, &closed).await?;
                record(tx, &work.settled, now).await?;
                snooze(tx, &work.snoozed, now).await
            }),
        )
        .await
    }

    /// Claims those of these deliveries that wait to be taken.
    ///
    /// # Errors
    /// When none was claimed.
    pub async fn claim_deliveries(
        &self,
        project: ProjectId,
        ids: &[DeliveryId],
        terms: ClaimTerms,
        now: Time,
    ) -> Result<Vec<Claimed>> {
        let ids = ids.to_vec();
        self.write(
            "claim_deliveries",
            verb!(|tx, ids| {
                // Due rows before deliveries, as the due loop locks them.
                let planned: Vec<(ProjectId, DueKind, Uuid)> =
                    ids.iter().map(|id| (project, DueKind::Planned, id.0)).collect();
                delete_due(tx, &planned).await?;
                let wanted: Vec<Wanted> = ids.iter().map(|id| Wanted::planned(*id)).collect();
                let mine = claim(tx, project, &wanted, &terms, now).await?;
                hold(tx, project, &mine, &terms).await?;
                load(tx, project, mine, &terms, now).await
            }),
        )
        .await
    }

    /// Takes what is due of a project, no more than the terms allow: claims its deliveries, marking what an expired claim
    /// left as unknown. A delivery has `allowed` attempts.
    ///
    /// # Errors
    /// When nothing was taken.
    pub async fn take_due(
        &self,
        project: ProjectId,
        open: Open,
        terms: ClaimTerms,
        allowed: i64,
        now: Time,
    ) -> Result<Taken> {
        self.write(
            "take_due",
            verb!(|tx| {
                let due = take_due(tx, project, open, now, terms.limit).await?;
                take(tx, project, &due, &terms, allowed, now).await
            }),
        )
        .await
    }
}

/// A delivery, where it begins, and the token of whoever has it.
pub(super) type Placed<'a> = (&'a NewDelivery, DeliveryState, Option<Uuid>);

/// Inserts deliveries with the other statements of a bundle.
pub(super) async fn gather_deliveries(
    tx: &mut Tx,
    bundle: &mut Bundle,
    project: ProjectId,
    rows: &[Placed<'_>],
    now: Time,
) -> Result<()> {
    gather!(
        tx,
        bundle,
        "INSERT INTO deliveries (project_id, id, notification_id, channel, target_kind, target, step, round, state, attempts, claim_token, created_at, updated_at)",
        rows,
        "",
        {
            ProjectId = |_one| project,
            DeliveryId = |one| one.0.id,
            NotificationId = |one| one.0.notification,
            i16 = |one| one.0.channel.number(),
            i16 = |one| one.0.target.kind().number(),
            Uuid = |one| one.0.target.id(),
            i64 = |one| one.0.step,
            i64 = |one| one.0.round,
            i16 = |one| one.1.number(),
            i64 = |_one| 0,
            Option<Uuid> = |one| one.2,
            Time = |_one| now,
            Time = |_one| now,
        }
    );
    Ok(())
}
