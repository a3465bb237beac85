//! What projects set for themselves, and what is set for them: settings and their secrets, plans, features.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::engine::epoch::{Hold, bump_epoch, hold_epoch};
use super::engine::{Tx, insert, rows_in, sql, verb};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::feature::{Feature, Switched};
use domain::id::ProjectId;
use domain::plan::{Limits, Plan, PlanLimit};
use domain::settings::Settings;
use domain::tenancy::Tenancy;
use domain::time::Time;
use domain::user::UserStatus;

/// Settings as they are kept: without their secrets, which stand beside them, sealed.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// How often they were set.
    pub version: i64,
    /// What they say.
    pub settings: Settings,
    /// The sealed secrets, by their field.
    pub secrets: Vec<(String, Vec<u8>)>,
}

/// Settings that are to be kept.
#[derive(Clone, Debug)]
pub struct NewSettings {
    /// The version that they follow.
    pub after: i64,
    /// What they say.
    pub settings: Settings,
    /// The fields whose secrets stay.
    pub kept: Vec<String>,
    /// New secrets, sealed, by their field.
    pub new: Vec<(String, Vec<u8>)>,
}

/// What a project is given: its plan and its features.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Its plan.
    pub plan: Plan,
    /// What was switched for it.
    pub switched: Switched,
}

type TenancyRow = (ProjectId, i64, Json<Value>, Json<Value>, Option<Json<Value>>);

/// A feature that only a newer build knows is one that this build does not have.
fn switched(words: &BTreeMap<String, bool>) -> Switched {
    words.iter().filter_map(|(word, on)| Some((Feature::parse(word)?, *on))).collect()
}

/// Counts up that settings, plan or features of a project changed, in the transaction that changes them.
async fn bump_settings(tx: &mut Tx, project: ProjectId, now: Time) -> Result<()> {
    bump_epoch(tx, project).await?;
    let touched = sql!(
        tx,
        execute,
        "UPDATE projects SET settings_epoch = settings_epoch + 1, updated_at = $1 WHERE id = $2 AND live = $3",
        now,
        project,
        Uuid::nil()
    )?;
    if touched == 0 { Err(StoreError::NotFound("project")) } else { Ok(()) }
}

/// Refuses one more of what the project's plan limits. The project's epoch is held to the end of the transaction, so that
/// of those who come at once, each counts the ones before it.
pub(super) async fn within_plan(tx: &mut Tx, project: ProjectId, limit: PlanLimit) -> Result<()> {
    if project == ProjectId::PLATFORM {
        return Ok(());
    }
    hold_epoch(tx, project, Hold::Alone).await?;
    // The platform's row has what holds for whoever has nothing of their own.
    let rows = sql!(
        tx,
        fetch_all as (ProjectId, Json<Limits>),
        "SELECT id, limits FROM projects WHERE id = $1 OR id = $2",
        project,
        ProjectId::PLATFORM
    )?;
    let of = |id| rows.iter().find(|row| row.0 == id).map(|row| row.1.0).unwrap_or_default();
    let limits = of(project).or(of(ProjectId::PLATFORM));
    if limits.of(limit).is_none_or(|most| most == 0) {
        return Ok(());
    }
    let nil = Uuid::nil();
    let (count,) = match limit {
        PlanLimit::Users => sql!(
            tx,
            fetch_one as (i64,),
            "SELECT COUNT(*) FROM users WHERE project_id = $1 AND live = $2 AND status <> $3",
            project,
            nil,
            // Strangers must not use a plan up: an account counts once somebody lets it in.
            UserStatus::Pending.number()
        )?,
        PlanLimit::Rules => sql!(
            tx,
            fetch_one as (i64,),
            "SELECT COUNT(*) FROM rules WHERE project_id = $1 AND live = $2",
            project,
            nil
        )?,
        // These are not counted by rows.
        PlanLimit::EventsPerMinute | PlanLimit::StorageBytes | PlanLimit::RetentionDays => (0,),
    };
    match limits.reached(limit, count.unsigned_abs()) {
        Some(over) => Err(StoreError::OverPlan(over)),
        None => Ok(()),
    }
}

async fn given(tx: &mut Tx, project: ProjectId) -> Result<Given> {
    let row = sql!(
        tx,
        fetch_optional as (Option<String>, Json<Limits>, Json<BTreeMap<String, bool>>),
        "SELECT plan, limits, features FROM projects WHERE id = $1 AND live = $2",
        project,
        Uuid::nil()
    )?;
    let (name, Json(limits), Json(words)) = row.ok_or(StoreError::NotFound("project"))?;
    Ok(Given { plan: Plan { name, limits }, switched: switched(&words) })
}

