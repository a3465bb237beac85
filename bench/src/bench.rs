//! What all measurements work with.

use std::ops::Range;

use crate::engines::Engines;
use crate::machine;
use crate::process::Folder;
use crate::product::Installation;
use crate::report::Report;
use crate::sink::Sink;

/// A run of the benchmark. What it started ends when it is dropped, the folder last.
pub struct Bench {
    /// The servers.
    pub engines: Engines,
    /// Where webhooks go.
    pub sink: Sink,
    /// What was found so far.
    pub report: Report,
    /// Where everything that is written goes.
    pub folder: Folder,
    /// Settings of the product that are tried.
    pub settings: Vec<(String, String)>,
    /// Whether to say where the time went.
    pub explain: bool,
    quick: bool,
    next: u64,
}

impl Bench {
    /// Starts what is needed before anything is measured.
    ///
    /// # Errors
    /// When an engine is missing.
    pub async fn start(quick: bool, explain: bool, mariadb: bool) -> anyhow::Result<Self> {
        let mut report = Report::default();
        report.fact("machine", machine::line());
        if let Some(busy) = machine::busy() {
            report.fact("load before the run", format!("{busy}"));
        }
        let folder = Folder::make()?;
        let engines = Engines::start(folder.path(), mariadb).await?;
        for (engine, promise) in engines.promises().await? {
            report.fact(engine, promise);
        }
        report.fact("scale", if quick { "quick: a tenth of the load" } else { "full" });
        Ok(Self {
            engines,
            sink: Sink::start().await?,
            report,
            folder,
            settings: Vec::new(),
            explain,
            quick,
            next: 0,
        })
    }

    /// How many of something to do.
    pub const fn scaled(&self, full: u64) -> u64 {
        if self.quick { full.div_ceil(10) } else { full }
    }

    /// Numbers for events that none had before.
    pub const fn numbers(&mut self, count: u64) -> Range<u64> {
        let first = self.next;
        self.next += count;
        first..self.next
    }

    /// A prefix for names in Redis that nobody else has.
    pub fn prefix(&self) -> String {
        format!("bench-{}", uuid::Uuid::new_v4().simple())
    }

    /// An installation on these engines, with a folder of its own.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn installation(
        &self,
        store_url: String,
        redis_url: Option<String>,
    ) -> anyhow::Result<Installation> {
        let prefix = self.prefix();
        let folder = self.folder.path().join(&prefix);
        std::fs::create_dir(&folder)?;
        Ok(Installation { store_url, redis_url, prefix, folder, settings: self.settings.clone() })
    }
}
