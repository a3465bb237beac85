//! Who else on the machine may look into what is written: nobody, whatever the umask is.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use super::{Desk, Running, free_address};

fn mode(path: &Path) -> u32 {
    let known =
        std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    known.permissions().mode() & 0o777
}

/// The modes of everything below a folder that are wider than the owner's.
fn wide(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("reads").flatten() {
        let (path, right) = (entry.path(), if entry.path().is_dir() { 0o700 } else { 0o600 });
        if mode(&path) != right {
            found.push(format!("{} {:o}", path.display(), mode(&path)));
        }
        if path.is_dir() {
            found.extend(wide(&path));
        }
    }
    found
}

#[test]
fn what_is_written_is_the_owner_s_alone_and_what_is_wider_is_told() {
    let mut desk = Desk::new();
    desk.set("OPS_LISTEN", &free_address());
    let binary = env!("CARGO_BIN_EXE_bellbuoy");
    let open_mask = format!("umask 0; exec {binary} up");
    let mut up = desk.program("sh", &["-c", &open_mask]);
    let running = Running(up.stdout(Stdio::null()).spawn().expect("starts"));
    desk.wait_until_ready();
    desk.project("acme");
    std::fs::write(desk.folder.path().join("bell"), "ding").expect("writes");
    desk.good(&["files", "put", "acme", "sounds/bell", "bell"]);
    desk.good(&["files", "get", "acme", "sounds/bell", "-o", "copy"]);
    let data = desk.folder.path().join("data");
    for name in
        ["bellbuoy.db", "bellbuoy.db-wal", "bellbuoy.db-shm", "bellbuoy.db.lock", "seal.key"]
    {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    assert_eq!((mode(&data), mode(&data.join("files"))), (0o700, 0o700));
    assert_eq!(wide(&data), Vec::<String>::new());
    assert_eq!(mode(&desk.folder.path().join("copy")), 0o600);
    let doctor = desk.good(&["doctor"]);
    assert!(!doctor.contains("warning"), "{doctor}");
    drop(running);

    // What an older build or somebody's hand left wider stays as it is, and is told.
    for (name, wider) in
        [("", 0o755), ("bellbuoy.db", 0o644), ("seal.key", 0o640), ("files", 0o755)]
    {
        let path = data.join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(wider)).expect("widens");
    }
    let doctor = desk.good(&["doctor"]);
    for told in
        ["data is open", "bellbuoy.db is open", "seal.key is open", "files is open", "chmod 600"]
    {
        assert!(doctor.contains(told), "{told}: {doctor}");
    }
    let log = std::fs::File::create(desk.folder.path().join("log")).expect("a file");
    let running = Running(desk.command(&["up"]).stdout(log).spawn().expect("starts"));
    desk.wait_until_ready();
    drop(running);
    let log = std::fs::read_to_string(desk.folder.path().join("log")).expect("reads");
    assert!(log.contains("bellbuoy.db is open to others (mode 0644)"), "{log}");
    assert_eq!(mode(&data.join("bellbuoy.db")), 0o644);
}

#[test]
fn files_follow_a_folder_that_the_operator_opened() {
    let desk = Desk::new();
    desk.good(&["migrate"]);
    desk.project("acme");
    let files = desk.folder.path().join("data/files");
    std::fs::create_dir(&files).expect("makes");
    std::fs::set_permissions(&files, std::fs::Permissions::from_mode(0o750)).expect("opens");
    std::fs::write(desk.folder.path().join("bell"), "ding").expect("writes");
    desk.good(&["files", "put", "acme", "sounds/bell", "bell"]);
    let listed = desk.good(&["files", "ls", "acme", "--json"]);
    let key: serde_json::Value = serde_json::from_str(listed.trim()).expect("JSON");
    let bell = files.join(key["key"].as_str().expect("a key"));
    assert_eq!((mode(&bell), mode(bell.parent().expect("a folder"))), (0o640, 0o750));
}
