//! Processes that the bench starts, and that end with it, whatever happens.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// A process of ours. Dropping it ends it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    signal: &'static str,
}

/// How to start one.
pub struct Start<'a> {
    /// What to call it.
    pub name: &'a str,
    /// The program and its arguments.
    pub command: &'a [String],
    /// The user to run it as, when we are root and it refuses to be.
    pub user: Option<&'a str>,
    /// What is set in its environment.
    pub env: &'a [(String, String)],
    /// Where it works and its log goes.
    pub folder: &'a Path,
    /// What ends it in order.
    pub signal: &'static str,
}

/// How long an ordered end may take.
const GRACE: Duration = Duration::from_secs(15);

impl Process {
    /// Starts one. To be called from a thread that lives as long as the bench does: the signal at the death of the
    /// parent is sent when the thread dies that started it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(start: &Start<'_>) -> anyhow::Result<Self> {
        let log = start.folder.join(format!("{}.log", start.name));
        let mut command = guarded(start)?;
        // A developer's own settings must not be measured.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("BELLBUOY_") || name.starts_with("PG") {
                command.env_remove(name);
            }
        }
        let output = File::create(&log)?;
        let child = command
            .env("LC_ALL", "C")
            .envs(start.env.iter().map(|(name, value)| (name, value)))
            .current_dir(start.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start", start.name))?;
        Ok(Self { name: start.name.to_owned(), child, log, signal: start.signal })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When it ends before, or is not ready after a while.
    pub async fn await_ready(
        &mut self,
        mut ready: impl AsyncFnMut() -> bool,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        while !ready().await {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, self.last_words());
            }
            if began.elapsed() > Duration::from_secs(30) {
                bail!("{} is not ready after 30 s: {}", self.name, self.last_words());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What its log ends with.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    fn end(&mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-s", self.signal, &pid]).status();
        let began = Instant::now();
        while told.as_ref().is_ok_and(std::process::ExitStatus::success) && began.elapsed() < GRACE
        {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

/// With `setpriv`, where there is one, the process also ends when the bench is killed with no time to clean up.
fn guarded(start: &Start<'_>) -> anyhow::Result<Command> {
    let (program, arguments) = start.command.split_first().context("no program")?;
    if !on_path("setpriv") {
        let mut command = Command::new(program);
        command.args(arguments);
        return Ok(command);
    }
    let mut command = Command::new("setpriv");
    if let Some(user) = start.user {
        command.args(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    command.args(["--pdeathsig", start.signal, "--", program]).args(arguments);
    Ok(command)
}

/// Whether a program is on the PATH.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A folder for all that a run leaves; it goes when the run goes.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one in the folder for temporary files.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn make() -> anyhow::Result<Self> {
        let name = format!("bellbuoy-bench.{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        // Servers that run as a user of their own pass through here.
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port that is free just now, below the range from which the system takes ports for outgoing connections.
///
/// # Errors
/// When none of many is free.
pub fn free_port() -> anyhow::Result<u16> {
    for _ in 0..200 {
        let port = rand::random_range(20_000..30_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port from 20000 to 29999 is free")
}
