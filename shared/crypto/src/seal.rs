//! Sealing: secrets stand in the store encrypted, with the id of the key that opens them, so that keys can be rotated.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::hmac;

use config::Config;
use config::private;
use domain::id::{ProjectId, sha256};

/// Seals with the newest key, and opens with any that it knows. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    /// The newest first: there is always one.
    keys: Arc<(Known, Vec<Known>)>,
}

/// A key that is known, and what follows from it.
struct Known {
    key: LessSafeKey,
    derived: Prk,
    id: SealId,
}

/// What sealed bytes name their key by: the first bytes of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealId([u8; 4]);

impl fmt::Display for SealId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The key that sealed bytes name, if they are sealed at all.
pub fn key_of(sealed: &[u8]) -> Option<SealId> {
    let (head, _) = sealed.split_at_checked(1 + 4)?;
    let id = head[1..].try_into().ok()?;
    (head[0] == VERSION).then_some(SealId(id))
}

/// Why something can't be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file can't be read or made.
    #[error("the sealing key at {path}: {why}")]
    KeyFile {
        /// Where it should be.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// It was sealed with a key that is not configured.
    #[error("{0}")]
    UnknownKey(UnknownKey),
    /// It is not sealed, was sealed for another project or row, or was changed since.
    #[error("sealed for something else, or damaged")]
    Unopenable,
}

/// A key that something was sealed with and that is not configured, and those that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key that sealed it.
    pub sealed_with: SealId,
    /// `seal.key` first, then `seal.previous_keys`.
    pub known: Vec<SealId>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known = self.known.iter().map(ToString::to_string);
        let newest = known.next().unwrap_or_default();
        let previous: Vec<String> = known.collect();
        let previous = if previous.is_empty() { "none".to_owned() } else { previous.join(", ") };
        write!(
            f,
            "the sealing key does not fit: it was sealed with the key {}, and seal.key is {newest}, \
             seal.previous_keys: {previous}",
            self.sealed_with
        )
    }
}

const VERSION: u8 = 1;

impl Known {
    fn new(bytes: [u8; 32]) -> Result<Self, SealError> {
        let unbound = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::Unopenable)?;
        let hash = sha256(&bytes);
        Ok(Self {
            key: LessSafeKey::new(unbound),
            derived: Salt::new(HKDF_SHA256, b"bellbuoy derived keys").extract(&bytes),
            id: SealId([hash[0], hash[1], hash[2], hash[3]]),
        })
    }

    fn derive(&self, purpose: &str) -> Result<[u8; 32], SealError> {
        let mut key = [0; 32];
        self.derived
            .expand(&[purpose.as_bytes()], HKDF_SHA256)
            .and_then(|derived| derived.fill(&mut key))
            .map_err(|_| SealError::Unopenable)?;
        Ok(key)
    }

    fn signer(&self, purpose: &str) -> Result<hmac::Key, SealError> {
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &self.derive(purpose)?))
    }

    fn has_signed(&self, purpose: &str, text: &[u8], signature: &[u8]) -> bool {
        self.signer(purpose).is_ok_and(|key| hmac::verify(&key, text, signature).is_ok())
    }
}

impl Sealer {
    /// The sealer with the configured keys; in development one is made in a file if it is not there.
    ///
    /// # Errors
    /// When the key file can't be read or made.
    pub fn open(config: &Config) -> Result<Self, SealError> {
        if let Some(sealer) = Self::find(config)? {
            return Ok(sealer);
        }
        make_development_key(&config.seal.dev_key_path)?;
        Self::find(config)?.ok_or(SealError::KeyFile {
            path: config.seal.dev_key_path.display().to_string(),
            why: "it was taken away just now".to_owned(),
        })
    }

    /// The sealer with the configured keys, if there are any: development may not have made its own yet.
    ///
    /// # Errors
    /// When the key file can't be read.
    pub fn find(config: &Config) -> Result<Option<Self>, SealError> {
        let newest = match &config.seal.key {
            Some(key) => Some(*key.expose().bytes()),
            None => development_key(&config.seal.dev_key_path)?,
        };
        let Some(newest) = newest else { return Ok(None) };
        let previous = config.seal.previous_keys.iter().map(|key| *key.expose().bytes());
        Self::with_keys(newest, previous).map(Some)
    }

    /// The sealer with this key alone.
    ///
    /// # Errors
    /// Never for 32 bytes.
    pub fn with_key(key: [u8; 32]) -> Result<Self, SealError> {
        Self::with_keys(key, [])
    }

