//! What projects are given and what they have: plans, features, numbers.

use std::collections::HashMap;
use std::sync::Arc;

use domain::fault::{Fault, FaultCode};
use domain::feature::{Feature as Known, Switched};
use domain::plan;
use poem_openapi::param::Path;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::admin::{FeatureView, PlanView};
use store::stats::MOST_EVENTS;

use super::Tag;
use super::projects::ProjectName;
use crate::auth::{Caller, ProjectsManage, ProjectsRead, SettingsRead};
use crate::body::Body;
use crate::problem::{Changes, Failure, Problem, Reads};
use crate::wire::Answer;

/// The operations on plans and features, and the numbers of a project.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// The limits of a plan. 0 is no limit.
#[derive(Clone, Debug, Default, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct PlanLimits {
    /// Events that are accepted, per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(maximum(value = "9223372036854775807")))]
    events_per_minute: Option<u64>,
    /// Accounts, active or suspended; those that wait for approval don't count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(maximum(value = "9223372036854775807")))]
    users: Option<u64>,
    /// Rules, active or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(maximum(value = "9223372036854775807")))]
    rules: Option<u64>,
    /// Bytes of files. It is kept, and holds from the release that counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(maximum(value = "9223372036854775807")))]
    storage_bytes: Option<u64>,
    /// Days that history is kept. It is kept, and holds from the release that forgets events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(maximum(value = "9223372036854775807")))]
    retention_days: Option<u64>,
}

impl From<plan::Limits> for PlanLimits {
    fn from(limits: plan::Limits) -> Self {
        Self {
            events_per_minute: limits.events_per_minute,
            users: limits.users,
            rules: limits.rules,
            storage_bytes: limits.storage_bytes,
            retention_days: limits.retention_days,
        }
    }
}

impl From<PlanLimits> for plan::Limits {
    fn from(limits: PlanLimits) -> Self {
        Self {
            events_per_minute: limits.events_per_minute,
            users: limits.users,
            rules: limits.rules,
            storage_bytes: limits.storage_bytes,
            retention_days: limits.retention_days,
        }
    }
}

/// A project's plan.
#[derive(Clone, Debug, Object, Serialize)]
struct Plan {
    /// What it is called.
    plan: String,
    /// The limits that hold; 0 is no limit.
    limits: PlanLimits,
    /// Those of them that were set for this project. The others are the installation's.
    own_limits: PlanLimits,
}

impl From<PlanView> for Plan {
    fn from(view: PlanView) -> Self {
        Self { plan: view.name, limits: view.limits.into(), own_limits: view.own.limits.into() }
    }
}

/// A plan that is to be set. What is left out is as the installation has it.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct NewPlan {
    /// What it is called.
    #[oai(validator(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$"))]
    plan: Option<String>,
    /// Its limits.
    #[serde(default)]
    #[oai(default)]
    limits: PlanLimits,
}

impl Example for NewPlan {
    fn example() -> Self {
        let limits = PlanLimits {
            events_per_minute: Some(6000),
            users: Some(100),
            rules: Some(500),
            ..PlanLimits::default()
        };
        Self { plan: Some("gold".to_owned()), limits }
    }
}

/// A feature of a project.
#[derive(Clone, Debug, Object, Serialize)]
struct Feature {
    /// Its name.
    name: String,
    /// What it does.
    description: String,
    /// Whether the project has it.
    on: bool,
    /// Whether that was said for this project, and is not as usual in this installation.
    switched: bool,
}

impl From<FeatureView> for Feature {
    fn from(view: FeatureView) -> Self {
        Self {
            name: view.feature.to_string(),
            description: view.feature.words().to_owned(),
            on: view.on,
            switched: view.switched.is_some(),
        }
    }
}

/// The features of a project.
#[derive(Clone, Debug, Object, Serialize)]
struct Features {
    /// All that there are.
    items: Vec<Feature>,
}

/// Which features are on or off for a project; those that are not named are as usual in this installation.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct NewFeatures {
    /// By their name.
    features: HashMap<String, bool>,
}

impl Example for NewFeatures {
    fn example() -> Self {
        Self { features: HashMap::from([("custom_roles".to_owned(), false)]) }
    }
}

/// How much of a limit is used.
#[derive(Clone, Debug, Object, Serialize)]
struct Usage {
    /// The limit.
    limit: String,
    /// How much there is.
    used: u64,
    /// How much there may be; nothing when there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<u64>,
}

/// Accounts by their state.
#[derive(Clone, Debug, Object, Serialize)]
struct UserCounts {
    /// They wait for approval.
    pending: u64,
    /// They work.
    active: u64,
    /// They are suspended.
    suspended: u64,
}

/// What there is of a project, now.
#[derive(Clone, Debug, Object, Serialize)]
struct ProjectStats {
    /// Accounts.
    users: UserCounts,
    /// Rules.
    rules: u64,
    /// Those of them that are live.
    active_rules: u64,
    /// API keys that were not taken back.
    keys: u64,
    /// Roles.
    roles: u64,
    /// Webhook endpoints.
    endpoints: u64,
    /// Events of the last 24 hours, counted up to 100 000.
    events_last_day: u64,
    /// Whether there were more than were counted.
    more_events: bool,
    /// What it is called that the project may use.
    plan: String,
    /// How much of its limits is used; of accounts, those that don't wait for approval.
    usage: Vec<Usage>,
}

