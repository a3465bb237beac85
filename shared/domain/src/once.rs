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
        /// Sending a batch of events.
        AcceptBatch = 2 "accept_events",
        /// Importing events.
        ImportEvents = 3 "import_events",
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
        /// Creating a silence.
        CreateSilence = 26 "create_silence",
        /// Creating a rule.
        CreateRule = 27 "create_rule",
        /// Asking for a backtest.
        CreateBacktest = 28 "create_backtest",
        /// Asking for a change of many.
        CreateBulkAction = 29 "create_bulk_action",
        /// Creating an event type.
        CreateEventType = 30 "create_event_type",
        /// Creating a webhook endpoint.
        CreateEndpoint = 32 "create_endpoint",
        /// Giving a webhook endpoint another secret.
        RotateEndpointSecret = 33 "rotate_endpoint_secret",
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

/// The key under which a request is done once. It is claimed by the transaction that does the request, so that of two that come
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

/// The key of a request that sends many events. The request is no transaction: each event in it that has no key of its own
/// gets one that follows from this one and its place, so that it is kept once, however often the request is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The project; keys of events belong to it and not to the API key that they come with.
    pub project: ProjectId,
    /// What it is for.
    pub operation: Operation,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
}

impl RequestKey {
    /// The key `text` of a request.
    pub fn new(project: ProjectId, operation: Operation, text: &str) -> Self {
        Self { project, operation, hash: sha256(text.as_bytes()) }
    }

    /// The hash of the key of the event in this place of the request. No key that a client can choose has the character
    /// U+0000, so that none has this hash.
    pub fn of_event(&self, place: u64) -> [u8; 32] {
        let operation = self.operation.number().to_be_bytes();
        sha256(&[b"\0".as_slice(), &operation, &self.hash, &place.to_be_bytes()].concat())
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
    fn events_of_a_request_have_keys_of_their_own() {
        let key = |operation, text| RequestKey::new(ProjectId::PLATFORM, operation, text);
        let batch = key(Operation::AcceptBatch, "k");
        assert_eq!(batch.of_event(1), key(Operation::AcceptBatch, "k").of_event(1));
        for other in [
            batch.of_event(2),
            key(Operation::AcceptBatch, "l").of_event(1),
            key(Operation::ImportEvents, "k").of_event(1),
            sha256(b"k"),
        ] {
            assert_ne!(batch.of_event(1), other);
        }
    }

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
