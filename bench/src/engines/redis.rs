//! A Redis in memory: the queue may lose everything, for the rows of the store bring it back.

use std::path::Path;

use redis::aio::MultiplexedConnection;

use crate::machine;
use crate::process::{Process, Start, free_port};

/// The server.
pub struct Redis {
    /// Its address.
    pub url: String,
    /// The id of its process, where that can be told.
    pub id: Option<u32>,
    _own: Option<Process>,
}

impl Redis {
    /// Takes the one that is named, or starts one.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var("BELLBUOY_TEST_REDIS") {
            let named = Self { url, id: None, _own: None };
            let id = field(&named.info("server").await?, "process_id").parse().ok();
            // A server on another machine may have the id of somebody else here.
            let id = id.filter(|id| machine::is_named(*id, "redis-server"));
            return Ok(Self { id, ..named });
        }
        let port = free_port()?;
        let folder_text = folder.display().to_string();
        let command = [
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--dir",
            &folder_text,
            "--daemonize",
            "no",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        .map(str::to_owned);
        let start = Start {
            name: "redis",
            command: &command,
            user: None,
            env: &[],
            folder,
            signal: "TERM",
        };
        let mut own = Process::start(&start)?;
        let redis =
            Self { url: format!("redis://127.0.0.1:{port}"), id: Some(own.id()), _own: None };
        own.await_ready(async || redis.connect().await.is_ok()).await?;
        Ok(Self { _own: Some(own), ..redis })
    }

    /// A connection.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn connect(&self) -> anyhow::Result<MultiplexedConnection> {
        Ok(redis::Client::open(self.url.as_str())?.get_multiplexed_async_connection().await?)
    }

    /// How much memory it uses, in bytes.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn memory(&self) -> anyhow::Result<u64> {
        Ok(field(&self.info("memory").await?, "used_memory").parse()?)
    }

    /// Takes away every key that has this in its name.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn forget(&self, part: &str) -> anyhow::Result<usize> {
        let mut connection = self.connect().await?;
        let (mut cursor, mut gone) = (0_u64, 0);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("*{part}*")).arg("COUNT").arg(1000);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.query_async(&mut connection).await?;
            gone += keys.len();
            if !keys.is_empty() {
                redis::cmd("DEL").arg(keys).exec_async(&mut connection).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(gone);
            }
        }
    }

    /// What it promises to keep.
    pub(super) async fn promise(&self) -> anyhow::Result<(String, String)> {
        let version = field(&self.info("server").await?, "redis_version").to_owned();
        let persistence = self.info("persistence").await?;
        let aof = if field(&persistence, "aof_enabled") == "1" { "yes" } else { "no" };
        let policy = field(&self.info("memory").await?, "maxmemory_policy").to_owned();
        let mut connection = self.connect().await?;
        let save: Vec<String> = redis::cmd("CONFIG")
            .arg("GET")
            .arg("save")
            .query_async(&mut connection)
            .await
            .unwrap_or_default();
        let save = save.get(1).map_or("", String::as_str);
        Ok((
            format!("Redis {version}"),
            format!("appendonly={aof} save=\"{save}\" maxmemory-policy={policy}"),
        ))
    }

    async fn info(&self, section: &str) -> anyhow::Result<String> {
        let mut connection = self.connect().await?;
        Ok(redis::cmd("INFO").arg(section).query_async(&mut connection).await?)
    }
}

fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_default().trim()
}
