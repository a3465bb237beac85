//! How SQLite is opened: one connection that writes, and a pool that reads.

use std::path::Path;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::Engine;
use super::writer::Writer;
use crate::{Result, StoreError};
use config::StoreConfig;
use config::private;

pub(super) async fn open(config: &StoreConfig, path: &Path) -> Result<Engine> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private::folder(folder, private::FOLDER)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", folder.display())))?;
    }
    // SQLite makes the files beside it with the same mode.
    private::touch(path)
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(config.lock_timeout)
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
        .statement_cache_capacity(256)
        .disable_statement_logging();
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone())
        .await
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(config.read_connections)
        .acquire_timeout(config.acquire_timeout)
        .connect_with(options.pragma("query_only", "1"))
        .await?;
    Ok(Engine::Sqlite { writer: Writer::start(writer), readers })
}
