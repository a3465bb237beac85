//! People: made, let in, given roles, suspended, deleted; and what they do with their own account.

use serde_json::json;

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use crate::sessions::Person;
use domain::audit::AuditAction;
use domain::fault::{Fault, FaultCode};
use domain::id::{ProjectId, UserId};
use domain::precondition::Precondition;
use domain::user::{User, UserStatus, email_fault, name_fault, normal_email, password_fault};
use store::StoreError;
use store::accounts::UserFilter;
use store::members::NewUser;
use store::recovery::NewPassword;
use store::sessions::Which;

/// An account that is to be made.
#[derive(Clone, Debug)]
pub struct Invitee {
    /// Their address.
    pub email: String,
    /// What they are called.
    pub full_name: String,
    /// Their first password; without one they can be told, and can't log in.
    pub password: Option<String>,
    /// The names of their roles.
    pub roles: Vec<String>,
}

impl Admin {
    /// Creates an account that works at once.
    ///
    /// # Errors
    /// When something of it is not right or taken, or its roles give more than the caller has.
    pub async fn create_user(
        &self,
        project: ProjectId,
        new: Invitee,
        initiator: &Initiator,
    ) -> Result<(User, Vec<String>), AdminError> {
        let email = normal_email(&new.email);
        let mut faults: Vec<Fault> = email_fault(&email).into_iter().collect();
        faults.extend(name_fault("full_name", &new.full_name));
        let weak =
            |password: &String| password_fault(password, &email, self.password_policy(project));
        faults.extend(new.password.as_ref().and_then(weak));
        faults.extend(self.role_faults(project, &new.roles).await?);
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        if self.store.user_by_email(project, &email).await?.is_some() {
            return Err(AdminError::Conflict(
                "email: an account of that address is there already".to_owned(),
            ));
        }
        let password = match &new.password {
            Some(password) => Some(self.sessions.passwords.hash(password).await?),
            None => None,
        };
        let now = self.clock.now();
        let user = NewUser {
            id: UserId::fresh(now),
            email,
            full_name: new.full_name.trim().to_owned(),
            status: UserStatus::Active,
            password,
            roles: distinct(new.roles),
        };
        let audited = AuditedAction {
            after: Some(json!({ "roles": user.roles })),
            personal: Some((user.id, json!({ "email": user.email, "full_name": user.full_name }))),
            ..AuditedAction::new(AuditAction::UserCreate, user.id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        self.store.add_user(project, &user, &entry, now).await?;
        self.announce(project).await;
        self.user(project, user.id).await
    }

    /// One account and the names of its roles.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn user(
        &self,
        project: ProjectId,
        id: UserId,
    ) -> Result<(User, Vec<String>), AdminError> {
        let user = self.store.user(project, id).await?;
        let roles = self.store.roles_of(project, &[id]).await?.remove(&id).unwrap_or_default();
        Ok((user, roles))
    }

    /// Accounts with the names of their roles, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn users(
        &self,
        project: ProjectId,
        filter: UserFilter,
        before: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<(User, Vec<String>)>, AdminError> {
        let users = self.store.list_users(project, filter, before, limit).await?;
        let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
        let mut roles = self.store.roles_of(project, &ids).await?;
        Ok(users
            .into_iter()
            .map(|user| {
                let mine = roles.remove(&user.id).unwrap_or_default();
                (user, mine)
            })
            .collect())
    }

    /// Gives a user exactly these roles, if theirs are still what `condition` demands.
    ///
    /// # Errors
    /// When a role is not there, gives more than the caller has, or nobody would be left who may give roles; when the
    /// user may do more than the caller.
    pub async fn set_roles(
        &self,
        project: ProjectId,
        id: UserId,
        roles: Vec<String>,
        condition: &Precondition,
        initiator: &Initiator,
    ) -> Result<(User, Vec<String>), AdminError> {
        let faults = self.role_faults(project, &roles).await?;
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let roles = distinct(roles);
        let audited = AuditedAction {
            after: Some(json!({ "roles": roles })),
            ..AuditedAction::new(AuditAction::UserRoles, id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let now = self.clock.now();
        if !self.store.set_user_roles(project, id, &roles, condition, &entry, now).await? {
            return Err(AdminError::Stale);
        }
        self.announce(project).await;
        self.user(project, id).await
    }

    /// What is wrong with the names of roles.
    pub(super) async fn role_faults(
        &self,
        project: ProjectId,
        roles: &[String],
    ) -> Result<Vec<Fault>, AdminError> {
        let known = self.store.role_names(project).await?;
        let unknown = roles.iter().enumerate().filter(|(_, role)| !known.contains(role));
        let right = format!("no role of that name; there are {}", known.join(", "));
        Ok(unknown
            .map(|(at, _)| Fault::new(format!("roles[{at}]"), FaultCode::Invalid, right.clone()))
            .collect())
    }

    /// Suspends an account or brings it back; one that is suspended is logged out everywhere within two seconds, and for
    /// good: its tokens don't hold again when it is brought back.
    ///
    /// # Errors
    /// When it is not there or waits for approval, or it would be the last that may do so.
    pub async fn set_user_status(
        &self,
        project: ProjectId,
        id: UserId,
        status: UserStatus,
        initiator: &Initiator,
    ) -> Result<(User, Vec<String>), AdminError> {
        let action = match status {
            UserStatus::Suspended => AuditAction::UserSuspend,
            UserStatus::Active | UserStatus::Pending => AuditAction::UserReactivate,
        };
        let audited = AuditedAction {
            after: Some(json!({ "sessions": "all" })),
            ..AuditedAction::new(action, id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        self.store.set_user_status(project, id, status, &entry, self.clock.now()).await?;
        self.announce(project).await;
        self.user(project, id).await
    }

    /// Deletes an account: it is logged out, told nothing more, and its address is free.
    ///
    /// # Errors
    /// When it is not there, or it would be the last admin.
    pub async fn delete_user(
        &self,
        project: ProjectId,
        id: UserId,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let entry = self
            .audit
            .entry(project, initiator, AuditedAction::new(AuditAction::UserDelete, id.0))
            .await?;
        self.store.delete_user(project, id, &entry, self.clock.now()).await?;
        self.announce(project).await;
        Ok(())
    }

    /// Changes one's own password; all other sessions end.
    ///
    /// # Errors
    /// When the old one is wrong or the new one not good enough.
    pub async fn change_password(
        &self,
        person: &Person,
        old: &str,
        new: &str,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let (project, id) = (person.project, person.user);
        let user = self.store.user(project, id).await?;
        if let Some(fault) = password_fault(new, &user.email, self.password_policy(project)) {
            let field = std::borrow::Cow::Borrowed("new_password");
            return Err(AdminError::Invalid(vec![Fault { field, ..fault }]));
        }
        let proved = self.sessions.proves(project, &user.email, old).await?;
        let proved = proved.ok_or_else(|| wrong_password("old_password"))?;
        let hash = self.sessions.passwords.hash(new).await?;
        let audited = AuditedAction {
            after: Some(json!({ "sessions": { "all_but": person.session } })),
            ..AuditedAction::new(AuditAction::UserPassword, id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let ends = Which::AllBut(person.session);
        let new = self.new_password(&user, hash, None, ends).await?;
        let new = NewPassword { proved: Some(proved), ..new };
        match self.store.set_password(project, id, &new, &entry, self.clock.now()).await {
            // It was changed since it was proved.
            Err(StoreError::NotFound("password")) => return Err(wrong_password("old_password")),
            done => done?,
        }
        self.sessions.forget();
        self.announce(project).await;
        Ok(())
    }
}

/// The fault of a password that is not the caller's.
pub(crate) fn wrong_password(field: &'static str) -> AdminError {
    let right = "it is not your password; after some failures the account is locked for a while";
    AdminError::Invalid(vec![Fault::new(field, FaultCode::Invalid, right)])
}

/// The names in order, each once.
pub(super) fn distinct(mut roles: Vec<String>) -> Vec<String> {
    roles.sort();
    roles.dedup();
    roles
}
