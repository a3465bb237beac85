//! A cluster: three primaries, each with a replica.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::rights::ESCAPED;
use super::{Group, Server, USER, try_ask, until};

/// The nodes of a cluster.
pub struct RedisCluster {
    /// Three that begin as primaries, then the replica of each.
    pub servers: Vec<Server>,
    folder: TempDir,
}

impl RedisCluster {
    /// Starts all of them and waits until they agree.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = |at: usize| {
            let file = folder.path().join(format!("nodes-{at}")).display().to_string();
            let own = ["--cluster-enabled", "yes", "--cluster-config-file", &file];
            let more = ["--cluster-node-timeout", "1500", "--cluster-replica-validity-factor", "0"];
            let headings = ["Queue and coordination", "With a cluster"];
            Server::start_for(&headings, &[&super::PROMPT[..], &own[..], &more[..]].concat())
        };
        let servers: Vec<Server> = (0..6).map(server).collect();
        for (at, range) in [("0", "5460"), ("5461", "10922"), ("10923", "16383")].iter().enumerate()
        {
            servers[at].ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", range.0, range.1]);
        }
        for (at, server) in servers.iter().enumerate() {
            server.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            let first = servers[0].port().to_string();
            server.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &first]);
        }
        let every = |so: &dyn Fn(&Server) -> bool| servers.iter().all(so);
        let info = |server: &Server| try_ask::<String>(server, &["CLUSTER", "INFO"]);
        let says =
            |server: &Server, words: &str| info(server).is_some_and(|all| all.contains(words));
        until("nodes that know each other", || {
            every(&|server| says(server, "cluster_known_nodes:6") && says(server, "state:ok"))
        });
        for (primary, replica) in servers[..3].iter().zip(&servers[3..]) {
            let id: String = primary.ask(&["CLUSTER", "MYID"]);
            // A replica can only follow whom it has heard of.
            until("a replica", || try_ask::<()>(replica, &["CLUSTER", "REPLICATE", &id]).is_some());
        }
        until("replicas in step", || {
            servers[3..].iter().all(|server| {
                let info = try_ask::<String>(server, &["INFO", "replication"]);
                info.is_some_and(|all| all.contains("master_link_status:up"))
            }) && every(&|server| {
                let nodes = try_ask::<String>(server, &["CLUSTER", "NODES"]);
                nodes.is_some_and(|all| all.matches("slave ").count() == 3)
            })
        });
        // A primary takes part in a vote only when it has been up for as long as a node may be silent.
        std::thread::sleep(Duration::from_millis(500));
        Self { servers, folder }
    }

    /// Which running server has the slot of this key.
    pub fn owner(&self, key: &str) -> Option<usize> {
        let running = || self.servers.iter().enumerate().filter(|(_, server)| server.runs());
        running()
            .find(|(_, server)| try_ask::<u64>(server, &["EXISTS", key]).is_some())
            .map(|(at, _)| at)
    }
}

impl Group for RedisCluster {
    fn servers(&self) -> Vec<&Server> {
        self.servers.iter().collect()
    }

    fn folder(&self) -> Option<&Path> {
        Some(self.folder.path())
    }

    fn url(&self) -> String {
        let hosts: Vec<String> =
            self.servers[..3].iter().map(|one| format!("127.0.0.1:{}", one.port())).collect();
        format!("redis+cluster://{USER}:{ESCAPED}@{}", hosts.join(","))
    }
}
