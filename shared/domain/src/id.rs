//! Identifiers: UUIDs of version 7, so that they order by time, in a type for each kind of row.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::digest::{Context, SHA256};
use uuid::Uuid;

use crate::time::Time;

/// A fresh id that carries `now`; ids made by one process at one time keep the order in which they were made.
pub fn fresh(now: Time) -> Uuid {
    // 74 bits stay free beside the time: a counter in the upper 16 keeps the order, chance has the rest.
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut tail: [u8; 10] = rand::random();
    let sub_milli = u16::try_from(now.micros().rem_euclid(1000)).unwrap_or(0);
    // 12 bits of version 7's first field: the microseconds within the millisecond, so order holds within it.
    tail[0] = (sub_milli >> 8) as u8;
    tail[1] = (sub_milli & 0xff) as u8;
    tail[2..5].copy_from_slice(&count.to_be_bytes()[5..8]);
    assemble(now, tail)
}

/// An id that follows from `parts` alone, with the time of `origin`: whoever makes it again makes the same one.
pub fn derived(origin: Uuid, kind: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Context::new(&SHA256);
    hash.update(kind.as_bytes());
    hash.update(origin.as_bytes());
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash.finish().as_ref()[..10]);
    assemble(time_of(origin), tail)
}

/// The time that an id carries, in whole milliseconds.
pub fn time_of(id: Uuid) -> Time {
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&id.as_bytes()[..6]);
    Time::from_micros(i64::from_be_bytes(millis).saturating_mul(1000))
}

/// The smallest id of `time`: every id made at or after it is greater or equal.
pub fn floor(time: Time) -> Uuid {
    assemble(time, [0; 10])
}

/// From which id on, and before which, all ids of the time of `id` are: those that were derived from it among them.
pub fn same_time(id: Uuid) -> (Uuid, Uuid) {
    let time = time_of(id);
    (floor(time), floor(time.plus(std::time::Duration::from_millis(1))))
}

/// SHA-256, for keys that compare texts of any length in 32 bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&SHA256, bytes).as_ref());
    out
}

/// SHA-256 of a text that comes piece by piece.
#[derive(Clone)]
pub struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Sha256 {
    /// Adds a piece.
    pub fn feed(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all pieces.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

fn assemble(time: Time, tail: [u8; 10]) -> Uuid {
    let millis = u64::try_from(time.millis()).unwrap_or(0);
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&tail);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    Uuid::from_bytes(bytes)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id that carries `now`.
            pub fn fresh(now: Time) -> Self {
                Self(fresh(now))
            }
            /// The bytes, to derive other ids from.
            pub fn bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )* };
}

ids! {
    /// A tenant.
    ProjectId
    /// An event that was accepted.
    EventId
    /// A rule, over all its versions.
    RuleId
    /// A person's account in a project.
    UserId
    /// A role in a project.
    RoleId
    /// An API key.
    KeyId
    /// What a rule and group are about, from its opening to its resolution.
    AlertId
    /// What keeps matches from ringing for a while.
    SilenceId
    /// What somebody is to be told.
    NotificationId
    /// One person's share in a notification.
    RecipientId
    /// One way to one target for one notification.
    DeliveryId
    /// A project's own HTTP endpoint for webhooks.
    EndpointId
    /// An account mail.
    MailId
    /// A job on a queue.
    JobId
    /// A process of Bellbuoy.
    ProcessId
    /// One due time of a schedule.
    TickId
    /// Work in the background, with progress and an end.
    RunId
    /// What a project says that events of a type are like.
    EventTypeId
}

/// A rule and group: SHA-256 over the rule's id and the text of the group's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub [u8; 32]);

impl GroupId {
    /// The group of `rule` with that key.
    pub fn new(rule: RuleId, key: &str) -> Self {
        Self(sha256(&[rule.bytes(), key.as_bytes()].concat()))
    }

    /// The group with that hash.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl ProjectId {
    /// The platform's own project: operators, platform rows and our own troubles belong to it.
    pub const PLATFORM: Self = Self(Uuid::nil());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ids_order_by_time_and_keep_the_order_of_one_process() {
        let now = Time::from_micros(1_700_000_000_123_456);
        let mut last = fresh(now);
        for step in 0..2000 {
            let next = fresh(Time::from_micros(now.micros() + step / 100));
            assert!(next > last, "{next} after {last}");
            assert_eq!(next.get_version_num(), 7);
            last = next;
        }
        assert_eq!(time_of(last).millis(), now.millis());
        assert!(floor(now) <= fresh(now));
    }

    #[test]
    fn derived_ids_follow_from_their_parts() {
        let origin = fresh(Time::from_micros(1_700_000_000_123_456));
        let one = derived(origin, "x", &[b"ab", b"c"]);
        assert_eq!(one, derived(origin, "x", &[b"ab", b"c"]));
        assert_ne!(one, derived(origin, "x", &[b"a", b"bc"]));
        assert_ne!(one, derived(origin, "y", &[b"ab", b"c"]));
        assert_eq!(time_of(one), time_of(origin));
        let (from, to) = same_time(origin);
        assert!(from <= one && one < to && from <= origin && origin < to);
        let later = fresh(Time::from_micros(1_700_000_000_124_000));
        assert!(later >= to, "{later} is of another time");
    }
}
