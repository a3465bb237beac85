//! The engines that the product runs on: those that `BELLBUOY_TEST_POSTGRES`, `BELLBUOY_TEST_REDIS` and
//! `BELLBUOY_TEST_MARIADB` name, else private ones.

mod mariadb;
mod postgres;
mod redis;

use std::path::Path;

pub use mariadb::Mariadb;
pub use postgres::{Postgres, connect};
pub use redis::Redis;

/// The servers.
pub struct Engines {
    /// The store of the measured product.
    pub postgres: Postgres,
    /// Its queue and coordination.
    pub redis: Redis,
    /// The other store, if it is measured.
    pub mariadb: Option<Mariadb>,
}

impl Engines {
    /// Finds or starts them.
    ///
    /// # Errors
    /// When one is missing.
    pub async fn start(folder: &Path, with_mariadb: bool) -> anyhow::Result<Self> {
        let redis = Redis::start(folder).await?;
        let mariadb = if with_mariadb { Some(Mariadb::start(folder).await?) } else { None };
        Ok(Self { postgres: Postgres::start(folder).await?, redis, mariadb })
    }

    /// The ids of their first processes, where those can be told.
    pub fn ids(&self) -> Vec<u32> {
        let mariadb = self.mariadb.as_ref().and_then(|one| one.id);
        [self.postgres.id, self.redis.id, mariadb].into_iter().flatten().collect()
    }

    /// What they promise to keep, as one line each.
    ///
    /// # Errors
    /// When they can't be asked.
    pub async fn promises(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut all = vec![self.postgres.promise().await?, self.redis.promise().await?];
        if let Some(mariadb) = &self.mariadb {
            all.push(mariadb.promise().await?);
        }
        Ok(all)
    }
}
