//! `bellbuoy key reseal`: what older sealing keys sealed is sealed anew.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use runtime::process::Failure;
use serde_json::json;
use services::admin::{Admin, Resealed};
use services::reseal::{Found, Mode};

use crate::out::{self, say};

/// Does it and says what it found.
pub async fn run(admin: &Admin, check: bool, as_json: bool) -> Result<ExitCode, Failure> {
    let mode = if check { Mode::Check } else { Mode::Reseal };
    let on_terminal = !as_json && std::io::stderr().is_terminal();
    let progress = |found: &Found| {
        if on_terminal {
            let (column, looked) = (found.column.as_str(), found.looked);
            // Whoever looks away from the terminal misses nothing that is not told at the end.
            let _ = write!(std::io::stderr(), "\r{column:<28} {looked:>10} looked at");
        }
    };
    let done = admin.reseal(mode, progress).await;
    if on_terminal {
        let _ = write!(std::io::stderr(), "\r{:<60}\r", "");
    }
    let done = done?;
    if as_json {
        out::json(&told(&done, check))?;
    } else {
        print(&done, check)?;
    }
    let left = if check { done.older() } else { 0 };
    Ok(if left + done.broken() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn told(done: &Resealed, check: bool) -> serde_json::Value {
    let column = |one: &Found| {
        json!({ "column": one.column.as_str(), "looked_at": one.looked, "newest": one.newest,
                "older": one.older, "broken": one.broken })
    };
    json!({
        "key": done.newest.to_string(),
        "previous_keys": done.previous.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "changed": !check,
        "older": done.older(),
        "broken": done.broken(),
        "columns": done.found.iter().map(column).collect::<Vec<_>>(),
    })
}

fn print(done: &Resealed, check: bool) -> Result<(), Failure> {
    let previous: Vec<String> = done.previous.iter().map(ToString::to_string).collect();
    let previous = if previous.is_empty() { "none".to_owned() } else { previous.join(", ") };
    say!("key  {}   (previous: {previous})", done.newest);
    let verb = if check { "of older keys" } else { "sealed anew" };
    for one in &done.found {
        let Found { column, looked, older, broken, .. } = one;
        let column = column.as_str();
        say!("{column:<28} {looked:>10} looked at, {older} {verb}, {broken} that nothing opens");
    }
    match (check, done.older(), done.broken()) {
        (_, _, broken) if broken > 0 => {
            say!("{broken} values open with no key of the configuration; see the log for which");
        }
        (true, 0, _) => say!("nothing of an older key is left"),
        (true, older, _) => say!("{older} values are left; run `bellbuoy key reseal`"),
        (false, ..) => {
            say!("done; `bellbuoy key reseal --check` says whether anything is left")
        }
    }
    Ok(())
}