    /// The sealer with this key, which opens what `previous` ones sealed as well.
    ///
    /// # Errors
    /// Never for 32 bytes each.
    pub fn with_keys(
        newest: [u8; 32],
        previous: impl IntoIterator<Item = [u8; 32]>,
    ) -> Result<Self, SealError> {
        let previous: Result<Vec<Known>, SealError> =
            previous.into_iter().filter(|key| *key != newest).map(Known::new).collect();
        Ok(Self { keys: Arc::new((Known::new(newest)?, previous?)) })
    }

    fn newest(&self) -> &Known {
        &self.keys.0
    }

    fn known(&self) -> impl Iterator<Item = &Known> {
        std::iter::once(&self.keys.0).chain(&self.keys.1)
    }

    /// The key that seals.
    pub fn key_id(&self) -> SealId {
        self.newest().id
    }

    /// The keys that only open.
    pub fn previous_ids(&self) -> Vec<SealId> {
        self.keys.1.iter().map(|one| one.id).collect()
    }

    /// A key for another purpose, which tells nothing of the sealing key or of the keys for other purposes (RFC 5869).
    ///
    /// # Errors
    /// Never for 32 bytes.
    pub fn derive(&self, purpose: &str) -> Result<[u8; 32], SealError> {
        self.newest().derive(purpose)
    }

    /// The keys for that purpose which follow from each known key, the newest first: what an older one made must go on
    /// being recognised.
    ///
    /// # Errors
    /// Never for 32 bytes.
    pub fn derive_all(&self, purpose: &str) -> Result<Vec<[u8; 32]>, SealError> {
        self.known().map(|one| one.derive(purpose)).collect()
    }

    /// Seals bytes for one row of one project: they open nowhere else.
    ///
    /// # Errors
    /// Never in practice.
    pub fn seal(&self, project: ProjectId, row: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let newest = self.newest();
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = plain.to_vec();
        let aad = Aad::from([project.bytes(), row].concat());
        newest
            .key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| SealError::Unopenable)?;
        Ok([&[VERSION][..], &newest.id.0, &nonce, &sealed].concat())
    }

    /// Opens what `seal` made for the same row, with any of the known keys.
    ///
    /// # Errors
    /// When it was sealed with another key or for something else, or was changed.
    pub fn open_sealed(
        &self,
        project: ProjectId,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let id = key_of(sealed).ok_or(SealError::Unopenable)?;
        let known = self.known().find(|one| one.id == id).ok_or_else(|| {
            let known = self.known().map(|one| one.id).collect();
            SealError::UnknownKey(UnknownKey { sealed_with: id, known })
        })?;
        let rest = &sealed[1 + 4..];
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Unopenable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Unopenable)?;
        let mut plain = sealed.to_vec();
        let aad = Aad::from([project.bytes(), row].concat());
        let opened =
            known.key.open_in_place(nonce, aad, &mut plain).map_err(|_| SealError::Unopenable)?;
        Ok(opened.to_vec())
    }

    /// Whether the newest key sealed it.
    pub fn is_newest(&self, sealed: &[u8]) -> bool {
        key_of(sealed) == Some(self.key_id())
    }

    /// The same, sealed anew with the newest key.
    ///
    /// # Errors
    /// When it does not open.
    pub fn reseal(
        &self,
        project: ProjectId,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.seal(project, row, &self.open_sealed(project, row, sealed)?)
    }
}

impl Sealer {
    /// Signs something that everybody may read, with a key that follows from the newest and is for `purpose` alone.
    ///
    /// # Errors
    /// Never in practice.
    pub fn sign(&self, purpose: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(hmac::sign(&self.newest().signer(purpose)?, text).as_ref().to_vec())
    }

    /// Whether `sign` made this for the same purpose and text, with any of the known keys.
    pub fn is_signed(&self, purpose: &str, text: &[u8], signature: &[u8]) -> bool {
        self.known().any(|one| one.has_signed(purpose, text, signature))
    }

    /// Whether the newest key signed it.
    pub fn is_newly_signed(&self, purpose: &str, text: &[u8], signature: &[u8]) -> bool {
        self.newest().has_signed(purpose, text, signature)
    }
}

fn key_file(path: &std::path::Path, why: impl ToString) -> SealError {
    SealError::KeyFile { path: path.display().to_string(), why: why.to_string() }
}

