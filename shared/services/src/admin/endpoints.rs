//! Webhook endpoints: listed, created, changed, switched, given new secrets, tested and deleted; and what was sent to them.

use std::time::Duration;

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use crate::endpoints::{EndpointTest, fresh_secret, opened};
use domain::audit::{Actor, AuditAction};
use domain::delivery::DeliveryState;
use domain::endpoint::{EndpointBody, EndpointRecord, LONGEST_GRACE, MAX_ENDPOINTS};
use domain::fault::{Fault, FaultCode};
use domain::feature::Environment;
use domain::id::{DeliveryId, EndpointId, ProjectId};
use domain::precondition::Precondition;
use domain::webhook::SigningSecret;
use store::endpoints::{DeliveryPage, EndpointChange, EndpointVerdict};

/// An endpoint with a secret that is shown this once.
pub struct EndpointWithSecret {
    /// The endpoint.
    pub endpoint: EndpointRecord,
    /// The secret.
    pub secret: SigningSecret,
}

impl Admin {
    /// Endpoints of a project, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn endpoints(
        &self,
        project: ProjectId,
        before: Option<EndpointId>,
        limit: usize,
    ) -> Result<Vec<EndpointRecord>, AdminError> {
        Ok(self.store.endpoints(project, before, limit as i64).await?)
    }

    /// One endpoint.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn endpoint(
        &self,
        project: ProjectId,
        id: EndpointId,
    ) -> Result<EndpointRecord, AdminError> {
        Ok(self.store.endpoint(project, id).await?)
    }

    /// What was sent to an endpoint, newest first.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn endpoint_deliveries(
        &self,
        project: ProjectId,
        id: EndpointId,
        state: Option<DeliveryState>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<DeliveryPage, AdminError> {
        Ok(self.store.endpoint_deliveries(project, id, state, before, limit).await?)
    }

    /// Creates an endpoint.
    ///
    /// # Errors
    /// When something of it is not right, or names what is not there, or there are as many as there may be.
    pub async fn create_endpoint(
        &self,
        project: ProjectId,
        body: EndpointBody,
        enabled: bool,
        initiator: &Initiator,
    ) -> Result<EndpointWithSecret, AdminError> {
        self.judge_endpoint(&body)?;
        let now = self.clock.now();
        let created_by = match initiator.actor {
            Actor::User(user) => Some(user),
            _ => None,
        };
        let id = EndpointId::fresh(now);
        let new = EndpointRecord {
            id,
            body,
            revision: 1,
            disabled_at: (!enabled).then_some(now),
            former_until: None,
            created_by,
            created_at: now,
            updated_at: now,
        };
        let audited = AuditedAction {
            after: Some(new.told()),
            ..AuditedAction::new(AuditAction::EndpointCreate, id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let (secret, sealed) = fresh_secret(self.audit.sealer(), project, id)?;
        let made = self.store.add_endpoint(project, &new, &sealed, &entry, now).await?;
        let endpoint = answer(made)?;
        self.announce(project).await;
        Ok(EndpointWithSecret { endpoint, secret })
    }

    /// Sets what is said of an endpoint, and whether it is enabled if that is said. What changes nothing is no change.
    ///
    /// # Errors
    /// When it is not there, is no longer what `condition` demands, something of it is not right, or it names what is not
    /// there.
    pub async fn change_endpoint(
        &self,
        project: ProjectId,
        id: EndpointId,
        body: EndpointBody,
        enabled: Option<bool>,
        condition: &Precondition,
        initiator: &Initiator,
    ) -> Result<EndpointRecord, AdminError> {
        self.judge_endpoint(&body)?;
        let change = EndpointChange { body: Some(body), enabled, condition: condition.clone() };
        self.write_endpoint(project, id, change, AuditAction::EndpointUpdate, initiator).await
    }

    /// Enables or disables an endpoint.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn switch_endpoint(
        &self,
        project: ProjectId,
        id: EndpointId,
        enabled: bool,
        initiator: &Initiator,
    ) -> Result<EndpointRecord, AdminError> {
        let change = EndpointChange { enabled: Some(enabled), ..EndpointChange::default() };
        let action = match enabled {
            true => AuditAction::EndpointEnable,
            false => AuditAction::EndpointDisable,
        };
        self.write_endpoint(project, id, change, action, initiator).await
    }

    /// Gives an endpoint another secret. The one that it had signs besides for `grace`.
    ///
    /// # Errors
    /// When it is not there, or the time is too long.
    pub async fn rotate_endpoint_secret(
        &self,
        project: ProjectId,
        id: EndpointId,
        grace: Duration,
        initiator: &Initiator,
    ) -> Result<EndpointWithSecret, AdminError> {
        if grace > LONGEST_GRACE {
            let right = format!("at most {} seconds", LONGEST_GRACE.as_secs());
            let fault = Fault::new("grace_seconds", FaultCode::TooLarge, right);
            return Err(AdminError::Invalid(vec![fault]));
        }
        let now = self.clock.now();
        let until = (!grace.is_zero()).then(|| now.plus(grace));
        let audited = AuditedAction {
            after: Some(serde_json::json!({ "grace_seconds": grace.as_secs() })),
            ..AuditedAction::new(AuditAction::EndpointRotate, id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let (secret, sealed) = fresh_secret(self.audit.sealer(), project, id)?;
        let store = &self.store;
        let rotated = store.rotate_endpoint_secret(project, id, &sealed, until, &entry, now);
        let endpoint = rotated.await?;
        self.announce(project).await;
        Ok(EndpointWithSecret { endpoint, secret })
    }

    /// Deletes an endpoint. What was still to be sent to it is not.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn delete_endpoint(
        &self,
        project: ProjectId,
        id: EndpointId,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let audited = AuditedAction::new(AuditAction::EndpointDelete, id.0);
        let entry = self.audit.entry(project, initiator, audited).await?;
        self.store.delete_endpoint(project, id, &entry, self.clock.now()).await?;
        self.announce(project).await;
        Ok(())
    }

    /// Sends a test to an endpoint, whether it is enabled or not, and answers what came of it.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn test_endpoint(
        &self,
        project: ProjectId,
        id: EndpointId,
        initiator: &Initiator,
    ) -> Result<EndpointTest, AdminError> {
        let now = self.clock.now();
        let audited = AuditedAction::new(AuditAction::EndpointTest, id.0);
        let entry = self.audit.entry(project, initiator, audited).await?;
        let sealed = self.store.note_endpoint_test(project, id, &entry, now).await?;
        let endpoint = opened(self.audit.sealer(), project, sealed)?;
        Ok(self.tester.send(&endpoint, now).await)
    }

    async fn write_endpoint(
        &self,
        project: ProjectId,
        id: EndpointId,
        change: EndpointChange,
        action: AuditAction,
        initiator: &Initiator,
    ) -> Result<EndpointRecord, AdminError> {
        let audited = AuditedAction::new(action, id.0);
        let entry = self.audit.entry(project, initiator, audited).await?;
        let now = self.clock.now();
        let changed = self.store.update_endpoint(project, id, &change, &entry, now).await?;
        let changed = answer(changed)?;
        self.announce(project).await;
        Ok(changed)
    }

    fn judge_endpoint(&self, body: &EndpointBody) -> Result<(), AdminError> {
        let mut faults = body.faults(self.environment != Environment::Development);
        // What is wrong with its text is told first; then where it leads.
        if faults.iter().all(|fault| fault.field != "url")
            && let Some(why) = outbound::url_fault(&body.url, &self.tester.webhooks)
        {
            faults.push(Fault::new("url", FaultCode::Invalid, why));
        }
        if faults.is_empty() { Ok(()) } else { Err(AdminError::Invalid(faults)) }
    }
}

/// The endpoint, or as an error why the store did not take it.
fn answer(verdict: EndpointVerdict) -> Result<EndpointRecord, AdminError> {
    Err(match verdict {
        EndpointVerdict::Done(endpoint) => return Ok(*endpoint),
        EndpointVerdict::Stale => AdminError::Stale,
        EndpointVerdict::NameTaken => AdminError::Conflict(
            "name: a webhook endpoint of that name is there already".to_owned(),
        ),
        EndpointVerdict::Unknown(field) => {
            let right = "there is no such rule in the project";
            AdminError::Unknown(vec![Fault::new(field, FaultCode::NotFound, right)])
        }
        EndpointVerdict::Full => AdminError::Conflict(format!(
            "a project has at most {MAX_ENDPOINTS} webhook endpoints; delete one that is not needed"
        )),
    })
}
