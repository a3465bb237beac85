//! What commands print. Nobody has to read to the end: when the reader is gone, as with `bellbuoy … | head`, the command
//! ends as other tools do, without a word.

use std::io::{self, Write};
use std::process::ExitCode;

use runtime::process::Failure;

/// What a process ends with that the system ended because nobody reads any more: 128 and the number of SIGPIPE.
const NOBODY_READS: u8 = 141;

/// Nobody reads any more.
#[derive(Debug)]
pub struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads the output")
    }
}

impl std::error::Error for Closed {}

/// Prints a text as it is.
///
/// # Errors
/// When it can't be written; `Closed` when nobody reads any more.
pub fn text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    told(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Prints a line; the macro `say!` formats it.
///
/// # Errors
/// When it can't be written; `Closed` when nobody reads any more.
pub fn line(line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    told(writeln!(io::stdout().lock(), "{line}"))
}

/// What became of writing to the standard output.
///
/// # Errors
/// When it failed; `Closed` when nobody reads any more.
pub fn told(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        other => Ok(other?),
    }
}

/// Prints JSON, for people and programs.
///
/// # Errors
/// When it can't be written; `Closed` when nobody reads any more.
pub fn json(value: &serde_json::Value) -> Result<(), Failure> {
    text(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Says something to people beside the output; if nobody hears it, that is all the same.
pub fn aside(words: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}

/// Says why a command failed, and with what it ends.
pub fn failed(error: &Failure) -> ExitCode {
    if error.is::<Closed>() {
        return ExitCode::from(NOBODY_READS);
    }
    aside(format_args!("bellbuoy: {error}"));
    ExitCode::FAILURE
}

/// Prints a line, like `println!`, and fails instead of panicking when nobody reads it.
macro_rules! say {
    ($($told:tt)*) => { $crate::out::line(format_args!($($told)*))? };
}
pub(crate) use say;
