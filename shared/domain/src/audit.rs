//! The audit log: who did what to what. Rows are chained by hashes; what is personal in them is sealed with a key per
//! person, so that forgetting somebody leaves the chain true.

mod chain;

use serde_json::Value;
use uuid::Uuid;

use super::authority::Requester;
use super::names::words;
use super::once::Once;
use crate::id::{KeyId, UserId};

pub use chain::{Broken, Checkpoint, Flaw, Link, Linked, Row, Walk, chained};

words! {
    /// What was done. The word before the dot is the kind of thing it was done to.
    AuditAction {
        /// A project was made.
        ProjectCreate = 1 "project.create",
        /// A project's name or description was changed.
        ProjectUpdate = 2 "project.update",
        /// A project was suspended.
        ProjectSuspend = 3 "project.suspend",
        /// A suspended project works again.
        ProjectReactivate = 4 "project.reactivate",
        /// A project was archived.
        ProjectArchive = 5 "project.archive",
        /// A project's plan and its limits were set.
        ProjectPlan = 6 "project.plan",
        /// An API key was made.
        KeyCreate = 10 "key.create",
        /// An API key was taken back.
        KeyRevoke = 11 "key.revoke",
        /// An API key was replaced by a new one.
        KeyRegenerate = 12 "key.regenerate",
        /// An account was made.
        UserCreate = 20 "user.create",
        /// An account was changed.
        UserUpdate = 21 "user.update",
        /// A pending account was let in.
        UserApprove = 22 "user.approve",
        /// An account was suspended.
        UserSuspend = 23 "user.suspend",
        /// A suspended account works again.
        UserReactivate = 24 "user.reactivate",
        /// An account was deleted.
        UserDelete = 25 "user.delete",
        /// The roles of an account were set.
        UserRoles = 26 "user.roles",
        /// A password was changed.
        UserPassword = 27 "user.password",
        /// An account was made by registering, its address proved.
        UserRegister = 28 "user.register",
        /// A role was made.
        RoleCreate = 30 "role.create",
        /// A role was changed.
        RoleUpdate = 31 "role.update",
        /// A role was deleted.
        RoleDelete = 32 "role.delete",
        /// Somebody logged in.
        SessionLogin = 40 "session.login",
        /// Somebody failed to log in.
        SessionFailure = 41 "session.failure",
        /// An account was locked after too many failures.
        SessionLockout = 42 "session.lockout",
        /// Somebody logged out.
        SessionLogout = 43 "session.logout",
        /// A session was ended by somebody.
        SessionRevoke = 44 "session.revoke",
        /// A refresh token was used twice, and its session ended.
        SessionReuse = 45 "session.reuse",
        /// The audit log was taken out.
        AuditExport = 50 "audit.export",
        /// The deliveries of an hour, summed up.
        DeliverySummary = 51 "delivery.summary",
        /// A project's settings were set.
        ProjectSettings = 80 "project.settings",
        /// A project's features were set.
        ProjectFeatures = 81 "project.features",
        /// What older sealing keys sealed was sealed anew.
        KeyReseal = 82 "key.reseal",
        /// Everything that is held on somebody was taken out.
        UserExport = 100 "user.export",
        /// Somebody was erased.
        UserErase = 101 "user.erase",
        /// Somebody's preferences were set.
        UserPreferences = 102 "user.preferences",
        /// A registration was asked for.
        RegistrationCreate = 110 "registration.create",
        /// Another address was named for an account, and is to be proved.
        UserEmailAsk = 111 "user.email_ask",
        /// The address of an account was changed to one that was proved.
        UserEmail = 112 "user.email",
        /// A locked account was unlocked.
        UserUnlock = 113 "user.unlock",
        /// An alert was acknowledged.
        AlertAcknowledge = 140 "alert.acknowledge",
        /// The acknowledgement of an alert was taken back.
        AlertUnacknowledge = 141 "alert.unacknowledge",
        /// An alert was resolved by a user.
        AlertResolve = 142 "alert.resolve",
        /// A silence was created.
        SilenceCreate = 143 "silence.create",
        /// The end of a silence was changed.
        SilenceUpdate = 144 "silence.update",
        /// A silence was ended before its time.
        SilenceEnd = 145 "silence.end",
        /// An event was accepted once more.
        EventReplay = 152 "event.replay",
        /// A run was asked for: its kind and what it is for are told.
        RunCreate = 150 "run.create",
        /// A run was aborted.
        RunAbort = 151 "run.abort",
        /// An event type was created.
        EventTypeCreate = 160 "event_type.create",
        /// What is said of an event type was changed.
        EventTypeUpdate = 161 "event_type.update",
        /// An event type got another version.
        EventTypeVersion = 162 "event_type.version",
        /// An event type was deprecated.
        EventTypeDeprecate = 163 "event_type.deprecate",
        /// An event type was deleted.
        EventTypeDelete = 164 "event_type.delete",
        /// A webhook endpoint was created.
        EndpointCreate = 170 "endpoint.create",
        /// A webhook endpoint was changed.
        EndpointUpdate = 171 "endpoint.update",
        /// A webhook endpoint was deleted.
        EndpointDelete = 172 "endpoint.delete",
        /// A webhook endpoint is sent to again.
        EndpointEnable = 173 "endpoint.enable",
        /// A webhook endpoint is sent nothing any more.
        EndpointDisable = 174 "endpoint.disable",
        /// A webhook endpoint got another secret.
        EndpointRotate = 175 "endpoint.rotate_secret",
        /// A test was sent to a webhook endpoint.
        EndpointTest = 176 "endpoint.test",
        /// A rule was created.
        RuleCreate = 120 "rule.create",
        /// A rule was changed.
        RuleUpdate = 121 "rule.update",
        /// A rule was switched on, off or to its shadow mode.
        RuleMode = 122 "rule.mode",
        /// A rule was deleted.
        RuleDelete = 123 "rule.delete",
        /// A rule was set to what an earlier version of it said.
        RuleRestore = 124 "rule.restore",
        /// An address was proved.
        UserVerifyEmail = 60 "user.verify_email",
        /// Somebody asked for a new password.
        UserResetRequest = 61 "user.reset_request",
        /// A password was set with a token that was mailed.
        UserReset = 62 "user.reset",
        /// A second factor was switched on.
        UserFactorOn = 63 "user.second_factor_on",
        /// A second factor was switched off by its holder.
        UserFactorOff = 64 "user.second_factor_off",
        /// A second factor was switched off by somebody else.
        UserFactorReset = 65 "user.second_factor_reset",
        /// New backup codes were made.
        UserBackupCodes = 66 "user.backup_codes",
        /// A backup code was used.
        UserBackupCode = 67 "user.backup_code",
        /// Somebody was invited.
        InvitationCreate = 68 "invitation.create",
        /// An invitation was taken back.
        InvitationRevoke = 69 "invitation.revoke",
        /// An invitation was accepted.
        InvitationAccept = 70 "invitation.accept",
    }
}

