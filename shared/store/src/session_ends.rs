//! How sessions end: for whatever reason, in one place.

use uuid::Uuid;

use super::Result;
use super::engine::epoch::bump_access;
use super::engine::{Tx, sql};
use domain::id::{ProjectId, UserId};
use domain::names::words;
use domain::time::Time;

words! {
    /// Why a session was ended.
    Ended {
        /// Its holder logged out.
        Logout = 1 "logout",
        /// Its holder or an admin ended it from elsewhere.
        Revoked = 2 "revoked",
        /// One of its refresh tokens was used twice.
        Reuse = 3 "reuse",
        /// The password was changed.
        Password = 4 "password",
        /// The second factor was changed.
        SecondFactor = 5 "second_factor",
        /// The account was suspended.
        Suspended = 6 "suspended",
    }
}

/// Which sessions of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(Uuid),
    /// All but this one.
    AllBut(Uuid),
    /// All.
    All,
}

/// Ends sessions of a user; answers how many that were.
pub(super) async fn end(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    which: Which,
    why: Ended,
    now: Time,
) -> Result<u64> {
    let (all, one, spared) = match which {
        Which::One(id) => (0_i16, id, Uuid::nil()),
        Which::AllBut(id) => (1, Uuid::nil(), id),
        Which::All => (1, Uuid::nil(), Uuid::nil()),
    };
    let ended = sql!(
        tx, execute,
        "UPDATE sessions SET revoked_at = $1, revoked_for = $2
         WHERE project_id = $3 AND user_id = $4 AND revoked_at IS NULL AND (id = $5 OR 1 = $6) AND id <> $7",
        now, why.number(), project, user, one, all, spared
    )?;
    if ended > 0 {
        bump_access(tx, project).await?;
    }
    Ok(ended)
}
