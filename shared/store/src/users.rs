//! Rows of users, and what decides what each of them may do; the verbs are in `members.rs`, `accounts.rs` and `profiles.rs`.

use std::collections::BTreeMap;

use sqlx::types::Json;
use uuid::Uuid;

use super::engine::{Tx, sql};
use super::{Result, StoreError};
use domain::id::{ProjectId, RoleId, UserId};
use domain::permission::{Grant, Holder};
use domain::time::Time;
use domain::user::{User, UserStatus};

/// The columns of an account, in the order of `Row`; a literal, so that statements can be put together from it.
macro_rules! user_columns {
    () => {
        "id, project_id, email, full_name, username, profile, avatar, status, email_verified_at, last_login_at,
         locked_until, created_at, updated_at"
    };
}

pub(super) use user_columns;

pub(super) type Row = (
    UserId,
    ProjectId,
    String,
    String,
    Option<String>,
    Option<Vec<u8>>,
    Option<String>,
    i16,
    Option<Time>,
    Option<Time>,
    Option<Time>,
    Time,
    Time,
);

pub(super) fn user(row: Row) -> Result<User> {
    let (
        id,
        project,
        email,
        full_name,
        username,
        profile,
        avatar,
        status,
        email_verified_at,
        last_login_at,
        locked_until,
        created_at,
        updated_at,
    ) = row;
    let status = UserStatus::from_number(status)
        .ok_or_else(|| StoreError::Corrupt(format!("status of user {id}")))?;
    Ok(User {
        id,
        project,
        email,
        full_name,
        username,
        profile,
        avatar,
        status,
        email_verified_at,
        last_login_at,
        locked_until,
        created_at,
        updated_at,
    })
}

type RoleRow = (RoleId, String, Json<Vec<String>>, Option<RoleId>);

/// The names, the texts of the permissions, and the parents of a project's roles.
pub(super) type RoleRows = BTreeMap<RoleId, (String, Vec<String>, Option<RoleId>)>;

/// What decides what a user may do.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    /// Their roles and those that these inherit from.
    pub roles: BTreeMap<RoleId, Holder>,
    /// Which of them are their own.
    pub mine: Vec<RoleId>,
    /// The names of these, in order.
    pub names: Vec<String>,
}

/// An account that was not deleted.
pub(super) async fn live_user(tx: &mut Tx, project: ProjectId, id: UserId) -> Result<Option<User>> {
    let row = sql!(
        tx,
        fetch_optional as Row,
        concat!(
            "SELECT ",
            user_columns!(),
            " FROM users WHERE project_id = $1 AND id = $2 AND live = $3"
        ),
        project,
        id,
        Uuid::nil()
    )?;
    row.map(user).transpose()
}

/// All roles of a project.
pub(super) async fn role_rows(tx: &mut Tx, project: ProjectId) -> Result<RoleRows> {
    let rows = sql!(
        tx,
        fetch_all as RoleRow,
        "SELECT id, name, permissions, parent_id FROM roles WHERE project_id = $1 AND live = $2",
        project,
        Uuid::nil()
    )?;
    let row = |(id, name, Json(texts), parent): RoleRow| (id, (name, texts, parent));
    Ok(rows.into_iter().map(row).collect())
}

/// What decides what a user may do, of the roles of their project.
pub(super) async fn standings(
    tx: &mut Tx,
    project: ProjectId,
    roles: &RoleRows,
    user: UserId,
) -> Result<Standings> {
    let mine = sql!(
        tx,
        fetch_all as (RoleId,),
        "SELECT role_id FROM user_roles WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )?;
    Ok(standings_of(roles, mine.into_iter().map(|(id,)| id).collect()))
}

/// Reads the permissions of the roles that count and of no others, for there may be many.
pub(super) fn standings_of(rows: &RoleRows, mine: Vec<RoleId>) -> Standings {
    let mut found = Standings::default();
    let mut open = mine.clone();
    while let Some(id) = open.pop() {
        let Some((name, texts, parent)) = rows.get(&id) else { continue };
        if found.roles.contains_key(&id) {
            continue;
        }
        if mine.contains(&id) {
            found.names.push(name.clone());
        }
        let permissions = texts.iter().filter_map(|text| Grant::parse_stored(text)).collect();
        found.roles.insert(id, Holder { permissions, parent: *parent });
        open.extend(*parent);
    }
    found.names.sort();
    found.mine = mine;
    found
}

/// Notes that an account is changed; not found when it is not there.
pub(super) async fn touch(tx: &mut Tx, project: ProjectId, id: UserId, now: Time) -> Result<()> {
    let touched = sql!(
        tx,
        execute,
        "UPDATE users SET updated_at = $1 WHERE project_id = $2 AND id = $3 AND live = $4",
        now,
        project,
        id,
        Uuid::nil()
    )?;
    if touched == 0 { Err(StoreError::NotFound("user")) } else { Ok(()) }
}

/// Makes others who mean the same account wait for this transaction.
pub(super) async fn lock(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    let row = sql!(
        tx, fetch_optional as (UserId,),
        lite "SELECT id FROM users WHERE project_id = $1 AND id = $2 AND live = $3",
        server "SELECT id FROM users WHERE project_id = $1 AND id = $2 AND live = $3 FOR UPDATE",
        project, user, Uuid::nil()
    )?;
    row.map(|_| ()).ok_or(StoreError::NotFound("user"))
}

/// Refuses a password that was proved and is not the account's any more. The account's row is held by then.
pub(super) async fn judge_proved(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    proved: &str,
) -> Result<()> {
    let (now,) = sql!(
        tx,
        fetch_one as (Option<String>,),
        "SELECT password_hash FROM users WHERE project_id = $1 AND id = $2",
        project,
        user
    )?;
    if now.as_deref() == Some(proved) { Ok(()) } else { Err(StoreError::NotFound("password")) }
}
