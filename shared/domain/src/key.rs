//! API keys: `bb_<prefix>_<secret>`. The prefix finds the row, the hash of the secret proves the holder.

use crate::id::{KeyId, ProjectId, sha256};
use crate::time::Time;

use super::names::words;
use super::permission::{Action, Permission, Resource};

words! {
    /// What a key may do.
    Scope {
        /// Send events.
        EventsWrite = 1 "events:write",
        /// Change balances of transfer buckets.
        BucketsWrite = 2 "buckets:write",
        /// Send notifications.
        NotificationsWrite = 3 "notifications:write",
        /// Read what the project has.
        Read = 4 "read",
    }
}

const SENDS: &[Permission] = &[Permission::allow(Resource::Events, Action::Create)];
const NOTIFIES: &[Permission] = &[Permission::allow(Resource::Notifications, Action::Create)];
const READS: &[Permission] = &[
    Permission::allow(Resource::Events, Action::Read),
    Permission::allow(Resource::Rules, Action::Read),
    Permission::allow(Resource::Endpoints, Action::Read),
    Permission::allow(Resource::Alerts, Action::Read),
    Permission::allow(Resource::Notifications, Action::Read),
];

impl Scope {
    /// What a key of this scope may do, as permissions of users: a caller who creates one must hold all of these. An
    /// operation that both keys of a scope and people can call needs a permission that stands here.
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            // A change to a balance is a cause of events.
            Self::EventsWrite | Self::BucketsWrite => SENDS,
            Self::NotificationsWrite => NOTIFIES,
            Self::Read => READS,
        }
    }
}

/// A key as it is stored.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// What finds it.
    pub prefix: String,
    /// SHA-256 of the secret part. The secret has 256 bits of chance, so that a slow hash would add nothing.
    pub secret_hash: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
}

/// A key in its plain text, which exists only at its making and in requests.
pub struct PlainKey {
    /// What finds it.
    pub prefix: String,
    secret: String,
}

impl PlainKey {
    /// A new one by chance.
    pub fn fresh() -> Self {
        let prefix: [u8; 6] = rand::random();
        let secret: [u8; 32] = rand::random();
        Self { prefix: hex::encode(prefix), secret: hex::encode(secret) }
    }

    /// Reads `bb_<12 hex>_<64 hex>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, secret) = text.strip_prefix("bb_")?.split_once('_')?;
        let hex =
            |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
        (hex(prefix, 12) && hex(secret, 64))
            .then(|| Self { prefix: prefix.to_owned(), secret: secret.to_owned() })
    }

    /// The text that the holder keeps.
    pub fn text(&self) -> String {
        format!("bb_{}_{}", self.prefix, self.secret)
    }

    /// What is stored of the secret.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.secret.as_bytes())
    }
}

impl ApiKey {
    /// Whether `plain` is this key, in a time that does not depend on where they differ.
    pub fn is(&self, plain: &PlainKey) -> bool {
        let (mine, theirs) = (self.secret_hash, plain.hash());
        mine.iter().zip(theirs).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }

    /// Whether it may be used at `now`.
    pub fn is_valid(&self, now: Time) -> bool {
        self.revoked_at.is_none_or(|at| at > now) && self.expires_at.is_none_or(|at| at > now)
    }

    /// Whether it may do that.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_proved() {
        let plain = PlainKey::fresh();
        let key = ApiKey {
            id: KeyId::fresh(Time::default()),
            project: ProjectId::PLATFORM,
            name: "k".into(),
            prefix: plain.prefix.clone(),
            secret_hash: plain.hash(),
            scopes: vec![Scope::EventsWrite],
            expires_at: Some(Time::from_micros(10)),
            revoked_at: None,
        };
        let again = PlainKey::parse(&plain.text()).expect("own text");
        assert!(key.is(&again) && !key.is(&PlainKey::fresh()));
        assert!(key.is_valid(Time::from_micros(9)) && !key.is_valid(Time::from_micros(10)));
        assert!(key.may(Scope::EventsWrite) && !key.may(Scope::Read));
        for bad in [
            "",
            "bb_",
            "bb_12_34",
            "xx_000000000000_00",
            &plain.text()[1..],
            &format!("{}0", plain.text()),
        ] {
            assert!(PlainKey::parse(bad).is_none(), "{bad}");
        }
    }
}
