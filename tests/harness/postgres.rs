//! A PostgreSQL server of a test's own, on a free port.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cluster::free_port;
use crate::engines::{StoreServer, variable};

/// How long it may take to start: what a crash left behind must go first.
const PATIENCE: Duration = Duration::from_secs(30);

/// The user that it runs under when we are root, for as root it does not run.
const USER: &str = "postgres";

/// A server that keeps what it synced over a crash, and ends with this value.
pub struct Server {
    port: u16,
    bin: PathBuf,
    folder: TempDir,
    child: Option<Child>,
}

impl Server {
    /// Makes a cluster and starts it.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        if is_root() {
            // It passes through our folder to its own.
            std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).expect("sets");
            run(Command::new("chown").arg(format!("{USER}:")).arg(&data));
        }
        let bin = PathBuf::from(variable("BELLBUOY_TEST_POSTGRES_BIN"));
        let mut server = Self { port: free_port().port(), bin, folder, child: None };
        let mut initdb = server.command("initdb");
        initdb.args([
            "--username",
            "postgres",
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
        ]);
        run(initdb.args(["--no-sync", "--pgdata"]).arg(data));
        server.restart();
        server
    }

    fn spawn(&self) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.folder.path().join("data"));
        for setting in [
            &format!("port={}", self.port),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=100",
            "shared_buffers=64MB",
            "wal_level=minimal",
            "max_wal_senders=0",
            "lc_messages=C",
        ] {
            command.args(["-c", setting]);
        }
        command
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("PostgreSQL starts")
    }

    fn answers(&self) -> bool {
        let mut ask = self.command("pg_isready");
        let asked = ask
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .stdout(Stdio::null())
            .status();
        self.child.is_some() && asked.expect("pg_isready runs").success()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
        command
    }
}

impl StoreServer for Server {
    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn restart(&mut self) {
        self.kill();
        let started = Instant::now();
        while !self.answers() {
            assert!(started.elapsed() < PATIENCE, "PostgreSQL does not start:\n{}", self.said());
            // It refuses to start while a process of the one that was killed is left.
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
        // Not killed: like this it gives its shared memory back.
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
}

pub(crate) fn run(command: &mut Command) {
    let done = command.output().expect("it runs");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
