//! A project's settings: read without their secrets, and set as a whole.

use serde_json::{Map, Value, json};

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use crate::reseal::setting_row;
use domain::audit::AuditAction;
use domain::feature::Feature;
use domain::id::ProjectId;
use domain::precondition::Precondition;
use domain::project::ProjectStatus;
use domain::settings::{Given, Registration, SecretField, Settings, faults, intake_faults};
use domain::user::PasswordPolicy;
use store::StoreError;
use store::settings::{Kept, NewSettings};

/// Settings as they may be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownSettings {
    /// How often they were set.
    pub version: i64,
    /// What they say; of each secret whether there is one.
    pub settings: Settings,
}

impl ShownSettings {
    /// What tells one version from another.
    pub fn tag(&self) -> String {
        tag(self.version)
    }
}

fn tag(version: i64) -> String {
    format!("settings-{version}")
}

/// How often somebody who demands nothing may find that others were faster.
const TRIES: usize = 10;

impl Admin {
    /// A project's settings.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn settings(&self, project: ProjectId) -> Result<ShownSettings, AdminError> {
        self.judge_there(project).await?;
        let kept = self.store.settings(project).await?;
        Ok(self.shown(project, kept))
    }

    /// Sets all of a project's settings. A secret that is left out stays, `null` removes it, and one that would be sent
    /// elsewhere than before must be given again.
    ///
    /// # Errors
    /// When something of it is not right, or they are no longer what `condition` demands.
    pub async fn put_settings(
        &self,
        project: ProjectId,
        wanted: Settings,
        condition: &Precondition,
        initiator: &Initiator,
    ) -> Result<ShownSettings, AdminError> {
        self.judge_there(project).await?;
        for _ in 0..TRIES {
            let mut kept = self.store.settings(project).await?;
            if !condition.holds(&tag(kept.version)) {
                return Err(AdminError::Stale);
            }
            let set: Vec<String> = kept.secrets.iter().map(|(field, _)| field.clone()).collect();
            let mut settings = wanted.clone();
            let (given, mut wrong) = Given::of(&mut settings, &mut kept.settings, &set);
            wrong.extend(faults(&settings, &self.bounds));
            let has = |intake| self.intakes.has(intake);
            wrong.extend(intake_faults(&settings.intake, has, project));
            if !wrong.is_empty() {
                return Err(AdminError::Invalid(wrong));
            }
            let (before, after) = told(kept.settings.clone(), &set, &settings, &given);
            let audited = AuditedAction {
                before: Some(before),
                after: Some(after),
                ..AuditedAction::new(AuditAction::ProjectSettings, project.0)
            };
            let entry = self.audit.entry(project, initiator, audited).await?;
            let new = NewSettings {
                after: kept.version,
                settings,
                kept: given.kept,
                new: self.sealed(project, given.new)?,
            };
            if self.store.put_settings(project, &new, &entry, self.clock.now()).await?.is_some() {
                self.announce(project).await;
                return self.settings(project).await;
            }
        }
        Err(AdminError::Conflict("the settings are being set by others; try again".to_owned()))
    }

    fn sealed(
        &self,
        project: ProjectId,
        new: Vec<(String, String)>,
    ) -> Result<Vec<(String, Vec<u8>)>, AdminError> {
        let seal = |(field, text): (String, String)| {
            let sealed = self.audit.sealer().seal(project, &setting_row(&field), text.as_bytes());
            let sealed = sealed.map_err(StoreError::from)?;
            Ok((field, sealed))
        };
        new.into_iter().map(seal).collect()
    }

    /// What of settings may be shown: a secret that no known key opens is there all the same.
    fn shown(&self, project: ProjectId, kept: Kept) -> ShownSettings {
        let Kept { version, mut settings, secrets } = kept;
        for one in settings.secrets() {
            let sealed = secrets.iter().find(|(field, _)| *field == one.field);
            *one.secret = match sealed {
                None => SecretField::Unset,
                Some((field, sealed)) => {
                    let opened =
                        self.audit.sealer().open_sealed(project, &setting_row(field), sealed);
                    let text = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok());
                    SecretField::told(text.as_deref())
                }
            };
        }
        ShownSettings { version, settings }
    }

    async fn judge_there(&self, project: ProjectId) -> Result<(), AdminError> {
        if self.store.project(project).await?.status == ProjectStatus::Archived {
            return Err(AdminError::NotFound("project"));
        }
        Ok(())
    }

    /// What a password must be in a project: never less than the platform demands.
    pub fn password_policy(&self, project: ProjectId) -> PasswordPolicy {
        let own = self.epochs.tenants.of(project).password_min_length.unwrap_or_default();
        PasswordPolicy { min_length: self.policy.min_length.max(own) }
    }

    /// Who may come into a project.
    pub fn registration(&self, project: ProjectId) -> Registration {
        self.epochs.tenants.of(project).registration
    }

    /// Whether a project has a feature.
    pub fn feature(&self, project: ProjectId, feature: Feature) -> bool {
        self.epochs.tenants.has(project, feature, self.environment)
    }
}

/// The sections that differ, as they were and as they are, with nothing of a secret but whether there is one and whether
/// it is new.
fn told(mut before: Settings, set: &[String], after: &Settings, given: &Given) -> (Value, Value) {
    for one in before.secrets() {
        let is_set = set.contains(&one.field);
        *one.secret = if is_set { SecretField::told(None) } else { SecretField::Unset };
    }
    let value = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let (before, mut after) = (value(&before), value(after));
    for (field, _) in &given.new {
        let pointer = format!("/{}", field.replace('.', "/"));
        if let Some(place) = after.pointer_mut(&pointer) {
            *place = json!({ "set": true, "new": true });
        }
    }
    let differing = |one: &Value, other: &Value| -> Value {
        let Value::Object(one) = one else { return Value::Null };
        let differs = |(name, value): &(&String, &Value)| other.get(name.as_str()) != Some(*value);
        let parts = one.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone()));
        Value::Object(parts.collect::<Map<String, Value>>())
    };
    (differing(&before, &after), differing(&after, &before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_what_differs_and_no_secret() {
        let read = |value: Value| serde_json::from_value::<Settings>(value).expect("settings");
        let vapid = |secret: Value| json!({ "vapid": { "subject": "mailto:a@b.example", "public_key": "x", "private_key": secret } });
        let mut wanted = vapid(json!("very secret"));
        wanted["password"] = json!({ "min_length": 12 });
        wanted["registration"] = json!("invited_only");
        let mut held = read(json!({ "registration": "invited_only" }));
        let mut wanted = read(wanted);
        let (given, _) = Given::of(&mut wanted, &mut held, &[]);
        let (before, after) = told(held, &[], &wanted, &given);
        assert_eq!(before, json!({ "password": {} }));
        assert_eq!(after["vapid"]["private_key"], json!({ "set": true, "new": true }));
        assert_eq!(after["password"], json!({ "min_length": 12 }));
        assert!(after.get("registration").is_none() && !after.to_string().contains("very"));
    }
}
