//! The product as it is run: processes of their own, on free ports, that a test kills and starts again.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Config, Sources};
use domain::time::Time;
use tempfile::TempDir;

use crate::app::START;
use crate::chance::Chance;

/// How long a process may take to start or to end before a test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a process is started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything in one.
    Up,
    /// The API.
    Api,
    /// A worker.
    Worker,
    /// The scheduler.
    Scheduler,
}

impl Role {
    const fn command(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
        }
    }

    /// Whether it works on jobs and deliveries.
    pub const fn works(self) -> bool {
        matches!(self, Self::Up | Self::Worker)
    }

    const fn answers(self) -> bool {
        matches!(self, Self::Up | Self::Api)
    }
}

/// A process and how to start it again.
pub struct Node {
    /// What it is.
    pub role: Role,
    /// Where it listens.
    pub http: SocketAddr,
    /// Where it says how it is.
    pub ops: SocketAddr,
    name: String,
    before: Vec<String>,
    more: Vec<(String, String)>,
    child: Option<Child>,
}

/// Processes that share a store, a queue and a clock. They end with this value.
pub struct Cluster {
    /// The settings of all processes, by their names in the environment.
    pub settings: BTreeMap<String, String>,
    /// The processes.
    pub nodes: Vec<Node>,
    program: PathBuf,
    folder: Arc<TempDir>,
    http: reqwest::Client,
}

/// Where the processes keep things.
#[derive(Clone, Debug)]
pub struct Engines {
    /// `store.url`; none is a SQLite file in the cluster's folder.
    pub store: Option<String>,
    /// `queue.url`.
    pub queue: String,
    /// `coordination.url`.
    pub coordination: String,
}

impl Cluster {
    /// No process yet; `program` is the binary. Leases and claims are as short as they may be, and time stands still.
    pub fn new(program: &str, engines: &Engines) -> Self {
        telemetry::install_tls();
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let at = |name: &str| folder.path().join(name).display().to_string();
        let store =
            engines.store.clone().unwrap_or_else(|| format!("sqlite://{}", at("bellbuoy.db")));
        let prefix = format!("t{}", uuid::Uuid::new_v4().simple());
        let settings = [
            ("STORE_URL", store.as_str()),
            ("STORE_MAX_CONNECTIONS", "8"),
            ("QUEUE_URL", &engines.queue),
            ("QUEUE_PREFIX", &prefix),
            ("QUEUE_LEASE", "2s"),
            ("QUEUE_POLL", "200ms"),
            ("COORDINATION_URL", &engines.coordination),
            ("SEAL_DEV_KEY_PATH", &at("seal.key")),
            ("LIMITS_PROJECT_PER_SECOND", "0"),
            ("LIMITS_KEY_PER_SECOND", "0"),
            ("ACCEPT_COMMIT_TIMEOUT", "2s"),
            ("DELIVERY_CLAIM", "2s"),
            ("DELIVERY_CONCURRENCY", "8"),
            ("DELIVERY_PER_PROVIDER_CONCURRENCY", "8"),
            ("DELIVERY_BREAKER_FAILURES", "1000000"),
            ("DELIVERY_BACKOFF", "1s,1s,2s,2s,3s,3s,4s,4s,5s,5s"),
            ("WEBHOOKS_TIMEOUT", "1s"),
            ("DUE_INTERVAL", "100ms"),
            ("DUE_GRACE", "1s"),
            ("DUE_WATERMARK_LAG", "2s"),
            ("REGISTRY_BEAT", "200ms"),
            ("REGISTRY_DEAD_AFTER", "1s"),
            ("SCHEDULER_TICK", "200ms"),
            ("DEMO_ENABLED", "false"),
            // A line for each request would hide what matters.
            ("LOG_FILTER", "info,bellbuoy_api::middleware=warn"),
            ("TEST_CLOCK", &at("clock")),
        ];
        let settings =
            settings.map(|(name, value)| (format!("BELLBUOY_{name}"), value.to_owned())).into();
        let cluster = Self {
            settings,
            nodes: Vec::new(),
            program: program.into(),
            folder,
            http: reqwest::Client::new(),
        };
        cluster.set_clock(Time::parse(START).expect("a time"));
        cluster
    }

