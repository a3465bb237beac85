//! The processes that serve: each writes a beat to the store and watches the others'. Engines that only one process may
//! use are guarded here.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use config::private;
use config::{Config, CoordinationUrl, RegistryConfig, StoreUrl};
use domain::clock::Clock;
use domain::id::ProcessId;
use store::processes::Process;
use store::{Store, StoreError};

/// This process among the others.
pub struct Registry {
    me: Process,
    store: Store,
    clock: Clock,
    config: RegistryConfig,
    live: AtomicU32,
    // Held as long as the process serves; the system drops it with the process, however that ends.
    _lock: Option<File>,
}

/// Why a process may not serve.
#[derive(Debug, thiserror::Error)]
pub enum RefusedToServe {
    /// The database file is served by another process.
    #[error(
        "another process serves {path}: SQLite is for one process; stop the other one, or use PostgreSQL (store.url)"
    )]
    FileInUse {
        /// The lock file.
        path: String,
    },
    /// The lock file can't be made.
    #[error("the lock file {path}: {why}")]
    LockFile {
        /// Where.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Coordination in memory can't reach the other process.
    #[error(
        "process {pid} on {host} ({role}) is alive, and coordination.url is memory:, which joins only one process; set coordination.url to a redis:// URL for all of them"
    )]
    NotAlone {
        /// Where the other one runs.
        host: String,
        /// Its number.
        pid: i64,
        /// What it does.
        role: String,
    },
    /// The store can't tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registry {
    /// Registers this process, if it may serve beside those that are alive.
    ///
    /// # Errors
    /// When it may not, or the store can't tell.
    pub async fn join(
        config: &Config,
        store: &Store,
        clock: &Clock,
        role: &str,
    ) -> Result<Arc<Self>, RefusedToServe> {
        let lock = match &config.store.url {
            StoreUrl::Sqlite { path } => Some(lock(path.clone())?),
            StoreUrl::Postgres(_) | StoreUrl::Mysql(_) => None,
        };
        if lock.is_none() && matches!(config.coordination.url, CoordinationUrl::Memory) {
            refuse_company(store, config.registry.dead_after).await?;
        }
        let now = clock.now();
        let me = Process {
            id: ProcessId::fresh(now),
            role: role.to_owned(),
            host: host(),
            pid: i64::from(std::process::id()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            beat: 1,
            started_at: now,
        };
        store.beat(me.clone(), now).await?;
        Ok(Arc::new(Self {
            me,
            store: store.clone(),
            clock: clock.clone(),
            config: config.registry.clone(),
            live: AtomicU32::new(1),
            _lock: lock,
        }))
    }

    /// The id of this process.
    pub const fn id(&self) -> ProcessId {
        self.me.id
    }

    /// Whether no other process can serve this store.
    pub const fn is_alone(&self) -> bool {
        self._lock.is_some()
    }

    /// How many processes are alive, this one included.
    pub fn live(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }

    /// Writes that events can be received, where this process receives them.
    async fn beat_intake(&self) {
        if !self.me.role.split('+').any(|role| role == "api") {
            return;
        }
        if let Err(error) = self.store.beat_intake(self.clock.now()).await {
            tracing::debug!(%error, "that events can be received was not written");
        }
    }

    /// Beats until `stop`, then signs off.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut others = Watch::default();
        let mut me = self.me.clone();
        while !stop.is_cancelled() {
            me.beat += 1;
            let beaten = self.store.beat(me.clone(), self.clock.now()).await;
            match (beaten, self.store.processes().await) {
                (Ok(()), Ok(processes)) => {
                    self.beat_intake().await;
                    let live = others.look(&processes, self.config.dead_after, Instant::now());
                    self.live.store(live.max(1), Ordering::Relaxed);
                }
                (Err(error), _) | (_, Err(error)) => {
                    tracing::debug!(%error, "the registry was not reached")
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.config.beat) => {}
            }
        }
        if let Err(error) = self.store.forget_process(self.me.id).await {
            tracing::debug!(%error, "did not sign off; the others will see that the beat stands still");
        }
    }
}

/// Beats as they were last seen to move, on our own clock: nobody's clock has to agree with another's.
#[derive(Default)]
struct Watch(HashMap<ProcessId, (i64, Instant)>);

impl Watch {
    fn look(&mut self, processes: &[Process], dead_after: Duration, now: Instant) -> u32 {
        for process in processes {
            let seen = self.0.entry(process.id).or_insert((process.beat, now));
            if seen.0 != process.beat {
                *seen = (process.beat, now);
            }
        }
        self.0.retain(|id, _| processes.iter().any(|process| process.id == *id));
        let alive =
            self.0.values().filter(|(_, moved)| now.duration_since(*moved) < dead_after).count();
        u32::try_from(alive).unwrap_or(u32::MAX)
    }
}

/// Waits until every registered beat has stood still for as long as the dead do; refuses when one moves.
async fn refuse_company(store: &Store, dead_after: Duration) -> Result<(), RefusedToServe> {
    let before = store.processes().await?;
    let mut suspects: Vec<Process> =
        before.into_iter().filter(|process| !is_gone(process)).collect();
    let started = Instant::now();
    while !suspects.is_empty() && started.elapsed() < dead_after {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = store.processes().await?;
        let moved = now
            .iter()
            .find(|one| suspects.iter().any(|old| old.id == one.id && old.beat != one.beat));
        if let Some(one) = moved {
            return Err(RefusedToServe::NotAlone {
                host: one.host.clone(),
                pid: one.pid,
                role: one.role.clone(),
            });
        }
        suspects.retain(|old| now.iter().any(|one| one.id == old.id));
    }
    Ok(())
}

/// Whether a process of this very host is certainly gone.
fn is_gone(process: &Process) -> bool {
    let proc_there = std::path::Path::new("/proc/self").exists();
    process.host == host()
        && proc_there
        && !PathBuf::from(format!("/proc/{}", process.pid)).exists()
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_else(|_| "unknown".to_owned())
}

fn lock(mut path: PathBuf) -> Result<File, RefusedToServe> {
    path.as_mut_os_string().push(".lock");
    let shown = || path.display().to_string();
    let file = private::touch(&path).and_then(|()| File::options().write(true).open(&path));
    let file =
        file.map_err(|error| RefusedToServe::LockFile { path: shown(), why: error.to_string() })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(RefusedToServe::FileInUse { path: shown() }),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(RefusedToServe::LockFile { path: shown(), why: error.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::Time;

    #[test]
    fn a_beat_that_stands_still_is_dead_on_our_own_clock() {
        let process = |beat| Process {
            id: ProcessId(uuid::Uuid::from_u128(1)),
            role: "worker".into(),
            host: "h".into(),
            pid: 1,
            version: "0".into(),
            beat,
            started_at: Time::default(),
        };
        let (mut watch, start, ttl) = (Watch::default(), Instant::now(), Duration::from_secs(5));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(watch.look(&[process(1)], ttl, at(0)), 1);
        assert_eq!(watch.look(&[process(1)], ttl, at(4)), 1);
        assert_eq!(watch.look(&[process(1)], ttl, at(5)), 0);
        assert_eq!(watch.look(&[process(2)], ttl, at(6)), 1);
        assert_eq!(watch.look(&[], ttl, at(7)), 0);
    }
}
