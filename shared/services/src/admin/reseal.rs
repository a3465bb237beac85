//! Sealing anew what older keys sealed.

use serde_json::json;

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use crate::reseal::{Found, Mode, walk};
use crypto::seal::SealId;
use domain::audit::AuditAction;
use domain::id::ProjectId;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Resealed {
    /// The key that seals.
    pub newest: SealId,
    /// The keys that only open.
    pub previous: Vec<SealId>,
    /// What was found in each column.
    pub found: Vec<Found>,
}

impl Resealed {
    /// How many values older keys sealed, by what was found.
    pub fn older(&self) -> u64 {
        self.found.iter().map(|one| one.older).sum()
    }

    /// How many values no known key opens.
    pub fn broken(&self) -> u64 {
        self.found.iter().map(|one| one.broken).sum()
    }
}

impl Admin {
    /// Walks everything that is sealed. Whatever older keys sealed is sealed with the newest, or only counted.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn reseal(
        &self,
        mode: Mode,
        tell: impl FnMut(&Found),
    ) -> Result<Resealed, AdminError> {
        let sealer = self.audit.sealer();
        let found = walk(&self.store, sealer, mode, tell).await?;
        let done = Resealed { newest: sealer.key_id(), previous: sealer.previous_ids(), found };
        if mode == Mode::Reseal && done.older() > 0 {
            let after = json!({ "key": done.newest.to_string(), "resealed": done.older() });
            let platform = ProjectId::PLATFORM;
            let audited = AuditedAction {
                after: Some(after),
                ..AuditedAction::new(AuditAction::KeyReseal, platform.0)
            };
            let entry = self.audit.entry(platform, &Initiator::system(), audited).await?;
            self.store.note(platform, &entry, self.clock.now()).await?;
        }
        Ok(done)
    }
}
