//! Invitations: an account that its holder creates, with roles that another user may give. Whether they may is judged when
//! they invite, and again when the invitation is accepted; one with a role that is gone by then is refused.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::registering::bad_token;
use super::users::distinct;
use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use crate::mails::{Addressee, in_words};
use domain::audit::{Actor, AuditAction};
use domain::fault::{Fault, FaultCode};
use domain::id::{ProjectId, UserId, fresh};
use domain::mail::{Link, MailKind};
use domain::one_time::{self, Purpose};
use domain::user::{User, UserStatus, email_fault, name_fault, normal_email, password_fault};
use store::StoreError;
use store::invitations::Invitation;
use store::members::NewUser;

/// An invitation that is to be made.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// Who is invited.
    pub email: String,
    /// What they are called; they may say it themselves.
    pub full_name: Option<String>,
    /// The names of the roles that they get.
    pub roles: Vec<String>,
    /// How long it is good; as configured, if nobody says.
    pub good_for: Option<Duration>,
}

/// What somebody accepts an invitation with.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// The token that was mailed.
    pub token: String,
    /// Their password.
    pub password: String,
    /// What they are called; as the invitation says, if they don't.
    pub full_name: Option<String>,
}

/// The longest time that an invitation is good.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

impl Admin {
    /// Invites somebody. An older invitation to the address is good for nothing then.
    ///
    /// # Errors
    /// When something of it is not right, the address has an account, its roles give more than the caller has, or it was
    /// mailed enough for now.
    pub async fn invite(
        &self,
        project: ProjectId,
        new: NewInvitation,
        initiator: &Initiator,
    ) -> Result<Invitation, AdminError> {
        let email = normal_email(&new.email);
        let mut faults: Vec<Fault> = email_fault(&email).into_iter().collect();
        faults.extend(new.full_name.as_ref().and_then(|name| name_fault("full_name", name)));
        faults.extend(self.role_faults(project, &new.roles).await?);
        let good_for = new.good_for.unwrap_or(self.auth.invitation_ttl);
        if good_for > LONGEST || good_for.is_zero() {
            let right = "it must be from 1 to 720 hours";
            faults.push(Fault::new("good_for_hours", FaultCode::Invalid, right));
        }
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let roles = distinct(new.roles);
        let home = self.store.project(project).await?;
        let now = self.clock.now();
        let (text, key) = one_time::make(Purpose::Invitation, project, fresh(now), rand::random());
        let invited_by = match initiator.actor {
            Actor::User(user) => Some(user),
            _ => None,
        };
        let invitation = Invitation {
            id: key.id,
            email,
            full_name: new.full_name.map(|name| name.trim().to_owned()),
            roles,
            invited_by,
            created_at: now,
            expires_at: now.plus(good_for),
        };
        let whom = Addressee { project: &home, user: None, email: &invitation.email };
        let link = Link { token: text, good_for: in_words(good_for) };
        let mails = &self.sessions.mails;
        let mail = mails.write(MailKind::Invitation, whom, Some(&link), None, now)?;
        // Whoever is invited is nobody yet whose key could seal their address; the log has the invitation's id.
        let audited = AuditedAction {
            after: Some(
                json!({ "roles": invitation.roles, "expires_at": invitation.expires_at.rfc3339() }),
            ),
            ..AuditedAction::new(AuditAction::InvitationCreate, invitation.id)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        if !self.store.invite(project, &invitation, key, &mail, &entry, now).await? {
            let kind = MailKind::Invitation.as_str();
            metrics::counter!("bellbuoy_mails_held_back_total", "kind" => kind).increment(1);
            let why =
                "Enough mails were sent to this address within the hour; invite it again later.";
            return Err(AdminError::Enough(why));
        }
        Ok(invitation)
    }

    /// The invitations of a project that were neither accepted nor taken back, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn invitations(
        &self,
        project: ProjectId,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Invitation>, AdminError> {
        Ok(self.store.invitations(project, before, limit).await?)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// When it is not there, was accepted or taken back.
    pub async fn revoke_invitation(
        &self,
        project: ProjectId,
        id: Uuid,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let audited = AuditedAction::new(AuditAction::InvitationRevoke, id);
        let entry = self.audit.entry(project, initiator, audited).await?;
        Ok(self.store.revoke_invitation(project, id, &entry, self.clock.now()).await?)
    }

    /// Makes the account that an invitation is for. It works at once, its address is proved, and nobody is logged in.
    ///
    /// # Errors
    /// When the token is not good, something of the rest is not right, a role of the invitation is gone, or the address
    /// has an account by now.
    pub async fn accept_invitation(
        &self,
        acceptance: Acceptance,
        initiator: &Initiator,
    ) -> Result<(User, Vec<String>), AdminError> {
        let key = one_time::parse(Purpose::Invitation, &acceptance.token).ok_or_else(bad_token)?;
        let project = key.project;
        let home = self.open_project(project).await?.ok_or_else(bad_token)?;
        let now = self.clock.now();
        let found = self.store.invitation_of(project, key, now).await?.ok_or_else(bad_token)?;
        let full_name = acceptance.full_name.or(found.full_name);
        let mut faults = Vec::new();
        match &full_name {
            Some(name) => faults.extend(name_fault("full_name", name)),
            None => {
                let right = "your name is required; the invitation does not have it";
                faults.push(Fault::new("full_name", FaultCode::Required, right));
            }
        }
        faults.extend(password_fault(
            &acceptance.password,
            &found.email,
            self.password_policy(home.id),
        ));
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let known = self.store.role_names(project).await?;
        if let Some(gone) = found.roles.iter().find(|role| !known.contains(role)) {
            return Err(AdminError::Conflict(format!(
                "the role {gone} of this invitation is not there any more; ask for another one"
            )));
        }
        let new = NewUser {
            id: UserId::fresh(now),
            email: found.email,
            full_name: full_name.unwrap_or_default().trim().to_owned(),
            status: UserStatus::Active,
            password: Some(self.sessions.passwords.hash(&acceptance.password).await?),
            roles: found.roles,
        };
        let initiator = initiator.known_as(Actor::User(new.id));
        let audited = AuditedAction {
            after: Some(json!({ "user": new.id, "roles": new.roles })),
            personal: Some((new.id, json!({ "email": new.email, "full_name": new.full_name }))),
            ..AuditedAction::new(AuditAction::InvitationAccept, found.id)
        };
        let entry = self.audit.entry(home.id, &initiator, audited).await?;
        let by = found.invited_by;
        match self.store.accept_invitation(project, key, by, &new, &entry, now).await {
            Err(StoreError::NotFound("token")) => return Err(bad_token()),
            Err(StoreError::Denied(_)) => {
                return Err(AdminError::Conflict(
                    "the account that invited you may not do so any more; ask for another invitation"
                        .to_owned(),
                ));
            }
            Err(StoreError::NotFound(_)) => {
                return Err(AdminError::Conflict(
                    "a role of this invitation is not there any more; ask for another one"
                        .to_owned(),
                ));
            }
            Err(StoreError::Conflict(_)) => {
                return Err(AdminError::Conflict(
                    "the address of this invitation has an account by now".to_owned(),
                ));
            }
            done => done?,
        }
        self.announce(project).await;
        self.user(project, new.id).await
    }
}
