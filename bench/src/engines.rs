//! The engines that the product runs on: those that `BELLBUOY_TEST_POSTGRES` and `BELLBUOY_TEST_REDIS` name, else
//! private ones.

mod postgres;
mod redis;

use std::path::Path;

pub use postgres::{Postgres, connect};
pub use redis::Redis;

/// Both servers.
pub struct Engines {
    /// The store of the measured product.
    pub postgres: Postgres,
    /// Its queue and coordination.
    pub redis: Redis,
}

impl Engines {
    /// Finds or starts them.
    ///
    /// # Errors
    /// When one is missing.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let redis = Redis::start(folder).await?;
        Ok(Self { postgres: Postgres::start(folder).await?, redis })
    }

    /// The ids of their first processes, where those can be told.
    pub fn ids(&self) -> Vec<u32> {
        [self.postgres.id, self.redis.id].into_iter().flatten().collect()
    }

    /// What they promise to keep, as one line each.
    ///
    /// # Errors
    /// When they can't be asked.
    pub async fn promises(&self) -> anyhow::Result<Vec<(String, String)>> {
        Ok(vec![self.postgres.promise().await?, self.redis.promise().await?])
    }
}
