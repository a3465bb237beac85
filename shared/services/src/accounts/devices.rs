//! Push tokens and preferences: where and how somebody wants to be told.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Accounts;
use crate::admin::AdminError;
use crate::audit::{AuditedAction, Initiator};
use domain::audit::AuditAction;
use domain::fault::{Fault, FaultCode};
use domain::id::{ProjectId, RuleId, UserId, fresh};
use domain::preferences::{self, Preferences};
use domain::push::{Platform, PushToken, token_faults, token_hash};
use store::push::{KeptPushToken, NewPushToken};

/// A device that wants pushes.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// For whose service its token is.
    pub platform: Platform,
    /// The token.
    pub token: String,
    /// What its holder calls it.
    pub device: Option<String>,
}

/// A device that gets pushes, with the token hidden.
pub type Device = PushToken;

impl Accounts {
    /// Keeps the token of a device as somebody's own.
    ///
    /// # Errors
    /// When something of it is not right, or the account is not there.
    pub async fn put_device(
        &self,
        project: ProjectId,
        user: UserId,
        new: NewDevice,
    ) -> Result<Device, AdminError> {
        let Self { admin, .. } = self;
        let faults = token_faults(new.platform, &new.token, new.device.as_deref());
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let now = admin.clock.now();
        let device = match new.device.map(|name| name.trim().to_owned()).filter(|n| !n.is_empty()) {
            Some(name) => Some(admin.audit.seal(project, user.0, &Value::from(name)).await?),
            None => None,
        };
        let kept = NewPushToken {
            id: fresh(now),
            platform: new.platform,
            hash: token_hash(new.platform, &new.token),
            token: admin.audit.seal(project, user.0, &Value::from(new.token)).await?,
            device,
        };
        let id = admin.store.put_push_token(project, user, &kept, now).await?;
        let found = self.devices(project, user).await?.into_iter().find(|one| one.id == id);
        found.ok_or(AdminError::NotFound("push token"))
    }

    /// Somebody's devices, the one that was seen last first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn devices(
        &self,
        project: ProjectId,
        user: UserId,
    ) -> Result<Vec<Device>, AdminError> {
        let kept = self.admin.store.push_tokens(project, user).await?;
        let sealed: Vec<_> = kept.iter().map(|one| (user.0, one.device.as_deref())).collect();
        let names = self.admin.audit.open_all(project, &sealed).await?;
        let shown = |(one, name): (KeptPushToken, Option<Value>)| PushToken {
            device: name.as_ref().and_then(Value::as_str).map(str::to_owned),
            ..one.token
        };
        Ok(kept.into_iter().zip(names).map(shown).collect())
    }

    /// Takes a device away.
    ///
    /// # Errors
    /// When it is not there, or not theirs.
    pub async fn delete_device(
        &self,
        project: ProjectId,
        user: UserId,
        id: Uuid,
    ) -> Result<(), AdminError> {
        Ok(self.admin.store.delete_push_token(project, user, id).await?)
    }

    /// How somebody wants to be told, and its version.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn preferences(
        &self,
        project: ProjectId,
        user: UserId,
    ) -> Result<(Preferences, i64), AdminError> {
        Ok(self.admin.store.preferences(project, user).await?)
    }

    /// Sets how somebody wants to be told, if the version is still `seen`. Answers the new version.
    ///
    /// # Errors
    /// When something of it is not right, or was changed since.
    pub async fn set_preferences(
        &self,
        project: ProjectId,
        user: UserId,
        wanted: &Preferences,
        seen: Option<i64>,
        initiator: &Initiator,
    ) -> Result<i64, AdminError> {
        let Self { admin, .. } = self;
        let mut faults = preferences::faults(wanted);
        if faults.is_empty() {
            faults = self.unknown_rules(project, wanted).await?;
        }
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let body = serde_json::to_value(wanted).unwrap_or_default();
        let (before, _) = admin.store.preferences(project, user).await?;
        let audited = AuditedAction {
            personal: Some((user, json!({ "before": before, "after": body }))),
            ..AuditedAction::new(AuditAction::UserPreferences, user.0)
        };
        let entry = admin.audit.entry(project, initiator, audited).await?;
        let now = admin.clock.now();
        Ok(admin.store.set_preferences(project, user, body, seen, &entry, now).await?)
    }

    async fn unknown_rules(
        &self,
        project: ProjectId,
        wanted: &Preferences,
    ) -> Result<Vec<Fault>, AdminError> {
        let named: Vec<(usize, RuleId)> = wanted
            .mutes
            .iter()
            .enumerate()
            .filter_map(|(at, mute)| Some((at, mute.rule_id?)))
            .collect();
        let ids = named.iter().map(|(_, id)| *id).collect();
        let known = self.admin.store.known_rules(project, ids).await?;
        let unknown = named.into_iter().filter(|(_, id)| !known.contains(id));
        Ok(unknown
            .map(|(at, _)| {
                let field = format!("mutes[{at}].rule_id");
                Fault::new(field, FaultCode::Invalid, "it must be the id of a rule of this project")
            })
            .collect())
    }
}
