//! What rules name, looked up in the transaction that keeps them.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::read::rules_before;
use crate::Result;
use crate::engine::{Tx, rows_in, sql};
use domain::fault::Fault;
use domain::id::{ProjectId, RuleId, UserId};
use domain::rule::{Known, RuleBody, RuleRecord};

/// Everything that a rule names and that is not there, or is not as it must be.
pub(crate) async fn reference_faults(
    tx: &mut Tx,
    project: ProjectId,
    id: RuleId,
    body: &RuleBody,
) -> Result<Vec<Fault>> {
    let roles = if body.target_roles.is_empty() {
        Vec::new()
    } else {
        let rows = sql!(
            tx,
            fetch_all as (String,),
            "SELECT name FROM roles WHERE project_id = $1 AND live = $2 ORDER BY name",
            project,
            Uuid::nil()
        )?;
        rows.into_iter().map(|(name,)| name).collect()
    };
    let users = body.target_users.clone();
    let users = rows_in!(
        tx,
        as (UserId,),
        "SELECT id FROM users WHERE project_id = $1 AND live = $2 AND id",
        [project, Uuid::nil()],
        users,
        lite "",
        server ""
    );
    let users: BTreeSet<UserId> = users.into_iter().map(|(id,)| id).collect();
    let rules =
        if body.inhibited_by.is_empty() { Vec::new() } else { all_rules(tx, project).await? };
    Ok(body.reference_faults(id, &Known { roles: &roles, users: &users, rules: &rules }))
}

/// All rules of a project that were not deleted.
pub(super) async fn all_rules(tx: &mut Tx, project: ProjectId) -> Result<Vec<RuleRecord>> {
    rules_before(tx, project, RuleId(Uuid::max()), i64::MAX).await
}

/// Whether another rule of the project has that name.
pub(super) async fn is_taken(
    tx: &mut Tx,
    project: ProjectId,
    id: RuleId,
    name: &str,
) -> Result<bool> {
    let found = sql!(
        tx,
        fetch_optional as (RuleId,),
        "SELECT id FROM rules WHERE project_id = $1 AND name = $2 AND live = $3 AND id <> $4",
        project,
        name,
        Uuid::nil(),
        id
    )?;
    Ok(found.is_some())
}
