//! Rules and their versions: created, changed and deleted; and the users, roles and endpoints that they name.

mod read;
pub(super) mod references;
mod unjudged;

use sqlx::types::Json;
use uuid::Uuid;

use self::read::live_rule;
use self::references::{all_rules, is_taken, reference_faults};
use super::audit::note;
use super::callers::caller;
use super::due::insert_due;
use super::engine::epoch::{Hold, bump_epoch, hold_epoch};
use super::engine::{Tx, insert, sql, verb};
use super::evaluations::timer;
use super::settings::within_plan;
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::authority::Target;
use domain::endpoint::EndpointFilter;
use domain::facts::rule_facts;
use domain::fault::Fault;
use domain::group::GroupState;
use domain::id::{EndpointId, GroupId, ProjectId, RoleId, RuleId, UserId};
use domain::plan::PlanLimit;
use domain::precondition::Precondition;
use domain::rule::{RuleBody, RuleKind, RuleMode, RuleRecord, inhibited_by, unfit_for};
use domain::time::Time;

pub use read::RuleFilter;

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
    /// The secret before it, sealed, and until when that signs, too.
    pub former: Option<(Vec<u8>, Time)>,
    /// Which notifications it takes.
    pub filter: EndpointFilter,
}

impl SealedEndpoint {
    /// One that takes everything and has had no other secret.
    pub fn new(id: EndpointId, name: &str, url: String, secret: Vec<u8>) -> Self {
        let filter = EndpointFilter::default();
        Self { id, name: name.to_owned(), url, secret, former: None, filter }
    }
}

/// What is to be changed of a rule; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct RuleChange {
    /// What it says, the whole of it.
    pub body: Option<RuleBody>,
    /// Whether it works.
    pub mode: Option<RuleMode>,
    /// What the rule must be for this to be a change of it.
    pub condition: Precondition,
}

/// What became of a change to a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleVerdict {
    /// It was made: the rule as it is now, or was before it was deleted.
    Done(Box<RuleRecord>),
    /// It is no longer what the change demands.
    Stale,
    /// Another rule has the name.
    NameTaken,
    /// It names what is not there, or is not as it must be.
    Unknown(Vec<Fault>),
    /// These rules are inhibited by it, so it stays.
    Inhibits(Vec<String>),
    /// These rules are inhibited by it, and give as many paths as its groups had.
    Grouped(Vec<String>),
}

