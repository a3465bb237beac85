//! What the services of a process stand on: where it keeps and enqueues, what it hears from other processes, and its clock.

use std::sync::Arc;

use config::{Config, CoordinationUrl};
use coordination::Coordination;
use coordination::memory::MemoryCoordination;
use coordination::redis::RedisCoordination;
use crypto::seal::Sealer;
use domain::clock::Clock;
use files::Files;
use queue::Queue;
use queue::open::Opened;
use store::Store;

use super::StartError;

/// The engines that the configuration names. Cheap to clone.
#[derive(Clone)]
pub struct Engines {
    /// All truth.
    pub store: Store,
    /// "Now", and nothing else.
    pub queue: Arc<dyn Queue>,
    /// Whether the queue lives in the store, so that jobs are committed with what they are about.
    pub jobs_here: bool,
    /// What processes tell each other.
    pub coordination: Arc<dyn Coordination>,
    /// What projects keep as files.
    pub files: Files,
    /// What time it is.
    pub clock: Clock,
}

impl Engines {
    /// Opens those that are not open yet.
    ///
    /// # Errors
    /// When one does not open.
    pub fn open(
        config: &Config,
        clock: Clock,
        store: Store,
        sealer: &Sealer,
        opened: &Opened,
    ) -> Result<Self, StartError> {
        let coordination: Arc<dyn Coordination> = match &config.coordination.url {
            CoordinationUrl::Memory => Arc::new(MemoryCoordination::new()),
            CoordinationUrl::Redis(url) => {
                let timeout = config.coordination.timeout;
                Arc::new(RedisCoordination::open(url.expose(), &config.queue.prefix, timeout)?)
            }
        };
        let files = open_files(config, sealer)?;
        let (queue, jobs_here) = (opened.queue(), opened.is_in_store());
        Ok(Self { store, queue, jobs_here, coordination, files, clock })
    }
}

/// The files as they are configured; links are signed with a key of their own, which follows from the sealing key.
///
/// # Errors
/// When the engine does not open.
pub fn open_files(config: &Config, sealer: &Sealer) -> Result<Files, StartError> {
    const LINKS: &str = "links to files";
    let (key, known) = (sealer.derive(LINKS)?, sealer.derive_all(LINKS)?);
    Ok(Files::open(&config.files, &config.http.public_url().base(), key, &known[1..])?)
}
