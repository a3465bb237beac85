//! What administrators do with the logins of others: see and end sessions, and unlock an account.

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator, Origin};
use domain::audit::AuditAction;
use domain::id::{ProjectId, UserId};
use domain::user::User;
use store::sessions::{Ended, Session, Which};

impl Admin {
    /// The sessions of a user that hold, newest first, and where each was begun.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn sessions_of(
        &self,
        project: ProjectId,
        id: UserId,
    ) -> Result<Vec<(Session, Origin)>, AdminError> {
        let mut sessions = Vec::new();
        for session in self.sessions.of(project, id).await? {
            let origin = match &session.origin {
                Some(sealed) => self.audit.open(project, id.0, sealed).await?,
                None => None,
            };
            let origin = origin.and_then(|value| serde_json::from_value(value).ok());
            sessions.push((session, origin.unwrap_or_default()));
        }
        Ok(sessions)
    }

    /// Ends sessions of a user, on every instance within two seconds; answers how many that were.
    ///
    /// # Errors
    /// When the user may do more than the caller, or the store is away.
    pub async fn end_sessions_of(
        &self,
        project: ProjectId,
        id: UserId,
        which: Which,
        initiator: &Initiator,
    ) -> Result<u64, AdminError> {
        let ended = self.sessions.end(project, id, which, Ended::Revoked, initiator).await?;
        self.announce(project).await;
        Ok(ended)
    }

    /// Unlocks an account that takes no logins after too many failures, and forgets these.
    ///
    /// # Errors
    /// When it is not there, or may do more than the caller.
    pub async fn unlock_user(
        &self,
        project: ProjectId,
        id: UserId,
        initiator: &Initiator,
    ) -> Result<(User, Vec<String>), AdminError> {
        let audited = AuditedAction::new(AuditAction::UserUnlock, id.0);
        let entry = self.audit.entry(project, initiator, audited).await?;
        self.store.unlock_user(project, id, &entry, self.clock.now()).await?;
        self.user(project, id).await
    }
}