/// The key that development made for itself, if it did.
fn development_key(path: &std::path::Path) -> Result<Option<[u8; 32]>, SealError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| key_file(path, error))?,
    };
    let bytes = STANDARD.decode(text.trim()).map_err(|error| key_file(path, error))?;
    let right = "it holds no 32 bytes in base64";
    bytes.try_into().map(Some).map_err(|_| key_file(path, right))
}

/// Makes it; of several processes that do so at once, all find the same one.
fn make_development_key(path: &std::path::Path) -> Result<(), SealError> {
    let key: [u8; 32] = rand::random();
    if let Some(folder) = path.parent() {
        private::folder(folder, private::FOLDER).map_err(|error| key_file(path, error))?;
    }
    private::write_once(path, &STANDARD.encode(key)).map_err(|error| key_file(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_keys_follow_from_key_and_purpose() {
        let derive = |key, purpose| {
            Sealer::with_key([key; 32]).and_then(|sealer| sealer.derive(purpose)).expect("derives")
        };
        assert_eq!(derive(7, "a"), derive(7, "a"));
        assert_ne!(derive(7, "a"), derive(7, "b"));
        assert_ne!(derive(7, "a"), derive(8, "a"));
        assert_ne!(derive(7, "a"), [7; 32]);
    }

    #[test]
    fn a_signature_holds_for_its_key_purpose_and_text() {
        let sealer = Sealer::with_key([7; 32]).expect("key");
        let signature = sealer.sign("one", b"text").expect("signs");
        assert!(sealer.is_signed("one", b"text", &signature));
        assert!(!sealer.is_signed("other", b"text", &signature));
        assert!(!sealer.is_signed("one", b"texts", &signature));
        assert!(!sealer.is_signed("one", b"text", &signature[1..]));
        let other = Sealer::with_key([8; 32]).expect("key");
        assert!(!other.is_signed("one", b"text", &signature));
    }

    #[test]
    fn previous_keys_open_and_the_newest_seals() {
        let project = ProjectId(uuid::Uuid::from_u128(1));
        let old = Sealer::with_key([7; 32]).expect("key");
        let both = Sealer::with_keys([8; 32], [[7; 32], [8; 32]]).expect("keys");
        let new = Sealer::with_key([8; 32]).expect("key");
        assert_eq!((both.key_id(), both.previous_ids()), (new.key_id(), vec![old.key_id()]));
        let sealed = old.seal(project, b"row", b"secret").expect("seals");
        assert!(new.open_sealed(project, b"row", &sealed).is_err(), "not without the old key");
        assert_eq!(both.open_sealed(project, b"row", &sealed).expect("opens"), b"secret");
        assert!(!both.is_newest(&sealed) && key_of(&sealed) == Some(old.key_id()));
        assert!(both.reseal(project, b"other", &sealed).is_err(), "it stays bound to its row");
        let anew = both.reseal(project, b"row", &sealed).expect("reseals");
        assert!(both.is_newest(&anew));
        assert_eq!(new.open_sealed(project, b"row", &anew).expect("opens"), b"secret");
        let signature = old.sign("one", b"text").expect("signs");
        assert!(both.is_signed("one", b"text", &signature));
        assert!(!both.is_newly_signed("one", b"text", &signature));
        assert!(new.is_signed("one", b"text", &both.sign("one", b"text").expect("signs")));
        let derived = both.derive_all("x").expect("derives");
        let each = [new.derive("x").expect("derives"), old.derive("x").expect("derives")];
        assert_eq!(derived, each);
        for short in [&[][..], &[1], &[1, 2, 3, 4], &[9, 0, 0, 0, 0]] {
            assert_eq!(key_of(short), None, "{short:?}");
        }
    }

    #[test]
    fn opens_only_for_its_row_and_key() {
        let sealer = Sealer::with_key([7; 32]).expect("key");
        let (mine, other) =
            (ProjectId(uuid::Uuid::from_u128(1)), ProjectId(uuid::Uuid::from_u128(2)));
        let sealed = sealer.seal(mine, b"row", b"secret").expect("seals");
        assert_eq!(sealer.open_sealed(mine, b"row", &sealed).expect("opens"), b"secret");
        assert!(sealer.open_sealed(other, b"row", &sealed).is_err());
        assert!(sealer.open_sealed(mine, b"other", &sealed).is_err());
        assert!(
            Sealer::with_key([8; 32]).expect("key").open_sealed(mine, b"row", &sealed).is_err()
        );
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(sealer.open_sealed(mine, b"row", &damaged).is_err(), "byte {at}");
            assert!(sealer.open_sealed(mine, b"row", &sealed[..at]).is_err(), "cut at {at}");
        }
    }
}
