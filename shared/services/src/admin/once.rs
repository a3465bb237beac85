//! Deeds that are done once: what a repeat is answered with.

use std::time::Duration;

use uuid::Uuid;

use super::{Admin, AdminError};
use crate::reseal::answer_row;
use crypto::seal::SealError;
use domain::id::{ProjectId, UserId, time_of};
use domain::once::{Kept, Once, Operation};
use store::StoreError;
use store::once::answer_name;

/// How long a request whose answer is not there is taken to be under way.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// What came of a key that was used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// This was answered.
    Answer {
        /// The status.
        status: u16,
        /// The body, byte for byte.
        body: Vec<u8>,
    },
    /// It came with another body.
    OtherBody,
    /// It is being done just now.
    UnderWay,
    /// It was done and made this, and what was answered is lost.
    Lost(Uuid),
}

impl Admin {
    /// The key `text` of somebody for an operation, with what they ask for.
    pub fn once(
        &self,
        project: ProjectId,
        user: UserId,
        operation: Operation,
        (text, what): (&str, &[u8]),
    ) -> Once {
        let expires_at = self.clock.now().plus(self.idempotency_ttl);
        Once::new(project, user, operation, (text, what), expires_at)
    }

    /// What came of a key, if it was used before.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn recall(&self, once: &Once) -> Result<Option<Recalled>, AdminError> {
        let now = self.clock.now();
        let Some(Kept { result, body, answer }) = self.store.kept_once(once, now).await? else {
            return Ok(None);
        };
        if body != once.key.body {
            return Ok(Some(Recalled::OtherBody));
        }
        let lost = Recalled::Lost(result);
        Ok(Some(match answer {
            Some(sealed) => self.opened(once, &sealed)?.unwrap_or(lost),
            None if now.since(time_of(result)) < UNDER_WAY => Recalled::UnderWay,
            None => lost,
        }))
    }

    /// A damaged answer is lost; one of a key that is not configured is not, and is told once that is.
    fn opened(&self, once: &Once, sealed: &[u8]) -> Result<Option<Recalled>, StoreError> {
        let row = row(once);
        match self.audit.sealer().open_sealed(once.project, &row, sealed) {
            Ok(plain) => Ok(plain.split_first_chunk().map(|(status, body)| Recalled::Answer {
                status: u16::from_be_bytes(*status),
                body: body.to_vec(),
            })),
            Err(error @ SealError::UnknownKey(_)) => Err(error.into()),
            Err(error) => {
                let operation = once.operation.as_str();
                tracing::warn!(%error, operation, project = %once.project, "a kept answer can't be opened");
                Ok(None)
            }
        }
    }

    /// Keeps what was answered to the request that claimed a key.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn keep_answer(
        &self,
        once: &Once,
        status: u16,
        body: &[u8],
    ) -> Result<(), AdminError> {
        let plain = [status.to_be_bytes().as_slice(), body].concat();
        let sealed = self.audit.sealer().seal(once.project, &row(once), &plain);
        let sealed = sealed.map_err(StoreError::from)?;
        Ok(self.store.keep_answer(once, sealed).await?)
    }
}

fn row(once: &Once) -> Vec<u8> {
    answer_row(&answer_name(once.operation.number(), &once.key.hash))
}
