//! A project's epoch: how transactions hold it and count it up.

use super::{Conn, Tx, sql};
use crate::{Result, StoreError};
use domain::id::ProjectId;

/// How a transaction holds a project's epoch to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hold {
    /// It must not change: many may ask that at the same time.
    Shared,
    /// It is about to change.
    Alone,
}

/// Holds a project's epoch. Whoever asks first is first: on a row's own lock of PostgreSQL, evaluations that follow one
/// another would keep a change out for as long as there are any. SQLite has one writer.
pub(crate) async fn hold_epoch(tx: &mut Tx, id: ProjectId, hold: Hold) -> Result<()> {
    match tx.conn() {
        Conn::Sqlite(_) => {}
        Conn::Postgres(c) => {
            let text = match hold {
                Hold::Shared => "SELECT pg_advisory_xact_lock_shared($1)",
                Hold::Alone => "SELECT pg_advisory_xact_lock($1)",
            };
            sqlx::query(text).bind(lock_key(id)).execute(&mut *c).await?;
        }
        Conn::Mysql(c) => {
            // InnoDB gives a row's locks in the order in which they were asked for. MariaDB has no FOR SHARE.
            let text = match hold {
                Hold::Shared => "SELECT 1 FROM projects WHERE id = ? LOCK IN SHARE MODE",
                Hold::Alone => "SELECT 1 FROM projects WHERE id = ? FOR UPDATE",
            };
            sqlx::query(text).bind(id).execute(&mut *c).await?;
        }
    }
    Ok(())
}

/// The lock of a project's epoch on PostgreSQL. Two projects with the same key would wait for each other, and that is all.
pub(crate) const fn lock_key(id: ProjectId) -> i64 {
    id.0.as_u64_pair().1.cast_signed()
}

/// How a transaction begins on PostgreSQL that holds the epoch shared: the lock costs no round trip of its own.
pub(crate) fn begin_shared(id: ProjectId) -> String {
    format!("BEGIN; SELECT pg_advisory_xact_lock_shared('{}'::bigint)", lock_key(id))
}

/// Counts the project's epoch up, in the transaction of a change that evaluation must see. It waits for evaluations that
/// run under the old epoch, so that after it none does. Answers the new epoch.
pub(crate) async fn bump_epoch(tx: &mut Tx, id: ProjectId) -> Result<i64> {
    hold_epoch(tx, id, Hold::Alone).await?;
    if !tx.returns() {
        sql!(tx, execute, "UPDATE projects SET epoch = epoch + 1 WHERE id = $1", id)?;
    }
    let bumped = sql!(
        tx,
        fetch_optional as (i64,),
        any "UPDATE projects SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch",
        my "SELECT epoch FROM projects WHERE id = $1",
        id
    )?;
    bumped.map(|(epoch,)| epoch).ok_or(StoreError::NotFound("project"))
}

/// Counts the project's access epoch up, in the transaction of a change to what somebody may do: sessions, accounts and
/// roles at hand in other processes are then read again.
pub(crate) async fn bump_access(tx: &mut Tx, id: ProjectId) -> Result<()> {
    let touched =
        sql!(tx, execute, "UPDATE projects SET access_epoch = access_epoch + 1 WHERE id = $1", id)?;
    if touched == 0 { Err(StoreError::NotFound("project")) } else { Ok(()) }
}
