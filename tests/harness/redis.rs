//! A Redis server of a test's own, on a free port.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A server that ends with this value and keeps nothing on disk.
pub struct Server {
    port: u16,
    child: Option<Child>,
    args: Vec<String>,
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

    fn start_with(args: &[&str]) -> Self {
        // A cluster's second port is 10 000 higher and must be one as well.
        let free = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = std::iter::repeat_with(|| free().local_addr().expect("an address").port())
            .find(|port| *port < 55_000)
            .expect("one of many");
        let mut server =
            Self { port, child: None, args: args.iter().map(|arg| (*arg).to_owned()).collect() };
        server.restart();
        server
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
        let program = std::env::var("BELLBUOY_TEST_REDIS_SERVER");
        let child = Command::new(program.as_deref().unwrap_or("redis-server"))
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir", "/tmp"])
            .args(&self.args)
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
    static OWN: OnceLock<(String, Option<(Server, Child)>)> = OnceLock::new();
    let (url, _) = OWN.get_or_init(|| match std::env::var("BELLBUOY_TEST_REDIS") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = Server::start();
            // A static is never dropped: somebody else must end the server when this process is gone.
            let (own, its) = (std::process::id(), server.child.as_ref().map(Child::id));
            let its = its.expect("it runs");
            let watch = format!("while kill -0 {own}; do sleep 1; done; kill {its}");
            let watcher = Command::new("sh")
                .args(["-c", &watch])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("sh starts");
            (server.url(), Some((server, watcher)))
        }
    });
    url.clone()
}

/// A prefix that no other test uses.
pub fn prefix() -> String {
    format!("test-{}", uuid::Uuid::new_v4().simple())
}
