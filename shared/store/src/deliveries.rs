//! Deliveries: claimed, sent, and what came of it.

mod at_once;
mod load;

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::due::{ClaimTerms, Due, DueKind, Open, delete_due, insert_due, take_due};
use super::engine::{Tx, change, insert};
use super::mails::{ClaimedMail, claim_mails};
use super::{Result, Store};
use domain::delivery::{Attempt, DeliveryState, Next, Outcome};
use domain::id::{AlertId, DeliveryId, EndpointId, EventId, NotificationId, ProjectId, RuleId};
use domain::reason::Reason;
use domain::rule::Priority;
use domain::time::Time;
use load::load;

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
    /// Where it goes.
    pub target: EndpointId,
    /// What it says.
    pub content: Content,
}

/// What a delivery says.
#[derive(Clone, Debug)]
pub struct Content {
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
    pub ticks: Vec<domain::id::TickId>,
    /// The mails to hand over.
    pub mails: Vec<ClaimedMail>,
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
        if self.engine.postgres().is_some() && at_once::is_plain(&work) {
            return self.record_at_once(work, now).await;
        }
        self.write("record_attempts", move |tx| {
            let work = Arc::clone(&work);
            Box::pin(async move {
                // Due rows before deliveries, as the due loop locks them.
                let closed: Vec<(ProjectId, DueKind, Uuid)> = work
                    .closed
                    .iter()
                    .map(|(project, token)| (*project, DueKind::Claim, *token))
                    .collect();
                delete_due(tx, &closed).await?;
                record(tx, &work.settled, now).await?;
                snooze(tx, &work.snoozed, now).await
            })
        })
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
        self.write("claim_deliveries", move |tx| {
            let ids = ids.clone();
            Box::pin(async move {
                // Due rows before deliveries, as the due loop locks them.
                let planned: Vec<(ProjectId, DueKind, Uuid)> =
                    ids.iter().map(|id| (project, DueKind::Planned, id.0)).collect();
                delete_due(tx, &planned).await?;
                let wanted: Vec<Wanted> = ids.iter().map(|id| Wanted::planned(*id)).collect();
                let mine = claim(tx, project, &wanted, &terms, now).await?;
                hold(tx, project, &mine, &terms).await?;
                load(tx, project, mine, &terms).await
            })
        })
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
        self.write("take_due", move |tx| {
            Box::pin(async move {
                let due = take_due(tx, project, open, now, terms.limit).await?;
                take(tx, project, &due, &terms, allowed, now).await
            })
        })
        .await
    }
}

/// A delivery that is to be claimed, if it still stands where it is thought to.
struct Wanted {
    id: DeliveryId,
    state: DeliveryState,
    token: Option<Uuid>,
}

impl Wanted {
    const fn planned(id: DeliveryId) -> Self {
        Self { id, state: DeliveryState::Planned, token: None }
    }

    fn of(due: &Due) -> Vec<Self> {
        let wanted = |id| match due.kind {
            DueKind::Claim => Self { id, state: DeliveryState::Claimed, token: Some(due.row) },
            DueKind::Retry => Self { id, state: DeliveryState::Retrying, token: None },
            DueKind::Planned | DueKind::Tick | DueKind::Mail => Self::planned(id),
        };
        due.deliveries().into_iter().map(wanted).collect()
    }
}

