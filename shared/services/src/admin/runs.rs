//! Runs: asked for, listed and aborted. Workers do them.

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use domain::audit::{Actor, AuditAction};
use domain::event_filter::EventFilter;
use domain::id::{ProjectId, RunId};
use domain::run::{Progress, Run, RunKind, RunState, RunTask};
use store::runs::{MAX_RUNS, RunVerdict};

impl Admin {
    /// Runs of a project of all kinds, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn runs(
        &self,
        project: ProjectId,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, AdminError> {
        Ok(self.store.runs(project, before, limit as i64).await?)
    }

    /// A run of one of these kinds.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn run(
        &self,
        project: ProjectId,
        kinds: &[RunKind],
        id: RunId,
    ) -> Result<Run, AdminError> {
        let found = self.store.run(project, id).await?;
        let found = found.filter(|run| kinds.contains(&run.task.kind()));
        found.ok_or_else(|| AdminError::NotFound(noun(kinds)))
    }

    /// Asks for a run; the next free worker begins with it.
    ///
    /// # Errors
    /// When something of it is not right, or names what is not there.
    pub async fn create_run(
        &self,
        project: ProjectId,
        task: RunTask,
        initiator: &Initiator,
    ) -> Result<Run, AdminError> {
        let now = self.clock.now();
        let mut progress = Progress::default();
        let faults = task.faults(now);
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        match &task {
            RunTask::Backtest { rule, body, from, to } => {
                let faults = self.rule_faults(project, *rule, body).await?;
                if !faults.is_empty() {
                    return Err(AdminError::Unknown(faults));
                }
                let period =
                    EventFilter { from: Some(*from), to: Some(*to), ..EventFilter::default() };
                progress.total = Some(self.store.count_events(project, period).await?);
            }
            RunTask::ChangeAlerts { filter, change } => {
                let mut filter = filter.clone();
                filter.state = filter.state.or(change.usual_state());
                progress.total = Some(self.store.count_unresolved_alerts(project, &filter).await?);
            }
            RunTask::ReplayEvents { filter } | RunTask::DeleteEvents { filter } => {
                let upto = filter.before(now);
                progress.total = Some(self.store.count_events(project, upto).await?);
            }
        }
        let created_by = match initiator.actor {
            Actor::User(user) => Some(user),
            _ => None,
        };
        let new = Run {
            id: RunId::fresh(now),
            task,
            state: RunState::Queued,
            progress,
            result: None,
            error: None,
            created_by,
            created_at: now,
            started_at: None,
            ended_at: None,
        };
        let audited = AuditedAction {
            after: serde_json::to_value(&new.task).ok(),
            ..AuditedAction::new(AuditAction::RunCreate, new.id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        match self.store.add_run(project, &new, &entry, now).await? {
            RunVerdict::Kept => Ok(new),
            RunVerdict::Full => Err(AdminError::Conflict(format!(
                "a project has at most {MAX_RUNS} backtests and bulk actions at a time that are not over"
            ))),
        }
    }

    /// Aborts a run: what it has done stays done.
    ///
    /// # Errors
    /// When it is over.
    pub async fn abort_run(
        &self,
        project: ProjectId,
        run: &Run,
        initiator: &Initiator,
    ) -> Result<Run, AdminError> {
        let audited = AuditedAction::new(AuditAction::RunAbort, run.id.0);
        let entry = self.audit.entry(project, initiator, audited).await?;
        if !self.store.abort_run(project, run.id, &entry, self.clock.now()).await? {
            return Err(AdminError::Conflict("it is over".to_owned()));
        }
        self.run(project, &[run.task.kind()], run.id).await
    }
}

/// What users call runs of these kinds.
fn noun(kinds: &[RunKind]) -> &'static str {
    if kinds.contains(&RunKind::Backtest) { "backtest" } else { "bulk action" }
}
