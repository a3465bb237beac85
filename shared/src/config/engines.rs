//! The engines behind the doors, each chosen by a URL.

use std::path::PathBuf;

use super::{
    server_url::{ServerUrl, mask_malformed},
    setting::{Setting, quote},
};

/// Where all truth is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// One file on this machine.
    Sqlite {
        /// The database file; relative to the working directory.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres(ServerUrl),
    /// A MySQL or MariaDB server.
    Mysql(ServerUrl),
}

impl StoreUrl {
    /// The SQLite database in this file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite { path: path.into() }
    }
}

impl Setting for StoreUrl {
    const KIND: &'static str = "store URL";

    fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite(path.strip_prefix("//").unwrap_or(path));
        }
        let with_database = |url: &ServerUrl| !url.database().is_empty();
        let postgres = ServerUrl::parse(text, &["postgres", "postgresql"]).filter(with_database);
        let mysql = ServerUrl::parse(text, &["mysql", "mariadb"]).filter(with_database);
        postgres.map(Self::Postgres).or(mysql.map(Self::Mysql)).ok_or_else(|| {
            "sqlite://./data/bellbuoy.db or postgres://user:password@host:5432/database \
             (a password with its special characters %-escaped)"
                .to_owned()
        })
    }

    fn print(&self) -> String {
        match self {
            Self::Sqlite { path } => format!("sqlite://{}", path.display()),
            Self::Postgres(url) | Self::Mysql(url) => url.masked(),
        }
    }

    fn mask(text: &str) -> String {
        mask::<Self>(text)
    }
}

/// The path is taken as it stands: how SQLite is opened is not for the URL to say.
fn sqlite(path: &str) -> Result<StoreUrl, String> {
    if path.contains('?') {
        return Err(
            "a path without parameters: journal, synchronous and timeouts are set by us".to_owned()
        );
    }
    if path.is_empty() || path.starts_with(":memory:") || path.ends_with('/') {
        return Err("the path of a file, like sqlite://./data/bellbuoy.db".to_owned());
    }
    Ok(StoreUrl::sqlite(path))
}

/// What carries jobs to workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueUrl {
    /// Tables in the store.
    Sql,
    /// A Redis server.
    Redis(ServerUrl),
}

impl Setting for QueueUrl {
    const KIND: &'static str = "queue URL";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "sql:" => Ok(Self::Sql),
            _ => redis(text).map(Self::Redis).ok_or_else(|| {
                "sql: (in the store) or redis://host:6379 (rediss:// for TLS)".to_owned()
            }),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Sql => "sql:".to_owned(),
            Self::Redis(url) => url.masked(),
        }
    }

    fn mask(text: &str) -> String {
        mask::<Self>(text)
    }
}

/// What processes share for a moment: limits, presence, broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinationUrl {
    /// This process alone.
    Memory,
    /// A Redis server.
    Redis(ServerUrl),
}

impl Setting for CoordinationUrl {
    const KIND: &'static str = "coordination URL";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "memory:" => Ok(Self::Memory),
            _ => redis(text).map(Self::Redis).ok_or_else(|| {
                "memory: (one process only) or redis://host:6379 (rediss:// for TLS)".to_owned()
            }),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::Redis(url) => url.masked(),
        }
    }

    fn mask(text: &str) -> String {
        mask::<Self>(text)
    }
}

fn redis(text: &str) -> Option<ServerUrl> {
    ServerUrl::parse(text, &["redis", "rediss"])
}

fn mask<T: Setting>(text: &str) -> String {
    match T::parse(text) {
        Ok(url) => quote(&url.print()),
        Err(_) => mask_malformed(text),
    }
}
