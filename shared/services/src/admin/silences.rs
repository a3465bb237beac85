//! Silences: created, ended, and what they hid.

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use domain::audit::{Actor, AuditAction};
use domain::fault::{Fault, FaultCode};
use domain::id::{EventId, ProjectId, SilenceId};
use domain::silence::SilenceBody;
use domain::time::Time;
use store::silences::{Hidden, KeptSilence, MAX_SILENCES, SilenceVerdict};

impl Admin {
    /// Silences of a project, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn silences(
        &self,
        project: ProjectId,
        before: Option<SilenceId>,
        limit: usize,
    ) -> Result<Vec<KeptSilence>, AdminError> {
        Ok(self.store.silences(project, before, limit as i64).await?)
    }

    /// One silence.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn silence(
        &self,
        project: ProjectId,
        id: SilenceId,
    ) -> Result<KeptSilence, AdminError> {
        Ok(self.store.silence(project, id).await?)
    }

    /// What a silence hid, newest first.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn hidden_by(
        &self,
        project: ProjectId,
        id: SilenceId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Hidden>, AdminError> {
        Ok(self.store.hidden_by(project, id, before, limit as i64).await?)
    }

    /// Creates a silence.
    ///
    /// # Errors
    /// When something of it is not right, or names what is not there.
    pub async fn create_silence(
        &self,
        project: ProjectId,
        body: SilenceBody,
        initiator: &Initiator,
    ) -> Result<KeptSilence, AdminError> {
        let now = self.clock.now();
        let faults = body.faults(now);
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let created_by = match initiator.actor {
            Actor::User(user) => Some(user),
            _ => None,
        };
        let id = SilenceId::fresh(now);
        let new = KeptSilence {
            id,
            created_by,
            version: 1,
            ended_at: None,
            created_at: now,
            updated_at: now,
            body,
        };
        let audited = AuditedAction {
            after: serde_json::to_value(&new.body).ok(),
            ..AuditedAction::new(AuditAction::SilenceCreate, id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let made = answer(self.store.add_silence(project, &new, &entry, now).await?)?;
        self.announce(project).await;
        Ok(made)
    }

    /// Ends a silence at `ends_at`, or at once.
    ///
    /// # Errors
    /// When it is not there, or is over.
    pub async fn end_silence(
        &self,
        project: ProjectId,
        id: SilenceId,
        ends_at: Option<Time>,
        initiator: &Initiator,
    ) -> Result<KeptSilence, AdminError> {
        let now = self.clock.now();
        if ends_at.is_some_and(|end| end <= now) {
            let fault = Fault::new("ends_at", FaultCode::Invalid, "it must be in the future");
            return Err(AdminError::Invalid(vec![fault]));
        }
        let action = match ends_at {
            Some(_) => AuditAction::SilenceUpdate,
            None => AuditAction::SilenceEnd,
        };
        let audited = AuditedAction {
            after: ends_at.map(|end| serde_json::json!({ "ends_at": end })),
            ..AuditedAction::new(action, id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let ended = self.store.end_silence(project, id, ends_at, &entry, now).await?;
        let ended = answer(ended)?;
        self.announce(project).await;
        Ok(ended)
    }
}

fn answer(verdict: SilenceVerdict) -> Result<KeptSilence, AdminError> {
    Err(match verdict {
        SilenceVerdict::Done(silence) => return Ok(*silence),
        SilenceVerdict::Unknown(field) => unknown(field),
        SilenceVerdict::Over => AdminError::Conflict("the silence is over".to_owned()),
        SilenceVerdict::Full => AdminError::Conflict(format!(
            "a project has at most {MAX_SILENCES} silences that are not over"
        )),
    })
}

/// What a silence names is not there.
pub(crate) fn unknown(field: String) -> AdminError {
    let right = "there is no such rule, or no open alert of that id, in the project";
    AdminError::Invalid(vec![Fault::new(field, FaultCode::Invalid, right)])
}
