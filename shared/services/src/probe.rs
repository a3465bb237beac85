//! Whether the configured sealing key is the one that the store was sealed with. A process with another key would take
//! events and evaluate none, and what it sealed nobody else could read: it is told at the start, and does not serve.

use crate::reseal::{PROBE, try_open};
use config::Config;
use crypto::seal::{SealError, Sealer, UnknownKey};
use domain::id::ProjectId;
use domain::time::Time;
use store::sealed::Column;
use store::{Store, StoreError};

/// How many values of a column are looked at in a store that has no probe yet: a damaged one among them proves nothing.
const LOOK: i64 = 50;

/// Why the configured keys are not to be used with this store.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store was sealed with another key.
    #[error(
        "{0}; give the key that the store was sealed with as seal.key, or among seal.previous_keys while it is changed \
         (docs/operators/keys.md)"
    )]
    Unknown(UnknownKey),
    /// Development made its key anew, or looks for it in another place.
    #[error(
        "the store was sealed with a key that is not in {path}: put that file back, set seal.dev_key_path or seal.key, \
         or begin with an empty store"
    )]
    Missing {
        /// Where the key was looked for.
        path: String,
    },
    /// The key is the right one, and does not open what it sealed.
    #[error(
        "the row in seal_probe is damaged: the key that sealed it is configured and does not open it; delete the row, \
         and the next start looks at what else is sealed"
    )]
    Damaged,
    /// The key can't be read.
    #[error(transparent)]
    Seal(SealError),
    /// The store can't tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SealError> for KeyError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::UnknownKey(unknown) => Self::Unknown(unknown),
            other => Self::Seal(other),
        }
    }
}

/// The sealer for a store whose tables are those of this build, once it is sure that its keys fit. The first start leaves
/// a probe, by which all later ones know; in development it makes the key as well.
///
/// # Errors
/// When the keys don't fit, or can't be read.
pub async fn sealer(config: &Config, store: &Store, now: Time) -> Result<Sealer, KeyError> {
    let sealer = match Sealer::find(config)? {
        Some(sealer) => sealer,
        None if is_sealed(store).await? => {
            return Err(KeyError::Missing { path: config.seal.dev_key_path.display().to_string() });
        }
        None => Sealer::open(config)?,
    };
    if !check(store, &sealer).await? {
        let probe = sealer.seal(ProjectId::PLATFORM, PROBE, b"bellbuoy")?;
        // Another process may have been first, with another key.
        judge(&sealer, &store.keep_seal_probe(&probe, now).await?)?;
    }
    Ok(sealer)
}

/// Refuses keys that an existing probe speaks against, before a start changes anything, its tables included. Where there
/// is no probe, or no table for it yet, `sealer` judges later.
///
/// # Errors
/// When the keys don't fit, or the store is away.
pub async fn refuse_early(config: &Config, store: &Store) -> Result<(), KeyError> {
    let Some(sealer) = Sealer::find(config)? else { return Ok(()) };
    match store.seal_probe().await {
        Ok(Some(probe)) => judge(&sealer, &probe),
        Ok(None) | Err(StoreError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a probe proves that the keys fit; where there is none, nothing that is sealed speaks against them. Changes
/// nothing.
///
/// # Errors
/// When they don't fit, or the store is away.
pub async fn check(store: &Store, sealer: &Sealer) -> Result<bool, KeyError> {
    match store.seal_probe().await? {
        Some(probe) => judge(sealer, &probe).map(|()| true),
        None => judge_others(store, sealer).await.map(|()| false),
    }
}

/// As `check`, for a command that only reads and may find a store that has no tables yet.
///
/// # Errors
/// When the keys don't fit, or the store is away.
pub async fn known_sealer(config: &Config, store: &Store) -> Result<Option<Sealer>, KeyError> {
    let sealer = Sealer::find(config)?;
    if !store.is_current().await? {
        return Ok(sealer);
    }
    match &sealer {
        Some(sealer) => check(store, sealer).await.map(drop)?,
        None if is_sealed(store).await? => {
            return Err(KeyError::Missing { path: config.seal.dev_key_path.display().to_string() });
        }
        None => {}
    }
    Ok(sealer)
}

fn judge(sealer: &Sealer, probe: &[u8]) -> Result<(), KeyError> {
    match sealer.open_sealed(ProjectId::PLATFORM, PROBE, probe) {
        Ok(_) => Ok(()),
        Err(SealError::UnknownKey(unknown)) => Err(KeyError::Unknown(unknown)),
        Err(_) => Err(KeyError::Damaged),
    }
}

/// What may be sealed, but for signatures: they don't name their key.
fn columns() -> impl Iterator<Item = Column> {
    Column::ALL.into_iter().filter(|column| *column != Column::AuditCheckpoints)
}

async fn is_sealed(store: &Store) -> Result<bool, StoreError> {
    for column in columns() {
        if !store.sealed(column, None, 1).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks at what a store without a probe has: one value that opens proves the keys.
async fn judge_others(store: &Store, sealer: &Sealer) -> Result<(), KeyError> {
    let mut stranger = None;
    for column in columns() {
        for row in store.sealed(column, None, LOOK).await? {
            match try_open(sealer, column, &row) {
                Ok(()) => return Ok(()),
                Err(SealError::UnknownKey(unknown)) => {
                    stranger.get_or_insert(unknown);
                }
                // A damaged value says nothing of the key.
                Err(_) => {}
            }
        }
    }
    stranger.map_or(Ok(()), |unknown| Err(KeyError::Unknown(unknown)))
}
