//! Profiles and pictures: read, and changed with everything that is wrong named.

use serde_json::{Value, json};

use super::{Accounts, file_error};
use crate::admin::AdminError;
use crate::audit::{AuditedAction, Initiator};
use domain::audit::AuditAction;
use domain::fault::{Fault, FaultCode};
use domain::id::{ProjectId, UserId};
use domain::profile::{AccountChange, AccountState, Profile, changed};
use domain::user::User;
use files::FileError;
use files::key::FileKey;
use store::profiles::{AccountVerdict, KeptAccount};

/// What numbers are hashed for.
const PHONE: &str = "phone numbers";

/// How often a change is founded anew on one that came in between.
const TRIES: usize = 8;

impl Accounts {
    /// What accounts tell of their holders, in order; nothing that was sealed for somebody whose key is gone.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn profiles(
        &self,
        project: ProjectId,
        users: &[&User],
    ) -> Result<Vec<Profile>, AdminError> {
        let sealed: Vec<_> =
            users.iter().map(|user| (user.id.0, user.profile.as_deref())).collect();
        let opened = self.admin.audit.open_all(project, &sealed).await?;
        let read = |value: Option<Value>| {
            value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
        };
        Ok(opened.into_iter().map(read).collect())
    }

    /// What one account tells of its holder.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn profile(&self, project: ProjectId, user: &User) -> Result<Profile, AdminError> {
        Ok(self.profiles(project, &[user]).await?.pop().unwrap_or_default())
    }

    /// Changes an account: what is left out stays.
    ///
    /// # Errors
    /// When it is not there, something of the change is not right, or the username or number is somebody else's.
    pub async fn change(
        &self,
        project: ProjectId,
        id: UserId,
        change: AccountChange,
        initiator: &Initiator,
    ) -> Result<(User, Vec<String>), AdminError> {
        for _ in 0..TRIES {
            match self.try_change(project, id, change.clone(), initiator).await? {
                AccountVerdict::Done => return self.admin.user(project, id).await,
                AccountVerdict::UsernameTaken => return Err(taken("username")),
                AccountVerdict::PhoneTaken => return Err(taken("phone")),
                AccountVerdict::Overtaken => {}
            }
        }
        Err(AdminError::Conflict("the account is being changed by others; try again".to_owned()))
    }

    async fn try_change(
        &self,
        project: ProjectId,
        id: UserId,
        change: AccountChange,
        initiator: &Initiator,
    ) -> Result<AccountVerdict, AdminError> {
        let Self { admin, .. } = self;
        let user = admin.store.user(project, id).await?;
        let before = AccountState {
            full_name: user.full_name.clone(),
            username: user.username.clone(),
            profile: self.profile(project, &user).await?,
        };
        let after = changed(&before, change).map_err(AdminError::Invalid)?;
        if after == before {
            return Ok(AccountVerdict::Done);
        }
        let phone_hash = match &after.profile.phone {
            Some(phone) => Some(admin.audit.fingerprint(project, PHONE, phone).await?),
            None => None,
        };
        let profile = serde_json::to_value(&after.profile).unwrap_or_default();
        let kept = KeptAccount {
            full_name: after.full_name.clone(),
            username: after.username.clone(),
            phone_hash,
            founded_on: user.profile,
            profile: admin.audit.seal(project, id.0, &profile).await?,
        };
        let (before, after) = differences(&told(&before), &told(&after));
        let audited = AuditedAction {
            personal: Some((id, json!({ "before": before, "after": after }))),
            ..AuditedAction::new(AuditAction::UserUpdate, id.0)
        };
        let entry = admin.audit.entry(project, initiator, audited).await?;
        Ok(admin.store.keep_account(project, id, &kept, &entry, admin.clock.now()).await?)
    }

    /// Says which file is somebody's picture: one that lies in their own folder and is there.
    ///
    /// # Errors
    /// When it is not, or they are not.
    pub async fn set_avatar(
        &self,
        project: ProjectId,
        id: UserId,
        path: Option<&str>,
        initiator: &Initiator,
    ) -> Result<(User, Vec<String>), AdminError> {
        let Self { admin, files } = self;
        if let Some(path) = path {
            let folder = avatar_folder(id);
            let fault = |right: String| {
                AdminError::Invalid(vec![Fault::new("file", FaultCode::Invalid, right)])
            };
            let named = path.strip_prefix(&folder).and_then(|_| FileKey::new(project, path).ok());
            let key = named
                .ok_or_else(|| fault(format!("it must be the path of a file below {folder}")))?;
            match files.head(&key).await {
                Ok(_) => {}
                Err(FileError::NotFound) => {
                    return Err(fault("there is no such file; store it first".to_owned()));
                }
                Err(other) => return Err(file_error(other)),
            }
        }
        let before = admin.store.user(project, id).await?.avatar;
        if before.as_deref() != path {
            let audited = AuditedAction {
                before: Some(json!({ "avatar": before })),
                after: Some(json!({ "avatar": path })),
                ..AuditedAction::new(AuditAction::UserUpdate, id.0)
            };
            let entry = admin.audit.entry(project, initiator, audited).await?;
            admin.store.set_avatar(project, id, path, &entry, admin.clock.now()).await?;
        }
        admin.user(project, id).await
    }
}

/// Where somebody's pictures are; they go when their holder is erased.
pub(super) fn avatar_folder(id: UserId) -> String {
    format!("avatars/{id}/")
}

fn taken(field: &'static str) -> AdminError {
    AdminError::Conflict(format!("{field}: another account of the project has it already"))
}

fn told(state: &AccountState) -> Value {
    let mut value = serde_json::to_value(&state.profile).unwrap_or_default();
    value["full_name"] = json!(state.full_name);
    value["username"] = json!(state.username);
    value
}

/// What differs, on both sides.
fn differences(before: &Value, after: &Value) -> (Value, Value) {
    let (mut was, mut is) = (json!({}), json!({}));
    let names = |value: &Value| -> Vec<String> {
        value.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    };
    for name in names(before).into_iter().chain(names(after)) {
        let (one, other) = (&before[name.as_str()], &after[name.as_str()]);
        if one != other {
            was[name.as_str()] = one.clone();
            is[name.as_str()] = other.clone();
        }
    }
    (was, is)
}