impl Store {
    /// A project's settings; those of version 0 if it set none.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn settings(&self, project: ProjectId) -> Result<Kept> {
        self.read("settings", verb!(|tx| {
            let row = sql!(
                tx,
                fetch_optional as (i64, Json<Settings>),
                "SELECT version, body FROM project_settings WHERE project_id = $1",
                project
            )?;
            let secrets = sql!(
                tx,
                fetch_all as (String, Vec<u8>),
                "SELECT field, secret FROM project_secrets WHERE project_id = $1 ORDER BY field",
                project
            )?;
            let Some((version, Json(settings))) = row else { return Ok(Kept::default()) };
            Ok(Kept { version, settings, secrets })
        }))
        .await
    }

    /// Keeps settings as the next version of what they were; nothing when that is not the version that they follow.
    ///
    /// # Errors
    /// When the project is not there.
    pub async fn put_settings(
        &self,
        project: ProjectId,
        new: &NewSettings,
        entry: &Entry,
        now: Time,
    ) -> Result<Option<i64>> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write("put_settings", verb!(|tx, new, entry| {
            hold_epoch(tx, project, Hold::Alone).await?;
            let known = sql!(
                tx,
                fetch_optional as (i64,),
                "SELECT version FROM project_settings WHERE project_id = $1",
                project
            )?;
            if known.map_or(0, |(version,)| version) != new.after {
                return Ok(None);
            }
            bump_settings(tx, project, now).await?;
            let version = new.after + 1;
            if known.is_some() {
                sql!(
                    tx, execute,
                    "UPDATE project_settings SET version = $1, body = $2, updated_at = $3 WHERE project_id = $4",
                    version, Json(new.settings.clone()), now, project
                )?;
            } else {
                sql!(
                    tx, execute,
                    "INSERT INTO project_settings (project_id, version, body, updated_at) VALUES ($1, $2, $3, $4)",
                    project, version, Json(new.settings.clone()), now
                )?;
            }
            keep_secrets(tx, project, &new, now).await?;
            note(tx, project, &entry, now).await?;
            Ok(Some(version))
        }))
        .await
    }

    /// What a project is given.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn given(&self, project: ProjectId) -> Result<Given> {
        self.read("given", verb!(|tx| { given(tx, project).await })).await
    }

    /// Sets a project's plan. What is over its limits already stays.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn set_plan(
        &self,
        project: ProjectId,
        plan: &Plan,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (plan, entry) = (plan.clone(), entry.clone());
        self.write(
            "set_plan",
            verb!(|tx, plan, entry| {
                bump_settings(tx, project, now).await?;
                entry.before = Some(given(tx, project).await?.plan.told());
                sql!(
                    tx,
                    execute,
                    "UPDATE projects SET plan = $1, limits = $2 WHERE id = $3",
                    plan.name,
                    Json(plan.limits),
                    project
                )?;
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }

    /// Sets which features are switched for a project, all of them.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn set_features(
        &self,
        project: ProjectId,
        switched: &Switched,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (switched, entry) = (switched.clone(), entry.clone());
        self.write(
            "set_features",
            verb!(|tx, switched, entry| {
                bump_settings(tx, project, now).await?;
                entry.before = Some(json!(given(tx, project).await?.switched));
                sql!(
                    tx,
                    execute,
                    "UPDATE projects SET features = $1 WHERE id = $2",
                    Json(switched),
                    project
                )?;
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }

    /// Keeps the limits that hold for projects without limits of their own, where the verbs that insert find them.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn keep_default_limits(&self, limits: Limits) -> Result<()> {
        let known = self
            .read(
                "default_limits",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_optional as (Json<Limits>,),
                        "SELECT limits FROM projects WHERE id = $1",
                        ProjectId::PLATFORM
                    )
                }),
            )
            .await?;
        if known.is_some_and(|(Json(known),)| known == limits) {
            return Ok(());
        }
        self.write(
            "keep_default_limits",
            verb!(|tx| {
                sql!(
                    tx,
                    execute,
                    "UPDATE projects SET limits = $1 WHERE id = $2",
                    Json(limits),
                    ProjectId::PLATFORM
                )
                .map(|_| ())
            }),
        )
        .await
    }
}

/// Removes the secrets that do not stay, and keeps the new ones.
async fn keep_secrets(tx: &mut Tx, project: ProjectId, new: &NewSettings, now: Time) -> Result<()> {
    let known = sql!(
        tx,
        fetch_all as (String,),
        "SELECT field FROM project_secrets WHERE project_id = $1 ORDER BY field",
        project
    )?;
    for (field,) in known.into_iter().filter(|(field,)| !new.kept.contains(field)) {
        sql!(
            tx,
            execute,
            "DELETE FROM project_secrets WHERE project_id = $1 AND field = $2",
            project,
            field
        )?;
    }
    insert!(tx, "INSERT INTO project_secrets (project_id, field, secret, updated_at)", new.new, "", {
        ProjectId = |_one| project,
        String = |one| one.0.clone(),
        Vec<u8> = |one| one.1.clone(),
        Time = |_one| now,
    });
    Ok(())
}

impl Store {
    /// What every request must know of these projects.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn tenancies(&self, projects: &[ProjectId]) -> Result<Vec<(ProjectId, Tenancy)>> {
        let projects = projects.to_vec();
        let rows = self.read("tenancies", verb!(|tx, projects| {
            let nil = Uuid::nil();
            Ok(rows_in!(
                tx,
                as TenancyRow,
                "SELECT p.id, p.settings_epoch, p.limits, p.features, s.body FROM projects p
                 LEFT JOIN project_settings s ON s.project_id = p.id WHERE p.live = $1 AND p.id",
                [nil],
                projects,
                lite "",
                server ""
            ))
        }));
        Ok(rows.await?.into_iter().map(tenancy).collect())
    }
}

fn tenancy((id, epoch, limits, words, body): TenancyRow) -> (ProjectId, Tenancy) {
    let settings = body.map(|body| read::<Settings>(id, body)).unwrap_or_default();
    let words: BTreeMap<String, bool> = read(id, words);
    (id, Tenancy::of(epoch, read(id, limits), switched(&words), &settings))
}

/// What a column says. What a newer build wrote must not keep this one from serving everybody else.
fn read<T: DeserializeOwned + Default>(project: ProjectId, Json(value): Json<Value>) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| {
        tracing::warn!(%project, %error, "settings can't be read; the usual ones hold");
        T::default()
    })
}
