//! Passwords: hashed with Argon2id, a few at a time and off the async threads, so that a storm of logins takes neither
//! the memory nor the threads that alerts need.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{Semaphore, oneshot};

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

/// Something to do on a thread.
type Work = Box<dyn FnOnce() + Send>;

/// Threads that hash and do nothing else; they end with this value. The allocator keeps memory for each thread that ever
/// asked for some, so that hashing on any of many threads would in the end keep as many times the memory of one hash.
#[derive(Clone)]
struct Threads(Sender<Work>);

impl Threads {
    fn start(count: usize) -> Result<Self, PasswordError> {
        let (sender, receiver) = channel::<Work>();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..count {
            let receiver = Arc::clone(&receiver);
            let started = std::thread::Builder::new()
                .name("passwords".to_owned())
                .spawn(move || work(&receiver));
            started.map_err(|error| PasswordError::Broken(error.to_string()))?;
        }
        Ok(Self(sender))
    }
}

fn work(receiver: &Mutex<Receiver<Work>>) {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(next) = next else { return };
        // Whoever waits for it learns of a panic because nothing comes; the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(next));
    }
}

/// Hashes and proves passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    threads: Threads,
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
            threads: Threads::start(parallel.max(1))?,
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
        let (sender, done) = oneshot::channel();
        let work = move || {
            // The turn ends with the work, also when whoever asked is gone.
            let _turn = turn;
            let _ = sender.send(work());
        };
        let gone = || PasswordError::Broken("the threads that hash are gone".to_owned());
        self.threads.0.send(Box::new(work)).map_err(|_| gone())?;
        done.await.map_err(|_| gone())
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
    async fn what_panics_takes_no_thread_with_it() {
        let passwords = cheap();
        for _ in 0..3 {
            let gone = passwords.in_turn(|| panic!("on purpose")).await;
            assert!(matches!(gone, Err::<(), _>(PasswordError::Broken(_))), "{gone:?}");
        }
        assert_eq!(passwords.in_turn(|| 1).await.expect("the thread is there"), 1);
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
