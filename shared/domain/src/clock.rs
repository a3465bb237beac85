//! What time it is, in one place, so that tests can hold it still.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::Time;

/// The clock that every decision reads.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's own.
    #[default]
    System,
    /// Set by hand: it stands still until somebody moves it.
    Manual(ManualClock),
}

/// A clock that only moves when told to.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `time`.
    pub fn at(time: Time) -> Self {
        Self(Arc::new(AtomicI64::new(time.micros())))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap_or(0), Ordering::SeqCst);
    }

    fn set(&self, time: Time) {
        self.0.store(time.micros(), Ordering::SeqCst);
    }

    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::SeqCst))
    }
}

impl Clock {
    /// The current time.
    pub fn now(&self) -> Time {
        match self {
            Self::System => system(),
            Self::Manual(clock) => clock.now(),
        }
    }

    /// A clock that follows the microseconds in a file, read every 20 ms: one time for many processes under test.
    ///
    /// # Errors
    /// When the file can't be read or holds no number.
    pub fn following(path: PathBuf) -> std::io::Result<Self> {
        let clock = ManualClock::at(read(&path)?);
        let follower = clock.clone();
        std::thread::spawn(move || {
            // The process ends with the file's owner; a file caught half-written is read again.
            loop {
                std::thread::sleep(Duration::from_millis(20));
                if let Ok(time) = read(&path) {
                    follower.set(time);
                }
            }
        });
        Ok(Self::Manual(clock))
    }
}

fn read(path: &PathBuf) -> std::io::Result<Time> {
    let text = std::fs::read_to_string(path)?;
    text.trim().parse().map(Time::from_micros).map_err(std::io::Error::other)
}

fn system() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