    /// Changes a setting, for processes that are started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(format!("BELLBUOY_{name}"), value.to_owned());
    }

    /// Lets the processes, those started from now on, go by the machine's own clock.
    pub fn use_real_time(&mut self) {
        self.settings.remove("BELLBUOY_TEST_CLOCK");
    }

    /// The configuration that the processes have, to open what they open.
    pub fn config(&self) -> Config {
        let default_file = self.folder.path().join("none.toml");
        let sources = Sources { file: None, default_file, env: self.settings.clone() };
        Config::load(sources).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The folder of everything that is kept here.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What time it is for the processes.
    pub fn now(&self) -> Time {
        match self.settings.get("BELLBUOY_TEST_CLOCK") {
            Some(path) => {
                let text = std::fs::read_to_string(path).expect("a clock");
                Time::from_micros(text.parse().expect("a number"))
            }
            None => domain::clock::Clock::System.now(),
        }
    }

    /// Sets the clock of all processes: they see it within 20 ms.
    pub fn set_clock(&self, time: Time) {
        let next = self.folder.path().join("clock.next");
        std::fs::write(&next, time.micros().to_string()).expect("writes");
        std::fs::rename(next, self.folder.path().join("clock")).expect("renames");
    }

    /// Moves the clock of all processes forward.
    pub fn advance(&self, by: Duration) {
        self.set_clock(self.now().plus(by));
    }

    /// Starts a process; answers its place.
    pub fn start(&mut self, role: Role) -> usize {
        self.start_with(role, &[], &[])
    }

    /// Starts a process that has some settings of its own, under a command that becomes it.
    pub fn start_with(&mut self, role: Role, more: &[(&str, &str)], before: &[&str]) -> usize {
        let at = self.nodes.len();
        let more = more
            .iter()
            .map(|(name, value)| (format!("BELLBUOY_{name}"), (*value).to_owned()))
            .collect();
        let before = before.iter().map(|word| (*word).to_owned()).collect();
        let name = format!("{}-{at}", role.command());
        self.nodes.push(Node {
            role,
            http: free_port(),
            ops: free_port(),
            name,
            before,
            more,
            child: None,
        });
        self.restart(at);
        at
    }

    /// Starts some processes and waits until they are ready.
    pub async fn start_all(&mut self, roles: &[Role]) {
        for role in roles {
            self.start(*role);
        }
        self.ready().await;
    }

    /// Starts a process again, on its ports.
    pub fn restart(&mut self, at: usize) {
        self.kill(at);
        let child = self.command(at).spawn().expect("the product starts");
        self.nodes[at].child = Some(child);
    }

    fn command(&self, at: usize) -> Command {
        let node = &self.nodes[at];
        let log =
            std::fs::File::options().create(true).append(true).open(self.log(at)).expect("a log");
        let mut words = node
            .before
            .iter()
            .map(AsRef::as_ref)
            .chain([self.program.as_os_str(), node.role.command().as_ref()]);
        let mut command = Command::new(words.next().expect("a program"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(crate::sqs::CREDENTIALS)
            .envs(&self.settings)
            .env("BELLBUOY_HTTP_LISTEN", node.http.to_string())
            .env("BELLBUOY_OPS_LISTEN", node.ops.to_string())
            .envs(node.more.iter().cloned())
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log);
        command
    }

    fn log(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("{}.log", self.nodes[at].name))
    }

    /// What a process has said so far.
    pub fn said(&self, at: usize) -> String {
        std::fs::read_to_string(self.log(at)).unwrap_or_default()
    }

    /// The number by which the system knows a process that runs.
    pub fn pid(&self, at: usize) -> u32 {
        self.nodes[at].child.as_ref().expect("it runs").id()
    }

    /// Keeps what every process said, for whoever runs all tests and looks into it afterwards.
    fn keep_logs(&self) {
        let Some(folder) = std::env::var_os("BELLBUOY_TEST_LOGS") else { return };
        for at in 0..self.nodes.len() {
            let name = format!("{}-{}.log", uuid::Uuid::new_v4().simple(), self.nodes[at].name);
            let kept = std::fs::copy(self.log(at), Path::new(&folder).join(name));
            if let Err(error) = kept {
                eprintln!("a log was not kept: {error}");
            }
        }
    }

    /// Kills a process: it has no chance to do anything about it.
    pub fn kill(&mut self, at: usize) {
        if let Some(mut child) = self.nodes[at].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks a process to end.
    pub fn terminate(&self, at: usize) {
        self.signal(at, "-TERM");
    }

    /// Lets a process hang, or go on.
    pub fn signal(&self, at: usize, signal: &str) {
        let child = self.nodes[at].child.as_ref().expect("it runs");
        let done = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(done.expect("kill runs").success());
    }

    /// Waits until a process has ended by itself.
    pub async fn ended(&mut self, at: usize) -> ExitStatus {
        let started = Instant::now();
        loop {
            let child = self.nodes[at].child.as_mut().expect("it was started");
            if let Some(status) = child.try_wait().expect("a state") {
                self.nodes[at].child = None;
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{} does not end", self.nodes[at].name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The processes that ended although nobody ended them.
    pub fn fallen(&mut self) -> Vec<String> {
        let gone = |node: &mut Node| {
            let ended = node.child.as_mut().and_then(|child| child.try_wait().expect("a state"));
            ended.map(|status| format!("{} ended: {status}", node.name))
        };
        self.nodes.iter_mut().filter_map(gone).collect()
    }

    /// Waits until every process that was started says that it is ready.
    pub async fn ready(&mut self) {
        let started = Instant::now();
        for at in 0..self.nodes.len() {
            if self.nodes[at].child.is_none() {
                continue;
            }
            let url = format!("http://{}/ready", self.nodes[at].ops);
            while !self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success())
            {
                let fallen = self.fallen();
                assert!(fallen.is_empty(), "{fallen:?}");
                assert!(started.elapsed() < PATIENCE, "{} is not ready", self.nodes[at].name);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Where the API is, at each process that has it.
    pub fn bases(&self) -> Vec<String> {
        let answering = self.nodes.iter().filter(|node| node.role.answers());
        answering.map(|node| format!("http://{}", node.http)).collect()
    }

    /// The last lines of what every process said.
    pub fn tails(&self) -> String {
        let tail = |at: usize| {
            let said = self.said(at);
            let lines: Vec<&str> = said.lines().collect();
            let last = &lines[lines.len().saturating_sub(25)..];
            format!("---- {} ----\n{}\n", self.nodes[at].name, last.join("\n"))
        };
        (0..self.nodes.len()).map(tail).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for at in 0..self.nodes.len() {
            self.kill(at);
        }
        self.keep_logs();
        if std::thread::panicking() {
            eprintln!("{}", self.tails());
        }
    }
}

/// A port on which nobody listens, below those that the system gives to outgoing connections: a process that is started
/// again must find its own free.
pub fn free_port() -> SocketAddr {
    let mut chance = Chance::fresh();
    let port = || {
        (Ipv4Addr::LOCALHOST, 10_000 + u16::try_from(chance.below(10_000)).expect("small")).into()
    };
    std::iter::repeat_with(port)
        .find(|address: &SocketAddr| TcpListener::bind(address).is_ok())
        .expect("one of many")
}
