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
        const RIGHT: &str = "it takes sqlite://./data/bellbuoy.db, postgres://user:password@host:5432/database or \
             mysql://user:password@host:3306/database (a password with its special characters %-escaped)";
        let (is_mysql, schemes) = match text.split_once(':').map_or(text, |(scheme, _)| scheme) {
            "mysql" | "mariadb" => (true, ["mysql", "mariadb"]),
            "postgres" | "postgresql" => (false, ["postgres", "postgresql"]),
            _ => return Err(format!("is of no kind of store that is known; {RIGHT}")),
        };
        let url = ServerUrl::parse(text, &schemes).map_err(|why| format!("{why}; {RIGHT}"))?;
        if url.database().is_empty() {
            return Err(format!("names no database behind the host; {RIGHT}"));
        }
        Ok(if is_mysql { Self::Mysql(url) } else { Self::Postgres(url) })
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
            "has parameters behind a ?; it takes a path without parameters: journal, synchronous \
             and timeouts are set by us"
                .to_owned(),
        );
    }
    if path.is_empty() || path.starts_with(":memory:") || path.ends_with('/') {
        let why = match path {
            "" => "has no path",
            path if path.starts_with(":memory:") => "is in memory, where nothing is kept",
            _ => "is the path of a folder",
        };
        return Err(format!(
            "{why}; it takes the path of a file, like sqlite://./data/bellbuoy.db"
        ));
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

/// A URL that means Redis is judged as one; of any other it is told what there is.
fn redis(text: &str, other: &str) -> Result<RedisUrl, String> {
    RedisUrl::parse(text).map_err(|fault| match text {
        "" => format!("is empty; it takes {other} or a URL of Redis, like redis://host:6379"),
        text if text.starts_with("redis") => fault,
        _ => format!(
            "is of no kind of engine that is known; it takes {other} or a URL of Redis, like redis://host:6379"
        ),
    })
}

fn mask<T: Setting>(text: &str) -> String {
    match T::parse(text) {
        Ok(url) => quote(&url.print()),
        Err(_) => mask_malformed(text),
    }
}
