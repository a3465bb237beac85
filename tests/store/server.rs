//! A PostgreSQL server of one test's own, which it may kill.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub struct Server {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if is_root() {
            // The server refuses to run as root.
            run(Command::new("chown").arg("postgres:").arg(folder.path()));
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut server = Self { folder, port, child: None };
        let mut init = server.command("initdb");
        init.args([
            "--username",
            "postgres",
            "--auth",
            "trust",
            "--locale",
            "C.UTF-8",
            "--no-sync",
        ]);
        run(&mut init);
        drop(listener);
        server.restart();
        server
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it at once; what was committed is on the disk.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // QUIT: no goodbye to anybody, but its children end too.
            run(Command::new("kill").args(["-QUIT", &child.id().to_string()]));
            child.wait().expect("it ends");
        }
    }

    pub fn restart(&mut self) {
        let mut command = self.command("postgres");
        let port = format!("port={}", self.port);
        for setting in
            [&port, "listen_addresses=127.0.0.1", "unix_socket_directories=", "lc_messages=C"]
        {
            command.args(["-c", setting]);
        }
        let log = File::create(self.folder.path().join("log")).expect("a log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("starts"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn command(&self, program: &str) -> Command {
        let program = bin().join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--init-groups",
                "--pdeathsig=QUIT",
                "--",
            ]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").arg("-D").arg(self.folder.path().join("data"));
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where the server's programs are, as `tests/run` found them.
fn bin() -> PathBuf {
    std::env::var_os("BELLBUOY_TEST_POSTGRES_BIN")
        .expect("BELLBUOY_TEST_POSTGRES_BIN is not set: tests/run sets it")
        .into()
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
