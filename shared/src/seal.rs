//! Sealing: secrets stand in the store encrypted, with the id of the key that opens them, so that keys can be rotated.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::hmac;

use crate::config::Config;
use crate::id::{ProjectId, sha256};

/// Seals and opens.
#[derive(Clone)]
pub struct Sealer {
    key: std::sync::Arc<LessSafeKey>,
    derived: Prk,
    id: [u8; 4],
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
    /// It was sealed with another key, for another project or row, or changed since.
    #[error("sealed with another key, for something else, or damaged")]
    Unopenable,
}

const VERSION: u8 = 1;

impl Sealer {
    /// The sealer with the configured key; in development one is made in a file at the first start.
    ///
    /// # Errors
    /// When the key file can't be read or made.
    pub fn open(config: &Config) -> Result<Self, SealError> {
        match &config.seal.key {
            Some(key) => Self::with_key(*key.expose().bytes()),
            None => Self::with_key(development_key(&config.seal.dev_key_path)?),
        }
    }

    /// The sealer with this key.
    ///
    /// # Errors
    /// Never for 32 bytes.
    pub fn with_key(key: [u8; 32]) -> Result<Self, SealError> {
        let unbound = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| SealError::Unopenable)?;
        let hash = sha256(&key);
        Ok(Self {
            key: std::sync::Arc::new(LessSafeKey::new(unbound)),
            derived: Salt::new(HKDF_SHA256, b"bellbuoy derived keys").extract(&key),
            id: [hash[0], hash[1], hash[2], hash[3]],
        })
    }

    /// A key for another purpose, which tells nothing of the sealing key or of the keys for other purposes (RFC 5869).
    ///
    /// # Errors
    /// Never for 32 bytes.
    pub fn derive(&self, purpose: &str) -> Result<[u8; 32], SealError> {
        let mut key = [0; 32];
        self.derived
            .expand(&[purpose.as_bytes()], HKDF_SHA256)
            .and_then(|derived| derived.fill(&mut key))
            .map_err(|_| SealError::Unopenable)?;
        Ok(key)
    }

    /// Seals bytes for one row of one project: they open nowhere else.
    ///
    /// # Errors
    /// Never in practice.
    pub fn seal(&self, project: ProjectId, row: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = plain.to_vec();
        let aad = Aad::from([project.bytes(), row].concat());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| SealError::Unopenable)?;
        Ok([&[VERSION][..], &self.id, &nonce, &sealed].concat())
    }

    /// Opens what `seal` made for the same row.
    ///
    /// # Errors
    /// When it was sealed with another key or for something else, or was changed.
    pub fn open_sealed(
        &self,
        project: ProjectId,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let (head, rest) = sealed.split_at_checked(1 + 4).ok_or(SealError::Unopenable)?;
        if head[0] != VERSION || head[1..] != self.id {
            return Err(SealError::Unopenable);
        }
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Unopenable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Unopenable)?;
        let mut plain = sealed.to_vec();
        let aad = Aad::from([project.bytes(), row].concat());
        let opened =
            self.key.open_in_place(nonce, aad, &mut plain).map_err(|_| SealError::Unopenable)?;
        Ok(opened.to_vec())
    }
}

impl Sealer {
    /// Signs something that everybody may read, with a key that follows from this one and is for `purpose` alone.
    ///
    /// # Errors
    /// Never in practice.
    pub fn sign(&self, purpose: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(hmac::sign(&self.signer(purpose)?, text).as_ref().to_vec())
    }

    /// Whether `sign` made this for the same purpose and text.
    pub fn is_signed(&self, purpose: &str, text: &[u8], signature: &[u8]) -> bool {
        self.signer(purpose).is_ok_and(|key| hmac::verify(&key, text, signature).is_ok())
    }

    fn signer(&self, purpose: &str) -> Result<hmac::Key, SealError> {
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &self.derive(purpose)?))
    }
}

fn development_key(path: &std::path::Path) -> Result<[u8; 32], SealError> {
    let fault = |why: String| SealError::KeyFile { path: path.display().to_string(), why };
    if !path.exists() {
        let key: [u8; 32] = rand::random();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| fault(error.to_string()))?;
        }
        write_new(path, &STANDARD.encode(key)).map_err(|error| fault(error.to_string()))?;
    }
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let bytes = STANDARD.decode(text.trim()).map_err(|error| fault(error.to_string()))?;
    bytes.try_into().map_err(|_| fault("expected 32 bytes as base64".into()))
}

/// Writes a file that only its owner can read; one that another process made meanwhile stays as it is.
fn write_new(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
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
