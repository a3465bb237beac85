//! The caller who asks for a change, looked at again by the transaction that makes it: their account, their session and
//! their permissions as they stand then, under the epoch of their project. A verb that takes roles or accounts away holds
//! that epoch alone, so that of the two one comes first.

use serde_json::{Value, json};
use uuid::Uuid;

use super::engine::epoch::{Hold, hold_epoch};
use super::engine::{Tx, sql};
use super::users::{RoleRows, Standings, live_user, role_rows, standings, standings_of};
use super::{Result, StoreError};
use domain::audit::Entry;
use domain::authority::{Authority, Denied, Requester, Target};
use domain::facts::user_facts;
use domain::id::{ProjectId, RoleId, UserId};
use domain::permission::{Grants, grants};
use domain::project::ProjectStatus;
use domain::time::Time;
use domain::user::UserStatus;

/// What a caller may do, now.
pub(super) async fn authority(tx: &mut Tx, requester: &Requester, now: Time) -> Result<Authority> {
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
        tx,
        fetch_optional as (i16, i16),
        "SELECT u.status, p.status FROM users u JOIN projects p ON p.id = u.project_id
         WHERE u.project_id = $1 AND u.id = $2 AND u.live = $3",
        project,
        user,
        Uuid::nil()
    )?;
    let works = (UserStatus::Active.number(), ProjectStatus::Active.number());
    let is_in = match session {
        Some(session) => holds(tx, project, user, session, now).await?,
        None => true,
    };
    if held != Some(works) || !is_in {
        return Err(Denied::Gone.into());
    }
    let Standings { roles, mine, .. } = standings(tx, project, roles, user).await?;
    let facts = json!({ "id": user });
    Ok(Authority::of(requester.clone(), grants(&mine, &roles), facts, now))
}

/// Whether a session was not ended.
async fn holds(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    session: Uuid,
    now: Time,
) -> Result<bool> {
    let found = sql!(
        tx,
        fetch_optional as (Uuid,),
        "SELECT id FROM sessions
         WHERE project_id = $1 AND id = $2 AND user_id = $3 AND revoked_at IS NULL AND ends_at > $4
           AND project_epoch = (SELECT session_epoch FROM projects WHERE id = $5)",
        project,
        session,
        user,
        now,
        project
    )?;
    Ok(found.is_some())
}

/// Takes the caller out of what is to be written down, and answers what they may do: the verb asks itself then whether
/// that is enough. One that counts the epoch up does so before.
pub(super) async fn caller(tx: &mut Tx, entry: &mut Entry, now: Time) -> Result<Authority> {
    match entry.requester.take() {
        None => Ok(Authority::operator()),
        Some(requester) => authority(tx, &requester, now).await,
    }
}

/// Judges whether the caller may create an account with these roles, or a way to one.
///
/// # Errors
/// When they lack a permission that the request needs, or the roles give what they don't have; not found when one of
/// the roles is not there.
pub(super) async fn judge_giving(
    tx: &mut Tx,
    project: ProjectId,
    caller: &Authority,
    names: &[String],
) -> Result<()> {
    caller.may(Target::Nothing)?;
    if names.is_empty() {
        return Ok(());
    }
    let roles = role_rows(tx, project).await?;
    Ok(caller.may_give(&Grants::default(), &given_by(&roles, names)?)?)
}

/// An account, as a verb finds it.
pub(super) struct Account {
    /// What the caller may do.
    pub caller: Authority,
    /// What the account may do.
    pub grants: Grants,
    /// The names of its roles, in order.
    pub role_names: Vec<String>,
    /// The roles of the project.
    pub roles: RoleRows,
    id: UserId,
    facts: Option<Value>,
}

impl Account {
    fn target(&self, own: bool) -> Target<'_> {
        Target::Account { user: self.id, facts: self.facts.as_ref(), grants: &self.grants, own }
    }
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
    let account = account(tx, project, id, entry, now).await?;
    account.caller.may_act_on(account.target(own))?;
    Ok(account)
}

/// Judges whether the caller may do what changes nothing of an account, like taking out what is held on it.
///
/// # Errors
/// When they lack a permission for it.
pub(super) async fn judge_reading(
    tx: &mut Tx,
    project: ProjectId,
    id: UserId,
    entry: &mut Entry,
    now: Time,
) -> Result<()> {
    let account = account(tx, project, id, entry, now).await?;
    Ok(account.caller.may(account.target(true))?)
}

async fn account(
    tx: &mut Tx,
    project: ProjectId,
    id: UserId,
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
    let Standings { roles: held, mine, names: role_names } =
        standings(tx, project, &roles, id).await?;
    let grants = grants(&mine, &held);
    let facts = live_user(tx, project, id).await?.map(|found| user_facts(&found, &role_names));
    Ok(Account { caller, grants, role_names, roles, id, facts })
}

/// What roles of these names give together.
///
/// # Errors
/// Not found when one of them is not there.
pub(super) fn given_by(roles: &RoleRows, names: &[String]) -> Result<Grants> {
    let id_of =
        |name: &String| roles.iter().find(|(_, (known, ..))| known == name).map(|(id, _)| *id);
    let ids: Option<Vec<RoleId>> = names.iter().map(id_of).collect();
    let Standings { roles, mine, .. } =
        standings_of(roles, ids.ok_or(StoreError::NotFound("role"))?);
    Ok(grants(&mine, &roles))
}