/// Claims what is where it is wanted; answers each with the number of attempts made so far.
async fn claim(
    tx: &mut Tx,
    project: ProjectId,
    wanted: &[Wanted],
    terms: &ClaimTerms,
    now: Time,
) -> Result<Vec<(DeliveryId, i64)>> {
    let mut mine = change!(
        tx,
        lite "UPDATE deliveries SET state = $1, claim_token = $2, updated_at = $3
              WHERE project_id = $4 AND id = $5 AND state = $6 AND ($7 IS NULL OR claim_token = $7) RETURNING id, attempts",
        pg "UPDATE deliveries d SET state = u.next, claim_token = u.token, updated_at = u.at
            FROM unnest($1::smallint[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::smallint[], $7::uuid[])
              AS u(next, token, at, project_id, id, state, held)
            WHERE d.project_id = u.project_id AND d.id = u.id AND d.state = u.state
              AND (u.held IS NULL OR d.claim_token = u.held) RETURNING d.id, d.attempts",
        my "next, token, at, project_id, id, state, held",
        join "deliveries d ON d.project_id = u.project_id AND d.id = u.id AND d.state = u.state
              AND (u.held IS NULL OR d.claim_token = u.held)",
        find "d.id, d.attempts",
        set "d.state = u.next, d.claim_token = u.token, d.updated_at = u.at",
        wanted,
        as (DeliveryId, i64),
        {
            i16 = |_one| DeliveryState::Claimed.number(),
            Uuid = |_one| terms.token,
            Time = |_one| now,
            ProjectId = |_one| project,
            DeliveryId = |one| one.id,
            i16 = |one| one.state.number(),
            Option<Uuid> = |one| one.token,
        }
    );
    // Where they are found before they are changed, one that is wanted twice is found twice.
    mine.sort_unstable();
    mine.dedup();
    Ok(mine)
}

/// Notes when the claim of these ends.
async fn hold(
    tx: &mut Tx,
    project: ProjectId,
    mine: &[(DeliveryId, i64)],
    terms: &ClaimTerms,
) -> Result<()> {
    let ids: Vec<DeliveryId> = mine.iter().map(|(id, _)| *id).collect();
    let due: Vec<Due> = Due::claim(project, terms, &ids).into_iter().collect();
    insert_due(tx, &due).await
}

async fn take(
    tx: &mut Tx,
    project: ProjectId,
    due: &[Due],
    terms: &ClaimTerms,
    allowed: i64,
    now: Time,
) -> Result<Taken> {
    let is_tick = |one: &&Due| one.kind == DueKind::Tick;
    let ticks = due.iter().filter(is_tick).map(|one| domain::id::TickId(one.row)).collect();
    // Ticks are begun one after another: one whose turn did not come before its taker was gone is due again then.
    let later = |one: &Due| Due { at: terms.until, ..one.clone() };
    let held: Vec<Due> = due.iter().filter(is_tick).map(later).collect();
    insert_due(tx, &held).await?;
    let is_mail = |one: &&Due| one.kind == DueKind::Mail;
    let mails: Vec<Uuid> = due.iter().filter(is_mail).map(|one| one.row).collect();
    let mails = claim_mails(tx, project, &mails, terms.until, allowed, now).await?;
    let (lost, ready): (Vec<&Due>, Vec<&Due>) = due
        .iter()
        .filter(|one| !is_tick(one) && !is_mail(one))
        .partition(|one| one.kind == DueKind::Claim);
    // Each for itself: a delivery that waits for its next attempt may be named by an expired claim too.
    let ready: Vec<Wanted> = ready.iter().flat_map(|one| Wanted::of(one)).collect();
    let mut mine = claim(tx, project, &ready, terms, now).await?;
    let lost: Vec<Wanted> = lost.iter().flat_map(|one| Wanted::of(one)).collect();
    let unknown = claim(tx, project, &lost, terms, now).await?;
    // What an expired claim held was perhaps sent: that is an attempt whose outcome nobody knows.
    record_unknown(tx, project, &unknown, terms.token, allowed, now).await?;
    let expired = unknown.len();
    mine.extend(
        unknown.into_iter().map(|(id, made)| (id, made + 1)).filter(|(_, made)| *made < allowed),
    );
    hold(tx, project, &mine, terms).await?;
    Ok(Taken {
        deliveries: load(tx, project, mine, terms).await?,
        ticks,
        mails,
        expired,
        rows: due.iter().map(Due::count).sum(),
    })
}

/// Keeps the attempts whose worker vanished; a delivery that has no attempt left stays unknown for good.
async fn record_unknown(
    tx: &mut Tx,
    project: ProjectId,
    lost: &[(DeliveryId, i64)],
    token: Uuid,
    allowed: i64,
    now: Time,
) -> Result<()> {
    let attempt = |number: i64| Numbered {
        number,
        attempt: Attempt {
            outcome: Outcome::Unknown,
            status_code: None,
            detail: Some("the worker was gone before it could say".into()),
            reason: None,
            retry_after: None,
            started_at: now,
            took: Duration::ZERO,
        },
    };
    let rows: Vec<(DeliveryId, Numbered)> =
        lost.iter().map(|(id, made)| (*id, attempt(made + 1))).collect();
    let states: Vec<Row> = rows
        .iter()
        .map(|(id, one)| {
            let over = one.number >= allowed;
            let state = if over { DeliveryState::Unknown } else { DeliveryState::Claimed };
            Row {
                project,
                id: *id,
                token,
                number: one.number,
                attempt: one.attempt.clone(),
                state,
                reason: None,
                keep: !over,
            }
        })
        .collect();
    write(tx, &states, now).await.map(|_| ())
}

struct Numbered {
    number: i64,
    attempt: Attempt,
}

/// A delivery's new state after an attempt.
struct Row {
    project: ProjectId,
    id: DeliveryId,
    token: Uuid,
    number: i64,
    attempt: Attempt,
    state: DeliveryState,
    reason: Option<Reason>,
    /// Whether it stays under the same claim.
    keep: bool,
}

async fn record(tx: &mut Tx, settled: &[Settled], now: Time) -> Result<()> {
    let rows: Vec<Row> = settled
        .iter()
        .map(|one| Row {
            project: one.project,
            id: one.id,
            token: one.token,
            number: one.number,
            attempt: one.attempt.clone(),
            state: one.next.state(),
            reason: match one.next {
                Next::Dead(reason) => Some(reason),
                Next::Delivered | Next::Retry(_) => None,
            },
            keep: false,
        })
        .collect();
    let written = write(tx, &rows, now).await?;
    let retries: Vec<Due> = settled
        .iter()
        .filter(|one| written.contains(&one.id))
        .filter_map(|one| match one.next {
            Next::Retry(at) => Some(Due {
                project: one.project,
                kind: DueKind::Retry,
                row: one.id.0,
                at,
                data: None,
            }),
            Next::Delivered | Next::Dead(_) => None,
        })
        .collect();
    insert_due(tx, &retries).await?;
    let late: Vec<&Settled> = settled
        .iter()
        .filter(|one| one.next == Next::Delivered && !written.contains(&one.id))
        .collect();
    arrive_late(tx, &late, now).await
}

async fn snooze(tx: &mut Tx, snoozed: &[Snoozed], now: Time) -> Result<()> {
    let mine = change!(
        tx,
        lite "UPDATE deliveries SET state = $1, claim_token = NULL, updated_at = $2
              WHERE project_id = $3 AND id = $4 AND claim_token = $5 AND state = 2 RETURNING id",
        pg "UPDATE deliveries d SET state = u.next, claim_token = NULL, updated_at = u.at
            FROM unnest($1::smallint[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::uuid[])
              AS u(next, at, project_id, id, token)
            WHERE d.project_id = u.project_id AND d.id = u.id AND d.claim_token = u.token AND d.state = 2 RETURNING d.id",
        my "next, at, project_id, id, token",
        join "deliveries d ON d.project_id = u.project_id AND d.id = u.id AND d.claim_token = u.token AND d.state = 2",
        find "d.id",
        set "d.state = u.next, d.claim_token = NULL, d.updated_at = u.at",
        snoozed,
        as (DeliveryId,),
        {
            i16 = |_one| DeliveryState::Retrying.number(),
            Time = |_one| now,
            ProjectId = |one| one.project,
            DeliveryId = |one| one.id,
            Uuid = |one| one.token,
        }
    );
    let due = |one: &Snoozed| Due {
        project: one.project,
        kind: DueKind::Retry,
        row: one.id.0,
        at: one.until,
        data: None,
    };
    let rows: Vec<Due> = snoozed.iter().filter(|one| mine.contains(&(one.id,))).map(due).collect();
    insert_due(tx, &rows).await
}

/// Writes states and attempts; answers whose claim still held.
async fn write(
    tx: &mut Tx,
    rows: &[Row],
    now: Time,
) -> Result<std::collections::HashSet<DeliveryId>> {
    let (first, later): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|one| one.number == 1);
    let mut written: std::collections::HashSet<DeliveryId> = std::collections::HashSet::new();
    let firsts = change!(
        tx,
        lite "UPDATE deliveries SET state = $1, attempts = $2, claim_token = $3, reason = $4, outcome = $5, status_code = $6,
                detail = $7, started_at = $8, took_ms = $9, updated_at = $10
              WHERE project_id = $11 AND id = $12 AND claim_token = $13 AND state = 2 RETURNING id",
        pg "UPDATE deliveries d SET state = u.state, attempts = u.number, claim_token = u.keep, reason = u.reason,
                outcome = u.outcome, status_code = u.status_code, detail = u.detail, started_at = u.started_at,
                took_ms = u.took_ms, updated_at = u.at
            FROM unnest($1::smallint[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[],
                $8::timestamptz[], $9::bigint[], $10::timestamptz[], $11::uuid[], $12::uuid[], $13::uuid[])
              AS u(state, number, keep, reason, outcome, status_code, detail, started_at, took_ms, at, project_id, id, token)
            WHERE d.project_id = u.project_id AND d.id = u.id AND d.claim_token = u.token AND d.state = 2 RETURNING d.id",
        my "state, number, keep, reason, outcome, status_code, detail, started_at, took_ms, at, project_id, id, token",
        join "deliveries d ON d.project_id = u.project_id AND d.id = u.id AND d.claim_token = u.token AND d.state = 2",
        find "d.id",
        set "d.state = u.state, d.attempts = u.number, d.claim_token = u.keep, d.reason = u.reason, d.outcome = u.outcome,
             d.status_code = u.status_code, d.detail = u.detail, d.started_at = u.started_at, d.took_ms = u.took_ms,
             d.updated_at = u.at",
        first,
        as (DeliveryId,),
        {
            i16 = |one| one.state.number(),
            i64 = |one| one.number,
            Option<Uuid> = |one| one.keep.then_some(one.token),
            Option<String> = |one| one.reason.map(|reason| reason.as_str().to_owned()),
            String = |one| one.attempt.outcome.as_str().to_owned(),
            Option<i64> = |one| one.attempt.status_code.map(i64::from),
            Option<String> = |one| one.attempt.detail.clone(),
            Time = |one| one.attempt.started_at,
            i64 = |one| millis(one.attempt.took),
            Time = |_one| now,
            ProjectId = |one| one.project,
            DeliveryId = |one| one.id,
            Uuid = |one| one.token,
        }
    );
    written.extend(firsts.into_iter().map(|(id,)| id));
    let laters = change!(
        tx,
        lite "UPDATE deliveries SET state = $1, attempts = $2, claim_token = $3, reason = $4, updated_at = $5
              WHERE project_id = $6 AND id = $7 AND claim_token = $8 AND state = 2 RETURNING id",
        pg "UPDATE deliveries d SET state = u.state, attempts = u.number, claim_token = u.keep, reason = u.reason, updated_at = u.at
            FROM unnest($1::smallint[], $2::bigint[], $3::uuid[], $4::text[], $5::timestamptz[], $6::uuid[], $7::uuid[], $8::uuid[])
              AS u(state, number, keep, reason, at, project_id, id, token)
            WHERE d.project_id = u.project_id AND d.id = u.id AND d.claim_token = u.token AND d.state = 2 RETURNING d.id",
        my "state, number, keep, reason, at, project_id, id, token",
        join "deliveries d ON d.project_id = u.project_id AND d.id = u.id AND d.claim_token = u.token AND d.state = 2",
        find "d.id",
        set "d.state = u.state, d.attempts = u.number, d.claim_token = u.keep, d.reason = u.reason, d.updated_at = u.at",
        later,
        as (DeliveryId,),
        {
            i16 = |one| one.state.number(),
            i64 = |one| one.number,
            Option<Uuid> = |one| one.keep.then_some(one.token),
            Option<String> = |one| one.reason.map(|reason| reason.as_str().to_owned()),
            Time = |_one| now,
            ProjectId = |one| one.project,
            DeliveryId = |one| one.id,
            Uuid = |one| one.token,
        }
    );
    let laters: std::collections::HashSet<DeliveryId> =
        laters.into_iter().map(|(id,)| id).collect();
    let kept: Vec<&&Row> = later.iter().filter(|one| laters.contains(&one.id)).collect();
    insert!(
        tx,
        "INSERT INTO attempts (project_id, delivery_id, number, outcome, status_code, detail, started_at, took_ms)",
        kept,
        "ON CONFLICT DO NOTHING",
        {
            ProjectId = |one| one.project,
            DeliveryId = |one| one.id,
            i64 = |one| one.number,
            String = |one| one.attempt.outcome.as_str().to_owned(),
            Option<i64> = |one| one.attempt.status_code.map(i64::from),
            Option<String> = |one| one.attempt.detail.clone(),
            Time = |one| one.attempt.started_at,
            i64 = |one| millis(one.attempt.took),
        }
    );
    written.extend(laters);
    Ok(written)
}

/// A success that comes after its claim was lost: it tells what nobody knew.
async fn arrive_late(tx: &mut Tx, late: &[&Settled], now: Time) -> Result<()> {
    change!(
        tx,
        lite "UPDATE deliveries SET state = $1, updated_at = $2 WHERE project_id = $3 AND id = $4 AND state = $5 RETURNING id",
        pg "UPDATE deliveries d SET state = u.next, updated_at = u.at
            FROM unnest($1::smallint[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::smallint[])
              AS u(next, at, project_id, id, state)
            WHERE d.project_id = u.project_id AND d.id = u.id AND d.state = u.state RETURNING d.id",
        my "next, at, project_id, id, state",
        join "deliveries d ON d.project_id = u.project_id AND d.id = u.id AND d.state = u.state",
        set "d.state = u.next, d.updated_at = u.at",
        late,
        as (DeliveryId,),
        {
            i16 = |_one| DeliveryState::Delivered.number(),
            Time = |_one| now,
            ProjectId = |one| one.project,
            DeliveryId = |one| one.id,
            i16 = |_one| DeliveryState::Unknown.number(),
        }
    );
    Ok(())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
