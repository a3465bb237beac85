//! The engines behind the doors, each chosen by a URL.

use std::path::PathBuf;

use super::{
    redis_url::RedisUrl,
    server_url::{ServerUrl, mask_malformed},
    setting::{Setting, quote},
    sqs_url::SqsUrl,
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
            "sqlite://./data/bellbuoy.db, postgres://user:password@host:5432/database or \
             mysql://user:password@host:3306/database (a password with its special characters %-escaped)"
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
    /// A Redis server, or several.
    Redis(RedisUrl),
    /// AWS SQS.
    Sqs(SqsUrl),
}

impl Setting for QueueUrl {
    const KIND: &'static str = "queue URL";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "sql:" => Ok(Self::Sql),
            _ if SqsUrl::is_meant(text) => SqsUrl::parse(text).map(Self::Sqs),
            _ => redis(text, "sql: (in the store), sqs://region/prefix").map(Self::Redis),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Sql => "sql:".to_owned(),
            Self::Redis(url) => url.masked().to_owned(),
            Self::Sqs(url) => url.print(),
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
    /// A Redis server, or several.
    Redis(RedisUrl),
}

impl Setting for CoordinationUrl {
    const KIND: &'static str = "coordination URL";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "memory:" => Ok(Self::Memory),
            _ => redis(text, "memory: (one process only)").map(Self::Redis),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::Redis(url) => url.masked().to_owned(),
        }
    }

    fn mask(text: &str) -> String {
        mask::<Self>(text)
    }
}

/// Whoever meant Redis is told what is wrong with that, anybody else what else there is.
fn redis(text: &str, other: &str) -> Result<RedisUrl, String> {
    RedisUrl::parse(text).map_err(|right| match text.starts_with("redis") {
        true => right,
        false => format!("{other} or {right}"),
    })
}

fn mask<T: Setting>(text: &str) -> String {
    match T::parse(text) {
        Ok(url) => quote(&url.print()),
        Err(_) => mask_malformed(text),
    }
}
