//! API keys: made, listed, taken back, replaced.

use serde_json::json;

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use domain::audit::AuditAction;
use domain::fault::{Fault, FaultCode};
use domain::id::{KeyId, ProjectId};
use domain::key::{ApiKey, PlainKey, Scope};
use domain::time::Time;
use domain::user::name_fault;
use store::keys::ListedKey;

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct KeyChange {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends.
    pub expires_at: Option<Time>,
}

/// A key that was made; its text is shown this once.
pub struct MadeKey {
    /// The key as it is listed.
    pub key: ListedKey,
    /// Its text.
    pub plain: PlainKey,
}

impl Admin {
    /// A project's keys, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn keys(
        &self,
        project: ProjectId,
        before: Option<KeyId>,
        limit: i64,
    ) -> Result<Vec<ListedKey>, AdminError> {
        Ok(self.store.list_keys(project, before, limit).await?)
    }

    /// One key.
    ///
    /// # Errors
    /// When it is not there or was taken back.
    pub async fn key(&self, project: ProjectId, id: KeyId) -> Result<ListedKey, AdminError> {
        Ok(self.store.key(project, id).await?)
    }

    /// Creates a key.
    ///
    /// # Errors
    /// When something of it is not right, or its scopes let it do more than the caller may.
    pub async fn create_key(
        &self,
        project: ProjectId,
        change: KeyChange,
        initiator: &Initiator,
    ) -> Result<MadeKey, AdminError> {
        let now = self.clock.now();
        let mut faults: Vec<Fault> = name_fault("name", &change.name).into_iter().collect();
        if change.scopes.is_empty() {
            let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
            let right = format!("name at least one of {}", all.join(", "));
            faults.push(Fault::new("scopes", FaultCode::Empty, right));
        }
        if change.expires_at.is_some_and(|at| at <= now) {
            faults.push(Fault::new(
                "expires_at",
                FaultCode::Invalid,
                "it must be a time in the future",
            ));
        }
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let mut scopes = change.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        let made = fresh(project, change.name, scopes, change.expires_at, now);
        let audited = AuditedAction {
            after: Some(told(&made.0)),
            ..AuditedAction::new(AuditAction::KeyCreate, made.0.id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        self.store.create_key(project, &made.0, Some(&entry), now).await?;
        Ok(shown(made, now))
    }

    /// Takes a key back: at once where this is answered, and within two seconds everywhere.
    ///
    /// # Errors
    /// When it is not there or was taken back before.
    pub async fn revoke_key(
        &self,
        project: ProjectId,
        id: KeyId,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let entry = self
            .audit
            .entry(project, initiator, AuditedAction::new(AuditAction::KeyRevoke, id.0))
            .await?;
        self.store.revoke_key(project, id, Some(&entry), self.clock.now()).await?;
        self.announce(project).await;
        Ok(())
    }

    /// Creates a key of the same name, scopes and end, and takes the old one back.
    ///
    /// # Errors
    /// When it is not there or was taken back before, or its scopes let it do more than the caller may.
    pub async fn regenerate_key(
        &self,
        project: ProjectId,
        id: KeyId,
        initiator: &Initiator,
    ) -> Result<MadeKey, AdminError> {
        let now = self.clock.now();
        let old = self.store.key(project, id).await?;
        let made = fresh(project, old.name, old.scopes, old.expires_at, now);
        let audited = AuditedAction {
            before: Some(json!({ "key": id })),
            after: Some(told(&made.0)),
            ..AuditedAction::new(AuditAction::KeyRegenerate, made.0.id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        self.store.replace_key(project, id, &made.0, &entry, now).await?;
        self.announce(project).await;
        Ok(shown(made, now))
    }
}

fn fresh(
    project: ProjectId,
    name: String,
    scopes: Vec<Scope>,
    expires_at: Option<Time>,
    now: Time,
) -> (ApiKey, PlainKey) {
    let plain = PlainKey::fresh();
    let key = ApiKey {
        id: KeyId::fresh(now),
        project,
        name,
        prefix: plain.prefix.clone(),
        secret_hash: plain.hash(),
        scopes,
        expires_at,
        revoked_at: None,
    };
    (key, plain)
}

fn told(key: &ApiKey) -> serde_json::Value {
    json!({
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": key.expires_at.map(Time::rfc3339),
    })
}

fn shown((key, plain): (ApiKey, PlainKey), now: Time) -> MadeKey {
    let key = ListedKey {
        id: key.id,
        name: key.name,
        prefix: key.prefix,
        scopes: key.scopes,
        expires_at: key.expires_at,
        revoked_at: None,
        last_used_at: None,
        created_at: now,
    };
    MadeKey { key, plain }
}
