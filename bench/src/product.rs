//! The product as it is deployed: its release binary in processes of its own, configured by its environment alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::{Config, Sources};
use domain::time::Time;
use store::Store;

use crate::http::Wire;
use crate::machine;
use crate::process::{Process, Start, free_port};

/// Seals the secrets of the benchmark, which are worth nothing.
pub const SEAL_KEY: [u8; 32] = [7; 32];

/// The engines of one installation.
pub struct Installation {
    /// Its store.
    pub store_url: String,
    /// Its queue: a Redis server, or none.
    pub redis_url: Option<String>,
    /// What its names in Redis begin with.
    pub prefix: String,
    /// Where its logs go.
    pub folder: PathBuf,
    /// What is set besides, by whoever runs the bench.
    pub settings: Vec<(String, String)>,
}

/// The binary that is measured.
///
/// # Errors
/// When it is not built.
pub fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(format!("bellbuoy{}", std::env::consts::EXE_SUFFIX));
    if !path.is_file() {
        bail!("{} is missing: build it with `cargo build --release`", path.display());
    }
    Ok(path)
}

impl Installation {
    /// The settings that all of its processes share. The profile is development, so that it may run without https; what
    /// costs time is set as in production: JSON logs at info, metrics, and limits that are counted and never reached.
    fn env(&self) -> BTreeMap<String, String> {
        let queue = self.redis_url.as_deref();
        let mut env: BTreeMap<String, String> = [
            ("PROFILE", "development"),
            ("STORE_URL", &self.store_url),
            ("QUEUE_URL", queue.unwrap_or("sql:")),
            ("QUEUE_PREFIX", &self.prefix),
            ("COORDINATION_URL", queue.unwrap_or("memory:")),
            ("SEAL_KEY", &STANDARD.encode(SEAL_KEY)),
            ("DEMO_ENABLED", "false"),
            ("LOG_FORMAT", "json"),
            ("LOG_FILTER", "info"),
            ("WEBHOOKS_ALLOW_NETWORKS", "127.0.0.0/8"),
        ]
        .map(|(name, value)| (format!("BELLBUOY_{name}"), value.to_owned()))
        .into();
        for limit in
            ["SYSTEM", "PROJECT", "KEY", "USER", "ADDRESS", "PROJECT_REQUESTS", "SYSTEM_REQUESTS"]
        {
            env.insert(format!("BELLBUOY_LIMITS_{limit}_PER_SECOND"), "1000000".to_owned());
        }
        env.extend(self.settings.iter().cloned());
        env
    }

    /// Its store, opened in this process.
    ///
    /// # Errors
    /// When the settings are wrong or the store is away.
    pub async fn store(&self) -> anyhow::Result<Store> {
        let sources = Sources { file: None, default_file: PathBuf::new(), env: self.env() };
        let config = Config::load(sources).map_err(|errors| anyhow::anyhow!("{errors}"))?;
        Ok(Store::open(&config.store, config.log.slow_query).await?)
    }

    /// Starts a process for each role and waits until all of them are ready.
    ///
    /// # Errors
    /// When one is not.
    pub async fn start(&self, roles: &[&str]) -> anyhow::Result<Running> {
        let api = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut running = Running { api, roles: Vec::new() };
        for role in roles {
            running.roles.push(self.role(role, api, roles.len()).await?);
        }
        Ok(running)
    }

    async fn role(&self, role: &str, api: SocketAddr, of: usize) -> anyhow::Result<Role> {
        let ops = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut env = self.env();
        env.insert("BELLBUOY_HTTP_LISTEN".to_owned(), api.to_string());
        env.insert("BELLBUOY_OPS_LISTEN".to_owned(), ops.to_string());
        if of > 1 {
            // As whoever runs several processes on one machine is advised to: with a thread for each core in each of
            // them, they take the cores from one another.
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            env.insert("TOKIO_WORKER_THREADS".to_owned(), (cores / 2).max(1).to_string());
        }
        let env: Vec<(String, String)> = env.into_iter().collect();
        let command = [binary()?.display().to_string(), role.to_owned()];
        let folder = &self.folder;
        let start =
            Start { name: role, command: &command, user: None, env: &env, folder, signal: "TERM" };
        let mut process = Process::start(&start)?;
        process.await_ready(async || matches!(get(ops, "/ready").await, Ok((200, _)))).await?;
        Ok(Role { name: role.to_owned(), ops, process })
    }
}

/// The running product. Dropping it ends it.
pub struct Running {
    /// Where its API listens.
    pub api: SocketAddr,
    roles: Vec<Role>,
}

struct Role {
    name: String,
    ops: SocketAddr,
    process: Process,
}

impl Running {
    /// How long each role has had a core.
    pub fn cpu_times(&self) -> Vec<(String, Duration)> {
        let time = |role: &Role| Some((role.name.clone(), machine::cpu_time(role.process.id())?));
        self.roles.iter().filter_map(time).collect()
    }

    /// The metrics of each role, as text.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn metrics(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        for role in &self.roles {
            let (_, text) = get(role.ops, "/metrics").await?;
            all.push((role.name.clone(), text));
        }
        Ok(all)
    }

    /// What the logs of the roles end with, for when something went wrong.
    pub fn last_words(&self) -> String {
        let words = |role: &Role| format!("-- {}\n{}", role.name, role.process.last_words());
        self.roles.iter().map(words).collect::<Vec<_>>().join("\n")
    }
}

async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut wire = Wire::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    wire.send(request.as_bytes()).await?;
    let answer = wire.receive().await?.context("no answer")?;
    Ok((answer.status(), String::from_utf8_lossy(answer.body).into_owned()))
}

/// Waits until nothing waits in the store any more.
///
/// # Errors
/// When it goes on and on.
pub async fn await_idle(store: &Store) -> anyhow::Result<()> {
    for _ in 0..300 {
        if store.is_idle(now()).await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("there is still work in the store after 30 s")
}

/// Now.
pub fn now() -> Time {
    chrono::Utc::now().into()
}
