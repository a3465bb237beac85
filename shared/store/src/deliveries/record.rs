//! What became of claimed deliveries: their states and attempts.

use std::collections::HashSet;
use std::time::Duration;

use uuid::Uuid;

use super::{Settled, Snoozed};
use crate::Result;
use crate::due::{Due, DueKind, insert_due};
use crate::engine::{Tx, insert, update};
use domain::delivery::{Attempt, DeliveryState, Next, Outcome};
use domain::id::{DeliveryId, MailId, ProjectId};
use domain::reason::Reason;
use domain::time::Time;

/// Keeps the attempts whose worker vanished; a delivery that has no attempt left stays unknown for good.
pub(super) async fn record_unknown(
    tx: &mut Tx,
    project: ProjectId,
    lost: &[(DeliveryId, i64)],
    token: Uuid,
    allowed: i64,
    now: Time,
) -> Result<()> {
    let vanished = "the worker was gone before it could say";
    let row = |(id, made): &(DeliveryId, i64)| {
        let number = made + 1;
        let over = number >= allowed;
        Row {
            project,
            id: *id,
            token,
            number,
            attempt: Attempt {
                started_at: now,
                ..Attempt::ended(Outcome::Unknown, None, Some(vanished.to_owned()))
            },
            state: if over { DeliveryState::Unknown } else { DeliveryState::Claimed },
            reason: None,
            keep: !over,
        }
    };
    let rows: Vec<Row> = lost.iter().map(row).collect();
    write(tx, &rows, now).await?;
    // An account mail has the id of its delivery; of the others there is none.
    let over: Vec<(ProjectId, MailId)> =
        rows.iter().filter(|one| !one.keep).map(|one| (project, MailId(one.id.0))).collect();
    empty_mails(tx, &over).await
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

pub(super) async fn record(tx: &mut Tx, settled: &[Settled], now: Time) -> Result<()> {
    let rows: Vec<Row> = settled
        .iter()
        .map(|one| Row {
            project: one.project,
            id: one.id,
            token: one.token,
            number: one.number,
            attempt: one.attempt.clone(),
            state: one.next.state(),
            reason: one.next.reason(),
            keep: false,
        })
        .collect();
    let written = write(tx, &rows, now).await?;
    let retry = |one: &Settled| match one.next {
        Next::Retry(at) if written.contains(&one.id) => Some(retry(one.project, one.id, at)),
        _ => None,
    };
    let retries: Vec<Due> = settled.iter().filter_map(retry).collect();
    insert_due(tx, &retries).await?;
    let is_late = |one: &&Settled| one.next.is_success() && !written.contains(&one.id);
    let late: Vec<&Settled> = settled.iter().filter(is_late).collect();
    arrive_late(tx, &late, now).await?;
    let is_over = |one: &&Settled| one.next.is_over() && written.contains(&one.id);
    let over: Vec<(ProjectId, MailId)> =
        settled.iter().filter(is_over).filter_map(|one| Some((one.project, one.mail?))).collect();
    empty_mails(tx, &over).await
}

/// The row after which a delivery is tried again.
const fn retry(project: ProjectId, delivery: DeliveryId, at: Time) -> Due {
    Due { project, kind: DueKind::Retry, row: delivery.0, at, data: None }
}

pub(super) async fn snooze(tx: &mut Tx, snoozed: &[Snoozed], now: Time) -> Result<()> {
    let mine = update!(
        tx,
        "deliveries",
        snoozed,
        set {
            state: i16 = |_one| DeliveryState::Retrying.number(),
            claim_token: Option<Uuid> = |_one| None,
            updated_at: Time = |_one| now,
        },
        key {
            project_id: ProjectId = |one| one.project,
            id: DeliveryId = |one| one.id,
            claim_token: Uuid = |one| one.token,
        },
        and "state = 2",
        returning "id" as (DeliveryId,),
    );
    let held = snoozed.iter().filter(|one| mine.contains(&(one.id,)));
    let rows: Vec<Due> = held.map(|one| retry(one.project, one.id, one.until)).collect();
    insert_due(tx, &rows).await
}

/// Writes states and attempts; answers whose claim still held.
async fn write(tx: &mut Tx, rows: &[Row], now: Time) -> Result<HashSet<DeliveryId>> {
    let (first, later): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|one| one.number == 1);
    let firsts = update!(
        tx,
        "deliveries",
        first,
        set {
            state: i16 = |one| one.state.number(),
            attempts: i64 = |one| one.number,
            claim_token: Option<Uuid> = |one| one.keep.then_some(one.token),
            reason: Option<String> = |one| one.reason.map(|reason| reason.as_str().to_owned()),
            outcome: String = |one| one.attempt.outcome.as_str().to_owned(),
            status_code: Option<i64> = |one| one.attempt.status_code.map(i64::from),
            detail: Option<String> = |one| one.attempt.detail.clone(),
            started_at: Time = |one| one.attempt.started_at,
            took_ms: i64 = |one| millis(one.attempt.took),
            updated_at: Time = |_one| now,
        },
        key {
            project_id: ProjectId = |one| one.project,
            id: DeliveryId = |one| one.id,
            claim_token: Uuid = |one| one.token,
        },
        and "state = 2",
        returning "id" as (DeliveryId,),
    );
    let mut written: HashSet<DeliveryId> = firsts.into_iter().map(|(id,)| id).collect();
    let laters = update!(
        tx,
        "deliveries",
        later,
        set {
            state: i16 = |one| one.state.number(),
            attempts: i64 = |one| one.number,
            claim_token: Option<Uuid> = |one| one.keep.then_some(one.token),
            reason: Option<String> = |one| one.reason.map(|reason| reason.as_str().to_owned()),
            updated_at: Time = |_one| now,
        },
        key {
            project_id: ProjectId = |one| one.project,
            id: DeliveryId = |one| one.id,
            claim_token: Uuid = |one| one.token,
        },
        and "state = 2",
        returning "id" as (DeliveryId,),
    );
    let laters: HashSet<DeliveryId> = laters.into_iter().map(|(id,)| id).collect();
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
    update!(
        tx,
        "deliveries",
        late,
        set {
            state: i16 = |one| one.next.state().number(),
            updated_at: Time = |_one| now,
        },
        key { project_id: ProjectId = |one| one.project, id: DeliveryId = |one| one.id },
        and "state = 6",
    );
    Ok(())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Empties account mails of which nothing more comes: there are tokens in them.
async fn empty_mails(tx: &mut Tx, over: &[(ProjectId, MailId)]) -> Result<()> {
    update!(
        tx,
        "mails",
        over,
        set { content: Option<Vec<u8>> = |_one| None },
        key { project_id: ProjectId = |one| one.0, id: MailId = |one| one.1 },
    );
    Ok(())
}
