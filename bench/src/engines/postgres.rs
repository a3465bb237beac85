//! A PostgreSQL that syncs every commit, as in production.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::machine;
use crate::process::{Process, Start, free_port};

/// The server.
pub struct Postgres {
    url: String,
    /// The id of its first process, where that can be told.
    pub id: Option<u32>,
    _own: Option<Process>,
}

impl Postgres {
    /// Takes the one that is named, or starts one.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        match std::env::var("BELLBUOY_TEST_POSTGRES") {
            Ok(url) => Ok(Self { id: id(&url).await?, url, _own: None }),
            Err(_) => start(folder).await,
        }
    }

    /// A new database.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn database(&self) -> anyhow::Result<Database> {
        let name = format!("bench_{}", uuid::Uuid::new_v4().simple());
        self.admin(format!("CREATE DATABASE {name}")).await?;
        let (server, _) =
            self.url.rsplit_once('/').context("BELLBUOY_TEST_POSTGRES names no database")?;
        Ok(Database { url: format!("{server}/{name}"), name })
    }

    /// Takes a database away.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop(&self, database: Database) -> anyhow::Result<()> {
        self.admin(format!("DROP DATABASE {} WITH (FORCE)", database.name)).await
    }

    async fn admin(&self, statement: String) -> anyhow::Result<()> {
        let mut connection = connect(&self.url).await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// What it promises to keep.
    pub(super) async fn promise(&self) -> anyhow::Result<(String, String)> {
        let mut connection = connect(&self.url).await?;
        let mut settings = Vec::new();
        for name in [
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "wal_level",
            "wal_sync_method",
            "shared_buffers",
        ] {
            let (value,): (String,) = sqlx::query_as("SELECT current_setting($1)")
                .bind(name)
                .fetch_one(&mut connection)
                .await?;
            settings.push(format!("{name}={value}"));
        }
        let (version,): (String,) = sqlx::query_as("SELECT current_setting('server_version')")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok((format!("PostgreSQL {version}"), settings.join(" ")))
    }
}

/// A database of one measurement.
pub struct Database {
    /// Its address.
    pub url: String,
    name: String,
}

/// Connects.
///
/// # Errors
/// When the server does not answer.
pub async fn connect(url: &str) -> anyhow::Result<PgConnection> {
    let options: PgConnectOptions = url.parse()?;
    Ok(options.disable_statement_logging().connect().await?)
}

async fn start(folder: &Path) -> anyhow::Result<Postgres> {
    let bin = programs().context("PostgreSQL is not installed; `tests/run --install` does it")?;
    let data = folder.join("postgres");
    // The server refuses to run as root.
    let root = std::env::var("USER").map_or_else(|_| is_root(), |user| user == "root" || is_root());
    let user = root.then_some("postgres");
    std::fs::create_dir(&data)?;
    if let Some(user) = user {
        run("chown", &[user, &text(&data)])?;
    }
    let cluster = text(&data.join("data"));
    // --no-sync is about the new files alone: the server syncs as in production.
    let make = [
        &*text(&bin.join("initdb")),
        "--pgdata",
        &*cluster,
        "--username",
        "postgres",
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--locale",
        "C.UTF-8",
        "--no-sync",
    ];
    match user {
        Some(user) => {
            let mut arguments = vec!["--reuid", user, "--regid", user, "--init-groups", "--"];
            arguments.extend(make);
            run("setpriv", &arguments)?;
        }
        None => run(make[0], &make[1..])?,
    }
    let port = free_port()?;
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        // No socket file: its path would be too long in some temporary folders.
        "unix_socket_directories=".to_owned(),
        "max_connections=100".to_owned(),
        "fsync=on".to_owned(),
        "synchronous_commit=on".to_owned(),
        "timezone=UTC".to_owned(),
    ];
    let mut command = vec![text(&bin.join("postgres")), "-D".to_owned(), cluster];
    command.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    // QUIT ends it at once and gives its shared memory back; the data is thrown away anyway.
    let start =
        Start { name: "postgres", command: &command, user, env: &[], folder, signal: "QUIT" };
    let mut own = Process::start(&start)?;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    own.await_ready(async || connect(&url).await.is_ok()).await?;
    Ok(Postgres { url, id: Some(own.id()), _own: Some(own) })
}

/// The first process of a server that somebody else started, if it is on this machine.
async fn id(url: &str) -> anyhow::Result<Option<u32>> {
    let mut connection = connect(url).await?;
    let (ours,): (i32,) =
        sqlx::query_as("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
    let ours = u32::try_from(ours)?;
    Ok(machine::is_named(ours, "postgres").then(|| machine::parent_of(ours)).flatten())
}

/// The folder of the newest server: Debian keeps it off the PATH.
fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    versions.sort_by_key(|bin| {
        let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|version| version.parse::<u32>().ok()).unwrap_or(0)
    });
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = versions.into_iter().rev().chain(std::env::split_paths(&on_path));
    folders.into_iter().find(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
}

pub(super) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|done| done.stdout.trim_ascii() == b"0")
}

pub(super) fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let done = Command::new(program).args(arguments).current_dir("/").env("LC_ALL", "C").output();
    let done = done.with_context(|| format!("{program} does not start"))?;
    if !done.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}

pub(super) fn text(path: &Path) -> String {
    path.display().to_string()
}
