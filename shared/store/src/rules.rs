//! Rules and their versions, and who and what they name.

use sqlx::types::Json;
use uuid::Uuid;

use super::engine::epoch::bump_epoch;
use super::engine::{Tx, insert, sql, verb};
use super::settings::within_plan;
use super::{Result, Store, StoreError};
use domain::id::{EndpointId, ProjectId, RoleId, UserId};
use domain::plan::PlanLimit;
use domain::rule::Rule;
use domain::time::Time;

/// An endpoint as it is stored.
#[derive(Clone, Debug)]
pub struct SealedEndpoint {
    /// Its id.
    pub id: EndpointId,
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// Its signing secret, sealed.
    pub secret: Vec<u8>,
}

impl Store {
    /// Keeps a new rule as its first version.
    ///
    /// # Errors
    /// A conflict when the name is taken.
    pub async fn create_rule(&self, project: ProjectId, rule: &Rule, now: Time) -> Result<()> {
        let rule = rule.clone();
        self.write("create_rule", verb!(|tx, rule| {
            let epoch = bump_epoch(tx, project).await?;
            within_plan(tx, project, PlanLimit::Rules).await?;
            sql!(
                tx, execute,
                "INSERT INTO rules (project_id, id, name, mode, version, body, live, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                project, rule.id, &rule.body.name, rule.mode.number(), rule.version, Json(&rule.body),
                Uuid::nil(), now, now
            )?;
            keep_version(tx, project, &rule, epoch, now).await
        }))
        .await
    }

    /// Makes `rule` the next version of itself; answers its number.
    ///
    /// # Errors
    /// When it is not there, or its new name is taken.
    pub async fn change_rule(&self, project: ProjectId, rule: &Rule, now: Time) -> Result<i64> {
        let rule = rule.clone();
        self.write("change_rule", verb!(|tx, rule| {
            let epoch = bump_epoch(tx, project).await?;
            let next = next_version(tx, project, &rule, now).await?;
            rule.version = next.ok_or(StoreError::NotFound("rule"))?.0;
            sql!(
                tx, execute,
                "UPDATE rule_versions SET until_epoch = $1 WHERE project_id = $2 AND rule_id = $3 AND until_epoch IS NULL",
                epoch, project, rule.id
            )?;
            keep_version(tx, project, &rule, epoch, now).await?;
            Ok(rule.version)
        }))
        .await
    }

    /// Keeps a new person who may be told.
    ///
    /// # Errors
    /// A conflict when the address is taken.
    pub async fn create_user(
        &self,
        project: ProjectId,
        id: UserId,
        email: &str,
        full_name: &str,
        now: Time,
    ) -> Result<()> {
        let (email, full_name) = (email.to_owned(), full_name.to_owned());
        self.write("create_user", verb!(|tx, email, full_name| {
            bump_epoch(tx, project).await?;
            within_plan(tx, project, PlanLimit::Users).await?;
            sql!(
                tx, execute,
                "INSERT INTO users (project_id, id, email, full_name, status, failed_logins, live, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, 1, 0, $5, $6, $7)",
                project, id, email, full_name, Uuid::nil(), now, now
            )
            .map(|_| ())
        }))
        .await
    }

    /// Keeps a new role with its first members.
    ///
    /// # Errors
    /// A conflict when the name is taken or a member is not of this project.
    pub async fn create_role(
        &self,
        project: ProjectId,
        id: RoleId,
        name: &str,
        members: &[UserId],
        now: Time,
    ) -> Result<()> {
        let (name, members) = (name.to_owned(), members.to_vec());
        self.write("create_role", verb!(|tx, name, members| {
            bump_epoch(tx, project).await?;
            sql!(
                tx, execute,
                "INSERT INTO roles (project_id, id, name, description, permissions, built_in, live, created_at, updated_at)
                 VALUES ($1, $2, $3, '', $4, 0, $5, $6, $7)",
                project, id, name, Json(Vec::<String>::new()), Uuid::nil(), now, now
            )?;
            insert!(tx, "INSERT INTO user_roles (project_id, user_id, role_id)", members, "", {
                ProjectId = |_user| project,
                UserId = |user| *user,
                RoleId = |_user| id,
            });
            Ok(())
        }))
        .await
    }

    /// Keeps a new endpoint; its secret is sealed already.
    ///
    /// # Errors
    /// A conflict when the name is taken.
    pub async fn create_endpoint(
        &self,
        project: ProjectId,
        endpoint: &SealedEndpoint,
        now: Time,
    ) -> Result<()> {
        let endpoint = endpoint.clone();
        self.write("create_endpoint", verb!(|tx, endpoint| {
            bump_epoch(tx, project).await?;
            sql!(
                tx, execute,
                "INSERT INTO webhook_endpoints (project_id, id, name, url, secret, active, live, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8)",
                project, endpoint.id, endpoint.name, endpoint.url, endpoint.secret, Uuid::nil(), now, now
            )
            .map(|_| ())
        }))
        .await
    }

    /// Changes where an endpoint listens.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn move_endpoint(
        &self,
        project: ProjectId,
        id: EndpointId,
        url: &str,
        now: Time,
    ) -> Result<()> {
        let url = url.to_owned();
        self.write("move_endpoint", verb!(|tx, url| {
            bump_epoch(tx, project).await?;
            let touched = sql!(
                tx, execute,
                "UPDATE webhook_endpoints SET url = $1, updated_at = $2 WHERE project_id = $3 AND id = $4 AND live = $5",
                url, now, project, id, Uuid::nil()
            )?;
            if touched == 0 { Err(StoreError::NotFound("endpoint")) } else { Ok(()) }
        }))
        .await
    }
}

/// Changes a rule where it stands; answers its new version.
async fn next_version(
    tx: &mut Tx,
    project: ProjectId,
    rule: &Rule,
    now: Time,
) -> Result<Option<(i64,)>> {
    if tx.returns() {
        return sql!(
            tx, fetch_optional as (i64,),
            "UPDATE rules SET version = version + 1, name = $1, mode = $2, body = $3, updated_at = $4
             WHERE project_id = $5 AND id = $6 AND live = $7 RETURNING version",
            &rule.body.name, rule.mode.number(), Json(&rule.body), now, project, rule.id, Uuid::nil()
        );
    }
    sql!(
        tx,
        execute,
        "UPDATE rules SET version = version + 1, name = $1, mode = $2, body = $3, updated_at = $4
         WHERE project_id = $5 AND id = $6 AND live = $7",
        &rule.body.name,
        rule.mode.number(),
        Json(&rule.body),
        now,
        project,
        rule.id,
        Uuid::nil()
    )?;
    sql!(
        tx,
        fetch_optional as (i64,),
        "SELECT version FROM rules WHERE project_id = $1 AND id = $2 AND live = $3",
        project,
        rule.id,
        Uuid::nil()
    )
}

async fn keep_version(
    tx: &mut Tx,
    project: ProjectId,
    rule: &Rule,
    epoch: i64,
    now: Time,
) -> Result<()> {
    sql!(
        tx, execute,
        "INSERT INTO rule_versions (project_id, rule_id, version, mode, body, since_epoch, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        project, rule.id, rule.version, rule.mode.number(), Json(&rule.body), epoch, now
    )
    .map(|_| ())
}
