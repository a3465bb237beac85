//! Requests that send many events and may be sent again as a whole.

use std::time::Duration;

use uuid::Uuid;

use super::{Admin, AdminError};
use crate::reseal::answer_row;
use domain::id::fresh;
use domain::once::RequestKey;
use store::StoreError;
use store::once::answer_name;
use store::repeats::{Beginning, Begun};

/// How long a lease holds that is not renewed. A batch is over sooner, and an import renews it every second.
const LEASE: Duration = Duration::from_secs(15);

/// A request that is worked on here.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its key.
    pub key: RequestKey,
    lease: Uuid,
}

impl Held {
    /// A request under that key and lease.
    pub const fn new(key: RequestKey, lease: Uuid) -> Self {
        Self { key, lease }
    }
}

/// What came of a request with a key.
#[derive(Clone, Debug)]
pub enum Repeat {
    /// It is ours to do.
    Ours(Held),
    /// It was done, with a body of this hash, and this was answered.
    Done {
        /// SHA-256 of the body.
        body: [u8; 32],
        /// The body of the answer.
        answer: Vec<u8>,
    },
    /// The key came with another body.
    OtherBody,
    /// It is being done.
    UnderWay,
    /// It was done, and what was answered can't be read any more.
    Lost,
}

impl Admin {
    /// Begins a request, or tells what came of an earlier one with its key. `body` is the hash of its body, if that is
    /// known before it is done.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn begin_request(
        &self,
        key: RequestKey,
        body: Option<[u8; 32]>,
    ) -> Result<Repeat, AdminError> {
        let now = self.clock.now();
        let lease = fresh(now);
        let beginning = Beginning {
            key,
            body,
            lease,
            expires_at: now.plus(self.idempotency_ttl),
            dead_before: now.minus(LEASE),
        };
        let begun = self.store.begin_request(&beginning, now).await?;
        let key = beginning.key;
        Ok(match begun {
            Begun::Ours => Repeat::Ours(Held { key, lease }),
            Begun::OtherBody => Repeat::OtherBody,
            Begun::UnderWay => Repeat::UnderWay,
            Begun::Done { body, answer } => {
                match self.audit.sealer().open_sealed(key.project, &row(&key), &answer) {
                    Ok(answer) => Repeat::Done { body, answer },
                    Err(error) => {
                        let operation = key.operation.as_str();
                        tracing::warn!(%error, operation, project = %key.project, "a kept answer can't be opened");
                        Repeat::Lost
                    }
                }
            }
        })
    }

    /// Renews the lease of a request; false when another one has taken it over.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn hold_request(&self, held: &mut Held) -> Result<bool, AdminError> {
        let next = fresh(self.clock.now());
        let holds = self.store.hold_request(&held.key, held.lease, next).await?;
        if holds {
            held.lease = next;
        }
        Ok(holds)
    }

    /// Keeps what was answered to a request; false when another one has taken it over.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn finish_request(
        &self,
        held: &Held,
        body: [u8; 32],
        answer: &[u8],
    ) -> Result<bool, AdminError> {
        let key = &held.key;
        let sealed = self.audit.sealer().seal(key.project, &row(key), answer);
        let sealed = sealed.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(self.store.finish_request(key, held.lease, body, sealed).await?)
    }

    /// Gives a request back that was not brought to its end.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn give_up_request(&self, held: &Held) -> Result<(), AdminError> {
        Ok(self.store.give_up_request(&held.key, held.lease).await?)
    }
}

fn row(key: &RequestKey) -> Vec<u8> {
    answer_row(&answer_name(key.operation.number(), &key.hash))
}
