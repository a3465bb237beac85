//! A MariaDB server of a test's own, on a free port.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cluster::free_port;
use crate::engines::{StoreServer, variable};
use crate::postgres::{is_root, run};

/// How long it may take to start: what a crash left behind is done over first.
const PATIENCE: Duration = Duration::from_secs(60);

/// The user that it runs under when we are root, for as root it does not run.
const USER: &str = "mysql";

/// A server that keeps what it synced over a crash, and ends with this value.
pub struct Server {
    port: u16,
    folder: TempDir,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Makes its data and starts it.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Makes its data and starts it with some settings more, like `innodb-flush-log-at-trx-commit=2`.
    pub fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // A server that starts clears its folder for temporary tables, whoever's they are.
        let own = ["data", "tmp"].map(|name| folder.path().join(name));
        own.iter().for_each(|folder| std::fs::create_dir(folder).expect("a folder"));
        let user = "CREATE OR REPLACE USER 'bellbuoy'@'%' IDENTIFIED BY 'test';\nGRANT ALL ON *.* TO 'bellbuoy'@'%';\n\
                    CREATE DATABASE IF NOT EXISTS bellbuoy;\n";
        std::fs::write(folder.path().join("init.sql"), user).expect("writes");
        if is_root() {
            // It passes through our folder to its own.
            std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).expect("sets");
            run(Command::new("chown").arg(format!("{USER}:")).args(&own));
        }
        let settings = settings.iter().map(|setting| format!("--{setting}")).collect();
        let mut server = Self { port: free_port().port(), folder, settings, child: None };
        let mut install = server.command("BELLBUOY_TEST_MARIADB_INSTALL");
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        run(&mut install);
        server.restart();
        server
    }

    fn spawn(&self) -> Child {
        let log = File::create(self.log()).expect("a log");
        let mut command = self.command("BELLBUOY_TEST_MARIADB_SERVER");
        command
            .args(["--socket=", "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--port={}", self.port))
            .arg(format!("--pid-file={}", self.folder.path().join("data/pid").display()))
            .arg(format!("--init-file={}", self.folder.path().join("init.sql").display()))
            .args(["--max-connections=200", "--innodb-buffer-pool-size=64M", "--lc-messages=en_US"])
            .args(&self.settings);
        command.stdout(log.try_clone().expect("a handle")).stderr(log).spawn().expect("it starts")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn command(&self, program: &str) -> Command {
        let program = variable(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let data = format!("--datadir={}", self.folder.path().join("data").display());
        command.args(["--no-defaults", &data]);
        command.current_dir("/").env("LC_ALL", "C").env("TMPDIR", self.folder.path().join("tmp"));
        command.stdin(Stdio::null());
        command
    }
}

impl StoreServer for Server {
    fn url(&self) -> String {
        format!("mysql://bellbuoy:test@127.0.0.1:{}/bellbuoy", self.port)
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn restart(&mut self) {
        self.kill();
        self.child = Some(self.spawn());
        let started = Instant::now();
        while !self.said().contains("ready for connections") {
            assert!(started.elapsed() < PATIENCE, "MariaDB does not start:\n{}", self.said());
            // The port may have gone to somebody for a moment.
            if self.child.as_mut().is_none_or(|child| child.try_wait().expect("a state").is_some())
            {
                self.child = Some(self.spawn());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
