//! What a rule set is read from: rules, who is there to be notified, endpoints and silences.

use std::collections::{BTreeSet, HashMap};

use sqlx::types::Json;
use uuid::Uuid;

use super::endpoints::sending;
use super::engine::{Tx, sql, verb};
use super::rules::SealedEndpoint;
use super::{Result, Store, StoreError};
use domain::id::{ProjectId, RuleId, SilenceId, UserId};
use domain::project::ProjectStatus;
use domain::rule::{Rule, RuleBody, RuleMode, Suppression};
use domain::ruleset::{Membership, RuleSet, Sources};
use domain::settings::Settings;
use domain::silence::{Silence, SilenceBody};
use domain::time::Time;
use domain::webhook::Endpoint;

/// Everything that a rule set is compiled from, as of one epoch.
#[derive(Debug)]
pub struct RuleSource {
    /// The epoch; read first, so that a change meanwhile leaves it too old and the set is read again.
    pub epoch: i64,
    /// Whether the project works.
    pub status: ProjectStatus,
    /// The rules that are not off.
    pub rules: Vec<Rule>,
    /// Who is there to be notified.
    pub people: Membership,
    /// Where webhooks go, their secrets sealed.
    pub endpoints: Vec<SealedEndpoint>,
    /// What is not to ring for a while.
    pub silences: Vec<Silence>,
    /// The window of rules that say none.
    pub suppression: Option<Suppression>,
}

impl RuleSource {
    /// The rule set, and the rules that do not compile; `open` makes an endpoint ready to be called.
    ///
    /// # Errors
    /// When an endpoint can't be opened.
    pub fn compile<E>(
        self,
        project: ProjectId,
        open: impl FnMut(SealedEndpoint) -> std::result::Result<Endpoint, E>,
    ) -> std::result::Result<(RuleSet, Vec<RuleId>), E> {
        let endpoints =
            self.endpoints.into_iter().map(open).collect::<std::result::Result<_, E>>()?;
        let sources = Sources {
            rules: self.rules,
            people: self.people,
            endpoints,
            silences: self.silences,
            suppression: self.suppression,
        };
        Ok(RuleSet::compile(project, self.status, self.epoch, sources))
    }
}

impl Store {
    /// What the project's rule set is made from.
    ///
    /// # Errors
    /// When the project is not there or holds something unreadable.
    pub async fn rule_source(&self, project: ProjectId) -> Result<RuleSource> {
        self.read(
            "rule_source",
            verb!(|tx| {
                let head = sql!(
                    tx,
                    fetch_optional as (i64, i16),
                    "SELECT epoch, status FROM projects WHERE id = $1",
                    project
                )?;
                let (epoch, status) = head.ok_or(StoreError::NotFound("project"))?;
                let status = ProjectStatus::from_number(status)
                    .ok_or_else(|| StoreError::Corrupt(format!("project status {status}")))?;
                let rules = working_rules(tx, project).await?;
                let asks = rules.iter().any(|rule| rule.body.target_path.is_some());
                Ok(RuleSource {
                    epoch,
                    status,
                    people: people(tx, project, asks).await?,
                    rules,
                    endpoints: sending(tx, project).await?,
                    silences: silences(tx, project).await?,
                    suppression: default_suppression(tx, project).await?,
                })
            }),
        )
        .await
    }
}

async fn working_rules(tx: &mut Tx, project: ProjectId) -> Result<Vec<Rule>> {
    let rows = sql!(
        tx,
        fetch_all as (RuleId, i64, i16, Time, Json<RuleBody>),
        "SELECT id, version, mode, updated_at, body FROM rules
         WHERE project_id = $1 AND live = $2 AND mode <> 0 ORDER BY id",
        project,
        Uuid::nil()
    )?;
    let rule =
        |(id, version, mode, since, Json(body)): (RuleId, i64, i16, Time, Json<RuleBody>)| {
            let mode = RuleMode::from_number(mode).unwrap_or(RuleMode::Off);
            Rule { id, version, mode, since, body }
        };
    Ok(rows.into_iter().map(rule).collect())
}

/// Who is there; their names only where rules ask for them.
pub(super) async fn people(tx: &mut Tx, project: ProjectId, names: bool) -> Result<Membership> {
    let active = sql!(
        tx,
        fetch_all as (UserId,),
        "SELECT id FROM users WHERE project_id = $1 AND live = $2 AND status = 1",
        project,
        Uuid::nil()
    )?;
    let active: BTreeSet<UserId> = active.into_iter().map(|(id,)| id).collect();
    let members = sql!(
        tx, fetch_all as (String, UserId),
        "SELECT r.name, m.user_id FROM user_roles m JOIN roles r ON r.project_id = m.project_id AND r.id = m.role_id
         WHERE m.project_id = $1 AND r.live = $2",
        project, Uuid::nil()
    )?;
    let mut roles: HashMap<String, Vec<UserId>> = HashMap::new();
    for (role, user) in members.into_iter().filter(|(_, user)| active.contains(user)) {
        roles.entry(role).or_default().push(user);
    }
    let names = if names { names_of(tx, project).await? } else { HashMap::new() };
    Ok(Membership { roles, active, names })
}

async fn names_of(tx: &mut Tx, project: ProjectId) -> Result<HashMap<String, UserId>> {
    let rows = sql!(
        tx,
        fetch_all as (UserId, String, Option<String>),
        "SELECT id, email, username FROM users WHERE project_id = $1 AND live = $2 AND status = 1",
        project,
        Uuid::nil()
    )?;
    let names = |(id, email, username): (UserId, String, Option<String>)| {
        let names = std::iter::once(email).chain(username);
        names.map(move |name| (name.to_lowercase(), id)).collect::<Vec<_>>()
    };
    Ok(rows.into_iter().flat_map(names).collect())
}

async fn silences(tx: &mut Tx, project: ProjectId) -> Result<Vec<Silence>> {
    let rows = sql!(
        tx,
        fetch_all as (SilenceId, Json<SilenceBody>),
        "SELECT id, body FROM silences WHERE project_id = $1 AND ended_at IS NULL ORDER BY id",
        project
    )?;
    // One that can't be read hides nothing.
    Ok(rows.into_iter().filter_map(|(id, Json(body))| Silence::compile(id, body)).collect())
}

pub(super) async fn default_suppression(
    tx: &mut Tx,
    project: ProjectId,
) -> Result<Option<Suppression>> {
    let found = sql!(
        tx,
        fetch_optional as (Json<Settings>,),
        "SELECT body FROM project_settings WHERE project_id = $1",
        project
    )?;
    Ok(found.and_then(|(Json(settings),)| settings.default_suppression))
}
