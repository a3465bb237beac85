//! What projects are given: plans with their limits, and features; and what they have.

use std::time::Duration;

use serde_json::json;

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use domain::audit::AuditAction;
use domain::feature::{Feature, Switched};
use domain::id::ProjectId;
use domain::plan::{Limits, Plan, plan_faults};
use store::stats::Stats;

/// A project's plan as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanView {
    /// What it is called.
    pub name: String,
    /// The limits that hold: its own, and the installation's where it has none.
    pub limits: Limits,
    /// What was set for the project.
    pub own: Plan,
}

/// A feature of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureView {
    /// Which.
    pub feature: Feature,
    /// Whether the project has it.
    pub on: bool,
    /// What was said for the project, if anything was.
    pub switched: Option<bool>,
}

/// How far back the events of a project are counted.
const DAY: Duration = Duration::from_secs(86_400);

impl Admin {
    /// A project's plan.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn plan(&self, project: ProjectId) -> Result<PlanView, AdminError> {
        let own = self.store.given(project).await?.plan;
        Ok(self.view(own))
    }

    fn view(&self, own: Plan) -> PlanView {
        PlanView {
            name: own.name.clone().unwrap_or_else(|| self.plan.name.clone().unwrap_or_default()),
            limits: own.limits.or(self.plan.limits),
            own,
        }
    }

    /// Sets a project's plan. What is over its limits already stays; one more is refused.
    ///
    /// # Errors
    /// When something of it is not right.
    pub async fn set_plan(
        &self,
        project: ProjectId,
        plan: Plan,
        initiator: &Initiator,
    ) -> Result<PlanView, AdminError> {
        let wrong = plan_faults(&plan);
        if !wrong.is_empty() {
            return Err(AdminError::Invalid(wrong));
        }
        self.standing_project(project).await?;
        let audited = AuditedAction {
            after: Some(plan.told()),
            ..AuditedAction::new(AuditAction::ProjectPlan, project.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        self.store.set_plan(project, &plan, &entry, self.clock.now()).await?;
        self.announce(project).await;
        Ok(self.view(plan))
    }

    /// The features of a project, in the order of the list.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn features(&self, project: ProjectId) -> Result<Vec<FeatureView>, AdminError> {
        let switched = self.store.given(project).await?.switched;
        Ok(self.feature_views(&switched))
    }

    fn feature_views(&self, switched: &Switched) -> Vec<FeatureView> {
        let view = |feature: &Feature| {
            let said = switched.get(feature).copied();
            let on = said.unwrap_or(feature.default_in(self.environment));
            FeatureView { feature: *feature, on, switched: said }
        };
        Feature::ALL.iter().map(view).collect()
    }

    /// Sets which features are switched for a project, all of them; the others are as the environment has them.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn set_features(
        &self,
        project: ProjectId,
        switched: Switched,
        initiator: &Initiator,
    ) -> Result<Vec<FeatureView>, AdminError> {
        self.standing_project(project).await?;
        let audited = AuditedAction {
            after: Some(json!(switched)),
            ..AuditedAction::new(AuditAction::ProjectFeatures, project.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        self.store.set_features(project, &switched, &entry, self.clock.now()).await?;
        self.announce(project).await;
        Ok(self.feature_views(&switched))
    }

    /// What there is of a project, with the events of the last day, and its plan.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn stats(&self, project: ProjectId) -> Result<(Stats, PlanView), AdminError> {
        let plan = self.plan(project).await?;
        let stats = self.store.stats(project, self.clock.now().minus(DAY)).await?;
        Ok((stats, plan))
    }
}
