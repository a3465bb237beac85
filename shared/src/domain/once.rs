//! Deeds that are done once, however often they are asked for: what a key is for, and what ties it to whoever sends it.

use uuid::Uuid;

use super::names::words;
use crate::id::{ProjectId, UserId, sha256};
use crate::time::Time;

words! {
    /// What a key is for; the same key means different things for different operations.
    Operation {
        /// Sending an event.
        AcceptEvent = 1 "accept_event",
        /// Making an account.
        CreateUser = 20 "create_user",
        /// Making an API key.
        CreateKey = 21 "create_key",
        /// Replacing an API key.
        RegenerateKey = 22 "regenerate_key",
        /// Making a role.
        CreateRole = 23 "create_role",
        /// Making a project.
        CreateProject = 24 "create_project",
        /// Inviting somebody.
        Invite = 25 "invite",
    }
}

/// A key that comes with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// SHA-256 of the body that came with it.
    pub body: [u8; 32],
    /// When it is forgotten.
    pub expires_at: Time,
}

/// The key under which a deed is done once. It is claimed by the transaction that does the deed, so that of two that come
/// at once one does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The project of whoever asks for it, which need not be the one in which it is done.
    pub project: ProjectId,
    /// What it is for.
    pub operation: Operation,
    /// The key.
    pub key: IdempotencyKey,
}

impl Once {
    /// The key `text` of somebody, with what they ask for. Two people who choose the same text don't meet.
    pub fn new(
        project: ProjectId,
        user: UserId,
        operation: Operation,
        (text, what): (&str, &[u8]),
        expires_at: Time,
    ) -> Self {
        let hash = sha256(&[user.bytes(), text.as_bytes()].concat());
        let key = IdempotencyKey { hash, body: sha256(what.trim_ascii()), expires_at };
        Self { project, operation, key }
    }
}

/// What a key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The id of what was made.
    pub result: Uuid,
    /// SHA-256 of the body that came with the key.
    pub body: [u8; 32],
    /// What was answered, sealed; nothing before it is kept, and when it was lost or taken away.
    pub answer: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_whoever_sends_it_and_blanks_around_a_body_say_nothing() {
        let now = Time::from_micros(1_000_000);
        let (ana, bo) = (UserId::fresh(now), UserId::fresh(now));
        let once = |user, text, what: &[u8]| {
            Once::new(ProjectId::PLATFORM, user, Operation::CreateUser, (text, what), now).key
        };
        let first = once(ana, "k-1", b"{}");
        assert_eq!(first, once(ana, "k-1", b" {}\n"));
        assert_ne!(first.hash, once(bo, "k-1", b"{}").hash);
        assert_ne!(first.hash, once(ana, "k-2", b"{}").hash);
        assert_ne!(first.body, once(ana, "k-1", b"{ }").body);
    }
}
