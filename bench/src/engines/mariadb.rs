//! A MariaDB that syncs every commit, as in production.

use std::path::Path;

use anyhow::Context as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::postgres::{is_root, run, text};
use crate::process::{Process, Start, free_port};

/// The server.
pub struct Mariadb {
    url: String,
    /// The id of its process, where that can be told.
    pub id: Option<u32>,
    _own: Option<Process>,
}

impl Mariadb {
    /// Takes the one that `BELLBUOY_TEST_MARIADB` names, or starts one.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        match std::env::var("BELLBUOY_TEST_MARIADB") {
            Ok(url) => Ok(Self { url, id: None, _own: None }),
            Err(_) => start(folder).await,
        }
    }

    /// The address of a new database, and its name.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn database(&self) -> anyhow::Result<(String, String)> {
        let name = format!("bench_{}", uuid::Uuid::new_v4().simple());
        self.admin(format!("CREATE DATABASE {name}")).await?;
        let (server, _) =
            self.url.rsplit_once('/').context("BELLBUOY_TEST_MARIADB names no database")?;
        Ok((format!("{server}/{name}"), name))
    }

    /// Takes a database away.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop(&self, name: &str) -> anyhow::Result<()> {
        self.admin(format!("DROP DATABASE {name}")).await
    }

    async fn admin(&self, statement: String) -> anyhow::Result<()> {
        let mut connection = connect(&self.url).await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// What it promises to keep.
    pub(super) async fn promise(&self) -> anyhow::Result<(String, String)> {
        let mut connection = connect(&self.url).await?;
        let ask = "SELECT VERSION(), CONCAT('innodb_flush_log_at_trx_commit=', @@GLOBAL.innodb_flush_log_at_trx_commit,
                     ' innodb_doublewrite=', @@GLOBAL.innodb_doublewrite, ' log_bin=', @@GLOBAL.log_bin,
                     ' innodb_buffer_pool_size=', @@GLOBAL.innodb_buffer_pool_size)";
        let (version, settings): (String, String) =
            sqlx::query_as(ask).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok((format!("MariaDB {version}"), settings))
    }
}

async fn connect(url: &str) -> anyhow::Result<MySqlConnection> {
    let options: MySqlConnectOptions = url.parse()?;
    Ok(options.disable_statement_logging().connect().await?)
}

async fn start(folder: &Path) -> anyhow::Result<Mariadb> {
    let missing = "MariaDB is not installed; `tests/run --install` does it";
    let server = program("mariadbd").context(missing)?;
    let install = program("mariadb-install-db").context(missing)?;
    // The server refuses to run as root.
    let user = is_root().then_some("mysql");
    let home = folder.join("mariadb");
    let (data, tmp) = (home.join("data"), home.join("tmp"));
    std::fs::create_dir(&home)?;
    std::fs::create_dir(&data)?;
    std::fs::create_dir(&tmp)?;
    let init = home.join("init.sql");
    let grant =
        "CREATE USER 'bench'@'%' IDENTIFIED BY 'bench';\nGRANT ALL ON *.* TO 'bench'@'%';\n";
    std::fs::write(&init, grant)?;
    if let Some(user) = user {
        run("chown", &["-R", user, &text(&home)])?;
    }
    let datadir = format!("--datadir={}", text(&data));
    let temporary = format!("TMPDIR={}", text(&tmp));
    let mut make = vec!["setpriv"];
    if let Some(user) = user {
        make.extend(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    make.extend(["--", "env", &temporary, &install, "--no-defaults", &datadir]);
    make.extend(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    run(make[0], &make[1..])?;
    let port = free_port()?;
    let command = [
        server,
        "--no-defaults".to_owned(),
        datadir,
        format!("--tmpdir={}", text(&tmp)),
        format!("--pid-file={}", text(&home.join("pid"))),
        format!("--port={port}"),
        format!("--init-file={}", text(&init)),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve".to_owned(),
        // No socket file: its path would be too long in some temporary folders.
        "--socket=".to_owned(),
        "--innodb-flush-log-at-trx-commit=1".to_owned(),
    ];
    let start =
        Start { name: "mariadb", command: &command, user, env: &[], folder, signal: "TERM" };
    let mut own = Process::start(&start)?;
    let url = format!("mysql://bench:bench@127.0.0.1:{port}/mysql");
    own.await_ready(async || connect(&url).await.is_ok()).await?;
    Ok(Mariadb { url, id: Some(own.id()), _own: Some(own) })
}

/// Where a program is: Debian keeps the server where only root's PATH leads.
fn program(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file()).map(|file| text(&file))
}
