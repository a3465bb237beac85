//! Passwords: hashed with Argon2id, a few at a time and off the async threads, so that a storm of logins takes neither
//! the memory nor the threads that alerts need.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{Semaphore, oneshot};

/// How many may wait for their turn; who comes later is asked to try again.
const WAITING: usize = 128;
/// How long one may wait for its turn. A login waits for two, to be counted and to be hashed, and should be told in good
/// time that there are too many.
pub const PATIENCE: Duration = Duration::from_secs(4);

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

/// What hashing one password works in.
type Memory = Vec<Block>;

/// Something to do on a thread, in its memory.
type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// Threads that hash and do nothing else, each with memory that it asks for once and keeps; they end with this value.
/// Memory that is asked for and given back for each hash adds up: the allocator of glibc keeps some for each thread, and
/// for blocks that are aligned like these it finds no use for what was given back.
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
            started.map_err(broken)?;
        }
        Ok(Self(sender))
    }
}

fn work(receiver: &Mutex<Receiver<Work>>) {
    let mut memory = Memory::new();
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(next) = next else { return };
        // Whoever waits for it learns of a panic because nothing comes; the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| next(&mut memory)));
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
        let params = Params::new(memory_kib, passes, 1, None).map_err(broken)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut memory = Memory::new();
        let nobody = hash(&argon2, &rand::random::<[u8; 32]>(), &mut memory)?.into();
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
        self.in_turn(move |memory| hash(&argon2, password.as_bytes(), memory)).await?
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
        let password = password.to_owned();
        let stored = stored.unwrap_or(&self.nobody).to_owned();
        let same = self.in_turn(move |memory| proves(password.as_bytes(), &stored, memory));
        Ok(same.await?? && known)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| PasswordError::Busy)?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Busy)?;
        let (sender, done) = oneshot::channel();
        let work = move |memory: &mut Memory| {
            // The turn ends with the work, also when whoever asked is gone.
            let _turn = turn;
            let _ = sender.send(work(memory));
        };
        let gone = || PasswordError::Broken("the threads that hash are gone".to_owned());
        self.threads.0.send(Box::new(work)).map_err(|_| gone())?;
        done.await.map_err(|_| gone())
    }
}

fn broken(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Broken(error.to_string())
}

/// The text to store for a password, with a salt of its own.
fn hash(
    argon2: &Argon2<'_>,
    password: &[u8],
    memory: &mut Memory,
) -> Result<String, PasswordError> {
    let salt: [u8; 16] = rand::random();
    let mut derived = [0; Params::DEFAULT_OUTPUT_LEN];
    derive(argon2, password, &salt, &mut derived, memory)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params()).map_err(broken)?,
        salt: Some(Salt::new(&salt).map_err(broken)?),
        hash: Some(Output::new(&derived).map_err(broken)?),
    };
    Ok(hash.to_string())
}

/// Whether a password is that of a stored text, at the cost that the text names: an older one may have been cheaper.
fn proves(password: &[u8], stored: &str, memory: &mut Memory) -> Result<bool, PasswordError> {
    let stored = PasswordHash::new(stored).map_err(broken)?;
    let (Some(salt), Some(wanted)) = (&stored.salt, &stored.hash) else {
        return Err(broken("a salt or the hash is missing"));
    };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(broken)?;
    let version = stored.version.unwrap_or(Version::V0x13.into());
    let version = Version::try_from(version).map_err(broken)?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored).map_err(broken)?);
    let mut derived = vec![0; wanted.as_ref().len()];
    derive(&argon2, password, salt.as_ref(), &mut derived, memory)?;
    // Outputs are compared in the same time wherever they differ.
    Ok(Output::new(&derived).map_err(broken)? == *wanted)
}

/// Hashes in `memory`, which grows to what it takes and holds nothing of the password afterwards.
fn derive(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    derived: &mut [u8],
    memory: &mut Memory,
) -> Result<(), PasswordError> {
    let needed = argon2.params().block_count();
    if memory.len() < needed {
        // What is there is given back first: both at once would be too much.
        *memory = Memory::new();
        memory.resize(needed, Block::new());
    }
    let blocks = memory.get_mut(..needed).unwrap_or_default();
    let done = argon2.hash_password_into_with_memory(password, salt, derived, &mut *blocks);
    blocks.fill(Block::new());
    done.map_err(broken)
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
    async fn what_argon2_itself_has_written_is_understood_and_the_other_way_round() {
        use argon2::password_hash::{PasswordHasher, PasswordVerifier};
        let passwords = cheap();
        for (memory, passes) in [(64, 1), (128, 2), (64, 3)] {
            let params = Params::new(memory, passes, 1, None).expect("a cost");
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let theirs =
                argon2.hash_password_with_salt(b"correct horse", &[7; 16]).expect("hashes");
            let theirs = theirs.to_string();
            assert!(passwords.verify("correct horse", Some(&theirs)).await.expect("proves"));
            assert!(!passwords.verify("correct hors", Some(&theirs)).await.expect("proves"));
        }
        let ours = passwords.hash("correct horse").await.expect("hashes");
        let ours = PasswordHash::new(&ours).expect("a hash");
        assert!(Argon2::default().verify_password(b"correct horse", &ours).is_ok());
        assert!(Argon2::default().verify_password(b"correct hors", &ours).is_err());
    }

    #[tokio::test]
    async fn what_panics_takes_no_thread_with_it() {
        let passwords = cheap();
        for _ in 0..3 {
            let gone = passwords.in_turn(|_| panic!("on purpose")).await;
            assert!(matches!(gone, Err::<(), _>(PasswordError::Broken(_))), "{gone:?}");
        }
        assert_eq!(passwords.in_turn(|_| 1).await.expect("the thread is there"), 1);
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
