//! A process is killed while it stores: nobody ever sees a half of it, and what is left behind goes.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use bellbuoy_harness::{Pair, TestApp};
use config::FilesUrl;

use super::command::{Desk, Running, all_files};
use super::engines::{eventually, leftovers, pattern};

/// Begins to store, and kills it once some of it has arrived.
async fn kill_within(desk: &Desk, path: &str, arrived: impl Fn() -> bool) {
    let arguments = ["files", "put", "acme", path, "-"];
    let child = desk.command(&arguments).stdin(Stdio::piped()).spawn().expect("starts");
    let mut child = Running(child);
    let mut pipe = child.0.stdin.take().expect("a pipe");
    // More than two parts of a bucket; the pipe stays open, so that it never comes to its end.
    let writer = tokio::task::spawn_blocking(move || {
        let sent = pipe.write_all(&pattern(20 << 20));
        (sent, pipe)
    });
    eventually("nothing arrived", arrived).await;
    child.0.kill().expect("is killed");
    child.0.wait().expect("ends");
    drop(writer.await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_disk() {
    let desk = Desk::disk().await;
    let source = desk.folder.path().join("old");
    std::fs::write(&source, "old").expect("writes");
    desk.good(&["files", "put", "acme", "a/kept", "old"]).await;
    for path in ["a/fresh", "a/kept"] {
        let begun = || {
            let size = |path: &std::path::PathBuf| path.metadata().map_or(0, |known| known.len());
            leftovers(&desk.files()).iter().any(|path| size(path) > 1 << 20)
        };
        kill_within(&desk, path, begun).await;
        assert_eq!(leftovers(&desk.files()).len(), 1, "what was under way is left");
        assert_eq!(desk.good(&["files", "get", "acme", "a/kept"]).await, "old");
        let listed = desk.good(&["files", "ls", "acme"]).await;
        assert_eq!(listed.lines().count(), 1, "{listed}");
        // The next process sweeps what nobody holds, as soon as it is not quite fresh.
        for left in leftovers(&desk.files()) {
            let file = std::fs::File::options().write(true).open(left).expect("opens");
            file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("ages");
        }
        desk.good(&["files", "ls", "acme"]).await;
        assert_eq!(leftovers(&desk.files()), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_bucket() {
    let desk = Desk::s3().await;
    let source = desk.folder.path().join("old");
    std::fs::write(&source, "old").expect("writes");
    desk.good(&["files", "put", "acme", "a/kept", "old"]).await;
    let folder = desk.server.as_ref().expect("a server").folder().to_owned();
    for path in ["a/fresh", "a/kept"] {
        let before = all_files(&folder).len();
        let begun = || {
            all_files(&folder).iter().any(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.contains("part") && path.metadata().is_ok_and(|known| known.len() >= 8 << 20)
            })
        };
        kill_within(&desk, path, begun).await;
        assert!(all_files(&folder).len() > before, "the parts are left, and nobody sees them");
        assert_eq!(desk.good(&["files", "get", "acme", "a/kept"]).await, "old");
        let listed = desk.good(&["files", "ls", "acme"]).await;
        assert_eq!(listed.lines().count(), 1, "{listed}");
        // The second round must not find the parts of the first.
        for path in all_files(&folder) {
            if path.to_string_lossy().contains("part") {
                std::fs::remove_file(path).expect("goes");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_runs_on_sweeps_as_well() {
    let app = TestApp::start(Pair::SqliteSql).await;
    let FilesUrl::Disk { path } = &app.app.config.files.url else { panic!("a disk") };
    let left = path.join(".under-way").join("left");
    let file = std::fs::File::create(&left).expect("is made");
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("ages");
    drop(file);
    // The task is due once an hour, and the scheduler looks by itself.
    app.advance(Duration::from_secs(3601));
    eventually("it is not swept", || !left.exists()).await;
    app.stop().await;
}
