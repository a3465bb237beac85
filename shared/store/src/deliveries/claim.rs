//! Claiming deliveries, and taking what is due.

use uuid::Uuid;

use super::Taken;
use super::load::load;
use super::record::record_unknown;
use crate::Result;
use crate::due::{ClaimTerms, Due, DueKind, insert_due};
use crate::engine::{Tx, update};
use domain::delivery::DeliveryState;
use domain::id::{DeliveryId, ProjectId, TickId};
use domain::time::Time;

/// A delivery that is to be claimed, if it still stands where it is thought to.
pub(super) struct Wanted {
    id: DeliveryId,
    state: DeliveryState,
    token: Option<Uuid>,
}

impl Wanted {
    pub(super) const fn planned(id: DeliveryId) -> Self {
        Self { id, state: DeliveryState::Planned, token: None }
    }

    fn of(due: &Due) -> Vec<Self> {
        let wanted = |id| match due.kind {
            DueKind::Claim => Self { id, state: DeliveryState::Claimed, token: Some(due.row) },
            DueKind::Retry => Self { id, state: DeliveryState::Retrying, token: None },
            DueKind::Planned | DueKind::Tick | DueKind::Group | DueKind::Run => Self::planned(id),
        };
        due.deliveries().into_iter().map(wanted).collect()
    }
}

/// Claims what is where it is wanted; answers each with the number of attempts made so far.
pub(super) async fn claim(
    tx: &mut Tx,
    project: ProjectId,
    wanted: &[Wanted],
    terms: &ClaimTerms,
    now: Time,
) -> Result<Vec<(DeliveryId, i64)>> {
    let mut mine = update!(
        tx,
        "deliveries",
        wanted,
        set {
            state: i16 = |_one| DeliveryState::Claimed.number(),
            claim_token: Uuid = |_one| terms.token,
            updated_at: Time = |_one| now,
        },
        key {
            project_id: ProjectId = |_one| project,
            id: DeliveryId = |one| one.id,
            state: i16 = |one| one.state.number(),
        },
        given { claim_token: Option<Uuid> = |one| one.token },
        returning "id, attempts" as (DeliveryId, i64),
    );
    // Where they are found before they are changed, one that is wanted twice is found twice.
    mine.sort_unstable();
    mine.dedup();
    Ok(mine)
}

/// Notes when the claim of these ends.
pub(super) async fn hold(
    tx: &mut Tx,
    project: ProjectId,
    mine: &[(DeliveryId, i64)],
    terms: &ClaimTerms,
) -> Result<()> {
    let ids: Vec<DeliveryId> = mine.iter().map(|(id, _)| *id).collect();
    let due: Vec<Due> = Due::claim(project, terms, &ids).into_iter().collect();
    insert_due(tx, &due).await
}

pub(super) async fn take(
    tx: &mut Tx,
    project: ProjectId,
    due: &[Due],
    terms: &ClaimTerms,
    allowed: i64,
    now: Time,
) -> Result<Taken> {
    let is_tick = |one: &&Due| one.kind == DueKind::Tick;
    let ticks = due.iter().filter(is_tick).map(|one| TickId(one.row)).collect();
    // Ticks are begun one after another: one whose turn did not come before its taker was gone is due again then.
    let later = |one: &Due| Due { at: terms.until, ..one.clone() };
    let held: Vec<Due> = due.iter().filter(is_tick).map(later).collect();
    insert_due(tx, &held).await?;
    let (lost, ready): (Vec<&Due>, Vec<&Due>) =
        due.iter().filter(|one| !is_tick(one)).partition(|one| one.kind == DueKind::Claim);
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
        deliveries: load(tx, project, mine, terms, now).await?,
        ticks,
        expired,
        rows: due.iter().map(Due::count).sum(),
    })
}
