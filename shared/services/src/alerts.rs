//! Alerts: what is open, what happened to it, and what users do about it.

use std::sync::Arc;

use crate::admin::{AdminError, silences};
use crate::audit::{Audit, AuditedAction, Initiator};
use crate::rulesets::RuleSets;
use domain::alert::AlertEntry;
use domain::audit::AuditAction;
use domain::clock::Clock;
use domain::condition::Subject;
use domain::evaluation::ByHand;
use domain::event::Event;
use domain::id::{AlertId, EventId, ProjectId, SilenceId};
use domain::rule::Rule;
use domain::silence::{Silence, SilenceBody};
use domain::time::Time;
use queue::Queue;
use store::alerts::{Alert, AlertFilter, AlertNotification};
use store::evaluations::ByHandVerdict;
use store::{Store, StoreError};

/// How often rules may change under a request before it is refused.
const RELOADS: usize = 8;

/// How many open alerts a silence is tried on.
const PREVIEWED: i64 = 500;

/// How many notifications of an alert are shown.
const SHOWN: i64 = 200;

/// What users do about alerts.
pub struct Alerts {
    store: Store,
    clock: Clock,
    audit: Audit,
    rulesets: Arc<RuleSets>,
    queue: Arc<dyn Queue>,
    jobs_here: bool,
}

impl Alerts {
    /// Alerts of all projects.
    pub const fn new(
        store: Store,
        clock: Clock,
        audit: Audit,
        rulesets: Arc<RuleSets>,
        queue: Arc<dyn Queue>,
        jobs_here: bool,
    ) -> Self {
        Self { store, clock, audit, rulesets, queue, jobs_here }
    }

    /// Alerts of a project, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn list(
        &self,
        project: ProjectId,
        filter: &AlertFilter,
        before: Option<AlertId>,
        limit: usize,
    ) -> Result<Vec<Alert>, AdminError> {
        Ok(self.store.alerts(project, filter, before, limit as i64).await?)
    }

    /// One alert.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn get(&self, project: ProjectId, id: AlertId) -> Result<Alert, AdminError> {
        Ok(self.store.alert(project, id).await?)
    }

    /// What happened to an alert, and the notifications of it.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn history(
        &self,
        project: ProjectId,
        id: AlertId,
    ) -> Result<(Vec<AlertEntry>, Vec<AlertNotification>), AdminError> {
        Ok(self.store.alert_history(project, id, SHOWN).await?)
    }

    /// The alerts that are open and that a silence would be for.
    ///
    /// # Errors
    /// When something of the silence is not right.
    pub async fn would_hide(
        &self,
        project: ProjectId,
        body: SilenceBody,
    ) -> Result<Vec<Alert>, AdminError> {
        let now = self.clock.now();
        let faults = body.faults(now);
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        if let Some(field) = self.store.unknown_of_silence(project, &body).await? {
            return Err(silences::unknown(field));
        }
        let wanted = body.alert;
        let Some(silence) = Silence::compile(SilenceId::fresh(now), body) else {
            return Ok(Vec::new());
        };
        let set = self.rulesets.get(project).await.map_err(|error| error.for_another())?;
        let all = AlertFilter::default();
        let open = self.store.unresolved_alerts(project, &all, None, PREVIEWED).await?;
        let origins: Vec<EventId> = open.iter().filter_map(|one| one.opened.event).collect();
        let events = self.store.events(project, &origins).await?;
        let fits = |one: &Alert| {
            let Some(place) = set.place_of(one.opened.rule) else { return false };
            let event = events.iter().find(|event| Some(event.id) == one.opened.event);
            let rule = &set.rule(place).rule;
            wanted.is_none_or(|alert| alert == one.opened.id) && fits(&silence, rule, event, now)
        };
        Ok(open.into_iter().filter(fits).collect())
    }

    /// Acknowledges an alert, takes that back, or resolves it; answers how it stands then.
    ///
    /// # Errors
    /// When it is not there, is resolved, or the time is not right.
    pub async fn change(
        &self,
        project: ProjectId,
        id: AlertId,
        wanted: ByHand,
        initiator: &Initiator,
    ) -> Result<Alert, AdminError> {
        let now = self.clock.now();
        let faults = wanted.faults(now);
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let action = match wanted {
            ByHand::Acknowledge { .. } => AuditAction::AlertAcknowledge,
            ByHand::Unacknowledge => AuditAction::AlertUnacknowledge,
            ByHand::Resolve => AuditAction::AlertResolve,
        };
        let entry = self.audit.entry(project, initiator, AuditedAction::new(action, id.0)).await?;
        for _ in 0..RELOADS {
            let set = self.rulesets.get(project).await.map_err(|error| error.for_another())?;
            let changed = self.store.change_alert(
                project,
                id,
                wanted,
                &set,
                self.jobs_here,
                &entry,
                self.clock.now(),
            );
            match changed.await? {
                ByHandVerdict::Stale => self.rulesets.forget(project).await,
                ByHandVerdict::Refused(error) => {
                    return Err(AdminError::Conflict(error.to_string()));
                }
                ByHandVerdict::Done(jobs) => {
                    if !self.jobs_here
                        && !jobs.is_empty()
                        && let Err(error) = self.queue.push(jobs).await
                    {
                        tracing::debug!(%error, "jobs of deliveries were not enqueued; the due loop finds them");
                    }
                    return self.get(project, id).await;
                }
            }
        }
        let why = "the rules change faster than an alert can be changed";
        Err(AdminError::Store(StoreError::Unavailable(why.into())))
    }
}

/// Whether a silence is for an alert that this event opened.
fn fits(silence: &Silence, rule: &Rule, event: Option<&Event>, now: Time) -> bool {
    let Some(event) = event else { return silence.fits(rule, None, now) };
    let payload: serde_json::Value = serde_json::from_str(event.payload.get()).unwrap_or_default();
    let id = event.id.to_string();
    let subject = Subject {
        id: &id,
        kind: &event.kind,
        source: &event.source,
        subject: event.subject.as_deref(),
        received_at: event.received_at,
        payload: &payload,
    };
    silence.fits(rule, Some(&subject), now)
}
