//! A primary with two replicas, and three sentinels that watch them.

use std::path::Path;

use redis::Value;
use tempfile::TempDir;

use super::rights::{ESCAPED, user};
use super::{Group, Server, USER, free_port, try_ask, until};

/// The name that the sentinels have for the primary.
const NAME: &str = "main";

/// A primary, its replicas and its sentinels.
pub struct Sentinels {
    /// The primary, as long as nobody ends it, and two replicas.
    pub servers: Vec<Server>,
    /// Their sentinels.
    pub sentinels: Vec<Server>,
    folder: TempDir,
}

impl Sentinels {
    /// Starts all of them and waits until each knows of the others.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let start = |args: &[&str]| {
            let headings = ["Queue and coordination", "With sentinels"];
            Server::start_for(&headings, &[&super::PROMPT, args].concat())
        };
        let mut servers = vec![start(&[])];
        let first = servers[0].port().to_string();
        for _ in 0..2 {
            servers.push(start(&["--replicaof", "127.0.0.1", &first]));
        }
        until("two replicas in step", || {
            servers[1..].iter().all(|server| role(server).is_some_and(|role| role == "connected"))
        });
        let sentinels: Vec<Server> = (0..3).map(|_| sentinel(folder.path(), &first)).collect();
        let all = Self { servers, sentinels, folder };
        until("sentinels that know each other", || {
            all.sentinels.iter().all(|one| {
                let known = known(one);
                let is = |name: &str, value: &str| {
                    known.chunks(2).any(|pair| pair[0] == name && pair[1] == value)
                };
                is("num-other-sentinels", "2") && is("num-slaves", "2") && is("flags", "master")
            })
        });
        all
    }

    /// Which of the servers serves as the primary.
    pub fn primary(&self) -> Option<usize> {
        let mut running = self.servers.iter().enumerate().filter(|(_, server)| server.runs());
        let master = |server: &Server| role(server).is_some_and(|role| role == "master");
        running.find(|(_, server)| master(server)).map(|(at, _)| at)
    }
}

impl Sentinels {
    /// Whether every sentinel has this server for the primary.
    pub fn agree_on(&self, at: Option<usize>) -> bool {
        let port = at.map(|at| self.servers[at].port().to_string());
        self.sentinels.iter().all(|one| {
            let known = known(one);
            let mut pairs = known.chunks(2).filter(|pair| pair[0] == "port");
            pairs.next().map(|pair| &pair[1]) == port.as_ref()
        })
    }
}

impl Group for Sentinels {
    fn servers(&self) -> Vec<&Server> {
        self.servers.iter().chain(&self.sentinels).collect()
    }

    fn folder(&self) -> Option<&Path> {
        Some(self.folder.path())
    }

    fn url(&self) -> String {
        let hosts: Vec<String> =
            self.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port())).collect();
        format!(
            "redis+sentinel://{USER}:{ESCAPED}@{}/{NAME}?sentinel_user={USER}&sentinel_password={ESCAPED}",
            hosts.join(",")
        )
    }
}

fn sentinel(folder: &Path, primary: &str) -> Server {
    let port = free_port();
    // It writes down in its own file what it learns.
    let file = folder.join(format!("sentinel-{port}.conf"));
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {NAME} 700\nsentinel failover-timeout {NAME} 3000\n\
         {}\n",
        folder.display(),
        user(&["On the sentinels"]).join(" ")
    );
    std::fs::write(&file, text).expect("writes");
    Server::run(port, vec![file.display().to_string(), "--sentinel".to_owned()])
}

/// What a server says of itself: `master`, or how a replica's link is.
fn role(server: &Server) -> Option<String> {
    let mut role: Vec<Value> = try_ask(server, &["ROLE"])?;
    let text = |value: Value| redis::from_redis_value::<String>(value).ok();
    match text(role.first()?.clone())?.as_str() {
        "slave" => text(role.remove(3)),
        other => Some(other.to_owned()),
    }
}

/// What a sentinel knows of the primary: names and values.
fn known(sentinel: &Server) -> Vec<String> {
    try_ask(sentinel, &["SENTINEL", "MASTER", NAME]).unwrap_or_default()
}
