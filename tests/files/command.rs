//! `bellbuoy files`, and what `bellbuoy doctor` and `bellbuoy health` say, as an operator meets them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use config::StoreUrl;
use domain::id::ProjectId;
use domain::time::Time;
use serde_json::Value;
use services::onboarding;
use store::{Step, Store};
use tempfile::TempDir;

use super::s3_server::{KEY, S3Server, SECRET};

/// A folder with a store, in which there is a project, and an engine for files.
pub struct Desk {
    pub folder: TempDir,
    pub project: ProjectId,
    env: Vec<(&'static str, String)>,
    pub server: Option<S3Server>,
}

impl Desk {
    pub async fn disk() -> Self {
        Self::with(None).await
    }

    pub async fn s3() -> Self {
        Self::with(Some(S3Server::start().await)).await
    }

    async fn with(server: Option<S3Server>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config::Config::development().store;
        config.url = StoreUrl::sqlite(folder.path().join("data/bellbuoy.db"));
        std::fs::create_dir(folder.path().join("data")).expect("a folder");
        let store = Store::open(&config, std::time::Duration::from_secs(5)).await.expect("opens");
        store.migrate(Step::Up).await.expect("migrates");
        let now = Time::parse("2026-03-01T12:00:00Z").expect("a time");
        let made = onboarding::project(&store, "acme", "Acme", now).await.expect("a project");
        store.close().await;
        let env = server.as_ref().map_or_else(Vec::new, |server| {
            vec![
                ("BELLBUOY_FILES_URL", server.url()),
                ("BELLBUOY_FILES_ACCESS_KEY_ID", KEY.to_owned()),
                ("BELLBUOY_FILES_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ]
        });
        Self { folder, project: made.0, env, server }
    }

    /// Where files lie in the folder, with the disk.
    pub fn files(&self) -> std::path::PathBuf {
        self.folder.path().join("data/files")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellbuoy"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs it without holding this thread up: the server runs in this process.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let done = tokio::task::spawn_blocking(move || command.output());
        done.await.expect("no panic").expect("runs")
    }

    /// Runs what must go well; answers what it printed.
    pub async fn good(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments).await;
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(done.stdout).expect("a text")
    }

    /// Runs what must fail; answers what it said.
    pub async fn bad(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments).await;
        assert!(!done.status.success(), "{arguments:?} went well");
        String::from_utf8(done.stderr).expect("a text")
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn an_operator_works_with_files(desk: &Desk) {
    let source = desk.folder.path().join("bell.txt");
    std::fs::write(&source, "ding dong").expect("writes");
    let source = source.to_str().expect("a path");
    let put = ["files", "put", "acme", "sounds/bell.txt", source, "--type", "text/plain", "--json"];
    let stored = json(&desk.good(&put).await);
    assert_eq!(stored["size"], 9);
    assert_eq!(stored["key"], format!("projects/{}/sounds/bell.txt", desk.project));
    assert_eq!(stored["sha256"].as_str().map(str::len), Some(64));
    // The project can be named by its id as well.
    let id = desk.project.to_string();
    assert_eq!(desk.good(&["files", "get", &id, "sounds/bell.txt"]).await, "ding dong");
    let listed = json(desk.good(&["files", "ls", "acme", "--json"]).await.trim());
    assert_eq!((&listed["key"], &listed["size"]), (&stored["key"], &stored["size"]));
    assert_eq!(desk.good(&["files", "ls", "acme", "sounds/x"]).await, "");
    let copy = desk.folder.path().join("copy.txt");
    let copy_path = copy.to_str().expect("a path");
    desk.good(&["files", "get", "acme", "sounds/bell.txt", "-o", copy_path]).await;
    assert_eq!(std::fs::read_to_string(&copy).expect("reads"), "ding dong");
    let url = desk.good(&["files", "url", "acme", "sounds/bell.txt", "--seconds", "60"]).await;
    assert!(url.contains("sounds/bell.txt?"), "{url}");
    for (wrong, words) in [
        (["files", "get", "acme", "nothing"], "no such file"),
        (["files", "url", "acme", "nothing"], "no such file"),
        (["files", "get", "acme", "../x"], "letters, digits"),
        (["files", "get", "nobody", "x"], "no project"),
        (["files", "put", "acme", "x"], "FILE"),
    ] {
        let said = desk.bad(&wrong).await;
        assert!(said.contains(words), "{wrong:?}: {said}");
    }
    desk.good(&["files", "rm", "acme", "sounds/bell.txt", "sounds/none"]).await;
    assert_eq!(desk.good(&["files", "ls", "acme"]).await, "");
    let doctor = json(&desk.good(&["doctor", "--json"]).await);
    let found = doctor["findings"].as_array().expect("findings");
    let files = found.iter().find(|one| one["what"] == "files").expect("files");
    assert_eq!(files["ok"], true, "{files}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_on_disk() {
    an_operator_works_with_files(&Desk::disk().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_a_bucket() {
    an_operator_works_with_files(&Desk::s3().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_says_what_is_wrong_with_a_bucket() {
    let mut desk = Desk::s3().await;
    let address = desk.server.as_ref().expect("a server").address;
    let url = |bucket: &str, address: &str| {
        format!("s3://{bucket}?region=x&endpoint=http://{address}&path_style=true")
    };
    for (url, secret, words) in [
        (url("bell-files", &address.to_string()), "wrong", "SignatureDoesNotMatch"),
        (url("no-bucket", &address.to_string()), SECRET, "no bucket"),
        (url("bell-files", "127.0.0.1:1"), SECRET, "dispatch failure"),
    ] {
        desk.env = vec![
            ("BELLBUOY_FILES_URL", url.clone()),
            ("BELLBUOY_FILES_ACCESS_KEY_ID", KEY.to_owned()),
            ("BELLBUOY_FILES_SECRET_ACCESS_KEY", secret.to_owned()),
        ];
        let done = desk.run(&["doctor", "--json"]).await;
        assert!(!done.status.success(), "{url}");
        let doctor = json(&String::from_utf8_lossy(&done.stdout));
        let found = doctor["findings"].as_array().expect("findings");
        let files = found.iter().find(|one| one["what"] == "files").expect("files");
        let wrong = files["wrong"].as_str().unwrap_or_default();
        assert!(wrong.contains(words), "{url}: {wrong}");
        assert!(!wrong.contains(SECRET), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_that_of_the_process_that_runs() {
    let mut desk = Desk::disk().await;
    let said = desk.bad(&["health"]).await;
    assert!(said.contains("/ready"), "nobody runs: {said}");
    let port = free_port();
    desk.env = vec![
        ("BELLBUOY_OPS_LISTEN", format!("0.0.0.0:{port}")),
        ("BELLBUOY_HTTP_LISTEN", "127.0.0.1:0".to_owned()),
        ("BELLBUOY_DEMO_ENABLED", "false".to_owned()),
    ];
    let mut process = Running(desk.command(&["up"]).stdout(Stdio::null()).spawn().expect("starts"));
    let started = std::time::Instant::now();
    while !desk.run(&["health"]).await.status.success() {
        assert!(started.elapsed().as_secs() < 30, "never ready");
    }
    assert!(desk.good(&["health"]).await.contains("ready"));
    assert!(desk.good(&["health", "--live"]).await.contains("live"));
    process.0.kill().expect("is killed");
    process.0.wait().expect("ends");
    desk.bad(&["health", "--live"]).await;
}

/// A process that ends with its test.
pub struct Running(pub std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Everything below a folder that is a file.
pub fn all_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(all_files(&path)) } else { found.push(path) }
    }
    found
}
