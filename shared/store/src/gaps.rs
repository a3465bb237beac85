//! When no events could be received: an event that is missing then is not the producer's fault.

use std::time::Duration;

use uuid::Uuid;

use super::engine::{Tx, sql, verb};
use super::{Result, Store};
use domain::id::fresh;
use domain::time::Time;

/// How long without a beat of any process that receives events until that counts as a gap: what a restart takes.
const GAP: Duration = Duration::from_secs(15);
/// How long gaps are of use: longer than any rule waits for an event.
const KEPT: Duration = Duration::from_secs(40 * 86_400);

impl Store {
    /// Writes that events can be received now, and the gap before it if there was one.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn beat_intake(&self, now: Time) -> Result<()> {
        self.write(
            "beat_intake",
            verb!(|tx| {
                let Some(last) = last_beat(tx).await? else {
                    return sql!(
                        tx, execute,
                        any "INSERT INTO intake_gaps (id, from_at, until_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                        my "INSERT IGNORE INTO intake_gaps (id, from_at, until_at) VALUES ($1, $2, $3)",
                        Uuid::nil(), now, now
                    )
                    .map(|_| ());
                };
                let moved = sql!(
                    tx,
                    execute,
                    "UPDATE intake_gaps SET until_at = $1 WHERE id = $2 AND until_at = $3",
                    now.max(last),
                    Uuid::nil(),
                    last
                )?;
                if moved > 0 && now.since(last) > GAP {
                    sql!(
                        tx,
                        execute,
                        "INSERT INTO intake_gaps (id, from_at, until_at) VALUES ($1, $2, $3)",
                        fresh(now),
                        last,
                        now
                    )?;
                    sql!(
                        tx,
                        execute,
                        "DELETE FROM intake_gaps WHERE id <> $1 AND until_at < $2",
                        Uuid::nil(),
                        now.minus(KEPT)
                    )?;
                }
                Ok(())
            }),
        )
        .await
    }
}

async fn last_beat(tx: &mut Tx) -> Result<Option<Time>> {
    let row = sql!(
        tx,
        fetch_optional as (Time,),
        "SELECT until_at FROM intake_gaps WHERE id = $1",
        Uuid::nil()
    )?;
    Ok(row.map(|(at,)| at))
}

/// How long no events could be received between two times, and whether none can be received now.
pub(super) async fn down(
    tx: &mut Tx,
    since: Time,
    until: Time,
    now: Time,
) -> Result<(Duration, bool)> {
    let gaps = sql!(
        tx,
        fetch_all as (Time, Time),
        "SELECT from_at, until_at FROM intake_gaps WHERE id <> $1 AND until_at > $2 ORDER BY from_at",
        Uuid::nil(),
        since
    )?;
    // What was put off for a gap ends later, and the next gap may lie in that.
    let mut down = Duration::ZERO;
    for (from, to) in gaps {
        if from >= until.plus(down) {
            break;
        }
        down += to.since(from.max(since));
    }
    // Where no process receives over HTTP, nobody beats, and nothing is known.
    let is_down = last_beat(tx).await?.is_some_and(|last| now.since(last) > GAP);
    Ok((down, is_down))
}
