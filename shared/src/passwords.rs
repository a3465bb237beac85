//! Passwords: hashed with Argon2id, a few at a time and off the async threads, so that a storm of logins takes neither
//! the memory nor the threads that alerts need.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// How many may wait for their turn; who comes later is asked to try again.
const WAITING: usize = 128;
/// How long one may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many are being hashed.
    #[error("too many logins at once")]
    Busy,
    /// The hash that is stored is none, or hashing failed.
    #[error("a password can't be hashed: {0}")]
    Broken(String),
}

/// Hashes and proves passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    argon2: Argon2<'static>,
    /// The hash of nothing that anybody knows, proved when there is no account: an unknown one takes as long.
    nobody: Arc<str>,
}

impl Passwords {
    /// With a cost of `memory_kib` and `passes`, as many at once as `parallel`.
    ///
    /// # Errors
    /// When Argon2 does not take that cost.
    pub fn new(memory_kib: u32, passes: u32, parallel: usize) -> Result<Self, PasswordError> {
        let params = Params::new(memory_kib, passes, 1, None)
            .map_err(|error| PasswordError::Broken(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon2, &rand::random::<[u8; 32]>())?.into();
        Ok(Self {
            turns: Arc::new(Semaphore::new(parallel.max(1))),
            waiting: Arc::new(Semaphore::new(WAITING)),
            argon2,
            nobody,
        })
    }

    /// The text to store for a password.
    ///
    /// # Errors
    /// When too many are being hashed.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        self.in_turn(move || hash(&argon2, password.as_bytes())).await?
    }

    /// Whether the password is the one of `stored`. Without one it takes as long and is never right.
    ///
    /// # Errors
    /// When too many are being hashed, or what is stored is no hash.
    pub async fn verify(
        &self,
        password: &str,
        stored: Option<&str>,
    ) -> Result<bool, PasswordError> {
        let known = stored.is_some();
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        let stored = stored.unwrap_or(&self.nobody).to_owned();
        let same = self.in_turn(move || {
            let parsed = PasswordHash::new(&stored)
                .map_err(|error| PasswordError::Broken(error.to_string()))?;
            Ok(argon2.verify_password(password.as_bytes(), &parsed).is_ok())
        });
        Ok(same.await?? && known)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| PasswordError::Busy)?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, also when whoever asked is gone.
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| PasswordError::Broken(error.to_string()))
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, PasswordError> {
    let salt: [u8; 16] = rand::random();
    let hash: PasswordHash = argon2
        .hash_password_with_salt(password, &salt)
        .map_err(|error| PasswordError::Broken(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Passwords {
        Passwords::new(64, 1, 1).expect("a cost that Argon2 takes")
    }

    #[tokio::test]
    async fn a_password_is_proved_and_another_is_not() {
        let passwords = cheap();
        let stored = passwords.hash("correct horse").await.expect("hashes");
        assert!(stored.starts_with("$argon2id$v=19$"), "{stored}");
        assert_ne!(stored, passwords.hash("correct horse").await.expect("hashes"), "salted");
        assert!(passwords.verify("correct horse", Some(&stored)).await.expect("proves"));
        assert!(!passwords.verify("correct hors", Some(&stored)).await.expect("proves"));
        assert!(!passwords.verify("correct horse", None).await.expect("nobody"));
        assert!(passwords.verify("x", Some("no hash")).await.is_err());
    }

    #[tokio::test]
    async fn a_storm_is_turned_away_not_kept() {
        let passwords = cheap();
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..WAITING * 3 {
            let passwords = passwords.clone();
            all.spawn(async move { passwords.verify("x", None).await });
        }
        let results = all.join_all().await;
        let busy = |one: &Result<bool, _>| matches!(one, Err(PasswordError::Busy));
        assert!(results.iter().any(busy), "some are turned away");
        assert!(!results.iter().all(busy), "some are served");
    }
}
