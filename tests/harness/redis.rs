//! Redis servers of a test's own, on free ports: one, or some that belong together.

mod cluster;
mod guarded;
mod rights;
mod sentinels;

pub use cluster::RedisCluster;
pub use guarded::Guarded;
pub use rights::{PASSWORD, USER, rights};
pub use sentinels::Sentinels;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server that ends with this value and keeps nothing on disk.
pub struct Server {
    port: u16,
    child: Option<Child>,
    args: Vec<String>,
    /// Its own, for a replica writes down what it is sent, and any server loads what it finds at its start.
    folder: TempDir,
}

/// Replicas begin at once rather than five seconds later, when more could be waiting, and are heard of every second.
const PROMPT: [&str; 4] = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];

/// Servers that belong together and end with this value.
pub trait Group {
    /// All of its servers.
    fn servers(&self) -> Vec<&Server>;
    /// The address by which the product finds it, as a user that has just the documented rights.
    fn url(&self) -> String;
    /// Where the files are that they share.
    fn folder(&self) -> Option<&Path> {
        None
    }
}

impl Group for Server {
    fn servers(&self) -> Vec<&Server> {
        vec![self]
    }

    fn url(&self) -> String {
        Server::url(self)
    }
}

impl Server {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a cluster of one that has all slots: what reaches into two slots fails.
    pub fn start_cluster() -> Self {
        let nodes = std::env::temp_dir().join(format!("nodes-{}", uuid::Uuid::new_v4().simple()));
        let nodes = nodes.to_string_lossy();
        let args = ["--cluster-enabled", "yes", "--cluster-config-file", &*nodes];
        let server = Self::start_with(&args);
        server.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !server.ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
            assert!(Instant::now() < deadline, "no cluster");
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = std::fs::remove_file(&*nodes);
        server
    }

    /// Starts one that has the product's user, with the rights under these headings.
    fn start_for(headings: &[&str], args: &[&str]) -> Self {
        let user = rights::user(headings);
        let user = user.iter().skip(1).map(String::as_str);
        let args: Vec<&str> = args.iter().copied().chain(["--user"]).chain(user).collect();
        Self::start_with(&args)
    }

    fn start_with(args: &[&str]) -> Self {
        let port = free_port();
        let port_text = port.to_string();
        let own = ["--port", &port_text, "--bind", "127.0.0.1"];
        let own = own.iter().chain(&["--save", "", "--appendonly", "no"]);
        let args = own.chain(args).map(|arg| (*arg).to_owned()).collect();
        Self::run(port, args)
    }

    /// Starts what these arguments make listen on this port, without a word from us in between.
    fn run(port: u16, args: Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self { port, child: None, args, folder };
        server.restart();
        server
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether nobody ended it.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it, without a chance to say so.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it if it runs and starts it, empty, on the same port.
    pub fn restart(&mut self) {
        self.stop();
        let _ = std::fs::remove_file(self.folder.path().join("dump.rdb"));
        let program = std::env::var("BELLBUOY_TEST_REDIS_SERVER");
        let child = Command::new(program.as_deref().unwrap_or("redis-server"))
            .args(&self.args)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server starts; name another by BELLBUOY_TEST_REDIS_SERVER");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.try_connect().is_err() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets it hang: it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends `freeze`.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("it runs");
        let done = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(done.expect("kill runs").success());
    }

    fn try_connect(&self) -> redis::RedisResult<redis::Connection> {
        let mut connection = redis::Client::open(self.url())?.get_connection()?;
        redis::cmd("PING").exec(&mut connection)?;
        Ok(connection)
    }

    /// Asks it something directly, if it answers.
    pub fn try_ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> Option<T> {
        try_ask(self, command)
    }

    /// Asks it something directly.
    pub fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        ask(&self.url(), command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks a server that may be away something directly.
fn try_ask<T: redis::FromRedisValue>(server: &Server, command: &[&str]) -> Option<T> {
    let client = redis::Client::open(server.url()).ok()?;
    let mut connection = client.get_connection_with_timeout(Duration::from_millis(500)).ok()?;
    connection.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    let mut ask = redis::cmd(command.first()?);
    for part in command.iter().skip(1) {
        ask.arg(*part);
    }
    ask.query(&mut connection).ok()
}

/// Asks the server at `url` something directly.
pub fn ask<T: redis::FromRedisValue>(url: &str, command: &[&str]) -> T {
    let client = redis::Client::open(url).expect("an address");
    let mut connection = client.get_connection().expect("a connection");
    let mut ask = redis::cmd(command[0]);
    for part in &command[1..] {
        ask.arg(*part);
    }
    ask.query(&mut connection).expect("an answer")
}

/// The server that all tests share: `BELLBUOY_TEST_REDIS`, or one for this process.
pub fn shared() -> String {
    static OWN: OnceLock<String> = OnceLock::new();
    let made =
        || std::env::var("BELLBUOY_TEST_REDIS").unwrap_or_else(|_| for_process(Server::start()));
    OWN.get_or_init(made).clone()
}

/// Sentinels and what they watch, for all tests of this process that break nothing.
pub fn shared_sentinels() -> String {
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(|| for_process(Sentinels::start())).clone()
}

/// A cluster, for all tests of this process that break nothing.
pub fn shared_cluster() -> String {
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(|| for_process(RedisCluster::start())).clone()
}

/// A server that is strict about who comes, for all tests of this process that break nothing.
pub fn shared_guarded() -> String {
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(|| for_process(Guarded::start())).clone()
}

/// Keeps servers for as long as this process lives.
fn for_process(group: impl Group) -> String {
    // What lives as long as the process is never dropped: somebody else must end the servers when it is gone.
    let own = std::process::id();
    let its = |server: &&Server| server.child.as_ref().map(|child| child.id().to_string());
    let its: Vec<String> = group.servers().iter().filter_map(its).collect();
    let watch =
        format!("while kill -0 {own}; do sleep 1; done; kill {}; rm -rf \"$@\"", its.join(" "));
    let watcher = Command::new("sh")
        .args(["-c", &watch, "watch"])
        .args(group.folder())
        .args(group.servers().iter().map(|server| server.folder.path()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    let url = group.url();
    std::mem::forget((group, watcher));
    url
}

/// A free port; the second one of a cluster, 10 000 higher, is free as well.
fn free_port() -> u16 {
    // Below the ports that outgoing connections get, or one of those could take it before the server does.
    std::iter::repeat_with(|| crate::cluster::free_port().port())
        .find(|port| TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok())
        .expect("one of many")
}

/// Asks again and again until something is so.
fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A prefix that no other test uses.
pub fn prefix() -> String {
    format!("test-{}", uuid::Uuid::new_v4().simple())
}