#[OpenApi(prefix_path = "/api/v1/projects", tag = "Tag::Projects")]
impl Operations {
    /// Get a project's plan
    ///
    /// Needs the permission `projects:read`, for any project on the platform, else for one's own.
    #[oai(path = "/:project/plan", method = "get", operation_id = "get_plan")]
    async fn plan(
        &self,
        caller: Caller<ProjectsRead>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
    ) -> Result<Answer<Plan>, Failure<Reads>> {
        let id = project.0.within_reach(&self.app, &caller).await?;
        Ok(Answer(self.app.admin.plan(id).await?.into()))
    }

    /// Set a project's plan
    ///
    /// Needs the permission `projects:manage` on the platform. Sets name and limits, all of them. What is over a limit
    /// already stays, and one more is refused.
    #[oai(path = "/:project/plan", method = "put", operation_id = "put_plan")]
    async fn put_plan(
        &self,
        caller: Caller<ProjectsManage>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
        body: Body<NewPlan>,
    ) -> Result<Answer<Plan>, Failure<Changes>> {
        let id = project.0.for_platform(&self.app, &caller).await?;
        let NewPlan { plan, limits } = body.value;
        let plan = plan::Plan { name: plan, limits: limits.into() };
        let admin = &self.app.admin;
        Ok(Answer(admin.set_plan(id, plan, &caller.initiator).await?.into()))
    }

    /// Get a project's features
    ///
    /// Needs the permission `settings:read`, for any project on the platform, else for one's own.
    #[oai(path = "/:project/features", method = "get", operation_id = "get_features")]
    async fn features(
        &self,
        caller: Caller<SettingsRead>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
    ) -> Result<Answer<Features>, Failure<Reads>> {
        let id = project.0.within_reach(&self.app, &caller).await?;
        Ok(Answer(listed(self.app.admin.features(id).await?)))
    }

    /// Set a project's features
    ///
    /// Needs the permission `projects:manage` on the platform. Sets all of them: one that is not named is as usual in
    /// this installation.
    #[oai(path = "/:project/features", method = "put", operation_id = "put_features")]
    async fn put_features(
        &self,
        caller: Caller<ProjectsManage>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
        body: Body<NewFeatures>,
    ) -> Result<Answer<Features>, Failure<Changes>> {
        let id = project.0.for_platform(&self.app, &caller).await?;
        let switched = read(&body.value.features)?;
        let admin = &self.app.admin;
        let set = admin.set_features(id, switched, &caller.initiator);
        Ok(Answer(listed(set.await?)))
    }

    /// Get a project's statistics
    ///
    /// Needs the permission `settings:read`, for any project on the platform, else for one's own.
    #[oai(path = "/:project/stats", method = "get", operation_id = "get_project_stats")]
    async fn stats(
        &self,
        caller: Caller<SettingsRead>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
    ) -> Result<Answer<ProjectStats>, Failure<Reads>> {
        let id = project.0.within_reach(&self.app, &caller).await?;
        let (stats, plan) = self.app.admin.stats(id).await?;
        // As the plan counts them: strangers who wait use nothing up.
        let users = stats.users_active + stats.users_suspended;
        let usage = |limit: plan::PlanLimit, used| Usage {
            limit: limit.to_string(),
            used,
            most: plan.limits.of(limit).filter(|most| *most > 0),
        };
        Ok(Answer(ProjectStats {
            users: UserCounts {
                pending: stats.users_pending,
                active: stats.users_active,
                suspended: stats.users_suspended,
            },
            rules: stats.rules,
            active_rules: stats.rules_active,
            keys: stats.keys,
            roles: stats.roles,
            endpoints: stats.endpoints,
            events_last_day: stats.events,
            more_events: stats.events >= MOST_EVENTS.unsigned_abs(),
            usage: vec![
                usage(plan::PlanLimit::Users, users),
                usage(plan::PlanLimit::Rules, stats.rules),
            ],
            plan: plan.name,
        }))
    }
}

fn listed(views: Vec<FeatureView>) -> Features {
    Features { items: views.into_iter().map(Feature::from).collect() }
}

fn read(features: &HashMap<String, bool>) -> Result<Switched, Problem> {
    let all = || Known::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ");
    let (mut switched, mut faults) = (Switched::new(), Vec::new());
    for (name, on) in features {
        match Known::parse(name) {
            Some(feature) => {
                switched.insert(feature, *on);
            }
            None => {
                let shown: String = name.chars().take(64).collect();
                let right = format!("there is no such feature; there are {}", all());
                faults.push(Fault::new(format!("features.{shown}"), FaultCode::Unknown, right));
            }
        }
    }
    faults.truncate(20);
    if faults.is_empty() { Ok(switched) } else { Err(Problem::invalid(faults)) }
}