impl Store {
    /// Keeps a new rule as its first version.
    ///
    /// # Errors
    /// When the caller may not, or the plan allows no more.
    pub async fn add_rule(
        &self,
        project: ProjectId,
        new: &RuleRecord,
        entry: &Entry,
        now: Time,
    ) -> Result<RuleVerdict> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write("add_rule", verb!(|tx, new, entry| {
            // Whoever changes rules, roles or members takes the project's epoch first, so that what is read here stays
            // as it is.
            hold_epoch(tx, project, Hold::Alone).await?;
            let caller = caller(tx, &mut entry, now).await?;
            caller.may(Target::Nothing)?;
            if let Some(refusal) = refusal(tx, project, &new).await? {
                return Ok(refusal);
            }
            within_plan(tx, project, PlanLimit::Rules).await?;
            let epoch = bump_epoch(tx, project).await?;
            sql!(
                tx, execute,
                "INSERT INTO rules (project_id, id, name, mode, version, body, live, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                project, new.rule.id, &new.rule.body.name, new.rule.mode.number(), new.rule.version,
                Json(&new.rule.body), Uuid::nil(), now, now
            )?;
            keep_version(tx, project, &new, new.created_by, epoch, now).await?;
            watch_for_absence(tx, project, &new, now).await?;
            note(tx, project, &entry, now).await?;
            Ok(RuleVerdict::Done(Box::new(new)))
        }))
        .await
    }

    /// Changes a rule, if it is still what the change demands; `by` is the user who does. What changes nothing makes no
    /// version.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn update_rule(
        &self,
        project: ProjectId,
        id: RuleId,
        change: &RuleChange,
        by: Option<UserId>,
        entry: &Entry,
        now: Time,
    ) -> Result<RuleVerdict> {
        let (change, entry) = (change.clone(), entry.clone());
        self.write(
            "update_rule",
            verb!(|tx, change, entry| {
                hold_epoch(tx, project, Hold::Alone).await?;
                let caller = caller(tx, &mut entry, now).await?;
                let old = live_rule(tx, project, id).await?;
                caller.may(Target::Thing(&rule_facts(&old)))?;
                if !change.condition.holds(&old.tag()) {
                    return Ok(RuleVerdict::Stale);
                }
                let mut new = old.clone();
                new.rule.body = change.body.unwrap_or(new.rule.body);
                new.rule.mode = change.mode.unwrap_or(new.rule.mode);
                if new == old {
                    return Ok(RuleVerdict::Done(Box::new(old)));
                }
                // A permission with a condition is for what the rule becomes as well.
                caller.may(Target::Thing(&rule_facts(&new)))?;
                if new.rule.body != old.rule.body {
                    if let Some(refusal) = refusal(tx, project, &new).await? {
                        return Ok(refusal);
                    }
                    let paths = new.rule.body.group_by.len();
                    if paths != old.rule.body.group_by.len() {
                        let unfit = unfit_for(id, paths, &all_rules(tx, project).await?);
                        if !unfit.is_empty() {
                            return Ok(RuleVerdict::Grouped(unfit));
                        }
                    }
                }
                (new.rule.version, new.rule.since) = (old.rule.version + 1, now);
                write_rule(tx, project, &new, by, now).await?;
                (entry.before, entry.after) = (Some(old.told()), Some(new.told()));
                note(tx, project, &entry, now).await?;
                Ok(RuleVerdict::Done(Box::new(new)))
            }),
        )
        .await
    }

    /// Deletes a rule that inhibits no other. Its versions stay, for what they led to names them.
    ///
    /// # Errors
    /// When it is not there, or the caller may not.
    pub async fn delete_rule(
        &self,
        project: ProjectId,
        id: RuleId,
        entry: &Entry,
        now: Time,
    ) -> Result<RuleVerdict> {
        let entry = entry.clone();
        self.write("delete_rule", verb!(|tx, entry| {
            hold_epoch(tx, project, Hold::Alone).await?;
            let caller = caller(tx, &mut entry, now).await?;
            let old = live_rule(tx, project, id).await?;
            caller.may(Target::Thing(&rule_facts(&old)))?;
            let inhibited = inhibited_by(id, &all_rules(tx, project).await?);
            if !inhibited.is_empty() {
                return Ok(RuleVerdict::Inhibits(inhibited));
            }
            let epoch = bump_epoch(tx, project).await?;
            sql!(
                tx, execute,
                "UPDATE rules SET live = $1, deleted_at = $2, updated_at = $3 WHERE project_id = $4 AND id = $5",
                id, now, now, project, id
            )?;
            close_version(tx, project, id, epoch).await?;
            entry.before = Some(old.told());
            note(tx, project, &entry, now).await?;
            Ok(RuleVerdict::Done(Box::new(old)))
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

/// Why a rule can't stand among the others as it is.
async fn refusal(tx: &mut Tx, project: ProjectId, new: &RuleRecord) -> Result<Option<RuleVerdict>> {
    let (id, body) = (new.rule.id, &new.rule.body);
    if is_taken(tx, project, id, &body.name).await? {
        return Ok(Some(RuleVerdict::NameTaken));
    }
    let faults = reference_faults(tx, project, id, body).await?;
    Ok((!faults.is_empty()).then_some(RuleVerdict::Unknown(faults)))
}

/// Makes a rule the next version of itself.
async fn write_rule(
    tx: &mut Tx,
    project: ProjectId,
    new: &RuleRecord,
    by: Option<UserId>,
    now: Time,
) -> Result<()> {
    let epoch = bump_epoch(tx, project).await?;
    sql!(
        tx,
        execute,
        "UPDATE rules SET version = $1, name = $2, mode = $3, body = $4, updated_at = $5
         WHERE project_id = $6 AND id = $7 AND live = $8",
        new.rule.version,
        &new.rule.body.name,
        new.rule.mode.number(),
        Json(&new.rule.body),
        now,
        project,
        new.rule.id,
        Uuid::nil()
    )?;
    close_version(tx, project, new.rule.id, epoch).await?;
    keep_version(tx, project, new, by, epoch, now).await?;
    watch_for_absence(tx, project, new, now).await
}

async fn close_version(tx: &mut Tx, project: ProjectId, id: RuleId, epoch: i64) -> Result<()> {
    sql!(
        tx, execute,
        "UPDATE rule_versions SET until_epoch = $1 WHERE project_id = $2 AND rule_id = $3 AND until_epoch IS NULL",
        epoch, project, id
    )
    .map(|_| ())
}

async fn keep_version(
    tx: &mut Tx,
    project: ProjectId,
    new: &RuleRecord,
    by: Option<UserId>,
    epoch: i64,
    now: Time,
) -> Result<()> {
    let rule = &new.rule;
    sql!(
        tx, execute,
        "INSERT INTO rule_versions (project_id, rule_id, version, mode, body, since_epoch, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        project, rule.id, rule.version, rule.mode.number(), Json(&rule.body), epoch, by, now
    )
    .map(|_| ())
}

/// Has a rule looked at that waits for an event and has one group alone: that group is there before any event comes, and
/// its first deadline counts from now on.
async fn watch_for_absence(
    tx: &mut Tx,
    project: ProjectId,
    new: &RuleRecord,
    now: Time,
) -> Result<()> {
    let (rule, body) = (&new.rule, &new.rule.body);
    if body.kind != RuleKind::Absence || !body.group_by.is_empty() || rule.mode == RuleMode::Off {
        return Ok(());
    }
    let key = "[]";
    let group = GroupId::new(rule.id, key);
    let groups = [group];
    insert!(
        tx,
        "INSERT INTO rule_groups (project_id, rule_id, group_hash, group_key, state, updated_at)",
        groups,
        "ON CONFLICT DO NOTHING",
        {
            ProjectId = |_one| project,
            RuleId = |_one| rule.id,
            Vec<u8> = |one| one.0.to_vec(),
            String = |_one| key.to_owned(),
            Json<GroupState> = |_one| Json(GroupState::default()),
            Time = |_one| now,
        }
    );
    insert_due(tx, &[timer(project, group, now)]).await
}
