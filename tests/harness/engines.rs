//! Engines for one test: a database of its own, keys of its own.

use std::sync::Arc;

use config::{Config, FilesUrl, MailUrl, Sources};
use store::{Step, Store};
use tempfile::TempDir;

use crate::sqs;

/// A store and a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// What a laptop has.
    SqliteSql,
    /// One server.
    PostgresSql,
    /// Two.
    PostgresRedis,
    /// One server of another kind.
    MariadbSql,
    /// Two.
    MariadbRedis,
    /// A server and AWS, with Redis for coordination.
    PostgresSqs,
    /// The same with FIFO queues.
    PostgresSqsFifo,
    /// AWS, and a server of another kind.
    MariadbSqs,
}

impl Pair {
    /// Its store.
    pub const fn store(self) -> Stores {
        match self {
            Self::SqliteSql => Stores::Sqlite,
            Self::PostgresSql | Self::PostgresRedis | Self::PostgresSqs | Self::PostgresSqsFifo => {
                Stores::Postgres
            }
            Self::MariadbSql | Self::MariadbRedis | Self::MariadbSqs => Stores::Mariadb,
        }
    }

    /// The URL of its queue, if it has one of its own.
    pub fn queue_url(self) -> Option<String> {
        match self {
            Self::SqliteSql | Self::PostgresSql | Self::MariadbSql => None,
            Self::PostgresRedis | Self::MariadbRedis => Some(redis_url()),
            Self::PostgresSqs | Self::MariadbSqs => Some(sqs::url(false)),
            Self::PostgresSqsFifo => Some(sqs::url(true)),
        }
    }

    /// Whether its queue is in Redis.
    pub const fn has_redis(self) -> bool {
        matches!(self, Self::PostgresRedis | Self::MariadbRedis)
    }
}

/// A store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// A file.
    Sqlite,
    /// A database on the server that `tests/run` started.
    Postgres,
    /// The same on MariaDB.
    Mariadb,
}

impl Stores {
    /// The pair that has it, and the queue in it.
    pub const fn alone(self) -> Pair {
        match self {
            Self::Sqlite => Pair::SqliteSql,
            Self::Postgres => Pair::PostgresSql,
            Self::Mariadb => Pair::MariadbSql,
        }
    }
}

/// A server of a test's own that keeps a store.
pub trait StoreServer {
    /// The address of a database on it.
    fn url(&self) -> String;
    /// Kills it: what it had not synced is gone.
    fn kill(&mut self);
    /// Kills it if it runs, starts it on the same data and waits until it answers.
    fn restart(&mut self);
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
        if let Some(queue) = pair.queue_url() {
            env.push(("BELLBUOY_QUEUE_URL", queue));
            env.push(("BELLBUOY_COORDINATION_URL", redis_url()));
        }
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let sources = Sources { file: None, default_file: folder.path().join("none.toml"), env };
        let mut config = Config::load(sources).expect("a configuration");
        config.seal.dev_key_path = folder.path().join("seal.key");
        config.files.url = FilesUrl::disk(folder.path().join("files"));
        config.mail.url = MailUrl::mailbox(folder.path().join("mailbox"));
        config.http.listen = ([127, 0, 0, 1], 0).into();
        config.ops.listen = ([127, 0, 0, 1], 0).into();
        config.demo.enabled = false;
        config.queue.prefix = format!("t{}", uuid::Uuid::new_v4().simple());
        config.queue.lease = std::time::Duration::from_secs(2);
        config.store.max_connections = 8;
        // The clock of most tests stands still, and so would the windows in which attempts are counted.
        config.limits.login_per_minute = 0;
        config.limits.register_per_minute = 0;
        config.limits.recover_per_minute = 0;
        config.limits.refresh_per_minute = 0;
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
        Stores::Mariadb => mariadb_database().await,
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

/// The same on MariaDB.
pub async fn mariadb_database() -> String {
    let server = variable("BELLBUOY_TEST_MARIADB");
    let name = format!("t{}", uuid::Uuid::new_v4().simple());
    let pool = sqlx::MySqlPool::connect(&server).await.expect("MariaDB answers");
    // A default that nothing may rely on: it takes no letter outside of Western Europe and no notice of case.
    let create = format!("CREATE DATABASE {name} CHARACTER SET latin1");
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&pool).await.expect("a database");
    pool.close().await;
    let (base, _) = server.rsplit_once('/').expect("a database in the URL");
    format!("{base}/{name}")
}

/// A store of one test's own, migrated.
pub async fn store(which: Stores) -> (Store, Ground) {
    let ground = Ground::new(which.alone()).await;
    let store =
        Store::open(&ground.config.store, std::time::Duration::from_secs(5)).await.expect("opens");
    store.migrate(Step::Up).await.expect("migrates");
    (store, ground)
}