/// The kinds of things that something is done to.
pub const RESOURCE_TYPES: [&str; 16] = [
    "project",
    "key",
    "user",
    "role",
    "rule",
    "session",
    "audit",
    "delivery",
    "invitation",
    "registration",
    "alert",
    "silence",
    "event",
    "run",
    "event_type",
    "endpoint",
];

impl AuditAction {
    /// The kind of thing that it is done to.
    pub fn resource_type(self) -> &'static str {
        self.as_str().split('.').next().unwrap_or_default()
    }
}

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person; one of the platform acts in other projects too.
    User(UserId),
    /// The holder of an API key.
    Key(KeyId),
    /// Bellbuoy itself, or an operator at the command line.
    System,
    /// Somebody who was not recognised.
    Stranger,
}

impl Actor {
    /// Its word.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Key(_) => "key",
            Self::System => "system",
            Self::Stranger => "stranger",
        }
    }

    /// Its id; nil for who has none.
    pub const fn id(self) -> Uuid {
        match self {
            Self::User(id) => id.0,
            Self::Key(id) => id.0,
            Self::System | Self::Stranger => Uuid::nil(),
        }
    }

    /// The one of that word and id.
    pub fn read(kind: &str, id: Uuid) -> Self {
        match kind {
            "user" => Self::User(UserId(id)),
            "key" => Self::Key(KeyId(id)),
            "system" => Self::System,
            _ => Self::Stranger,
        }
    }
}

/// Something that was done, ready to be written in the transaction that does it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who did it.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// To which one.
    pub resource: Uuid,
    /// How it was before, without anything personal or secret.
    pub before: Option<Value>,
    /// How it is now, likewise.
    pub after: Option<Value>,
    /// Whose sealed values these are; nil when nobody's.
    pub subject: Uuid,
    /// What is personal in it, sealed with the subject's key.
    pub personal: Option<Vec<u8>>,
    /// Where the request came from, sealed with the actor's key.
    pub origin: Option<Vec<u8>>,
    /// The request that it belongs to.
    pub correlation: Option<String>,
    /// The key under which it is done once; of the entries of one transaction, one has it.
    pub once: Option<Once>,
    /// The caller, for the transaction to look at again; nothing for the operator, and for what users do with their own
    /// account.
    pub requester: Option<Requester>,
}

impl Entry {
    /// Something that Bellbuoy itself or an operator at the command line did.
    pub const fn of_system(action: AuditAction, resource: Uuid) -> Self {
        Self {
            actor: Actor::System,
            action,
            resource,
            before: None,
            after: None,
            subject: Uuid::nil(),
            personal: None,
            origin: None,
            correlation: None,
            once: None,
            requester: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_thing_stands_in_the_word() {
        for action in AuditAction::ALL {
            assert!(RESOURCE_TYPES.contains(&action.resource_type()), "{action}");
        }
        for kind in RESOURCE_TYPES {
            assert!(AuditAction::ALL.iter().any(|one| one.resource_type() == kind), "{kind}");
        }
    }
}
