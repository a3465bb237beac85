//! The binary as an operator meets it: does it refuse what is wrong, say so, and keep to itself what it writes?

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

mod configuration;
mod keys;
mod modes;
mod printing;
mod resealed;
mod sending;

use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a process may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder in which commands run, with their environment.
struct Desk {
    folder: TempDir,
    env: BTreeMap<String, String>,
}

impl Desk {
    fn new() -> Self {
        let env = [
            ("HTTP_LISTEN", "127.0.0.1:0"),
            ("OPS_LISTEN", "127.0.0.1:0"),
            ("DEMO_ENABLED", "false"),
            ("AUTH_HASH_MEMORY", "64KiB"),
        ];
        let env = env.map(|(name, value)| (format!("BELLBUOY_{name}"), value.to_owned())).into();
        Self { folder: tempfile::tempdir().expect("a folder"), env }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.env.insert(format!("BELLBUOY_{name}"), value.to_owned());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_bellbuoy"), arguments)
    }

    fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&self.env)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("runs")
    }

    /// Runs what must go well; answers what it printed.
    fn good(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(done.stdout).expect("a text")
    }

    /// Runs what must fail; answers all that it said.
    fn bad(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert!(!done.status.success(), "{arguments:?} went well");
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        said.into_owned()
    }

    fn project(&self, slug: &str) {
        let email = format!("ada@{slug}.example");
        let names = ["--slug", slug, "--name", slug, "--admin-full-name", "Ada"];
        let create = [&["project", "create", "--admin-email", &email][..], &names].concat();
        self.good(&create);
    }

    /// Whether a process of this desk is ready; `OPS_LISTEN` must name a port.
    fn wait_until_ready(&self) {
        let started = Instant::now();
        while !self.run(&["health"]).status.success() {
            assert!(started.elapsed() < PATIENCE, "never ready");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}
