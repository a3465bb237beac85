//! The product in processes of its own on a pair of engines, on the machine's clock, with somebody who may make projects.

use std::sync::Arc;
use std::time::Duration;

use config::Config;
use domain::id::ProjectId;
use services::admin::{Admin, Invitee};
use services::audit::Initiator;
use store::{Step, Store};

use crate::account::PASSWORD;
use crate::cluster::{Cluster, Engines, Role};
use crate::engines::{self, Pair, Stores};
use crate::front::{Caller, Front};

/// The address of the super admin.
pub const ROOT: &str = "root@example.com";

/// The product, and what a test needs of it.
pub struct Served {
    /// The processes.
    pub cluster: Cluster,
    /// Their configuration.
    pub config: Arc<Config>,
    /// The store, for what has no operation.
    pub store: Store,
    /// The API of the first process that has one.
    pub front: Front,
}

/// The engines of a pair, for several processes if it has a server.
pub async fn engines_of(pair: Pair) -> Engines {
    let store = match pair.store() {
        Stores::Sqlite => None,
        Stores::Postgres => Some(engines::postgres_database().await),
        Stores::Mariadb => Some(engines::mariadb_database().await),
    };
    let queue = pair.queue_url().unwrap_or_else(|| "sql:".to_owned());
    let coordination =
        store.as_ref().map_or_else(|| "memory:".to_owned(), |_| engines::redis_url());
    Engines { store, queue, coordination }
}

/// The settings that say how often somebody may call, all that there are.
fn limits() -> Vec<String> {
    let example = Config::env_example();
    let names =
        example.lines().filter_map(|line| line.strip_prefix("#BELLBUOY_")?.split('=').next());
    let is_rate = |name: &&str| {
        name.starts_with("LIMITS_")
            && (name.ends_with("_PER_SECOND") || name.ends_with("_PER_MINUTE"))
    };
    names.filter(is_rate).map(str::to_owned).collect()
}

impl Served {
    /// These processes of `program` on these engines, with settings that `change` has changed. Limits are lifted, and
    /// passwords cost little: neither is what is tried.
    pub async fn start(
        program: &str,
        pair: Pair,
        roles: &[Role],
        change: impl FnOnce(&mut Cluster),
    ) -> Self {
        let mut cluster = Cluster::new(program, &engines_of(pair).await);
        cluster.use_real_time();
        for name in limits() {
            cluster.set(&name, "0");
        }
        cluster.set("AUTH_HASH_MEMORY", "64KiB");
        cluster.set("AUTH_HASH_PASSES", "1");
        cluster.set("AUTH_HASH_CONCURRENCY", "16");
        change(&mut cluster);
        let config = Arc::new(cluster.config());
        let store =
            Store::open(&config.store, Duration::from_secs(5)).await.expect("the store opens");
        store.migrate(Step::Up).await.expect("the store migrates");
        let admin = Admin::beside(&config).await.expect("the store is there");
        let root = Invitee {
            email: ROOT.to_owned(),
            full_name: "Root".to_owned(),
            password: Some(PASSWORD.to_owned()),
            roles: vec!["super_admin".to_owned()],
        };
        admin.create_user(ProjectId::PLATFORM, root, &Initiator::system()).await.expect("root");
        admin.close().await;
        cluster.start_all(roles).await;
        let front = Front::new(&cluster.bases()[0]);
        Self { cluster, config, store, front }
    }

    /// The super admin, logged in.
    pub async fn root(&self) -> Caller {
        let tokens = self.front.log_in("platform", ROOT, PASSWORD).await;
        Caller::token(&tokens.expect("the super admin logs in").0)
    }

    /// What all processes have logged. They end for it, for then they have said everything.
    pub async fn logs(&mut self) -> String {
        for at in 0..self.cluster.nodes.len() {
            self.cluster.terminate(at);
            assert!(self.cluster.ended(at).await.success(), "it ends in order");
        }
        (0..self.cluster.nodes.len()).map(|at| self.cluster.said(at)).collect()
    }

    /// What all processes count.
    pub async fn metrics(&self) -> String {
        let mut all = String::new();
        for node in &self.cluster.nodes {
            let ops = Front::new(&format!("http://{}", node.ops));
            all += &ops.get(&Caller::nobody(), "/metrics").await.body;
        }
        all
    }

    /// Waits until something is so.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut so: impl FnMut() -> F) {
        let started = std::time::Instant::now();
        while !so().await {
            assert!(started.elapsed() < Duration::from_secs(60), "{what} does not come");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
