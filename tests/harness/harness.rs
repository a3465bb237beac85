//! What the tests stand on: real engines, the product in this process on a clock that they hold, and a webhook receiver.

pub mod app;
pub mod books;
pub mod chance;
pub mod cluster;
pub mod engines;
pub mod postgres;
pub mod redis;
pub mod sink;

pub use app::TestApp;
pub use chance::Chance;
pub use cluster::Cluster;
pub use engines::{Pair, Stores};
pub use sink::Sink;

/// Runs each of these tests on every pair of store and queue that is there.
#[macro_export]
macro_rules! on_every_pair {
    ($($name:ident)*) => {
        mod sqlite_sql { $($crate::case!($name, $crate::Pair::SqliteSql);)* }
        #[cfg(feature = "servers")]
        mod postgres_sql { $($crate::case!($name, $crate::Pair::PostgresSql);)* }
        #[cfg(feature = "servers")]
        mod postgres_redis { $($crate::case!($name, $crate::Pair::PostgresRedis);)* }
    };
}

/// Runs each of these tests on every store that is there.
#[macro_export]
macro_rules! on_every_store {
    ($($name:ident)*) => {
        mod sqlite { $($crate::case!($name, $crate::Stores::Sqlite);)* }
        #[cfg(feature = "servers")]
        mod postgres { $($crate::case!($name, $crate::Stores::Postgres);)* }
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
