//! What the tests stand on: real engines, the product in this process on a clock that they hold, and a webhook receiver.

pub mod account;
pub mod app;
pub mod books;
pub mod chance;
pub mod cluster;
pub mod dumps;
pub mod engines;
pub mod front;
pub mod mariadb;
pub mod postgres;
pub mod redis;
pub mod served;
pub mod sink;
pub mod sqs;
pub mod surface;

pub use account::Account;
pub use app::TestApp;
pub use chance::Chance;
pub use cluster::Cluster;
pub use engines::{Pair, Stores};
pub use front::{Caller, Front};
pub use served::Served;
pub use sink::Sink;
pub use surface::{Filled, Surface};

/// Runs each of these tests on three pairs of store and queue that have every engine among them, and with the feature
/// `full` on all pairs.
#[macro_export]
macro_rules! on_pairs {
    ($($name:ident)*) => {
        mod sqlite_sql { $($crate::case!($name, $crate::Pair::SqliteSql);)* }
        #[cfg(feature = "servers")]
        mod postgres_redis { $($crate::case!($name, $crate::Pair::PostgresRedis);)* }
        #[cfg(feature = "servers")]
        mod mariadb_sqs { $($crate::case!($name, $crate::Pair::MariadbSqs);)* }
        #[cfg(feature = "full")]
        mod postgres_sql { $($crate::case!($name, $crate::Pair::PostgresSql);)* }
        #[cfg(feature = "full")]
        mod mariadb_sql { $($crate::case!($name, $crate::Pair::MariadbSql);)* }
        #[cfg(feature = "full")]
        mod mariadb_redis { $($crate::case!($name, $crate::Pair::MariadbRedis);)* }
        #[cfg(feature = "full")]
        mod postgres_sqs { $($crate::case!($name, $crate::Pair::PostgresSqs);)* }
        #[cfg(feature = "full")]
        mod postgres_sqs_fifo { $($crate::case!($name, $crate::Pair::PostgresSqsFifo);)* }
    };
}

/// Runs each of these tests on every store that is there.
#[macro_export]
macro_rules! on_every_store {
    ($($name:ident)*) => {
        mod sqlite { $($crate::case!($name, $crate::Stores::Sqlite);)* }
        #[cfg(feature = "servers")]
        mod postgres { $($crate::case!($name, $crate::Stores::Postgres);)* }
        #[cfg(feature = "servers")]
        mod mariadb { $($crate::case!($name, $crate::Stores::Mariadb);)* }
    };
}

/// One test: the function of that name with one argument.
#[macro_export]
macro_rules! case {
    ($name:ident, $on:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            super::$name($on).await;
        }
    };
}
