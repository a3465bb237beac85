//! The keys that sign access tokens: kept sealed in the store for all instances, and at hand here.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Sessions;
use crate::reseal::SIGNING_KEY;
use crypto::seal::SealError;
use crypto::tokens::SigningKey;
use domain::id::{ProjectId, fresh};
use store::StoreError;

/// How long a look at the signing keys speaks for those that follow, when a token names one that is not at hand: made-up
/// names must not become a load on the store.
const LOOK: Duration = Duration::from_millis(100);
/// How often the signing keys are read anyway.
const KEEP_UP: Duration = Duration::from_secs(10);

impl Sessions {
    pub(super) async fn signing_key(&self) -> Result<SigningKey, StoreError> {
        let at_hand = |keys: &[SigningKey]| keys.first().cloned();
        let known = at_hand(&self.keys.read().unwrap_or_else(PoisonError::into_inner).0);
        if let Some(key) = known {
            return Ok(key);
        }
        if let Some(key) = at_hand(&self.look_at_keys().await?) {
            return Ok(key);
        }
        self.rotate_signing_key(false).await?;
        at_hand(&self.look_at_keys().await?)
            .ok_or_else(|| StoreError::Unavailable("no signing key is at hand".into()))
    }

    /// Makes the key that signs from now on. What older ones signed holds until it ends, or with `at_once` no longer
    /// than the other processes need to notice.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn rotate_signing_key(&self, at_once: bool) -> Result<Uuid, StoreError> {
        let now = self.clock.now();
        let (id, secret) = (fresh(now), rand::random::<[u8; 32]>());
        let sealed = self
            .sealer
            .seal(ProjectId::PLATFORM, SIGNING_KEY, &secret)
            .map_err(StoreError::from)?;
        let succeeded = (!at_once).then(|| now.minus(self.config.access_ttl));
        self.store.add_signing_key(id, &sealed, succeeded, now).await?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = (Vec::new(), None);
        Ok(id)
    }

    /// Keeps up with the signing keys until `stop`: one that was retired elsewhere proves nothing here soon after.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(KEEP_UP)).await.is_some() {
            if let Err(error) = self.look_at_keys().await {
                tracing::debug!(%error, "signing keys were not read");
            }
        }
    }

    pub(super) async fn look_at_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        {
            let known = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            if known.1.is_some_and(|looked| looked.elapsed() < LOOK) {
                return Ok(known.0.clone());
            }
        }
        let sealed = self.store.signing_keys().await?;
        let (mut keys, mut unknown) = (Vec::with_capacity(sealed.len()), None);
        for (id, sealed) in sealed {
            match self.sealer.open_sealed(ProjectId::PLATFORM, SIGNING_KEY, &sealed) {
                Ok(secret) => keys.push(SigningKey::new(id, &secret)),
                Err(error) => {
                    tracing::error!(key = %id, %error, "a signing key can't be opened; tokens of it are refused");
                    unknown =
                        unknown.or(matches!(error, SealError::UnknownKey(_)).then_some(error));
                }
            }
        }
        // One that is damaged is replaced. One more of ours beside keys that we can't open would be one that others can't.
        if let (true, Some(error)) = (keys.is_empty(), unknown) {
            return Err(error.into());
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) =
            (keys.clone(), Some(Instant::now()));
        Ok(keys)
    }
}
