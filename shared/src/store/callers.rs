//! The caller who asks for a change, looked at again by the transaction that makes it: their account, their session and
//! their permissions as they stand then, under the epoch of their project. Whoever takes any of these away holds that
//! epoch alone, so that of the two one comes first.

use serde_json::json;
use uuid::Uuid;

use super::engine::{Tx, sql};
use super::people::{RoleRows, Standings, live_user, role_rows, standings};
use super::projects::{Hold, hold_epoch};
use super::Result;
use crate::domain::audit::Entry;
use crate::domain::authority::{Authority, Denied, Requester, Target};
use crate::domain::permission::{Grants, grants, user_facts};
use crate::domain::project::ProjectStatus;
use crate::domain::user::UserStatus;
use crate::id::{ProjectId, UserId};
use crate::time::Time;

/// What a caller may do, now.
pub(super) async fn authority(
    tx: &mut Tx,
    requester: &Requester,
    now: Time,
) -> Result<Authority> {
    hold_epoch(tx, requester.project, Hold::Shared).await?;
    let roles = role_rows(tx, requester.project).await?;
    authority_among(tx, requester, &roles, now).await
}

async fn authority_among(
    tx: &mut Tx,
    requester: &Requester,
    roles: &RoleRows,
    now: Time,
) -> Result<Authority> {
    let Requester { project, user, session, .. } = *requester;
    let held = sql!(
        tx, fetch_optional as (i16, i16),
        "SELECT u.status, p.status FROM sessions s
         JOIN users u ON u.project_id = s.project_id AND u.id = s.user_id
         JOIN projects p ON p.id = s.project_id
         WHERE s.project_id = $1 AND s.id = $2 AND s.user_id = $3 AND s.revoked_at IS NULL AND s.ends_at > $4
           AND u.live = $5",
        project, session, user, now, Uuid::nil()
    )?;
    let works = (UserStatus::Active.number(), ProjectStatus::Active.number());
    if held != Some(works) {
        return Err(Denied::Gone.into());
    }
    let Standings { roles, mine, names } = standings(tx, project, roles, user).await?;
    let facts = json!({ "id": user, "roles": names });
    Ok(Authority::of(requester.clone(), grants(&mine, &roles), facts, now))
}

/// Takes the caller out of what is to be written down, and answers what they may do: the verb asks itself then whether
/// that is enough. One that counts the epoch up does so before.
pub(super) async fn caller(tx: &mut Tx, entry: &mut Entry, now: Time) -> Result<Authority> {
    match entry.requester.take() {
        None => Ok(Authority::operator()),
        Some(requester) => authority(tx, &requester, now).await,
    }
}

/// The account that a verb acts on, as it finds it.
pub(super) struct Account {
    /// What the caller may do.
    pub caller: Authority,
    /// What the account may do.
    pub grants: Grants,
    /// The names of its roles, in order.
    pub role_names: Vec<String>,
    /// The roles of the project.
    pub roles: RoleRows,
}

/// Judges whether the caller may act on an account: they have the permissions that the request needs, for this account,
/// and it may not do more than they may. Every verb by which one user changes another one's account begins with it, but
/// for counting the epoch up, which comes before. `own` says whether a permission for one's own account is enough for
/// one's own. One that is not there has nothing that speaks against it: the verb says itself that it is not there.
///
/// # Errors
/// When they may not.
pub(super) async fn judge_acting_on(
    tx: &mut Tx,
    project: ProjectId,
    id: UserId,
    own: bool,
    entry: &mut Entry,
    now: Time,
) -> Result<Account> {
    let requester = entry.requester.take();
    if let Some(requester) = &requester {
        hold_epoch(tx, requester.project, Hold::Shared).await?;
    }
    let roles = role_rows(tx, project).await?;
    let caller = match &requester {
        None => Authority::operator(),
        Some(one) if one.project == project => authority_among(tx, one, &roles, now).await?,
        Some(one) => authority(tx, one, now).await?,
    };
    let Standings { roles: held, mine, names } = standings(tx, project, &roles, id).await?;
    let grants = grants(&mine, &held);
    let facts = live_user(tx, project, id).await?.map(|found| user_facts(&found, &names));
    let facts = facts.as_ref();
    caller.may(Target::Account { user: id, facts, grants: &grants, own })?;
    Ok(Account { caller, grants, role_names: names, roles })
}
