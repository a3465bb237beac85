//! Engines for one test: a database of its own, keys of its own.

use std::sync::Arc;

use shared::config::{Config, Sources};
use shared::store::{Step, Store};
use tempfile::TempDir;

/// A store and a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// What a laptop has.
    SqliteSql,
    /// One server.
    PostgresSql,
    /// Two.
    PostgresRedis,
}

impl Pair {
    /// Its store.
    pub const fn store(self) -> Stores {
        match self {
            Self::SqliteSql => Stores::Sqlite,
            Self::PostgresSql | Self::PostgresRedis => Stores::Postgres,
        }
    }
}

/// A store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// A file.
    Sqlite,
    /// A database on the server that `tests/run` started.
    Postgres,
}

/// A folder, and a configuration that keeps everything in it or in engines that are this test's alone.
pub struct Ground {
    /// The configuration.
    pub config: Config,
    /// The folder.
    pub folder: Arc<TempDir>,
}

impl Ground {
    /// The ground for one test.
    pub async fn new(pair: Pair) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let mut env = vec![("BELLBUOY_STORE_URL", store_url(pair.store(), &folder).await)];
        if pair == Pair::PostgresRedis {
            env.extend(
                ["BELLBUOY_QUEUE_URL", "BELLBUOY_COORDINATION_URL"].map(|name| (name, redis_url())),
            );
        }
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let sources = Sources { file: None, default_file: folder.path().join("none.toml"), env };
        let mut config = Config::load(sources).expect("a configuration");
        config.seal.dev_key_path = folder.path().join("seal.key");
        config.http.listen = ([127, 0, 0, 1], 0).into();
        config.ops.listen = ([127, 0, 0, 1], 0).into();
        config.demo.enabled = false;
        config.queue.prefix = format!("t{}", uuid::Uuid::new_v4().simple());
        config.queue.lease = std::time::Duration::from_secs(2);
        config.store.max_connections = 8;
        Self { config, folder }
    }
}

/// Redis as `tests/run` started it.
pub fn redis_url() -> String {
    variable("BELLBUOY_TEST_REDIS")
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: tests/run starts the engines and sets it"))
}

async fn store_url(store: Stores, folder: &TempDir) -> String {
    match store {
        Stores::Sqlite => format!("sqlite://{}", folder.path().join("bellbuoy.db").display()),
        Stores::Postgres => postgres_database().await,
    }
}

/// A database of one test's own on the server that `tests/run` started; answers its URL.
pub async fn postgres_database() -> String {
    let server = variable("BELLBUOY_TEST_POSTGRES");
    let name = format!("t{}", uuid::Uuid::new_v4().simple());
    let pool = sqlx::PgPool::connect(&server).await.expect("PostgreSQL answers");
    let create = format!("CREATE DATABASE {name}");
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&pool).await.expect("a database");
    pool.close().await;
    let (base, _) = server.rsplit_once('/').expect("a database in the URL");
    format!("{base}/{name}")
}

/// A store of one test's own, migrated.
pub async fn store(which: Stores) -> (Store, Ground) {
    let pair = match which {
        Stores::Sqlite => Pair::SqliteSql,
        Stores::Postgres => Pair::PostgresSql,
    };
    let ground = Ground::new(pair).await;
    let store =
        Store::open(&ground.config.store, std::time::Duration::from_secs(5)).await.expect("opens");
    store.migrate(Step::Up).await.expect("migrates");
    (store, ground)
}
